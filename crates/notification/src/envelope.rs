//! Reads stored CloudEvents JSON without building a tree.
//!
//! Role: finds the attributes and the payload of an envelope as slices of its own bytes, for the conversion to other
//! formats; and writes the one envelope that this service makes itself, the webhook test.
//! Owner: intake writes envelopes; they are never re-serialised here, because their bytes are what history proves.
//! Invariant: one pass, no allocation but for escaped texts. A million events pass in seconds.
//! Failure story: bytes that are no JSON object with the required attributes are an [`EnvelopeError`]; the stream says
//! INTERNAL rather than inventing an event.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The envelope is not one that intake writes.
#[derive(Debug, thiserror::Error)]
#[error("an envelope of the log cannot be read: {0}")]
pub struct EnvelopeError(String);

/// An envelope, borrowed from its bytes.
#[derive(Debug, Default)]
pub struct Envelope<'a> {
    /// `id`.
    pub id: Cow<'a, str>,
    /// `source`.
    pub source: Cow<'a, str>,
    /// `specversion`.
    pub spec_version: Cow<'a, str>,
    /// `type`.
    pub event_type: Cow<'a, str>,
    /// The other attributes, in their order.
    pub attributes: Vec<(&'a str, Attribute<'a>)>,
    /// `data` as JSON text.
    pub data: Option<&'a str>,
}

/// The value of an attribute: what CloudEvents allows in JSON.
#[derive(Debug, PartialEq, Eq)]
pub enum Attribute<'a> {
    /// A text.
    Text(Cow<'a, str>),
    /// A whole number.
    Integer(i32),
    /// A truth value.
    Boolean(bool),
}

impl<'a> Envelope<'a> {
    /// Reads `bytes`.
    ///
    /// # Errors
    /// [`EnvelopeError`] when they are no JSON object, or a required attribute is missing.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, EnvelopeError> {
        let envelope: Self =
            serde_json::from_slice(bytes).map_err(|error| EnvelopeError(error.to_string()))?;
        let required = [
            &envelope.id,
            &envelope.source,
            &envelope.spec_version,
            &envelope.event_type,
        ];
        if required.iter().any(|value| value.is_empty()) {
            return Err(EnvelopeError("a required attribute is missing".into()));
        }
        Ok(envelope)
    }
}

impl<'de> Deserialize<'de> for Envelope<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Envelope<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a CloudEvents object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Envelope<'de>, A::Error> {
        use serde::de::Error;
        let mut envelope = Envelope {
            attributes: Vec::with_capacity(10),
            ..Envelope::default()
        };
        while let Some((key, raw)) = map.next_entry::<&'de str, &'de RawValue>()? {
            let text = || text(raw.get()).map_err(A::Error::custom);
            match key {
                "id" => envelope.id = text()?,
                "source" => envelope.source = text()?,
                "specversion" => envelope.spec_version = text()?,
                "type" => envelope.event_type = text()?,
                "data" => envelope.data = Some(raw.get()),
                other => {
                    if let Some(value) = attribute(raw.get()).map_err(A::Error::custom)? {
                        envelope.attributes.push((other, value));
                    }
                }
            }
        }
        Ok(envelope)
    }
}

fn attribute(raw: &str) -> Result<Option<Attribute<'_>>, serde_json::Error> {
    Ok(match raw.as_bytes().first() {
        Some(b'"') => Some(Attribute::Text(text(raw)?)),
        Some(b't' | b'f') => Some(Attribute::Boolean(raw == "true")),
        // An attribute that is null counts as absent.
        Some(b'n') => None,
        _ => Some(Attribute::Integer(serde_json::from_str(raw)?)),
    })
}

/// The text of a JSON string; borrowed when nothing in it is escaped.
fn text(raw: &str) -> Result<Cow<'_, str>, serde_json::Error> {
    let inner = raw
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .filter(|inner| !inner.contains('\\'));
    match inner {
        Some(inner) => Ok(Cow::Borrowed(inner)),
        None => serde_json::from_str::<String>(raw).map(Cow::Owned),
    }
}

/// The envelope of a test event.
#[derive(Serialize)]
pub struct TestEnvelope<'a> {
    specversion: &'static str,
    id: &'a str,
    source: &'a str,
    #[serde(rename = "type")]
    event_type: &'static str,
    subject: &'a str,
    time: String,
    datacontenttype: &'static str,
    dataschema: &'static str,
    data: TestData<'a>,
}

#[derive(Serialize)]
struct TestData<'a> {
    #[serde(rename = "webhookEndpoint")]
    webhook_endpoint: &'a str,
}

impl<'a> TestEnvelope<'a> {
    /// A test event `id` for the endpoint `endpoint`, made at `at`.
    pub fn new(id: &'a str, source: &'a str, endpoint: &'a str, at: jiff::Timestamp) -> Self {
        Self {
            specversion: "1.0",
            id,
            source,
            event_type: crate::filter::WEBHOOK_TESTED,
            subject: endpoint,
            time: format!("{at:.6}"),
            datacontenttype: "application/json",
            dataschema: "urn:portreeve:schema:portreeve.webhook.tested:v1",
            data: TestData {
                webhook_endpoint: endpoint,
            },
        }
    }

    /// As JSON.
    pub fn to_bytes(&self) -> bytes::Bytes {
        // Texts and nothing else: writing them cannot fail.
        serde_json::to_vec(self).unwrap_or_default().into()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "constants")]
    use super::*;

    #[test]
    fn attributes_and_data_are_slices_of_the_stored_bytes() {
        let json = br#"{"specversion":"1.0","id":"i","source":"/s","type":"t","subject":"a\"b","emergencylevel":3,"flag":true,"none":null,"data":{"a": [1, 2]}}"#;
        let envelope = Envelope::parse(json).unwrap();
        assert_eq!(envelope.id, "i");
        assert!(matches!(envelope.id, Cow::Borrowed(_)));
        assert_eq!(envelope.data, Some(r#"{"a": [1, 2]}"#));
        assert_eq!(
            envelope.attributes,
            [
                ("subject", Attribute::Text("a\"b".into())),
                ("emergencylevel", Attribute::Integer(3)),
                ("flag", Attribute::Boolean(true)),
            ]
        );
    }

    #[test]
    fn what_is_no_envelope_is_refused_without_harm() {
        for bad in [
            &b""[..],
            b"[]",
            b"{}",
            b"{\"id\":1}",
            b"{\"specversion\":\"1.0\",\"id\":\"i\",\"source\":\"\",\"type\":\"t\"}",
            b"\xff",
        ] {
            assert!(Envelope::parse(bad).is_err());
        }
    }

    #[test]
    fn the_test_envelope_reads_as_any_other() {
        let bytes = TestEnvelope::new("i", "/s", "e", jiff::Timestamp::UNIX_EPOCH).to_bytes();
        let envelope = Envelope::parse(&bytes).unwrap();
        assert_eq!(envelope.event_type, crate::filter::WEBHOOK_TESTED);
        assert!(envelope.attributes.contains(&(
            "time",
            Attribute::Text("1970-01-01T00:00:00.000000Z".into())
        )));
    }
}
