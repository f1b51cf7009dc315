//! A signed token as it comes (JWS compact form, RFC 7515): cut into parts, nothing believed.
//!
//! Role: finds the header, the claims and the signature. Whose keys may have signed it is the provider's matter.
//! Invariants: of the header only `alg`, `kid`, `typ` and `crit` are read. A key or an address that a token brings along
//! (`jwk`, `jku`, `x5c`, `x5u`) is never looked at; a critical extension is refused, because we know none.
//! Failure story: [`Malformed`] says what is wrong with the form, and shows nothing of the token.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

/// Longest token that is read, in bytes.
pub(crate) const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// What is wrong with the form of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Malformed(&'static str);

/// The part of the header that counts.
#[derive(Debug, Deserialize)]
pub(crate) struct Header {
    /// The algorithm of the signature, as the token says.
    pub(crate) alg: String,
    /// Which of the provider's keys.
    pub(crate) kid: Option<String>,
    typ: Option<String>,
    crit: Option<IgnoredAny>,
}

/// A token in parts. Nothing of it is proven.
#[derive(Debug)]
pub(crate) struct Token<'t> {
    pub(crate) header: Header,
    pub(crate) claims: Map<String, Value>,
    /// What was signed: header and claims, as they came.
    pub(crate) signed: &'t [u8],
    pub(crate) signature: Vec<u8>,
}

/// Cuts `text` into parts.
pub(crate) fn read(text: &str) -> Result<Token<'_>, Malformed> {
    if text.len() > MAX_TOKEN_BYTES {
        return Err(Malformed("it is longer than 8 KiB"));
    }
    let parts = || {
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        (!claims.contains('.')).then_some((header, claims, signed, signature))
    };
    let (header, claims, signed, signature) =
        parts().ok_or(Malformed("it has not three parts with a dot between"))?;
    let decode = |part: &str| {
        URL_SAFE_NO_PAD
            .decode(part)
            .map_err(|_| Malformed("a part is not base64url"))
    };
    let header: Header = serde_json::from_slice(&decode(header)?)
        .map_err(|_| Malformed("its header is no JSON object with 'alg'"))?;
    if header.crit.is_some() {
        return Err(Malformed("its header has a critical extension"));
    }
    if header.typ.as_deref().is_some_and(|typ| !is_login(typ)) {
        return Err(Malformed("its header says that it is no login token (typ)"));
    }
    let claims: Map<String, Value> = serde_json::from_slice(&decode(claims)?)
        .map_err(|_| Malformed("its claims are no JSON object"))?;
    // RFC 9449 and RFC 8705: such a token counts only beside a proof that a bearer does not show.
    if claims.contains_key("cnf") {
        return Err(Malformed("it is bound to a key (cnf) and no bearer token"));
    }
    // A logout token speaks of a person too, and is no leave to act for them.
    if claims.contains_key("events") {
        return Err(Malformed("it tells of events and is no login token"));
    }
    Ok(Token {
        header,
        claims,
        signed: signed.as_bytes(),
        signature: decode(signature)?,
    })
}

fn is_login(typ: &str) -> bool {
    ["JWT", "at+jwt", "application/at+jwt"]
        .iter()
        .any(|known| typ.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "constants")]
    use super::*;

    fn made(header: &str, claims: &str) -> String {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.{}", part(header), part(claims), part("signature"))
    }

    #[test]
    fn a_token_is_cut_into_what_was_signed_and_the_signature() {
        let text = made(r#"{"alg":"ES256","kid":"one"}"#, r#"{"sub":"ria"}"#);
        let token = read(&text).unwrap();
        assert_eq!(token.header.alg, "ES256");
        assert_eq!(token.header.kid.as_deref(), Some("one"));
        assert_eq!(token.claims["sub"], "ria");
        assert_eq!(token.signature, b"signature");
        assert!(text.as_bytes().starts_with(token.signed));
    }

    #[test]
    fn what_is_no_login_token_is_refused_by_its_form() {
        let good = r#"{"sub":"ria"}"#;
        for (header, claims) in [
            (r#"{"alg":"ES256","crit":["exp"]}"#, good),
            (r#"{"alg":"ES256","typ":"logout+jwt"}"#, good),
            (r#"{"alg":"ES256","typ":"dpop+jwt"}"#, good),
            (r#"{"alg":"ES256","alg":"none"}"#, good),
            (r#"{"kid":"one"}"#, good),
            (r#"{"alg":["ES256"]}"#, good),
            (r#"{"alg":"ES256"}"#, r#"{"sub":"ria","cnf":{"jkt":"x"}}"#),
            (r#"{"alg":"ES256"}"#, r#"{"sub":"ria","events":{}}"#),
            (r#"{"alg":"ES256"}"#, r#"["sub"]"#),
        ] {
            assert!(read(&made(header, claims)).is_err(), "{header} {claims}");
        }
        for text in ["", ".", "..", "a.b", "a.b.c.d", "!.!.!", &"a".repeat(9000)] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
