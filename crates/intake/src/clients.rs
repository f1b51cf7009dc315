//! The services that intake asks: validation.
//!
//! Role: domain values in, domain values out; the wire stays here. Intake calls as itself: what the caller may do was
//! decided before.
//! Failure story: a validation service that does not answer makes submissions `UNAVAILABLE`; nothing is submitted
//! unjudged.

use std::time::Duration;

use domain::{
    access::Principal,
    catalogue::{Institution, Product, Server},
    grant::Grant,
    net::Destination,
    request::{Asked, ReadDestination, Verdict},
    time::Instant,
};
use proto::{
    convert,
    error::Failure,
    identity,
    validation::v1::{CheckRequest, validation_service_client::ValidationServiceClient},
};
use service_kit::{
    channel::{self, ClientChannel},
    identity::{TokenInjector, TokenSigner, attach},
};

/// How long a verdict may take.
const CHECK_DEADLINE: Duration = Duration::from_secs(5);

/// How long a token of our own holds.
const TOKEN_TTL: Duration = Duration::from_secs(60);

/// The judge.
#[derive(Clone)]
pub(crate) struct Validation {
    client: ValidationServiceClient<ClientChannel>,
    identity: TokenInjector,
}

/// What a request is judged against.
pub(crate) struct Against<'a> {
    pub(crate) institution: &'a Institution,
    pub(crate) product: Option<&'a Product>,
    pub(crate) servers: &'a [Server],
    pub(crate) live_grants: &'a [Grant],
    pub(crate) live_grants_cut: bool,
    /// Destinations that are servers of other institutions.
    pub(crate) not_yours: &'a [Destination],
    /// What the request's destinations were resolved to when it was judged before.
    pub(crate) pinned: &'a [ReadDestination],
    pub(crate) now: Instant,
}

impl Validation {
    /// The judge behind `channel`, called as the service `intake`.
    pub(crate) fn new(channel: ClientChannel, signer: TokenSigner) -> Self {
        let payload = identity::encode_principal(&Principal::service("intake"));
        Self {
            client: ValidationServiceClient::new(channel),
            identity: TokenInjector::new(signer, payload, TOKEN_TTL),
        }
    }

    /// The verdict on `asked`, once and whole.
    ///
    /// # Errors
    /// `UNAVAILABLE` when the judge does not answer.
    pub(crate) async fn check(
        &self,
        asked: &Asked,
        against: &Against<'_>,
    ) -> Result<Verdict, Failure> {
        let message = CheckRequest {
            asked: Some(convert::asked_to_wire(asked)),
            institution: Some(convert::institution_to_wire(against.institution, 0)),
            product: against
                .product
                .map(|product| convert::product_to_wire(product, 0)),
            servers: against
                .servers
                .iter()
                .map(|server| convert::server_to_wire(server, 0))
                .collect(),
            now: Some(convert::instant_to_wire(against.now)),
            live_grants: against
                .live_grants
                .iter()
                .map(convert::live_grant_to_wire)
                .collect(),
            client_address: String::new(),
            live_grants_cut: against.live_grants_cut,
            not_yours: against.not_yours.iter().map(ToString::to_string).collect(),
            pinned: against
                .pinned
                .iter()
                .map(convert::read_destination_to_wire)
                .collect(),
        };
        let mut request = channel::with_deadline(tonic::Request::new(message), CHECK_DEADLINE);
        attach(&mut request, &self.identity.token());
        let answer = self.client.clone().check(request).await.map_err(|status| {
            tracing::warn!(%status, "validation did not answer");
            Failure::unavailable("the request could not be judged at the moment; try again")
        })?;
        let answer = answer.into_inner();
        Ok(Verdict {
            reading: answer.reading.as_ref().and_then(convert::reading_from_wire),
            findings: convert::findings_from_wire(answer.findings),
        })
    }
}
