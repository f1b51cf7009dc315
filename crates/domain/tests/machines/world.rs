//! A small world: one institution, one product, one server, and the people who act.
//!
//! Role: builds cases by the commands that real people would give, so that no test starts from an impossible state.
//! Time moves only when told to.

#![expect(
    clippy::unwrap_used,
    reason = "a fixture that cannot be built should fail its test"
)]

use std::time::Duration;

use portreeve_domain as domain;
use portreeve_domain::{
    access::{Action, Actor, Facts, Permits, Principal, Resource, Role, RoleBinding, Scope},
    case::{Case, Routing},
    catalogue::{Closing, Product, Server, Terms},
    event::Event,
    finding::{Code, FieldPath, Finding},
    grant::GrantCommand,
    id::{GrantId, RequestId, RequestNumber, TeamId},
    refusal::Refusal,
    request::{
        Approvals, Asked, ReadDestination, ReadSource, Reading, Request, RequestCommand,
        RequestState, ReviewOutcome, Verdict,
    },
    time::{End, Instant, Validity, Zone},
};

pub(crate) const HOUR: Duration = Duration::from_secs(3600);
pub(crate) const DAY: Duration = Duration::from_secs(24 * 3600);

/// The people. An analyst and an administrator may also ask, so four eyes matter to them.
pub(crate) const PEOPLE: [Person; 6] = [
    Person::Requester,
    Person::Analyst,
    Person::OtherAnalyst,
    Person::Cloud,
    Person::OtherCloud,
    Person::Administrator,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Person {
    Requester,
    Analyst,
    OtherAnalyst,
    Cloud,
    OtherCloud,
    Administrator,
}

impl Person {
    pub(crate) fn principal(self) -> Principal {
        let (id, role, scope) = match self {
            Self::Requester => ("ria", Role::Requester, "institution:north"),
            Self::Analyst => ("ann", Role::Analyst, "product:alma"),
            Self::OtherAnalyst => ("otto", Role::Analyst, "product:alma"),
            Self::Cloud => ("cleo", Role::Cloud, "team:cloud-eu"),
            Self::OtherCloud => ("claus", Role::Cloud, "team:cloud-eu"),
            Self::Administrator => ("ada", Role::Administrator, "all"),
        };
        Principal {
            id: format!("key:{id}"),
            display_name: id.to_owned(),
            bindings: vec![RoleBinding {
                role,
                scope: scope.parse::<Scope>().unwrap(),
            }],
            owner: None,
        }
    }

    pub(crate) fn actor(self) -> Actor {
        self.principal().actor()
    }
}

/// How the world differs from the ordinary.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    pub(crate) validity: Validity,
    pub(crate) closing: Closing,
    pub(crate) destinations: usize,
    pub(crate) emergency: bool,
    pub(crate) requester: Person,
    /// A policy asks for two approvals.
    pub(crate) two: bool,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            validity: Validity {
                start: None,
                end: End::At(start().plus(30 * DAY)),
            },
            closing: Closing::ByHand,
            destinations: 1,
            emergency: false,
            requester: Person::Requester,
            two: false,
        }
    }
}

/// Monday 5 October 2026, 09:00 UTC.
pub(crate) fn start() -> Instant {
    "2026-10-05T09:00:00Z".parse().unwrap()
}

#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) case: Case,
    pub(crate) now: Instant,
    pub(crate) terms: Terms,
    /// Everything that happened, in order.
    pub(crate) log: Vec<Event>,
    product: Product,
    servers: Vec<Server>,
    default_team: TeamId,
    /// What validation reads.
    pub(crate) reading: Reading,
    approvals: Approvals,
    minted: u128,
}

