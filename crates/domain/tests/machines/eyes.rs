//! Two pairs of eyes, policies that approve, and glass that is broken: what each case must come to.

#![expect(
    clippy::expect_used,
    reason = "what a story says is there should be there"
)]

use portreeve_domain::{
    access::Actor,
    case::Case,
    event::{EventType, Severity},
    finding::{Code, FieldPath, Finding},
    grant::{EndReason, GrantState},
    next_step::{of_request, request_actions},
    past::openings,
    refusal::Refusal,
    request::{RequestCommand, RequestState, ReviewOutcome, Verdict},
    time::{End, Validity},
};

use crate::world::{DAY, HOUR, Person, Setting, Unrefused, World, complete, extend, review, start};

fn twice() -> Setting {
    Setting {
        two: true,
        ..Setting::default()
    }
}

fn urgent() -> Setting {
    Setting {
        emergency: true,
        ..Setting::default()
    }
}

fn owned(id: &str, owner: &str) -> Actor {
    Actor {
        id: id.into(),
        display_name: id.into(),
        owner: Some(owner.into()),
    }
}

fn kinds(world: &World) -> Vec<&'static str> {
    world
        .log
        .iter()
        .map(|event| event.kind.as_str().trim_start_matches("portreeve."))
        .collect()
}

/// Sweeps hour by hour.
fn hours_pass(mut world: World, hours: u32) -> World {
    for _ in 0..hours {
        world = world.later(HOUR);
        assert!(world.run_due().is_ok());
    }
    world
}

#[test]
fn two_approvals_are_two_peoples() {
    let mut world = World::in_review(&twice());
    let approve = world.approve();
    let ann = Person::Analyst.actor();
    assert!(world.request(&approve, &ann).is_ok());
    let request = &world.case.request;
    assert_eq!(request.state, RequestState::InReview);
    assert!(world.case.grants.is_empty());
    let (_, next) = of_request(request);
    assert!(
        next.contains("ann approved it; one more approval is needed (wide-networks)"),
        "{next}"
    );
    let teams = ["alma-support".parse().expect("a slug")];
    let may = |person: Person| {
        let caller = Unrefused(person.principal());
        request_actions(&world.case.request, &caller, &teams, world.now).contains(&"approve")
    };
    assert!(!may(Person::Analyst) && may(Person::OtherAnalyst));
    assert_eq!(world.request(&approve, &ann), Err(Refusal::ApprovedAlready));
    let with_a_key = owned("key:of-ann", &ann.id);
    assert_eq!(
        world.request(&approve, &with_a_key),
        Err(Refusal::ApprovedAlready)
    );
    assert!(
        world
            .request(&approve, &Person::OtherAnalyst.actor())
            .is_ok()
    );
    assert_eq!(world.case.request.state, RequestState::Approved);
    assert_eq!(world.case.grants.len(), 1);
}

#[test]
fn an_approval_counts_for_what_was_read_when_it_was_given() {
    let mut world = World::in_review(&twice());
    let first = world.approve();
    assert!(world.request(&first, &Person::Analyst.actor()).is_ok());
    world.reading.destinations[0].addresses = vec!["198.51.100.8".parse().expect("an address")];
    let second = world.approve();
    assert!(
        world
            .request(&second, &Person::OtherAnalyst.actor())
            .is_ok()
    );
    assert_eq!(world.case.request.state, RequestState::InReview);
    assert_eq!(
        kinds(&world)[2..],
        [
            "request.approval_recorded",
            "request.approvals_reset",
            "request.approval_recorded"
        ]
    );
    assert!(world.request(&second, &Person::Analyst.actor()).is_ok());
    assert_eq!(world.case.request.state, RequestState::Approved);
}

#[test]
fn an_answer_that_changes_what_is_asked_for_takes_approvals_away() {
    let mut world = World::in_review(&twice());
    let approve = world.approve();
    assert!(world.request(&approve, &Person::Analyst.actor()).is_ok());
    let (ask, respond) = (crate::world::ask(), world.respond());
    let world = world
        .with_request(&ask, Person::OtherAnalyst)
        .with_request(&respond, Person::Requester);
    assert!(world.case.request.approvals.is_empty());
    assert!(kinds(&world).contains(&"request.approvals_reset"));
}

