//! The grant: the access itself, and its machine.
//!
//! Role: one grant per request and destination. [`Grant::step`] is pure: it takes the grant, a command and `now`, and
//! gives the next grant with its events, or a refusal. Only intake applies it.
//! Invariants: I2 ([`Grant::is_live`] is a predicate over the deadline, so a late sweep prolongs nothing); deciding to
//! end and having ended are different states; a relative length starts at activation; every change of what should be
//! open raises `epoch`, the fencing token of enforcers.
//! Failure story: an illegal move changes nothing and says what to do instead; a closure that nobody confirms becomes
//! `ending_failed`, which pages a human, and never silently `ended`.

use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{
    access::{Actor, four_eyes},
    catalogue::{Closing, Terms},
    deadline::{Class, Deadline},
    event::{Event, EventType},
    id::{GrantId, InstitutionId, ProductId, RequestId, RequestNumber, ServerId, TeamId},
    net::{Destination, Service},
    refusal::Refusal,
    request::Direction,
    time::{Instant, Validity, Zone},
};

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

/// Why a grant ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// Its deadline came.
    Expired,
    /// Support ended it.
    Revoked,
    /// The institution gave it back.
    Returned,
    /// Another grant took its place.
    Superseded,
}

impl EndReason {
    /// As stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Returned => "returned",
            Self::Superseded => "superseded",
        }
    }
}

/// What is open: never changes after approval; another rule is another grant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// Source networks, canonical.
    pub sources: Vec<IpNet>,
    /// Where to.
    pub destination: Destination,
    /// The hosted server, when known.
    pub server: Option<ServerId>,
    /// Protocol and ports.
    pub services: Vec<Service>,
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
            Self::DeadlineReached => "deadline_reached",
        }
    }
}

