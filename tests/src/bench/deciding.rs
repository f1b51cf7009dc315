//! Deciding: who may do what, by Cedar.
//!
//! Role: asks the shipped policies as the services do, in this process: one decision on one thing that is not
//! remembered; the same one remembered; what a list is asked for anew; the same decision from a table in memory.
//! Invariants: every question is timed by itself, so that there is a tail to look at; every answer is looked at.
//! Failure story: an answer that is not the expected one fails the section: a fast wrong answer is no figure.

use std::{cell::Cell, collections::HashSet, hint::black_box};

use authz::Authz;
use domain::access::{Action, Facts, Principal, Resource, RoleBinding};

use crate::{
    Outcome, Scale,
    machine::CLOCK,
    report::{Figure, Report, median, quantile},
};

const SECTION: &str = "authz";

/// Questions of a run.
const QUESTIONS: usize = 20_000;

pub(crate) fn measure(report: &mut Report, scale: &Scale) -> Outcome<()> {
    let authz = Authz::shipped()?;
    let own = Authz::read(&[(
        "second-approver.cedar".to_owned(),
        include_str!("../../../deploy/policies/second-approver.cedar").to_owned(),
    )])?;
    let caller = Principal {
        bindings: ["product:alma", "team:support-alma"]
            .into_iter()
            .map(|scope| {
                Ok(RoleBinding {
                    role: "analyst".parse()?,
                    scope: scope.parse()?,
                })
            })
            .collect::<Result<_, String>>()?,
        ..Principal::service("bench")
    };
    let (north, alma) = ("north".parse()?, "alma".parse()?);
    let teams = ["support-alma".parse()?, "cloud-eu".parse()?];
    let resource = Resource {
        institution: Some(&north),
        product: Some(&alma),
        teams: &teams,
    };
    let facts = Facts {
        widest_v4_prefix: Some(29),
        length_days: Some(14),
        ports: vec![(443, 443), (8000, 8010)],
        protocols: ["tcp".to_owned()].into(),
        source_networks: 1,
        destinations: 1,
        ..Facts::default()
    };
    let mut tails = Vec::new();
    for (name, policies, action, facts, permitted) in [
        (
            "a decision, permitted",
            &authz,
            Action::RequestDecide,
            None,
            true,
        ),
        ("a decision, denied", &authz, Action::GrantWork, None, false),
        (
            "a decision with facts, under an operator's policies",
            &own,
            Action::RequestApproveAlone,
            Some(&facts),
            true,
        ),
    ] {
        let (p50, p99) = timed(scale, || {
            let said = policies.decide(black_box(&caller), action, black_box(&resource), facts);
            said.permitted == permitted
        })?;
        report.add(Figure::new(SECTION, format!("{name}: p50"), "us", p50));
        tails.push(median(&p99));
        report.add(Figure::new(SECTION, format!("{name}: p99"), "us", p99).at_most(50.0));
    }
    let (p50, p99) = timed(scale, || {
        authz.may(
            black_box(&caller),
            Action::RequestDecide,
            black_box(&resource),
        )
    })?;
    report.add(Figure::new(SECTION, "the same one again: p50", "us", p50));
    report.add(Figure::new(SECTION, "the same one again: p99", "us", p99));
    let count = Cell::new(0_u64);
    let (p50, p99) = timed(scale, || {
        // Another caller each time: nothing is remembered of it.
        count.set(count.get() + 1);
        let stranger = Principal {
            id: format!("key:{}", count.get()),
            ..caller.clone()
        };
        !authz
            .visible(black_box(&stranger), Action::RequestRead)
            .is_empty()
    })?;
    report.add(Figure::new(
        SECTION,
        "what a list shows a new caller: p50",
        "us",
        p50,
    ));
    report.add(Figure::new(
        SECTION,
        "what a list shows a new caller: p99",
        "us",
        p99,
    ));

    // What a table of roles and actions in memory would cost, with nobody able to read or change it.
    let table: HashSet<(&str, &str)> = Action::ALL
        .iter()
        .filter(|action| action.as_str().starts_with("request."))
        .map(|action| ("analyst", action.as_str()))
        .collect();
    let (p50, p99) = timed(scale, || {
        black_box(&caller).bindings.iter().any(|binding| {
            table.contains(&(binding.role.as_str(), black_box("request.decide")))
                && match &binding.scope {
                    domain::access::Scope::All => true,
                    domain::access::Scope::Institution(id) => resource.institution == Some(id),
                    domain::access::Scope::Product(id) => resource.product == Some(id),
                    domain::access::Scope::Team(id) => resource.teams.contains(id),
                }
        })
    })?;
    let ratio = median(&p99).max(0.001);
    report.add(Figure::new(SECTION, "a table in memory: p50", "us", p50));
    report.add(Figure::new(SECTION, "a table in memory: p99", "us", p99));
    let ratios = tails.iter().take(1).map(|tail| tail / ratio).collect();
    report.add(
        Figure::new(SECTION, "a decision beside the table, p99", "x", ratios)
            .note("the clock itself is most of the table's time"),
    );
    Ok(())
}

/// The medians and the tails of each run, in microseconds.
fn timed(scale: &Scale, ask: impl Fn() -> bool) -> Outcome<(Vec<f64>, Vec<f64>)> {
    let (mut medians, mut tails) = (Vec::new(), Vec::new());
    // The first run warms up.
    for run in 0..=scale.repetitions {
        let mut times = Vec::with_capacity(QUESTIONS);
        for _ in 0..QUESTIONS {
            let before = CLOCK.monotonic();
            let right = ask();
            times.push((CLOCK.monotonic() - before).as_secs_f64() * 1e6);
            if !right {
                return Err("the answer is not the expected one".into());
            }
        }
        if run > 0 {
            medians.push(quantile(&mut times, 0.5));
            tails.push(quantile(&mut times, 0.99));
        }
    }
    Ok((medians, tails))
}
