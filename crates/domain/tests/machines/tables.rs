//! The full state x command tables, one for each machine, as snapshots.
//!
//! Role: each row is a state that real commands led to, each line in it one command with its outcome: the next state
//! and the events, or the reason of the refusal. Every command is listed: `named` does not compile without a new one.

use std::fmt::Write as _;

use portreeve_domain::{
    access::Actor,
    catalogue::Closing,
    event::Event,
    grant::{EndReason, GrantCommand, GrantState},
    refusal::Refusal,
    request::{Approvals, RequestCommand, RequestState, ReviewOutcome},
    time::{End, Validity},
};

use crate::world::{DAY, HOUR, Person, Setting, World, ask, complete, extend, review, start};

/// Every kind of command of a request, at least once, with who gives it.
fn request_commands(world: &World) -> Vec<(&'static str, RequestCommand, Actor)> {
    let text = String::new;
    let by = |person: Person| person.actor();
    vec![
        ("", world.edit(), by(Person::Requester)),
        ("", world.submit(), by(Person::Requester)),
        (
            " with errors",
            RequestCommand::Submit {
                verdict: world.bad(),
                queue: world.case.request.queue.clone(),
                approvals: Approvals::default(),
                automatic: None,
            },
            by(Person::Requester),
        ),
        (
            " that a policy approves",
            world.submit_automatically(world.good()),
            by(Person::Requester),
        ),
        (
            "",
            RequestCommand::Withdraw { reason: text() },
            by(Person::Requester),
        ),
        ("", world.respond(), by(Person::Requester)),
        ("", RequestCommand::Claim, by(Person::Analyst)),
        ("", RequestCommand::Release, by(Person::Analyst)),
        (
            "",
            RequestCommand::Transfer {
                queue: world.case.request.queue.clone(),
                reason: text(),
            },
            by(Person::Analyst),
        ),
        ("", ask(), by(Person::Analyst)),
        ("", world.approve(), by(Person::Analyst)),
        (
            " what one asked for",
            world.approve(),
            by(Person::Requester),
        ),
        (
            " with errors",
            RequestCommand::Approve {
                note: text(),
                verdict: world.bad(),
                approvals: Approvals::default(),
            },
            by(Person::Analyst),
        ),
        (
            "",
            RequestCommand::Reject { note: text() },
            by(Person::Analyst),
        ),
        ("", world.activate(), by(Person::Analyst)),
        (
            " of what one asked for",
            world.activate(),
            by(Person::Requester),
        ),
        (
            "",
            review(ReviewOutcome::Confirmed),
            by(Person::Administrator),
        ),
        (
            " that rejects",
            review(ReviewOutcome::Rejected),
            by(Person::Administrator),
        ),
        (
            " that keeps the time box",
            review(ReviewOutcome::TimeBoxKept),
            by(Person::Administrator),
        ),
        (
            " by the analyst",
            review(ReviewOutcome::Confirmed),
            by(Person::Analyst),
        ),
        (
            " by the approver",
            review(ReviewOutcome::Confirmed),
            by(Person::OtherAnalyst),
        ),
        ("", RequestCommand::Begin, by(Person::Cloud)),
        ("", RequestCommand::Settle, by(Person::Cloud)),
        ("", RequestCommand::DeadlineReached, Actor::clock()),
    ]
}

/// A new command does not compile until somebody has looked at `request_commands`.
const fn named(command: &RequestCommand) {
    match command {
        RequestCommand::Edit { .. }
        | RequestCommand::Submit { .. }
        | RequestCommand::Withdraw { .. }
        | RequestCommand::Respond { .. }
        | RequestCommand::Claim
        | RequestCommand::Release
        | RequestCommand::Transfer { .. }
        | RequestCommand::Ask { .. }
        | RequestCommand::Approve { .. }
        | RequestCommand::Reject { .. }
        | RequestCommand::ActivateEmergency { .. }
        | RequestCommand::Review { .. }
        | RequestCommand::Begin
        | RequestCommand::Settle
        | RequestCommand::DeadlineReached => {}
    }
}

