//! What the gateway asks of intake for who holds a link.
//!
//! Role: plain values in, plain values out: what a page shows of a request, of a proof, and of what was found.
//! Invariants: the token is never sent, only its hash, and the address that the gateway saw.
//! Failure story: a [`Failure`] as intake gave it, or `UNAVAILABLE` when intake cannot be reached.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use proto::error::Failure;
use proto::intake::v1::link_service_client::LinkServiceClient;
use proto::intake::v1::{
    FillInByLinkRequest, LinkView, LookAtLinkRequest, ProveSourceByLinkRequest,
};
use proto::types::v1::{Finding, ProofOutcome, Severity, SourceProof};
use service_kit::channel::{ClientChannel, with_deadline};
use service_kit::identity::{TokenInjector, TokenSigner, attach};

/// What whoever holds a link may know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) number: String,
    /// The request's version, for filling in.
    pub(crate) version: String,
    pub(crate) institution: String,
    pub(crate) product: String,
    pub(crate) created_by: String,
    pub(crate) expires_in_words: String,
    pub(crate) fills_in: bool,
    pub(crate) proves_source: bool,
    pub(crate) submits: bool,
    pub(crate) question: String,
    pub(crate) justification: String,
    pub(crate) sources: Vec<String>,
    pub(crate) destinations: Vec<String>,
    pub(crate) services: Vec<String>,
    /// Where one is, held against the sources; nothing was recorded.
    pub(crate) here: Option<Proof>,
    /// What was recorded through this link.
    pub(crate) proofs: Vec<Proof>,
}

/// An address held against the sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Proof {
    pub(crate) address: String,
    pub(crate) is_ipv6: bool,
    pub(crate) time_in_words: String,
    pub(crate) outcome: Outcome,
    pub(crate) explanation: String,
}

/// How an address and the sources stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Confirmed,
    Different,
    NotPublic,
}

/// Something to say about what was entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remark {
    pub(crate) weight: Weight,
    /// Such as `sources`.
    pub(crate) field: String,
    /// Which line of it.
    pub(crate) line: Option<usize>,
    /// Which bytes of the line.
    pub(crate) span: Option<(usize, usize)>,
    pub(crate) words: String,
    pub(crate) why: String,
    /// Texts that may stand in its place.
    pub(crate) corrections: Vec<String>,
}

/// How much a remark weighs: what stops comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Weight {
    Stops,
    Warns,
    Tells,
}

/// What somebody entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entered {
    pub(crate) name: String,
    pub(crate) sources: Vec<String>,
    pub(crate) destinations: Vec<String>,
    pub(crate) services: Vec<String>,
    /// Judge and change nothing.
    pub(crate) check: bool,
    /// The version that the page showed.
    pub(crate) version: String,
    /// Names the attempt.
    pub(crate) attempt: String,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Filled {
    pub(crate) view: View,
    pub(crate) remarks: Vec<Remark>,
    pub(crate) accepted: bool,
    pub(crate) submitted: bool,
}

/// Which link, and from where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) token_sha256: [u8; 32],
    pub(crate) client: IpAddr,
}

impl Holder {
    fn digest(&self) -> Bytes {
        Bytes::copy_from_slice(&self.token_sha256)
    }
}

/// Acts at intake for who holds a link.
#[derive(Clone)]
pub(crate) struct Links {
    intake: ClientChannel,
    own: TokenInjector,
    deadline: Duration,
}

impl Links {
    pub(crate) fn new(intake: ClientChannel, signer: TokenSigner, deadline: Duration) -> Self {
        Self {
            intake,
            own: super::own_tokens(signer),
            deadline,
        }
    }

    fn client(&self) -> LinkServiceClient<ClientChannel> {
        LinkServiceClient::new(self.intake.clone())
    }

    fn request<M>(&self, message: M) -> tonic::Request<M> {
        let mut request = with_deadline(tonic::Request::new(message), self.deadline);
        attach(&mut request, &self.own.token());
        request
    }

