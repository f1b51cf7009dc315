//! Writing a group on PostgreSQL.
//!
//! Role: turns [`Changes`] into one statement a table, the values as arrays. Invariant: the head is locked after
//! everything else that can wait, and the sequences are read after it; see [`crate::store::postgres`].
//! Failure story: any error leaves the group to be rolled back.

use std::collections::HashMap;

use domain::{
    grant::Grant,
    id::{InstitutionId, ProductId, TeamId},
};
use sqlx::{Postgres, postgres::PgArguments, query::Query};

use super::{PostgresTransaction, listener, sql, texts};
use crate::store::{
    Changes, StoreError,
    loads::expect_rows,
    rows::{self, GrantRow, RequestRow},
};

type Statement<'q> = Query<'q, Postgres, PgArguments>;

/// One column of many rows.
fn column<'r, R, T>(rows: &'r [R], value: impl Fn(&'r R) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

impl PostgresTransaction {
    pub(super) async fn write_changes(&mut self, changes: &Changes) -> Result<u64, StoreError> {
        self.write_requests(changes).await?;
        self.write_grants(changes).await?;
        self.write_live_rules(changes).await?;
        self.write_catalogue(changes).await?;
        self.write_links(changes).await?;
        self.write_rest(changes).await?;
        self.write_events(changes).await
    }

    async fn write_requests(&mut self, changes: &Changes) -> Result<(), StoreError> {
        if !changes.new_requests.is_empty() {
            let rows = changes
                .new_requests
                .iter()
                .map(RequestRow::of)
                .collect::<Result<Vec<_>, _>>()?;
            sqlx::query(sql!("postgres", "insert_requests"))
                .bind(column(&rows, |row| row.id))
                .bind(column(&rows, |row| row.number.as_str()))
                .bind(column(&rows, |row| row.institution))
                .bind(column(&rows, |row| row.product))
                .bind(column(&rows, |row| row.queue))
                .bind(column(&rows, |row| row.state))
                .bind(column(&rows, |row| row.assignee_id))
                .bind(column(&rows, |row| row.emergency))
                .bind(column(&rows, |row| row.created_at_us))
                .bind(column(&rows, |row| row.promised_by_us))
                .bind(column(&rows, |row| row.submitted_at_us))
                .bind(column(&rows, |row| row.version))
                .bind(column(&rows, |row| row.due_class))
                .bind(column(&rows, |row| row.due_at_us))
                .bind(column(&rows, |row| row.destinations.as_str()))
                .bind(column(&rows, |row| row.search_text.as_str()))
                .bind(column(&rows, |row| row.body.as_slice()))
                .bind(column(&rows, |row| row.break_glass))
                .bind(column(&rows, |row| row.review_owed))
                .execute(&mut *self.inner)
                .await?;
        }
        if changes.changed_requests.is_empty() {
            return Ok(());
        }
        let rows = changes
            .changed_requests
            .iter()
            .map(RequestRow::of)
            .collect::<Result<Vec<_>, _>>()?;
        let done = sqlx::query(sql!("postgres", "update_requests"))
            .bind(column(&rows, |row| row.id))
            .bind(column(&rows, |row| row.product))
            .bind(column(&rows, |row| row.queue))
            .bind(column(&rows, |row| row.state))
            .bind(column(&rows, |row| row.assignee_id))
            .bind(column(&rows, |row| row.emergency))
            .bind(column(&rows, |row| row.promised_by_us))
            .bind(column(&rows, |row| row.submitted_at_us))
            .bind(column(&rows, |row| row.version))
            .bind(column(&rows, |row| row.due_class))
            .bind(column(&rows, |row| row.due_at_us))
            .bind(column(&rows, |row| row.destinations.as_str()))
            .bind(column(&rows, |row| row.search_text.as_str()))
            .bind(column(&rows, |row| row.body.as_slice()))
            .bind(column(&rows, |row| row.break_glass))
            .bind(column(&rows, |row| row.review_owed))
            .execute(&mut *self.inner)
            .await?;
        expect_rows("requests", done.rows_affected(), rows.len())
    }

    async fn write_grants(&mut self, changes: &Changes) -> Result<(), StoreError> {
        if !changes.new_grants.is_empty() {
            let rows = changes
                .new_grants
                .iter()
                .map(GrantRow::of)
                .collect::<Result<Vec<_>, _>>()?;
            let bodies = rows
                .iter()
                .map(GrantRow::body)
                .collect::<Result<Vec<_>, _>>()?;
            let statement = sqlx::query(sql!("postgres", "insert_grants"))
                .bind(column(&rows, |row| row.grant.id.0))
                .bind(column(&rows, |row| row.grant.request.0))
                .bind(column(&rows, |row| row.grant.institution.as_str()))
                .bind(column(&rows, |row| {
                    row.grant.product.as_ref().map(ProductId::as_str)
                }))
                .bind(column(&rows, |row| row.grant.cloud_team.as_str()))
                .bind(column(&rows, |row| row.grant.emergency))
                .bind(column(&rows, |row| row.grant.rule.destination.to_string()))
                .bind(&bodies);
            bind_state(statement, &rows)
                .bind(column(&rows, |row| row.grant.break_glass))
                .execute(&mut *self.inner)
                .await?;
        }
        if changes.changed_grants.is_empty() {
            return Ok(());
        }
        self.update_grants(&changes.changed_grants).await
    }

    async fn update_grants(&mut self, grants: &[Grant]) -> Result<(), StoreError> {
        let rows = grants
            .iter()
            .map(GrantRow::of)
            .collect::<Result<Vec<_>, _>>()?;
        let statement = sqlx::query(sql!("postgres", "update_grants"))
            .bind(column(&rows, |row| row.grant.id.0));
        let done = bind_state(statement, &rows)
            .execute(&mut *self.inner)
            .await?;
        expect_rows("grants", done.rows_affected(), rows.len())
    }

    /// A connection knows a statement from its first execution on: these are the ones that a deadline waits for.
    pub(super) async fn warm_statements(&mut self) -> Result<(), StoreError> {
        self.update_grants(&[]).await?;
        let nobody: [&str; 0] = [];
        let _: Vec<(String, i64)> = sqlx::query_as(sql!("postgres", "sequences"))
            .bind(texts(&nobody))
            .fetch_all(&mut *self.inner)
            .await?;
        self.insert_events(&Changes::default(), 0, &[]).await
    }

    async fn write_rest(&mut self, changes: &Changes) -> Result<(), StoreError> {
        let comments = &changes.comments;
        if !comments.is_empty() {
            let bodies = comments
                .iter()
                .map(rows::comment_body)
                .collect::<Result<Vec<_>, _>>()?;
            sqlx::query(sql!("postgres", "insert_comments"))
                .bind(column(comments, |comment| comment.id.0))
                .bind(column(comments, |comment| comment.request.0))
                .bind(column(comments, |comment| comment.internal))
                .bind(column(comments, |comment| comment.at.micros()))
                .bind(&bodies)
                .execute(&mut *self.inner)
                .await?;
        }
        let imports = &changes.imports;
        if !imports.is_empty() {
            sqlx::query(sql!("postgres", "insert_imports"))
                .bind(column(imports, |(institution, ..)| institution.as_str()))
                .bind(column(imports, |(_, id, _)| id.as_str()))
                .bind(column(imports, |(.., request)| request.0))
                .execute(&mut *self.inner)
                .await?;
        }
        let replays = &changes.replays;
        if !replays.is_empty() {
            sqlx::query(sql!("postgres", "insert_replays"))
                .bind(column(replays, |replay| replay.key.principal.as_str()))
                .bind(column(replays, |replay| replay.key.method))
                .bind(column(replays, |replay| replay.key.request_id.as_str()))
                .bind(column(replays, |replay| replay.body_mac.as_slice()))
                .bind(column(replays, |replay| replay.answer.as_slice()))
                .bind(column(replays, |replay| replay.at.micros()))
                .execute(&mut *self.inner)
                .await?;
        }
        Ok(())
    }

    async fn write_events(&mut self, changes: &Changes) -> Result<u64, StoreError> {
        let events = &changes.events;
        let count = i64::try_from(events.len()).unwrap_or(i64::MAX);
        let earliest = self.outcome.earliest_written;
        let head: i64 = sqlx::query_scalar(sql!("postgres", "advance_head"))
            .bind(count)
            .bind(&*self.announcer.channel)
            .bind(&*self.announcer.replica)
            .bind(listener::words(earliest))
            .fetch_one(&mut *self.inner)
            .await?;
        if !events.is_empty() {
            let mut last = self.sequences(changes).await?;
            let mut sequences = Vec::with_capacity(events.len());
            for event in events {
                let sequence = last.entry(event.subject.as_str()).or_insert(0);
                *sequence += 1;
                sequences.push(*sequence);
            }
            self.insert_events(changes, head - count, &sequences)
                .await?;
        }
        rows::unsigned("ledger_head", 1, head)
    }

    async fn insert_events(
        &mut self,
        changes: &Changes,
        before: i64,
        sequences: &[u64],
    ) -> Result<(), StoreError> {
        let events = &changes.events;
        let positions: Vec<i64> = (before + 1..).take(events.len()).collect();
        let envelopes: Vec<Vec<u8>> = events
            .iter()
            .zip(sequences)
            .map(|(event, sequence)| event.envelope(*sequence))
            .collect();
        sqlx::query(sql!("postgres", "insert_events"))
            .bind(&positions)
            .bind(column(events, |event| event.id.0))
            .bind(column(events, |event| event.kind.as_str()))
            .bind(column(events, |event| event.subject.as_str()))
            .bind(column(sequences, |sequence| rows::signed(*sequence)))
            .bind(column(events, |event| {
                event.institution.as_ref().map(InstitutionId::as_str)
            }))
            .bind(column(events, |event| {
                event.product.as_ref().map(ProductId::as_str)
            }))
            .bind(column(events, |event| {
                event.team.as_ref().map(TeamId::as_str)
            }))
            .bind(column(events, |event| event.grant.map(|id| id.0)))
            .bind(column(events, |event| event.emergency))
            .bind(column(events, |event| event.at.micros()))
            .bind(column(events, |event| event.details.as_slice()))
            .bind(column(events, |event| event.salt.as_slice()))
            .bind(&envelopes)
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }

    /// The last sequence of each subject that has one. The head must be locked already.
    async fn sequences<'c>(
        &mut self,
        changes: &'c Changes,
    ) -> Result<HashMap<&'c str, u64>, StoreError> {
        let subjects = rows::known_subjects(changes);
        if subjects.is_empty() {
            return Ok(HashMap::new());
        }
        let list: Vec<&str> = subjects.iter().copied().collect();
        let found = sqlx::query_as(sql!("postgres", "sequences"))
            .bind(texts(&list))
            .fetch_all(&mut *self.inner)
            .await?;
        rows::last_sequences(&subjects, found)
    }
}

