//! Arguments that many commands share: which one, which version, which page.
//!
//! Role: a command that changes something needs the version that its user saw; without `--etag` the command reads the
//! current one itself first. Each invocation has an idempotency key of its own, unless `--request-id` names one.
//! Invariant: only what this command read (or was told) is sent back, so a change by somebody else in between is a
//! conflict (exit code 5), never lost.

use clap::Args;
use proto::{
    intake::v1::{GetAccessRequestRequest, GetGrantRequest},
    types::v1::{AccessRequest, Grant},
};

use super::Session;
use crate::trouble::Trouble;

/// The institution of a path when any will do: all that the key may see.
pub const ANY_INSTITUTION: &str = "-";

/// How a change is guarded.
#[derive(Debug, Clone, Default, Args)]
pub struct Change {
    /// The version that you saw, such as '"v3"'. Without it the current one is read first.
    #[arg(long, value_name = "ETAG", help_heading = "Change")]
    pub etag: Option<String>,
    /// Idempotency key: the same one again repeats nothing. Without it each run has its own.
    #[arg(long, value_name = "KEY", help_heading = "Change")]
    pub request_id: Option<String>,
}

impl Change {
    /// The idempotency key of this invocation.
    pub fn request_id(&self) -> String {
        self.request_id.clone().unwrap_or_else(fresh_request_id)
    }
}

/// A new idempotency key.
pub fn fresh_request_id() -> String {
    uuid::Uuid::now_v7().to_string()
}

/// A request that is changed.
#[derive(Debug, Clone, Args)]
pub struct RequestTarget {
    /// The request: its number (FW-2026-000123) or its UUID.
    #[arg(value_name = "REQUEST")]
    pub id: String,
    /// How the change is guarded.
    #[command(flatten)]
    pub change: Change,
}

impl RequestTarget {
    /// The version to send.
    ///
    /// # Errors
    /// When the request cannot be read.
    pub async fn etag(&self, session: &Session) -> Result<String, Trouble> {
        match &self.change.etag {
            Some(etag) => Ok(etag.clone()),
            None => Ok(read_request(session, &self.id).await?.etag),
        }
    }
}

/// A grant that is changed.
#[derive(Debug, Clone, Args)]
pub struct GrantTarget {
    /// The grant: its UUID, or the number of its request (FW-2026-000123) when that has one grant.
    #[arg(value_name = "GRANT")]
    pub id: String,
    /// How the change is guarded.
    #[command(flatten)]
    pub change: Change,
}

impl GrantTarget {
    /// The grant's id and the version to send.
    ///
    /// # Errors
    /// When the grant cannot be read, or a request's number names several.
    pub async fn resolve(&self, session: &Session) -> Result<(String, String), Trouble> {
        if let (Some(etag), false) = (&self.change.etag, self.id.starts_with("FW-")) {
            return Ok((self.id.clone(), etag.clone()));
        }
        let grant = read_grant(session, &self.id).await?;
        Ok((grant.id, self.change.etag.clone().unwrap_or(grant.etag)))
    }
}

/// Reads one request.
///
/// # Errors
/// As the gateway answers.
pub async fn read_request(session: &Session, id: &str) -> Result<AccessRequest, Trouble> {
    let request = GetAccessRequestRequest {
        institution: ANY_INSTITUTION.into(),
        id: id.to_owned(),
    };
    let answer = session.requests().get_access_request(request).await?;
    answer.into_inner().access_request.ok_or_else(empty_answer)
}

/// Reads one grant, by its id or by the number of a request that has exactly one.
///
/// # Errors
/// As the gateway answers; [`Trouble::Usage`] when the request has several.
pub async fn read_grant(session: &Session, id: &str) -> Result<Grant, Trouble> {
    let mut id = id.to_owned();
    if id.starts_with("FW-") {
        let request = read_request(session, &id).await?;
        id = match request.grants.as_slice() {
            [one] => one.clone(),
            [] => return Err(Trouble::No(format!("{id} has no grant yet"))),
            many => {
                return Err(Trouble::Usage(format!(
                    "{id} has {} grants; name one of them: {}",
                    many.len(),
                    many.join(", ")
                )));
            }
        };
    }
    let request = GetGrantRequest {
        institution: ANY_INSTITUTION.into(),
        id,
    };
    let answer = session.grants().get_grant(request).await?;
    answer.into_inner().grant.ok_or_else(empty_answer)
}

/// An answer without its content: a gateway of another make.
pub fn empty_answer() -> Trouble {
    Trouble::Local(
        "the server's answer was empty; is it a Portreeve gateway of this version?".into(),
    )
}

/// How much of a list.
#[derive(Debug, Clone, Args)]
pub struct Page {
    /// At most this many rows; 0: all.
    #[arg(long, value_name = "N", default_value_t = 50, help_heading = "List")]
    pub limit: usize,
}

impl Page {
    /// The size of the next page when `have` rows are there; `None` when that is enough.
    pub fn next_size(&self, have: usize) -> Option<u32> {
        const MOST: usize = 200;
        let left = match self.limit {
            0 => MOST,
            limit => limit.saturating_sub(have).min(MOST),
        };
        u32::try_from(left).ok().filter(|left| *left > 0)
    }
}
