//! The log as history: sealed heads, the hashes that proofs are made of, and the rows as they lie there.
//!
//! Role: `implement_history!` writes the same [`History`] for each database, as [`super::reads`] does for the rest.
//! Invariants: a head replaces only the one that it grew from, so two replicas that seal at once cannot fork the log;
//! [`LogRow`] is read without being understood, so that a row that somebody altered can still be looked at.
//! Failure story: as [`super::reads`].

use std::collections::BTreeMap;

use async_trait::async_trait;
use domain::{access::Visibility, id::EventId, net::Destination, time::Instant};
use serde::{Deserialize, Serialize};
use tlog::{Tile, TileId};
use uuid::Uuid;

use super::{StoreError, StoredEvent};

/// The newest signed head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sealed {
    /// How many events it covers, from the first.
    pub(crate) size: u64,
    /// The signed note; empty before the first seal.
    pub(crate) note: String,
    /// When it was sealed, by the store's clock.
    pub(crate) at: Instant,
}

/// A row of the log as it lies there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, sqlx::FromRow)]
pub struct LogRow {
    /// From 1, without gaps.
    pub position: i64,
    /// The event's id.
    pub id: Uuid,
    /// Its type.
    #[serde(rename = "type")]
    #[sqlx(rename = "type")]
    pub kind: String,
    /// Its aggregate.
    pub subject: String,
    /// From 1 within the subject.
    pub sequence: i64,
    /// Whose.
    pub institution: Option<String>,
    /// Its product.
    pub product: Option<String>,
    /// Whose work.
    pub team: Option<String>,
    /// Which grant.
    pub grant_id: Option<Uuid>,
    /// An emergency.
    pub emergency: bool,
    /// When, in microseconds since 1970-01-01 UTC.
    pub at_us: i64,
    /// The private details.
    #[serde(with = "text")]
    pub details: Vec<u8>,
    /// The salt of the commitment to them.
    #[serde(with = "hexadecimal")]
    pub salt: Vec<u8>,
    /// The exact bytes of the envelope: the leaf.
    #[serde(with = "text")]
    pub envelope: Vec<u8>,
}

/// What the ledger keeps and tells of its history.
#[async_trait]
pub(crate) trait History: Send + Sync {
    /// The newest signed head.
    async fn sealed(&self) -> Result<Sealed, StoreError>;

    /// Those of these tiles that are there.
    async fn tiles(&self, ids: &[TileId]) -> Result<BTreeMap<TileId, Tile>, StoreError>;

    /// The envelopes after a position, in order, with their positions.
    async fn envelopes(&self, after: u64, limit: u32) -> Result<Vec<(u64, Vec<u8>)>, StoreError>;

    /// Puts a head and the tiles that changed in the place of the head of size `grown_from`. `false`: that one stands no
    /// longer, and nothing was written.
    async fn seal(
        &self,
        grown_from: u64,
        size: u64,
        note: &str,
        tiles: &[(TileId, Tile)],
    ) -> Result<bool, StoreError>;

    /// One event.
    async fn event(&self, id: EventId) -> Result<Option<StoredEvent>, StoreError>;

    /// The rows after a position, in order, as they lie there.
    async fn log_rows(&self, after: u64, limit: u32) -> Result<Vec<LogRow>, StoreError>;

    /// The events after a position that may say what a grant opens: of what `visible` shows, and naming `destination` if
    /// one is given.
    async fn openings(
        &self,
        after: u64,
        destination: Option<&Destination>,
        visible: &Visibility,
        limit: u32,
    ) -> Result<Vec<StoredEvent>, StoreError>;
}

/// A tile as it is kept.
pub(super) fn read_tile(id: TileId, bytes: &[u8]) -> Result<Tile, StoreError> {
    Tile::from_bytes(bytes).map_err(|error| {
        super::rows::corrupt("history_tiles", format!("{}/{}", id.level, id.index), error)
    })
}