fn bind_state<'q>(statement: Statement<'q>, rows: &'q [GrantRow<'q>]) -> Statement<'q> {
    let grants: Vec<&Grant> = rows.iter().map(|row| row.grant).collect();
    let grants = grants.as_slice();
    let ids: Vec<Option<&str>> = column(rows, |row| row.assignee_id);
    let statement = statement
        .bind(
            grants
                .iter()
                .map(|grant| grant.state.as_str())
                .collect::<Vec<_>>(),
        )
        .bind(rows.iter().map(|row| row.settled).collect::<Vec<_>>())
        .bind(ids)
        .bind(
            grants
                .iter()
                .map(|grant| grant.hand_over_at.micros())
                .collect::<Vec<_>>(),
        );
    let instants = [
        grants
            .iter()
            .map(|grant| grant.effective_at.map(|at| at.micros()))
            .collect::<Vec<Option<i64>>>(),
        grants
            .iter()
            .map(|grant| grant.expires_at.map(|at| at.micros()))
            .collect(),
        grants
            .iter()
            .map(|grant| grant.ending_at.map(|at| at.micros()))
            .collect(),
        grants
            .iter()
            .map(|grant| grant.ended_at.map(|at| at.micros()))
            .collect(),
        grants
            .iter()
            .map(|grant| grant.confirm_by.map(|at| at.micros()))
            .collect(),
    ];
    instants
        .into_iter()
        .fold(statement, |statement, column| statement.bind(column))
        .bind(
            grants
                .iter()
                .map(|grant| grant.end_reason.map(|reason| reason.as_str()))
                .collect::<Vec<_>>(),
        )
        .bind(
            grants
                .iter()
                .map(|grant| rows::signed(grant.epoch))
                .collect::<Vec<_>>(),
        )
        .bind(
            grants
                .iter()
                .map(|grant| rows::signed(grant.version))
                .collect::<Vec<_>>(),
        )
        .bind(
            grants
                .iter()
                .map(|grant| grant.updated_at.micros())
                .collect::<Vec<_>>(),
        )
        .bind(rows.iter().map(|row| row.due_class).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.due_at_us).collect::<Vec<_>>())
        .bind(
            rows.iter()
                .map(|row| row.words.as_deref())
                .collect::<Vec<_>>(),
        )
}
