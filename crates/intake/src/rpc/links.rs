//! The thin edge of links: parse, call, encode.

use std::net::IpAddr;

use domain::{access::Action, id::LinkId};
use proto::{
    convert,
    error::Failure,
    intake::v1::{self as wire, link_service_server::LinkService},
    types::v1 as types,
};
use tonic::{Request, Response, Status};

use super::{asked, caller, guard, instant, institution, request_ref};
use crate::operations::{
    Intake,
    links::{Entered, NewLink, Seen},
};

/// Where the gateway serves the page of a link.
const PATH: &str = "/l/";

/// Serves `portreeve.intake.v1.LinkService`.
#[derive(Clone)]
pub(crate) struct LinkRpc(pub(crate) Intake);

fn digest(bytes: &[u8]) -> Result<[u8; 32], Failure> {
    bytes
        .try_into()
        .map_err(|_| Failure::field("token_sha256", "send 32 bytes"))
}

fn address(text: &str) -> Result<IpAddr, Failure> {
    text.parse::<IpAddr>()
        .map(|address| address.to_canonical())
        .map_err(|_| Failure::field("client_address", "send an address"))
}

/// What whoever holds the link may know, seen from `here`.
fn view(seen: &Seen, here: IpAddr) -> wire::LinkView {
    let (link, request) = (&seen.link, &seen.case.request);
    let zone = &request.zone;
    let question = request
        .questions
        .last()
        .filter(|question| question.answer.is_none())
        .map_or_else(String::new, |question| question.text.clone());
    wire::LinkView {
        number: request.number.to_string(),
        etag: convert::etag(request.version),
        institution: seen.institution.clone(),
        product: seen.product.clone(),
        created_by: link.created_by.display_name.clone(),
        recipient: link.recipient.clone(),
        expires_in_words: link.expires_at.in_words(zone),
        fills_in: link.fills_in && request.takes_technical_part(),
        proves_source: link.proves_source && request.takes_proofs(),
        submits: link.submits,
        question,
        justification: request.asked.justification.clone(),
        sources: request.asked.sources.clone(),
        destinations: request.asked.destinations.clone(),
        services: request.asked.services.clone(),
        here: Some(convert::compared_to_wire(request, here)),
        proofs: request
            .source_proofs
            .iter()
            .filter(|proof| proof.link == link.id)
            .map(|proof| convert::source_proof_to_wire(request, proof))
            .collect(),
    }
}

#[tonic::async_trait]
impl LinkService for LinkRpc {
    async fn create_link(
        &self,
        request: Request<wire::CreateLinkRequest>,
    ) -> Result<Response<wire::CreateLinkResponse>, Status> {
        let call = guard(
            &self.0,
            &request,
            "LinkService/CreateLink",
            Action::RequestDelegate,
            "",
            &request.get_ref().request_id,
        )?;
        let message = request.into_inner();
        let is_for = |purpose| {
            message.purposes.is_empty() || message.purposes().any(|asked| asked == purpose)
        };
        let new = NewLink {
            fills_in: is_for(wire::LinkPurpose::FillIn),
            proves_source: is_for(wire::LinkPurpose::ProveSource),
            recipient: message.recipient.clone(),
            submits: message.submits,
            expires_at: instant("expire_time", message.expire_time)?,
        };
        let institution = institution(&message.institution)?;
        let reference = request_ref(&message.id)?;
        let made = self
            .0
            .create_link(call, institution.as_ref(), reference, new)
            .await?;
        Ok(Response::new(wire::CreateLinkResponse {
            link: Some(convert::link_to_wire(&made.link, made.now)),
            path: format!("{PATH}{}", made.token),
            token: made.token,
        }))
    }

