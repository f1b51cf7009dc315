//! The protos against the buf STANDARD rules, and against the house's own: every thing is commented, every RPC says what
//! it needs, does and refuses.

use std::collections::BTreeMap;

use domain::access::Action;
use prost_reflect::{EnumDescriptor, FileDescriptor, MessageDescriptor, Syntax};

use crate::{
    contract::{comment, methods, operation, our_files},
    workspace::demand,
};

/// RPCs that need no credential.
const PUBLIC: [&str; 1] = ["portreeve.gateway.v1.GatewayService.GetClientAddress"];

fn is_snake(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !name.contains("__")
        && !name.ends_with('_')
}

fn is_pascal(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.chars().all(|c| c.is_ascii_alphanumeric())
}

fn shouted(name: &str) -> String {
    let mut out = String::new();
    for (place, letter) in name.chars().enumerate() {
        if letter.is_ascii_uppercase() && place > 0 {
            out.push('_');
        }
        out.push(letter.to_ascii_uppercase());
    }
    out
}

fn lint_enum(of: &EnumDescriptor, broken: &mut Vec<String>) {
    let name = of.full_name();
    let prefix = format!("{}_", shouted(of.name()));
    if !is_pascal(of.name()) {
        broken.push(format!("{name}: ENUM_PASCAL_CASE"));
    }
    if of.default_value().name() != format!("{prefix}UNSPECIFIED")
        || of.default_value().number() != 0
    {
        broken.push(format!(
            "{name}: ENUM_ZERO_VALUE_SUFFIX: begin with {prefix}UNSPECIFIED = 0"
        ));
    }
    let mut numbers = BTreeMap::new();
    for value in of.values() {
        if !value.name().starts_with(&prefix) {
            broken.push(format!(
                "{name}.{}: ENUM_VALUE_PREFIX {prefix}",
                value.name()
            ));
        }
        if value.name() != value.name().to_ascii_uppercase() {
            broken.push(format!(
                "{name}.{}: ENUM_VALUE_UPPER_SNAKE_CASE",
                value.name()
            ));
        }
        if numbers
            .insert(value.number(), value.name().to_owned())
            .is_some()
        {
            broken.push(format!("{name}.{}: ENUM_NO_ALLOW_ALIAS", value.name()));
        }
        if comment(&of.parent_file(), value.path()).trim().is_empty() {
            broken.push(format!("{name}.{}: COMMENT_ENUM_VALUE", value.name()));
        }
    }
    if comment(&of.parent_file(), of.path()).trim().is_empty() {
        broken.push(format!("{name}: COMMENT_ENUM"));
    }
}

fn lint_message(of: &MessageDescriptor, broken: &mut Vec<String>) {
    if of.is_map_entry() {
        return;
    }
    let name = of.full_name();
    if !is_pascal(of.name()) {
        broken.push(format!("{name}: MESSAGE_PASCAL_CASE"));
    }
    if comment(&of.parent_file(), of.path()).trim().is_empty() {
        broken.push(format!("{name}: COMMENT_MESSAGE"));
    }
    for field in of.fields() {
        if !is_snake(field.name()) {
            broken.push(format!("{}: FIELD_LOWER_SNAKE_CASE", field.full_name()));
        }
        if comment(&of.parent_file(), field.path()).trim().is_empty() {
            broken.push(format!("{}: COMMENT_FIELD", field.full_name()));
        }
    }
    for oneof in of.oneofs() {
        let synthetic = oneof.fields().len() == 1 && oneof.name().starts_with('_');
        if !synthetic && !is_snake(oneof.name()) {
            broken.push(format!("{}: ONEOF_LOWER_SNAKE_CASE", oneof.full_name()));
        }
    }
    for inner in of.child_messages() {
        lint_message(&inner, broken);
    }
    for inner in of.child_enums() {
        lint_enum(&inner, broken);
    }
}

