//! Where a person is mentioned.
//!
//! Role: `implement_persons!` writes the same [`Persons`] for each database, as [`super::reads`] does for the rest. What
//! is looked for is found as bytes of the stored JSON: nothing is indexed by person, because that would be one more place
//! where personal data lies.
//! Invariants: a search looks at a bounded part of the log; what is found may be a little too much (a text that holds the
//! same bytes), never too little; whoever asked looks again at what it found.
//! Failure story: as [`super::reads`].

use async_trait::async_trait;
use domain::id::RequestId;

use super::{LogRow, Mention, StoreError};

/// What tells of a person.
#[async_trait]
pub(crate) trait Persons: Send + Sync {
    /// Requests that mention the person, themselves, in their grants or in their comments, after an id, by id.
    async fn requests_mentioning(
        &self,
        mention: &Mention,
        after: Option<RequestId>,
        limit: u32,
    ) -> Result<Vec<RequestId>, StoreError>;

    /// Events whose private details mention the person, after one position and up to another.
    async fn events_mentioning(
        &self,
        mention: &Mention,
        after: u64,
        up_to: u64,
        limit: u32,
    ) -> Result<Vec<LogRow>, StoreError>;
}

macro_rules! implement_persons {
    ($store:ident, $dialect:literal) => {
        #[async_trait]
        impl Persons for $store {
            async fn requests_mentioning(
                &self,
                mention: &Mention,
                after: Option<RequestId>,
                limit: u32,
            ) -> Result<Vec<RequestId>, StoreError> {
                let found: Vec<Uuid> = sqlx::query_scalar(sql!($dialect, "mentioning_requests"))
                    .bind(after.map_or(Uuid::nil(), |id| id.0))
                    .bind(mention.json.as_slice())
                    .bind(mention.text.as_str())
                    .bind(i64::from(limit.min(lists::PAGE_AT_MOST)))
                    .fetch_all(self.readers())
                    .await?;
                Ok(found.into_iter().map(RequestId).collect())
            }

            async fn events_mentioning(
                &self,
                mention: &Mention,
                after: u64,
                up_to: u64,
                limit: u32,
            ) -> Result<Vec<LogRow>, StoreError> {
                Ok(sqlx::query_as(sql!($dialect, "mentioning_events"))
                    .bind(rows::signed(after))
                    .bind(rows::signed(up_to))
                    .bind(mention.json.as_slice())
                    .bind(i64::from(limit.min(lists::PAGE_AT_MOST)))
                    .fetch_all(self.readers())
                    .await?)
            }
        }
    };
}

pub(super) use implement_persons;
