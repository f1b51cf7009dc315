//! Writing a group on SQLite.
//!
//! Role: turns [`Changes`] into statements of many rows each. Invariant: the head moves last; the group has the file to
//! itself, so the sequences read here are final. Failure story: any error leaves the group to be rolled back.

use std::collections::HashMap;

use domain::{grant::Grant, id::ProductId, request::Request};
use sqlx::{AssertSqlSafe, Sqlite, query::Query, sqlite::SqliteArguments};

use super::{SqliteTransaction, sql, texts};
use crate::store::{
    Changes, StoreError,
    loads::expect_rows,
    rows::{self, GrantRow, RequestRow},
};

/// Rows of a statement: the largest that fits is taken, so that few statements have to be prepared.
const CHUNKS: [usize; 3] = [64, 8, 1];

type Statement = Query<'static, Sqlite, SqliteArguments>;

impl SqliteTransaction {
    pub(super) async fn write_changes(&mut self, changes: &Changes) -> Result<u64, StoreError> {
        self.write_requests(changes).await?;
        self.write_grants(changes).await?;
        self.write_live_rules(changes).await?;
        self.write_catalogue(changes).await?;
        self.write_links(changes).await?;
        self.write_rest(changes).await?;
        self.write_events(changes).await
    }

    /// Runs `template`, whose `{rows}` stands for rows of `columns` values, over `items`; returns how many rows changed.
    pub(super) async fn run<T>(
        &mut self,
        template: &'static str,
        columns: usize,
        items: &[T],
        bind: impl Fn(Statement, &T) -> Result<Statement, StoreError>,
    ) -> Result<u64, StoreError> {
        let mut changed = 0;
        let mut rest = items;
        for size in CHUNKS {
            if rest.len() < size {
                continue;
            }
            let row = format!("({})", vec!["?"; columns].join(", "));
            let text: std::sync::Arc<str> = template
                .replace("{rows}", &vec![row.as_str(); size].join(", "))
                .into();
            let mut chunks = rest.chunks_exact(size);
            for chunk in &mut chunks {
                let mut statement = sqlx::query(AssertSqlSafe(std::sync::Arc::clone(&text)));
                for item in chunk {
                    statement = bind(statement, item)?;
                }
                changed += statement.execute(&mut *self.inner).await?.rows_affected();
            }
            rest = chunks.remainder();
        }
        Ok(changed)
    }

    async fn write_requests(&mut self, changes: &Changes) -> Result<(), StoreError> {
        self.run(
            sql!("sqlite", "insert_requests"),
            19,
            &changes.new_requests,
            |statement, request: &Request| {
                let row = RequestRow::of(request)?;
                Ok(statement
                    .bind(row.id)
                    .bind(row.number)
                    .bind(row.institution.to_owned())
                    .bind(row.product.map(str::to_owned))
                    .bind(row.queue.to_owned())
                    .bind(row.state)
                    .bind(row.assignee_id.map(str::to_owned))
                    .bind(row.emergency)
                    .bind(row.created_at_us)
                    .bind(row.promised_by_us)
                    .bind(row.submitted_at_us)
                    .bind(row.version)
                    .bind(row.due_class)
                    .bind(row.due_at_us)
                    .bind(row.destinations)
                    .bind(row.search_text)
                    .bind(row.body)
                    .bind(row.break_glass)
                    .bind(row.review_owed))
            },
        )
        .await?;
        let changed = &changes.changed_requests;
        let found = self
            .run(
                sql!("sqlite", "update_requests"),
                16,
                changed,
                |statement, request: &Request| {
                    let row = RequestRow::of(request)?;
                    Ok(statement
                        .bind(row.id)
                        .bind(row.product.map(str::to_owned))
                        .bind(row.queue.to_owned())
                        .bind(row.state)
                        .bind(row.assignee_id.map(str::to_owned))
                        .bind(row.emergency)
                        .bind(row.promised_by_us)
                        .bind(row.submitted_at_us)
                        .bind(row.version)
                        .bind(row.due_class)
                        .bind(row.due_at_us)
                        .bind(row.destinations)
                        .bind(row.search_text)
                        .bind(row.body)
                        .bind(row.break_glass)
                        .bind(row.review_owed))
                },
            )
            .await?;
        expect_rows("requests", found, changed.len())
    }

    async fn write_grants(&mut self, changes: &Changes) -> Result<(), StoreError> {
        self.run(
            sql!("sqlite", "insert_grants"),
            25,
            &changes.new_grants,
            |statement, grant: &Grant| {
                let row = GrantRow::of(grant)?;
                let statement = statement
                    .bind(grant.id.0)
                    .bind(grant.request.0)
                    .bind(grant.institution.as_str().to_owned())
                    .bind(grant.product.as_ref().map(|id| id.as_str().to_owned()))
                    .bind(grant.cloud_team.as_str().to_owned())
                    .bind(grant.emergency)
                    .bind(grant.rule.destination.to_string())
                    .bind(row.body()?);
                let broken = grant.break_glass;
                Ok(bind_state(statement, row).bind(broken))
            },
        )
        .await?;
        let changed = &changes.changed_grants;
        let found = self
            .run(
                sql!("sqlite", "update_grants"),
                17,
                changed,
                |statement, grant: &Grant| {
                    Ok(bind_state(statement.bind(grant.id.0), GrantRow::of(grant)?))
                },
            )
            .await?;
        expect_rows("grants", found, changed.len())
    }

