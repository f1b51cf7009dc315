//! Keeping `live_rules` on PostgreSQL.
//!
//! Role: one statement for all rows that a group opens, which also sweeps, and one for those that it closes early.
//! Invariant: a group that opens and closes nothing sends nothing: submissions and herds of deadlines are such groups.
//! Failure story: as in [`super::writes`].

use super::{PostgresTransaction, sql};
use crate::store::{
    Changes, StoreError,
    reach::{self, RuleRow},
};

impl PostgresTransaction {
    pub(super) async fn write_live_rules(&mut self, changes: &Changes) -> Result<(), StoreError> {
        let closed = reach::closed(changes);
        if !closed.is_empty() {
            sqlx::query(sql!("postgres", "close_live_rules"))
                .bind(column(&closed, |row| row.grant.institution.as_str()))
                .bind(column(&closed, |row| row.place.as_str()))
                .bind(column(&closed, |row| row.network_from.as_str()))
                .bind(column(&closed, |row| row.grant.id.0))
                .execute(&mut *self.inner)
                .await?;
        }
        let opened = reach::opened(changes);
        if !opened.is_empty() {
            sqlx::query(sql!("postgres", "open_live_rules"))
                .bind(column(&opened, |row| row.grant.institution.as_str()))
                .bind(column(&opened, |row| row.place.as_str()))
                .bind(column(&opened, |row| row.network_from.as_str()))
                .bind(column(&opened, |row| row.grant.id.0))
                .bind(column(&opened, |row| row.network_to.as_str()))
                .bind(column(&opened, |row| {
                    row.grant.expires_at.map(|at| at.micros())
                }))
                .bind(self.now.minus(reach::KEEP_ROWS).micros())
                .bind(reach::swept_beside(opened.len()))
                .execute(&mut *self.inner)
                .await?;
        }
        Ok(())
    }
}

fn column<'r, T>(rows: &'r [RuleRow<'r>], value: impl Fn(&'r RuleRow<'r>) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}
