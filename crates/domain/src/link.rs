//! Links: a requester hands one part of one request to a colleague, without a key (H12), or has the address of a
//! network proved (H10, H11).
//!
//! Role: what a link may do, how long, and when it is over; and the proofs of source that came through links, held
//! against the sources that are asked for. The secret of a link is never here: the store keeps its hash.
//! Invariants: a link that fills in does so once; one that only proves may prove again until it ends (an institution has
//! several sites). A link never decides, and never reaches another request. Proofs are bounded and say what was seen,
//! never what is true: who may open is decided by people.
//! Failure story: none of its own; what is not open is refused by intake, which says no more of it than it must.

use std::{net::IpAddr, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    access::Actor,
    event::{Event, EventType},
    id::{InstitutionId, LinkId, RequestId},
    net::{read_sources, registry},
    refusal::Refusal,
    request::{Request, RequestState, SourceProof},
    time::Instant,
};

/// How long a link lives when nobody says.
pub const DEFAULT_LINK_TTL: Duration = Duration::from_secs(7 * 24 * 3600);

/// Longest that a link may live.
pub const MAX_LINK_TTL: Duration = Duration::from_secs(30 * 24 * 3600);

/// Links that may be made for one request in all.
pub const MAX_LINKS: usize = 50;

/// Proofs that are kept of one request, and that one link may bring.
pub const MAX_PROOFS: usize = 50;
/// As [`MAX_PROOFS`], for one link.
pub const MAX_PROOFS_OF_A_LINK: usize = 20;

/// Longest name that somebody may type, in characters.
pub const MAX_NAME_CHARACTERS: usize = 100;

/// A link to one request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// UUIDv7.
    pub id: LinkId,
    /// The one request.
    pub request: RequestId,
    /// Whose.
    pub institution: InstitutionId,
    /// For whom it was made, in the maker's words.
    pub recipient: String,
    /// It lets fill in the technical part: sources, destinations, services.
    pub fills_in: bool,
    /// What is filled in is sent on at once, when nothing else is missing.
    pub submits: bool,
    /// It lets prove where one comes from.
    pub proves_source: bool,
    /// First characters of the secret, for telling links apart.
    pub prefix: String,
    /// Made.
    pub created_at: Instant,
    /// Who made it: what comes through it counts as asked by them (I6).
    pub created_by: Actor,
    /// Ends by itself.
    pub expires_at: Instant,
    /// Taken back.
    pub revoked_at: Option<Instant>,
    /// Filled in.
    pub used_at: Option<Instant>,
}

/// Where a link stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LinkState {
    /// It works.
    Open,
    /// It was filled in.
    Used,
    /// It was taken back.
    Revoked,
    /// Its time is over.
    Expired,
}

impl Link {
    /// Where it stands at `now`. What was done to it counts before the clock.
    pub fn state(&self, now: Instant) -> LinkState {
        if self.revoked_at.is_some() {
            LinkState::Revoked
        } else if self.used_at.is_some() {
            LinkState::Used
        } else if self.expires_at <= now {
            LinkState::Expired
        } else {
            LinkState::Open
        }
    }

    /// Whoever acts through it, by the name that they gave; nobody verified it, and it says so wherever it is shown.
    pub fn actor(&self, name: &str) -> Actor {
        let name = name.trim();
        let display_name = if name.is_empty() {
            format!("somebody with the link for {}", self.recipient)
        } else {
            format!("{name} (by link, name not verified)")
        };
        Actor {
            id: format!("link:{}", self.id),
            display_name,
            owner: None,
        }
    }
}

/// Whether a text can be the name of somebody: short, and without characters that hide or turn what stands around it.
pub fn is_name(text: &str) -> bool {
    let unseen = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let text = text.trim();
    !text.is_empty() && text.chars().count() <= MAX_NAME_CHARACTERS && !text.chars().any(unseen)
}

/// A proof held against what is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProofOutcome {
    /// Inside a source that is asked for.
    Confirmed,
    /// A public address that is not among them.
    Different,
    /// It cannot be a public source.
    NotPublic,
}

impl Request {
    /// Whether its technical part can be filled in now.
    pub const fn takes_technical_part(&self) -> bool {
        matches!(self.state, RequestState::Draft | RequestState::InfoNeeded)
    }

    /// Whether proofs of source still help to decide.
    pub const fn takes_proofs(&self) -> bool {
        matches!(
            self.state,
            RequestState::Draft
                | RequestState::Submitted
                | RequestState::InReview
                | RequestState::InfoNeeded
        )
    }

    /// Whether a link for this can be made now.
    ///
    /// # Errors
    /// [`Refusal::IllegalMove`].
    pub const fn may_delegate(&self, fills_in: bool) -> Result<(), Refusal> {
        let possible = if fills_in {
            self.takes_technical_part()
        } else {
            self.takes_proofs()
        };
        if possible {
            return Ok(());
        }
        let remedy = if self.takes_proofs() {
            "the technical part can be filled in while it is a draft or a question is open; a link that only proves a source is possible now"
        } else {
            "links are for requests that are not decided yet"
        };
        Err(Refusal::IllegalMove {
            command: "delegate",
            state: self.state.as_str(),
            remedy,
        })
    }

