//! One RPC and one HTTP pattern become one operation.
//!
//! Role: resolves every name of the option to a field once, so that requests meet indexes alone.
//! Failure story: a name that is no field, or a template that the edge does not understand, is a `ContractError`.

use http::uri::PathAndQuery;
use prost_reflect::MethodDescriptor;

use super::options::{Facts, Rule};
use super::{Backend, BodyField, ContractError, EtagAt, Feed, Operation};
use crate::json::schema::{Kind, Message, MessageId, Occurs, Schema, Spelling};

pub(super) fn bind(
    schema: &mut Schema,
    method: &MethodDescriptor,
    rule: &Rule,
    facts: Facts,
) -> Result<Operation, ContractError> {
    let error = |problem: String| ContractError::Option {
        method: method.full_name().to_owned(),
        problem,
    };
    if method.is_client_streaming() {
        return Err(error(
            "client streams cannot be called over HTTP".to_owned(),
        ));
    }
    let service = method.parent_service();
    let backend = match service.package_name() {
        "portreeve.intake.v1" => Backend::Intake,
        "portreeve.validation.v1" => Backend::Validation,
        "portreeve.notification.v1" => Backend::Notification,
        "portreeve.expiry_scheduler.v1" => Backend::ExpiryScheduler,
        "portreeve.gateway.v1" => Backend::Own,
        other => return Err(error(format!("no service answers the package {other}"))),
    };
    let grpc_path = format!("/{}/{}", service.full_name(), method.name());
    let grpc_path = PathAndQuery::try_from(grpc_path)
        .map_err(|_| error("the name gives no path".to_owned()))?;
    let input = schema.add(&method.input())?;
    let output = schema.add(&method.output())?;
    let (request, answer) = (schema.message(input), schema.message(output));

    let mut path_fields = Vec::new();
    for name in super::tree::parameters(&rule.template) {
        let index = request
            .field_named(name)
            .filter(|index| request.fields[*index].kind == Kind::String)
            .ok_or_else(|| error(format!("'{name}' in the path is no text field")))?;
        path_fields.push(index);
    }
    let field = |message: &Message, name: &str| {
        message
            .field_named(name)
            .ok_or_else(|| error(format!("'{name}' is no field")))
    };
    let body = match rule.body.as_str() {
        "" => BodyField::None,
        "*" => BodyField::Whole,
        name => BodyField::Field(field(request, name)?),
    };
    let response = match rule.response_body.as_str() {
        "" => None,
        name => Some(field(answer, name)?),
    };
    let text_field = |name: &str| {
        request
            .field_named(name)
            .filter(|index| request.fields[*index].kind == Kind::String)
    };
    Ok(Operation {
        http_method: rule.method.clone(),
        binding: 0,
        template: rule.template.clone(),
        grpc_path,
        backend,
        input,
        output,
        path_fields,
        body,
        response,
        request_id: text_field("request_id"),
        etag: text_field("etag"),
        etag_required: facts.etag_required,
        answered_etag: answered_etag(schema, answer, response),
        created: None,
        wait_seconds: request.field_named("wait_seconds"),
        streaming: method.is_server_streaming(),
        feed: feed(schema, request, answer),
        public: facts.action.is_empty(),
        action: facts.action,
        reasons: facts.reasons,
        summary: facts.summary,
        descriptor: method.clone(),
    })
}

/// The version of what is answered: of the answer itself, of the response field, or of its only resource.
fn answered_etag(schema: &Schema, answer: &Message, response: Option<usize>) -> Option<EtagAt> {
    if response.is_none()
        && let Some(index) = answer.field_named("etag")
    {
        return Some(EtagAt {
            within: None,
            etag: answer.fields[index].number,
        });
    }
    let versioned = |index: usize| {
        let field = &answer.fields[index];
        let etag = inner(schema, field.kind, field.occurs)?.field_named("etag")?;
        let Kind::Message(id) = field.kind else {
            return None;
        };
        Some(EtagAt {
            within: Some(field.number),
            etag: schema.message(id).fields[etag].number,
        })
    };
    match response {
        Some(index) => versioned(index),
        None => (0..answer.fields.len()).find_map(versioned),
    }
}

/// The plan of a field that holds one object.
fn inner(schema: &Schema, kind: Kind, occurs: Occurs) -> Option<&Message> {
    match kind {
        Kind::Message(id) if occurs != Occurs::Many => Some(schema.message(id)),
        _ => None,
    }
}

/// Where the id of what a create made is: (field, its id), as numbers.
pub(super) fn resource(schema: &Schema, operation: &Operation) -> Option<(u32, u32)> {
    let answer = schema.message(operation.output);
    let candidates = match operation.response {
        Some(index) => index..index + 1,
        None => 0..answer.fields.len(),
    };
    candidates.into_iter().find_map(|index| {
        let field = answer.fields.get(index)?;
        let message = inner(schema, field.kind, field.occurs)?;
        let id = message.field_named("id")?;
        Some((field.number, message.fields[id].number))
    })
}

/// A stream of batches of events, each with its cursor, that can be resumed.
fn feed(schema: &Schema, request: &Message, answer: &Message) -> Option<Feed> {
    let resume = request.field_named("cursor")?;
    let cursor = answer.field_named("cursor")?;
    let events = answer.field_named("events")?;
    let Kind::Message(id) = answer.fields[events].kind else {
        return None;
    };
    let element = schema.message(id);
    let event_cursor = element.field_named("cursor")?;
    let event = element.field_named("event")?;
    let is_event = |id: MessageId| schema.message(id).spelling == Spelling::CloudEvent;
    matches!(element.fields[event].kind, Kind::Message(id) if is_event(id)).then(|| Feed {
        events: answer.fields[events].number,
        cursor: answer.fields[cursor].number,
        event_cursor: element.fields[event_cursor].number,
        event: element.fields[event].number,
        resume,
    })
}