    /// What the link is for; changes nothing.
    pub(crate) async fn look(&self, holder: Holder) -> Result<View, Failure> {
        let message = LookAtLinkRequest {
            token_sha256: holder.digest(),
            client_address: holder.client.to_string(),
        };
        let answer = self
            .client()
            .look_at_link(self.request(message))
            .await
            .map_err(|status| Failure::from_status(&status))?;
        Ok(view(answer.into_inner().view.unwrap_or_default()))
    }

    /// Judges or stores what was entered.
    pub(crate) async fn fill_in(
        &self,
        holder: Holder,
        entered: Entered,
    ) -> Result<Filled, Failure> {
        let message = FillInByLinkRequest {
            token_sha256: holder.digest(),
            client_address: holder.client.to_string(),
            name: entered.name,
            sources: entered.sources,
            destinations: entered.destinations,
            services: entered.services,
            check: entered.check,
            etag: entered.version,
            request_id: entered.attempt,
        };
        let answer = self
            .client()
            .fill_in_by_link(self.request(message))
            .await
            .map_err(|status| Failure::from_status(&status))?
            .into_inner();
        Ok(Filled {
            view: view(answer.view.unwrap_or_default()),
            remarks: answer.findings.into_iter().map(remark).collect(),
            accepted: answer.accepted,
            submitted: answer.submitted,
        })
    }

    /// Records where somebody comes from.
    pub(crate) async fn prove(
        &self,
        holder: Holder,
        name: String,
    ) -> Result<(View, Proof), Failure> {
        let message = ProveSourceByLinkRequest {
            token_sha256: holder.digest(),
            client_address: holder.client.to_string(),
            name,
        };
        let answer = self
            .client()
            .prove_source_by_link(self.request(message))
            .await
            .map_err(|status| Failure::from_status(&status))?
            .into_inner();
        let proved = answer.proof.ok_or_else(Failure::internal)?;
        Ok((view(answer.view.unwrap_or_default()), proof(proved)))
    }
}

fn view(message: LinkView) -> View {
    View {
        number: message.number,
        version: message.etag,
        institution: message.institution,
        product: message.product,
        created_by: message.created_by,
        expires_in_words: message.expires_in_words,
        fills_in: message.fills_in,
        proves_source: message.proves_source,
        submits: message.submits,
        question: message.question,
        justification: message.justification,
        sources: message.sources,
        destinations: message.destinations,
        services: message.services,
        here: message.here.map(proof),
        proofs: message.proofs.into_iter().map(proof).collect(),
    }
}

fn proof(message: SourceProof) -> Proof {
    Proof {
        outcome: match message.outcome() {
            ProofOutcome::Confirmed => Outcome::Confirmed,
            ProofOutcome::Different => Outcome::Different,
            ProofOutcome::NotPublic | ProofOutcome::Unspecified => Outcome::NotPublic,
        },
        is_ipv6: message.family == "ipv6",
        address: message.address,
        time_in_words: message.time_in_words,
        explanation: message.explanation,
    }
}

fn remark(message: Finding) -> Remark {
    let weight = match message.severity() {
        Severity::Error => Weight::Stops,
        Severity::Warning => Weight::Warns,
        Severity::Info | Severity::Unspecified => Weight::Tells,
    };
    let (field, line) = match message.field.split_once('[') {
        Some((field, rest)) => (field, rest.trim_end_matches(']').parse().ok()),
        None => (message.field.as_str(), None),
    };
    // Messages are written for terminals too: what they quote stands between backticks.
    let plain = |text: &str| text.replace('`', "");
    Remark {
        weight,
        field: field.to_owned(),
        line,
        span: message
            .span
            .map(|span| (span.start as usize, span.end as usize)),
        words: plain(&message.message),
        why: plain(&message.why),
        corrections: message
            .suggestion
            .into_iter()
            .chain(message.alternatives)
            .collect(),
    }
}