#[test]
fn whoever_wrote_what_is_asked_for_decides_nothing_about_it() {
    let mut world = World::info_needed(&Setting::default());
    let respond = world.respond();
    assert!(world.request(&respond, &Person::Analyst.actor()).is_ok());
    let approve = world.approve();
    assert_eq!(
        world.request(&approve, &Person::Analyst.actor()),
        Err(Refusal::FourEyes)
    );
    assert!(
        world
            .request(&approve, &Person::OtherAnalyst.actor())
            .is_ok()
    );
}

#[test]
fn a_key_and_its_owner_are_one_pair_of_eyes() {
    let mut world = World::in_review(&Setting::default());
    let approve = world.approve();
    let asker = world.case.request.requester.id.clone();
    assert_eq!(
        world.request(&approve, &owned("key:automation", &asker)),
        Err(Refusal::FourEyes)
    );
    world.case.request.requester = owned("key:ria", "oidc:otto");
    let otto = Actor {
        id: "oidc:otto".into(),
        display_name: "Otto".into(),
        owner: None,
    };
    for same in [otto, owned("key:other", "oidc:otto")] {
        assert_eq!(world.request(&approve, &same), Err(Refusal::FourEyes));
    }
    assert!(world.request(&approve, &Person::Analyst.actor()).is_ok());
}

#[test]
fn a_policy_approves_what_leaves_no_doubt_and_says_its_name() {
    let mut world = World::draft(&Setting::default());
    let submit = world.submit_automatically(world.good());
    assert!(world.request(&submit, &Person::Requester.actor()).is_ok());
    assert_eq!(world.case.request.state, RequestState::Approved);
    assert_eq!(
        kinds(&world),
        ["request.submitted", "request.approved", "grant.handed_over"]
    );
    let by: Vec<_> = world
        .log
        .iter()
        .map(|event| event.actor.display_name.as_str())
        .collect();
    assert_eq!(
        by,
        [
            "ria",
            "the policy one-address-two-days",
            "the policy one-address-two-days"
        ]
    );
}

#[test]
fn a_policy_approves_nothing_doubtful_and_no_emergency() {
    let doubt = |code| {
        let world = World::draft(&Setting::default());
        let finding = Finding::new(code, FieldPath::new("sources"), "a doubt", "it matters");
        let verdict = Verdict {
            findings: vec![finding],
            ..world.good()
        };
        let submit = world.submit_automatically(verdict);
        world
            .with_request(&submit, Person::Requester)
            .case
            .request
            .state
    };
    for code in [
        Code::SrcWide,
        Code::DstDrift,
        Code::RuleUndecided,
        Code::RuleCorrelated,
    ] {
        assert_eq!(doubt(code), RequestState::Submitted, "{}", code.as_str());
    }
    assert_eq!(doubt(Code::RuleNew), RequestState::Approved);
    let world = World::draft(&urgent());
    let submit = world.submit_automatically(world.good());
    let world = world.with_request(&submit, Person::Requester);
    assert_eq!(world.case.request.state, RequestState::Submitted);
}

#[test]
fn broken_glass_opens_at_once_for_a_day_and_says_whom_it_went_past() {
    let world = World::activated(&urgent());
    let request = &world.case.request;
    assert_eq!(
        (request.state, request.decision.is_none()),
        (RequestState::Implementing, true)
    );
    let grant = &world.case.grants[0];
    assert_eq!(
        (grant.state, grant.break_glass),
        (GrantState::Activating, true)
    );
    assert_eq!(grant.expires_at, Some(start().plus(DAY)));
    let told = &world.log[1];
    assert_eq!(told.kind.severity(), Some(Severity::Critical));
    assert_eq!(
        told.details.note.as_deref(),
        Some("nobody can read anything")
    );
    let bypassed = told.details.bypassed.as_ref().expect("whom");
    assert_eq!(
        (bypassed.queue.as_str(), bypassed.approvers_of.as_str()),
        ("alma-support", "north")
    );
    let claimed = World::in_review(&urgent());
    let activate = claimed.activate();
    let claimed = claimed.with_request(&activate, Person::OtherAnalyst);
    let glass = claimed.case.request.break_glass.expect("broken");
    assert_eq!(
        glass.bypassed.assignee.map(|ann| ann.display_name),
        Some("ann".into())
    );
}

