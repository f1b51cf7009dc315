//! Rows of the catalogue, comments, keys and repeated calls.
//!
//! Role: as [`super`], for what is stored whole. Failure story: as there.

use std::{borrow::Cow, fmt::Display};

use domain::{
    access::{Actor, RoleBinding},
    id::{CommentId, KeyId, RequestId},
    time::Instant,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use uuid::Uuid;

use super::{corrupt, from_json, json, unsigned};
use crate::store::{ApiKey, Comment, Feed, FormerSecret, Replay, ReplayKey, StoreError, Versioned};

/// Something of the catalogue as it is read: its whole is the body.
#[derive(sqlx::FromRow)]
pub(in crate::store) struct CatalogueRecord {
    id: String,
    version: i64,
    body: Vec<u8>,
}

impl CatalogueRecord {
    pub(in crate::store) fn read<T: DeserializeOwned>(
        self,
        table: &'static str,
    ) -> Result<Versioned<T>, StoreError> {
        let version = unsigned(table, &self.id, self.version)?;
        Ok(Versioned {
            value: from_json(table, &self.id, &self.body)?,
            version,
        })
    }
}

#[derive(Serialize, Deserialize)]
struct CommentBody<'a> {
    text: Cow<'a, str>,
    author: Cow<'a, Actor>,
}

pub(in crate::store) fn comment_body(comment: &Comment) -> Result<Vec<u8>, StoreError> {
    json(&CommentBody {
        text: Cow::Borrowed(&comment.text),
        author: Cow::Borrowed(&comment.author),
    })
}

/// A comment as it is read.
#[derive(sqlx::FromRow)]
pub(in crate::store) struct CommentRecord {
    id: Uuid,
    request_id: Uuid,
    internal: bool,
    at_us: i64,
    body: Vec<u8>,
}

impl CommentRecord {
    pub(in crate::store) fn read(self) -> Result<Comment, StoreError> {
        let body: CommentBody<'_> = from_json("comments", self.id, &self.body)?;
        Ok(Comment {
            id: CommentId(self.id),
            request: RequestId(self.request_id),
            text: body.text.into_owned(),
            author: body.author.into_owned(),
            at: Instant::from_micros(self.at_us),
            internal: self.internal,
        })
    }
}

#[derive(Serialize, Deserialize)]
struct KeyBody<'a> {
    display_name: Cow<'a, str>,
    prefix: Cow<'a, str>,
    bindings: Cow<'a, [RoleBinding]>,
    created_at: Instant,
    created_by: Cow<'a, Actor>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous_prefix: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rotated_at: Option<Instant>,
}

pub(in crate::store) fn key_body(key: &ApiKey) -> Result<Vec<u8>, StoreError> {
    json(&KeyBody {
        display_name: Cow::Borrowed(&key.display_name),
        prefix: Cow::Borrowed(&key.prefix),
        bindings: Cow::Borrowed(&key.bindings),
        created_at: key.created_at,
        created_by: Cow::Borrowed(&key.created_by),
        owner: key.owner.as_deref().map(Cow::Borrowed),
        previous_prefix: key
            .previous
            .as_ref()
            .map(|former| Cow::Borrowed(former.prefix.as_str())),
        rotated_at: key.rotated_at,
    })
}

/// A key as it is read.
#[derive(sqlx::FromRow)]
pub(in crate::store) struct KeyRecord {
    id: Uuid,
    secret_sha256: Vec<u8>,
    previous_sha256: Option<Vec<u8>>,
    previous_until_us: Option<i64>,
    expires_at_us: Option<i64>,
    revoked_at_us: Option<i64>,
    body: Vec<u8>,
    #[sqlx(default)]
    used_at_us: Option<i64>,
    #[sqlx(default)]
    previous_used_at_us: Option<i64>,
}

impl KeyRecord {
    pub(in crate::store) fn read(self) -> Result<ApiKey, StoreError> {
        let body: KeyBody<'_> = from_json("keys", self.id, &self.body)?;
        let previous = match (self.previous_sha256, self.previous_until_us) {
            (Some(bytes), Some(until)) => Some(FormerSecret {
                secret_sha256: digest("keys", self.id, &bytes)?,
                prefix: body.previous_prefix.unwrap_or_default().into_owned(),
                until: Instant::from_micros(until),
                last_used_at: self.previous_used_at_us.map(Instant::from_micros),
            }),
            _ => None,
        };
        Ok(ApiKey {
            id: KeyId(self.id),
            display_name: body.display_name.into_owned(),
            prefix: body.prefix.into_owned(),
            secret_sha256: digest("keys", self.id, &self.secret_sha256)?,
            previous,
            rotated_at: body.rotated_at,
            last_used_at: self.used_at_us.map(Instant::from_micros),
            bindings: body.bindings.into_owned(),
            created_at: body.created_at,
            created_by: body.created_by.into_owned(),
            owner: body.owner.map(Cow::into_owned),
            expires_at: self.expires_at_us.map(Instant::from_micros),
            revoked_at: self.revoked_at_us.map(Instant::from_micros),
        })
    }
}

/// The facts of the feed as they are read.
#[derive(sqlx::FromRow)]
pub(in crate::store) struct FeedRecord {
    epoch: i32,
    cursor_key: Vec<u8>,
    body_key: Vec<u8>,
    position: i64,
}

impl FeedRecord {
    pub(in crate::store) fn read(self) -> Result<Feed, StoreError> {
        Ok(Feed {
            epoch: u32::try_from(self.epoch)
                .map_err(|_| corrupt("ledger_meta", 1, "the epoch is below zero"))?,
            head: unsigned("ledger_head", 1, self.position)?,
            cursor_key: digest("ledger_meta", 1, &self.cursor_key)?,
            body_key: digest("ledger_meta", 1, &self.body_key)?,
        })
    }
}

fn digest(table: &'static str, id: impl Display, bytes: &[u8]) -> Result<[u8; 32], StoreError> {
    bytes.try_into().map_err(|_| {
        corrupt(
            table,
            id,
            format!("{} bytes stand where 32 should", bytes.len()),
        )
    })
}

/// A replay as it is read.
#[derive(sqlx::FromRow)]
pub(in crate::store) struct ReplayRecord {
    principal: String,
    method: String,
    request_id: String,
    body_mac: Vec<u8>,
    answer: Vec<u8>,
    at_us: i64,
}

impl ReplayRecord {
    /// The replay of one of the `keys` that were asked for; `None` for another, which no query gives.
    pub(in crate::store) fn read(self, keys: &[ReplayKey]) -> Result<Option<Replay>, StoreError> {
        let asked = keys.iter().find(|key| {
            key.request_id == self.request_id
                && key.principal == self.principal
                && key.method == self.method
        });
        let Some(key) = asked else { return Ok(None) };
        Ok(Some(Replay {
            key: key.clone(),
            body_mac: digest("replays", &self.request_id, &self.body_mac)?,
            answer: self.answer,
            at: Instant::from_micros(self.at_us),
        }))
    }
}
