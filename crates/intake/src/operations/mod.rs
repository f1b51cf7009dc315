//! The operations of the ledger: one file an operation, past the wire and before the store.
//!
//! Role: [`Intake`] is what every operation works with; the files beside this one add one family of operations each.
//! Invariants: permission before existence; the order inside a command is authenticate, authorize, replay, etag, step
//! (design decision D5). Nothing here sees generated messages or SQL.
//! Failure story: every operation answers a [`proto::error::Failure`]; a refused one leaves no trace.

pub(crate) mod catalogue;
pub(crate) mod catalogue_cache;
pub(crate) mod events;
pub(crate) mod grants;
pub(crate) mod history;
pub(crate) mod keys;
pub(crate) mod links;
pub(crate) mod paging;
pub(crate) mod people;
pub(crate) mod persons;
pub(crate) mod replay;
pub(crate) mod requests;

use std::{ops::Deref, sync::Arc};

use authz::Authz;
use domain::{
    access::{Action, Principal},
    id::TeamId,
};
use proto::error::Failure;
use service_kit::{clock::Clock, shutdown::Shutdown};

use self::{catalogue_cache::CatalogueCache, keys::Uses, paging::PageSeal};
use crate::{clients::Validation, history::Sealing, ledger::Ledger};

/// What every operation works with. Cheap to clone; clones share it.
#[derive(Clone)]
pub(crate) struct Intake(Arc<House>);

/// The parts of [`Intake`]; reached through it.
pub(crate) struct House {
    /// The only writer, and the store for reading.
    pub(crate) ledger: Ledger,
    /// Institutions, products and servers, at most a second old.
    pub(crate) catalogue: CatalogueCache,
    /// Who may do what.
    pub(crate) authz: Arc<Authz>,
    /// Seals places in lists.
    pub(crate) pages: PageSeal,
    /// Keys the comparison of repeated bodies.
    pub(crate) body_key: [u8; 32],
    /// When keys were used.
    pub(crate) key_uses: Uses,
    /// The judge.
    pub(crate) validation: Validation,
    /// This service's clock; what is committed is timed by the store's.
    pub(crate) clock: Clock,
    /// The end of the process.
    pub(crate) shutdown: Shutdown,
    /// The cloud team where neither the server nor the product names one.
    pub(crate) default_cloud_team: TeamId,
    /// The support team whose queue cross-product requests land in.
    pub(crate) cross_product_team: TeamId,
    /// The events' `source`.
    pub(crate) source: String,
    /// How the history is sealed.
    pub(crate) sealing: Sealing,
}

impl Intake {
    /// Puts the parts together.
    pub(crate) fn new(house: House) -> Self {
        Self(Arc::new(house))
    }

    /// Refuses at once what `caller` can never do.
    pub(crate) fn admit(&self, caller: &Principal, action: Action) -> Result<(), Failure> {
        Ok(self.authz.admit(caller, action)?)
    }
}

impl Deref for Intake {
    type Target = House;

    fn deref(&self) -> &House {
        &self.0
    }
}
