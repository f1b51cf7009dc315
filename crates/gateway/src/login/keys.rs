//! The public keys of a provider (JWK set, RFC 7517), and the check of a signature.
//!
//! Role: reads the keys that can check signatures, and leaves the others out.
//! Invariants: there is no algorithm without a key and none with a shared secret: `none` and `HS256` are unknown words
//! here, so that no token can choose them. A key checks only the algorithms of its own kind, and only its own one when
//! it names one.
//! Failure story: a set that is no JSON, or has no key that can be used, is an error in words; one bad key among good
//! ones is left out.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use serde::Deserialize;
use serde_json::Value;

/// Most keys of a set that are kept.
const MAX_KEYS: usize = 64;

/// Most keys that are tried for a token that names none.
const MAX_TRIED: usize = 4;

/// An algorithm of signatures; each has a public and a private key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    EdDsa,
}

impl Algorithm {
    /// All of them, with their names in tokens (RFC 7518, RFC 8037).
    const ALL: [(&'static str, Self); 9] = [
        ("RS256", Self::Rs256),
        ("RS384", Self::Rs384),
        ("RS512", Self::Rs512),
        ("PS256", Self::Ps256),
        ("PS384", Self::Ps384),
        ("PS512", Self::Ps512),
        ("ES256", Self::Es256),
        ("ES384", Self::Es384),
        ("EdDSA", Self::EdDsa),
    ];

    /// The algorithm of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(known, _)| *known == name);
        found.map(|(_, algorithm)| *algorithm)
    }
}

/// A public key.
#[derive(Debug, Clone)]
enum Material {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

#[derive(Debug, Clone)]
struct Key {
    kid: Option<String>,
    /// The one algorithm that it is for; `None`: all of its kind.
    alg: Option<Algorithm>,
    material: Material,
}

/// What is written in a set, as far as it counts.
#[derive(Deserialize)]
struct Written {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    r#use: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// The keys of a provider.
#[derive(Debug, Clone)]
pub(crate) struct KeySet(Vec<Key>);

/// What a set says of a token's signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judged {
    /// One of the keys made it.
    Good,
    /// The key that the token names did not make it.
    Bad,
    /// The token names no key of the set, or none at all and no key made it: a newer set may know.
    KeyUnknown,
}

impl KeySet {
    /// The keys of a set as a provider serves it.
    pub(crate) fn read(text: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Value>,
        }
        let set: Set = serde_json::from_slice(text)
            .map_err(|error| format!("its keys are no JSON Web Key Set: {error}"))?;
        let keys: Vec<Key> = set
            .keys
            .into_iter()
            .filter_map(|key| serde_json::from_value(key).ok().and_then(key_of))
            .take(MAX_KEYS)
            .collect();
        if keys.is_empty() {
            return Err("its set has no key that can check a signature".to_owned());
        }
        Ok(Self(keys))
    }

    /// Whether one of the keys made `signature` over `signed`.
    pub(crate) fn judge(
        &self,
        algorithm: Algorithm,
        kid: Option<&str>,
        signed: &[u8],
        signature: &[u8],
    ) -> Judged {
        let named = |key: &&Key| kid.is_none() || key.kid.as_deref() == kid;
        if kid.is_some() && !self.0.iter().any(|key| named(&key)) {
            return Judged::KeyUnknown;
        }
        let good = self
            .0
            .iter()
            .filter(named)
            .filter(|key| key.alg.is_none_or(|alg| alg == algorithm))
            .filter(|key| key.material.is_for(algorithm))
            .take(MAX_TRIED)
            .any(|key| key.material.made(algorithm, signed, signature));
        match (good, kid) {
            (true, _) => Judged::Good,
            (false, Some(_)) => Judged::Bad,
            (false, None) => Judged::KeyUnknown,
        }
    }
}

fn key_of(written: Written) -> Option<Key> {
    if written.r#use.is_some_and(|used| used != "sig") {
        return None;
    }
    let bytes = |text: Option<String>| URL_SAFE_NO_PAD.decode(text?).ok();
    let point = |bytes_each: usize| {
        let (x, y) = (bytes(written.x.clone())?, bytes(written.y.clone())?);
        let fits = x.len() == bytes_each && y.len() == bytes_each;
        fits.then(|| [&[4][..], &x, &y].concat())
    };
    let material = match (written.kty.as_str(), written.crv.as_deref()) {
        ("RSA", _) => Material::Rsa {
            n: bytes(written.n)?,
            e: bytes(written.e)?,
        },
        ("EC", Some("P-256")) => Material::P256(point(32)?),
        ("EC", Some("P-384")) => Material::P384(point(48)?),
        ("OKP", Some("Ed25519")) => Material::Ed25519(bytes(written.x)?),
        // Also symmetric keys: whoever could read one could sign with it.
        _ => return None,
    };
    let alg = match written.alg {
        Some(name) => Some(Algorithm::named(&name)?),
        None => None,
    };
    Some(Key {
        kid: written.kid,
        alg,
        material,
    })
}

