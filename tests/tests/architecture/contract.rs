//! The facts of every RPC as the protos state them: permission, reasons, comment, HTTP.
//!
//! Role: reads the descriptor set with its options and comments; the rules beside judge it.

use prost_reflect::{
    DescriptorPool, DynamicMessage, FileDescriptor, MethodDescriptor, ReflectMessage as _, Value,
};

/// Our files, in the order of their names.
pub(crate) fn our_files(pool: &DescriptorPool) -> Vec<FileDescriptor> {
    let mut files: Vec<_> = pool
        .files()
        .filter(|file| file.package_name().starts_with("portreeve."))
        .collect();
    files.sort_by(|a, b| a.name().cmp(b.name()));
    assert!(files.len() > 8, "the protos were not found");
    files
}

/// Every RPC of ours.
pub(crate) fn methods(pool: &DescriptorPool) -> Vec<MethodDescriptor> {
    our_files(pool)
        .iter()
        .flat_map(FileDescriptor::services)
        .flat_map(|service| service.methods().collect::<Vec<_>>())
        .collect()
}

/// `portreeve.type.v1.operation` of an RPC.
pub(crate) struct Operation {
    pub(crate) action: String,
    pub(crate) summary: String,
    pub(crate) reasons: Vec<String>,
}

fn option(method: &MethodDescriptor, extension: &str) -> Option<DynamicMessage> {
    let pool = method.parent_pool();
    let extension = pool.get_extension_by_name(extension)?;
    let options = method.options();
    if !options.has_extension(&extension) {
        return None;
    }
    match options.get_extension(&extension).into_owned() {
        Value::Message(message) => Some(message),
        _ => None,
    }
}

fn text(message: &DynamicMessage, field: &str) -> String {
    message
        .get_field_by_name(field)
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}

pub(crate) fn operation(method: &MethodDescriptor) -> Option<Operation> {
    let message = option(method, "portreeve.type.v1.operation")?;
    let reasons = message
        .get_field_by_name("reasons")
        .map_or_else(Vec::new, |value| {
            value
                .as_list()
                .unwrap_or_default()
                .iter()
                .filter_map(|one| one.as_str().map(str::to_owned))
                .collect()
        });
    Some(Operation {
        action: text(&message, "action"),
        summary: text(&message, "summary"),
        reasons,
    })
}

/// `google.api.http` of an RPC, such as `post /v1/keys body=* response=key`.
pub(crate) fn http(method: &MethodDescriptor) -> Option<String> {
    let rule = option(method, "google.api.http")?;
    let verb = rule
        .descriptor()
        .oneofs()
        .flat_map(|oneof| oneof.fields().collect::<Vec<_>>())
        .find(|field| rule.has_field(field))?;
    Some(format!(
        "{} {} body={} response={}",
        verb.name(),
        text(&rule, verb.name()),
        text(&rule, "body"),
        text(&rule, "response_body")
    ))
}

/// The comment before the thing at `path` of `file`.
pub(crate) fn comment(file: &FileDescriptor, path: &[i32]) -> String {
    file.file_descriptor_proto()
        .source_code_info
        .iter()
        .flat_map(|info| &info.location)
        .find(|location| location.path == path)
        .map(|location| location.leading_comments().to_owned())
        .unwrap_or_default()
}
