//! What the protos say of their parts: the leading comments, by place.
//!
//! Role: one map from (file, path) to words, made while the document is made.
//! Failure story: without source information every description is empty.

use std::collections::HashMap;

use prost_reflect::{
    DescriptorPool, EnumDescriptor, EnumValueDescriptor, FieldDescriptor, MessageDescriptor,
    MethodDescriptor,
};

/// The comments of a pool.
pub(super) struct Comments {
    words: HashMap<(String, Vec<i32>), String>,
}

impl Comments {
    pub(super) fn of(pool: &DescriptorPool) -> Self {
        let mut words = HashMap::new();
        for file in pool.files() {
            let proto = file.file_descriptor_proto();
            for location in proto
                .source_code_info
                .iter()
                .flat_map(|info| &info.location)
            {
                if let Some(comment) = &location.leading_comments {
                    let place = (file.name().to_owned(), location.path.clone());
                    words.insert(place, clean(comment));
                }
            }
        }
        Self { words }
    }

    fn at(&self, file: &str, path: &[i32]) -> &str {
        self.words
            .get(&(file.to_owned(), path.to_vec()))
            .map_or("", String::as_str)
    }

    pub(super) fn method(&self, method: &MethodDescriptor) -> &str {
        self.at(method.parent_file().name(), method.path())
    }

    pub(super) fn message(&self, message: &MessageDescriptor) -> &str {
        self.at(message.parent_file().name(), message.path())
    }

    pub(super) fn field(&self, field: &FieldDescriptor) -> &str {
        self.at(field.parent_file().name(), field.path())
    }

    pub(super) fn enumeration(&self, known: &EnumDescriptor) -> &str {
        self.at(known.parent_file().name(), known.path())
    }

    pub(super) fn value(&self, value: &EnumValueDescriptor) -> &str {
        self.at(value.parent_file().name(), value.path())
    }
}

/// Takes the space behind the slashes away.
fn clean(comment: &str) -> String {
    let lines: Vec<&str> = comment
        .lines()
        .map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end())
        .collect();
    lines.join("\n").trim().to_owned()
}
