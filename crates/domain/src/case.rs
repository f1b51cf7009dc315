//! The case: a request with its grants, the unit that changes together.
//!
//! Role: the moves that touch both machines: approving makes the grants, taking up the work begins the implementation,
//! settling the last grant completes the request, the review of an emergency moves the ends of its grants. A case is what intake loads, steps and stores in one commit.
//! Invariants: a request is completed exactly when it is approved, or opened in an emergency, and every grant is settled;
//! grants exist only for such a request; every change comes with its events, in order.
//! Failure story: a refusal leaves the case as it was.

use crate::{
    access::Actor,
    catalogue::{Closing, Product, Server, Terms},
    event::{Event, EventType},
    grant::{EndReason, Grant, GrantCommand, GrantState, Rule, TimeBox},
    id::{GrantId, TeamId},
    refusal::Refusal,
    request::{Request, RequestCommand, RequestState, ReviewOutcome},
    time::Instant,
};

/// A request with its grants.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// The request.
    pub request: Request,
    /// Its grants, oldest first.
    pub grants: Vec<Grant>,
}

/// What the catalogue says about where the grants of a case go.
#[derive(Debug, Clone, Copy)]
pub struct Routing<'a> {
    /// The product; `None`: cross-product.
    pub product: Option<&'a Product>,
    /// The institution's servers.
    pub servers: &'a [Server],
    /// The cloud team where neither server nor product names one.
    pub default_cloud_team: &'a TeamId,
}

impl Case {
    /// Applies a command to the request. Approving it, and activating an emergency, also makes the grants: `mint` gives
    /// each its id. A review moves the ends of the grants, and so does one that is missing.
    ///
    /// # Errors
    /// A [`Refusal`]; nothing has changed then.
    pub fn command_request(
        &mut self,
        command: &RequestCommand,
        by: &Actor,
        now: Instant,
        terms: &Terms,
        routing: &Routing<'_>,
        mint: &mut dyn FnMut() -> GrantId,
    ) -> Result<Vec<Event>, Refusal> {
        let mut next = self.clone();
        let (request, mut events) = self.request.step(command, by, now, terms)?;
        next.request = request;
        let review = |request: &Request| request.review.as_ref().map(|review| review.outcome);
        let missed = |request: &Request| {
            let glass = request.break_glass.as_ref();
            glass.is_some_and(|glass| glass.missed_at.is_some())
        };
        if self.grants.is_empty() && next.is_to_be_opened() {
            // A policy that approved by itself is who made them.
            let by = events.last().map_or(by, |event| &event.actor).clone();
            next.make_grants(&by, now, terms, routing, mint, &mut events);
        } else if missed(&next.request) != missed(&self.request) {
            next.cut(EndReason::ReviewMissed, "", by, now, terms, &mut events)?;
        } else if let Some(outcome) = review(&next.request)
            && review(&self.request).is_none()
        {
            next.carry_out(outcome, by, now, terms, &mut events)?;
        }
        *self = next;
        Ok(events)
    }

    /// Its decision, or its emergency, opens what was read.
    const fn is_to_be_opened(&self) -> bool {
        matches!(
            self.request.state,
            RequestState::Approved | RequestState::Implementing
        )
    }

    /// What a review makes of the grants that are left.
    fn carry_out(
        &mut self,
        outcome: ReviewOutcome,
        by: &Actor,
        now: Instant,
        terms: &Terms,
        events: &mut Vec<Event>,
    ) -> Result<(), Refusal> {
        if outcome == ReviewOutcome::Rejected {
            let note = self.request.review.as_ref().map(|review| &review.note);
            let note = note.cloned().unwrap_or_default();
            return self.cut(EndReason::ReviewRejected, &note, by, now, terms, events);
        }
        let keep = outcome == ReviewOutcome::TimeBoxKept;
        let boxed = |grant: &Grant| {
            let over = grant.expires_at.is_some_and(|deadline| deadline <= now);
            grant.owes_review() && grant.can_end() && !over
        };
        self.step_grants(
            &GrantCommand::EndTimeBox { keep },
            boxed,
            by,
            now,
            terms,
            events,
        )
    }

