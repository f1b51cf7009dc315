//! `portreeve request use-proof …`: take an address that somebody proved to come from into the sources.
//!
//! Role: reads the request, looks the proof up, and edits the sources as `request edit` does: what is written down is
//! what was seen, and nobody copies an address by hand.
//! Invariants: only an address that was proved goes in, and only where it is not covered already; the edit is guarded by
//! the version in which the proof was read (or `--etag`).
//! Failure story: an address that nobody proved, or that cannot be a source, changes nothing and exits with 3; what the
//! gateway refuses is told as it tells it.

use std::net::IpAddr;

use clap::Args;
use proto::{
    intake::v1 as intake,
    types::v1::{AccessRequest, Asked, ProofOutcome, SourceProof},
};

use super::super::Context;
use crate::{
    client::{ANY_INSTITUTION, RequestTarget, empty_answer, read_request},
    trouble::Trouble,
};

/// `request use-proof`.
#[derive(Debug, Clone, Args)]
pub struct UseProof {
    /// Which.
    #[command(flatten)]
    pub target: RequestTarget,
    /// The address that was proved, as 'portreeve request show' tells it.
    #[arg(value_name = "ADDRESS")]
    pub address: IpAddr,
}

/// Runs the command and gives the request as it is now.
pub(super) async fn use_proof(context: &Context, args: UseProof) -> Result<AccessRequest, Trouble> {
    let request = read_request(&context.session, &args.target.id).await?;
    if !takes(&request.source_proofs, args.address)? {
        context.say(format_args!(
            "{} is inside the requested sources already; nothing was changed",
            args.address
        ));
        return Ok(request);
    }
    let mut sources = request.asked.map(|asked| asked.sources).unwrap_or_default();
    sources.push(args.address.to_string());
    let message = intake::UpdateAccessRequestRequest {
        institution: ANY_INSTITUTION.into(),
        id: args.target.id,
        etag: args.target.change.etag.clone().unwrap_or(request.etag),
        request_id: args.target.change.request_id(),
        asked: Some(Asked {
            sources,
            ..Asked::default()
        }),
        update_mask: Some(prost_types::FieldMask {
            paths: vec!["sources".into()],
        }),
    };
    let answer = context
        .session
        .requests()
        .update_access_request(message)
        .await?;
    answer.into_inner().access_request.ok_or_else(empty_answer)
}

/// Whether the sources have to change for `address`; an error when they cannot.
fn takes(proofs: &[SourceProof], address: IpAddr) -> Result<bool, Trouble> {
    let proved = |proof: &&SourceProof| proof.address.parse() == Ok(address.to_canonical());
    let proof = proofs.iter().find(proved).ok_or_else(|| {
        Trouble::No(format!(
            "nobody proved to come from {address}; 'portreeve request show' tells who did"
        ))
    })?;
    match proof.outcome() {
        ProofOutcome::Confirmed => Ok(false),
        ProofOutcome::Different => Ok(true),
        ProofOutcome::NotPublic | ProofOutcome::Unspecified => {
            Err(Trouble::No(proof.explanation.clone()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_proved_and_is_not_yet_there_goes_in() {
        let proof = |address: &str, outcome: ProofOutcome| SourceProof {
            address: address.into(),
            outcome: outcome.into(),
            explanation: "why".into(),
            ..SourceProof::default()
        };
        let proofs = [
            proof("9.9.9.9", ProofOutcome::Different),
            proof("1.1.1.1", ProofOutcome::Confirmed),
            proof("100.64.1.2", ProofOutcome::NotPublic),
        ];
        let taken = |address: [u8; 4]| takes(&proofs, address.into()).map_err(|no| no.exit_code());
        assert_eq!(taken([9, 9, 9, 9]).ok(), Some(true));
        assert_eq!(taken([1, 1, 1, 1]).ok(), Some(false));
        assert_eq!(taken([100, 64, 1, 2]).err(), Some(3));
        assert_eq!(taken([8, 8, 8, 8]).err(), Some(3));
        let clothed = IpAddr::from([0, 0, 0, 0, 0, 0xffff, 0x0909, 0x0909]);
        assert_eq!(takes(&proofs, clothed).ok(), Some(true));
    }
}