fn request_rows() -> Vec<(&'static str, World)> {
    let plain = &Setting::default();
    let urgent = &Setting {
        emergency: true,
        ..Setting::default()
    };
    let reject = RequestCommand::Reject {
        note: String::new(),
    };
    let withdraw = RequestCommand::Withdraw {
        reason: String::new(),
    };
    let mut lapsed = World::info_needed(plain).later(15 * DAY);
    assert_eq!(lapsed.run_due(), Ok(1));
    let twice = &Setting {
        two: true,
        ..Setting::default()
    };
    let half = World::in_review(twice);
    let approve = half.approve();
    let open = || World::activated(urgent).with_grant(&complete(), Person::Cloud);
    let swept = |mut world: World| {
        assert!(world.run_due().is_ok());
        world
    };
    let forgotten = World::activated(urgent).later(DAY + HOUR);
    vec![
        ("", World::draft(plain)),
        ("", World::submitted(plain)),
        ("", World::in_review(plain)),
        (
            ", released",
            World::in_review(plain).with_request(&RequestCommand::Release, Person::Analyst),
        ),
        ("", World::info_needed(plain)),
        (
            ", unanswered too long",
            World::info_needed(plain).later(15 * DAY),
        ),
        (", an emergency", World::submitted(urgent)),
        (
            ", one of two approvals",
            half.with_request(&approve, Person::OtherAnalyst),
        ),
        ("", World::approved(plain)),
        (", opened in an emergency", World::activated(urgent)),
        (
            ", opened in an emergency, reminder due",
            World::activated(urgent).later(DAY / 2),
        ),
        (
            ", opened in an emergency, review overdue, end passed",
            swept(World::activated(urgent).later(DAY / 2)).later(13 * HOUR),
        ),
        (", opened in an emergency", open()),
        (
            ", opened in an emergency, confirmed",
            open().with_request(&review(ReviewOutcome::Confirmed), Person::Administrator),
        ),
        (
            ", opened in an emergency, rejected",
            World::activated(urgent)
                .with_request(&review(ReviewOutcome::Rejected), Person::Administrator),
        ),
        (
            ", opened in an emergency, never reviewed",
            swept(swept(forgotten)),
        ),
        (
            "",
            World::approved(plain).with_grant(&GrantCommand::Claim, Person::Cloud),
        ),
        ("", World::active(plain)),
        (", an emergency", World::active(urgent)),
        (
            "",
            World::in_review(plain).with_request(&reject, Person::Analyst),
        ),
        (
            "",
            World::submitted(plain).with_request(&withdraw, Person::Requester),
        ),
        ("", lapsed),
    ]
}

fn outcome(state: &str, result: Result<Vec<Event>, Refusal>) -> String {
    match result {
        Ok(events) => {
            let kinds: Vec<_> = events
                .iter()
                .map(|event| event.kind.as_str().trim_start_matches("portreeve."))
                .collect();
            format!("{state} [{}]", kinds.join(", "))
        }
        Err(refusal @ Refusal::IllegalMove { .. }) => format!("refused: {refusal}"),
        Err(refusal) => format!("refused: {}: {refusal}", refusal.reason()),
    }
}

#[test]
fn every_command_in_every_state_of_a_request() {
    let mut table = String::new();
    let rows = request_rows();
    for state in RequestState::ALL {
        assert!(
            rows.iter()
                .any(|(_, world)| world.case.request.state == state),
            "no row for {}",
            state.as_str()
        );
    }
    for (variant, world) in rows {
        let _ = writeln!(table, "{}{variant}", world.case.request.state.as_str());
        for (how, command, by) in request_commands(&world) {
            named(&command);
            let mut next = world.clone();
            let result = next.request(&command, &by);
            let _ = writeln!(
                table,
                "  {}{how}: {}",
                command.name(),
                outcome(next.case.request.state.as_str(), result)
            );
        }
    }
    insta::assert_snapshot!("request", table);
}

fn grant_commands(world: &World) -> Vec<(&'static str, GrantCommand, Actor)> {
    let text = String::new;
    let by = |person: Person| person.actor();
    let end = world.case.grants[0].expires_at.unwrap_or(world.now);
    vec![
        ("", GrantCommand::Claim, by(Person::OtherCloud)),
        ("", GrantCommand::Release, by(Person::Cloud)),
        ("", complete(), by(Person::Cloud)),
        (
            " effective tomorrow",
            GrantCommand::Complete {
                effective_at: Some(world.now.plus(DAY)),
                note: text(),
            },
            by(Person::Cloud),
        ),
        (
            " effective before the hand-over",
            GrantCommand::Complete {
                effective_at: Some(world.case.grants[0].hand_over_at.minus(HOUR)),
                note: text(),
            },
            by(Person::Cloud),
        ),
        ("", GrantCommand::Fail { reason: text() }, by(Person::Cloud)),
        ("", GrantCommand::Retry, by(Person::Cloud)),
        (
            "",
            GrantCommand::ConfirmClosed { note: text() },
            by(Person::Cloud),
        ),
        ("", extend(end.plus(DAY)), by(Person::Requester)),
        (
            " to an earlier end",
            extend(end.minus(HOUR)),
            by(Person::Requester),
        ),
        (
            "",
            GrantCommand::ApproveExtension { note: text() },
            by(Person::Analyst),
        ),
        (
            " that one asked for",
            GrantCommand::ApproveExtension { note: text() },
            by(Person::Requester),
        ),
        (
            "",
            GrantCommand::DeclineExtension { note: text() },
            by(Person::Analyst),
        ),
        (
            "",
            GrantCommand::Return { reason: text() },
            by(Person::Requester),
        ),
        (
            "",
            GrantCommand::Revoke { reason: text() },
            by(Person::Analyst),
        ),
        (
            "",
            GrantCommand::EndTimeBox { keep: false },
            by(Person::Analyst),
        ),
        (
            " as it is",
            GrantCommand::EndTimeBox { keep: true },
            by(Person::Analyst),
        ),
        (
            "",
            GrantCommand::Cut {
                reason: EndReason::ReviewRejected,
                note: text(),
            },
            by(Person::Analyst),
        ),
        ("", GrantCommand::DeadlineReached, Actor::clock()),
    ]
}