macro_rules! implement_history {
    ($store:ident, $database:ty) => {
        #[async_trait]
        impl History for $store {
            async fn sealed(&self) -> Result<Sealed, StoreError> {
                let (size, note, at): (i64, String, i64) = sqlx::query_as(sql!("history_head"))
                    .fetch_one(self.readers())
                    .await?;
                Ok(Sealed {
                    size: rows::unsigned("history_head", 1, size)?,
                    note,
                    at: Instant::from_micros(at),
                })
            }

            async fn tiles(&self, ids: &[TileId]) -> Result<BTreeMap<TileId, Tile>, StoreError> {
                let mut tiles = BTreeMap::new();
                let mut reader = self.readers().acquire().await?;
                for id in ids {
                    let found: Option<Vec<u8>> = sqlx::query_scalar(sql!("history_tile"))
                        .bind(i16::from(id.level))
                        .bind(rows::signed(id.index))
                        .fetch_optional(&mut *reader)
                        .await?;
                    if let Some(bytes) = found {
                        tiles.insert(*id, history::read_tile(*id, &bytes)?);
                    }
                }
                reader.keep();
                Ok(tiles)
            }

            async fn envelopes(
                &self,
                after: u64,
                limit: u32,
            ) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
                let found: Vec<(i64, Vec<u8>)> = sqlx::query_as(sql!("envelopes"))
                    .bind(rows::signed(after))
                    .bind(i64::from(limit.min(lists::PAGE_AT_MOST)))
                    .fetch_all(self.readers())
                    .await?;
                found
                    .into_iter()
                    .map(|(position, envelope)| {
                        Ok((rows::unsigned("events", position, position)?, envelope))
                    })
                    .collect()
            }

            async fn seal(
                &self,
                grown_from: u64,
                size: u64,
                note: &str,
                tiles: &[(TileId, Tile)],
            ) -> Result<bool, StoreError> {
                let mut group = self.begin_group().await?;
                let done = sqlx::query(sql!("store_history_head"))
                    .bind(rows::signed(size))
                    .bind(note)
                    .bind(group.now.micros())
                    .bind(rows::signed(grown_from))
                    .execute(&mut *group.inner)
                    .await?;
                if done.rows_affected() != 1 {
                    return Ok(false);
                }
                for (id, tile) in tiles {
                    sqlx::query(sql!("store_history_tile"))
                        .bind(i16::from(id.level))
                        .bind(rows::signed(id.index))
                        .bind(tile.to_bytes())
                        .execute(&mut *group.inner)
                        .await?;
                }
                group.inner.commit().await?;
                Ok(true)
            }

            async fn event(&self, id: EventId) -> Result<Option<StoredEvent>, StoreError> {
                let record: Option<EventRecord> = sqlx::query_as(sql!("event"))
                    .bind(id.0)
                    .fetch_optional(self.readers())
                    .await?;
                record.map(EventRecord::read).transpose()
            }

            async fn log_rows(&self, after: u64, limit: u32) -> Result<Vec<LogRow>, StoreError> {
                Ok(sqlx::query_as(sql!("log_rows"))
                    .bind(rows::signed(after))
                    .bind(i64::from(limit.min(lists::PAGE_AT_MOST)))
                    .fetch_all(self.readers())
                    .await?)
            }

            async fn openings(
                &self,
                after: u64,
                destination: Option<&Destination>,
                visible: &Visibility,
                limit: u32,
            ) -> Result<Vec<StoredEvent>, StoreError> {
                if visible.is_empty() {
                    return Ok(Vec::new());
                }
                let mut query = QueryBuilder::<$database>::new(sql!("events_page"));
                lists::openings(
                    &mut query,
                    after,
                    destination,
                    visible,
                    limit.min(lists::PAGE_AT_MOST),
                );
                let records: Vec<EventRecord> =
                    query.build_query_as().fetch_all(self.readers()).await?;
                records.into_iter().map(EventRecord::read).collect()
            }
        }
    };
}

pub(super) use implement_history;

/// Bytes that are text, written as text: what is no UTF-8 any more was altered, and is marked by its replacements.
mod text {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&String::from_utf8_lossy(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        String::deserialize(from).map(String::into_bytes)
    }
}

/// Bytes in lower-case hexadecimal.
mod hexadecimal {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&service_kit::random::hex(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(from)?;
        let digit = |byte: u8| char::from(byte).to_digit(16);
        if text.len() % 2 != 0 {
            return Err(D::Error::custom("write pairs of hexadecimal digits"));
        }
        text.as_bytes()
            .chunks_exact(2)
            .map(|pair| match pair {
                [high, low] => Some((digit(*high)? << 4 | digit(*low)?) as u8),
                _ => None,
            })
            .collect::<Option<Vec<u8>>>()
            .ok_or_else(|| D::Error::custom("write pairs of hexadecimal digits"))
    }
}
