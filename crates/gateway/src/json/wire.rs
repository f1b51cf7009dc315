//! The wire format, field by field.
//!
//! Role: takes fields off encoded bytes without knowing their message; what both writers of JSON share.
//! Failure story: bytes that are cut or of a kind that does not exist are [`Malformed`]; nothing panics.

use prost::encoding::{WireType, decode_key, decode_varint};

/// The bytes are not the message that they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are not the message that they should be")]
pub(crate) struct Malformed;

/// One value of the wire.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Raw<'b> {
    Varint(u64),
    Fixed64([u8; 8]),
    Fixed32([u8; 4]),
    Bytes(&'b [u8]),
}

impl<'b> Raw<'b> {
    pub(crate) fn bytes(self) -> Result<&'b [u8], Malformed> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            _ => Err(Malformed),
        }
    }

    pub(crate) fn text(self) -> Result<&'b str, Malformed> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Malformed)
    }
}

/// Takes the next field off `bytes`.
pub(crate) fn next<'b>(bytes: &mut &'b [u8]) -> Result<Option<(u32, Raw<'b>)>, Malformed> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let (number, wire_type) = decode_key(bytes).map_err(|_| Malformed)?;
    let raw = match wire_type {
        WireType::Varint => Raw::Varint(decode_varint(bytes).map_err(|_| Malformed)?),
        WireType::SixtyFourBit => Raw::Fixed64(take_array(bytes)?),
        WireType::ThirtyTwoBit => Raw::Fixed32(take_array(bytes)?),
        WireType::LengthDelimited => {
            let length = decode_varint(bytes).map_err(|_| Malformed)?;
            let length = usize::try_from(length).map_err(|_| Malformed)?;
            let (taken, rest) = bytes.split_at_checked(length).ok_or(Malformed)?;
            *bytes = rest;
            Raw::Bytes(taken)
        }
        WireType::StartGroup | WireType::EndGroup => return Err(Malformed),
    };
    Ok(Some((number, raw)))
}

pub(super) fn take_array<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], Malformed> {
    let (taken, rest) = bytes.split_first_chunk::<N>().ok_or(Malformed)?;
    *bytes = rest;
    Ok(*taken)
}

/// The last value of the field `number`; `None` when it is not there.
pub(crate) fn find(mut bytes: &[u8], number: u32) -> Result<Option<Raw<'_>>, Malformed> {
    let mut found = None;
    while let Some((seen, raw)) = next(&mut bytes)? {
        if seen == number {
            found = Some(raw);
        }
    }
    Ok(found)
}

/// The low 32 bits.
pub(super) fn low(value: u64) -> u32 {
    let [a, b, c, d, ..] = value.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// Writes a text in quotes with its escapes.
pub(super) fn string(text: &str, out: &mut Vec<u8>) {
    // Writing to a vector cannot fail.
    let _ = serde_json::to_writer(out, text);
}
