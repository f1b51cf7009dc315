//! The wire: messages to cases, verdicts to messages.
//!
//! Owner: validation. Thin: authorize, parse, call, encode. Permission is checked before the message is looked
//! at (I5). Invariants: no raw text passes from here but what the institution wrote itself; every malformed
//! field is reported at once.
//! Failure: a malformed message from intake is `FIELD_INVALID`; nothing here is retried.

use std::net::IpAddr;
use std::sync::Arc;

use authz::Authz;
use domain::access::{Action, Principal};
use domain::net::{Destination, Hostname, MAX_ENTRIES, MAX_TEXT_BYTES, read_destinations, set};
use domain::refusal::Kind;
use proto::convert;
use proto::error::{Failure, Violation};
use proto::validation::v1 as wire;
pub(crate) use proto::validation::v1::validation_service_server::SERVICE_NAME;
use proto::validation::v1::validation_service_server::{
    ValidationService, ValidationServiceServer,
};
use tonic::{Request, Response, Status, service::Routes};

use crate::PolicyInUse;
use crate::classify::{AddressClass, classify_texts};
use crate::judge::{Case, judge};
use crate::names::{Answer, NameService};

pub(crate) struct Rpc {
    authz: Arc<Authz>,
    policy: PolicyInUse,
    /// `None`: names are not resolved.
    names: Option<NameService>,
}

impl Rpc {
    pub(crate) fn new(authz: Arc<Authz>, policy: PolicyInUse, names: Option<NameService>) -> Self {
        Self {
            authz,
            policy,
            names,
        }
    }

    /// The service, not yet protected.
    pub(crate) fn routes(self) -> Routes {
        Routes::new(ValidationServiceServer::new(self))
    }
}

#[tonic::async_trait]
impl ValidationService for Rpc {
    async fn check(
        &self,
        request: Request<wire::CheckRequest>,
    ) -> Result<Response<wire::CheckResponse>, Status> {
        authorize(&self.authz, &request, Action::ServiceValidate)?;
        let message = request.into_inner();
        let answers = self.look_up(&message).await;
        let response = check(&self.policy, &answers, message).map_err(|failure| *failure)?;
        Ok(Response::new(response))
    }

    async fn classify_addresses(
        &self,
        request: Request<wire::ClassifyAddressesRequest>,
    ) -> Result<Response<wire::ClassifyAddressesResponse>, Status> {
        authorize(&self.authz, &request, Action::AddressClassify)?;
        let texts = request.into_inner().addresses;
        let bytes: usize = texts.iter().map(String::len).sum();
        if texts.len() > MAX_ENTRIES || bytes > MAX_TEXT_BYTES {
            let message =
                format!("ask for at most {MAX_ENTRIES} entries and {MAX_TEXT_BYTES} bytes at once");
            return Err(Failure::new(Kind::InvalidInput, "TOO_MANY_ROWS", message).into());
        }
        let classes = classify_texts(&self.policy.get(), &texts);
        let all_accepted = !classes.is_empty() && classes.iter().all(|class| class.accepted);
        let addresses = classes.into_iter().map(class_to_wire).collect();
        Ok(Response::new(wire::ClassifyAddressesResponse {
            addresses,
            all_accepted,
        }))
    }
}

impl Rpc {
    /// What the name service says of the names that a request leads to.
    async fn look_up(&self, message: &wire::CheckRequest) -> Vec<(Hostname, Answer)> {
        let (Some(names), Some(asked)) = (&self.names, &message.asked) else {
            return Vec::new();
        };
        let (entries, _) = read_destinations("destinations", &asked.destinations);
        let mut hosts: Vec<Hostname> = Vec::new();
        for host in entries.iter().filter_map(|entry| entry.destination.host()) {
            if !hosts.contains(host) {
                hosts.push(host.clone());
            }
        }
        if hosts.is_empty() {
            return Vec::new();
        }
        names.look_up(hosts).await
    }
}

fn authorize<T>(authz: &Authz, request: &Request<T>, action: Action) -> Result<(), Status> {
    let principal = request
        .extensions()
        .get::<Principal>()
        .ok_or_else(|| Status::unauthenticated("the call names no principal"))?;
    let admitted = authz.admit(principal, action);
    admitted.map_err(|refusal| Failure::from(refusal).into())
}