impl Material {
    fn is_for(&self, algorithm: Algorithm) -> bool {
        match self {
            Self::Rsa { .. } => rsa(algorithm).is_some(),
            Self::P256(_) => algorithm == Algorithm::Es256,
            Self::P384(_) => algorithm == Algorithm::Es384,
            Self::Ed25519(_) => algorithm == Algorithm::EdDsa,
        }
    }

    fn made(&self, algorithm: Algorithm, signed: &[u8], signature: &[u8]) -> bool {
        let checked =
            match self {
                Self::Rsa { n, e } => match rsa(algorithm) {
                    Some(parameters) => {
                        RsaPublicKeyComponents { n, e }.verify(parameters, signed, signature)
                    }
                    None => return false,
                },
                Self::P256(point) => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                    .verify(signed, signature),
                Self::P384(point) => UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point)
                    .verify(signed, signature),
                Self::Ed25519(x) => UnparsedPublicKey::new(&ED25519, x).verify(signed, signature),
            };
        checked.is_ok()
    }
}

/// How RSA is used by an algorithm; keys under 2048 bits are refused by the check itself.
fn rsa(algorithm: Algorithm) -> Option<&'static RsaParameters> {
    Some(match algorithm {
        Algorithm::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
        Algorithm::Rs384 => &RSA_PKCS1_2048_8192_SHA384,
        Algorithm::Rs512 => &RSA_PKCS1_2048_8192_SHA512,
        Algorithm::Ps256 => &RSA_PSS_2048_8192_SHA256,
        Algorithm::Ps384 => &RSA_PSS_2048_8192_SHA384,
        Algorithm::Ps512 => &RSA_PSS_2048_8192_SHA512,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "constants")]
    use super::*;

    /// RFC 8037, appendix A: an Ed25519 key, what it signed, and the signature.
    const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    const SIGNED: &str = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    const SIGNATURE: &str =
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

    fn judge(set: &str, kid: Option<&str>, algorithm: Algorithm) -> Judged {
        let signature = URL_SAFE_NO_PAD.decode(SIGNATURE).unwrap();
        let set = KeySet::read(set.as_bytes()).unwrap();
        set.judge(algorithm, kid, SIGNED.as_bytes(), &signature)
    }

    #[test]
    fn the_published_signature_is_good_and_counts_for_its_key_alone() {
        let set = format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","x":"{X}","kid":"one"}}]}}"#);
        assert_eq!(judge(&set, Some("one"), Algorithm::EdDsa), Judged::Good);
        assert_eq!(judge(&set, None, Algorithm::EdDsa), Judged::Good);
        assert_eq!(
            judge(&set, Some("two"), Algorithm::EdDsa),
            Judged::KeyUnknown
        );
        assert_eq!(judge(&set, Some("one"), Algorithm::Es256), Judged::Bad);
        let other = set.replace(X, "3Qfu8QmSpMLnNEBWAJdLkGrlgHNjHJPxqk5jfNmbGbM");
        assert_eq!(judge(&other, Some("one"), Algorithm::EdDsa), Judged::Bad);
        let bound = set.replace(r#""kid""#, r#""alg":"ES256","kid""#);
        assert_eq!(judge(&bound, Some("one"), Algorithm::EdDsa), Judged::Bad);
    }

    #[test]
    fn keys_that_check_no_signature_are_left_out() {
        for key in [
            r#"{"kty":"oct","k":"AAAA"}"#.to_owned(),
            format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{X}","use":"enc"}}"#),
            format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{X}","alg":"HS256"}}"#),
            format!(r#"{{"kty":"EC","crv":"P-256","x":"{X}","y":"AA"}}"#),
            r#"{"kty":"EC","crv":"secp256k1"}"#.to_owned(),
            "7".to_owned(),
        ] {
            let set = format!(r#"{{"keys":[{key}]}}"#);
            assert!(KeySet::read(set.as_bytes()).is_err(), "{key}");
        }
        assert!(KeySet::read(b"{}").is_err());
    }

    #[test]
    fn no_word_leads_to_an_algorithm_without_a_key_pair() {
        for name in ["none", "None", "HS256", "HS384", "HS512", "rs256", ""] {
            assert_eq!(Algorithm::named(name), None, "{name}");
        }
    }
}
