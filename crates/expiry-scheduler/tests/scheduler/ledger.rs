//! A ledger that the tests play: deadlines in a list, failures on order, announcements by hand.
//!
//! Role: the two calls that the scheduler makes, behind the same identity layer as the real ledger, so that a missing or
//! foreign token fails here too.

use std::{
    pin::Pin,
    sync::{Arc, LazyLock, Mutex},
    time::Duration,
};

use authz::Authz;
use domain::access::{Action, Principal};
use proto::{
    error::Failure,
    intake::v1::{
        GetFeedRequest, GetFeedResponse, ReadEventsRequest, ReadEventsResponse, RunDueRequest,
        RunDueResponse, TailEventsRequest, TailEventsResponse, WatchNextDeadlineRequest,
        WatchNextDeadlineResponse,
        ledger_service_server::{LedgerService, LedgerServiceServer, SERVICE_NAME},
    },
};
use service_kit::{
    channel::{LocalConnector, local},
    clock::Clock,
    identity::{IdentityLayer, TokenVerifier},
    serve::{GrpcLimits, ListenOn, Server},
    shutdown::Shutdown,
};
use tokio::sync::mpsc;
use tokio_stream::{Stream, StreamExt as _, wrappers::ReceiverStream};
use tonic::{Request, Response, Status, service::Routes};

type Announcement = Result<WatchNextDeadlineResponse, Status>;

#[derive(Default)]
struct State {
    due: Vec<Duration>,
    ran: u32,
    limits: Vec<u32>,
    failing: u32,
    claim_more: bool,
    refuse_watch: bool,
    watchers: Vec<mpsc::Sender<Announcement>>,
}

#[derive(Clone)]
pub(crate) struct Ledger {
    clock: Clock,
    state: Arc<Mutex<State>>,
}

impl Ledger {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            clock,
            state: Arc::default(),
        }
    }

    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap())
    }

    pub(crate) fn serve(&self, verifier: TokenVerifier, stop: Shutdown) -> LocalConnector {
        let (listener, connector) = local();
        let identity: IdentityLayer<Principal> =
            IdentityLayer::new(verifier, proto::identity::decode_principal);
        let server = Server {
            name: "ledger",
            routes: identity.protect(Routes::new(LedgerServiceServer::new(self.clone()))),
            services: vec![SERVICE_NAME],
            descriptors: proto::FILE_DESCRIPTOR_SET,
            listener: ListenOn::Local(listener),
            limits: GrpcLimits::default(),
        };
        tokio::spawn(server.run(stop));
        connector
    }

    /// A deadline, so long from now.
    pub(crate) fn add(&self, in_: Duration) {
        let at = self.clock.monotonic() + in_;
        self.with(|state| state.due.push(at));
    }

    /// Announces the earliest deadline.
    pub(crate) fn announce(&self) {
        let now = self.clock.monotonic();
        let next = self.with(|state| state.due.iter().min().copied());
        self.announce_in(next.map(|at| at.saturating_sub(now)));
    }

    pub(crate) fn announce_in(&self, length: Option<Duration>) {
        let next_due_in_us = length.map(|length| length.as_micros() as u64);
        self.with(|state| {
            state.watchers.retain(|watcher| {
                watcher
                    .try_send(Ok(WatchNextDeadlineResponse { next_due_in_us }))
                    .is_ok()
            });
        });
    }

    /// Announcements that have not left for the scheduler.
    pub(crate) fn unheard(&self) -> usize {
        self.with(|state| {
            let waiting = |watcher: &mpsc::Sender<_>| watcher.max_capacity() - watcher.capacity();
            state.watchers.iter().map(waiting).sum()
        })
    }

    pub(crate) fn cut_watch(&self) {
        self.with(|state| state.watchers.clear());
    }

    pub(crate) fn refuse_watch(&self, refuse: bool) {
        self.with(|state| state.refuse_watch = refuse);
    }

    pub(crate) fn fail(&self, times: u32) {
        self.with(|state| state.failing = times);
    }

    /// Claims that more is due although nothing can be run.
    pub(crate) fn claim_more(&self, claim: bool) {
        self.with(|state| state.claim_more = claim);
    }

    pub(crate) fn ran(&self) -> u32 {
        self.with(|state| state.ran)
    }

    pub(crate) fn rounds(&self) -> usize {
        self.with(|state| state.limits.len())
    }

    pub(crate) fn limits(&self) -> Vec<u32> {
        self.with(|state| state.limits.clone())
    }
}

static POLICIES: LazyLock<Authz> = LazyLock::new(|| Authz::shipped().unwrap());

fn authorize<T>(request: &Request<T>) -> Result<(), Status> {
    let principal = request.extensions().get::<Principal>().unwrap();
    Ok(POLICIES
        .admit(principal, Action::ServiceTime)
        .map_err(Failure::from)?)
}

type Following<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl LedgerService for Ledger {
    async fn run_due(
        &self,
        request: Request<RunDueRequest>,
    ) -> Result<Response<RunDueResponse>, Status> {
        authorize(&request)?;
        let limit = request.into_inner().limit;
        let now = self.clock.monotonic();
        self.with(|state| {
            if state.failing > 0 {
                state.failing -= 1;
                return Err(Status::unavailable("the store is away"));
            }
            state.limits.push(limit);
            state.due.sort_unstable();
            let due = state.due.partition_point(|at| *at <= now);
            let run = due.min(limit as usize);
            let latest = state.due.drain(..run).next();
            state.ran += run as u32;
            Ok(Response::new(RunDueResponse {
                ran: run as u32,
                more: run < due || state.claim_more,
                next_due_in_us: state
                    .due
                    .first()
                    .map(|at| at.saturating_sub(now).as_micros() as u64),
                max_lateness_us: latest.map_or(0, |at| (now - at).as_micros() as u64),
            }))
        })
    }

    type WatchNextDeadlineStream = Following<WatchNextDeadlineResponse>;

    async fn watch_next_deadline(
        &self,
        request: Request<WatchNextDeadlineRequest>,
    ) -> Result<Response<Self::WatchNextDeadlineStream>, Status> {
        authorize(&request)?;
        let (sender, receiver) = mpsc::channel(64);
        self.with(|state| {
            if state.refuse_watch {
                return Err(Status::unavailable("no watch today"));
            }
            state.watchers.push(sender);
            Ok(())
        })?;
        let stream = ReceiverStream::new(receiver).map(|message| message);
        Ok(Response::new(Box::pin(stream)))
    }

    type TailEventsStream = Following<TailEventsResponse>;

    async fn tail_events(
        &self,
        _request: Request<TailEventsRequest>,
    ) -> Result<Response<Self::TailEventsStream>, Status> {
        Err(Status::unimplemented("the scheduler follows no events"))
    }

    async fn read_events(
        &self,
        _request: Request<ReadEventsRequest>,
    ) -> Result<Response<ReadEventsResponse>, Status> {
        Err(Status::unimplemented("the scheduler reads no events"))
    }

    async fn get_feed(
        &self,
        _request: Request<GetFeedRequest>,
    ) -> Result<Response<GetFeedResponse>, Status> {
        Err(Status::unimplemented("the scheduler reads no events"))
    }
}
