//! Destinations that are servers of other institutions.
//!
//! Role: hands validation what it cannot see: it gets the institution's own servers only (I5). What the requester
//! learns is that a destination is not theirs, never whose it is.
//! Invariants: asked only about what the own inventory does not know, one index probe each, bounded by
//! [`MAX_ASKED`].
//! Failure story: a store that does not answer is the caller's failure.

use domain::{
    catalogue::Server,
    id::InstitutionId,
    net::{Destination, read_destinations},
    request::{Asked, Direction},
};
use proto::error::Failure;

use super::Intake;
use crate::ledger::store_failure;

/// Destinations of one request that are looked for, at most.
const MAX_ASKED: usize = 32;

impl Intake {
    /// The destinations that are servers of others, and not of this institution.
    pub(super) async fn not_yours(
        &self,
        institution: &InstitutionId,
        asked: &Asked,
        servers: &[Server],
    ) -> Result<Vec<Destination>, Failure> {
        if asked.direction != Direction::ToHosted {
            return Ok(Vec::new());
        }
        let (entries, _) = read_destinations("destinations", &asked.destinations);
        let mut unknown: Vec<Destination> = Vec::new();
        for entry in entries {
            let own = servers
                .iter()
                .any(|server| server.is_named_by(&entry.destination));
            if !own && !unknown.contains(&entry.destination) && unknown.len() < MAX_ASKED {
                unknown.push(entry.destination);
            }
        }
        let mut found = Vec::new();
        for destination in unknown {
            let is_of_others = self
                .ledger
                .store()
                .is_of_others(institution, &destination)
                .await
                .map_err(|error| store_failure(&error))?;
            if is_of_others {
                found.push(destination);
            }
        }
        Ok(found)
    }
}