    /// Ends every grant that has not ended.
    fn cut(
        &mut self,
        reason: EndReason,
        note: &str,
        by: &Actor,
        now: Instant,
        terms: &Terms,
        events: &mut Vec<Event>,
    ) -> Result<(), Refusal> {
        let note = note.to_owned();
        let command = GrantCommand::Cut { reason, note };
        self.step_grants(&command, Grant::can_end, by, now, terms, events)
    }

    fn step_grants(
        &mut self,
        command: &GrantCommand,
        which: impl Fn(&Grant) -> bool,
        by: &Actor,
        now: Instant,
        terms: &Terms,
        events: &mut Vec<Event>,
    ) -> Result<(), Refusal> {
        for grant in self.grants.iter_mut().filter(|grant| which(grant)) {
            let (next, more) = grant.step(command, by, now, terms)?;
            *grant = next;
            events.extend(more);
        }
        Ok(())
    }

    /// Applies a command to the grant `id`; `Ok(None)` when the case has no such grant.
    ///
    /// # Errors
    /// A [`Refusal`]; nothing has changed then.
    pub fn command_grant(
        &mut self,
        id: GrantId,
        command: &GrantCommand,
        by: &Actor,
        now: Instant,
        terms: &Terms,
    ) -> Result<Option<Vec<Event>>, Refusal> {
        let Some(grant) = self.grants.iter_mut().find(|grant| grant.id == id) else {
            return Ok(None);
        };
        let (next, mut events) = grant.step(command, by, now, terms)?;
        *grant = next;
        let taken_up = matches!(
            command,
            GrantCommand::Claim | GrantCommand::Complete { .. } | GrantCommand::Fail { .. }
        );
        if taken_up && self.request.state == RequestState::Approved {
            self.step_request(&RequestCommand::Begin, by, now, terms, &mut events)?;
        }
        self.settle(by, now, terms, &mut events)?;
        Ok(Some(events))
    }

    /// Completes the request when its last grant is settled.
    fn settle(
        &mut self,
        by: &Actor,
        now: Instant,
        terms: &Terms,
        events: &mut Vec<Event>,
    ) -> Result<(), Refusal> {
        let open = matches!(
            self.request.state,
            RequestState::Approved | RequestState::Implementing
        );
        if open && self.grants.iter().all(|grant| grant.state.is_settled()) {
            self.step_request(&RequestCommand::Settle, by, now, terms, events)?;
        }
        Ok(())
    }

    fn step_request(
        &mut self,
        command: &RequestCommand,
        by: &Actor,
        now: Instant,
        terms: &Terms,
        events: &mut Vec<Event>,
    ) -> Result<(), Refusal> {
        let (request, more) = self.request.step(command, by, now, terms)?;
        self.request = request;
        events.extend(more);
        Ok(())
    }

    fn make_grants(
        &mut self,
        by: &Actor,
        now: Instant,
        terms: &Terms,
        routing: &Routing<'_>,
        mint: &mut dyn FnMut() -> GrantId,
        events: &mut Vec<Event>,
    ) {
        let Some(reading) = self.request.reading.clone() else {
            return;
        };
        let mut sources: Vec<_> = reading.networks().copied().collect();
        sources.sort_unstable();
        sources.dedup();
        for read in &reading.destinations {
            let server = routing.servers.iter().find(|server| match &read.server {
                Some(id) => server.id == *id,
                None => server.is_named_by(&read.destination),
            });
            let cloud_team = read
                .cloud_team
                .as_ref()
                .or_else(|| server.and_then(|server| server.cloud_team.as_ref()))
                .or_else(|| routing.product.map(|product| &product.cloud_team))
                .unwrap_or(routing.default_cloud_team)
                .clone();
            let lead_time = server
                .map(|server| server.lead_time)
                .filter(|lead| !lead.is_zero())
                .unwrap_or(terms.lead_time);
            let hand_over_at = reading
                .validity
                .start
                .map_or(now, |start| start.minus(lead_time))
                .max(now);
            let due = hand_over_at <= now;
            let fixed = reading
                .validity
                .fixed_deadline(&self.request.zone)
                .unwrap_or(None);
            let time_box = self.request.break_glass.as_ref().map(|glass| TimeBox {
                until: glass.until,
                reviewed: false,
            });
            let mut grant = Grant {
                id: mint(),
                request: self.request.id,
                number: self.request.number,
                institution: self.request.institution.clone(),
                product: self.request.product.clone(),
                cloud_team,
                direction: self.request.asked.direction,
                emergency: self.request.asked.emergency,
                break_glass: time_box.is_some(),
                rule: Rule {
                    sources: sources.clone(),
                    destination: read.destination.clone(),
                    server: server.map(|server| server.id.clone()),
                    addresses: read.addresses.clone(),
                    services: reading.services.clone(),
                },
                validity: reading.validity.clone(),
                zone: self.request.zone.clone(),
                closing: server.map_or(Closing::ByHand, |server| server.closing),
                lead_time,
                state: if due {
                    GrantState::Activating
                } else {
                    GrantState::Scheduled
                },
                hand_over_at,
                effective_at: None,
                expires_at: None,
                ending_at: None,
                ended_at: None,
                confirm_by: None,
                end_reason: None,
                note: String::new(),
                time_box,
                extension: None,
                assignee: None,
                epoch: 0,
                version: 1,
                created_at: now,
                updated_at: now,
            };
            grant.expires_at = grant.boxed(fixed);
            let kind = if due {
                EventType::GrantHandedOver
            } else {
                EventType::GrantScheduled
            };
            let mut event = Event::new(kind, by, now).with(|details| {
                details.until = Some(grant.hand_over_at);
                details.opens = Some(grant.rule.clone());
            });
            event.grant = Some(grant.id);
            events.push(event);
            self.grants.push(grant);
        }
    }

