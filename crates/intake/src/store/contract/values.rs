//! Requests, grants and events for the contract's tests.

use domain::{
    access::Actor,
    catalogue::Closing,
    event::{Event, EventType},
    grant::{Grant, GrantState, Rule},
    id::{GrantId, RequestId, RequestNumber},
    request::{
        Asked, Contact, Direction, Question, ReadDestination, ReadSource, Reading, Request,
        RequestState,
    },
    time::{End, Instant, Validity, Zone},
};
use std::time::Duration;
use uuid::Uuid;

use crate::{
    envelope::{EnvelopeMaker, PendingEvent},
    store::Changes,
};

/// The time at which everything here was made: an hour after the epoch.
pub(super) const NOW: Instant = Instant::from_micros(3_600_000_000);

pub(super) fn minutes(count: i64) -> Instant {
    Instant::from_micros(NOW.micros() + count * 60_000_000)
}

pub(super) fn somebody() -> Actor {
    Actor {
        id: "key:1".into(),
        display_name: "Ann \u{0} O'Nymous".into(),
        owner: Some("oidc:ann".into()),
    }
}

/// The `count`-th request of an institution.
pub(super) fn request(count: u32, institution: &str) -> Request {
    let destination = format!("host-{count}.example.org").parse().unwrap();
    Request {
        id: RequestId(Uuid::now_v7()),
        number: RequestNumber { year: 2026, count },
        institution: institution.parse().unwrap(),
        product: Some("alpha".parse().unwrap()),
        zone: "Europe/London".parse().unwrap(),
        state: RequestState::Submitted,
        asked: Asked {
            direction: Direction::ToHosted,
            sources: vec!["9.9.9.9".into()],
            destinations: vec![format!("HOST-{count}.example.org")],
            justification: format!("because {count} % of _ it \u{0}"),
            contact: Contact {
                name: "Zoë".into(),
                ..Contact::default()
            },
            ..Asked::default()
        },
        reading: Some(Reading {
            sources: vec![ReadSource {
                networks: vec!["9.9.9.0/24".parse().unwrap()],
                label: Some("office".into()),
            }],
            destinations: vec![ReadDestination {
                destination,
                server: None,
                cloud_team: None,
                addresses: vec![
                    "198.51.100.7".parse().unwrap(),
                    "2620:fe::7".parse().unwrap(),
                ],
                resolved_at: Some(NOW),
            }],
            services: vec!["tcp/443".parse().unwrap()],
            validity: Validity {
                start: None,
                end: End::Length("14 days".parse().unwrap()),
            },
        }),
        findings: Vec::new(),
        queue: "support".parse().unwrap(),
        assignee: None,
        requester: somebody(),
        questions: Vec::new(),
        decision: None,
        authors: Vec::new(),
        approvals_needed: domain::request::Approvals::default(),
        approvals: Vec::new(),
        review_owed: false,
        asked_through: Vec::new(),
        source_proofs: Vec::new(),
        break_glass: None,
        review: None,
        imported: false,
        created_at: NOW,
        updated_at: NOW,
        submitted_at: Some(NOW),
        promised_by: Some(minutes(600)),
        version: 1,
    }
}

/// A request whose question was to be answered `by` then.
pub(super) fn asked(count: u32, by: Instant) -> Request {
    let mut request = request(count, "north");
    request.state = RequestState::InfoNeeded;
    request.questions.push(Question {
        text: "which?".into(),
        fields: vec!["sources".into()],
        asked_by: somebody(),
        asked_at: NOW,
        answer_by: by,
        answer: None,
        answered_at: None,
    });
    request
}

/// A grant of `request` in `state`, with a deadline of that state at `due`.
pub(super) fn grant(request: &Request, state: GrantState, due: Option<Instant>) -> Grant {
    let starts = state == GrantState::Scheduled;
    Grant {
        id: GrantId(Uuid::now_v7()),
        request: request.id,
        number: request.number,
        institution: request.institution.clone(),
        product: request.product.clone(),
        cloud_team: "cloud".parse().unwrap(),
        direction: Direction::ToHosted,
        emergency: request.asked.emergency,
        break_glass: request.break_glass.is_some(),
        rule: Rule {
            sources: vec![
                "9.9.9.0/24".parse().unwrap(),
                "2620:fe::/48".parse().unwrap(),
            ],
            destination: format!("host-{}.example.org", request.number.count)
                .parse()
                .unwrap(),
            server: None,
            addresses: vec![
                "198.51.100.7".parse().unwrap(),
                "2620:fe::7".parse().unwrap(),
            ],
            services: vec!["tcp/443".parse().unwrap()],
        },
        validity: Validity {
            start: None,
            end: End::Permanent,
        },
        zone: Zone::UTC,
        closing: Closing::ByHand,
        lead_time: Duration::from_secs(60),
        state,
        hand_over_at: due.filter(|_| starts).unwrap_or(NOW),
        effective_at: state.is_settled().then_some(NOW),
        expires_at: due.filter(|_| !starts && state != GrantState::Ending),
        ending_at: None,
        ended_at: None,
        confirm_by: due.filter(|_| state == GrantState::Ending),
        end_reason: None,
        note: String::new(),
        time_box: None,
        extension: None,
        assignee: None,
        epoch: 1,
        version: 1,
        created_at: NOW,
        updated_at: NOW,
    }
}

/// Something happened to `request`.
pub(super) fn event(kind: EventType, request: &Request) -> PendingEvent {
    EnvelopeMaker::new("/portreeve").of_request(&Event::new(kind, &somebody(), NOW), request)
}

/// Something happened to `grant`.
pub(super) fn grant_event(kind: EventType, grant: &Grant) -> PendingEvent {
    EnvelopeMaker::new("/portreeve").of_grant(&Event::new(kind, &somebody(), NOW), grant)
}

/// The changes that make `request` with `grants`, one event.
pub(super) fn making(request: &Request, grants: &[Grant]) -> Changes {
    Changes {
        new_requests: vec![request.clone()],
        new_grants: grants.to_vec(),
        events: vec![event(EventType::RequestSubmitted, request)],
        ..Changes::default()
    }
}

/// Numbers that look random and are the same in every run.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    /// Below `sides`.
    pub(super) fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    /// One of them.
    pub(super) fn pick(&mut self, of: &[&'static str]) -> &'static str {
        of[usize::try_from(self.roll(of.len() as u64)).unwrap()]
    }
}
