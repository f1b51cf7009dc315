//! The contract: what every store of the ledger must do, run against each.
//!
//! Role: one suite, generic over [`super::Store`]; a test gets a [`Place`] and may open it several times, as replicas do.
//! SQLite is opened once at a time (its data directory is locked), so a second opening there is the same store.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed set-up is a failed test"
)]

mod cases;
mod due;
mod eyes;
mod filters;
mod history;
mod keys;
mod links;
mod lists;
mod live;
mod live_plans;
mod log;
mod planner;
mod rest;
mod tampering;
mod values;

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU32, Ordering},
};

use service_kit::{
    clock::{Clock, ClockControl},
    parts::StoreLocation,
};
use sqlx::{
    AssertSqlSafe, ConnectOptions, Executor, postgres::PgConnectOptions,
    sqlite::SqliteConnectOptions,
};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::{Changes, Store, open};

/// Somewhere a ledger is kept during a test.
pub(crate) struct Place {
    location: StoreLocation,
    clock: Clock,
    control: ClockControl,
    /// The one opening of an embedded store.
    embedded: OnceCell<Arc<dyn Store>>,
    directory: TempDir,
}

impl Place {
    fn new(location: impl FnOnce(&TempDir) -> StoreLocation) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (clock, control) = Clock::manual(values::NOW.timestamp());
        Self {
            location: location(&directory),
            clock,
            control,
            embedded: OnceCell::new(),
            directory,
        }
    }

    fn sqlite() -> Self {
        Self::new(|directory| StoreLocation::Sqlite(directory.path().join("data/intake.db")))
    }

    fn postgres() -> Self {
        static SCHEMAS: AtomicU32 = AtomicU32::new(0);
        static DATABASE: OnceLock<String> = OnceLock::new();
        let url = DATABASE.get_or_init(|| {
            let server = private_postgres::server().unwrap();
            server.fresh_database().unwrap()
        });
        let schema = format!("contract_{}", SCHEMAS.fetch_add(1, Ordering::Relaxed));
        // A schema is part of the program elsewhere; here each test has its own.
        Self::new(|_| StoreLocation::Postgres {
            url: url.clone(),
            schema: schema.leak(),
        })
    }

    /// A replica.
    async fn open(&self) -> Arc<dyn Store> {
        let opening = || async { open(&self.location, self.clock.clone()).await.unwrap() };
        match &self.location {
            StoreLocation::Sqlite(_) => Arc::clone(self.embedded.get_or_init(opening).await),
            StoreLocation::Postgres { .. } => opening().await,
        }
    }

    /// A process that starts after the first has ended.
    async fn open_anew(self) -> (Self, Arc<dyn Store>) {
        let Self {
            location,
            clock,
            control,
            embedded,
            directory,
        } = self;
        drop(embedded);
        let place = Self {
            location,
            clock,
            control,
            embedded: OnceCell::new(),
            directory,
        };
        let store = place.open().await;
        (place, store)
    }

    /// Runs SQL past the store.
    async fn sql(&self, text: &str) {
        let text = sqlx::raw_sql(AssertSqlSafe(text.to_owned()));
        match &self.location {
            StoreLocation::Sqlite(path) => {
                let mut connection = SqliteConnectOptions::new()
                    .filename(path)
                    .connect()
                    .await
                    .unwrap();
                connection.execute(text).await.unwrap();
            }
            StoreLocation::Postgres { .. } => {
                self.connect().await.execute(text).await.unwrap();
            }
        }
    }

    /// The one number that `text` selects, past the store.
    async fn number(&self, text: &'static str) -> i64 {
        match &self.location {
            StoreLocation::Sqlite(path) => {
                let options = SqliteConnectOptions::new().filename(path);
                let mut connection = options.connect().await.unwrap();
                let number = sqlx::query_scalar(text).fetch_one(&mut connection);
                number.await.unwrap()
            }
            StoreLocation::Postgres { .. } => {
                let mut connection = self.connect().await;
                let number = sqlx::query_scalar(text).fetch_one(&mut connection);
                number.await.unwrap()
            }
        }
    }

    /// A connection of our own; PostgreSQL only.
    async fn connect(&self) -> sqlx::PgConnection {
        let StoreLocation::Postgres { url, schema } = &self.location else {
            panic!("not PostgreSQL")
        };
        let options: PgConnectOptions = url.parse().unwrap();
        options
            .options([("search_path", *schema)])
            .connect()
            .await
            .unwrap()
    }
}

