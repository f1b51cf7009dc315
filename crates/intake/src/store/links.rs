//! Links in the store: found by the hash of their token, listed by their request.
//!
//! Role: `implement_links!` writes the same [`Links`] for each database, as [`super::history`] does for the history.
//! Invariants: a link changes only under the lock of its request's row, so that of two who use it one wins; the token is
//! never stored. Failure story: as [`super::reads`].

use async_trait::async_trait;
use domain::{
    id::{LinkId, RequestId},
    link::{Link, MAX_LINKS},
};
use uuid::Uuid;

use super::{StoreError, rows};

/// A link with the hash of its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredLink {
    /// The link.
    pub(crate) link: Link,
    /// SHA-256 of the token (256 random bits: no slow hash is needed).
    pub(crate) token_sha256: [u8; 32],
}

/// Links of one request that are read at most.
pub(super) const READ_AT_MOST: i64 = MAX_LINKS as i64 + 1;

/// A link as it is read.
#[derive(sqlx::FromRow)]
pub(super) struct LinkRecord {
    id: Uuid,
    token_sha256: Vec<u8>,
    body: Vec<u8>,
}

impl LinkRecord {
    pub(super) fn read(self) -> Result<StoredLink, StoreError> {
        let token_sha256 = <[u8; 32]>::try_from(self.token_sha256.as_slice())
            .map_err(|_| rows::corrupt("links", self.id, "the hash has another length"))?;
        Ok(StoredLink {
            link: rows::from_json("links", self.id, &self.body)?,
            token_sha256,
        })
    }
}

/// Reading links.
#[async_trait]
pub(crate) trait Links: Send + Sync {
    /// The link whose token has this hash.
    async fn link_by_token(&self, token_sha256: &[u8; 32]) -> Result<Option<Link>, StoreError>;

    /// Every link of a request, newest first.
    async fn links_of(&self, request: RequestId) -> Result<Vec<Link>, StoreError>;

    /// Links of every request by id after `after`: for who looks at all of them.
    async fn links(&self, after: Option<LinkId>, limit: u32) -> Result<Vec<Link>, StoreError>;
}

macro_rules! implement_links {
    ($store:ident, $transaction:ident) => {
        #[async_trait]
        impl Links for $store {
            async fn link_by_token(
                &self,
                token_sha256: &[u8; 32],
            ) -> Result<Option<Link>, StoreError> {
                let record: Option<LinkRecord> = sqlx::query_as(sql!("link_by_token"))
                    .bind(token_sha256.as_slice())
                    .fetch_optional(self.readers())
                    .await?;
                Ok(record
                    .map(LinkRecord::read)
                    .transpose()?
                    .map(|stored| stored.link))
            }

            async fn links_of(&self, request: RequestId) -> Result<Vec<Link>, StoreError> {
                let records: Vec<LinkRecord> = sqlx::query_as(sql!("links_of_request"))
                    .bind(request.0)
                    .bind(links::READ_AT_MOST)
                    .fetch_all(self.readers())
                    .await?;
                records
                    .into_iter()
                    .map(|record| Ok(record.read()?.link))
                    .collect()
            }

            async fn links(
                &self,
                after: Option<domain::id::LinkId>,
                limit: u32,
            ) -> Result<Vec<Link>, StoreError> {
                let records: Vec<LinkRecord> = sqlx::query_as(sql!("links_page"))
                    .bind(after.map_or(Uuid::nil(), |id| id.0))
                    .bind(i64::from(limit.min(lists::PAGE_AT_MOST)))
                    .fetch_all(self.readers())
                    .await?;
                records
                    .into_iter()
                    .map(|record| Ok(record.read()?.link))
                    .collect()
            }
        }

        impl $transaction {
            pub(super) async fn read_links(
                &mut self,
                request: RequestId,
            ) -> Result<Vec<StoredLink>, StoreError> {
                let records: Vec<LinkRecord> = sqlx::query_as(sql!("links_of_request"))
                    .bind(request.0)
                    .bind(links::READ_AT_MOST)
                    .fetch_all(&mut *self.inner)
                    .await?;
                records.into_iter().map(LinkRecord::read).collect()
            }

            pub(super) async fn write_links(
                &mut self,
                changes: &Changes,
            ) -> Result<(), StoreError> {
                for stored in &changes.links {
                    sqlx::query(sql!("store_link"))
                        .bind(stored.link.id.0)
                        .bind(stored.link.request.0)
                        .bind(stored.token_sha256.as_slice())
                        .bind(rows::json(&stored.link)?)
                        .execute(&mut *self.inner)
                        .await?;
                }
                Ok(())
            }
        }
    };
}

pub(super) use implement_links;
