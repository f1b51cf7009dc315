//! The loading half of both stores' transactions: `implement_transaction!` writes the same [`super::Transaction`] for
//! each database; they differ in the text of statements (`for update`) and in how a list is bound.
//!
//! Role: a macro, as in [`super::reads`]. A transaction that uses it has `inner`, `now`, `wakes`, `outcome`, and
//! `write_changes`. Order of locks: requests by id, their grants, catalogue, keys, what is written, the head last.
//! Invariants: `load_due` waits for nobody: what others hold is skipped, and a case is taken whole or not at all, so
//! replicas that run what is due cannot deadlock with each other or with commands.
//! Failure story: an error leaves the transaction to be dropped, which rolls back.

use domain::time::Instant;

use super::{StoreError, wakes::Wakes};

/// What a transaction will tell once it is committed.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// The head it made.
    pub(super) head: Option<u64>,
    /// The earliest deadline that it wrote.
    pub(super) earliest_written: Option<Instant>,
}

impl Outcome {
    /// Wakes followers.
    pub(super) fn announce(&self, wakes: &Wakes) {
        if let Some(head) = self.head {
            wakes.committed(head, self.earliest_written);
        }
    }
}

/// A statement that changes rows changed fewer than it was given: they are not there.
pub(super) fn expect_rows(
    table: &'static str,
    changed: u64,
    wanted: usize,
) -> Result<(), StoreError> {
    if u64::try_from(wanted).is_ok_and(|wanted| wanted == changed) {
        Ok(())
    } else {
        Err(StoreError::Failed(format!(
            "{changed} of {wanted} changed rows of {table} were found"
        )))
    }
}

