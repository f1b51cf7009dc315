//! Links: making, listing and taking back what a colleague without a key may use.
//!
//! Role: for who asked. What happens through a link is beside this, in `through`. The token has 256 random bits, is
//! shown once, and only its SHA-256 is stored.
//! Invariants: a link reaches one request, of which its maker may do the same; it ends by itself; I9 (the token is in no
//! event, log or kept answer: a repeat is `SECRET_ALREADY_SHOWN`).
//! Failure story: a malformed wish is `LINK_INVALID` with every field that is wrong.

mod through;

use domain::{
    case::Case,
    event::{Event, EventType},
    id::{InstitutionId, LinkId},
    link::{DEFAULT_LINK_TTL, Link, MAX_LINK_TTL, MAX_LINKS, is_name},
    refusal::{Kind, Refusal},
    time::Instant,
};
use proto::error::{Failure, Violation};
use service_kit::random;

pub(crate) use through::{Entered, Seen};

use super::{
    Intake, replay,
    requests::{Call, RequestRef},
};
use crate::{
    ledger::{Needs, store_failure},
    store::{Replay, StoredLink},
};

/// What every token begins with, so that scanners find leaked ones.
const TOKEN_PREFIX: &str = "prl_";

/// Characters of the token that are kept, for telling links apart.
const SHOWN_CHARACTERS: usize = 10;

/// A link that is asked for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NewLink {
    /// For whom.
    pub(crate) recipient: String,
    /// Lets fill in the technical part.
    pub(crate) fills_in: bool,
    /// Lets prove a source.
    pub(crate) proves_source: bool,
    /// Sends on what is filled in.
    pub(crate) submits: bool,
    /// When it ends; `None`: after the usual time.
    pub(crate) expires_at: Option<Instant>,
}

/// A link that was made. The token is shown once.
pub(crate) struct MadeLink {
    pub(crate) link: Link,
    pub(crate) token: String,
    /// The store's clock when it was made.
    pub(crate) now: Instant,
}

/// A wish for a link that cannot be, with every field that is wrong.
fn invalid(violations: Vec<Violation>) -> Failure {
    Failure {
        reason: "LINK_INVALID".into(),
        ..Failure::fields(violations)
    }
}

fn violation(field: &str, detail: String) -> Violation {
    Violation {
        field: field.into(),
        code: "LINK_INVALID".into(),
        detail,
    }
}

fn check(new: &NewLink) -> Result<(), Failure> {
    let mut wrong = Vec::new();
    if !is_name(&new.recipient) {
        let detail =
            "say for whom in 1 to 100 visible characters, such as 'the network department'";
        wrong.push(violation("recipient", detail.into()));
    }
    if new.submits && !new.fills_in {
        let detail = "a link that only proves a source has nothing to send on";
        wrong.push(violation("submits", detail.into()));
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(invalid(wrong))
    }
}

impl Intake {
    /// Makes a link.
    pub(crate) async fn create_link(
        &self,
        call: Call,
        institution: Option<&InstitutionId>,
        reference: RequestRef,
        new: NewLink,
    ) -> Result<MadeLink, Failure> {
        let case = self.authorized_case(&call, institution, reference).await?;
        check(&new)?;
        let token = random::token(TOKEN_PREFIX);
        let link = Link {
            id: LinkId(uuid::Uuid::now_v7()),
            request: case.request.id,
            institution: case.request.institution.clone(),
            recipient: new.recipient.trim().to_owned(),
            fills_in: new.fills_in,
            submits: new.submits,
            proves_source: new.proves_source,
            prefix: token.chars().take(SHOWN_CHARACTERS).collect(),
            // The store's clock says when, inside the commit.
            created_at: Instant::from_micros(0),
            created_by: call.caller.actor(),
            expires_at: Instant::from_micros(0),
            revoked_at: None,
            used_at: None,
        };
        let token_sha256 = random::sha256(token.as_bytes());
        let wanted_end = new.expires_at;
        let needs = Needs {
            cases: vec![link.request],
            links_of: vec![link.request],
            replays: call.replay.clone().into_iter().collect(),
            ..Needs::default()
        };
        let (link, now) = self
            .ledger
            .commit(needs, move |work| {
                let found = call.replay.as_ref().and_then(|key| work.replay(key));
                if let Some(kept) = replay::check(found, &call.body_mac)? {
                    return Err(shown_already(&kept));
                }
                let case = work.case(link.request).ok_or_else(Failure::internal)?;
                case.request.may_delegate(link.fills_in)?;
                if work.links_of(link.request).count() >= MAX_LINKS {
                    return Err(Refusal::TooManyLinks.into());
                }
                let link = Link {
                    created_at: work.now,
                    expires_at: end(wanted_end, work.now)?,
                    ..link.clone()
                };
                if let Some(key) = &call.replay {
                    work.put_replay(Replay {
                        key: key.clone(),
                        body_mac: call.body_mac,
                        answer: link.id.to_string().into_bytes(),
                        at: work.now,
                    });
                }
                let event = Event::new(EventType::RequestLinkCreated, &link.created_by, work.now)
                    .with_note(&link.recipient)
                    .with(|details| {
                        details.link = Some(link.id);
                        details.until = Some(link.expires_at);
                    });
                work.put_case(case, &[event]);
                let stored = StoredLink {
                    link: link.clone(),
                    token_sha256,
                };
                work.put_rows(|changes| changes.links.push(stored));
                Ok((link, work.now))
            })
            .await?;
        Ok(MadeLink { link, token, now })
    }