impl Grant {
    /// Open at `now`: the state says active and the deadline lies ahead (I2).
    pub fn is_live(&self, now: Instant) -> bool {
        self.state == GrantState::Active && self.expires_at.is_none_or(|deadline| now < deadline)
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

    /// The next grant and what happened, or why not. `by` is who acts, `now` the ledger's time.
    ///
    /// # Errors
    /// A [`Refusal`]; nothing has changed then.
    pub fn step(
        &self,
        command: &GrantCommand,
        by: &Actor,
        now: Instant,
        terms: &Terms,
    ) -> Result<(Self, Vec<Event>), Refusal> {
        let mut next = self.clone();
        let mut events = Vec::with_capacity(1);
        next.apply(command, by, now, terms, &mut events)?;
        next.version += 1;
        next.updated_at = now;
        for event in &mut events {
            event.grant = Some(self.id);
        }
        Ok((next, events))
    }

    fn apply(
        &mut self,
        command: &GrantCommand,
        by: &Actor,
        now: Instant,
        terms: &Terms,
        events: &mut Vec<Event>,
    ) -> Result<(), Refusal> {
        use GrantState as S;
        let illegal = |remedy| {
            Err(Refusal::IllegalMove {
                command: command.name(),
                state: self.state.as_str(),
                remedy,
            })
        };
        let mut say = |kind| events.push(Event::new(kind, by, now));
        match (command, self.state) {
            (
                GrantCommand::Claim,
                S::Activating | S::ActivationFailed | S::Ending | S::EndingFailed,
            ) => {
                if let Some(other) = &self.assignee {
                    return Err(Refusal::AlreadyClaimed {
                        by: other.display_name.clone(),
                    });
                }
                self.assignee = Some(by.clone());
                say(EventType::GrantClaimed);
            }
            (GrantCommand::Release, _) if self.assignee.is_some() => {
                self.assignee = None;
                say(EventType::GrantReleased);
            }
            (GrantCommand::Complete { effective_at, note }, S::Activating) => {
                self.open(*effective_at, note, by, now, events)?;
            }
            (GrantCommand::Fail { reason }, S::Activating) => {
                self.state = S::ActivationFailed;
                self.note.clone_from(reason);
                events
                    .push(Event::new(EventType::GrantActivationFailed, by, now).with_note(reason));
            }
            (GrantCommand::Retry, S::ActivationFailed) => {
                self.state = S::Activating;
                say(EventType::GrantRetried);
            }
            (GrantCommand::ConfirmClosed { note }, S::Ending | S::EndingFailed) => {
                self.close(note, by, now, events);
            }
            (GrantCommand::Extend { until, reason }, S::Active) if self.is_live(now) => {
                self.check_extension(*until, now)?;
                self.extension = Some(PendingExtension {
                    until: *until,
                    reason: reason.clone(),
                    asked_by: by.clone(),
                    asked_at: now,
                });
                events.push(
                    Event::new(EventType::GrantExtensionRequested, by, now)
                        .with_note(reason)
                        .with(|details| details.until = Some(*until)),
                );
            }
            (GrantCommand::ApproveExtension { note }, S::Active) if self.is_live(now) => {
                let Some(wish) = self.extension.clone() else {
                    return illegal("no extension waits; ask for one first");
                };
                four_eyes(by, &wish.asked_by)?;
                self.check_extension(wish.until, now)?;
                let previous = self.expires_at.replace(wish.until);
                self.extension = None;
                self.epoch += 1;
                events.push(
                    Event::new(EventType::GrantExtended, by, now)
                        .with_note(note)
                        .with(|details| {
                            details.until = Some(wish.until);
                            details.previous_until = previous;
                        }),
                );
            }
            (GrantCommand::DeclineExtension { note }, _) if self.extension.is_some() => {
                self.extension = None;
                events.push(Event::new(EventType::GrantExtensionDeclined, by, now).with_note(note));
            }
            (GrantCommand::Return { reason }, _) if self.can_end() => {
                self.end(EndReason::Returned, reason, by, now, terms, events);
            }
            (GrantCommand::Revoke { reason }, _) if self.can_end() => {
                self.end(EndReason::Revoked, reason, by, now, terms, events);
            }
            (GrantCommand::DeadlineReached, _) => {
                let Some(deadline) = self.next_deadline().filter(|deadline| deadline.at <= now)
                else {
                    return illegal("no deadline of it has come");
                };
                match deadline.class {
                    Class::Start => {
                        self.state = S::Activating;
                        say(EventType::GrantHandedOver);
                    }
                    Class::End => self.end(EndReason::Expired, "", by, now, terms, events),
                    Class::Alarm => {
                        self.state = S::EndingFailed;
                        say(EventType::GrantEndingFailed);
                    }
                }
            }
            (GrantCommand::Claim | GrantCommand::Release, _) => {
                return illegal("no work waits here");
            }
            (GrantCommand::Complete { .. } | GrantCommand::Fail { .. }, S::ActivationFailed) => {
                return illegal("retry it first");
            }
            (GrantCommand::Extend { .. } | GrantCommand::ApproveExtension { .. }, S::Active) => {
                return illegal("its deadline has come; renew the access instead");
            }
            (GrantCommand::Extend { .. }, S::Ending | S::Ended | S::EndingFailed) => {
                return illegal("renew the access instead");
            }
            (_, S::Ended) => {
                return illegal("it has ended; renew the access if it is still needed");
            }
            (_, S::Scheduled) => return illegal("it has not been handed to the cloud team yet"),
            _ => return illegal("read its allowed actions"),
        }
        Ok(())
    }

    fn open(
        &mut self,
        effective_at: Option<Instant>,
        note: &str,
        by: &Actor,
        now: Instant,
        events: &mut Vec<Event>,
    ) -> Result<(), Refusal> {
        let effective_at = effective_at.unwrap_or(now);
        if effective_at > now || effective_at < self.hand_over_at {
            return Err(Refusal::EffectiveTimeOutOfRange {
                from: self.hand_over_at,
                to: now,
            });
        }
        let range = Refusal::EffectiveTimeOutOfRange {
            from: self.hand_over_at,
            to: now,
        };
        let deadline = self
            .validity
            .deadline(effective_at, &self.zone)
            .map_err(|_| range)?;
        if let Some(deadline) = deadline.filter(|deadline| *deadline <= now) {
            return Err(Refusal::DeadlinePassed { deadline });
        }
        self.state = GrantState::Active;
        self.effective_at = Some(effective_at);
        self.expires_at = deadline;
        self.assignee = None;
        note.clone_into(&mut self.note);
        self.epoch += 1;
        events.push(
            Event::new(EventType::GrantActivated, by, now)
                .with_note(note)
                .with(|details| {
                    details.effective_at = Some(effective_at);
                    details.until = deadline;
                }),
        );
        Ok(())
    }

    fn check_extension(&self, until: Instant, now: Instant) -> Result<(), Refusal> {
        let Some(deadline) = self.expires_at else {
            return Err(Refusal::GrantPermanent);
        };
        if until <= deadline {
            return Err(Refusal::ExtensionNotLater { deadline });
        }
        // Only a device that carries the deadline itself must know it ahead.
        if self.closing == Closing::CarriesDeadline && now.plus(self.lead_time) > deadline {
            return Err(Refusal::InsideLeadTime {
                lead_seconds: self.lead_time.as_secs(),
            });
        }
        Ok(())
    }

    const fn can_end(&self) -> bool {
        !matches!(
            self.state,
            GrantState::Ending | GrantState::Ended | GrantState::EndingFailed
        )
    }

    /// Decides the end. What was never handed over, and what closes by itself at its deadline, has ended at once.
    fn end(
        &mut self,
        reason: EndReason,
        note: &str,
        by: &Actor,
        now: Instant,
        terms: &Terms,
        events: &mut Vec<Event>,
    ) {
        self.end_reason = Some(reason);
        self.extension = None;
        self.assignee = None;
        self.epoch += 1;
        self.ending_at = Some(now);
        note.clone_into(&mut self.note);
        let closed_by_device = self.state == GrantState::Active
            && self.closing == Closing::CarriesDeadline
            && reason == EndReason::Expired;
        if self.state == GrantState::Scheduled || closed_by_device {
            self.close(note, by, now, events);
            return;
        }
        let within = match self.closing {
            Closing::Agent => terms.agent_confirms_within,
            Closing::CarriesDeadline | Closing::ByHand => terms.team_confirms_within,
        };
        self.state = GrantState::Ending;
        self.confirm_by = Some(now.plus(within));
        events.push(
            Event::new(EventType::GrantEnding, by, now)
                .with_note(note)
                .with(|details| {
                    details.end_reason = Some(reason);
                    details.until = self.confirm_by;
                }),
        );
    }

    fn close(&mut self, note: &str, by: &Actor, now: Instant, events: &mut Vec<Event>) {
        self.state = GrantState::Ended;
        self.ended_at = Some(now);
        self.confirm_by = None;
        self.assignee = None;
        events.push(
            Event::new(EventType::GrantEnded, by, now)
                .with_note(note)
                .with(|details| details.end_reason = self.end_reason),
        );
    }
}
