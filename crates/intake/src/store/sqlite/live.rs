//! Keeping `live_rules` on SQLite.
//!
//! Role: the rows that a group opens, a sweep beside them, and the rows that it closes early. Invariant: a group that
//! opens and closes nothing runs nothing. Failure story: as in [`super::writes`].

use super::{SqliteTransaction, sql};
use crate::store::{
    Changes, StoreError,
    reach::{self, RuleRow},
};

impl SqliteTransaction {
    pub(super) async fn write_live_rules(&mut self, changes: &Changes) -> Result<(), StoreError> {
        let closed = reach::closed(changes);
        self.run(
            sql!("sqlite", "close_live_rules"),
            4,
            &closed,
            |statement, row: &RuleRow<'_>| {
                Ok(statement
                    .bind(row.grant.institution.as_str().to_owned())
                    .bind(row.place.clone())
                    .bind(row.network_from.clone())
                    .bind(row.grant.id.0))
            },
        )
        .await?;
        let opened = reach::opened(changes);
        if opened.is_empty() {
            return Ok(());
        }
        sqlx::query(sql!("sqlite", "sweep_live_rules"))
            .bind(self.now.minus(reach::KEEP_ROWS).micros())
            .bind(reach::swept_beside(opened.len()))
            .execute(&mut *self.inner)
            .await?;
        self.run(
            sql!("sqlite", "open_live_rules"),
            6,
            &opened,
            |statement, row: &RuleRow<'_>| {
                Ok(statement
                    .bind(row.grant.institution.as_str().to_owned())
                    .bind(row.place.clone())
                    .bind(row.network_from.clone())
                    .bind(row.grant.id.0)
                    .bind(row.network_to.clone())
                    .bind(row.grant.expires_at.map(|at| at.micros())))
            },
        )
        .await?;
        Ok(())
    }
}