#[test]
fn broken_glass_never_opens_for_longer_than_was_asked_for() {
    let shorter = |end| Setting {
        validity: Validity { start: None, end },
        ..urgent()
    };
    let world = World::activated(&shorter(End::At(start().plus(2 * HOUR))));
    assert_eq!(
        world.case.grants[0].expires_at,
        Some(start().plus(2 * HOUR))
    );
    let length = "3 hours".parse().expect("a length");
    let world = World::activated(&shorter(End::Length(length))).later(HOUR);
    assert_eq!(world.case.grants[0].expires_at, Some(start().plus(DAY)));
    let world = world.with_grant(&complete(), Person::Cloud);
    assert_eq!(
        world.case.grants[0].expires_at,
        Some(start().plus(4 * HOUR))
    );
}

fn opened() -> World {
    World::activated(&urgent()).with_grant(&complete(), Person::Cloud)
}

#[test]
fn a_review_that_confirms_gives_what_was_asked_for() {
    let world = opened().later(HOUR);
    let before = world.case.clone();
    let world = world.with_request(&review(ReviewOutcome::Confirmed), Person::OtherAnalyst);
    let Case { request, grants } = &world.case;
    assert_eq!(grants[0].expires_at, Some(start().plus(30 * DAY)));
    assert!(grants[0].epoch > before.grants[0].epoch && grants[0].time_box.is_none());
    assert!(!request.review_owed && request.next_deadline().is_none());
    let told = openings(&world.log).remove(0);
    let activated = told.activated.expect("an activation");
    assert_eq!(activated.by.display_name, "ann");
    let (by, _, confirmed) = activated.reviewed.expect("a review");
    assert_eq!((by.display_name.as_str(), confirmed), ("otto", true));
    assert_eq!(told.until, Some(start().plus(30 * DAY)));
    // From here on it is access like any other.
    assert!(
        world
            .clone()
            .grant(
                0,
                &extend(start().plus(40 * DAY)),
                &Person::Requester.actor()
            )
            .is_ok()
    );
}

#[test]
fn a_review_may_leave_the_time_box_standing() {
    let world = opened().with_request(&review(ReviewOutcome::TimeBoxKept), Person::OtherAnalyst);
    assert_eq!(world.case.grants[0].expires_at, Some(start().plus(DAY)));
    assert!(kinds(&world).contains(&"grant.time_box_kept"));
    let world = hours_pass(world, 24);
    assert_eq!(world.case.grants[0].end_reason, Some(EndReason::Expired));
}

#[test]
fn a_review_that_rejects_ends_it_at_once() {
    let world = opened().with_request(&review(ReviewOutcome::Rejected), Person::OtherAnalyst);
    let grant = &world.case.grants[0];
    assert_eq!(
        (grant.state, grant.end_reason),
        (GrantState::Ending, Some(EndReason::ReviewRejected))
    );
    assert!(!grant.is_live(world.now));
    // Its work was done: the request stays complete, and its decision says what the review made of it.
    assert_eq!(world.case.request.state, RequestState::Completed);
    assert!(
        world
            .case
            .request
            .decision
            .as_ref()
            .is_some_and(|decision| !decision.approved)
    );
}

#[test]
fn a_forgotten_review_is_nagged_about_and_ends_it() {
    let world = hours_pass(opened(), 23);
    let reminders = |world: &World| {
        kinds(world)
            .iter()
            .filter(|kind| **kind == "request.review_due")
            .count()
    };
    assert_eq!(reminders(&world), 3, "after 12, 16 and 20 hours");
    assert!(world.case.is_live(world.now));
    let world = hours_pass(world, 1);
    assert!(kinds(&world).contains(&"request.review_missed"));
    assert!(!world.case.is_live(world.now) && world.case.request.review_owed);
    // It is written down all the same, and opens nothing.
    let world = world.with_request(&review(ReviewOutcome::Confirmed), Person::OtherAnalyst);
    assert!(!world.case.request.review_owed && !world.case.is_live(world.now));
}

