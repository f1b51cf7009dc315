//! A door for measurements: proving the token of a login, the first time and again.
//!
//! Role: `make bench` compares a token that has to be proven with one that was. Its provider has one key and no network.
//! Compiled with the feature `measure` alone, which no service has.
//! Failure story: what cannot be made is `None`, and ends the measurement.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::FutureExt as _;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};
use service_kit::clock::Clock;

use crate::login::{LoginSettings, Logins};

const ISSUER: &str = "https://login.example";

/// A token that is good for a day, and a gateway's memory of it.
pub struct LoginToken {
    logins: Logins,
    token: String,
}

impl LoginToken {
    /// Signed with ES256.
    pub fn new(clock: Clock) -> Option<Self> {
        let (random, kind) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
        let document = EcdsaKeyPair::generate_pkcs8(kind, &random).ok()?;
        let pair = EcdsaKeyPair::from_pkcs8(kind, document.as_ref(), &random).ok()?;
        let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let (x, y) = pair.public_key().as_ref().get(1..)?.split_at_checked(32)?;
        let key = json!({"kty": "EC", "crv": "P-256", "kid": "one", "x": part(x), "y": part(y)});
        let now = clock.now().as_second();
        let settings = LoginSettings {
            issuers: vec![format!("staff={ISSUER}")],
            audience: vec!["portreeve".to_owned()],
            roles: vec!["staff groups=triage analyst product:alma".to_owned()],
            ..LoginSettings::default()
        };
        let logins = Logins::new(&settings, clock).ok()?;
        logins.know(json!({"keys": [key]}).to_string().as_bytes());
        let text = |value: Value| part(value.to_string().as_bytes());
        let signed = format!(
            "{}.{}",
            text(json!({"alg": "ES256", "typ": "at+jwt", "kid": "one"})),
            text(json!({
                "iss": ISSUER, "aud": "portreeve", "sub": "248289761001", "name": "Ria",
                "groups": ["everybody", "triage"], "iat": now, "exp": now + 86_400,
            })),
        );
        let signature = pair.sign(&random, signed.as_bytes()).ok()?;
        let token = format!("{signed}.{}", part(signature.as_ref()));
        Some(Self { logins, token })
    }

    /// Proves it as one that was never shown; `None`: it is refused.
    pub fn prove(&self) -> Option<()> {
        self.logins.forget();
        self.recognise()
    }

    /// Whether any token that holds `text` is believed: as it is, or with the text as its header or as its claims, under
    /// the signature of the good one.
    pub fn is_fooled_by(&self, text: &str) -> bool {
        let part = URL_SAFE_NO_PAD.encode(text);
        let mut parts = self.token.splitn(3, '.');
        let mut next = || parts.next().unwrap_or_default();
        let (header, claims, signature) = (next(), next(), next());
        let believed = |token: String| {
            let person = self.logins.person(&token).now_or_never();
            token != self.token && person.is_some_and(|person| person.is_ok())
        };
        believed(text.to_owned())
            || believed(format!("{part}.{claims}.{signature}"))
            || believed(format!("{header}.{part}.{signature}"))
    }

    /// The same for one that was proven before. Nothing is asked of anybody, so the answer is there at once.
    pub fn recognise(&self) -> Option<()> {
        let person = self.logins.person(&self.token).now_or_never()?;
        person.ok().map(drop)
    }
}
