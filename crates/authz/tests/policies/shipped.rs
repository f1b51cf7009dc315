//! What the shipped policies say.

use std::{collections::BTreeSet, fmt::Write as _, path::Path};

use domain::access::{Action, Facts, Resource, Role};
use portreeve_authz::{Authz, read_cases};

use crate::{who, with};

/// What nobody may do until an operator says so.
const NOBODY: [Action; 1] = [Action::RequestAutoApprove];

#[test]
fn every_action_is_named_by_a_shipped_policy() {
    let authz = Authz::shipped().unwrap();
    let named: BTreeSet<_> = authz
        .sources()
        .iter()
        .flat_map(|source| source.actions.iter().map(|action| action.as_str()))
        .collect();
    for action in Action::ALL {
        assert_eq!(
            named.contains(action.as_str()),
            !NOBODY.contains(action),
            "{}: say in crates/authz/policies who may do it",
            action.as_str()
        );
    }
}

#[test]
fn the_schema_names_the_actions_of_the_domain_and_no_others() {
    let schema = include_str!("../../policies/portreeve.cedarschema");
    let (schema, _) = cedar_policy::Schema::from_cedarschema_str(schema).unwrap();
    let groups: BTreeSet<_> = schema.action_groups().map(ToString::to_string).collect();
    let declared: BTreeSet<String> = schema
        .actions()
        .filter(|action| !groups.contains(&action.to_string()))
        .map(|action| action.id().unescaped().to_owned())
        .collect();
    let known = Action::ALL.iter().map(|action| action.as_str().to_owned());
    assert_eq!(declared, known.collect());
}

/// The table of roles and actions, as it comes out: a changed cell is a changed permission.
#[test]
fn the_table_of_roles_and_actions() {
    let authz = Authz::shipped().unwrap();
    let (north, alma) = ("north".parse().unwrap(), "alma".parse().unwrap());
    let teams = ["support-alma".parse().unwrap(), "cloud-eu".parse().unwrap()];
    let resource = Resource {
        institution: Some(&north),
        product: Some(&alma),
        teams: &teams,
    };
    let elsewhere = Resource::default();
    let mut table = String::from(
        "here: the role holds for the thing. no: it does not. all: it holds for everything.\n\n",
    );
    for role in Role::ALL {
        let scope = match role {
            Role::Requester | Role::Delegate | Role::InstitutionApprover => "institution:north",
            Role::Analyst => "product:alma",
            Role::Cloud => "team:cloud-eu",
            Role::Auditor => "institution:north",
            Role::Administrator | Role::Service => "all",
        };
        let caller = who("one", &[&format!("{role} {scope}")]);
        let everywhere = who("one", &[&format!("{role} all")]);
        let _ = writeln!(table, "{role}");
        for action in Action::ALL {
            let facts = Facts::default();
            let ask = |caller, resource| {
                let facts = action.as_str().contains("alone").then_some(&facts);
                let decision = authz.decide(caller, *action, resource, facts);
                if decision.permitted {
                    decision.policies.join(",")
                } else {
                    String::new()
                }
            };
            let answers = [
                ("here", ask(&caller, &resource)),
                ("no", ask(&caller, &elsewhere)),
                ("all", ask(&everywhere, &elsewhere)),
            ];
            if answers.iter().all(|(_, by)| by.is_empty()) {
                continue;
            }
            let words: Vec<_> = answers
                .iter()
                .map(|(word, by)| if by.is_empty() { "" } else { *word })
                .collect();
            let by: BTreeSet<_> = answers
                .iter()
                .map(|(_, by)| by.as_str())
                .filter(|by| !by.is_empty())
                .collect();
            let line = format!(
                "  {:<28}{:<5}{:<3}{:<5}{}",
                action.as_str(),
                words[0],
                words[1],
                words[2],
                by.into_iter().collect::<Vec<_>>().join(" ")
            );
            let _ = writeln!(table, "{}", line.trim_end());
        }
    }
    insta::assert_snapshot!("table", table);
}

#[test]
fn whoever_holds_no_role_may_do_nothing() {
    let authz = Authz::shipped().unwrap();
    let nobody = who("nobody", &[]);
    for action in Action::ALL {
        let decision = authz.decide(
            &nobody,
            *action,
            &Resource::default(),
            Some(&Facts::default()),
        );
        assert!(!decision.permitted && decision.policies.is_empty());
        assert!(authz.admit(&nobody, *action).is_err());
        assert!(authz.visible(&nobody, *action).is_empty());
    }
}

#[test]
fn a_forbid_outweighs_every_permit_and_is_named() {
    let authz = with(
        "@id(\"no-permanent\")\nforbid (principal, action == Action::\"request.approve_alone\", resource)\nwhen { context.permanent };",
    )
    .unwrap();
    let analyst = who("ann", &["analyst all", "administrator all"]);
    let ask = |permanent| {
        let facts = Facts {
            permanent,
            ..Facts::default()
        };
        authz.decide(
            &analyst,
            Action::RequestApproveAlone,
            &Resource::default(),
            Some(&facts),
        )
    };
    assert_eq!(ask(true).policies, ["no-permanent"]);
    assert!(!ask(true).permitted && ask(false).permitted);
    assert_eq!(
        ask(false).policies,
        ["administrator-approves-alone", "analyst-approves-alone"]
    );
}

#[test]
fn what_cannot_be_evaluated_is_denied() {
    let authz = with(
        "@id(\"small\")\nforbid (principal, action == Action::\"request.approve_alone\", resource)\nwhen { context.permanent };",
    )
    .unwrap();
    // Without the facts that the forbid needs it must not be skipped.
    let analyst = who("ann", &["analyst all"]);
    let decision = authz.decide(
        &analyst,
        Action::RequestApproveAlone,
        &Resource::default(),
        None,
    );
    assert!(!decision.permitted && decision.policies.is_empty());
}

#[test]
fn the_example_policies_do_what_their_cases_say() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/policies");
    let authz = Authz::load(Some(&directory)).unwrap();
    let cases =
        read_cases(&std::fs::read_to_string(directory.join("cases.toml")).unwrap()).unwrap();
    for case in &cases {
        let outcome = case.run(&authz);
        assert!(outcome.passed, "{}: {outcome:?}", case.what);
    }
    // Without them some of the cases come out otherwise, so they do say something.
    let shipped = Authz::shipped().unwrap();
    assert!(cases.iter().any(|case| !case.run(&shipped).passed));
    let own: BTreeSet<_> = authz
        .sources()
        .iter()
        .filter(|source| !source.shipped)
        .map(|source| &source.id)
        .collect();
    let tried: BTreeSet<_> = cases
        .iter()
        .flat_map(|case| case.run(&authz).said.policies)
        .collect();
    assert!(
        own.iter().all(|id| tried.contains(*id)),
        "{own:?} {tried:?}"
    );
}
