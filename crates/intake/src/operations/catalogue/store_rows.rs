//! Storing rows of the catalogue, one with a version or many at once.
//!
//! Role: a row whose content is stored already changes nothing: no version, no event, and no question for the version
//! either, so that a repeated call never turns into a refusal. Otherwise the version that the caller saw must be the
//! present one, and what a server refers to must exist.
//! Invariants: all rows of a call or none, in one commit with their events (I3); whoever stored something here sees it
//! at once.
//! Failure story: `CATALOGUE_INVALID` names every row and field that is wrong, such as `servers[3].product`.

use std::collections::HashSet;

use domain::{
    access::{Action, Actor, Principal},
    catalogue::{Institution, Product, Server},
    event::Event,
    refusal::Refusal,
};
use proto::{
    convert,
    error::{Failure, Violation},
};

use super::rows::Row;
use crate::{
    ledger::{Needs, Work},
    operations::Intake,
    store::Versioned,
};

/// Rows of one call at most.
pub(crate) const MAX_ROWS: usize = 2_000;

/// Rows to be stored together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Batch {
    /// Institutions.
    pub(crate) institutions: Vec<Institution>,
    /// Products.
    pub(crate) products: Vec<Product>,
    /// Servers; they may refer to rows of the same batch.
    pub(crate) servers: Vec<Server>,
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Applied {
    /// Stored because new.
    pub(crate) created: u32,
    /// Stored because different.
    pub(crate) updated: u32,
    /// Left as they were.
    pub(crate) unchanged: u32,
}

/// How a changed row is guarded.
#[derive(Clone, Copy)]
enum Guard<'a> {
    /// By the version that the caller saw, as sent; empty for a new row.
    Etag(&'a str),
    /// Not at all: an operator's file is the truth.
    Overwrite,
}

enum Outcome {
    Created,
    Updated,
    Unchanged,
}

fn violation(field: String, detail: &str) -> Violation {
    Violation {
        field,
        code: "CATALOGUE_INVALID".into(),
        detail: detail.to_owned(),
    }
}

/// Rows that cannot be stored, with every field that is wrong.
pub(crate) fn invalid(violations: Vec<Violation>) -> Failure {
    Failure {
        reason: "CATALOGUE_INVALID".into(),
        ..Failure::fields(violations)
    }
}

impl Intake {
    /// Creates or replaces an institution.
    pub(crate) async fn put_institution(
        &self,
        caller: &Principal,
        row: Institution,
        etag: String,
    ) -> Result<Versioned<Institution>, Failure> {
        let id = row.id.clone();
        let stored = self.put_row(caller, row, etag, |_| Vec::new()).await?;
        self.catalogue.forget(&[id], &[], &[]);
        Ok(stored)
    }

    /// Creates or replaces a product.
    pub(crate) async fn put_product(
        &self,
        caller: &Principal,
        row: Product,
        etag: String,
    ) -> Result<Versioned<Product>, Failure> {
        let id = row.id.clone();
        let stored = self.put_row(caller, row, etag, |_| Vec::new()).await?;
        self.catalogue.forget(&[], &[id], &[]);
        Ok(stored)
    }

    /// Creates or replaces a server.
    pub(crate) async fn put_server(
        &self,
        caller: &Principal,
        row: Server,
        etag: String,
    ) -> Result<Versioned<Server>, Failure> {
        let institution = row.institution.clone();
        let server = row.clone();
        let check = move |work: &Work<'_>| dangling(&server, "server", work, &Batch::default());
        let stored = self.put_row(caller, row, etag, check).await?;
        self.catalogue.forget(&[], &[], &[institution]);
        Ok(stored)
    }

