//! The house as its users meet it: scenarios over HTTP, on both stores, with a clock that the tests own.
//!
//! Role: each test tells one story from the facts of hosted access (rows H1 to H12) or from the design. `people` are
//! those who act; `permissions` runs every RPC as every role.
//! Failure story: a story that goes another way says which step was refused, with the whole problem document.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod actions;
mod anchors;
mod asking;
mod day_one;
mod deciding;
mod emergencies;
mod ending;
mod followers;
mod forgetting;
mod history;
mod links;
mod logins;
mod pages;
mod people;
mod permissions;
mod policies;
mod proving;
mod retries;
mod sight;
mod states;
mod texts;
mod tracing;
mod wire;
mod working;

/// Makes a test on each store of every story.
#[macro_export]
macro_rules! on_both_stores {
    ($($story:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() {
                super::$story(testkit::Store::Sqlite).await;
            })*
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() {
                super::$story(testkit::Store::Postgres).await;
            })*
        }
    };
}
