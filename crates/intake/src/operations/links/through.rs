//! What happens through a link: looking, filling in, proving a source. Called by the gateway for who holds the token.
//!
//! Role: the link is the authority; whoever acts is `link:<id>` with a name that nobody verified. What is filled in is
//! judged as everything is. Looking changes nothing; filling in uses the link up in the commit that changes the request,
//! under the lock of the request, so that of two who send at once one wins.
//! Invariants: only sources, destinations and services change; what comes through a link counts as asked by who made it
//! (I6); nothing is told of other requests.
//! Failure story: unknown, used and taken back are one answer, `LINK_UNKNOWN`, after the same work: who guesses learns
//! nothing. Who holds a link that is over by its time is told so (`LINK_EXPIRED`).

use std::net::IpAddr;

use domain::{
    access::{Action, Principal},
    case::{Case, Routing},
    catalogue::Institution,
    event::{Event, EventType},
    finding::{Finding, Severity},
    id::{GrantId, RequestId},
    link::{Link, LinkState, is_name},
    refusal::{Kind, Refusal},
    request::{Approvals, Asked, RequestCommand, RequestState, SourceProof, Verdict},
    time::Instant,
};
use proto::error::Failure;

use super::{
    super::{
        Intake,
        requests::{Answered, Call, Submission, Surroundings},
    },
    replay,
};
use crate::{
    ledger::{Needs, Work, store_failure},
    store::{ReplayKey, StoredLink},
};

/// The fields that a link lets fill in.
const FIELDS: [&str; 3] = ["sources", "destinations", "services"];

/// What answers a question when the technical part is filled in.
const ANSWERED: &str = "Filled in through a link.";

/// What whoever holds a link may know.
pub(crate) struct Seen {
    pub(crate) link: Link,
    pub(crate) case: Case,
    /// The institution's and the product's names.
    pub(crate) institution: String,
    pub(crate) product: String,
}

/// What somebody entered.
#[derive(Debug, Clone)]
pub(crate) struct Entered {
    /// Who they say they are.
    pub(crate) name: String,
    pub(crate) sources: Vec<String>,
    pub(crate) destinations: Vec<String>,
    pub(crate) services: Vec<String>,
    /// Judge and change nothing.
    pub(crate) check: bool,
}

/// What became of it.
pub(crate) struct Filled {
    pub(crate) seen: Seen,
    /// About the technical part alone.
    pub(crate) findings: Vec<Finding>,
    pub(crate) accepted: bool,
    pub(crate) submitted: bool,
}

fn unknown() -> Failure {
    Failure::new(
        Kind::NotFound,
        "LINK_UNKNOWN",
        "this link does not work: it was used, taken back, or never was",
    )
}

fn expired() -> Failure {
    Failure::new(
        Kind::Precondition,
        "LINK_EXPIRED",
        "the time of this link is over; ask who sent it for a new one",
    )
}

/// The link, when it is open at `now`.
fn open(link: &Link, now: Instant) -> Result<(), Failure> {
    match link.state(now) {
        LinkState::Open => Ok(()),
        LinkState::Used | LinkState::Revoked => Err(unknown()),
        LinkState::Expired => Err(expired()),
    }
}

/// Whether a finding is about what a link lets fill in.
fn is_technical(finding: &Finding) -> bool {
    let field = finding.field.as_str();
    FIELDS.iter().any(|name| {
        field
            .strip_prefix(name)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('['))
    })
}

/// What a fill-in does inside the commit.
struct FillIn {
    request: RequestId,
    link: domain::id::LinkId,
    /// The version that was judged.
    version: u64,
    name: String,
    asked: Asked,
    verdict: Verdict,
    approvals: Approvals,
    queue: domain::id::TeamId,
    default_cloud_team: domain::id::TeamId,
    key: Option<ReplayKey>,
    body_mac: [u8; 32],
}

impl Intake {
    /// What the link is for. Changes nothing.
    pub(crate) async fn look_at_link(
        &self,
        caller: &Principal,
        token_sha256: &[u8; 32],
    ) -> Result<Seen, Failure> {
        self.authz.admit(caller, Action::ServiceLinks)?;
        let (link, case) = self.held(token_sha256).await?;
        let now = self
            .ledger
            .store()
            .now()
            .await
            .map_err(|error| store_failure(&error))?;
        // Looked up before it is known whether the link is open: both take the same time.
        let seen = self.seen(link, case).await?;
        open(&seen.link, now)?;
        Ok(seen)
    }

    /// The link with this token, open or not, and its case. The same is looked up whether there is one or not.
    async fn held(&self, token_sha256: &[u8; 32]) -> Result<(Link, Case), Failure> {
        let store = self.ledger.store();
        let found = store
            .link_by_token(token_sha256)
            .await
            .map_err(|error| store_failure(&error))?;
        let request = found
            .as_ref()
            .map_or(RequestId(uuid::Uuid::nil()), |link| link.request);
        let case = store
            .case(request)
            .await
            .map_err(|error| store_failure(&error))?;
        match (found, case) {
            (Some(link), Some(case)) => Ok((link, case)),
            _ => Err(unknown()),
        }
    }

