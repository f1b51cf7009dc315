//! Why a command did not succeed, and which exit code says so.
//!
//! Role: one type for everything that ends a command, one table of exit codes that `--help`, the README and scripts
//! rely on. What a service refused keeps its reason, fields and findings to the end.
//! Invariants: a code never changes its meaning; 0 is only for what was asked and is done.
//! Failure story: this is the failure story.

use std::fmt;

use domain::refusal::Kind;
use proto::{error::Failure, types::v1::Asked};

/// The exit codes, as `--help` shows them.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed on this side or inside the service
  2  the command line, a file or a setting is wrong
  3  refused: not acceptable, not permitted, rejected, or ended otherwise than waited for
  4  not found
  5  conflict: the state does not allow it, or somebody changed it first
  6  still pending when the time was up
  7  unavailable: no answer, or a limit was reached; try again later";

/// Why a command ends without success.
#[derive(Debug)]
pub enum Trouble {
    /// A service answered with a failure; what was asked helps to show where.
    Refused(Box<Refused>),
    /// The command line, a file or a setting is wrong.
    Usage(String),
    /// Something on this machine failed.
    Local(String),
    /// The outcome is a no: rejected, ended, or some rows were refused.
    No(String),
    /// The time was up.
    Pending(String),
    /// Nobody answered, or the stream broke and did not come back.
    Unavailable(String),
    /// Nobody reads the output any more.
    Closed,
}

/// A failure with what was asked.
#[derive(Debug)]
pub struct Refused {
    /// What the service said.
    pub failure: Failure,
    /// What was asked, for showing the places of findings.
    pub asked: Option<Asked>,
}

impl Trouble {
    /// Something on this machine failed: what, and why.
    pub fn local(what: impl fmt::Display, why: impl fmt::Display) -> Self {
        Self::Local(format!("{what}: {why}"))
    }

    /// The same failure with what was asked.
    pub fn about(self, asked: &Asked) -> Self {
        match self {
            Self::Refused(mut refused) => {
                refused.asked = Some(asked.clone());
                Self::Refused(refused)
            }
            other => other,
        }
    }

    /// Whether trying again later may help.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Refused(refused) => {
                matches!(refused.failure.kind, Kind::Unavailable | Kind::Exhausted)
            }
            Self::Unavailable(_) => true,
            _ => false,
        }
    }

    /// The exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Closed => 0,
            Self::Local(_) => 1,
            Self::Usage(_) => 2,
            Self::No(_) => 3,
            Self::Pending(_) => 6,
            Self::Unavailable(_) => 7,
            Self::Refused(refused) => match refused.failure.kind {
                Kind::Internal => 1,
                Kind::InvalidInput | Kind::Unauthenticated | Kind::Forbidden => 3,
                Kind::NotFound => 4,
                Kind::Precondition
                | Kind::Conflict
                | Kind::Stale
                | Kind::VersionNeeded
                | Kind::OutOfRange => 5,
                Kind::Exhausted | Kind::Unavailable => 7,
            },
        }
    }
}

impl From<tonic::Status> for Trouble {
    fn from(status: tonic::Status) -> Self {
        Failure::from_status(&status).into()
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Refused(Box::new(Refused {
            failure,
            asked: None,
        }))
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refused) => refused.failure.fmt(f),
            Self::Usage(text)
            | Self::Local(text)
            | Self::No(text)
            | Self::Pending(text)
            | Self::Unavailable(text) => f.write_str(text),
            Self::Closed => f.write_str("nobody reads the output any more"),
        }
    }
}

impl std::error::Error for Trouble {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_failure_has_its_exit_code() {
        let code = |kind| Trouble::from(Failure::new(kind, "X", "x")).exit_code();
        let expected = [
            (Kind::InvalidInput, 3),
            (Kind::Unauthenticated, 3),
            (Kind::Forbidden, 3),
            (Kind::NotFound, 4),
            (Kind::Precondition, 5),
            (Kind::Conflict, 5),
            (Kind::Stale, 5),
            (Kind::VersionNeeded, 5),
            (Kind::Exhausted, 7),
            (Kind::OutOfRange, 5),
            (Kind::Unavailable, 7),
            (Kind::Internal, 1),
        ];
        for (kind, exit) in expected {
            assert_eq!(code(kind), exit, "{kind:?}");
        }
    }

    #[test]
    fn the_documented_codes_are_the_used_ones() {
        let troubles = [
            Trouble::Local(String::new()),
            Trouble::Usage(String::new()),
            Trouble::No(String::new()),
            Trouble::Pending(String::new()),
            Trouble::Unavailable(String::new()),
        ];
        for trouble in troubles {
            let line = format!("\n  {}  ", trouble.exit_code());
            assert!(EXIT_CODES.contains(&line), "{trouble:?}");
        }
    }
}
