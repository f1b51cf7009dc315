//! The authorization matrix: every RPC of the contract, called by every role, against the real stack.
//!
//! Role: the target is always North's: its request for Alma, its live grant, its server. Each call is made so that one
//! who is permitted changes nothing (an old version, a check without effect, a thing that does not exist). The table is a
//! snapshot: a changed cell is a changed permission. An RPC without a line in `target` fails.
//!
//! `yes`: permitted. `-`: refused for want of permission. `hidden`: said not to exist. `key`: a key is needed.
//! `inside`: not reachable from outside at all.

use std::fmt::Write as _;

use prost_reflect::{
    DynamicMessage, MethodDescriptor, ReflectMessage as _, Value, prost::Message as _,
};
use proto::error::Failure;
use serde_json::json;
use testkit::{Client, Store, asked};
use tonic::{Code, Status};

use crate::{
    people::{People, id},
    wire::{call, connect},
};

/// Who calls, beside somebody without a key.
pub(crate) const CALLERS: [(&str, &str); 12] = [
    ("requester", "institution:north"),
    ("requester", "institution:south"),
    ("delegate", "institution:north"),
    ("institution_approver", "institution:north"),
    ("analyst", "product:alma"),
    ("analyst", "product:rosetta"),
    ("analyst", "team:support-alma"),
    ("cloud", "team:cloud-eu"),
    ("cloud", "team:cloud-us"),
    ("auditor", "all"),
    ("auditor", "institution:south"),
    ("administrator", "all"),
];