    async fn list_links(
        &self,
        request: Request<wire::ListLinksRequest>,
    ) -> Result<Response<wire::ListLinksResponse>, Status> {
        let call = guard(
            &self.0,
            &request,
            "LinkService/ListLinks",
            Action::RequestRead,
            "",
            "",
        )?;
        let message = request.into_inner();
        let institution = institution(&message.institution)?;
        let (links, now) = self
            .0
            .list_links(&call, institution.as_ref(), request_ref(&message.id)?)
            .await?;
        Ok(Response::new(wire::ListLinksResponse {
            links: links
                .iter()
                .map(|link| convert::link_to_wire(link, now))
                .collect(),
        }))
    }

    async fn revoke_link(
        &self,
        request: Request<wire::RevokeLinkRequest>,
    ) -> Result<Response<wire::RevokeLinkResponse>, Status> {
        let call = guard(
            &self.0,
            &request,
            "LinkService/RevokeLink",
            Action::RequestDelegate,
            "",
            "",
        )?;
        let message = request.into_inner();
        let institution = institution(&message.institution)?;
        let id: LinkId = message
            .link
            .parse()
            .map_err(|error: domain::id::IdError| Failure::field("link", error.to_string()))?;
        let (link, now) = self
            .0
            .revoke_link(call, institution.as_ref(), request_ref(&message.id)?, id)
            .await?;
        Ok(Response::new(wire::RevokeLinkResponse {
            link: Some(convert::link_to_wire(&link, now)),
        }))
    }

    async fn look_at_link(
        &self,
        request: Request<wire::LookAtLinkRequest>,
    ) -> Result<Response<wire::LookAtLinkResponse>, Status> {
        let caller = caller(&request)?;
        let message = request.get_ref();
        let here = address(&message.client_address)?;
        let seen = self
            .0
            .look_at_link(&caller, &digest(&message.token_sha256)?)
            .await?;
        Ok(Response::new(wire::LookAtLinkResponse {
            view: Some(view(&seen, here)),
        }))
    }

    async fn fill_in_by_link(
        &self,
        request: Request<wire::FillInByLinkRequest>,
    ) -> Result<Response<wire::FillInByLinkResponse>, Status> {
        let (etag, request_id) = {
            let message = request.get_ref();
            (message.etag.clone(), message.request_id.clone())
        };
        let call = guard(
            &self.0,
            &request,
            "LinkService/FillInByLink",
            Action::ServiceLinks,
            &etag,
            &request_id,
        )?;
        let message = request.into_inner();
        let here = address(&message.client_address)?;
        let token = digest(&message.token_sha256)?;
        // The sizes of what anybody may ask for.
        let parts = asked(Some(types::Asked {
            sources: message.sources,
            destinations: message.destinations,
            services: message.services,
            ..types::Asked::default()
        }))?;
        let entered = Entered {
            name: message.name,
            sources: parts.sources,
            destinations: parts.destinations,
            services: parts.services,
            check: message.check,
        };
        let filled = self
            .0
            .fill_in_by_link(call, &token, entered, &request_id)
            .await?;
        Ok(Response::new(wire::FillInByLinkResponse {
            view: Some(view(&filled.seen, here)),
            findings: filled
                .findings
                .iter()
                .map(convert::finding_to_wire)
                .collect(),
            accepted: filled.accepted,
            submitted: filled.submitted,
        }))
    }

    async fn prove_source_by_link(
        &self,
        request: Request<wire::ProveSourceByLinkRequest>,
    ) -> Result<Response<wire::ProveSourceByLinkResponse>, Status> {
        let caller = caller(&request)?;
        let message = request.into_inner();
        let here = address(&message.client_address)?;
        let token = digest(&message.token_sha256)?;
        let (seen, proof) = self
            .0
            .prove_source_by_link(&caller, &token, here, message.name)
            .await?;
        Ok(Response::new(wire::ProveSourceByLinkResponse {
            view: Some(view(&seen, here)),
            proof: Some(convert::source_proof_to_wire(&seen.case.request, &proof)),
        }))
    }
}
