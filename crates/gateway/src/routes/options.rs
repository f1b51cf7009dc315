//! Reading the two options of an RPC: `google.api.http` and `portreeve.type.v1.operation`.
//!
//! Role: from dynamic messages to plain values, once at start.
//! Failure story: a pool without the options, or a pattern that is none, is a `ContractError`.

use http::Method;
use prost_reflect::{
    DescriptorPool, DynamicMessage, ExtensionDescriptor, MethodDescriptor, ReflectMessage as _,
    Value,
};

use super::ContractError;

/// One HTTP pattern of an RPC.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub(super) method: Method,
    pub(super) template: String,
    pub(super) body: String,
    pub(super) response_body: String,
}

/// The facts of an RPC.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    pub(super) action: String,
    pub(super) etag_required: bool,
    pub(super) reasons: Vec<String>,
    pub(super) summary: String,
}

/// The two extensions.
pub(super) struct Options {
    http: ExtensionDescriptor,
    operation: ExtensionDescriptor,
}

impl Options {
    pub(super) fn of(pool: &DescriptorPool) -> Result<Self, ContractError> {
        let find = |name: &str| {
            pool.get_extension_by_name(name)
                .ok_or_else(|| ContractError::Option {
                    method: name.to_owned(),
                    problem: "the contract does not define this option".to_owned(),
                })
        };
        Ok(Self {
            http: find("google.api.http")?,
            operation: find("portreeve.type.v1.operation")?,
        })
    }

    /// The patterns of an RPC; empty when it is not reachable from outside.
    pub(super) fn rules(&self, method: &MethodDescriptor) -> Result<Vec<Rule>, ContractError> {
        let options = method.options();
        if !options.has_extension(&self.http) {
            return Ok(Vec::new());
        }
        let value = options.get_extension(&self.http);
        let Some(rule) = value.as_message() else {
            return Ok(Vec::new());
        };
        let mut rules = vec![read_rule(method, rule)?];
        if let Some(more) = rule.get_field_by_name("additional_bindings") {
            for rule in more.as_list().unwrap_or_default() {
                if let Some(rule) = rule.as_message() {
                    rules.push(read_rule(method, rule)?);
                }
            }
        }
        Ok(rules)
    }

    /// The facts of an RPC.
    pub(super) fn facts(&self, method: &MethodDescriptor) -> Facts {
        let options = method.options();
        let value = options.get_extension(&self.operation);
        let Some(operation) = value.as_message() else {
            return Facts::default();
        };
        let reasons = operation.get_field_by_name("reasons");
        let reasons = reasons
            .as_deref()
            .and_then(Value::as_list)
            .unwrap_or_default();
        Facts {
            action: text(operation, "action"),
            etag_required: operation
                .get_field_by_name("etag_required")
                .and_then(|value| value.as_bool())
                .unwrap_or_default(),
            reasons: reasons
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
            summary: text(operation, "summary"),
        }
    }
}

fn read_rule(method: &MethodDescriptor, rule: &DynamicMessage) -> Result<Rule, ContractError> {
    let patterns = [
        ("get", Method::GET),
        ("put", Method::PUT),
        ("post", Method::POST),
        ("delete", Method::DELETE),
        ("patch", Method::PATCH),
    ];
    let found = patterns.into_iter().find_map(|(name, http)| {
        let field = rule.descriptor().get_field_by_name(name)?;
        rule.has_field(&field).then(|| (http, text(rule, name)))
    });
    let (http, template) = found.ok_or_else(|| ContractError::Option {
        method: method.full_name().to_owned(),
        problem: "the HTTP option names no method".to_owned(),
    })?;
    Ok(Rule {
        method: http,
        template,
        body: text(rule, "body"),
        response_body: text(rule, "response_body"),
    })
}

fn text(message: &DynamicMessage, field: &str) -> String {
    message
        .get_field_by_name(field)
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}
