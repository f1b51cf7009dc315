//! API keys as they are kept: found by either of their secrets, listed, and when they were used.
//!
//! Role: `implement_keys!` writes the same [`Keys`] for each database, as [`super::reads`] does for the rest. Keys are
//! written by the ledger's groups, with their events; only their uses are written here, beside the groups.
//! Invariants: a use only moves forward, whichever replica writes it last; a key has one row of uses for each secret that
//! it ever had.
//! Failure story: as [`super::reads`]; uses that could not be written are written with the next ones.

use async_trait::async_trait;
use domain::{id::KeyId, time::Instant};

use super::{ApiKey, StoreError};

/// A secret of a key was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyUse {
    /// The key.
    pub(crate) key: KeyId,
    /// SHA-256 of the secret.
    pub(crate) secret_sha256: [u8; 32],
    /// When.
    pub(crate) at: Instant,
}

/// What is read of keys.
#[async_trait]
pub(crate) trait Keys: Send + Sync {
    /// The key with this secret, be it the present one or the one before. When they were used is not looked up.
    async fn key_by_secret(&self, secret_sha256: &[u8; 32]) -> Result<Option<ApiKey>, StoreError>;

    /// Keys, newest first, before `before`.
    async fn keys(&self, before: Option<KeyId>, limit: u32) -> Result<Vec<ApiKey>, StoreError>;

    /// Remembers when secrets were last used.
    async fn note_key_uses(&self, uses: &[KeyUse]) -> Result<(), StoreError>;
}

macro_rules! implement_keys {
    ($store:ident) => {
        #[async_trait]
        impl Keys for $store {
            async fn key_by_secret(
                &self,
                secret_sha256: &[u8; 32],
            ) -> Result<Option<ApiKey>, StoreError> {
                let record: Option<KeyRecord> = sqlx::query_as(sql!("key_by_secret"))
                    .bind(secret_sha256.as_slice())
                    .fetch_optional(self.readers())
                    .await?;
                record.map(KeyRecord::read).transpose()
            }

            async fn keys(
                &self,
                before: Option<KeyId>,
                limit: u32,
            ) -> Result<Vec<ApiKey>, StoreError> {
                let records: Vec<KeyRecord> = sqlx::query_as(sql!("keys"))
                    .bind(before.map_or(Uuid::max(), |id| id.0))
                    .bind(i64::from(limit.min(lists::PAGE_AT_MOST)))
                    .fetch_all(self.readers())
                    .await?;
                records.into_iter().map(KeyRecord::read).collect()
            }

            async fn note_key_uses(&self, uses: &[KeyUse]) -> Result<(), StoreError> {
                let mut group = self.begin_group().await?;
                for used in uses {
                    sqlx::query(sql!("store_key_use"))
                        .bind(used.key.0)
                        .bind(used.secret_sha256.as_slice())
                        .bind(used.at.micros())
                        .execute(&mut *group.inner)
                        .await?;
                }
                group.inner.commit().await?;
                Ok(())
            }
        }
    };
}

pub(super) use implement_keys;
