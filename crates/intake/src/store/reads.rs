//! The reading half of both stores: `implement_store!` writes the same [`super::Store`] for each database.
//!
//! Role: a macro, because sqlx's bounds cannot be named once for two databases; the SQL is the same text. A store that
//! uses it has `readers()` ([`super::readers`]), `wakes`, `begin_group()`, `clock()` and `bump()`.
//! Invariants: whatever spans several statements is read in one snapshot; nothing is read without a bound; filters that
//! SQL cannot judge exactly (a source that holds an address) are judged here, page by page, at most
//! [`super::lists::LOOKED_AT_AT_MOST`] rows a call: a page may then be short and still have a next one.
//! Failure story: a dropped read gives its connection back; errors are [`super::StoreError`].

/// A statement of `queries/`.
macro_rules! sql {
    ($name:literal) => {
        include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/src/store/queries/",
            $name,
            ".sql"
        ))
    };
    ($dialect:literal, $name:literal) => {
        include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/src/store/queries/",
            $dialect,
            "/",
            $name,
            ".sql"
        ))
    };
}

macro_rules! implement_store {
    ($store:ident, $database:ty, $snapshot:literal) => {
        #[async_trait]
        impl Store for $store {
            async fn begin(&self) -> Result<Box<dyn Transaction>, StoreError> {
                Ok(Box::new(self.begin_group().await?))
            }

            fn lanes(&self) -> usize {
                Self::LANES
            }

            async fn now(&self) -> Result<Instant, StoreError> {
                self.clock().await
            }

            fn wakes(&self) -> watch::Receiver<Wake> {
                self.wakes.subscribe()
            }

            async fn feed(&self) -> Result<Feed, StoreError> {
                let record: FeedRecord = sqlx::query_as(sql!("feed"))
                    .fetch_one(self.readers())
                    .await?;
                record.read()
            }

            async fn bump_epoch(&self) -> Result<u32, StoreError> {
                let epoch: i32 = sqlx::query_scalar(sql!("bump_epoch"))
                    .fetch_one(self.writers())
                    .await?;
                u32::try_from(epoch)
                    .map_err(|_| rows::corrupt("ledger_meta", 1, "the epoch is below zero"))
            }

            async fn ahead(&self) -> Result<Ahead, StoreError> {
                let ticket = self.wakes.ticket();
                let ahead = self.read_ahead().await?;
                self.wakes.refreshed(ticket, ahead.earliest());
                Ok(ahead)
            }

            async fn case(&self, id: RequestId) -> Result<Option<Case>, StoreError> {
                let mut reader = self.readers().acquire().await?;
                let mut snapshot = reader.begin_with($snapshot).await?;
                let request: Option<RequestRecord> = sqlx::query_as(sql!("request"))
                    .bind(id.0)
                    .fetch_optional(&mut *snapshot)
                    .await?;
                // Asked for in any case: what is not there costs what is not shown costs.
                let grants = sqlx::query_as(sql!("grants_of_request"))
                    .bind(id.0)
                    .fetch_all(&mut *snapshot)
                    .await?;
                snapshot.commit().await?;
                reader.keep();
                let Some(request) = request else {
                    return Ok(None);
                };
                Ok(Some(Case {
                    request: request.read()?,
                    grants: read_grants(grants)?,
                }))
            }

            async fn request_by_number(
                &self,
                number: RequestNumber,
            ) -> Result<Option<RequestId>, StoreError> {
                let id: Option<Uuid> = sqlx::query_scalar(sql!("request_by_number"))
                    .bind(number.to_string())
                    .fetch_optional(self.readers())
                    .await?;
                Ok(id.map(RequestId))
            }

            async fn grant(&self, id: GrantId) -> Result<Option<Grant>, StoreError> {
                let grant: Option<GrantRecord> = sqlx::query_as(sql!("grant"))
                    .bind(id.0)
                    .fetch_optional(self.readers())
                    .await?;
                grant.map(GrantRecord::read).transpose()
            }

            async fn cases(
                &self,
                filter: &RequestFilter,
                visible: &Visibility,
                after: Option<&PageKey>,
                limit: u32,
            ) -> Result<Page<Case>, StoreError> {
                let mut page = lists::Paging::new(after, limit, filter.address.is_some());
                if visible.is_empty() {
                    return Ok(Page {
                        items: Vec::new(),
                        next: None,
                    });
                }
                let mut reader = self.readers().acquire().await?;
                let mut snapshot = reader.begin_with($snapshot).await?;
                while let Some(batch) = page.batch() {
                    let mut query = QueryBuilder::<$database>::new(sql!("requests_page"));
                    lists::requests(&mut query, filter, visible, page.after(), batch);
                    let records: Vec<RequestRecord> =
                        query.build_query_as().fetch_all(&mut *snapshot).await?;
                    page.take(records.into_iter().map(RequestRecord::read), |request| {
                        let holds = |address| {
                            request
                                .reading
                                .as_ref()
                                .is_some_and(|reading| reading.has_source(address))
                        };
                        (
                            filter.address.is_none_or(holds),
                            lists::after_request(request, filter.queue_order),
                        )
                    })?;
                }
                let Page { items, next } = page.finish();
                let grants = if items.is_empty() {
                    Vec::new()
                } else {
                    let ids: Vec<Uuid> = items.iter().map(|request| request.id.0).collect();
                    sqlx::query_as(Self::GRANTS_OF)
                        .bind(uuids(&ids))
                        .fetch_all(&mut *snapshot)
                        .await?
                };
                snapshot.commit().await?;
                reader.keep();
                Ok(Page {
                    items: rows::assemble(items, read_grants(grants)?),
                    next,
                })
            }

            async fn grants(
                &self,
                filter: &GrantFilter,
                visible: &Visibility,
                after: Option<&PageKey>,
                limit: u32,
            ) -> Result<(Page<Grant>, Feed), StoreError> {
                let mut page = lists::Paging::new(after, limit, filter.address.is_some());
                let mut reader = self.readers().acquire().await?;
                let mut snapshot = reader.begin_with($snapshot).await?;
                let record: FeedRecord = sqlx::query_as(sql!("feed"))
                    .fetch_one(&mut *snapshot)
                    .await?;
                let feed = record.read()?;
                if visible.is_empty() {
                    return Ok((
                        Page {
                            items: Vec::new(),
                            next: None,
                        },
                        feed,
                    ));
                }
                while let Some(batch) = page.batch() {
                    let mut query = QueryBuilder::<$database>::new(sql!("grants_page"));
                    lists::grants(&mut query, filter, visible, page.after(), batch);
                    let records: Vec<GrantRecord> =
                        query.build_query_as().fetch_all(&mut *snapshot).await?;
                    page.take(records.into_iter().map(GrantRecord::read), |grant| {
                        let holds = |address| {
                            grant
                                .rule
                                .sources
                                .iter()
                                .any(|network| network.contains(&address))
                        };
                        (
                            filter.address.is_none_or(holds),
                            lists::after_grant(grant, filter.queue_order),
                        )
                    })?;
                }
                snapshot.commit().await?;
                reader.keep();
                Ok((page.finish(), feed))
            }

            async fn live_grants(
                &self,
                institution: &InstitutionId,
                wanted: &Reach,
                now: Instant,
                limit: u32,
            ) -> Result<LiveGrants, StoreError> {
                let stretches = wanted.stretches();
                if stretches.is_empty() {
                    return Ok(LiveGrants::default());
                }
                let query = sqlx::query_as(Self::LIVE_GRANTS)
                    .bind(institution.as_str().to_owned())
                    .bind(now.micros())
                    // One more than wanted, so that it is known whether there are more.
                    .bind(i64::from(limit) + 1)
                    .bind(reach::ROWS_LOOKED_AT);
                let records: Vec<LiveRecord> = bind_stretches(query, &stretches)
                    .fetch_all(self.readers())
                    .await?;
                let limit = usize::try_from(limit).unwrap_or(usize::MAX);
                let cut = records.len() > limit || records.iter().any(|record| record.cut);
                let mut grants = records
                    .into_iter()
                    .take(limit)
                    .map(LiveRecord::read)
                    .collect::<Result<Vec<_>, _>>()?;
                grants.retain(|grant| wanted.touches(&grant.rule));
                Ok(LiveGrants { grants, cut })
            }

            async fn comments(
                &self,
                request: RequestId,
                internal: bool,
                after: Option<CommentId>,
                limit: u32,
            ) -> Result<Vec<Comment>, StoreError> {
                let records: Vec<CommentRecord> = sqlx::query_as(sql!("comments"))
                    .bind(request.0)
                    .bind(internal)
                    .bind(after.map_or(Uuid::nil(), |id| id.0))
                    .bind(i64::from(limit.min(lists::PAGE_AT_MOST)))
                    .fetch_all(self.readers())
                    .await?;
                records.into_iter().map(CommentRecord::read).collect()
            }

            async fn subject_events(
                &self,
                subject: &str,
                after_sequence: u64,
                limit: u32,
            ) -> Result<Vec<StoredEvent>, StoreError> {
                let records: Vec<EventRecord> = sqlx::query_as(sql!("subject_events"))
                    .bind(subject)
                    .bind(rows::signed(after_sequence))
                    .bind(i64::from(limit.min(lists::PAGE_AT_MOST)))
                    .fetch_all(self.readers())
                    .await?;
                records.into_iter().map(EventRecord::read).collect()
            }

            async fn events(
                &self,
                after_position: u64,
                head: Option<u64>,
                filter: &EventFilter,
                visible: &Visibility,
                limit: u32,
            ) -> Result<EventPage, StoreError> {
                let limit = limit.clamp(1, lists::PAGE_AT_MOST);
                let mut reader = self.readers().acquire().await?;
                // Known first: what stands at or before this head is committed, so no position is skipped.
                let head = match head {
                    Some(head) => head,
                    None => {
                        let head: i64 = sqlx::query_scalar(sql!("head"))
                            .fetch_one(&mut *reader)
                            .await?;
                        rows::unsigned("ledger_head", 1, head)?
                    }
                };
                if after_position >= head || visible.is_empty() {
                    reader.keep();
                    return Ok(EventPage {
                        events: Vec::new(),
                        position: after_position.max(head),
                        head,
                    });
                }
                let mut until = head;
                if lists::is_selective(filter, visible) {
                    let window = u64::from(limit) * lists::POSITIONS_PER_EVENT;
                    match lists::walk(filter, visible) {
                        lists::Walk::Log => until = head.min(after_position.saturating_add(window)),
                        lists::Walk::Institution(one) => {
                            let bound: Option<i64> = sqlx::query_scalar(sql!("institution_bound"))
                                .bind(one.as_str())
                                .bind(rows::signed(after_position))
                                .bind(rows::signed(window))
                                .fetch_optional(&mut *reader)
                                .await?;
                            if let Some(bound) = bound {
                                until = head.min(rows::unsigned("events", bound, bound)?);
                            }
                        }
                        lists::Walk::Subject(_) => {}
                    }
                }
                let mut query = QueryBuilder::<$database>::new(sql!("events_page"));
                lists::events(&mut query, (after_position, until), filter, visible, limit);
                let records: Vec<EventRecord> =
                    query.build_query_as().fetch_all(&mut *reader).await?;
                reader.keep();
                let events: Vec<StoredEvent> = records
                    .into_iter()
                    .map(EventRecord::read)
                    .collect::<Result<_, _>>()?;
                let full = u32::try_from(events.len()).is_ok_and(|found| found >= limit);
                let position = match events.last() {
                    Some(last) if full => last.position,
                    _ => until,
                };
                Ok(EventPage {
                    events,
                    position,
                    head,
                })
            }

            async fn institution(
                &self,
                id: &InstitutionId,
            ) -> Result<Option<Versioned<Institution>>, StoreError> {
                let record: Option<CatalogueRecord> = sqlx::query_as(sql!("institution"))
                    .bind(id.as_str())
                    .fetch_optional(self.readers())
                    .await?;
                record.map(|record| record.read("institutions")).transpose()
            }

            async fn institutions(
                &self,
                visible: &Visibility,
                after: Option<&str>,
                limit: u32,
            ) -> Result<Vec<Versioned<Institution>>, StoreError> {
                let mut query = QueryBuilder::<$database>::new(sql!("institutions_page"));
                lists::institutions(&mut query, visible, after, limit.min(lists::PAGE_AT_MOST));
                let records: Vec<CatalogueRecord> =
                    query.build_query_as().fetch_all(self.readers()).await?;
                records
                    .into_iter()
                    .map(|record| record.read("institutions"))
                    .collect()
            }

            async fn product(
                &self,
                id: &ProductId,
            ) -> Result<Option<Versioned<Product>>, StoreError> {
                let record: Option<CatalogueRecord> = sqlx::query_as(sql!("product"))
                    .bind(id.as_str())
                    .fetch_optional(self.readers())
                    .await?;
                record.map(|record| record.read("products")).transpose()
            }

            async fn products(
                &self,
                visible: &Visibility,
                after: Option<&str>,
                limit: u32,
            ) -> Result<Vec<Versioned<Product>>, StoreError> {
                let mut query = QueryBuilder::<$database>::new(sql!("products_page"));
                lists::products(&mut query, visible, after, limit.min(lists::PAGE_AT_MOST));
                let records: Vec<CatalogueRecord> =
                    query.build_query_as().fetch_all(self.readers()).await?;
                records
                    .into_iter()
                    .map(|record| record.read("products"))
                    .collect()
            }

            async fn servers(
                &self,
                institution: &InstitutionId,
                after: Option<&str>,
                limit: u32,
            ) -> Result<Vec<Versioned<Server>>, StoreError> {
                let records: Vec<CatalogueRecord> = sqlx::query_as(sql!("servers"))
                    .bind(institution.as_str())
                    .bind(after.unwrap_or_default())
                    .bind(i64::from(limit.min(lists::PAGE_AT_MOST)))
                    .fetch_all(self.readers())
                    .await?;
                records
                    .into_iter()
                    .map(|record| record.read("servers"))
                    .collect()
            }

            async fn server(
                &self,
                institution: &InstitutionId,
                id: &ServerId,
            ) -> Result<Option<Versioned<Server>>, StoreError> {
                let record: Option<CatalogueRecord> = sqlx::query_as(sql!("server"))
                    .bind(institution.as_str())
                    .bind(id.as_str())
                    .fetch_optional(self.readers())
                    .await?;
                record.map(|record| record.read("servers")).transpose()
            }

            async fn is_of_others(
                &self,
                institution: &InstitutionId,
                destination: &domain::net::Destination,
            ) -> Result<bool, StoreError> {
                let found: Option<String> = sqlx::query_scalar(sql!("server_of_others"))
                    .bind(destination.to_string())
                    .bind(institution.as_str())
                    .fetch_optional(self.readers())
                    .await?;
                Ok(found.is_some())
            }

            async fn teams(&self) -> Result<Vec<TeamId>, StoreError> {
                let teams: Vec<String> = sqlx::query_scalar(sql!("teams"))
                    .fetch_all(self.readers())
                    .await?;
                let read = |team: String| {
                    team.parse()
                        .map_err(|error| rows::corrupt("products", team, error))
                };
                teams.into_iter().map(read).collect()
            }

            async fn replay(&self, key: &ReplayKey) -> Result<Option<Replay>, StoreError> {
                let record: Option<ReplayRecord> = sqlx::query_as(sql!("replay"))
                    .bind(&key.principal)
                    .bind(key.method)
                    .bind(&key.request_id)
                    .fetch_optional(self.readers())
                    .await?;
                let found = record
                    .map(|record| record.read(std::slice::from_ref(key)))
                    .transpose()?;
                Ok(found.flatten())
            }

            async fn ping(&self) -> Result<(), StoreError> {
                sqlx::query(sql!("head")).fetch_one(self.readers()).await?;
                Ok(())
            }
        }
    };
}

pub(super) use {implement_store, sql};