/// A new command does not compile until somebody has looked at `grant_commands`.
const fn grant_named(command: &GrantCommand) {
    match command {
        GrantCommand::Claim
        | GrantCommand::Release
        | GrantCommand::Complete { .. }
        | GrantCommand::Fail { .. }
        | GrantCommand::Retry
        | GrantCommand::ConfirmClosed { .. }
        | GrantCommand::Extend { .. }
        | GrantCommand::ApproveExtension { .. }
        | GrantCommand::DeclineExtension { .. }
        | GrantCommand::Return { .. }
        | GrantCommand::Revoke { .. }
        | GrantCommand::EndTimeBox { .. }
        | GrantCommand::Cut { .. }
        | GrantCommand::DeadlineReached => {}
    }
}

fn grant_rows() -> Vec<(String, World)> {
    let fail = GrantCommand::Fail {
        reason: "the device is down".into(),
    };
    let closing = |closing| Setting {
        closing,
        ..Setting::default()
    };
    let ending = |setting: &Setting| {
        let mut world = World::active(setting).later(30 * DAY);
        assert_eq!(world.run_due(), Ok(1));
        world
    };
    let plain = &Setting::default();
    let later = &Setting {
        validity: Validity {
            start: Some(start().plus(10 * DAY)),
            ..plain.validity.clone()
        },
        ..Setting::default()
    };
    let permanent = &Setting {
        validity: Validity {
            start: None,
            end: End::Permanent,
        },
        ..Setting::default()
    };
    let mut overdue = ending(plain).later(2 * DAY);
    assert_eq!(overdue.run_due(), Ok(1));
    let mut rows = vec![
        (String::new(), World::approved(later)),
        (
            ", hand-over due".into(),
            World::approved(later).later(9 * DAY),
        ),
        (String::new(), World::approved(plain)),
        (
            ", taken".into(),
            World::approved(plain).with_grant(&GrantCommand::Claim, Person::Cloud),
        ),
        (
            ", end passed".into(),
            World::approved(plain).later(30 * DAY),
        ),
        (
            String::new(),
            World::approved(plain).with_grant(&fail, Person::Cloud),
        ),
        (String::new(), World::active(plain)),
        (
            ", a later end asked for".into(),
            World::active(plain).with_grant(&extend(start().plus(40 * DAY)), Person::Requester),
        ),
        (
            ", end passed, not swept".into(),
            World::active(plain).later(30 * DAY),
        ),
        (", permanent".into(), World::active(permanent)),
        (String::new(), ending(plain)),
        (
            ", confirmation overdue".into(),
            ending(plain).later(2 * DAY),
        ),
        (String::new(), overdue),
        (
            String::new(),
            ending(plain).with_grant(
                &GrantCommand::ConfirmClosed {
                    note: String::new(),
                },
                Person::Cloud,
            ),
        ),
    ];
    let urgent = &Setting {
        emergency: true,
        ..Setting::default()
    };
    rows.push((
        ", opened in an emergency".into(),
        World::activated(urgent).with_grant(&complete(), Person::Cloud),
    ));
    for how in [Closing::CarriesDeadline, Closing::Agent] {
        let setting = &closing(how);
        rows.push((format!(", closes as {how:?}"), World::active(setting)));
        rows.push((
            format!(", closes as {how:?}, an hour before the end"),
            World::active(setting).later(30 * DAY - HOUR),
        ));
        rows.push((
            format!(", closes as {how:?}, end passed"),
            World::active(setting).later(30 * DAY),
        ));
    }
    rows
}

#[test]
fn every_command_in_every_state_of_a_grant() {
    let mut table = String::new();
    let rows = grant_rows();
    for state in GrantState::ALL {
        assert!(
            rows.iter()
                .any(|(_, world)| world.case.grants[0].state == state),
            "no row for {}",
            state.as_str()
        );
    }
    for (variant, world) in rows {
        let _ = writeln!(table, "{}{variant}", world.case.grants[0].state.as_str());
        for (how, command, by) in grant_commands(&world) {
            grant_named(&command);
            let mut next = world.clone();
            let result = next.grant(0, &command, &by);
            let _ = writeln!(
                table,
                "  {}{how}: {}",
                command.name(),
                outcome(next.case.grants[0].state.as_str(), result)
            );
        }
    }
    insta::assert_snapshot!("grant", table);
}
