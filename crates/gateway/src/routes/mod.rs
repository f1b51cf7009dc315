//! The table of operations, made from the descriptors at start.
//!
//! Role: every RPC with a `google.api.http` option becomes an [`Operation`] with all that a request needs precomputed;
//! [`Routes`] finds it by HTTP method and path, or by gRPC path. There is no code for any single method anywhere.
//! Owner: built once by `start`, read-only afterwards.
//! Invariants: an RPC without the option can be reached in no way; two operations never share a method and path.
//! Failure story: a contract that the edge cannot serve stops the start with the RPC's name ([`ContractError`]).

mod binding;
mod options;
mod tree;

use std::collections::HashMap;

use http::Method;
use http::uri::PathAndQuery;
use prost_reflect::{DescriptorPool, MethodDescriptor};

use crate::json::schema::{MessageId, Schema, SchemaError};

pub(crate) use tree::Lookup;
#[cfg(test)]
pub(crate) use tree::parameters;

/// Why the contract cannot be served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContractError {
    /// A message cannot be spoken in JSON.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// An RPC's HTTP option is not one that the edge understands.
    #[error("{method}: {problem}")]
    Option {
        /// The RPC's full name.
        method: String,
        /// What is wrong.
        problem: String,
    },
}

/// The service that answers an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    Intake,
    Validation,
    Notification,
    ExpiryScheduler,
    /// The gateway itself.
    Own,
}

/// Where the fields of the request message come from in HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyField {
    /// There is no body.
    None,
    /// The body is the message, without what the path gives.
    Whole,
    /// The body is this field.
    Field(usize),
}

/// Where events are in a streamed answer: (batch of events, its cursor; within each: cursor, event), as field numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Feed {
    pub(crate) events: u32,
    pub(crate) cursor: u32,
    pub(crate) event_cursor: u32,
    pub(crate) event: u32,
    /// The request's field to resume after, as an index.
    pub(crate) resume: usize,
}

/// Where a version is in the answer, as field numbers: within the field first, if any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EtagAt {
    pub(crate) within: Option<u32>,
    pub(crate) etag: u32,
}

/// One way to call one RPC over HTTP.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) http_method: Method,
    /// Which of the RPC's patterns this is: 0 is its own, the others are `additional_bindings`.
    pub(crate) binding: usize,
    /// As in the option: `/v1/institutions/{institution}/accessRequests`.
    pub(crate) template: String,
    /// `/portreeve.intake.v1.RequestService/CreateAccessRequest`.
    pub(crate) grpc_path: PathAndQuery,
    pub(crate) backend: Backend,
    pub(crate) input: MessageId,
    pub(crate) output: MessageId,
    /// The request's fields that the path gives, in the order of the path.
    pub(crate) path_fields: Vec<usize>,
    pub(crate) body: BodyField,
    /// The field that is the HTTP response, as an index into the answer's fields.
    pub(crate) response: Option<usize>,
    /// The request's `request_id`: filled from `Idempotency-Key`.
    pub(crate) request_id: Option<usize>,
    /// The request's `etag`: filled from `If-Match`.
    pub(crate) etag: Option<usize>,
    pub(crate) etag_required: bool,
    /// The answer's version, for the header `ETag`.
    pub(crate) answered_etag: Option<EtagAt>,
    /// The id of what was made, as (field, its id) numbers, when `path/{id}` reads it: for the header `Location`.
    pub(crate) created: Option<(u32, u32)>,
    /// The request's field that says how long to wait, in seconds.
    pub(crate) wait_seconds: Option<usize>,
    pub(crate) streaming: bool,
    pub(crate) feed: Option<Feed>,
    /// No credential is needed.
    pub(crate) public: bool,
    pub(crate) action: String,
    pub(crate) reasons: Vec<String>,
    pub(crate) summary: String,
    pub(crate) descriptor: MethodDescriptor,
}

/// The table.
#[derive(Debug)]
pub(crate) struct Routes {
    pub(crate) schema: Schema,
    pub(crate) operations: Vec<Operation>,
    tree: tree::Tree,
    by_grpc_path: HashMap<String, usize>,
}