impl World {
    /// A saved draft.
    pub(crate) fn draft(setting: &Setting) -> Self {
        let now = start();
        let zone: Zone = "Europe/London".parse().unwrap();
        let reading = Reading {
            sources: vec![ReadSource {
                networks: vec!["9.9.9.9/32".parse().unwrap()],
                label: None,
            }],
            destinations: (1..=setting.destinations)
                .map(|number| ReadDestination {
                    destination: format!("north-{number}.alma.example.net").parse().unwrap(),
                    server: Some(format!("north-{number}").parse().unwrap()),
                    cloud_team: None,
                    addresses: vec!["198.51.100.7".parse().unwrap()],
                    resolved_at: None,
                })
                .collect(),
            services: vec!["tcp/443".parse().unwrap()],
            validity: setting.validity.clone(),
        };
        let servers = (1..=setting.destinations)
            .map(|number| Server {
                id: format!("north-{number}").parse().unwrap(),
                institution: "north".parse().unwrap(),
                product: "alma".parse().unwrap(),
                host_names: vec![format!("north-{number}.alma.example.net")],
                addresses: Vec::new(),
                cloud_team: None,
                closing: setting.closing,
                lead_time: Duration::ZERO,
            })
            .collect();
        let request = Request {
            id: RequestId(uuid::Uuid::from_u128(1)),
            number: RequestNumber {
                year: 2026,
                count: 1,
            },
            institution: "north".parse().unwrap(),
            product: Some("alma".parse().unwrap()),
            zone,
            state: RequestState::Draft,
            asked: Asked {
                product: "alma".into(),
                emergency: setting.emergency,
                ..Asked::default()
            },
            reading: None,
            findings: Vec::new(),
            queue: "alma-support".parse().unwrap(),
            assignee: None,
            requester: setting.requester.actor(),
            questions: Vec::new(),
            authors: Vec::new(),
            approvals_needed: Approvals::default(),
            approvals: Vec::new(),
            decision: None,
            review_owed: false,
            asked_through: Vec::new(),
            source_proofs: Vec::new(),
            break_glass: None,
            review: None,
            imported: false,
            created_at: now,
            updated_at: now,
            submitted_at: None,
            promised_by: None,
            version: 1,
        };
        Self {
            case: Case {
                request,
                grants: Vec::new(),
            },
            now,
            terms: Terms::default(),
            product: Product {
                id: "alma".parse().unwrap(),
                display_name: "Alma".into(),
                support_team: "alma-support".parse().unwrap(),
                cloud_team: "cloud-eu".parse().unwrap(),
                hosted: true,
                local: false,
                services: Vec::new(),
            },
            servers,
            default_team: "cloud".parse().unwrap(),
            reading,
            approvals: if setting.two {
                Approvals::two(vec!["wide-networks".to_owned()])
            } else {
                Approvals::default()
            },
            log: Vec::new(),
            minted: 100,
        }
    }

    /// What validation says when nothing is wrong.
    pub(crate) fn good(&self) -> Verdict {
        Verdict {
            reading: Some(self.reading.clone()),
            findings: Vec::new(),
        }
    }

    /// What validation says of a private source.
    pub(crate) fn bad(&self) -> Verdict {
        Verdict {
            reading: Some(self.reading.clone()),
            findings: vec![Finding::new(
                Code::SrcPrivate,
                FieldPath::indexed("sources", 0),
                "10.0.0.1 is a private address",
                "it cannot be seen from outside",
            )],
        }
    }

    pub(crate) fn submit(&self) -> RequestCommand {
        RequestCommand::Submit {
            verdict: self.good(),
            queue: "alma-support".parse().unwrap(),
            approvals: self.approvals.clone(),
            automatic: None,
        }
    }

    /// The same where a policy approves by itself.
    pub(crate) fn submit_automatically(&self, verdict: Verdict) -> RequestCommand {
        RequestCommand::Submit {
            verdict,
            queue: "alma-support".parse().unwrap(),
            approvals: self.approvals.clone(),
            automatic: Some("one-address-two-days".to_owned()),
        }
    }

    pub(crate) fn approve(&self) -> RequestCommand {
        RequestCommand::Approve {
            note: String::new(),
            verdict: self.good(),
            approvals: self.approvals.clone(),
        }
    }

    pub(crate) fn activate(&self) -> RequestCommand {
        RequestCommand::ActivateEmergency {
            reason: "nobody can read anything".into(),
            verdict: self.good(),
        }
    }

    pub(crate) fn respond(&self) -> RequestCommand {
        RequestCommand::Respond {
            answer: "the proxy's".into(),
            asked: Box::new(self.case.request.asked.clone()),
            fields: vec!["sources".into()],
            verdict: self.good(),
        }
    }

    pub(crate) fn edit(&self) -> RequestCommand {
        RequestCommand::Edit {
            asked: Box::new(self.case.request.asked.clone()),
            product: self.case.request.product.clone(),
            fields: vec!["sources".into()],
        }
    }

    /// Tries a command on the request.
    pub(crate) fn request(
        &mut self,
        command: &RequestCommand,
        by: &Actor,
    ) -> Result<Vec<Event>, Refusal> {
        let routing = Routing {
            product: Some(&self.product),
            servers: &self.servers,
            default_cloud_team: &self.default_team,
        };
        let minted = &mut self.minted;
        let mut mint = || {
            *minted += 1;
            GrantId(uuid::Uuid::from_u128(*minted))
        };
        let told =
            self.case
                .command_request(command, by, self.now, &self.terms, &routing, &mut mint)?;
        self.log.extend(told.iter().cloned());
        Ok(told)
    }