    async fn write_rest(&mut self, changes: &Changes) -> Result<(), StoreError> {
        self.run(
            sql!("sqlite", "insert_comments"),
            5,
            &changes.comments,
            |statement, comment| {
                Ok(statement
                    .bind(comment.id.0)
                    .bind(comment.request.0)
                    .bind(comment.internal)
                    .bind(comment.at.micros())
                    .bind(rows::comment_body(comment)?))
            },
        )
        .await?;
        self.run(
            sql!("sqlite", "insert_imports"),
            3,
            &changes.imports,
            |statement, (institution, id, request)| {
                Ok(statement
                    .bind(institution.as_str().to_owned())
                    .bind(id.clone())
                    .bind(request.0))
            },
        )
        .await?;
        self.run(
            sql!("sqlite", "insert_replays"),
            6,
            &changes.replays,
            |statement, replay| {
                Ok(statement
                    .bind(replay.key.principal.clone())
                    .bind(replay.key.method)
                    .bind(replay.key.request_id.clone())
                    .bind(replay.body_mac.to_vec())
                    .bind(replay.answer.clone())
                    .bind(replay.at.micros()))
            },
        )
        .await?;
        Ok(())
    }

    async fn write_events(&mut self, changes: &Changes) -> Result<u64, StoreError> {
        let count = i64::try_from(changes.events.len()).unwrap_or(i64::MAX);
        let head: i64 = sqlx::query_scalar(sql!("sqlite", "advance_head"))
            .bind(count)
            .fetch_one(&mut *self.inner)
            .await?;
        let mut sequences = self.sequences(changes).await?;
        let mut position = head - count;
        let mut placed = Vec::with_capacity(changes.events.len());
        for event in &changes.events {
            position += 1;
            let sequence = sequences.entry(event.subject.as_str()).or_insert(0);
            *sequence += 1;
            placed.push((position, *sequence, event));
        }
        self.run(
            sql!("sqlite", "insert_events"),
            14,
            &placed,
            |statement, (position, sequence, event)| {
                Ok(statement
                    .bind(*position)
                    .bind(event.id.0)
                    .bind(event.kind.as_str())
                    .bind(event.subject.clone())
                    .bind(rows::signed(*sequence))
                    .bind(event.institution.as_ref().map(|id| id.as_str().to_owned()))
                    .bind(
                        event
                            .product
                            .as_ref()
                            .map(|id: &ProductId| id.as_str().to_owned()),
                    )
                    .bind(event.team.as_ref().map(|id| id.as_str().to_owned()))
                    .bind(event.grant.map(|id| id.0))
                    .bind(event.emergency)
                    .bind(event.at.micros())
                    .bind(event.details.clone())
                    .bind(event.salt.to_vec())
                    .bind(event.envelope(*sequence)))
            },
        )
        .await?;
        rows::unsigned("ledger_head", 1, head)
    }

    /// The last sequence of each subject that has one.
    async fn sequences<'c>(
        &mut self,
        changes: &'c Changes,
    ) -> Result<HashMap<&'c str, u64>, StoreError> {
        let subjects = rows::known_subjects(changes);
        if subjects.is_empty() {
            return Ok(HashMap::new());
        }
        let list: Vec<&str> = subjects.iter().copied().collect();
        let found: Vec<(String, Option<i64>)> = sqlx::query_as(sql!("sqlite", "sequences"))
            .bind(texts(&list))
            .fetch_all(&mut *self.inner)
            .await?;
        rows::last_sequences(&subjects, found)
    }
}

fn bind_state(statement: Statement, row: GrantRow<'_>) -> Statement {
    let grant = row.grant;
    statement
        .bind(grant.state.as_str())
        .bind(row.settled)
        .bind(row.assignee_id.map(str::to_owned))
        .bind(grant.hand_over_at.micros())
        .bind(grant.effective_at.map(|at| at.micros()))
        .bind(grant.expires_at.map(|at| at.micros()))
        .bind(grant.ending_at.map(|at| at.micros()))
        .bind(grant.ended_at.map(|at| at.micros()))
        .bind(grant.confirm_by.map(|at| at.micros()))
        .bind(grant.end_reason.map(|reason| reason.as_str()))
        .bind(rows::signed(grant.epoch))
        .bind(rows::signed(grant.version))
        .bind(grant.updated_at.micros())
        .bind(row.due_class)
        .bind(row.due_at_us)
        .bind(row.words)
}
