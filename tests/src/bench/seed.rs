//! Filling a ledger through SQL: many copies of one real request, its grant and its events.
//!
//! Role: the template is made by the running house itself (an imported grant); copies differ in their ids, numbers,
//! sequences and deadlines, which are put into the columns and into the stored documents alike. The house must be
//! stopped meanwhile: it keeps the head of the log in memory.
//! Invariants: columns that this file does not name are copied as they are, so a new column needs no change here; ids
//! are made from the number of the copy, in rising order as real ones are.
//! Failure story: a template that is not there or not alone fails the measurement.

use std::path::Path;

use sqlx::{
    AssertSqlSafe, PgPool, Row as _, SqlitePool,
    postgres::PgPoolOptions,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions},
};

use crate::{Outcome, house::Place};

/// The ledger's database, opened beside the house.
pub(crate) enum Ledger {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// Which copies to make.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Copies {
    /// Number of the first; ids are made from it.
    pub(crate) first: i64,
    pub(crate) count: i64,
}

/// When copies of a grant end, in microseconds since the epoch.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ends {
    /// All at once.
    At(i64),
    /// At random within a span that begins here.
    Within(i64, i64),
}

/// Ids and texts of the template.
struct Template {
    request: String,
    grant: String,
    number: String,
}

const REQUESTS: &str = "01930000-0000-7000-8000-";
const GRANTS: &str = "01930001-0000-7000-8000-";
const EVENTS: &str = "01930002-0000-7000-8000-";

impl Ledger {
    /// Opens it.
    pub(crate) async fn open(place: &Place) -> Outcome<Self> {
        Ok(match place {
            Place::Sqlite(data) => Self::Sqlite(sqlite(&data.join("intake.db")).await?),
            Place::Postgres(url) => Self::Postgres(
                PgPoolOptions::new()
                    .max_connections(4)
                    .after_connect(|connection, _| {
                        Box::pin(async move {
                            sqlx::query("set search_path to intake")
                                .execute(connection)
                                .await
                                .map(drop)
                        })
                    })
                    .connect(url)
                    .await?,
            ),
        })
    }

    /// Runs statements.
    pub(crate) async fn run(&self, sql: &str) -> Outcome<u64> {
        let sql = AssertSqlSafe(sql.to_owned());
        Ok(match self {
            Self::Sqlite(pool) => sqlx::raw_sql(sql).execute(pool).await?.rows_affected(),
            Self::Postgres(pool) => sqlx::raw_sql(sql).execute(pool).await?.rows_affected(),
        })
    }

    /// The first column of every row, as text.
    pub(crate) async fn texts(&self, sql: &str) -> Outcome<Vec<String>> {
        let sql = AssertSqlSafe(sql.to_owned());
        Ok(match self {
            Self::Sqlite(pool) => {
                let rows = sqlx::query(sql).fetch_all(pool).await?;
                rows.iter()
                    .map(|row| row.try_get(0))
                    .collect::<Result<_, _>>()?
            }
            Self::Postgres(pool) => {
                let rows = sqlx::query(sql).fetch_all(pool).await?;
                rows.iter()
                    .map(|row| row.try_get(0))
                    .collect::<Result<_, _>>()?
            }
        })
    }

    /// The first column of the only row.
    pub(crate) async fn text(&self, sql: &str) -> Outcome<String> {
        let mut texts = self.texts(sql).await?;
        match (texts.pop(), texts.is_empty()) {
            (Some(text), true) => Ok(text),
            (_, _) => Err(format!("not one row: {sql}").into()),
        }
    }

    /// Makes copies of the request and the grant that were imported last.
    pub(crate) async fn copy_cases(&self, copies: Copies, ends: Ends) -> Outcome<()> {
        self.copy_requests(copies).await?;
        self.copy_grants(copies, ends).await
    }

    /// Copies of the request alone.
    pub(crate) async fn copy_requests(&self, copies: Copies) -> Outcome<()> {
        let template = self.template().await?;
        let document = |column: &str| self.replaced(column, &template);
        let overrides = [
            ("id", self.id(REQUESTS, "i")),
            ("number", number("i")),
            ("body", document("body")),
            ("search_text", self.replaced_text("search_text", &template)),
        ];
        self.copy(
            "requests",
            &format!("id = {}", self.literal(&template.request)),
            copies,
            &overrides,
        )
        .await
    }

