//! The documents as they are served: bytes and a version, made once.

use bytes::Bytes;
use http::HeaderValue;
use serde_json::Value;
use service_kit::random::{hex, sha256};

use super::{LoginScheme, document, page};
use crate::routes::Routes;

/// A text with its version.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) text: Bytes,
    pub(crate) etag: HeaderValue,
}

impl Document {
    fn new(text: Vec<u8>) -> Self {
        let digest = hex(&sha256(&text)[..16]);
        Self {
            etag: HeaderValue::try_from(format!("\"{digest}\""))
                .unwrap_or(HeaderValue::from_static("\"\"")),
            text: text.into(),
        }
    }
}

/// The documents that are made from the contract.
#[derive(Debug)]
pub(crate) struct Documents {
    pub(crate) openapi: Document,
    pub(crate) asyncapi: Document,
    pub(crate) docs: Document,
}

impl Documents {
    pub(crate) fn of(routes: &Routes, logins: &[LoginScheme], asyncapi: fn() -> Value) -> Self {
        Self {
            // A tree of plain values always becomes JSON.
            openapi: Document::new(
                serde_json::to_vec(&document(routes, logins)).unwrap_or_default(),
            ),
            asyncapi: Document::new(serde_json::to_vec(&asyncapi()).unwrap_or_default()),
            docs: Document::new(page(routes).into_bytes()),
        }
    }
}