    async fn put_row<R: Row>(
        &self,
        caller: &Principal,
        row: R,
        etag: String,
        check: impl Fn(&Work<'_>) -> Vec<Violation> + Send + 'static,
    ) -> Result<Versioned<R>, Failure> {
        self.authz.admit(caller, Action::CatalogueWrite)?;
        let actor = caller.actor();
        let mut needs = Needs::default();
        row.name_needs(&mut needs);
        self.ledger
            .commit(needs, move |work| {
                let (stored, outcome) = prepare(&row, Guard::Etag(&etag), work)?;
                let wrong = check(work);
                if !wrong.is_empty() {
                    return Err(invalid(wrong));
                }
                if !matches!(outcome, Outcome::Unchanged) {
                    stage(stored.clone(), &actor, work);
                }
                Ok(stored)
            })
            .await
    }

    /// Stores every row of the batch that differs from what is stored; all or none.
    pub(crate) async fn apply_catalogue(
        &self,
        caller: &Principal,
        batch: Batch,
    ) -> Result<Applied, Failure> {
        self.authz.admit(caller, Action::CatalogueWrite)?;
        let twice = doubles(&batch);
        if !twice.is_empty() {
            return Err(invalid(twice));
        }
        let mut needs = Needs::default();
        batch
            .institutions
            .iter()
            .for_each(|row| row.name_needs(&mut needs));
        batch
            .products
            .iter()
            .for_each(|row| row.name_needs(&mut needs));
        batch
            .servers
            .iter()
            .for_each(|row| row.name_needs(&mut needs));
        let institutions: Vec<_> = needs.institutions.clone();
        let products: Vec<_> = needs.products.clone();
        let actor = caller.actor();
        let applied = self
            .ledger
            .commit(needs, move |work| {
                let wrong: Vec<_> = batch
                    .servers
                    .iter()
                    .enumerate()
                    .flat_map(|(index, server)| {
                        dangling(server, &format!("servers[{index}]"), work, &batch)
                    })
                    .collect();
                if !wrong.is_empty() {
                    return Err(invalid(wrong));
                }
                let mut applied = Applied::default();
                apply(&batch.institutions, &actor, work, &mut applied)?;
                apply(&batch.products, &actor, work, &mut applied)?;
                apply(&batch.servers, &actor, work, &mut applied)?;
                Ok(applied)
            })
            .await?;
        self.catalogue
            .forget(&institutions, &products, &institutions);
        Ok(applied)
    }
}

fn apply<R: Row>(
    rows: &[R],
    actor: &Actor,
    work: &mut Work<'_>,
    applied: &mut Applied,
) -> Result<(), Failure> {
    for row in rows {
        let (stored, outcome) = prepare(row, Guard::Overwrite, work)?;
        match outcome {
            Outcome::Unchanged => {
                applied.unchanged += 1;
                continue;
            }
            Outcome::Created => applied.created += 1,
            Outcome::Updated => applied.updated += 1,
        }
        stage(stored, actor, work);
    }
    Ok(())
}

/// The row as it will be stored, and whether that is a change.
fn prepare<R: Row>(
    row: &R,
    guard: Guard<'_>,
    work: &Work<'_>,
) -> Result<(Versioned<R>, Outcome), Failure> {
    let stored = row.find(work);
    if let Some(same) = stored.filter(|stored| stored.value == *row) {
        return Ok((same.clone(), Outcome::Unchanged));
    }
    let seen = stored.map(|stored| stored.version);
    if let Guard::Etag(etag) = guard {
        match seen {
            Some(_) if etag.is_empty() => return Err(Refusal::EtagMissing.into()),
            None if etag.is_empty() => {}
            _ if convert::version_of(etag) == seen && seen.is_some() => {}
            _ => return Err(Refusal::EtagMismatch.into()),
        }
    }
    let outcome = if seen.is_some() {
        Outcome::Updated
    } else {
        Outcome::Created
    };
    Ok((
        Versioned {
            value: row.clone(),
            version: seen.unwrap_or(0) + 1,
        },
        outcome,
    ))
}

fn stage<R: Row>(stored: Versioned<R>, actor: &Actor, work: &mut Work<'_>) {
    let event = Event::new(R::STORED, actor, work.now);
    work.put_event(&event, &stored.value.subject(), stored.value.owner());
    work.put_rows(|changes| R::add(stored, changes));
}

/// What `server` refers to that is neither stored nor in the batch.
fn dangling(server: &Server, row: &str, work: &Work<'_>, batch: &Batch) -> Vec<Violation> {
    let mut wrong = Vec::new();
    let stored = work.institution(&server.institution).is_some();
    if !stored
        && !batch
            .institutions
            .iter()
            .any(|row| row.id == server.institution)
    {
        let detail = format!("there is no institution '{}'", server.institution);
        wrong.push(violation(format!("{row}.institution"), &detail));
    }
    let stored = work.product(&server.product).is_some();
    if !stored && !batch.products.iter().any(|row| row.id == server.product) {
        let detail = format!("there is no product '{}'", server.product);
        wrong.push(violation(format!("{row}.product"), &detail));
    }
    wrong
}

/// Rows that name the same thing as one before.
fn doubles(batch: &Batch) -> Vec<Violation> {
    fn of<R: Row>(rows: &[R], wrong: &mut Vec<Violation>) {
        let mut seen = HashSet::new();
        for (index, row) in rows.iter().enumerate() {
            if !seen.insert(row.subject()) {
                let field = format!("{}[{index}].id", R::LIST);
                wrong.push(violation(field, "this row is there twice; keep one"));
            }
        }
    }
    let mut wrong = Vec::new();
    of(&batch.institutions, &mut wrong);
    of(&batch.products, &mut wrong);
    of(&batch.servers, &mut wrong);
    wrong
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "constants")]
    use super::*;

    fn institution(id: &str) -> Institution {
        Institution {
            id: id.parse().unwrap(),
            display_name: id.into(),
            time_zone: "Europe/London".parse().unwrap(),
        }
    }

    #[test]
    fn a_row_that_is_there_twice_is_named() {
        let rows = ["north", "south", "north"].map(institution).to_vec();
        let wrong = doubles(&Batch {
            institutions: rows,
            ..Batch::default()
        });
        let fields: Vec<_> = wrong
            .iter()
            .map(|violation| violation.field.as_str())
            .collect();
        assert_eq!(fields, ["institutions[2].id"]);
    }
}
