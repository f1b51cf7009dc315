//! The catalogue: reading it, and who may see what of it.
//!
//! Role: institutions, products and servers as they are stored now; what changes them is in [`store_rows`].
//! Invariants: I5: who is bound to institutions sees those and their servers, and a made-up id and another's answer
//! alike; support, cloud teams and administrators see all, because destinations and queues span institutions. Products
//! are no secret.
//! Failure story: what is not there, or not visible, is not found.

mod rows;
mod store_rows;

use domain::{
    access::{Action, Principal, Visibility, authorize_role},
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

/// Which institutions a caller sees.
struct Sight(Visibility);

impl Sight {
    fn of(caller: &Principal) -> Result<Self, Failure> {
        authorize_role(caller, Action::CatalogueRead)?;
        let visible = Visibility::of(caller, Action::CatalogueRead);
        // A product's or a team's work reaches every institution.
        let of_the_house = visible.all || !visible.products.is_empty() || !visible.teams.is_empty();
        Ok(Self(if of_the_house {
            Visibility::everything()
        } else {
            visible
        }))
    }

    fn shows(&self, institution: &InstitutionId) -> bool {
        self.0.all || self.0.institutions.contains(institution)
    }
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
    /// One institution.
    pub(crate) async fn get_institution(
        &self,
        caller: &Principal,
        id: &InstitutionId,
    ) -> Result<Versioned<Institution>, Failure> {
        if !Sight::of(caller)?.shows(id) {
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
        let sight = Sight::of(caller)?;
        let rows = self
            .ledger
            .store()
            .institutions(&sight.0, after, limit.saturating_add(1))
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
        authorize_role(caller, Action::CatalogueRead)?;
        let missing = || Failure::not_found("PRODUCT_NOT_FOUND", "product");
        not_there(self.ledger.store().product(id).await, missing)
    }

    /// A page of the products.
    pub(crate) async fn list_products(
        &self,
        caller: &Principal,
        after: Option<&str>,
        limit: u32,
    ) -> Result<ListPage<Product>, Failure> {
        authorize_role(caller, Action::CatalogueRead)?;
        let rows = self
            .ledger
            .store()
            .products(after, limit.saturating_add(1))
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
        if !Sight::of(caller)?.shows(institution) {
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
        if !Sight::of(caller)?.shows(institution) {
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