    async fn seen(&self, link: Link, case: Case) -> Result<Seen, Failure> {
        let institution = self.catalogue.institution(&link.institution).await?;
        let product = match &case.request.product {
            Some(id) => self.catalogue.product(id).await?,
            None => None,
        };
        Ok(Seen {
            institution: institution.map_or_else(
                || link.institution.to_string(),
                |found: std::sync::Arc<Institution>| found.display_name.clone(),
            ),
            product: product.map_or_else(String::new, |found| found.display_name.clone()),
            link,
            case,
        })
    }

    /// Fills in the technical part. With an error in it nothing changes and the link stays open.
    pub(crate) async fn fill_in_by_link(
        &self,
        call: Call,
        token_sha256: &[u8; 32],
        entered: Entered,
        request_id: &str,
    ) -> Result<Filled, Failure> {
        self.authz.admit(&call.caller, Action::ServiceLinks)?;
        let (link, case) = self.held(token_sha256).await?;
        let store = self.ledger.store();
        let now = store.now().await.map_err(|error| store_failure(&error))?;
        let key = ReplayKey::for_call(
            &format!("link:{}", link.id),
            "LinkService/FillInByLink",
            request_id,
        )?;
        if !entered.check
            && let Some(filled) = self
                .filled_before(&link, key.as_ref(), &call.body_mac)
                .await?
        {
            return Ok(filled);
        }
        open(&link, now)?;
        if !link.fills_in {
            return Err(unknown());
        }
        if !case.request.takes_technical_part() {
            case.request.may_delegate(true)?;
        }
        if !entered.check && !is_name(&entered.name) {
            return Err(Failure::field(
                "name",
                "write your name in 1 to 100 visible characters",
            ));
        }
        let (asked, around, verdict) = self.judged(&case, &entered).await?;
        let findings: Vec<Finding> = verdict
            .findings
            .iter()
            .filter(|finding| is_technical(finding))
            .cloned()
            .collect();
        let stopped = findings
            .iter()
            .any(|finding| finding.severity == Severity::Error);
        if entered.check || stopped {
            return Ok(Filled {
                seen: self.seen(link, case).await?,
                findings,
                accepted: false,
                submitted: false,
            });
        }
        call.check_etag(case.request.version)?;
        let submission = Submission {
            around: &around,
            emergency: asked.emergency,
            verdict: &verdict,
        };
        let approvals = self.ruling(&call.caller, &submission).approvals;
        let fill = FillIn {
            approvals,
            request: case.request.id,
            link: link.id,
            version: case.request.version,
            name: entered.name,
            asked,
            verdict,
            queue: self.queue_of(&around),
            default_cloud_team: self.default_cloud_team.clone(),
            key,
            body_mac: call.body_mac,
        };
        let needs = Needs {
            cases: vec![fill.request],
            links_of: vec![fill.request],
            replays: fill.key.clone().into_iter().collect(),
            ..Needs::default()
        };
        let (link, case) = self
            .ledger
            .commit(needs, move |work| fill.commit(work))
            .await?;
        let submitted = case.request.state != RequestState::Draft
            && case.request.state != RequestState::InfoNeeded;
        Ok(Filled {
            seen: self.seen(link, case).await?,
            findings,
            accepted: true,
            submitted,
        })
    }

    /// The answer to a repeat, before anything expensive is done for it.
    async fn filled_before(
        &self,
        link: &Link,
        key: Option<&ReplayKey>,
        body_mac: &[u8; 32],
    ) -> Result<Option<Filled>, Failure> {
        let Some(key) = key else { return Ok(None) };
        let store = self.ledger.store();
        let found = store
            .replay(key)
            .await
            .map_err(|error| store_failure(&error))?;
        // The same attempt with other words came too late: the link is used.
        if replay::check(found.as_ref(), body_mac)
            .map_err(|_| unknown())?
            .is_none()
        {
            return Ok(None);
        }
        let case = store
            .case(link.request)
            .await
            .map_err(|error| store_failure(&error))?
            .ok_or_else(unknown)?;
        let submitted = case.request.state != RequestState::Draft
            && case.request.state != RequestState::InfoNeeded;
        Ok(Some(Filled {
            seen: self.seen(link.clone(), case).await?,
            findings: Vec::new(),
            accepted: true,
            submitted,
        }))
    }

    /// The whole with what was entered, judged.
    async fn judged(
        &self,
        case: &Case,
        entered: &Entered,
    ) -> Result<(Asked, Surroundings, Verdict), Failure> {
        let asked = Asked {
            sources: entered.sources.clone(),
            destinations: entered.destinations.clone(),
            services: entered.services.clone(),
            ..case.request.asked.clone()
        };
        let around = match self.surroundings(&case.request.institution, &asked).await {
            // A draft may name a product that is not there (yet): who submits it is told.
            Err(failure) if failure.reason == "PRODUCT_NOT_FOUND" => {
                let unnamed = Asked {
                    product: String::new(),
                    ..asked.clone()
                };
                self.surroundings(&case.request.institution, &unnamed)
                    .await?
            }
            other => other?,
        };
        let verdict = self.judge(&asked, &around, &[]).await?;
        Ok((asked, around, verdict))
    }

