//! One event of the log, as this service handles it.
//!
//! Role: what `feed` reads, filters match and channels deliver. The envelope is the stored CloudEvents JSON, byte for
//! byte; everything else is there to route it.
//! Owner: intake writes events; nothing here changes one. Invariant: I5, a reader sees a record only when its
//! visibility shows it, asked at the moment of delivery.
//! Failure story: routing fields that are no slugs match no scope, so a malformed record is seen by nobody but those
//! who see everything.

use bytes::Bytes;
use domain::access::{Resource, Visibility};
use domain::id::{InstitutionId, ProductId, TeamId};

/// An event with its place in the log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Record {
    /// Gap-free position in commit order, from 1.
    pub position: u64,
    /// UUIDv7, minted once.
    pub id: String,
    /// CloudEvents type, such as `portreeve.grant.activated`.
    pub event_type: String,
    /// The aggregate.
    pub subject: String,
    /// Institution; empty for events of the house itself.
    pub institution: String,
    /// Product; may be empty.
    pub product: String,
    /// Team whose work it is; may be empty.
    pub team: String,
    /// An emergency.
    pub emergency: bool,
    /// The stored CloudEvents JSON.
    pub envelope: Bytes,
}

impl Record {
    /// Whether a reader with `visibility` may see it.
    pub fn is_visible_to(&self, visibility: &Visibility) -> bool {
        let institution: Option<InstitutionId> = self.institution.parse().ok();
        let product: Option<ProductId> = self.product.parse().ok();
        let team: Option<TeamId> = self.team.parse().ok();
        visibility.shows(&Resource {
            institution: institution.as_ref(),
            product: product.as_ref(),
            teams: team.as_slice(),
        })
    }
}

/// A place in the feed: positions count anew in each epoch, so places order by epoch first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Place {
    /// The feed's epoch.
    pub epoch: u32,
    /// Everything up to this position lies behind.
    pub position: u64,
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "constants")]
    use super::*;

    #[test]
    fn a_record_is_seen_by_its_institution_product_and_team_alone() {
        let record = Record {
            institution: "north".into(),
            product: "lims".into(),
            team: "cloud-eu".into(),
            ..Record::default()
        };
        let only = |change: &dyn Fn(&mut Visibility)| {
            let mut visibility = Visibility::default();
            change(&mut visibility);
            visibility
        };
        for sees in [
            only(&|v| v.all = true),
            only(&|v| v.reached.institutions.push("north".parse().unwrap())),
            only(&|v| v.reached.products.push("lims".parse().unwrap())),
            only(&|v| v.reached.teams.push("cloud-eu".parse().unwrap())),
        ] {
            assert!(record.is_visible_to(&sees));
        }
        for blind in [
            only(&|_| ()),
            only(&|v| v.reached.institutions.push("south".parse().unwrap())),
            only(&|v| {
                v.all = true;
                v.except.products.push("lims".parse().unwrap());
            }),
        ] {
            assert!(!record.is_visible_to(&blind));
        }
    }
}
