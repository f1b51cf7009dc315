//! A ledger in memory: intake's LedgerService as far as followers see it.

use std::pin::Pin;
use std::sync::{Arc, Mutex};

use futures::{Stream, stream};
use proto::intake::v1::{self as wire, ledger_service_server::LedgerService};
use proto::types::v1::{EventFilter, EventRecord};
use tokio::sync::watch;
use tonic::{Request, Response, Status};

/// The log. Clones share it.
#[derive(Clone)]
pub(crate) struct Ledger {
    log: Arc<Mutex<Log>>,
    head: watch::Sender<u64>,
}

struct Log {
    epoch: u32,
    events: Vec<EventRecord>,
}

impl Ledger {
    pub(crate) fn new() -> Self {
        Self {
            log: Arc::new(Mutex::new(Log {
                epoch: 1,
                events: Vec::new(),
            })),
            head: watch::Sender::new(0),
        }
    }

    /// Appends an event and answers its id.
    pub(crate) fn append(&self, kind: &str, institution: &str) -> String {
        let mut log = self.log.lock().unwrap();
        let position = log.events.len() as u64 + 1;
        let event = event(position, log.epoch, kind, institution);
        let id = event.id.clone();
        log.events.push(event);
        drop(log);
        self.head.send_replace(position);
        id
    }

    /// Comes back from a backup that was made at `position`.
    pub(crate) fn restore(&self, position: usize) {
        let mut log = self.log.lock().unwrap();
        log.events.truncate(position);
        log.epoch += 1;
        drop(log);
        self.append("portreeve.ledger.restored", "");
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        let log = self.log.lock().unwrap();
        log.events.iter().map(|event| event.id.clone()).collect()
    }

    pub(crate) fn envelope(&self, id: &str) -> Vec<u8> {
        let log = self.log.lock().unwrap();
        let event = log.events.iter().find(|event| event.id == id).unwrap();
        event.envelope.to_vec()
    }

    fn page(
        &self,
        after: u64,
        filter: &EventFilter,
        visibility: &wire::Visibility,
        limit: u32,
    ) -> Result<(Vec<EventRecord>, u64, u64), Status> {
        let log = self.log.lock().unwrap();
        let head = log.events.len() as u64;
        if after > head {
            return Err(proto::error::Failure::new(
                domain::refusal::Kind::OutOfRange,
                "POSITION_AHEAD",
                "beyond the head",
            )
            .into_status());
        }
        let limit = if limit == 0 { 500 } else { limit as usize };
        let mut found = Vec::new();
        for event in log.events.iter().skip(after as usize) {
            if shows(visibility, event) && matches(filter, event) {
                found.push(event.clone());
                if found.len() == limit {
                    return Ok((found, event.position, head));
                }
            }
        }
        Ok((found, head, head))
    }
}

fn shows(visibility: &wire::Visibility, event: &EventRecord) -> bool {
    visibility.all
        || visibility.institutions.contains(&event.institution)
        || visibility.products.contains(&event.product)
        || visibility.teams.contains(&event.team)
}

fn matches(filter: &EventFilter, event: &EventRecord) -> bool {
    let type_matches = |pattern: &String| match pattern.strip_suffix('*') {
        Some(prefix) => event.r#type.starts_with(prefix),
        None => *pattern == event.r#type,
    };
    (filter.types.is_empty() || filter.types.iter().any(type_matches))
        && (filter.institutions.is_empty() || filter.institutions.contains(&event.institution))
}

fn event(position: u64, epoch: u32, kind: &str, institution: &str) -> EventRecord {
    let id = format!("01930a3e-{epoch:04x}-7000-8000-{position:012x}");
    let subject = format!("01930a3e-7c00-7000-8000-{:012x}", position % 100);
    let envelope = format!(
        r#"{{"specversion":"1.0","id":"{id}","source":"/portreeve","type":"{kind}","subject":"{subject}","time":"2026-12-18T17:00:00.123456Z","datacontenttype":"application/json","dataschema":"urn:portreeve:schema:{kind}:v1","sequence":"{position:020}","partitionkey":"{subject}","traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","detailscommitment":"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad","data":{{"institution":"{institution}","product":"lims","accessRequest":"{subject}","number":"FW-2026-000123","grant":"{subject}","state":"active","emergency":false,"effectiveTime":"2026-12-18T17:00:00Z","expireTime":"2026-12-19T00:00:00Z","team":"cloud-eu","version":"\"v3\"","epoch":1,"link":"/v1/institutions/{institution}/grants/{subject}"}}}}"#
    );
    EventRecord {
        position,
        id,
        r#type: kind.to_owned(),
        subject,
        sequence: position,
        institution: institution.to_owned(),
        envelope: envelope.into_bytes().into(),
        ..EventRecord::default()
    }
}

#[tonic::async_trait]
impl LedgerService for Ledger {
    type WatchNextDeadlineStream = stream::Empty<Result<wire::WatchNextDeadlineResponse, Status>>;
    type TailEventsStream =
        Pin<Box<dyn Stream<Item = Result<wire::TailEventsResponse, Status>> + Send>>;

    async fn run_due(
        &self,
        _: Request<wire::RunDueRequest>,
    ) -> Result<Response<wire::RunDueResponse>, Status> {
        Err(Status::unimplemented("not for followers"))
    }

    async fn watch_next_deadline(
        &self,
        _: Request<wire::WatchNextDeadlineRequest>,
    ) -> Result<Response<Self::WatchNextDeadlineStream>, Status> {
        Err(Status::unimplemented("not for followers"))
    }

    async fn tail_events(
        &self,
        request: Request<wire::TailEventsRequest>,
    ) -> Result<Response<Self::TailEventsStream>, Status> {
        let wire::TailEventsRequest {
            after_position,
            filter,
            visibility,
            batch_size,
            ..
        } = request.into_inner();
        let (filter, visibility) = (filter.unwrap(), visibility.unwrap());
        self.page(after_position, &filter, &visibility, 1)?;
        let heads = self.head.subscribe();
        let state = (self.clone(), heads, after_position);
        Ok(Response::new(Box::pin(stream::unfold(
            state,
            move |(ledger, mut heads, after)| {
                let (filter, visibility) = (filter.clone(), visibility.clone());
                async move {
                    loop {
                        heads.borrow_and_update();
                        let page = ledger.page(after, &filter, &visibility, batch_size);
                        let (events, position, _) = match page {
                            Ok(page) => page,
                            Err(status) => return Some((Err(status), (ledger, heads, after))),
                        };
                        if position > after {
                            let answer = wire::TailEventsResponse { events, position };
                            return Some((Ok(answer), (ledger, heads, position)));
                        }
                        heads.changed().await.ok()?;
                    }
                }
            },
        ))))
    }

    async fn read_events(
        &self,
        request: Request<wire::ReadEventsRequest>,
    ) -> Result<Response<wire::ReadEventsResponse>, Status> {
        let request = request.into_inner();
        let (events, position, head) = self.page(
            request.after_position,
            &request.filter.unwrap(),
            &request.visibility.unwrap(),
            request.limit,
        )?;
        Ok(Response::new(wire::ReadEventsResponse {
            events,
            position,
            head,
        }))
    }

    async fn get_feed(
        &self,
        _: Request<wire::GetFeedRequest>,
    ) -> Result<Response<wire::GetFeedResponse>, Status> {
        let log = self.log.lock().unwrap();
        Ok(Response::new(wire::GetFeedResponse {
            epoch: log.epoch,
            head: log.events.len() as u64,
            cursor_key: vec![7; 32].into(),
            source: "/portreeve".into(),
        }))
    }
}
