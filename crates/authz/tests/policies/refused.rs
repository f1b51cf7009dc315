//! What is refused at start, and how it is said.

use std::fs;

use portreeve_authz::{Authz, read_cases};

use crate::with;

/// What is wrong with these policies of an operator.
fn troubles(policies: &str) -> Vec<String> {
    with(policies)
        .unwrap_err()
        .0
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[track_caller]
fn refused(policies: &str, begins: &str, says: &str) {
    let troubles = troubles(policies);
    assert!(
        troubles
            .iter()
            .any(|line| line.starts_with(begins) && line.contains(says)),
        "{troubles:#?}"
    );
}

#[test]
fn a_mistake_names_file_line_and_policy() {
    refused(
        "// head\n\n@id(\"a\")\npermit (\n  principal,\n  action == Action::\"request.read\",\n  resource\n)\nwhen { principle.x };",
        "own.cedar:9:",
        "principle",
    );
    refused(
        "@id(\"misspelt\")\nforbid (principal, action == Action::\"request.raed\", resource);",
        "own.cedar:2: policy 'misspelt': ",
        "request.raed",
    );
    refused(
        "@id(\"attribute\")\nforbid (principal, action == Action::\"request.decide\", resource)\nwhen {\n  principal.rank > 3\n};",
        "own.cedar:4: policy 'attribute': ",
        "rank",
    );
    refused(
        "permit (principal, action, resource);",
        "own.cedar:1: ",
        "@id",
    );
    refused(
        "@id(\"requester-asks\")\nforbid (principal, action, resource);",
        "own.cedar:1: policy 'requester-asks': ",
        "taken by requester.cedar:",
    );
}

#[test]
fn what_can_never_match_is_refused() {
    refused(
        "@id(\"scope\")\nforbid (principal, action == Action::\"request.decide\", resource in Scope::\"instituton:north\");",
        "own.cedar:1: policy 'scope': ",
        "is no scope",
    );
    refused(
        "@id(\"single\")\nforbid (principal, action == Action::\"request.decide\", resource == Request::\"0193\");",
        "own.cedar:1: policy 'single': ",
        "no policy names a single Request",
    );
    refused(
        "@id(\"role\")\nforbid (principal in Role::\"analist\", action == Action::\"request.decide\", resource);",
        "own.cedar:2: policy 'role': ",
        "analist",
    );
    refused(
        "@id(\"never\")\nforbid (principal, action == Action::\"request.decide\", resource) when { false };",
        "own.cedar:1: policy 'never': ",
        "",
    );
}

#[test]
fn what_a_list_could_not_keep_is_refused_for_reading_alone() {
    let both =
        "when { resource in Scope::\"institution:north\" && resource in Scope::\"product:alma\" }";
    for (condition, fine) in [
        (both, false),
        (
            "unless { resource in Scope::\"institution:north\" && resource in Scope::\"product:alma\" }",
            false,
        ),
        (
            "when { !(resource in Scope::\"institution:north\") }",
            false,
        ),
        (
            "when { resource in Scope::\"institution:north\" } when { resource in Scope::\"product:alma\" }",
            false,
        ),
        (
            "when { resource in Scope::\"institution:north\" || resource in principal.auditor_of }",
            true,
        ),
        (
            "unless { resource in [Scope::\"institution:north\", Scope::\"team:cloud\"] }",
            true,
        ),
        (
            "when { principal in Role::\"auditor\" && resource in Scope::\"institution:north\" }",
            true,
        ),
        ("when { principal in Role::\"auditor\" }", true),
    ] {
        let about = |action: &str| {
            format!("@id(\"one\")\nforbid (principal, {action}, resource) {condition};")
        };
        for reads in [
            "action == Action::\"request.read\"",
            "action in Action::\"read\"",
            "action",
        ] {
            let result = with(&about(reads));
            assert_eq!(
                result.is_ok(),
                fine,
                "{reads} {condition}: {:?}",
                result.err()
            );
        }
        // A single thing is always decided, whatever its policy says.
        assert!(
            with(&about("action == Action::\"request.decide\"")).is_ok(),
            "{condition}"
        );
    }
    refused(
        &format!(
            "@id(\"one\")\nforbid (principal, action == Action::\"grant.read\", resource) {both};"
        ),
        "own.cedar:1: policy 'one': ",
        "split a policy that needs more",
    );
}

#[test]
fn every_mistake_is_told_at_once() {
    let found = troubles(
        "permit (principal, action, resource);\n@id(\"x\")\nforbid (principal, action == Action::\"no\", resource);\n",
    );
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn a_directory_is_read_by_its_cedar_files_and_an_empty_one_is_a_mistake() {
    let directory = tempfile::tempdir().unwrap();
    let said = Authz::load(Some(directory.path())).unwrap_err().to_string();
    assert!(said.contains("no policy is in it"), "{said}");
    fs::write(directory.path().join("cases.toml"), "not a policy").unwrap();
    fs::write(
        directory.path().join("own.cedar"),
        "@id(\"mine\")\nforbid (principal, action == Action::\"key.write\", resource);",
    )
    .unwrap();
    let authz = Authz::load(Some(directory.path())).unwrap();
    let own: Vec<_> = authz
        .sources()
        .iter()
        .filter(|source| !source.shipped)
        .collect();
    assert!(own.len() == 1 && own[0].id == "mine" && own[0].file.ends_with("own.cedar"));
    assert_ne!(authz.digest(), Authz::shipped().unwrap().digest());
    let missing = directory.path().join("none");
    assert!(
        Authz::load(Some(&missing))
            .unwrap_err()
            .to_string()
            .contains("cannot be read")
    );
}

#[test]
fn a_case_that_cannot_be_is_named() {
    let case = |what: &str| {
        format!(
            "[[case]]\nwhat = \"mine\"\nprincipal = {{ roles = [\"analyst all\"] }}\naction = \"key.read\"\nexpect = \"deny\"\n{what}"
        )
    };
    assert!(read_cases(&case("")).is_ok());
    for (wrong, says) in [
        (case("context = { prots = [1] }"), "prots"),
        (
            case("resource = { institution = \"North Library\" }"),
            "case 'mine'",
        ),
        (case("").replace("analyst all", "analist all"), "analist"),
        (case("").replace("key.read", "key.raed"), "key.raed"),
        (String::new(), "no [[case]]"),
    ] {
        let said = read_cases(&wrong).unwrap_err().to_string();
        assert!(said.contains(says), "{said}");
    }
}
