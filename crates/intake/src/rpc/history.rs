//! `portreeve.intake.v1.HistoryService`: parse, call, encode.
//!
//! Failure story: every malformed field is named with what to write instead.

use domain::{
    access::Action,
    id::EventId,
    net::{Probe, Protocol},
};
use proto::{
    convert,
    error::Failure,
    intake::v1::{self as wire, history_service_server::HistoryService},
};
use tlog::Hash;
use tonic::{Request, Response, Status};

use super::{address, caller, instant, slug};
use crate::operations::{
    Intake,
    history::{Look, Trace},
    paging,
};

/// Serves `portreeve.intake.v1.HistoryService`.
#[derive(Clone)]
pub(crate) struct HistoryRpc(pub(crate) Intake);

fn hashes(proof: &[Hash]) -> Vec<String> {
    proof.iter().map(Hash::to_base64).collect()
}

/// Reads `tcp/443`, `443`, `tcp` or `icmp`.
fn service(text: &str) -> Result<(Option<Protocol>, Option<u16>), Failure> {
    let wrong = || Failure::field("service", "write one such as tcp/443, 443 or icmp");
    let text = text.trim();
    if text.is_empty() {
        return Ok((None, None));
    }
    let protocol = |word: &str| Protocol::from_word(word).ok_or_else(wrong);
    let port = |digits: &str| {
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
        digits
            .parse::<u16>()
            .ok()
            .filter(|_| plain)
            .ok_or_else(wrong)
    };
    match text.split_once('/') {
        Some((word, digits)) => Ok((Some(protocol(word)?), Some(port(digits)?))),
        None if text.starts_with(|first: char| first.is_ascii_digit()) => {
            Ok((None, Some(port(text)?)))
        }
        None => Ok((Some(protocol(text)?), None)),
    }
}

fn texts<T: ToString>(values: impl Iterator<Item = T>) -> Vec<String> {
    values.map(|value| value.to_string()).collect()
}

fn present(trace: Trace, at: domain::time::Instant) -> wire::AccessTrace {
    let opening = trace.opening;
    let (open, closing) = (opening.was_open(at), opening.was_closing(at));
    let time = |at: Option<domain::time::Instant>| at.map(convert::instant_to_wire);
    let (approved_by, approved_at) = opening.approved_by.unzip();
    let activated = opening.activated;
    let reviewed = activated.as_ref().and_then(|one| one.reviewed.as_ref());
    let rule = opening.rule;
    wire::AccessTrace {
        open,
        closing,
        grant: opening.grant.to_string(),
        institution: trace.institution,
        access_request: trace.request,
        number: trace.number,
        sources: texts(rule.iter().flat_map(|rule| &rule.sources)),
        destination: rule
            .as_ref()
            .map(|rule| rule.destination.to_string())
            .unwrap_or_default(),
        addresses: texts(rule.iter().flat_map(|rule| &rule.addresses)),
        services: texts(rule.iter().flat_map(|rule| &rule.services)),
        effective_time: time(Some(opening.since)),
        expire_time: time(opening.until),
        ending_time: time(opening.ending_at),
        end_time: time(opening.ended_at),
        end_reason: convert::end_reason_to_wire(opening.end_reason).into(),
        asked_by: opening.asked_by.as_ref().map(convert::actor_to_wire),
        approved_by: approved_by.as_ref().map(convert::actor_to_wire),
        approve_time: time(approved_at),
        opened_by: Some(convert::actor_to_wire(&opening.opened_by)),
        imported: opening.imported,
        activated_by: activated
            .as_ref()
            .map(|one| convert::actor_to_wire(&one.by)),
        activate_time: time(activated.as_ref().map(|one| one.at)),
        reviewed_by: reviewed.map(|(by, _, _)| convert::actor_to_wire(by)),
        review_time: time(reviewed.map(|(_, at, _)| *at)),
        review_confirmed: reviewed.is_some_and(|(_, _, confirmed)| *confirmed),
        review_missed_time: time(activated.as_ref().and_then(|one| one.missed_at)),
    }
}

#[tonic::async_trait]
impl HistoryService for HistoryRpc {
    async fn get_history_head(
        &self,
        request: Request<wire::GetHistoryHeadRequest>,
    ) -> Result<Response<wire::GetHistoryHeadResponse>, Status> {
        let head = self.0.history_head(&caller(&request)?).await?;
        Ok(Response::new(wire::GetHistoryHeadResponse {
            head: Some(wire::HistoryHead {
                seal_time: Some(convert::instant_to_wire(head.sealed.at)),
                tree_size: head.sealed.size,
                checkpoint: head.sealed.note,
                root_hash: head.root.to_base64(),
                verifier_key: head.verifier_key,
            }),
        }))
    }

    async fn prove_event(
        &self,
        request: Request<wire::ProveEventRequest>,
    ) -> Result<Response<wire::ProveEventResponse>, Status> {
        let caller = caller(&request)?;
        self.0.admit(&caller, Action::HistoryRead)?;
        let id: EventId = request
            .get_ref()
            .id
            .parse()
            .map_err(|_| Failure::field("id", "write the event's id, a UUID"))?;
        let proof = self.0.prove_event(&caller, id).await?;
        Ok(Response::new(wire::ProveEventResponse {
            proof: Some(wire::EventProof {
                event: String::from_utf8_lossy(&proof.envelope).into_owned(),
                leaf_index: proof.index,
                tree_size: proof.sealed.size,
                proof: hashes(&proof.proof),
                checkpoint: proof.sealed.note,
            }),
        }))
    }

    async fn prove_growth(
        &self,
        request: Request<wire::ProveGrowthRequest>,
    ) -> Result<Response<wire::ProveGrowthResponse>, Status> {
        let from = request.get_ref().from_size;
        let proof = self.0.prove_growth(&caller(&request)?, from).await?;
        Ok(Response::new(wire::ProveGrowthResponse {
            proof: Some(wire::GrowthProof {
                from_size: proof.from,
                tree_size: proof.sealed.size,
                proof: hashes(&proof.proof),
                checkpoint: proof.sealed.note,
            }),
        }))
    }

    async fn trace_access(
        &self,
        request: Request<wire::TraceAccessRequest>,
    ) -> Result<Response<wire::TraceAccessResponse>, Status> {
        let caller = caller(&request)?;
        self.0.admit(&caller, Action::AccessTrace)?;
        let mut message = request.into_inner();
        let page_token = std::mem::take(&mut message.page_token);
        let page_size = std::mem::take(&mut message.page_size);
        let binding = paging::binding(&caller.id, &message);
        let (protocol, port) = service(&message.service)?;
        let destination =
            match message.destination.trim() {
                "" => None,
                text => Some(text.parse().map_err(|_| {
                    Failure::field("destination", "write a host name or an address")
                })?),
            };
        let source = address(&message.source).map_err(|_| {
            Failure::field("source", "write an address such as 9.9.9.9 or 2620:fe::fe")
        })?;
        let look = Look {
            at: instant("time", message.time)?,
            probe: Probe {
                source,
                destination,
                protocol,
                port,
            },
            institution: slug("institution", &message.institution)?,
            closed_too: message.show_closed,
            page_size,
            page_token,
            binding,
        };
        let traces = self.0.trace_access(&caller, look).await?;
        let at = traces.at;
        Ok(Response::new(wire::TraceAccessResponse {
            time: Some(convert::instant_to_wire(at)),
            traces: traces
                .traces
                .into_iter()
                .map(|trace| present(trace, at))
                .collect(),
            next_page_token: traces.next_page_token,
        }))
    }
}
