//! Chance acts; the invariants hold.
//!
//! Role: random sequences of commands, people and waiting, on cases of every kind of end and of firewall. After each
//! move: a refused command has changed nothing, versions rise exactly where something changed, nothing is live past its
//! deadline, a request is completed exactly when every grant is settled, what is due ends, and no action that is offered
//! to somebody is refused for the state, for four eyes or for the time.

#![expect(
    clippy::expect_used,
    reason = "a constant that cannot be read should fail its test"
)]

use std::time::Duration;

use portreeve_domain as domain;
use portreeve_domain::{
    access::Actor,
    case::Case,
    catalogue::Closing,
    event::Event,
    grant::{GrantCommand, GrantState},
    next_step::{grant_actions, of_grant, of_request, request_actions},
    past::openings,
    refusal::Refusal,
    request::{RequestCommand, RequestState, ReviewOutcome},
    time::{End, Instant, Validity},
};
use proptest::prelude::*;

use crate::eyes::check_eyes;
use crate::world::{
    DAY, HOUR, PEOPLE, Person, Setting, Unrefused, World, ask, complete, extend, review, start,
};

#[derive(Debug, Clone)]
enum Move {
    Wait(Duration),
    Sweep,
    Request(&'static str, Person),
    Grant(usize, &'static str, Person),
}

const REQUEST_MOVES: [&str; 18] = [
    "activate_emergency",
    "activate_emergency",
    "review",
    "review and keep the time box",
    "review and reject",
    "edit",
    "submit",
    "withdraw",
    "respond",
    "claim",
    "release",
    "transfer",
    "request_information",
    "approve",
    "reject",
    "approve",
    "begin",
    "settle",
];

const GRANT_MOVES: [&str; 12] = [
    "claim",
    "release",
    "complete",
    "fail",
    "retry",
    "confirm_closed",
    "extend",
    "approve_extension",
    "decline_extension",
    "return",
    "revoke",
    "deadline_reached",
];

fn request_command(world: &World, name: &str) -> RequestCommand {
    let text = String::new;
    match name {
        "edit" => world.edit(),
        "submit" => world.submit(),
        "withdraw" => RequestCommand::Withdraw { reason: text() },
        "respond" => world.respond(),
        "claim" => RequestCommand::Claim,
        "release" => RequestCommand::Release,
        "transfer" => RequestCommand::Transfer {
            queue: world.case.request.queue.clone(),
            reason: text(),
        },
        "request_information" => ask(),
        "approve" => world.approve(),
        "reject" => RequestCommand::Reject { note: text() },
        "activate_emergency" => world.activate(),
        "review" => review(ReviewOutcome::Confirmed),
        "review and keep the time box" => review(ReviewOutcome::TimeBoxKept),
        "review and reject" => review(ReviewOutcome::Rejected),
        "begin" => RequestCommand::Begin,
        "settle" => RequestCommand::Settle,
        other => unreachable!("{other} is no command of a request"),
    }
}

fn grant_command(world: &World, place: usize, name: &str) -> GrantCommand {
    let text = String::new;
    let end = world.case.grants[place].expires_at.unwrap_or(world.now);
    match name {
        "claim" => GrantCommand::Claim,
        "release" => GrantCommand::Release,
        "complete" => complete(),
        "fail" => GrantCommand::Fail { reason: text() },
        "retry" => GrantCommand::Retry,
        "confirm_closed" => GrantCommand::ConfirmClosed { note: text() },
        "extend" => extend(end.plus(10 * DAY)),
        "approve_extension" => GrantCommand::ApproveExtension { note: text() },
        "decline_extension" => GrantCommand::DeclineExtension { note: text() },
        "return" => GrantCommand::Return { reason: text() },
        "revoke" => GrantCommand::Revoke { reason: text() },
        "deadline_reached" => GrantCommand::DeadlineReached,
        other => unreachable!("{other} is no command of a grant"),
    }
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let person = || prop::sample::select(PEOPLE.to_vec());
    let one = prop_oneof![
        2 => (1u64..400).prop_map(|hours| Move::Wait(Duration::from_secs(hours * 3600))),
        2 => Just(Move::Sweep),
        4 => (prop::sample::select(REQUEST_MOVES.to_vec()), person())
            .prop_map(|(name, who)| Move::Request(name, who)),
        6 => (0usize..3, prop::sample::select(GRANT_MOVES.to_vec()), person())
            .prop_map(|(place, name, who)| Move::Grant(place, name, who)),
    ];
    prop::collection::vec(one, 1..40)
}

fn settings() -> impl Strategy<Value = Setting> {
    let end = prop_oneof![
        Just(End::Permanent),
        (1u64..60).prop_map(|days| End::At(start().plus(Duration::from_secs(days * 86_400)))),
        Just(End::Length("14 days".parse().expect("a length"))),
        Just(End::Date("2026-10-25".parse().expect("a date"))),
    ];
    let begin = prop::option::of(
        (1u64..20).prop_map(|days| start().plus(Duration::from_secs(days * 86_400))),
    );
    let closing = prop::sample::select(vec![
        Closing::CarriesDeadline,
        Closing::Agent,
        Closing::ByHand,
    ]);
    let requester = prop::sample::select(vec![
        Person::Requester,
        Person::Analyst,
        Person::Administrator,
    ]);
    let two = prop::bool::weighted(0.3);
    (
        end,
        begin,
        closing,
        1usize..=3,
        any::<bool>(),
        requester,
        two,
    )
        .prop_map(
            |(end, begin, closing, destinations, emergency, requester, two)| Setting {
                validity: Validity { start: begin, end },
                closing,
                destinations,
                emergency,
                requester,
                two,
            },
        )
}

/// What every accepted or refused command must leave behind.
fn check_step(before: &Case, after: &Case, result: &Result<Vec<Event>, Refusal>, now: Instant) {
    let events = match result {
        Err(_) => {
            assert_eq!(before, after, "a refused command changed something");
            return;
        }
        Ok(events) => events,
    };
    assert!(!events.is_empty(), "a change without an event");
    assert!(events.iter().all(|event| event.at == now));
    assert!(after.request.version >= before.request.version);
    if before.request != after.request {
        assert!(after.request.version > before.request.version);
    }
    for grant in &after.grants {
        let told = events.iter().any(|event| event.grant == Some(grant.id));
        match before.grants.iter().find(|known| known.id == grant.id) {
            None => {
                let undecided = [RequestState::InReview, RequestState::Submitted];
                assert!(told && undecided.contains(&before.request.state));
            }
            Some(known) if known == grant => {}
            Some(known) => {
                assert!(told, "a grant changed without an event");
                assert!(grant.version > known.version);
                let opened = known.state != grant.state && grant.state == GrantState::Active;
                let moved = known.expires_at != grant.expires_at;
                if opened || moved {
                    assert!(grant.epoch > known.epoch, "the fencing token did not rise");
                }
                assert!(known.state != GrantState::Ended || grant.state == GrantState::Ended);
            }
        }
    }
}

/// What is true of every case at every instant.
fn check_always(world: &World) {
    let case = &world.case;
    let request = &case.request;
    let all_settled = case.grants.iter().all(|grant| grant.state.is_settled());
    match request.state {
        RequestState::Completed => assert!(all_settled && !case.grants.is_empty()),
        RequestState::Approved | RequestState::Implementing => assert!(!all_settled),
        RequestState::Rejected | RequestState::Lapsed if !case.grants.is_empty() => {
            assert!(request.break_glass.is_some() || request.review.is_some());
        }
        _ => assert!(case.grants.is_empty(), "grants of an undecided request"),
    }
    if request.state.is_over() {
        assert_eq!((request.promised_by, &request.assignee), (None, &None));
    }
    if let Some(decision) = request
        .decision
        .as_ref()
        .filter(|decision| decision.approved)
    {
        assert!(!request.is_asked_by(&decision.decided_by), "I6");
    }
    check_eyes(world);
    let told = openings(&world.log);
    for grant in &case.grants {
        let told = told.iter().find(|opening| opening.grant == grant.id);
        assert_eq!(
            told.is_some_and(|opening| opening.was_open(world.now)),
            grant.is_live(world.now),
            "the log tells another present"
        );
        if let Some(opening) = told {
            assert_eq!(opening.rule.as_ref(), Some(&grant.rule));
            assert_eq!(Some(opening.since), grant.effective_at);
            assert_eq!(opening.until, grant.expires_at);
            assert!(opening.approved_by.is_some() || opening.activated.is_some());
            assert!(opening.asked_by.is_some());
            assert_eq!(opening.activated.is_some(), grant.break_glass);
        }
        let past = grant
            .expires_at
            .is_some_and(|deadline| deadline <= world.now);
        assert!(!(past && grant.is_live(world.now)), "I2");
        assert_eq!(grant.state == GrantState::Ended, grant.ended_at.is_some());
        assert_eq!(grant.end_reason.is_some(), grant.ending_at.is_some());
        if grant.state == GrantState::Active {
            assert!(grant.effective_at.is_some() && grant.end_reason.is_none());
        }
        if let (Some(ended), Some(deadline)) = (grant.ending_at, grant.expires_at) {
            assert!(ended <= deadline || grant.effective_at.is_none() || ended <= world.now);
        }
        assert!(!of_grant(grant).1.is_empty());
    }
    assert!(!of_request(request).1.is_empty());
}

/// I: what is offered is not refused.
fn check_offers(world: &World) {
    let teams = [
        "alma-support".parse().expect("a slug"),
        "cloud-eu".parse().expect("a slug"),
    ];
    for person in PEOPLE {
        let principal = Unrefused(person.principal());
        for name in request_actions(&world.case.request, &principal, &teams, world.now) {
            if name == "comment" {
                continue;
            }
            if name == "delegate" {
                assert_eq!(world.case.request.may_delegate(false), Ok(()));
                continue;
            }
            let command = request_command(world, name);
            let result = world.clone().request(&command, &person.actor());
            assert!(result.is_ok(), "{person:?} was offered {name}: {result:?}");
        }
        for (place, grant) in world.case.grants.iter().enumerate() {
            for name in grant_actions(grant, &principal, world.now) {
                if name == "renew" {
                    continue;
                }
                let command = grant_command(world, place, name);
                let result = world.clone().grant(place, &command, &person.actor());
                assert!(result.is_ok(), "{person:?} was offered {name}: {result:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_invariants_hold_whatever_people_do(
        setting in settings(),
        approved in prop::bool::weighted(0.7),
        moves in moves(),
    ) {
        // An administrator or analyst that asks is approved by somebody else.
        let mut world = match (approved, setting.emergency) {
            (false, _) => World::draft(&setting),
            (true, true) if setting.requester != Person::Analyst => World::activated(&setting),
            (true, _) => World::approved(&setting),
        };
        check_always(&world);
        for one in moves {
            let before = world.case.clone();
            let result = match one {
                Move::Wait(length) => {
                    world.now = world.now.plus(length);
                    Ok(None)
                }
                Move::Sweep => {
                    prop_assert!(world.run_due().is_ok());
                    let now = world.now;
                    let due = |deadline: domain::deadline::Deadline| deadline.at <= now;
                    prop_assert!(!world.case.request.next_deadline().is_some_and(due));
                    prop_assert!(!world.case.grants.iter().any(|grant| grant.next_deadline().is_some_and(due)));
                    Ok(None)
                }
                // `begin` and `settle` follow from the grants; nobody gives them alone.
                Move::Request("begin" | "settle", _) => Ok(None),
                Move::Request(name, who) => {
                    let command = request_command(&world, name);
                    world.request(&command, &who.actor()).map(Some)
                }
                Move::Grant(place, name, who) if place < world.case.grants.len() => {
                    let command = grant_command(&world, place, name);
                    world.grant(place, &command, &who.actor()).map(Some)
                }
                Move::Grant(..) => Ok(None),
            };
            match result {
                Ok(Some(events)) => check_step(&before, &world.case, &Ok(events), world.now),
                Err(refusal) => check_step(&before, &world.case, &Err(refusal), world.now),
                Ok(None) => {}
            }
            check_always(&world);
            check_offers(&world);
        }
    }
}

#[test]
fn a_length_starts_at_activation() {
    let setting = Setting {
        validity: Validity {
            start: None,
            end: End::Length("7 days".parse().expect("a length")),
        },
        ..Setting::default()
    };
    let waited = World::approved(&setting).later(6 * DAY);
    assert_eq!(waited.case.grants[0].expires_at, None);
    let open = waited.with_grant(&complete(), Person::Cloud);
    assert_eq!(open.case.grants[0].expires_at, Some(start().plus(13 * DAY)));
}

#[test]
fn a_late_sweep_prolongs_nothing_on_paper() {
    let setting = Setting {
        closing: Closing::CarriesDeadline,
        ..Setting::default()
    };
    let mut world = World::active(&setting).later(33 * DAY);
    assert!(!world.case.grants[0].is_live(world.now));
    assert_eq!(world.run_due(), Ok(1));
    assert_eq!(world.case.grants[0].ended_at, Some(start().plus(30 * DAY)));
}

#[test]
fn an_answer_moves_the_promise_by_the_time_it_took() {
    let asked = World::info_needed(&Setting::default());
    let promise = asked.case.request.promised_by.expect("a promise");
    let waited = asked.later(5 * HOUR);
    let respond = waited.respond();
    let answered = waited.with_request(&respond, Person::Requester);
    assert_eq!(
        answered.case.request.promised_by,
        Some(promise.plus(5 * HOUR))
    );
}

#[test]
fn an_answer_that_makes_it_an_emergency_owes_a_review_and_keeps_the_emergency_promise() {
    let asked = World::info_needed(&Setting::default());
    let mut respond = asked.respond();
    if let RequestCommand::Respond { asked, .. } = &mut respond {
        asked.emergency = true;
    }
    let answered = asked.with_request(&respond, Person::Requester);
    let request = &answered.case.request;
    assert!(request.review_owed);
    assert_eq!(
        request.promised_by,
        Some(answered.now.plus(answered.terms.emergency_promise))
    );
}

#[test]
fn nobody_reviews_their_own_emergency() {
    let setting = Setting {
        emergency: true,
        requester: Person::Administrator,
        ..Setting::default()
    };
    let mut world = World::active(&setting);
    let review = review(ReviewOutcome::Confirmed);
    let by = |person: Person| person.actor();
    assert_eq!(
        world.request(&review, &by(Person::Administrator)),
        Err(Refusal::FourEyes)
    );
    assert_eq!(
        world.request(&review, &by(Person::OtherAnalyst)),
        Err(Refusal::FourEyes)
    );
    assert!(world.request(&review, &by(Person::Analyst)).is_ok());
}

#[test]
fn what_is_open_is_recorded_whole_or_not_at_all() {
    let world = World::draft(&Setting::default());
    let record = |effective: Instant, now: Instant| {
        let mut case = world.case.clone();
        let team = "cloud".parse().expect("a slug");
        let routing = domain::case::Routing {
            product: None,
            servers: &[],
            default_cloud_team: &team,
        };
        let mut mint = || domain::id::GrantId(uuid::Uuid::from_u128(7));
        let result = case.record_as_open(
            world.good(),
            effective,
            &Actor::clock(),
            now,
            &world.terms,
            &routing,
            &mut mint,
        );
        (
            result
                .map_err(|refusal| refusal.reason())
                .map(|events| events.len()),
            case,
        )
    };
    let (result, case) = record(start(), start());
    assert_eq!(result, Ok(2));
    assert!(case.is_live(start()));
    let (result, case) = record(start().plus(HOUR), start());
    assert_eq!(
        (result, case),
        (Err("EFFECTIVE_TIME_OUT_OF_RANGE"), world.case.clone())
    );
    let (result, case) = record(start(), start().plus(31 * DAY));
    assert_eq!((result, case), (Err("DEADLINE_PASSED"), world.case.clone()));
}