/// Writes and commits; the new head.
async fn commit(store: &Arc<dyn Store>, changes: &Changes) -> u64 {
    let mut transaction = store.begin().await.unwrap();
    let head = transaction.write(changes).await.unwrap();
    transaction.commit().await.unwrap();
    head
}

macro_rules! contract {
    ($($module:ident::$name:ident,)*) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$module::$name(super::Place::sqlite()).await;
            })*
        }

        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$module::$name(super::Place::postgres()).await;
            })*
        }
    };
}

contract! {
    log::positions_are_gap_free_for_followers_that_resume_at_random,
    log::sequences_count_within_each_subject,
    log::a_dropped_group_leaves_no_trace,
    log::pages_say_how_far_they_looked,
    log::filters_of_events_narrow,
    cases::what_was_written_is_read_back,
    cases::a_changed_case_keeps_what_did_not_change,
    cases::groups_on_one_case_take_turns,
    cases::a_change_of_what_is_not_there_is_refused,
    cases::numbers_are_taken_without_gaps,
    due::ends_come_before_starts_before_alarms_and_oldest_first,
    due::a_case_is_taken_whole_and_once,
    due::nothing_is_due_early,
    due::the_earliest_deadline_follows_what_is_written_and_run,
    eyes::broken_glass_is_kept_found_and_comes_first,
    eyes::a_review_that_is_owed_is_due_with_its_grants,
    lists::nobody_is_shown_what_is_not_theirs,
    lists::pages_neither_repeat_nor_miss_while_rows_come,
    lists::queues_put_emergencies_first_then_the_promise,
    filters::filters_of_requests_narrow,
    filters::filters_of_grants_narrow,
    filters::an_address_is_found_in_networks_however_far_down,
    live::live_grants_are_live,
    live::the_rows_of_a_grant_follow_its_life,
    live::what_touches_is_found_and_nothing_else,
    live::a_server_is_met_under_any_of_its_names,
    live::more_than_the_limit_is_said,
    live::a_grant_of_very_many_networks_has_few_rows_and_is_found_by_each,
    live::rows_that_are_over_are_swept_by_whoever_opens,
    rest::a_repeat_finds_its_answer_until_it_is_forgotten,
    rest::duplicates_are_named,
    rest::the_catalogue_is_stored_whole,
    keys::keys_are_found_by_their_secret_and_live_until_revoked,
    keys::both_secrets_of_a_rotated_key_find_it,
    keys::a_use_moves_forward_and_is_told_with_its_key,
    rest::comments_come_in_order_and_internal_ones_on_request,
    rest::a_restore_raises_the_epoch_and_keeps_the_keys,
    rest::a_row_that_cannot_be_read_is_named,
    rest::what_was_committed_is_there_after_a_restart,
    rest::nul_characters_do_no_harm,
    links::a_link_is_found_by_its_token_and_listed_by_its_request,
    links::no_more_links_of_a_request_are_read_than_it_may_have,
    links::links_are_walked_by_id_and_rewritten_in_their_place,
    history::a_head_replaces_only_the_one_that_it_grew_from,
    history::two_sealers_make_one_history_and_prove_every_event,
    history::what_was_altered_stops_the_sealer,
    history::what_a_grant_opens_is_found_by_its_destination_and_by_who_may_see_it,
    tampering::every_altered_history_is_found_out,
}