impl Routes {
    /// The table of `pool`.
    pub(crate) fn build(pool: &DescriptorPool) -> Result<Self, ContractError> {
        let options = options::Options::of(pool)?;
        let mut schema = Schema::default();
        let mut operations = Vec::new();
        let mut tree = tree::Tree::default();
        let mut by_grpc_path = HashMap::new();
        for service in pool.services() {
            for method in service.methods() {
                for (binding, rule) in options.rules(&method)?.iter().enumerate() {
                    let facts = options.facts(&method);
                    let mut operation = binding::bind(&mut schema, &method, rule, facts)?;
                    operation.binding = binding;
                    let index = operations.len();
                    tree.insert(&operation, index)
                        .map_err(|problem| ContractError::Option {
                            method: method.full_name().to_owned(),
                            problem,
                        })?;
                    by_grpc_path
                        .entry(operation.grpc_path.as_str().to_owned())
                        .or_insert(index);
                    operations.push(operation);
                }
            }
        }
        let mut routes = Self {
            schema,
            operations,
            tree,
            by_grpc_path,
        };
        routes.find_created();
        Ok(routes)
    }

    /// The operation of an HTTP request.
    pub(crate) fn find<'p>(&self, method: &Method, path: &'p str) -> Lookup<'p> {
        self.tree.find(method, path)
    }

    /// The operation of a gRPC call.
    pub(crate) fn find_grpc(&self, path: &str) -> Option<&Operation> {
        self.operations.get(self.grpc_index(path)?)
    }

    /// Its index.
    pub(crate) fn grpc_index(&self, path: &str) -> Option<usize> {
        self.by_grpc_path.get(path).copied()
    }

    /// A create is a POST to a collection whose members can be read at `collection/{id}`.
    fn find_created(&mut self) {
        let readable: Vec<String> = self
            .operations
            .iter()
            .filter(|operation| operation.http_method == Method::GET)
            .map(|operation| operation.template.clone())
            .collect();
        let schema = &self.schema;
        for operation in &mut self.operations {
            let member = format!("{}/{{id}}", operation.template);
            if operation.http_method == Method::POST && readable.contains(&member) {
                operation.created = binding::resource(schema, operation);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn routes() -> Routes {
        Routes::build(proto::descriptors()).unwrap()
    }

    #[test]
    fn every_annotated_rpc_is_in_the_table_and_no_other() {
        let routes = routes();
        assert!(routes.operations.len() >= 55, "{}", routes.operations.len());
        let internal = [
            "/portreeve.intake.v1.LedgerService/RunDue",
            "/portreeve.intake.v1.LedgerService/TailEvents",
            "/portreeve.intake.v1.KeyService/AuthenticateApiKey",
            "/portreeve.validation.v1.ValidationService/Check",
        ];
        for path in internal {
            assert!(routes.find_grpc(path).is_none(), "{path}");
        }
        let create = "/portreeve.intake.v1.RequestService/CreateAccessRequest";
        let create = routes.find_grpc(create).unwrap();
        assert!(create.created.is_some() && create.request_id.is_some());
        assert!(create.answered_etag.is_some() && !create.public);
    }

    #[test]
    fn an_operation_is_found_by_its_method_its_path_and_its_verb() {
        let routes = routes();
        let name = |method: Method, path: &str| match routes.find(&method, path) {
            Lookup::Found(index, values) => {
                let name = routes.operations[index].descriptor.name().to_owned();
                format!("{name} {}", values.join(" "))
            }
            Lookup::WrongMethod(allowed) => format!("405 {allowed}"),
            Lookup::Unknown => "404".to_owned(),
        };
        let base = "/v1/institutions/north%62ridge/accessRequests";
        assert_eq!(name(Method::POST, base), "CreateAccessRequest northbridge");
        assert_eq!(
            name(Method::POST, &format!("{base}/FW-1:approve")),
            "ApproveAccessRequest northbridge FW-1"
        );
        assert_eq!(name(Method::GET, "/v1/events:stream"), "WatchEvents ");
        assert_eq!(name(Method::GET, "/v1/events"), "PullEvents ");
        assert_eq!(name(Method::HEAD, "/v1/events"), "PullEvents ");
        assert_eq!(name(Method::DELETE, "/v1/events"), "405 GET, HEAD, OPTIONS");
        assert_eq!(
            name(Method::GET, &format!("{base}/x:approve")),
            "405 OPTIONS, POST"
        );
        for path in [
            "/",
            "",
            "/v1",
            "/v1/",
            "/v2/events",
            "/v1/events/",
            "/v1//events",
            base,
        ] {
            let found = name(Method::GET, &format!("{path}/x/y/z/q/r/s"));
            assert_eq!(found, "404", "{path}");
        }
        assert_eq!(name(Method::POST, &format!("{base}/x:nonsense")), "404");
        assert_eq!(
            name(Method::GET, &format!("{base}/a%2Fb")),
            "GetAccessRequest northbridge a/b"
        );
    }
}
