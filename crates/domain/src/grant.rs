//! The grant: the access itself, and its machine.
//!
//! Role: one grant per request and destination. [`Grant::step`] is pure: it takes the grant, a command and `now`, and
//! gives the next grant with its events, or a refusal. Only intake applies it.
//! Invariants: I2 ([`Grant::is_live`] is a predicate over the deadline, so a late sweep prolongs nothing); deciding to
//! end and having ended are different states; a relative length starts at activation; every change of what should be
//! open raises `epoch`, the fencing token of enforcers.
//! Failure story: an illegal move changes nothing and says what to do instead; a closure that nobody confirms becomes
//! `ending_failed`, which pages a human, and never silently `ended`.

mod step;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    access::Actor,
    catalogue::Closing,
    deadline::{Class, Deadline},
    id::{GrantId, InstitutionId, ProductId, RequestId, RequestNumber, TeamId},
    request::Direction,
    time::{Instant, Validity, Zone},
};
pub use crate::{event::EndReason, net::Rule};

/// Where a grant stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantState {
    /// Its start lies ahead.
    Scheduled,
    /// Handed to the cloud team.
    Activating,
    /// Open, while now is before the deadline.
    Active,
    /// Decided to end, closure not confirmed.
    Ending,
    /// Closed.
    Ended,
    /// Could not be opened.
    ActivationFailed,
    /// Closure not confirmed in time.
    EndingFailed,
}

impl GrantState {
    /// Every state.
    pub const ALL: [Self; 7] = [
        Self::Scheduled,
        Self::Activating,
        Self::Active,
        Self::Ending,
        Self::Ended,
        Self::ActivationFailed,
        Self::EndingFailed,
    ];

    /// As stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Activating => "activating",
            Self::Active => "active",
            Self::Ending => "ending",
            Self::Ended => "ended",
            Self::ActivationFailed => "activation_failed",
            Self::EndingFailed => "ending_failed",
        }
    }

    /// The request need not wait for it any more.
    pub const fn is_settled(self) -> bool {
        matches!(
            self,
            Self::Active | Self::Ending | Self::Ended | Self::EndingFailed
        )
    }
}

/// A later end that waits for a decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PendingExtension {
    /// The asked end.
    pub until: Instant,
    /// Why.
    pub reason: String,
    /// Who asked.
    pub asked_by: Actor,
    /// When.
    pub asked_at: Instant,
}

/// What was opened in an emergency ends with its time box, unless the review lifts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeBox {
    /// The end.
    pub until: Instant,
    /// The review has left it standing: it is an ordinary end now.
    pub reviewed: bool,
}

/// Access: sources to one destination on services, for a time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Grant {
    /// UUIDv7.
    pub id: GrantId,
    /// The request it came from.
    pub request: RequestId,
    /// That request's number.
    pub number: RequestNumber,
    /// Whose.
    pub institution: InstitutionId,
    /// `None`: cross-product.
    pub product: Option<ProductId>,
    /// The cloud team whose work it is.
    pub cloud_team: TeamId,
    /// Which way.
    pub direction: Direction,
    /// An emergency.
    pub emergency: bool,
    /// Opened before anybody reviewed the request.
    pub break_glass: bool,
    /// What is open.
    pub rule: Rule,
    /// The asked validity.
    pub validity: Validity,
    /// Where its dates are read.
    pub zone: Zone,
    /// How its firewall closes.
    pub closing: Closing,
    /// How long before a changed end the device must know.
    pub lead_time: Duration,
    /// Where it stands.
    pub state: GrantState,
    /// When it is (or was) handed over.
    pub hand_over_at: Instant,
    /// Open since.
    pub effective_at: Option<Instant>,
    /// The deadline; `None`: permanent, or a length that has not started.
    pub expires_at: Option<Instant>,
    /// Closure decided.
    pub ending_at: Option<Instant>,
    /// Closure confirmed.
    pub ended_at: Option<Instant>,
    /// Unconfirmed by then, the closure has failed.
    pub confirm_by: Option<Instant>,
    /// Why it ends.
    pub end_reason: Option<EndReason>,
    /// Words to the end or to a failure.
    pub note: String,
    /// Ends it, however long was asked for.
    pub time_box: Option<TimeBox>,
    /// A later end that waits.
    pub extension: Option<PendingExtension>,
    /// Who of the cloud team has it.
    pub assignee: Option<Actor>,
    /// Fencing token: raised whenever what should be open changes.
    pub epoch: u64,
    /// Raised by every change.
    pub version: u64,
    /// First made.
    pub created_at: Instant,
    /// Last changed.
    pub updated_at: Instant,
}

