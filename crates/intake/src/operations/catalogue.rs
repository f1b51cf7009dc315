//! The catalogue: reading it, and who may see what of it.
//!
//! Role: institutions, products and servers as they are stored now; what changes them is in [`store_rows`].
//! Invariants: I5: whoever the policies show no institution meets another's and a made-up id in the same answer; what is
//! listed and what is read one by one come from the same decisions.
//! Failure story: what is not there, or not visible, is not found.

mod rows;
mod store_rows;

use domain::{
    access::{Action, Principal, Resource, Visibility},
    catalogue::{Institution, Product, Server},
    id::{InstitutionId, ProductId, ServerId},
};
use proto::error::Failure;

use super::Intake;
use crate::{
    ledger::store_failure,
    store::{StoreError, Versioned},
};

pub(crate) use store_rows::{Batch, MAX_ROWS, invalid};

/// A page of a list by id.
pub(crate) struct ListPage<T> {
    /// The rows, by id.
    pub(crate) rows: Vec<Versioned<T>>,
    /// The id that the next page begins after; `None`: this is the last.
    pub(crate) next: Option<String>,
}

impl<T> ListPage<T> {
    /// Of one row more than fits, `id` names the last one that does.
    fn cut(mut rows: Vec<Versioned<T>>, limit: u32, id: impl Fn(&T) -> &str) -> Self {
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let next = more
            .then(|| rows.last().map(|last| id(&last.value).to_owned()))
            .flatten();
        Self { rows, next }
    }
}

fn shows_institution(visible: &Visibility, id: &InstitutionId) -> bool {
    visible.shows(&Resource {
        institution: Some(id),
        ..Resource::default()
    })
}

fn shows_product(visible: &Visibility, id: &ProductId) -> bool {
    visible.shows(&Resource {
        product: Some(id),
        ..Resource::default()
    })
}

fn not_there<T>(
    found: Result<Option<T>, StoreError>,
    missing: impl FnOnce() -> Failure,
) -> Result<T, Failure> {
    found
        .map_err(|error| store_failure(&error))?
        .ok_or_else(missing)
}

fn no_institution() -> Failure {
    Failure::not_found("INSTITUTION_NOT_FOUND", "institution")
}

impl Intake {
    /// What of the catalogue the caller sees by `action`.
    fn sees(&self, caller: &Principal, action: Action) -> Result<Visibility, Failure> {
        let asking = self.authz.asking(caller);
        asking.admit(action)?;
        Ok(asking.visible(action))
    }

    /// One institution.
    pub(crate) async fn get_institution(
        &self,
        caller: &Principal,
        id: &InstitutionId,
    ) -> Result<Versioned<Institution>, Failure> {
        let sees = self.sees(caller, Action::CatalogueRead)?;
        if !shows_institution(&sees, id) {
            return Err(no_institution());
        }
        not_there(self.ledger.store().institution(id).await, no_institution)
    }

    /// A page of the institutions that the caller sees.
    pub(crate) async fn list_institutions(
        &self,
        caller: &Principal,
        after: Option<&str>,
        limit: u32,
    ) -> Result<ListPage<Institution>, Failure> {
        let sees = self.sees(caller, Action::CatalogueRead)?;
        let rows = self
            .ledger
            .store()
            .institutions(&sees, after, limit.saturating_add(1))
            .await;
        let rows = rows.map_err(|error| store_failure(&error))?;
        Ok(ListPage::cut(rows, limit, |institution| {
            institution.id.as_str()
        }))
    }

    /// One product.
    pub(crate) async fn get_product(
        &self,
        caller: &Principal,
        id: &ProductId,
    ) -> Result<Versioned<Product>, Failure> {
        let missing = || Failure::not_found("PRODUCT_NOT_FOUND", "product");
        if !shows_product(&self.sees(caller, Action::ProductRead)?, id) {
            return Err(missing());
        }
        not_there(self.ledger.store().product(id).await, missing)
    }

    /// A page of the products.
    pub(crate) async fn list_products(
        &self,
        caller: &Principal,
        after: Option<&str>,
        limit: u32,
    ) -> Result<ListPage<Product>, Failure> {
        let sees = self.sees(caller, Action::ProductRead)?;
        let rows = self
            .ledger
            .store()
            .products(&sees, after, limit.saturating_add(1))
            .await;
        let rows = rows.map_err(|error| store_failure(&error))?;
        Ok(ListPage::cut(rows, limit, |product| product.id.as_str()))
    }

    /// One server.
    pub(crate) async fn get_server(
        &self,
        caller: &Principal,
        institution: &InstitutionId,
        id: &ServerId,
    ) -> Result<Versioned<Server>, Failure> {
        let missing = || Failure::not_found("SERVER_NOT_FOUND", "server");
        let sees = self.sees(caller, Action::CatalogueRead)?;
        if !shows_institution(&sees, institution) {
            return Err(missing());
        }
        not_there(self.ledger.store().server(institution, id).await, missing)
    }

    /// A page of the servers of an institution.
    pub(crate) async fn list_servers(
        &self,
        caller: &Principal,
        institution: &InstitutionId,
        after: Option<&str>,
        limit: u32,
    ) -> Result<ListPage<Server>, Failure> {
        let sees = self.sees(caller, Action::CatalogueRead)?;
        if !shows_institution(&sees, institution) {
            return Err(no_institution());
        }
        let store = self.ledger.store();
        not_there(store.institution(institution).await, no_institution)?;
        let rows = store
            .servers(institution, after, limit.saturating_add(1))
            .await;
        let rows = rows.map_err(|error| store_failure(&error))?;
        Ok(ListPage::cut(rows, limit, |server| server.id.as_str()))
    }
}
