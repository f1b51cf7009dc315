//! What a policy says about its resource, as far as lists can keep it.
//!
//! Role: a list asks the database, which knows of a row only where it lies. A policy can be kept there when it holds for
//! a thing exactly if it holds for one of the scopes that the thing lies in: a disjunction over `resource in …`. This
//! module reads the form of a policy; [`crate::sight`] then asks Cedar once for each scope that matters.
//! Invariants: a policy called [`Form::AnyOf`] is such a disjunction, one called [`Form::Unless`] is the negation of one,
//! as a property test holds against Cedar itself; whatever is not recognised is [`Form::Other`], never guessed.
//! Failure story: a policy about reading of another form is refused at start.

use cedar_policy::{Effect, Policy};
use serde_json::Value;

/// What a policy says about its resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// It holds if it holds for any one of the resource's scopes.
    AnyOf,
    /// A forbid that holds unless the resource lies in one of some scopes.
    Unless,
    /// Anything else.
    Other,
}

/// The form of `policy`.
pub(crate) fn form(policy: &Policy) -> Form {
    let Ok(json) = policy.to_json() else {
        return Form::Other;
    };
    let head = match json.pointer("/resource/op").and_then(Value::as_str) {
        Some("All") => false,
        Some("in") => true,
        Some("is") => json.pointer("/resource/in").is_some(),
        _ => return Form::Other,
    };
    let conditions = json.get("conditions").unwrap_or(&Value::Null);
    // What is asked for is not known before the thing is.
    if speaks_of(conditions, "context") {
        return Form::Other;
    }
    let about: Vec<(&str, &Value)> = conditions
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|condition| {
            let kind = condition.get("kind").and_then(Value::as_str)?;
            Some((kind, condition.get("body")?))
        })
        .filter(|(_, body)| speaks_of_resource(body))
        .collect();
    // Two of them would be a conjunction: 'in one and in the other' is not said of any one scope.
    match about.as_slice() {
        [] => Form::AnyOf,
        [(_, body)] if head || !is_any_of(body) => Form::Other,
        [("when", _)] => Form::AnyOf,
        [("unless", _)] if policy.effect() == Effect::Forbid => Form::Unless,
        _ => Form::Other,
    }
}

/// Whether a variable stands in an expression.
pub(crate) fn speaks_of(expression: &Value, variable: &str) -> bool {
    match expression {
        Value::Object(parts) => {
            parts.get("Var").and_then(Value::as_str) == Some(variable)
                || parts.values().any(|part| speaks_of(part, variable))
        }
        Value::Array(parts) => parts.iter().any(|part| speaks_of(part, variable)),
        _ => false,
    }
}

fn speaks_of_resource(expression: &Value) -> bool {
    speaks_of(expression, "resource")
}

fn is_resource(expression: &Value) -> bool {
    expression.get("Var").and_then(Value::as_str) == Some("resource")
}

/// Whether the expression holds for a thing exactly if it holds for one of its scopes alone.
fn is_any_of(expression: &Value) -> bool {
    if !speaks_of_resource(expression) {
        return true;
    }
    let part = |operator: &str, name: &str| expression.get(operator)?.get(name);
    if let (Some(left), Some(right)) = (part("in", "left"), part("in", "right")) {
        return is_resource(left) && !speaks_of_resource(right);
    }
    if let (Some(left), Some(right)) = (part("||", "left"), part("||", "right")) {
        return is_any_of(left) && is_any_of(right);
    }
    if let (Some(left), Some(right)) = (part("&&", "left"), part("&&", "right")) {
        return is_any_of(left)
            && is_any_of(right)
            && !(speaks_of_resource(left) && speaks_of_resource(right));
    }
    if let (Some(test), Some(then), Some(otherwise)) = (
        part("if-then-else", "if"),
        part("if-then-else", "then"),
        part("if-then-else", "else"),
    ) {
        return !speaks_of_resource(test) && is_any_of(then) && is_any_of(otherwise);
    }
    false
}