    /// Holds `address` against the sources that are asked for, with one sentence about it.
    pub fn compare_source(&self, address: IpAddr) -> (ProofOutcome, String) {
        let class = registry::classify(address);
        if !class.public {
            let said = format!("{} {}", class.explanation, class.advice);
            return (ProofOutcome::NotPublic, said.trim().to_owned());
        }
        let inside = match &self.reading {
            Some(reading) => reading
                .networks()
                .find(|network| network.contains(&address))
                .copied(),
            None => read_sources("sources", &self.asked.sources)
                .0
                .iter()
                .flat_map(|entry| &entry.networks)
                .find(|network| network.contains(&address))
                .copied(),
        };
        match inside {
            Some(network) if network.prefix_len() == network.max_prefix_len() => (
                ProofOutcome::Confirmed,
                format!("{address} is one of the requested sources."),
            ),
            Some(network) => (
                ProofOutcome::Confirmed,
                format!("{address} is inside the requested source {network}."),
            ),
            None => (
                ProofOutcome::Different,
                format!("{address} is public, but not among the requested sources."),
            ),
        }
    }

    /// Records a proof with its event. `None`: this link proved this address before, and nothing changed.
    ///
    /// # Errors
    /// [`Refusal::IllegalMove`] when the request is decided; [`Refusal::TooManyProofs`].
    pub fn prove_source(
        &mut self,
        link: &Link,
        address: IpAddr,
        name: &str,
        now: Instant,
    ) -> Result<Option<Event>, Refusal> {
        self.may_delegate(false)?;
        let of_link = |proof: &&SourceProof| proof.link == link.id;
        if self
            .source_proofs
            .iter()
            .filter(of_link)
            .any(|proof| proof.address == address)
        {
            return Ok(None);
        }
        if self.source_proofs.len() >= MAX_PROOFS
            || self.source_proofs.iter().filter(of_link).count() >= MAX_PROOFS_OF_A_LINK
        {
            return Err(Refusal::TooManyProofs);
        }
        let actor = link.actor(name);
        let (_, said) = self.compare_source(address);
        let event = Event::new(EventType::RequestSourceProved, &actor, now).with_note(&said);
        self.source_proofs.push(SourceProof {
            address,
            at: now,
            link: link.id,
            actor,
        });
        self.version += 1;
        self.updated_at = now;
        Ok(Some(event))
    }

    /// What came through `link` counts as asked by who made it (I6).
    pub fn count_as_asked_by(&mut self, maker: &Actor) {
        if self.requester.id != maker.id
            && !self.asked_through.iter().any(|other| other.id == maker.id)
        {
            self.asked_through.push(maker.clone());
        }
    }

    /// Everybody who asked: the requester, who had it filled in by others, and who else wrote into it.
    pub fn askers(&self) -> impl Iterator<Item = &Actor> {
        std::iter::once(&self.requester)
            .chain(&self.asked_through)
            .chain(&self.authors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_hide_something_are_none() {
        for good in ["Ada", "  Zoë O'Hara  ", "山田 太郎", "NetOps (Leeds)"] {
            assert!(is_name(good), "{good}");
        }
        let long = "a".repeat(101);
        for bad in [
            "",
            "   ",
            "a\nb",
            "a\u{202e}nimda",
            "a\u{200b}b",
            "\u{2066}x",
            long.as_str(),
        ] {
            assert!(!is_name(bad), "{bad:?}");
        }
    }

    #[test]
    fn what_was_done_to_a_link_counts_before_the_clock() {
        let at = Instant::from_micros;
        let link = Link {
            id: LinkId(uuid::Uuid::from_u128(1)),
            request: RequestId(uuid::Uuid::from_u128(2)),
            institution: "north".parse().unwrap_or_else(|_| unreachable!()),
            recipient: "NetOps".into(),
            fills_in: true,
            submits: false,
            proves_source: false,
            prefix: "prl_12345678".into(),
            created_at: at(0),
            created_by: Actor::clock(),
            expires_at: at(10),
            revoked_at: None,
            used_at: None,
        };
        assert_eq!(link.state(at(9)), LinkState::Open);
        assert_eq!(link.state(at(10)), LinkState::Expired);
        let used = Link {
            used_at: Some(at(5)),
            ..link.clone()
        };
        assert_eq!(used.state(at(11)), LinkState::Used);
        let revoked = Link {
            revoked_at: Some(at(6)),
            ..used
        };
        assert_eq!(revoked.state(at(7)), LinkState::Revoked);
        assert_eq!(
            link.actor(" Ada ").display_name,
            "Ada (by link, name not verified)"
        );
        assert!(link.actor("").display_name.contains("NetOps"));
    }
}
