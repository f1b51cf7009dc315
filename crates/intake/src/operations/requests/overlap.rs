//! The live grants that a request could touch: what validation compares it with.
//!
//! Role: says what to look for, and keeps what is found small. The look-up is a read snapshot with no transaction open:
//! overlap is advice (design decision D4), and every request asks for it, so it is one statement or none.
//! Invariants: only grants of the request's own institution are looked at: access of another institution makes nothing
//! superfluous for this one, and is not its business (I5). Whatever is left out is said to be left out.
//! Failure story: a store that does not answer makes the call `UNAVAILABLE`; nothing is judged against half a picture.

use domain::{
    catalogue::Server,
    finding::any_error,
    net::{Destination, read_destinations, read_sources},
    request::{Asked, ReadDestination},
    time::Instant,
};
use proto::error::Failure;

use super::{Intake, Surroundings};
use crate::{
    ledger::store_failure,
    store::{LiveGrants, Reach, Target},
};

/// Live grants that a request is compared with, at most; beyond it validation says that it is undecided.
const OVERLAP_CANDIDATES: u32 = 500;

/// Networks and services of all of them, at most.
const OVERLAP_PARTS: usize = 20_000;

impl Intake {
    /// The live grants that `asked` could touch. None are looked up for what cannot be read: it is refused, whatever is
    /// open. What a name is resolved to is known from the second time on (`pinned`), which is when it is decided.
    pub(super) async fn live_grants(
        &self,
        asked: &Asked,
        around: &Surroundings,
        pinned: &[ReadDestination],
        now: Instant,
    ) -> Result<LiveGrants, Failure> {
        let Some(reach) = reach(asked, &around.servers, pinned) else {
            return Ok(LiveGrants::default());
        };
        let mut live = self
            .ledger
            .store()
            .live_grants(&around.institution.id, &reach, now, OVERLAP_CANDIDATES)
            .await
            .map_err(|error| store_failure(&error))?;
        // The message to validation stays small: grants of very many networks are not all sent.
        let mut parts = 0;
        let fitting = live.grants.iter().take_while(|grant| {
            parts += grant.rule.sources.len() + grant.rule.services.len();
            parts <= OVERLAP_PARTS
        });
        let fitting = fitting.count();
        live.cut |= fitting < live.grants.len();
        live.grants.truncate(fitting);
        Ok(live)
    }
}

/// What live grants are looked for by; `None` when a list is empty or cannot be read as a whole.
fn reach(asked: &Asked, servers: &[Server], pinned: &[ReadDestination]) -> Option<Reach> {
    let (sources, unread) = read_sources("sources", &asked.sources);
    let (destinations, unknown) = read_destinations("destinations", &asked.destinations);
    if sources.is_empty() || destinations.is_empty() || any_error(&unread) || any_error(&unknown) {
        return None;
    }
    let server = |destination: &Destination| {
        let mut named = servers.iter();
        named.find(|server| server.is_named_by(destination))
    };
    Some(Reach {
        destinations: destinations
            .into_iter()
            .map(|entry| {
                let resolved = pinned
                    .iter()
                    .find(|known| known.destination == entry.destination);
                Target {
                    server: server(&entry.destination).map(|server| server.id.clone()),
                    addresses: resolved.map_or_else(Vec::new, |known| known.addresses.clone()),
                    destination: entry.destination,
                }
            })
            .collect(),
        sources: sources
            .into_iter()
            .flat_map(|entry| entry.networks)
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "constants")]
    use std::time::Duration;

    use domain::catalogue::Closing;

    use super::*;

    fn asked(sources: &str, destinations: &str) -> Asked {
        Asked {
            sources: vec![sources.into()],
            destinations: vec![destinations.into()],
            ..Asked::default()
        }
    }

    #[test]
    fn what_is_asked_for_is_looked_for_under_every_place() {
        let server = Server {
            id: "host-7".parse().unwrap(),
            institution: "north".parse().unwrap(),
            product: "alma".parse().unwrap(),
            host_names: vec!["alma.north.org".into()],
            addresses: vec!["198.41.0.4".parse().unwrap()],
            cloud_team: None,
            closing: Closing::ByHand,
            lead_time: Duration::ZERO,
        };
        let asked = asked(
            "9.9.9.0-9.9.9.2 1.1.1.1",
            "ALMA.north.org., other.north.org",
        );
        let pinned = ReadDestination {
            destination: "other.north.org".parse().unwrap(),
            server: None,
            cloud_team: None,
            addresses: vec!["198.41.0.5".parse().unwrap()],
            resolved_at: None,
        };
        let reach = reach(&asked, &[server], &[pinned]).unwrap();
        let sources: Vec<String> = reach.sources.iter().map(ToString::to_string).collect();
        assert_eq!(sources, ["9.9.9.0/31", "9.9.9.2/32", "1.1.1.1/32"]);
        assert_eq!(
            reach.destinations,
            [
                Target {
                    destination: "alma.north.org".parse().unwrap(),
                    server: Some("host-7".parse().unwrap()),
                    addresses: Vec::new(),
                },
                Target {
                    destination: "other.north.org".parse().unwrap(),
                    server: None,
                    addresses: vec!["198.41.0.5".parse().unwrap()],
                },
            ]
        );
    }

    #[test]
    fn nothing_is_looked_for_when_a_list_is_empty_or_cannot_be_read() {
        for (sources, destinations) in [
            ("", "alma.north.org"),
            ("9.9.9.9", ""),
            ("9.9.9.9, 010.0.0.1", "alma.north.org"),
            ("9.9.9.9", "alma.north.org, *.north.org"),
        ] {
            let asked = asked(sources, destinations);
            assert_eq!(reach(&asked, &[], &[]), None, "{sources} -> {destinations}");
        }
    }
}
