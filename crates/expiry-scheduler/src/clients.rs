//! The ledger as this service sees it: the only file with generated clients.
//!
//! Role: two calls of `LedgerService`, as the service itself, with the messages turned into lengths of time.
//! Failure: every failure of a call is a `tonic::Status`, passed on as it is; who calls decides what then.

use std::time::Duration;

use proto::intake::v1::{
    RunDueRequest, WatchNextDeadlineRequest, WatchNextDeadlineResponse,
    ledger_service_client::LedgerServiceClient,
};
use service_kit::{
    channel::{ClientChannel, with_deadline},
    identity::{TokenInjector, attach},
};
use tonic::{Request, Status, Streaming};

/// The longest a round may take: many times a full batch on a slow disk.
const ROUND_TIMEOUT: Duration = Duration::from_secs(30);

/// What a round of the ledger did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Round {
    /// Deadlines moved.
    pub(crate) ran: u32,
    /// More are due already.
    pub(crate) more: bool,
    /// Until the next deadline, by the store's clock; `None`: none is known.
    pub(crate) next_due_in: Option<Duration>,
    /// How late the latest of them was.
    pub(crate) max_lateness: Duration,
}

/// The ledger. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    client: LedgerServiceClient<ClientChannel>,
    identity: TokenInjector,
}

impl Ledger {
    pub(crate) fn new(intake: ClientChannel, identity: TokenInjector) -> Self {
        Self {
            client: LedgerServiceClient::new(intake),
            identity,
        }
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        attach(&mut request, &self.identity.token());
        request
    }

    /// Runs up to `limit` of what is due.
    pub(crate) async fn run_due(&self, limit: u32) -> Result<Round, Status> {
        let request = with_deadline(self.request(RunDueRequest { limit }), ROUND_TIMEOUT);
        let round = self.client.clone().run_due(request).await?.into_inner();
        Ok(Round {
            ran: round.ran,
            more: round.more,
            next_due_in: round.next_due_in_us.map(Duration::from_micros),
            max_lateness: Duration::from_micros(round.max_lateness_us),
        })
    }

    /// Listens for earlier deadlines.
    pub(crate) async fn watch(&self) -> Result<Announcements, Status> {
        let request = self.request(WatchNextDeadlineRequest {});
        let stream = self.client.clone().watch_next_deadline(request).await?;
        Ok(Announcements {
            stream: stream.into_inner(),
        })
    }
}

/// Announcements of the next deadline.
#[derive(Debug)]
pub(crate) struct Announcements {
    stream: Streaming<WatchNextDeadlineResponse>,
}

impl Announcements {
    /// Until the next deadline (`None`: there is none), once it changes; an error when the stream ends.
    pub(crate) async fn next(&mut self) -> Result<Option<Duration>, Status> {
        let message = self.stream.message().await?;
        let message = message.ok_or_else(|| Status::unavailable("the ledger ended the watch"))?;
        Ok(message.next_due_in_us.map(Duration::from_micros))
    }
}