    /// Copies of the grant alone: their requests must be there when something other than their end happens to them.
    pub(crate) async fn copy_grants(&self, copies: Copies, ends: Ends) -> Outcome<()> {
        let template = self.template().await?;
        let at = match ends {
            Ends::At(at) => at.to_string(),
            Ends::Within(from, span) => match self {
                Self::Sqlite(_) => format!("({from} + abs(random() % {span}))"),
                Self::Postgres(_) => format!("({from} + floor(random() * {span})::bigint)"),
            },
        };
        let overrides = [
            ("id", self.id(GRANTS, "i")),
            ("request_id", self.id(REQUESTS, "i")),
            ("body", self.replaced("body", &template)),
            ("expires_at_us", at),
            ("due_at_us", "0".to_owned()),
        ];
        self.copy(
            "grants",
            &format!("id = {}", self.literal(&template.grant)),
            copies,
            &overrides,
        )
        .await?;
        // The deadline of an active grant is its end; a random one must be drawn once.
        self.run("update grants set due_at_us = expires_at_us where due_at_us = 0")
            .await?;
        // What they open is found under the same places. The template's few rows are read first: the planner, which
        // thinks the table empty, would look for them in the growing table once for every copy.
        let (first, last) = (copies.first, copies.first + copies.count - 1);
        self.run(&format!(
            "insert into live_rules (institution, place, network_from, grant_id, network_to, expires_at_us)
             with rule as materialized (select * from live_rules where grant_id = {})
             select rule.institution, rule.place, rule.network_from, grants.id, rule.network_to, grants.expires_at_us
             from rule cross join grants
             where grants.id between {} and {}",
            self.literal(&template.grant),
            self.id(GRANTS, &first.to_string()),
            self.id(GRANTS, &last.to_string()),
        ))
        .await?;
        Ok(())
    }

    /// Copies of the template's newest event, four for each subject, and moves the head behind them.
    pub(crate) async fn copy_events(&self, count: i64) -> Outcome<()> {
        let template = self.template().await?;
        let head: i64 = self
            .text("select cast(position as text) from ledger_head")
            .await?
            .parse()?;
        let subject = self.id_text(REQUESTS, "((i - 1) / 4 + 1)");
        let sequence = "((i - 1) % 4 + 1)";
        let old_id = self.text(&format!(
            "select {} from events where position = {head}",
            match self {
                Self::Sqlite(_) => "lower(substr(hex(id),1,8)||'-'||substr(hex(id),9,4)||'-'||substr(hex(id),13,4)||'-'||substr(hex(id),17,4)||'-'||substr(hex(id),21))",
                Self::Postgres(_) => "id::text",
            }
        )).await?;
        let old_sequence = self
            .text(&format!(
                "select cast(sequence as text) from events where position = {head}"
            ))
            .await?;
        let padded = match self {
            Self::Sqlite(_) => format!("printf('%020d', {sequence})"),
            Self::Postgres(_) => format!("lpad({sequence}::text, 20, '0')"),
        };
        let envelope = format!(
            "replace(replace(replace({}, '{}', {subject}), '{old_id}', {}), '{old_sequence:0>20}', {padded})",
            self.as_text("envelope"),
            template.request,
            self.id_text(EVENTS, "i"),
        );
        let overrides = [
            ("position", format!("{head} + i")),
            ("id", self.id(EVENTS, "i")),
            ("subject", subject),
            ("sequence", sequence.to_owned()),
            ("envelope", self.as_bytes(&envelope)),
        ];
        self.copy(
            "events",
            &format!("position = {head}"),
            Copies { first: 1, count },
            &overrides,
        )
        .await?;
        self.run(&format!(
            "update ledger_head set position = {head} + {count}"
        ))
        .await?;
        Ok(())
    }

    /// Fresh statistics, and nothing left to be written while something is measured.
    pub(crate) async fn settle(&self) -> Outcome<()> {
        match self {
            Self::Sqlite(_) => self.run("pragma wal_checkpoint(truncate)").await?,
            Self::Postgres(_) => {
                self.run("vacuum analyze").await?;
                self.run("checkpoint").await?
            }
        };
        Ok(())
    }

    pub(crate) async fn close(self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }

    async fn template(&self) -> Outcome<Template> {
        // The oldest is the imported one: the ids of copies begin before those of today.
        let uuid = |column: &str| match self {
            Self::Sqlite(_) => format!(
                "lower(substr(hex({column}),1,8)||'-'||substr(hex({column}),9,4)||'-'||substr(hex({column}),13,4)||'-'||substr(hex({column}),17,4)||'-'||substr(hex({column}),21))"
            ),
            Self::Postgres(_) => format!("{column}::text"),
        };
        let newest = "order by id desc limit 1";
        Ok(Template {
            request: self
                .text(&format!("select {} from requests {newest}", uuid("id")))
                .await?,
            grant: self
                .text(&format!("select {} from grants {newest}", uuid("id")))
                .await?,
            number: self
                .text(&format!("select number from requests {newest}"))
                .await?,
        })
    }

    async fn copy(
        &self,
        table: &str,
        which: &str,
        copies: Copies,
        overrides: &[(&str, String)],
    ) -> Outcome<()> {
        let columns = self
            .texts(&match self {
                Self::Sqlite(_) => format!("select name from pragma_table_info('{table}') order by cid"),
                Self::Postgres(_) => format!(
                    "select column_name::text from information_schema.columns \
                     where table_schema = 'intake' and table_name = '{table}' order by ordinal_position"
                ),
            })
            .await?;
        let values: Vec<String> = columns
            .iter()
            .map(|column| {
                let named = overrides.iter().find(|(name, _)| name == column);
                named.map_or_else(|| column.clone(), |(_, value)| value.clone())
            })
            .collect();
        let (first, last) = (copies.first, copies.first + copies.count - 1);
        let series = match self {
            Self::Sqlite(_) => format!(
                "(with recursive n(i) as (select {first} union all select i + 1 from n where i < {last}) select i from n)"
            ),
            Self::Postgres(_) => {
                format!("(select i from generate_series({first}::bigint, {last}) as n(i))")
            }
        };
        let sql = format!(
            "insert into {table} ({}) select {} from (select * from {table} where {which}) as template cross join {series} as copy order by i",
            columns.join(", "),
            values.join(", "),
        );
        self.run(&sql).await?;
        Ok(())
    }

    fn id_text(&self, prefix: &str, n: &str) -> String {
        match self {
            Self::Sqlite(_) => format!("printf('{prefix}%012x', {n})"),
            Self::Postgres(_) => format!("('{prefix}' || lpad(to_hex({n}), 12, '0'))"),
        }
    }

    fn id(&self, prefix: &str, n: &str) -> String {
        match self {
            Self::Sqlite(_) => format!("unhex(printf('{}%012x', {n}))", prefix.replace('-', "")),
            Self::Postgres(_) => format!("{}::uuid", self.id_text(prefix, n)),
        }
    }

    fn literal(&self, id: &str) -> String {
        match self {
            Self::Sqlite(_) => format!("x'{}'", id.replace('-', "")),
            Self::Postgres(_) => format!("'{id}'::uuid"),
        }
    }

    fn as_text(&self, column: &str) -> String {
        match self {
            Self::Sqlite(_) => format!("cast({column} as text)"),
            Self::Postgres(_) => format!("convert_from({column}, 'UTF8')"),
        }
    }

    fn as_bytes(&self, text: &str) -> String {
        match self {
            Self::Sqlite(_) => format!("cast({text} as blob)"),
            Self::Postgres(_) => format!("convert_to({text}, 'UTF8')"),
        }
    }

    fn replaced(&self, column: &str, template: &Template) -> String {
        self.as_bytes(&self.replaced_text(&self.as_text(column), template))
    }

    fn replaced_text(&self, text: &str, template: &Template) -> String {
        let Template {
            request,
            grant,
            number: old,
        } = template;
        format!(
            "replace(replace(replace(replace({text}, '{request}', {}), '{grant}', {}), '{old}', {}), '{}', lower({}))",
            self.id_text(REQUESTS, "i"),
            self.id_text(GRANTS, "i"),
            number("i"),
            old.to_lowercase(),
            number("i"),
        )
    }
}

/// `FW-2031-000123`: a year that the running house does not number in.
fn number(n: &str) -> String {
    format!(
        "('FW-2031-' || case when {n} < 1000000 then substr(cast(1000000 + {n} as text), 2) else cast({n} as text) end)"
    )
}

/// Opens a SQLite file as durably as the house does.
pub(crate) async fn sqlite(path: &Path) -> Outcome<SqlitePool> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(sqlx::sqlite::SqliteSynchronous::Full)
        .busy_timeout(std::time::Duration::from_secs(10));
    Ok(SqlitePoolOptions::new()
        .max_connections(1)
        .connect_with(options)
        .await?)
}
