//! What institutions, products and servers have in common when they are stored.
//!
//! Role: one trait, so that the order of checks is written once: content, version, references, event.
//! Failure story: none of its own.

use domain::{
    catalogue::{Institution, Product, Server},
    event::EventType,
    id::InstitutionId,
};

use crate::{
    ledger::{Needs, Work},
    store::{Changes, Versioned},
};

/// A row of the catalogue.
pub(super) trait Row: Clone + PartialEq + Send + Sync + 'static {
    /// The name of its list in a file and in messages.
    const LIST: &'static str;
    /// The event of its storing.
    const STORED: EventType;

    /// The event's subject; unique among rows of all kinds.
    fn subject(&self) -> String;
    /// Whose it is; `None`: the house's.
    fn owner(&self) -> Option<&InstitutionId>;
    /// Names what must be loaded to store it: itself and what it refers to.
    fn name_needs(&self, needs: &mut Needs);
    /// As it is stored now.
    fn find<'w>(&self, work: &'w Work<'_>) -> Option<&'w Versioned<Self>>;
    /// Adds it to what is written.
    fn add(entry: Versioned<Self>, changes: &mut Changes);
}

impl Row for Institution {
    const LIST: &'static str = "institutions";
    const STORED: EventType = EventType::InstitutionStored;

    fn subject(&self) -> String {
        format!("institution/{}", self.id)
    }

    fn owner(&self) -> Option<&InstitutionId> {
        Some(&self.id)
    }

    fn name_needs(&self, needs: &mut Needs) {
        needs.institutions.push(self.id.clone());
    }

    fn find<'w>(&self, work: &'w Work<'_>) -> Option<&'w Versioned<Self>> {
        work.institution(&self.id)
    }

    fn add(entry: Versioned<Self>, changes: &mut Changes) {
        changes.institutions.push(entry);
    }
}

impl Row for Product {
    const LIST: &'static str = "products";
    const STORED: EventType = EventType::ProductStored;

    fn subject(&self) -> String {
        format!("product/{}", self.id)
    }

    fn owner(&self) -> Option<&InstitutionId> {
        None
    }

    fn name_needs(&self, needs: &mut Needs) {
        needs.products.push(self.id.clone());
    }

    fn find<'w>(&self, work: &'w Work<'_>) -> Option<&'w Versioned<Self>> {
        work.product(&self.id)
    }

    fn add(entry: Versioned<Self>, changes: &mut Changes) {
        changes.products.push(entry);
    }
}

impl Row for Server {
    const LIST: &'static str = "servers";
    const STORED: EventType = EventType::ServerStored;

    fn subject(&self) -> String {
        format!("server/{}/{}", self.institution, self.id)
    }

    fn owner(&self) -> Option<&InstitutionId> {
        Some(&self.institution)
    }

    fn name_needs(&self, needs: &mut Needs) {
        needs.institutions.push(self.institution.clone());
        needs.products.push(self.product.clone());
        needs
            .servers
            .push((self.institution.clone(), self.id.clone()));
    }

    fn find<'w>(&self, work: &'w Work<'_>) -> Option<&'w Versioned<Self>> {
        work.server(&self.institution, &self.id)
    }

    fn add(entry: Versioned<Self>, changes: &mut Changes) {
        changes.servers.push(entry);
    }
}