#[test]
fn a_weekend_is_no_time_for_a_review_but_the_time_box_ends() {
    let friday = Setting::default();
    let mut world = World::draft(&Setting {
        emergency: true,
        ..friday
    });
    world.now = world.now.plus(4 * DAY + 6 * HOUR);
    let submit = world.submit();
    let world = world.with_request(&submit, Person::Requester);
    let activate = world.activate();
    let world = world
        .with_request(&activate, Person::Analyst)
        .with_grant(&complete(), Person::Cloud);
    let glass = world.case.request.break_glass.clone().expect("broken");
    assert_eq!(glass.review_by, world.now.plus(3 * DAY));
    let world = hours_pass(world, 30);
    assert_eq!(world.case.grants[0].end_reason, Some(EndReason::Expired));
    assert!(world.case.request.unreviewed().is_some());
    let world = hours_pass(world, 50);
    assert!(
        world
            .log
            .iter()
            .any(|event| event.kind == EventType::RequestReviewMissed)
    );
}

#[test]
fn what_is_not_reviewed_is_not_extended() {
    let mut world = opened();
    let longer = extend(start().plus(2 * DAY));
    assert!(matches!(
        world.grant(0, &longer, &Person::Requester.actor()),
        Err(Refusal::IllegalMove { .. })
    ));
}

#[test]
fn nobody_reviews_what_they_activated() {
    let mut world = opened();
    let confirm = review(ReviewOutcome::Confirmed);
    for person in [Person::Requester, Person::Analyst] {
        assert_eq!(
            world.request(&confirm, &person.actor()),
            Err(Refusal::FourEyes)
        );
    }
    let key = owned("key:of-ann", &Person::Analyst.actor().id);
    assert_eq!(world.request(&confirm, &key), Err(Refusal::FourEyes));
    assert!(matches!(
        World::in_review(&Setting::default()).request(
            &RequestCommand::ActivateEmergency {
                reason: "now".into(),
                verdict: world.good()
            },
            &Person::OtherAnalyst.actor()
        ),
        Err(Refusal::IllegalMove { .. })
    ));
}

/// I6: who decided, and how long an emergency lasts without a review.
pub(crate) fn check_eyes(world: &World) {
    let request = &world.case.request;
    for (place, approval) in request.approvals.iter().enumerate() {
        assert!(!request.is_asked_by(&approval.by), "I6: {request:?}");
        let others = &request.approvals[..place];
        assert!(!others.iter().any(|one| one.by.is_same_person(&approval.by)));
    }
    if request.state == RequestState::Approved {
        assert!(request.approvals.len() >= usize::from(request.approvals_needed.needed));
    }
    let Some(glass) = &request.break_glass else {
        return;
    };
    assert!(!request.is_asked_by(&glass.activated_by), "I6");
    assert!(!glass.reason.is_empty() && request.asked.emergency);
    assert!(glass.reminders <= 12 && glass.review_by > glass.activated_at);
    assert!(request.review_owed == request.review.is_none());
    if let Some(review) = &request.review {
        assert!(!request.is_asked_by(&review.by), "I6");
        assert!(!review.by.is_same_person(&glass.activated_by), "I6");
    }
    let refused = request
        .review
        .as_ref()
        .is_some_and(|review| review.outcome == ReviewOutcome::Rejected);
    for grant in &world.case.grants {
        if refused || glass.missed_at.is_some() {
            assert!(!grant.can_end() && !grant.is_live(world.now));
        }
        if request.review.is_none() {
            let asked = grant.validity.fixed_deadline(&grant.zone).unwrap_or(None);
            let end = grant.expires_at.expect("a time box");
            assert!(end <= glass.until && asked.is_none_or(|asked| end <= asked));
            assert!(grant.extension.is_none());
        }
    }
    let unreviewed = request.unreviewed().is_some();
    assert_eq!(unreviewed, request.next_deadline().is_some());
}