/// What an RPC is called with.
pub(crate) enum Target {
    /// On the request.
    Request,
    /// On the grant.
    Grant,
    /// On something that does not exist: what is found out is whether one may look.
    Missing(&'static str),
    /// With these fields: a text, or `true`.
    Fields(&'static [(&'static str, &'static str)]),
    /// Only services may call it, inside.
    Inside,
}

/// Where an RPC has its place in the matrix.
pub(crate) fn target(rpc: &str) -> Option<Target> {
    const NORTH: &[(&str, &str)] = &[("institution", "north")];
    const ALMA_AT_NORTH: &[(&str, &str)] =
        &[("institution", "north"), ("id", "alma"), ("etag", "\"v0\"")];
    Some(match rpc {
        "CreateAccessRequest" => {
            Target::Fields(&[("institution", "north"), ("validate_only", "true")])
        }
        "ListAccessRequests" | "ListGrants" | "ListServers" => Target::Fields(NORTH),
        "GetAccessRequest"
        | "UpdateAccessRequest"
        | "SubmitAccessRequest"
        | "WithdrawAccessRequest"
        | "RespondToQuestion"
        | "ClaimAccessRequest"
        | "ReleaseAccessRequest"
        | "TransferAccessRequest"
        | "RequestInformation"
        | "ApproveAccessRequest"
        | "RejectAccessRequest"
        | "ActivateEmergency"
        | "ReviewEmergency"
        | "CreateComment"
        | "ListComments"
        | "ListTimeline"
        | "CreateLink"
        | "ListLinks"
        | "RevokeLink" => Target::Request,
        "GetGrant"
        | "ClaimGrant"
        | "ReleaseGrant"
        | "CompleteGrant"
        | "FailGrant"
        | "RetryGrant"
        | "ConfirmGrantClosed"
        | "ExtendGrant"
        | "ApproveGrantExtension"
        | "DeclineGrantExtension"
        | "ReturnGrant"
        | "RevokeGrant"
        | "RenewGrant" => Target::Grant,
        "ImportGrants"
        | "ListInstitutions"
        | "ListProducts"
        | "ApplyCatalogue"
        | "CreateApiKey"
        | "ListApiKeys"
        | "GetStatus"
        | "GetClientAddress"
        | "GetCaller"
        | "ClassifyAddresses"
        | "PullEvents"
        | "WatchEvents"
        | "ListSubscriptions"
        | "ListWebhookEndpoints"
        | "GetHistoryHead"
        | "ProveGrowth"
        | "TraceAccess"
        | "ExportPerson"
        | "ErasePerson"
        | "CreateWebhookEndpoint"
        | "CreateSubscription" => Target::Fields(&[]),
        "GetInstitution" | "PutInstitution" => {
            Target::Fields(&[("id", "north"), ("etag", "\"v0\"")])
        }
        "GetProduct" | "PutProduct" => Target::Fields(&[("id", "alma"), ("etag", "\"v0\"")]),
        "GetServer" | "PutServer" => Target::Fields(ALMA_AT_NORTH),
        "RevokeApiKey"
        | "RotateApiKey"
        | "ProveEvent"
        | "AcknowledgeEvents"
        | "DeleteSubscription"
        | "GetWebhookEndpoint"
        | "DeleteWebhookEndpoint"
        | "TestWebhookEndpoint"
        | "RotateWebhookSecret" => Target::Missing("id"),
        "ListDeliveries" | "RedeliverDelivery" => Target::Missing("webhook_endpoint"),
        "AuthenticateApiKey" | "AuthenticatePerson" | "RunDue" | "WatchNextDeadline"
        | "TailEvents" | "ReadEvents" | "GetFeed" | "Check" | "LookAtLink" | "FillInByLink"
        | "ProveSourceByLink" => Target::Inside,
        _ => return None,
    })
}

fn set(message: &mut DynamicMessage, field: &str, value: &str) {
    let Some(descriptor) = message.descriptor().get_field_by_name(field) else {
        return;
    };
    let value = match descriptor.kind() {
        prost_reflect::Kind::Bool => Value::Bool(value == "true"),
        // The first value that says something.
        prost_reflect::Kind::Enum(_) => Value::EnumNumber(1),
        _ => Value::String(value.to_owned()),
    };
    message.set_field(&descriptor, value);
}

/// Fills what has to be there: what is asked for, and which part of it is changed.
fn fill(message: &mut DynamicMessage) {
    let descriptor = message.descriptor();
    if let Some(field) = descriptor.get_field_by_name("asked")
        && let prost_reflect::Kind::Message(kind) = field.kind()
    {
        let mut asked = DynamicMessage::new(kind);
        set(&mut asked, "product", "alma");
        set(&mut asked, "justification", "a word");
        message.set_field(&field, Value::Message(asked));
    }
    if let Some(field) = descriptor.get_field_by_name("update_mask")
        && let prost_reflect::Kind::Message(kind) = field.kind()
    {
        let mut mask = DynamicMessage::new(kind);
        let paths = vec![Value::String("justification".to_owned())];
        mask.set_field_by_name("paths", Value::List(paths));
        message.set_field(&field, Value::Message(mask));
    }
}

pub(crate) struct Things {
    pub(crate) request: String,
    pub(crate) grant: String,
}

pub(crate) fn message(method: &MethodDescriptor, target: &Target, things: &Things) -> Vec<u8> {
    let mut message = DynamicMessage::new(method.input());
    match target {
        Target::Request | Target::Grant => {
            let id = if matches!(target, Target::Request) {
                &things.request
            } else {
                &things.grant
            };
            set(&mut message, "institution", "north");
            set(&mut message, "id", id);
            // A version that nobody saw: the permitted are stopped there, and nothing changes.
            set(&mut message, "etag", "\"v999\"");
            for field in ["text", "note", "reason", "answer"] {
                set(&mut message, field, "a word");
            }
            set(&mut message, "link", "01930a3e-7c00-7000-8000-000000000000");
            set(&mut message, "until", "2026-12-01");
            set(&mut message, "queue", "support-rosetta");
            set(&mut message, "outcome", "confirmed");
            fill(&mut message);
        }
        Target::Missing(field) => set(&mut message, field, "01930a3e-7c00-7000-8000-000000000000"),
        Target::Fields(fields) => {
            for (field, value) in *fields {
                set(&mut message, field, value);
            }
            fill(&mut message);
        }
        Target::Inside => {}
    }
    message.encode_to_vec()
}

pub(crate) fn cell(result: &Result<(), Status>, target: &Target) -> &'static str {
    let Err(status) = result else { return "yes" };
    if status.code() == Code::Unimplemented {
        return "inside";
    }
    let failure = Failure::from_status(status);
    match failure.reason.as_str() {
        "UNAUTHENTICATED" => "key",
        "FORBIDDEN" => "-",
        "INTERNAL" | "UNAVAILABLE" | "DEADLINE_EXCEEDED" => "FAILED",
        // Whose request it is was decided before.
        "LINK_NOT_FOUND" => "yes",
        reason if reason.ends_with("_NOT_FOUND") && !matches!(target, Target::Missing(_)) => {
            "hidden"
        }
        _ => "yes",
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_rpc_as_every_role() {
    let people = People::meet(Store::Sqlite).await;
    let house = &people.house;
    let grant = people.live(&asked()).await;
    let waiting = crate::people::with(asked(), "sources", json!(["149.112.112.112"]));
    let request = people.submits(&waiting).await;
    let things = Things {
        request: id(&request).to_owned(),
        grant: id(&grant).to_owned(),
    };

    let mut callers: Vec<(String, Option<Client>)> = vec![("nobody".into(), None)];
    for (role, scope) in CALLERS {
        callers.push((
            format!("{role} {scope}"),
            Some(house.key(role, scope).await),
        ));
    }
    let channel = connect(&people.ria).await;

    let mut table = String::new();
    for (place, (name, _)) in callers.iter().enumerate() {
        let _ = writeln!(table, "{:>3} {name}", place + 1);
    }
    let mut unplaced = Vec::new();
    for service in proto::descriptors().services() {
        if !service.full_name().starts_with("portreeve.") {
            continue;
        }
        let _ = writeln!(table, "\n{}", service.full_name());
        for method in service.methods() {
            let Some(target) = target(method.name()) else {
                unplaced.push(method.full_name().to_owned());
                continue;
            };
            let mut line = format!("  {:<24}", method.name());
            for (_, caller) in &callers {
                let body = message(&method, &target, &things);
                let key = caller.as_ref().map(Client::secret);
                let result = call(&channel, key, &method, body).await;
                let cell = cell(&result, &target);
                assert_ne!(cell, "FAILED", "{}: {result:?}", method.full_name());
                assert_eq!(
                    cell == "inside",
                    matches!(target, Target::Inside),
                    "{}: {result:?}",
                    method.full_name()
                );
                let _ = write!(line, "{cell:>7}");
            }
            let _ = writeln!(table, "{}", line.trim_end());
        }
    }
    assert!(
        unplaced.is_empty(),
        "place these RPCs in the matrix: {unplaced:#?}"
    );
    insta::assert_snapshot!("permissions", table);

    // Nobody changed anything.
    assert_eq!(people.request(&request).await["state"], "submitted");
    assert_eq!(people.grant(&grant).await["etag"], grant["etag"]);
}