macro_rules! implement_transaction {
    ($transaction:ident, $dialect:literal) => {
        #[async_trait]
        impl Transaction for $transaction {
            fn now(&self) -> Instant {
                self.now
            }

            async fn load_cases(&mut self, ids: &[RequestId]) -> Result<Vec<Case>, StoreError> {
                let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
                let requests = sqlx::query_as(sql!($dialect, "load_requests"))
                    .bind(uuids(&ids))
                    .fetch_all(&mut *self.inner)
                    .await?;
                // A statement of its own: it sees what was committed before the rows above were locked.
                let grants = sqlx::query_as(sql!($dialect, "load_grants"))
                    .bind(uuids(&ids))
                    .fetch_all(&mut *self.inner)
                    .await?;
                Ok(rows::assemble(
                    read_requests(requests)?,
                    read_grants(grants)?,
                ))
            }

            async fn load_replays(
                &mut self,
                keys: &[ReplayKey],
            ) -> Result<Vec<Replay>, StoreError> {
                let names: Vec<[&str; 3]> = keys
                    .iter()
                    .map(|key| [key.principal.as_str(), key.method, key.request_id.as_str()])
                    .collect();
                let query = sqlx::query_as(sql!($dialect, "load_replays"));
                let records: Vec<ReplayRecord> = bind_names(query, &names)
                    .fetch_all(&mut *self.inner)
                    .await?;
                let replays = records
                    .into_iter()
                    .map(|record| record.read(keys))
                    .collect::<Result<Vec<_>, _>>()?;
                Ok(replays.into_iter().flatten().collect())
            }

            async fn load_institutions(
                &mut self,
                ids: &[InstitutionId],
            ) -> Result<Vec<Versioned<Institution>>, StoreError> {
                let ids: Vec<&str> = ids.iter().map(InstitutionId::as_str).collect();
                let records: Vec<CatalogueRecord> =
                    sqlx::query_as(sql!($dialect, "load_institutions"))
                        .bind(texts(&ids))
                        .fetch_all(&mut *self.inner)
                        .await?;
                records
                    .into_iter()
                    .map(|record| record.read("institutions"))
                    .collect()
            }

            async fn load_products(
                &mut self,
                ids: &[ProductId],
            ) -> Result<Vec<Versioned<Product>>, StoreError> {
                let ids: Vec<&str> = ids.iter().map(ProductId::as_str).collect();
                let records: Vec<CatalogueRecord> = sqlx::query_as(sql!($dialect, "load_products"))
                    .bind(texts(&ids))
                    .fetch_all(&mut *self.inner)
                    .await?;
                records
                    .into_iter()
                    .map(|record| record.read("products"))
                    .collect()
            }

            async fn load_servers(
                &mut self,
                ids: &[(InstitutionId, ServerId)],
            ) -> Result<Vec<Versioned<Server>>, StoreError> {
                let names: Vec<[&str; 2]> = ids
                    .iter()
                    .map(|(institution, id)| [institution.as_str(), id.as_str()])
                    .collect();
                let query = sqlx::query_as(sql!($dialect, "load_servers"));
                let records: Vec<CatalogueRecord> = bind_names(query, &names)
                    .fetch_all(&mut *self.inner)
                    .await?;
                records
                    .into_iter()
                    .map(|record| record.read("servers"))
                    .collect()
            }

            async fn load_live_keys(&mut self) -> Result<Vec<ApiKey>, StoreError> {
                let records: Vec<KeyRecord> = sqlx::query_as(sql!($dialect, "load_live_keys"))
                    .bind(self.now.micros())
                    .fetch_all(&mut *self.inner)
                    .await?;
                records.into_iter().map(KeyRecord::read).collect()
            }

            async fn load_key(&mut self, id: KeyId) -> Result<Option<ApiKey>, StoreError> {
                let record: Option<KeyRecord> = sqlx::query_as(sql!($dialect, "load_key"))
                    .bind(id.0)
                    .fetch_optional(&mut *self.inner)
                    .await?;
                record.map(KeyRecord::read).transpose()
            }

            async fn load_links(
                &mut self,
                request: RequestId,
            ) -> Result<Vec<StoredLink>, StoreError> {
                self.read_links(request).await
            }

            async fn take_numbers(&mut self, year: u16, count: u32) -> Result<u32, StoreError> {
                let full =
                    || StoreError::Failed(format!("the year {year} has no request numbers left"));
                let wanted = i32::try_from(count).map_err(|_| full())?;
                let last: i32 = sqlx::query_scalar(sql!("take_numbers"))
                    .bind(i32::from(year))
                    .bind(wanted)
                    .fetch_one(&mut *self.inner)
                    .await?;
                u32::try_from(last.saturating_sub(wanted).saturating_add(1)).map_err(|_| full())
            }

            async fn load_imports(
                &mut self,
                keys: &[(InstitutionId, String)],
            ) -> Result<Vec<(InstitutionId, String, RequestNumber)>, StoreError> {
                let names: Vec<[&str; 2]> = keys
                    .iter()
                    .map(|(institution, id)| [institution.as_str(), id.as_str()])
                    .collect();
                let query = sqlx::query_as(sql!($dialect, "load_imports"));
                let found: Vec<(String, String, String)> = bind_names(query, &names)
                    .fetch_all(&mut *self.inner)
                    .await?;
                let read = |(institution, id, number): (String, String, String)| {
                    let number = number
                        .parse()
                        .map_err(|error| rows::corrupt("requests", &number, error))?;
                    let institution = institution
                        .parse()
                        .map_err(|error| rows::corrupt("imports", &id, error))?;
                    Ok((institution, id, number))
                };
                found.into_iter().map(read).collect()
            }

            async fn warm_up(&mut self) -> Result<(), StoreError> {
                self.take_settled(0, 0, &mut Due::default()).await?;
                self.warm_statements().await
            }

            async fn load_due(&mut self, ahead: &Ahead, limit: u32) -> Result<Due, StoreError> {
                let mut due = Due::default();
                let mut left = i64::from(limit);
                for minimum in ahead.ready(self.now) {
                    if left <= 0 {
                        due.more = true;
                        break;
                    }
                    let taken = if minimum.source == due::SETTLED {
                        self.take_settled(minimum.class, left, &mut due).await?
                    } else {
                        self.take_cases(minimum, left, &mut due).await?
                    };
                    left = left.saturating_sub(i64::try_from(taken).unwrap_or(i64::MAX));
                }
                // A case that is stepped whole covers its settled grants too.
                let whole: HashSet<RequestId> =
                    due.cases.iter().map(|case| case.request.id).collect();
                due.grants.retain(|grant| !whole.contains(&grant.request));
                Ok(due)
            }

            async fn write(&mut self, changes: &Changes) -> Result<u64, StoreError> {
                let due_of_requests = changes.new_requests.iter().chain(&changes.changed_requests);
                let due_of_grants = changes.new_grants.iter().chain(&changes.changed_grants);
                let earliest = due_of_requests
                    .filter_map(Request::next_deadline)
                    .chain(due_of_grants.filter_map(Grant::next_deadline))
                    .map(|deadline| deadline.at)
                    .chain(self.outcome.earliest_written)
                    .min();
                self.outcome.earliest_written = earliest;
                self.write_redactions(changes).await?;
                let head = self.write_changes(changes).await?;
                self.outcome.head = Some(head);
                Ok(head)
            }

            async fn forget_replays(
                &mut self,
                before: Instant,
                limit: u32,
            ) -> Result<u64, StoreError> {
                let forgotten = sqlx::query(sql!("forget_replays"))
                    .bind(before.micros())
                    .bind(i64::from(limit))
                    .execute(&mut *self.inner)
                    .await?;
                Ok(forgotten.rows_affected())
            }

            async fn commit(mut self: Box<Self>) -> Result<(), StoreError> {
                self.inner.commit().await?;
                self.outcome.announce(&self.wakes);
                Ok(())
            }
        }

        impl $transaction {
            /// What was rewritten to erase a person; rarely anything, so one statement each.
            async fn write_redactions(&mut self, changes: &Changes) -> Result<(), StoreError> {
                for redaction in &changes.redactions {
                    let done = sqlx::query(sql!("redact_event"))
                        .bind(rows::signed(redaction.position))
                        .bind(redaction.details.as_slice())
                        .bind(redaction.salt.as_slice())
                        .execute(&mut *self.inner)
                        .await?;
                    crate::store::loads::expect_rows("events", done.rows_affected(), 1)?;
                }
                for comment in &changes.changed_comments {
                    let done = sqlx::query(sql!("change_comment"))
                        .bind(comment.id.0)
                        .bind(rows::comment_body(comment)?)
                        .execute(&mut *self.inner)
                        .await?;
                    crate::store::loads::expect_rows("comments", done.rows_affected(), 1)?;
                }
                Ok(())
            }

            /// Grants that are stepped alone; returns how many.
            async fn take_settled(
                &mut self,
                class: i32,
                limit: i64,
                due: &mut Due,
            ) -> Result<usize, StoreError> {
                let records: Vec<GrantRecord> = sqlx::query_as(sql!($dialect, "due_settled"))
                    .bind(class)
                    .bind(self.now.micros())
                    .bind(limit)
                    .fetch_all(&mut *self.inner)
                    .await?;
                let taken = records.len();
                due.more |= i64::try_from(taken).is_ok_and(|taken| taken >= limit);
                due.grants.extend(read_grants(records)?);
                Ok(taken)
            }

            /// Cases of requests or unsettled grants that are due; returns how many.
            async fn take_cases(
                &mut self,
                minimum: due::Minimum,
                limit: i64,
                due: &mut Due,
            ) -> Result<usize, StoreError> {
                let statement = if minimum.source == due::UNSETTLED {
                    sql!("due_unsettled")
                } else {
                    sql!("due_requests")
                };
                let mut wanted: Vec<Uuid> = sqlx::query_scalar(statement)
                    .bind(minimum.class)
                    .bind(self.now.micros())
                    .bind(limit)
                    .fetch_all(&mut *self.inner)
                    .await?;
                due.more |= i64::try_from(wanted.len()).is_ok_and(|found| found >= limit);
                let mut seen: HashSet<Uuid> =
                    due.cases.iter().map(|case| case.request.id.0).collect();
                wanted.retain(|id| seen.insert(*id));
                if wanted.is_empty() {
                    return Ok(0);
                }
                let requests: Vec<RequestRecord> =
                    sqlx::query_as(sql!($dialect, "lock_due_requests"))
                        .bind(uuids(&wanted))
                        .fetch_all(&mut *self.inner)
                        .await?;
                let requests = read_requests(requests)?;
                let locked: Vec<Uuid> = requests.iter().map(|request| request.id.0).collect();
                let grants: Vec<GrantRecord> = sqlx::query_as(sql!($dialect, "lock_due_grants"))
                    .bind(uuids(&locked))
                    .fetch_all(&mut *self.inner)
                    .await?;
                let counts: Vec<due::GrantCount> = sqlx::query_as(sql!($dialect, "count_grants"))
                    .bind(uuids(&locked))
                    .fetch_all(&mut *self.inner)
                    .await?;
                let counts: HashMap<Uuid, i64> = counts
                    .into_iter()
                    .map(|row| (row.request_id, row.count))
                    .collect();
                let mut cases = rows::assemble(requests, read_grants(grants)?);
                cases.retain(|case| {
                    let all = counts.get(&case.request.id.0).copied().unwrap_or(0);
                    i64::try_from(case.grants.len()) == Ok(all)
                });
                due.more |= cases.len() < wanted.len();
                let order: HashMap<Uuid, usize> = wanted
                    .iter()
                    .enumerate()
                    .map(|(place, id)| (*id, place))
                    .collect();
                cases.sort_by_key(|case| order.get(&case.request.id.0).copied());
                let taken = cases.len();
                due.cases.extend(cases);
                Ok(taken)
            }
        }
    };
}

pub(super) use implement_transaction;