    /// Tries a command on a grant, by its place.
    pub(crate) fn grant(
        &mut self,
        place: usize,
        command: &GrantCommand,
        by: &Actor,
    ) -> Result<Vec<Event>, Refusal> {
        let id = self.case.grants[place].id;
        let told = self
            .case
            .command_grant(id, command, by, self.now, &self.terms)?
            .unwrap_or_default();
        self.log.extend(told.iter().cloned());
        Ok(told)
    }

    /// Gives commands that must succeed.
    pub(crate) fn with_request(mut self, command: &RequestCommand, by: Person) -> Self {
        self.request(command, &by.actor()).unwrap();
        self
    }

    pub(crate) fn with_grant(mut self, command: &GrantCommand, by: Person) -> Self {
        self.grant(0, command, &by.actor()).unwrap();
        self
    }

    pub(crate) fn later(mut self, length: Duration) -> Self {
        self.now = self.now.plus(length);
        self
    }

    pub(crate) fn submitted(setting: &Setting) -> Self {
        let world = Self::draft(setting);
        let submit = world.submit();
        world.with_request(&submit, Person::Requester)
    }

    pub(crate) fn in_review(setting: &Setting) -> Self {
        Self::submitted(setting).with_request(&RequestCommand::Claim, Person::Analyst)
    }

    pub(crate) fn info_needed(setting: &Setting) -> Self {
        Self::in_review(setting).with_request(&ask(), Person::Analyst)
    }

    pub(crate) fn approved(setting: &Setting) -> Self {
        let mut world = Self::in_review(setting);
        for person in [Person::OtherAnalyst, Person::Analyst, Person::Administrator] {
            if world.case.request.state == RequestState::InReview && person != setting.requester {
                let approve = world.approve();
                world = world.with_request(&approve, person);
            }
        }
        assert_eq!(world.case.request.state, RequestState::Approved);
        world
    }

    /// Opened before its review, by the analyst.
    pub(crate) fn activated(setting: &Setting) -> Self {
        let world = Self::submitted(setting);
        let activate = world.activate();
        world.with_request(&activate, Person::Analyst)
    }

    /// The first grant is open.
    pub(crate) fn active(setting: &Setting) -> Self {
        Self::approved(setting).with_grant(&complete(), Person::Cloud)
    }

    /// Runs what is due, as intake does: the earliest of the first class first. Gives how many moves it took.
    pub(crate) fn run_due(&mut self) -> Result<usize, Refusal> {
        let mut moves = 0;
        loop {
            let now = self.now;
            let due = |deadline: &domain::deadline::Deadline| deadline.at <= now;
            let of_request = self.case.request.next_deadline().filter(due);
            let of_grant = (0..self.case.grants.len())
                .filter_map(|place| {
                    let deadline = self.case.grants[place].next_deadline().filter(due)?;
                    Some((deadline, place))
                })
                .min();
            if of_request.is_some() {
                self.request(&RequestCommand::DeadlineReached, &Actor::clock())?;
            } else if let Some((_, place)) = of_grant {
                self.grant(place, &GrantCommand::DeadlineReached, &Actor::clock())?;
            } else {
                return Ok(moves);
            }
            moves += 1;
            assert!(moves < 100, "what is due never ends: {self:?}");
        }
    }
}

pub(crate) fn review(outcome: ReviewOutcome) -> RequestCommand {
    RequestCommand::Review {
        note: "looked at".into(),
        outcome,
    }
}

pub(crate) fn ask() -> RequestCommand {
    RequestCommand::Ask {
        text: "Whose address is this?".into(),
        fields: vec!["sources[0]".into()],
        answer_by: None,
    }
}

pub(crate) fn complete() -> GrantCommand {
    GrantCommand::Complete {
        effective_at: None,
        note: String::new(),
    }
}

pub(crate) fn extend(until: Instant) -> GrantCommand {
    GrantCommand::Extend {
        until,
        reason: "the project goes on".into(),
    }
}

/// A caller to whom the policies refuse nothing: what is left are the state and four eyes.
pub(crate) struct Unrefused(pub(crate) Principal);

impl Permits for Unrefused {
    fn principal(&self) -> &Principal {
        &self.0
    }

    fn may(&self, _: Action, _: &Resource<'_>) -> bool {
        true
    }

    fn may_knowing(&self, _: Action, _: &Resource<'_>, _: &Facts) -> bool {
        true
    }
}