    /// Records where whoever holds the link comes from.
    pub(crate) async fn prove_source_by_link(
        &self,
        caller: &Principal,
        token_sha256: &[u8; 32],
        address: IpAddr,
        name: String,
    ) -> Result<(Seen, SourceProof), Failure> {
        self.authz.admit(caller, Action::ServiceLinks)?;
        let (link, _) = self.held(token_sha256).await?;
        if !name.trim().is_empty() && !is_name(&name) {
            return Err(Failure::field(
                "name",
                "write your name in at most 100 visible characters",
            ));
        }
        let (request, id) = (link.request, link.id);
        let needs = Needs {
            cases: vec![request],
            links_of: vec![request],
            ..Needs::default()
        };
        let (link, case, proof) = self
            .ledger
            .commit(needs, move |work| {
                let link = work.link(request, id).ok_or_else(unknown)?.link;
                open(&link, work.now)?;
                if !link.proves_source {
                    return Err(unknown());
                }
                let mut case = work.case(request).ok_or_else(Failure::internal)?;
                if let Some(event) = case.request.prove_source(&link, address, &name, work.now)? {
                    work.put_case(case.clone(), &[event]);
                }
                let proof = case
                    .request
                    .source_proofs
                    .iter()
                    .find(|proof| proof.link == id && proof.address == address)
                    .cloned()
                    .ok_or_else(Failure::internal)?;
                Ok((link, case, proof))
            })
            .await?;
        Ok((self.seen(link, case).await?, proof))
    }
}

impl FillIn {
    fn commit(&self, work: &mut Work<'_>) -> Result<(Link, Case), Failure> {
        let mut case = work.case(self.request).ok_or_else(Failure::internal)?;
        let mut stored: StoredLink = work.link(self.request, self.link).ok_or_else(unknown)?;
        let found = self.key.as_ref().and_then(|key| work.replay(key));
        if replay::check(found, &self.body_mac)?.is_some() {
            return Ok((stored.link, case));
        }
        open(&stored.link, work.now)?;
        if case.request.version != self.version {
            return Err(Refusal::EtagMismatch.into());
        }
        let actor = stored.link.actor(&self.name);
        let sends = stored.link.submits && self.verdict.accepted().is_ok();
        let mut events = vec![
            Event::new(EventType::RequestLinkUsed, &actor, work.now)
                .with_note(&stored.link.recipient)
                .with(|details| details.link = Some(self.link)),
        ];
        for command in self.commands(&case, sends) {
            let routing = Routing {
                product: None,
                servers: &[],
                default_cloud_team: &self.default_cloud_team,
            };
            let mut mint = || GrantId(uuid::Uuid::now_v7());
            events.extend(
                case.command_request(&command, &actor, work.now, work.terms, &routing, &mut mint)?,
            );
        }
        case.request.count_as_asked_by(&stored.link.created_by);
        stored.link.used_at = Some(work.now);
        if let Some(key) = &self.key {
            work.put_replay(crate::store::Replay {
                key: key.clone(),
                body_mac: self.body_mac,
                answer: serde_json::to_vec(&Answered::Request(self.request)).unwrap_or_default(),
                at: work.now,
            });
        }
        work.put_case(case.clone(), &events);
        let link = stored.link.clone();
        work.put_rows(|changes| changes.links.push(stored.clone()));
        Ok((link, case))
    }

    /// The moves that bring what was entered into the request, and on when that was wished and nothing is missing.
    fn commands(&self, case: &Case, sends: bool) -> Vec<RequestCommand> {
        let fields: Vec<String> = FIELDS.map(str::to_owned).to_vec();
        if sends && case.request.state == RequestState::InfoNeeded {
            return vec![RequestCommand::Respond {
                // Not for whom: that stands beside the link, where it can be erased.
                answer: ANSWERED.to_owned(),
                asked: Box::new(self.asked.clone()),
                fields,
                verdict: self.verdict.clone(),
            }];
        }
        let edit = RequestCommand::Edit {
            asked: Box::new(self.asked.clone()),
            product: case.request.product.clone(),
            fields,
        };
        let submit = sends.then(|| RequestCommand::Submit {
            verdict: self.verdict.clone(),
            queue: self.queue.clone(),
            approvals: self.approvals.clone(),
            // A policy approves what a principal submits. Whoever holds a link is none, and support looks at it.
            automatic: None,
        });
        std::iter::once(edit).chain(submit).collect()
    }
}

#[cfg(test)]
mod tests {
    use domain::finding::{Code, FieldPath};

    use super::*;

    #[test]
    fn only_the_technical_part_concerns_who_holds_a_link() {
        let about = |field: &str| {
            is_technical(&Finding::new(Code::SrcEmpty, FieldPath::new(field), "", ""))
        };
        for field in ["sources", "sources[3]", "destinations[0]", "services"] {
            assert!(about(field), "{field}");
        }
        for field in ["validity", "justification", "contact.email", "sourcesx", ""] {
            assert!(!about(field), "{field}");
        }
    }
}
