//! A door for measurements and for those who try parsers: the look-up of live grants, and page tokens.
//!
//! Role: `make bench` fills a ledger through the same writes that commands use, and asks it what submissions ask;
//! `make fuzz` opens page tokens as a list does.
//! Compiled with the feature `measure` alone, which no service has. Domain values in, domain values out.
//! Failure story: a store that fails ends the measurement.

use std::{sync::Arc, time::Duration};

use domain::{
    catalogue::Closing,
    grant::{Grant, GrantState, Rule},
    id::{GrantId, InstitutionId, RequestId, RequestNumber, TeamId},
    net::{Destination, IpNet},
    request::Direction,
    time::{End, Instant, Validity, Zone},
};
use service_kit::{clock::Clock, parts::StoreLocation};
use uuid::Uuid;

use crate::{
    Settings,
    operations::paging::{self, PageSeal},
    store::{self, Changes, Reach, Store, StoreError, Target},
};

/// Grants that are written in one transaction.
const GROUP: usize = 2_000;

/// The page tokens of one list of one caller.
pub struct PageTokens {
    seal: PageSeal,
    list: paging::Binding,
}

impl PageTokens {
    /// Those of a ledger with `key`.
    pub fn new(key: &[u8; 32]) -> Self {
        Self {
            seal: PageSeal::new(key),
            list: paging::binding("key:1", &()),
        }
    }

    /// The token of the place after `text`.
    pub fn seal(&self, text: &str) -> String {
        self.seal.seal_text(text, &self.list)
    }

    /// The place that `token` leads to; `None` when it is no token of this list, or the empty one of the first page.
    pub fn open(&self, token: &str) -> Option<String> {
        self.seal.open_text(token, &self.list).ok().flatten()
    }
}

/// A ledger that is filled with live grants and asked about them.
pub struct LiveGrants {
    store: Arc<dyn Store>,
}

impl LiveGrants {
    /// Opens the ledger at `location`, making it as needed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn open(location: &StoreLocation, clock: Clock) -> Result<Self, StoreError> {
        let store = store::open(location, clock).await?;
        Ok(Self { store })
    }

    /// Writes a live grant without an end for each rule.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn fill(
        &self,
        rules: impl IntoIterator<Item = (InstitutionId, Rule)>,
    ) -> Result<(), StoreError> {
        let cloud_team = Settings::default().default_cloud_team;
        let mut rules = rules.into_iter().peekable();
        while rules.peek().is_some() {
            let mut transaction = self.store.begin().await?;
            let now = transaction.now();
            let changes = Changes {
                new_grants: rules
                    .by_ref()
                    .take(GROUP)
                    .map(|(institution, rule)| grant(institution, rule, &cloud_team, now))
                    .collect(),
                ..Changes::default()
            };
            transaction.write(&changes).await?;
            transaction.commit().await?;
        }
        Ok(())
    }

    /// How many live grants a request from `sources` to `destination` touches, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn touching(
        &self,
        institution: &InstitutionId,
        destination: &Destination,
        sources: &[IpNet],
        now: Instant,
        limit: u32,
    ) -> Result<usize, StoreError> {
        let reach = Reach {
            destinations: vec![Target {
                destination: destination.clone(),
                server: None,
                addresses: Vec::new(),
            }],
            sources: sources.to_vec(),
        };
        let found = self.store.live_grants(institution, &reach, now, limit);
        Ok(found.await?.grants.len())
    }
}

fn grant(institution: InstitutionId, rule: Rule, cloud_team: &TeamId, now: Instant) -> Grant {
    Grant {
        id: GrantId(Uuid::now_v7()),
        request: RequestId(Uuid::now_v7()),
        number: RequestNumber {
            year: 2026,
            count: 1,
        },
        institution,
        product: None,
        cloud_team: cloud_team.clone(),
        direction: Direction::ToHosted,
        emergency: false,
        break_glass: false,
        rule,
        validity: Validity {
            start: None,
            end: End::Permanent,
        },
        zone: Zone::UTC,
        closing: Closing::ByHand,
        lead_time: Duration::ZERO,
        state: GrantState::Active,
        hand_over_at: now,
        effective_at: Some(now),
        expires_at: None,
        ending_at: None,
        ended_at: None,
        confirm_by: None,
        end_reason: None,
        note: String::new(),
        time_box: None,
        extension: None,
        assignee: None,
        epoch: 1,
        version: 1,
        created_at: now,
        updated_at: now,
    }
}