fn lint_file(file: &FileDescriptor, broken: &mut Vec<String>) {
    let name = file.name();
    let package = file.package_name();
    let (directory, base) = name.rsplit_once('/').unwrap_or(("", name));
    if directory != package.replace('.', "/") {
        broken.push(format!(
            "{name}: PACKAGE_DIRECTORY_MATCH: package {package}"
        ));
    }
    if !is_snake(base.trim_end_matches(".proto")) {
        broken.push(format!("{name}: FILE_LOWER_SNAKE_CASE"));
    }
    if !package.rsplit('.').next().is_some_and(|last| {
        last.strip_prefix('v')
            .is_some_and(|number| number.parse::<u32>().is_ok())
    }) {
        broken.push(format!("{name}: PACKAGE_VERSION_SUFFIX"));
    }
    if !package.split('.').all(is_snake) {
        broken.push(format!("{name}: PACKAGE_LOWER_SNAKE_CASE"));
    }
    if file.syntax() != Syntax::Proto3 {
        broken.push(format!("{name}: SYNTAX_SPECIFIED: proto3"));
    }
    if !file.file_descriptor_proto().public_dependency.is_empty() {
        broken.push(format!("{name}: IMPORT_NO_PUBLIC"));
    }
    for message in file.messages() {
        lint_message(&message, broken);
    }
    for of in file.enums() {
        lint_enum(&of, broken);
    }
    for service in file.services() {
        if !service.name().ends_with("Service") || !is_pascal(service.name()) {
            broken.push(format!(
                "{}: SERVICE_SUFFIX, SERVICE_PASCAL_CASE",
                service.full_name()
            ));
        }
        if comment(file, service.path()).trim().is_empty() {
            broken.push(format!("{}: COMMENT_SERVICE", service.full_name()));
        }
    }
}

#[test]
fn the_protos_keep_the_buf_standard_rules_and_every_thing_is_commented() {
    let mut broken = Vec::new();
    for file in our_files(proto::descriptors()) {
        lint_file(&file, &mut broken);
    }
    demand(
        "see https://buf.build/docs/lint/rules for the rule by its name",
        &broken,
    );
}

#[test]
fn requests_and_responses_are_named_after_their_rpc_and_used_once() {
    let mut broken = Vec::new();
    let mut users: BTreeMap<String, String> = BTreeMap::new();
    for method in methods(proto::descriptors()) {
        let name = method.name();
        if !is_pascal(name) {
            broken.push(format!("{}: RPC_PASCAL_CASE", method.full_name()));
        }
        for (message, suffix) in [(method.input(), "Request"), (method.output(), "Response")] {
            if message.name() != format!("{name}{suffix}") {
                broken.push(format!("{}: name it {name}{suffix}", message.full_name()));
            }
            if let Some(other) = users.insert(
                message.full_name().to_owned(),
                method.full_name().to_owned(),
            ) {
                broken.push(format!(
                    "{} is used by {other} and {}",
                    message.full_name(),
                    method.full_name()
                ));
            }
        }
    }
    demand(
        "RPC_REQUEST_STANDARD_NAME, RPC_RESPONSE_STANDARD_NAME, RPC_REQUEST_RESPONSE_UNIQUE",
        &broken,
    );
}

#[test]
fn every_rpc_says_what_it_needs_does_and_refuses() {
    let mut broken = Vec::new();
    for method in methods(proto::descriptors()) {
        let name = method.full_name();
        let said = comment(&method.parent_file(), method.path());
        for part in ["Precondition: ", "Effect: ", "Idempotency: ", "Reasons: "] {
            if !said.contains(part) {
                broken.push(format!("{name}: its comment has no `{}`", part.trim()));
            }
        }
        let Some(operation) = operation(&method) else {
            broken.push(format!(
                "{name}: it has no option (portreeve.type.v1.operation)"
            ));
            continue;
        };
        if operation.summary.is_empty() {
            broken.push(format!("{name}: it has no summary"));
        }
        for reason in &operation.reasons {
            if !said.contains(&format!("`{reason}`")) {
                broken.push(format!("{name}: its comment does not name {reason}"));
            }
        }
        if operation.action.is_empty() != PUBLIC.contains(&name) {
            broken.push(format!(
                "{name}: name a permission, or list it as public here"
            ));
        } else if !operation.action.is_empty() && operation.action.parse::<Action>().is_err() {
            broken.push(format!(
                "{name}: '{}' is no action of domain::access",
                operation.action
            ));
        }
    }
    demand("every RPC says what it needs, does and refuses", &broken);
}

#[test]
fn every_permission_is_needed_by_some_rpc() {
    let needed: Vec<String> = methods(proto::descriptors())
        .iter()
        .filter_map(|method| operation(method).map(|operation| operation.action))
        .collect();
    // Asked inside an operation, about the thing that was found.
    const INSIDE: [Action; 6] = [
        Action::RequestReleaseOther,
        Action::RequestApproveAlone,
        Action::RequestAutoApprove,
        Action::RequestActivateEmergency,
        Action::RequestReadInternal,
        Action::GrantReleaseOther,
    ];
    let broken: Vec<_> = Action::ALL
        .iter()
        .filter(|action| {
            !INSIDE.contains(action) && !needed.iter().any(|name| name == action.as_str())
        })
        .map(|action| action.as_str().to_owned())
        .collect();
    demand("a permission that no RPC needs protects nothing", &broken);
}