    /// The links of a request, newest first, with the instant at which they stand so.
    pub(crate) async fn list_links(
        &self,
        call: &Call,
        institution: Option<&InstitutionId>,
        reference: RequestRef,
    ) -> Result<(Vec<Link>, Instant), Failure> {
        let case = self.authorized_case(call, institution, reference).await?;
        let store = self.ledger.store();
        let links = store
            .links_of(case.request.id)
            .await
            .map_err(|error| store_failure(&error))?;
        let now = store.now().await.map_err(|error| store_failure(&error))?;
        Ok((links, now))
    }

    /// Takes a link back; a repeat, and one that was used, change nothing.
    pub(crate) async fn revoke_link(
        &self,
        call: Call,
        institution: Option<&InstitutionId>,
        reference: RequestRef,
        id: LinkId,
    ) -> Result<(Link, Instant), Failure> {
        let case = self.authorized_case(&call, institution, reference).await?;
        let request = case.request.id;
        let needs = Needs {
            cases: vec![request],
            links_of: vec![request],
            ..Needs::default()
        };
        self.ledger
            .commit(needs, move |work| {
                let missing = || Failure::not_found("LINK_NOT_FOUND", "link");
                let mut stored = work.link(request, id).ok_or_else(missing)?;
                if stored.link.revoked_at.is_some() || stored.link.used_at.is_some() {
                    return Ok((stored.link, work.now));
                }
                let case: Case = work.case(request).ok_or_else(Failure::internal)?;
                stored.link.revoked_at = Some(work.now);
                let event = Event::new(
                    EventType::RequestLinkRevoked,
                    &call.caller.actor(),
                    work.now,
                )
                .with_note(&stored.link.recipient)
                .with(|details| details.link = Some(id));
                work.put_case(case, &[event]);
                let link = stored.link.clone();
                work.put_rows(|changes| changes.links.push(stored.clone()));
                Ok((link, work.now))
            })
            .await
    }
}

/// When a link ends: as wished, within its bounds.
fn end(wanted: Option<Instant>, now: Instant) -> Result<Instant, Failure> {
    let Some(end) = wanted else {
        return Ok(now.plus(DEFAULT_LINK_TTL));
    };
    if end <= now || end > now.plus(MAX_LINK_TTL) {
        let days = MAX_LINK_TTL.as_secs() / (24 * 3600);
        let detail = format!("write an instant within the next {days} days");
        return Err(invalid(vec![violation("expire_time", detail)]));
    }
    Ok(end)
}

fn shown_already(kept: &[u8]) -> Failure {
    let id = String::from_utf8_lossy(kept);
    Failure::new(
        Kind::Conflict,
        "SECRET_ALREADY_SHOWN",
        format!(
            "this call made the link {id} already and its token was shown then; take that link back and make another"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_says_for_whom_and_ends_within_its_bounds() {
        let new = NewLink {
            recipient: "\u{202e}NetOps".into(),
            fills_in: false,
            proves_source: true,
            submits: true,
            expires_at: None,
        };
        let fields: Vec<_> = check(&new)
            .map_err(|failure| failure.violations)
            .err()
            .unwrap_or_default()
            .into_iter()
            .map(|violation| violation.field)
            .collect();
        assert_eq!(fields, ["recipient", "submits"]);
        let now = Instant::from_micros(1);
        assert_eq!(end(None, now), Ok(now.plus(DEFAULT_LINK_TTL)));
        assert_eq!(
            end(Some(now.plus(MAX_LINK_TTL)), now),
            Ok(now.plus(MAX_LINK_TTL))
        );
        for wrong in [
            now,
            now.plus(MAX_LINK_TTL)
                .plus(std::time::Duration::from_micros(1)),
        ] {
            assert_eq!(
                end(Some(wrong), now).map_err(|failure| failure.reason),
                Err("LINK_INVALID".into())
            );
        }
    }
}