    /// Turns an accepted, never submitted request into a completed one whose grants are open already (day one: what is
    /// open today is recorded). Open since `effective_at`.
    ///
    /// # Errors
    /// [`Refusal`] when the request is no draft, or its end has passed.
    #[expect(
        clippy::too_many_arguments,
        reason = "the same parts as an approval, plus since when"
    )]
    pub fn record_as_open(
        &mut self,
        verdict: crate::request::Verdict,
        effective_at: Instant,
        by: &Actor,
        now: Instant,
        terms: &Terms,
        routing: &Routing<'_>,
        mint: &mut dyn FnMut() -> GrantId,
    ) -> Result<Vec<Event>, Refusal> {
        if self.request.state != RequestState::Draft {
            return Err(Refusal::IllegalMove {
                command: "import",
                state: self.request.state.as_str(),
                remedy: "import it under another name",
            });
        }
        let range = || Refusal::EffectiveTimeOutOfRange {
            from: effective_at,
            to: now,
        };
        if effective_at > now {
            return Err(range());
        }
        let mut next = self.clone();
        next.request.reading = Some(verdict.accepted()?);
        next.request.findings = verdict.findings;
        next.request.imported = true;
        next.request.state = RequestState::Completed;
        next.request.submitted_at = Some(now);
        let mut events = Vec::new();
        next.make_grants(by, now, terms, routing, mint, &mut events);
        events.clear();
        for grant in &mut next.grants {
            let deadline = grant
                .validity
                .deadline(effective_at, &grant.zone)
                .map_err(|_| range())?;
            if let Some(deadline) = deadline.filter(|deadline| *deadline <= now) {
                return Err(Refusal::DeadlinePassed { deadline });
            }
            grant.state = GrantState::Active;
            grant.hand_over_at = effective_at;
            grant.effective_at = Some(effective_at);
            grant.expires_at = deadline;
            grant.epoch = 1;
            let mut event = Event::new(EventType::GrantImported, by, now).with(|details| {
                details.effective_at = Some(effective_at);
                details.until = deadline;
                details.opens = Some(grant.rule.clone());
            });
            event.grant = Some(grant.id);
            events.push(event);
        }
        events.push(Event::new(EventType::RequestCompleted, by, now));
        *self = next;
        Ok(events)
    }

    /// Whether any of the grants is live at `now`.
    pub fn is_live(&self, now: Instant) -> bool {
        self.grants.iter().any(|grant| grant.is_live(now))
    }

    /// Whether the end of a grant was not its deadline but somebody's decision.
    pub fn ended_early(&self) -> bool {
        self.grants.iter().any(|grant| {
            matches!(
                grant.end_reason,
                Some(EndReason::Returned | EndReason::Revoked)
            )
        })
    }
}
