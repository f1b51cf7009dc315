//! What every store of this service must do: one suite, run against SQLite and PostgreSQL.
//!
//! Role: each case gets a fresh store and reads like a sentence of the contract. Invariants shown here: fencing, one
//! transaction for place and deliveries, forward-only subscriptions, leases, bounded logs.
//! Failure story: a store that fails a case must not be used.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

mod delivery;
mod owners;
mod stage;

use super::{PostgresStore, SqliteStore};

/// Runs every case against stores that `fresh` makes.
macro_rules! run_all {
    ($fresh:expr) => {
        run_all!(
            $fresh,
            owners::subscription_names_are_unique_and_bounded,
            owners::a_subscription_never_moves_back,
            owners::others_subscriptions_do_not_exist,
            owners::a_repeat_of_a_creation_is_known_by_its_body,
            owners::rotation_keeps_the_old_secret_for_the_overlap,
            owners::an_endpoint_gets_what_happens_after_it_was_made,
            delivery::an_old_leader_writes_nothing,
            delivery::expanding_again_delivers_nothing_twice,
            delivery::claims_are_fair_and_bounded_per_endpoint,
            delivery::an_overtaken_worker_changes_nothing,
            delivery::a_failing_endpoint_is_probed_by_one_at_a_time,
            delivery::gone_pauses_the_endpoint_and_resuming_lets_it_deliver,
            delivery::the_log_of_attempts_is_bounded,
            delivery::redelivering_begins_a_new_round,
            delivery::deliveries_are_listed_newest_first,
            delivery::the_house_is_kept,
        );
    };
    ($fresh:expr, $($part:ident::$case:ident),* $(,)?) => {
        $({
            let store = $fresh(stringify!($case)).await;
            $part::$case(&store).await;
        })*
    };
}

#[tokio::test]
async fn sqlite_keeps_the_contract() {
    let directory = tempfile::tempdir().unwrap();
    let fresh = async |name: &str| {
        let path = directory.path().join(format!("{name}.db"));
        SqliteStore::open(&path).await.unwrap()
    };
    run_all!(fresh);
}

#[tokio::test]
async fn postgres_keeps_the_contract() {
    let url = private_postgres::server()
        .unwrap()
        .fresh_database()
        .unwrap();
    let fresh = async |name: &str| PostgresStore::open(&url, name).await.unwrap();
    run_all!(fresh);
}

#[tokio::test]
async fn replicas_may_start_together() {
    let url = private_postgres::server()
        .unwrap()
        .fresh_database()
        .unwrap();
    let opened = futures::future::join_all(
        (0..4).map(|_| async { PostgresStore::open(&url, "notification").await.map(|_| ()) }),
    )
    .await;
    assert!(opened.iter().all(Result::is_ok), "{opened:?}");
}