fn check(
    policy: &PolicyInUse,
    answers: &[(Hostname, Answer)],
    message: wire::CheckRequest,
) -> Result<wire::CheckResponse, Box<Failure>> {
    let missing = |field: &str| vec![violation(field, "it is missing")];
    let asked = message
        .asked
        .ok_or_else(|| missing("asked"))
        .and_then(convert::asked_from_wire);
    let institution = message
        .institution
        .as_ref()
        .ok_or_else(|| missing("institution"))
        .and_then(convert::institution_from_wire);
    let product = message
        .product
        .as_ref()
        .map(convert::product_from_wire)
        .transpose();
    let servers: Result<Vec<_>, _> = message
        .servers
        .iter()
        .map(convert::server_from_wire)
        .collect();
    let now = message
        .now
        .as_ref()
        .and_then(convert::instant_from_wire)
        .ok_or_else(|| missing("now"));
    let live: Result<Vec<_>, _> = message
        .live_grants
        .iter()
        .map(|grant| {
            convert::live_grant_from_wire(grant)
                .ok_or_else(|| vec![violation("live_grants", "it is malformed")])
        })
        .collect();
    let pinned: Result<Vec<_>, _> = message
        .pinned
        .iter()
        .map(|read| {
            convert::read_destination_from_wire(read)
                .ok_or_else(|| vec![violation("pinned", "it is malformed")])
        })
        .collect();
    let not_yours: Result<Vec<Destination>, _> = message
        .not_yours
        .iter()
        .map(|text| {
            text.parse()
                .map_err(|_| vec![violation("not_yours", "it is malformed")])
        })
        .collect();
    let mut wrong = Vec::new();
    let mut take = |violations: &[Violation]| wrong.extend_from_slice(violations);
    for violations in [
        asked.as_ref().err(),
        institution.as_ref().err(),
        product.as_ref().err(),
        servers.as_ref().err(),
        now.as_ref().err(),
        live.as_ref().err(),
        pinned.as_ref().err(),
        not_yours.as_ref().err(),
    ]
    .into_iter()
    .flatten()
    {
        take(violations);
    }
    let (
        Ok(asked),
        Ok(institution),
        Ok(product),
        Ok(servers),
        Ok(now),
        Ok(live),
        Ok(pinned),
        Ok(not_yours),
    ) = (
        asked,
        institution,
        product,
        servers,
        now,
        live,
        pinned,
        not_yours,
    )
    else {
        return Err(Box::new(Failure::fields(wrong)));
    };
    let case = Case {
        asked: &asked,
        zone: &institution.time_zone,
        product: product.as_ref(),
        servers: &servers,
        now,
        live: &live,
        live_cut: message.live_grants_cut,
        answers,
        pinned: &pinned,
        not_yours: &not_yours,
        // Advice only: an address that cannot be read gives none.
        client_address: message.client_address.parse::<IpAddr>().ok(),
    };
    let verdict = judge(&policy.get(), &case);
    Ok(wire::CheckResponse {
        findings: verdict
            .findings
            .iter()
            .map(convert::finding_to_wire)
            .collect(),
        reading: verdict
            .reading
            .as_ref()
            .map(|reading| convert::reading_to_wire(reading, &institution.time_zone)),
    })
}

fn violation(field: &str, detail: &str) -> Violation {
    Violation {
        field: field.to_owned(),
        code: "FIELD_INVALID".to_owned(),
        detail: detail.to_owned(),
    }
}

fn class_to_wire(class: AddressClass) -> wire::AddressClass {
    let (registry_name, registry_rfc) = class.row.unwrap_or_default();
    wire::AddressClass {
        raw: class.raw,
        networks: class.networks.into_iter().map(set::canonical).collect(),
        accepted: class.accepted,
        registry_name: registry_name.to_owned(),
        registry_rfc: registry_rfc.to_owned(),
        findings: class
            .findings
            .iter()
            .map(convert::finding_to_wire)
            .collect(),
    }
}
