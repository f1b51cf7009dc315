//! Links and proofs of source as messages.

use std::net::IpAddr;

use domain::{
    link::{Link, LinkState, ProofOutcome},
    request::{Request, SourceProof},
    time::Instant,
};

use super::{actor_to_wire, instant_to_wire};
use crate::{intake::v1 as intake, types::v1 as wire};

/// A link as it stands at `now`.
pub fn link_to_wire(link: &Link, now: Instant) -> intake::Link {
    let state = match link.state(now) {
        LinkState::Open => intake::LinkState::Open,
        LinkState::Used => intake::LinkState::Used,
        LinkState::Revoked => intake::LinkState::Revoked,
        LinkState::Expired => intake::LinkState::Expired,
    };
    let purposes = [
        (link.fills_in, intake::LinkPurpose::FillIn),
        (link.proves_source, intake::LinkPurpose::ProveSource),
    ];
    intake::Link {
        id: link.id.to_string(),
        access_request: link.request.to_string(),
        recipient: link.recipient.clone(),
        purposes: purposes
            .into_iter()
            .filter(|(is_for, _)| *is_for)
            .map(|(_, purpose)| purpose.into())
            .collect(),
        submits: link.submits,
        prefix: link.prefix.clone(),
        state: state.into(),
        create_time: Some(instant_to_wire(link.created_at)),
        created_by: Some(actor_to_wire(&link.created_by)),
        expire_time: Some(instant_to_wire(link.expires_at)),
        use_time: link.used_at.map(instant_to_wire),
        revoke_time: link.revoked_at.map(instant_to_wire),
    }
}

/// An address held against the sources of `request`, recorded or not.
pub fn compared_to_wire(request: &Request, address: IpAddr) -> wire::SourceProof {
    let (outcome, explanation) = request.compare_source(address);
    let outcome = match outcome {
        ProofOutcome::Confirmed => wire::ProofOutcome::Confirmed,
        ProofOutcome::Different => wire::ProofOutcome::Different,
        ProofOutcome::NotPublic => wire::ProofOutcome::NotPublic,
    };
    let family = match address {
        IpAddr::V4(_) => "ipv4",
        IpAddr::V6(_) => "ipv6",
    };
    wire::SourceProof {
        address: address.to_string(),
        family: family.to_owned(),
        outcome: outcome.into(),
        explanation,
        ..wire::SourceProof::default()
    }
}

/// A proof of `request`, held against its sources as they are now.
pub fn source_proof_to_wire(request: &Request, proof: &SourceProof) -> wire::SourceProof {
    wire::SourceProof {
        prove_time: Some(instant_to_wire(proof.at)),
        time_in_words: proof.at.in_words(&request.zone),
        actor: Some(actor_to_wire(&proof.actor)),
        ..compared_to_wire(request, proof.address)
    }
}
