//! What lists keep is what the policies say: for random policies of an operator, random callers and random things.

use domain::{
    access::{Action, Facts, Principal, Resource, Role, RoleBinding, Scope},
    id::InstitutionId,
};
use portreeve_authz::Authz;
use proptest::prelude::*;

use crate::who;

const INSTITUTIONS: [&str; 3] = ["north", "south", "west"];
const PRODUCTS: [&str; 2] = ["alma", "rosetta"];
const TEAMS: [&str; 3] = ["support", "cloud-eu", "cloud-us"];

fn scope() -> impl Strategy<Value = String> {
    prop_oneof![
        1 => Just("all".to_owned()),
        3 => prop::sample::select(&INSTITUTIONS[..]).prop_map(|id| format!("institution:{id}")),
        3 => prop::sample::select(&PRODUCTS[..]).prop_map(|id| format!("product:{id}")),
        3 => prop::sample::select(&TEAMS[..]).prop_map(|id| format!("team:{id}")),
    ]
}

fn caller() -> impl Strategy<Value = Principal> {
    let binding = (prop::sample::select(&Role::ALL[..]), scope());
    let bindings = prop::collection::vec(binding, 0..4);
    (bindings, 0..3_u8).prop_map(|(bindings, name)| Principal {
        bindings: bindings
            .into_iter()
            .map(|(role, scope)| RoleBinding {
                role,
                scope: scope.parse::<Scope>().unwrap(),
            })
            .collect(),
        ..who(&name.to_string(), &[])
    })
}

/// What a policy of an operator says of the resource, in every form that is allowed for reading.
fn about_resource() -> impl Strategy<Value = String> {
    let one = prop_oneof![
        scope().prop_map(|scope| format!("resource in Scope::\"{scope}\"")),
        prop::sample::select(&Role::ALL[..])
            .prop_map(|role| format!("resource in principal.{role}_of")),
        prop::collection::vec(scope(), 1..3).prop_map(|scopes| {
            let scopes: Vec<_> = scopes
                .iter()
                .map(|scope| format!("Scope::\"{scope}\""))
                .collect();
            format!("resource in [{}]", scopes.join(", "))
        }),
    ];
    one.prop_recursive(2, 6, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} || {b})")),
            (prop::sample::select(&Role::ALL[..]), inner.clone())
                .prop_map(|(role, a)| format!("(principal in Role::\"{role}\" && {a})")),
            (inner.clone(), inner)
                .prop_map(|(a, b)| format!("(if principal.spans_institutions then {a} else {b})")),
        ]
    })
}

fn policy() -> impl Strategy<Value = String> {
    let head = prop_oneof![
        3 => Just("principal".to_owned()),
        1 => (0..3_u8).prop_map(|name| format!("principal == Caller::\"service:{name}\"")),
        1 => prop::sample::select(&Role::ALL[..]).prop_map(|role| format!("principal in Role::\"{role}\"")),
    ];
    let action = prop::sample::select(vec![
        "action in Action::\"read\"",
        "action == Action::\"request.read\"",
        "action in [Action::\"grant.read\", Action::\"events.read\", Action::\"request.decide\"]",
    ]);
    let rest = prop_oneof![
        scope().prop_map(|scope| (true, format!("resource in Scope::\"{scope}\")"))),
        about_resource().prop_map(|about| (true, format!("resource) when {{ {about} }}"))),
        about_resource().prop_map(|about| (false, format!("resource) unless {{ {about} }}"))),
    ];
    (head, action, rest, any::<bool>()).prop_map(|(head, action, (may_permit, rest), permit)| {
        let effect = if permit && may_permit {
            "permit"
        } else {
            "forbid"
        };
        format!("{effect} ({head}, {action}, {rest};\n")
    })
}

#[derive(Debug, Clone)]
struct Thing {
    institution: usize,
    product: Option<usize>,
    teams: Vec<usize>,
}

impl Thing {
    /// One that policies may name, or another.
    fn institution(&self) -> InstitutionId {
        let name = INSTITUTIONS.get(self.institution).unwrap_or(&"other");
        name.parse().unwrap()
    }
}

fn thing() -> impl Strategy<Value = Thing> {
    let teams = prop::sample::subsequence(vec![0, 1, 2], 0..=3);
    (0..4_usize, prop::option::of(0..3_usize), teams).prop_map(|(institution, product, teams)| {
        Thing {
            institution,
            product,
            teams,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_list_shows_what_may_be_read_and_nothing_else(
        policies in prop::collection::vec(policy(), 0..4),
        callers in prop::collection::vec(caller(), 1..4),
        things in prop::collection::vec(thing(), 1..8),
    ) {
        let text: String = policies
            .iter()
            .enumerate()
            .map(|(index, policy)| format!("@id(\"own-{index}\")\n{policy}"))
            .collect();
        // Cedar refuses some of them as impossible; nothing else may be wrong with them.
        let authz = match crate::with(&text) {
            Ok(authz) => authz,
            Err(troubles) => {
                let said = troubles.to_string();
                prop_assert!(said.contains("impossible") || said.contains("false"), "{said}\n{text}");
                return Ok(());
            }
        };
        for caller in &callers {
            agree(&authz, caller, &things, &text)?;
        }
    }
}

fn agree(
    authz: &Authz,
    caller: &Principal,
    things: &[Thing],
    text: &str,
) -> Result<(), TestCaseError> {
    let asking = authz.asking(caller);
    for action in [
        Action::RequestRead,
        Action::GrantRead,
        Action::EventsRead,
        Action::AccessTrace,
    ] {
        let sees = asking.visible(action);
        let mut any = false;
        for thing in things {
            let institution = thing.institution();
            let product = thing
                .product
                .map(|index| PRODUCTS.get(index).unwrap_or(&"other").parse().unwrap());
            let teams: Vec<_> = thing
                .teams
                .iter()
                .map(|index| TEAMS[*index].parse().unwrap())
                .collect();
            let resource = Resource {
                institution: Some(&institution),
                product: product.as_ref(),
                teams: &teams,
            };
            let decided = asking.decide(action, &resource, None).permitted;
            any |= decided;
            prop_assert_eq!(
                decided,
                sees.shows(&resource),
                "{:?} of {:?} by {:?} sees {:?} under\n{}",
                action,
                thing,
                caller.bindings,
                sees,
                text
            );
        }
        // Nobody is turned away at the door who could be shown something.
        prop_assert!(!any || authz.admit(caller, action).is_ok());
    }
    // What is decided on a single thing alone is never stopped at the door either.
    for action in [
        Action::RequestDecide,
        Action::GrantWork,
        Action::RequestApproveAlone,
    ] {
        for thing in things {
            let institution = thing.institution();
            let resource = Resource {
                institution: Some(&institution),
                ..Resource::default()
            };
            let decided = asking
                .decide(action, &resource, Some(&Facts::default()))
                .permitted;
            prop_assert!(
                !decided || authz.admit(caller, action).is_ok(),
                "{action:?}"
            );
        }
    }
    Ok(())
}