/// What can be done to a grant.
#[derive(Debug, Clone, PartialEq)]
pub enum GrantCommand {
    /// Take the work.
    Claim,
    /// Give the work back.
    Release,
    /// It is open.
    Complete {
        /// Since then; `None`: now.
        effective_at: Option<Instant>,
        /// Words.
        note: String,
    },
    /// It could not be opened.
    Fail {
        /// Why.
        reason: String,
    },
    /// Try again.
    Retry,
    /// It is closed.
    ConfirmClosed {
        /// Words.
        note: String,
    },
    /// Ask for a later end.
    Extend {
        /// Until then.
        until: Instant,
        /// Why.
        reason: String,
    },
    /// Grant the later end.
    ApproveExtension {
        /// Words.
        note: String,
    },
    /// Do not.
    DeclineExtension {
        /// Why.
        note: String,
    },
    /// Give back.
    Return {
        /// Why.
        reason: String,
    },
    /// End by support.
    Revoke {
        /// Why.
        reason: String,
    },
    /// The review of its emergency has confirmed it.
    EndTimeBox {
        /// It ends with its time box all the same.
        keep: bool,
    },
    /// The review of its emergency has not confirmed it.
    Cut {
        /// Rejected or missed.
        reason: EndReason,
        /// Words.
        note: String,
    },
    /// The deadline that stands has come.
    DeadlineReached,
}

impl GrantCommand {
    /// As in `allowedActions` and refusals.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Claim => "claim",
            Self::Release => "release",
            Self::Complete { .. } => "complete",
            Self::Fail { .. } => "fail",
            Self::Retry => "retry",
            Self::ConfirmClosed { .. } => "confirm_closed",
            Self::Extend { .. } => "extend",
            Self::ApproveExtension { .. } => "approve_extension",
            Self::DeclineExtension { .. } => "decline_extension",
            Self::Return { .. } => "return",
            Self::Revoke { .. } => "revoke",
            Self::EndTimeBox { .. } => "end_time_box",
            Self::Cut { .. } => "cut",
            Self::DeadlineReached => "deadline_reached",
        }
    }
}

impl Grant {
    /// Open at `now`: the state says active and the deadline lies ahead (I2).
    pub fn is_live(&self, now: Instant) -> bool {
        self.state == GrantState::Active && self.expires_at.is_none_or(|deadline| now < deadline)
    }

    /// Its time box has not been reviewed: its end moves by the review alone.
    pub fn owes_review(&self) -> bool {
        self.time_box.is_some_and(|time_box| !time_box.reviewed)
    }

    /// The end as asked for, where it is known, and in any case within the time box.
    pub(crate) fn boxed(&self, asked: Option<Instant>) -> Option<Instant> {
        let limit = self.time_box.map(|time_box| time_box.until);
        asked.into_iter().chain(limit).min()
    }

    /// The deadline that stands: a pure function of the state, so that it can never be lost.
    pub fn next_deadline(&self) -> Option<Deadline> {
        let end = |at| Deadline {
            class: Class::End,
            at,
        };
        match self.state {
            GrantState::Scheduled => {
                let start = Deadline {
                    class: Class::Start,
                    at: self.hand_over_at,
                };
                Some(
                    self.expires_at
                        .map_or(start, |at| if at < start.at { end(at) } else { start }),
                )
            }
            GrantState::Activating | GrantState::ActivationFailed | GrantState::Active => {
                self.expires_at.map(end)
            }
            GrantState::Ending => self.confirm_by.map(|at| Deadline {
                class: Class::Alarm,
                at,
            }),
            GrantState::Ended | GrantState::EndingFailed => None,
        }
    }
}
