//! `portreeve.intake.v1.PersonService`: parse, call, encode.
//!
//! Failure story: every malformed field is named with what to write instead.

use domain::{
    access::{Action, Permits},
    event::Event,
    time::Instant,
};
use proto::{
    convert,
    error::Failure,
    intake::v1::{self as wire, person::Name, person_record, person_service_server::PersonService},
};
use tonic::{Request, Response, Status};

use super::{caller, keys, request_parts, thread};
use crate::{
    operations::{
        Intake, paging,
        persons::{Erasure, Record, forget::Person},
    },
    store::LogRow,
};

/// Longest reason of an erasure, in bytes.
const MAX_REASON_BYTES: usize = 1_000;

/// Serves `portreeve.intake.v1.PersonService`.
#[derive(Clone)]
pub(crate) struct Persons(pub(crate) Intake);

fn person(message: Option<wire::Person>) -> Result<Person, Failure> {
    match message.and_then(|person| person.name) {
        Some(Name::Principal(id)) => Person::principal(&id),
        Some(Name::Email(address)) => Person::email(&address),
        None => Err(Failure::field(
            "person",
            "name a principal or a mail address",
        )),
    }
}

fn act(row: LogRow, event: Event) -> wire::PersonAct {
    wire::PersonAct {
        event: row.id.to_string(),
        r#type: row.kind,
        time: Some(convert::instant_to_wire(event.at)),
        subject: row.subject,
        actor: Some(convert::actor_to_wire(&event.actor)),
        note: event.details.note.unwrap_or_default(),
    }
}

fn present(record: Record, caller: &dyn Permits, now: Instant) -> wire::PersonRecord {
    use person_record::Record as Kind;
    let record = match record {
        Record::Request(case) => Kind::AccessRequest(request_parts::present(&case, caller, now)),
        Record::Comment(comment) => Kind::Comment(thread::comment_to_wire(comment)),
        Record::Act { row, event } => Kind::Act(act(row, *event)),
        Record::Key(key) => Kind::ApiKey(keys::present(&key)),
        Record::Link(link) => Kind::Link(convert::link_to_wire(&link, now)),
    };
    wire::PersonRecord {
        record: Some(record),
    }
}

#[tonic::async_trait]
impl PersonService for Persons {
    async fn export_person(
        &self,
        request: Request<wire::ExportPersonRequest>,
    ) -> Result<Response<wire::ExportPersonResponse>, Status> {
        let caller = caller(&request)?;
        self.0.admit(&caller, Action::PersonExport)?;
        let mut message = request.into_inner();
        let token = std::mem::take(&mut message.page_token);
        let binding = paging::binding(&caller.id, &message);
        let person = person(message.person)?;
        let copied = self
            .0
            .export_person(&caller, &person, &token, &binding)
            .await?;
        let (asking, now) = (self.0.authz.asking(&caller), self.0.now());
        Ok(Response::new(wire::ExportPersonResponse {
            records: copied
                .records
                .into_iter()
                .map(|record| present(record, &asking, now))
                .collect(),
            next_page_token: copied.next_page_token,
        }))
    }

    async fn erase_person(
        &self,
        request: Request<wire::ErasePersonRequest>,
    ) -> Result<Response<wire::ErasePersonResponse>, Status> {
        let caller = caller(&request)?;
        self.0.admit(&caller, Action::PersonErase)?;
        let mut message = request.into_inner();
        let token = std::mem::take(&mut message.page_token);
        let binding = paging::binding(&caller.id, &message);
        let reason = message.reason.trim();
        if reason.is_empty() || reason.len() > MAX_REASON_BYTES {
            let detail = format!("write 1 to {MAX_REASON_BYTES} bytes, without personal data");
            return Err(Failure::field("reason", detail).into());
        }
        let erasure = Erasure {
            reason: reason.to_owned(),
            person: person(message.person)?,
            words: message.words,
        };
        let erased = self
            .0
            .erase_person(&caller, erasure, &token, &binding)
            .await?;
        Ok(Response::new(wire::ErasePersonResponse {
            pseudonym: erased.pseudonym,
            access_requests: erased.requests,
            comments: erased.comments,
            events: erased.events,
            api_keys: erased.keys,
            links: erased.links,
            next_page_token: erased.next_page_token,
        }))
    }
}
