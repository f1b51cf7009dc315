//! The parsers that read what programs send: headers, tokens, page tokens, bodies, certificates.
//!
//! Role: one [`Target`] a parser, as in [`crate::targets`]; the gateway's and the ledger's own functions, through the
//! doors that they open to those who try them.
//! Invariants tried: nothing is believed that was not sealed or signed; what a client writes left of a trusted proxy
//! never becomes its address; what was read, written and read again is the same.
//! Failure story: a broken promise says which; a panic is caught by the runner.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::LazyLock,
    time::Duration,
};

use gateway::seams;
use http::{HeaderMap, HeaderName, HeaderValue};
use intake::measure::PageTokens;
use proptest::{prop_assert, prop_assert_eq, test_runner::TestCaseError};
use service_kit::{
    clock::Clock,
    identity::{TokenKey, TokenSigner, TokenVerifier},
    telemetry, tls,
};

use crate::targets::Target;

/// Every parser of what programs send.
pub(crate) static WIRE: &[Target] = &[
    Target {
        name: "authorization",
        words: "Bearer |bearer |BEARER|Basic |prk_|prk_known| |  |\t|=|:|.|eyJhbGciOiJub25lIn0|eyJ|,|\"|a b",
        check: authorization,
        read: |text| {
            if let Ok(value) = HeaderValue::from_str(text) {
                let _ = seams::credential(value);
            }
        },
    },
    Target {
        name: "forwarded",
        words: "for=|For=|9.9.9.9|10.0.0.7|\"[2620:fe::9]:443\"|[2620:fe::9]|::ffff:9.9.9.9|unknown|_hidden|,|, |;|\
            by=|proto=https|\"|\\|:443|9.9.9.9:1|127.0.0.1|for=\"|=|?|0x09090909|9.9.9|1.2.3.4.5",
        check: forwarded,
        read: |text| {
            let _ = addresses(PROXY, text);
        },
    },
    Target {
        name: "tokens",
        words: "v1.|v2.|v1|.|A|AAAA|_|-|=|+|/|AAAAAAAAAAAAAAAAAAAAAA|..",
        check: tokens,
        read: |text| {
            let _ = VERIFIER.verify(text);
        },
    },
    Target {
        name: "page_tokens",
        words: "A|_|-|=|+|/|AAAA|AAAAAAAAAAAAAAAAAAAAAAAAAAAA|0|.",
        check: page_tokens,
        read: |text| {
            let _ = PAGES.open(text);
        },
    },
    Target {
        name: "idempotency_keys",
        words: "\"|0192f0c1-2b6e-7c3e-9d7a-1c2d3e4f5a6b|a| |\\|,|;|=|é|\t|%",
        check: idempotency_keys,
        read: |text| {
            if let Ok(value) = HeaderValue::from_str(text) {
                let _ = seams::idempotency_key(&value);
            }
        },
    },
    Target {
        name: "traceparents",
        words: "00-|ff-|4bf92f3577b34da6a3ce929d0e0e4736|00f067aa0ba902b7|-01|-00|-|0|g|00000000000000000000000000000000|\
            ,|=|vendor=value",
        check: |text| {
            trace(text);
            Ok(())
        },
        read: trace,
    },
    Target {
        name: "bodies",
        words: "{|}|[|]|\"|:|,|\"sources\":|\"9.9.9.9\"|\"validity\":|\"length\":|\"14 days\"|null|true|1e999|-0|1.5|\
            \\u0000|\\ud800|\"product\":|\"alma\"|\"contact\":|\"email\":|[[[[|{\"a\":| |\\n|\"crossProduct\":",
        check: bodies,
        read: |text| {
            let _ = seams::body(BODY, text.as_bytes());
        },
    },
    Target {
        name: "certificates",
        words: "0|0\u{3}|\u{2}\u{1}\u{1}|\u{17}\u{d}261218000000Z|\u{18}\u{f}20501218000000Z|\u{30}\u{7f}|\u{5}|\u{0}|Z|\
            \u{1e}|\u{20}",
        check: |text| {
            let _ = tls::expires_at(text.as_bytes());
            Ok(())
        },
        read: |text| {
            let _ = tls::expires_at(text.as_bytes());
        },
    },
];

fn authorization(text: &str) -> Result<(), TestCaseError> {
    let Ok(value) = HeaderValue::from_str(text) else {
        return Ok(());
    };
    match seams::credential(value) {
        Ok(()) => {
            let scheme = text.split(' ').next().unwrap_or_default();
            prop_assert!(scheme.eq_ignore_ascii_case("bearer"), "taken: {text:?}");
        }
        Err(code) => prop_assert!(!code.is_empty(), "refused without a code: {text:?}"),
    }
    Ok(())
}

/// A proxy that is trusted, and a client that comes by itself.
const PROXY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const CLIENT: Ipv4Addr = Ipv4Addr::new(149, 112, 112, 112);

/// What is believed of `text` in either header, when it comes from `peer`.
fn addresses(peer: Ipv4Addr, text: &str) -> Vec<(IpAddr, bool)> {
    let proxies = ["10.0.0.0/8".to_owned()];
    let forms = ["x-forwarded-for", "forwarded"].into_iter();
    let believed = forms.filter_map(|form| {
        let mut headers = HeaderMap::new();
        headers.append(
            HeaderName::from_static(form),
            HeaderValue::from_str(text).ok()?,
        );
        seams::client_address(&proxies, form, SocketAddr::from((peer, 1)), &headers).ok()
    });
    believed.collect()
}

fn forwarded(text: &str) -> Result<(), TestCaseError> {
    for (believed, was_forwarded) in addresses(CLIENT, text) {
        prop_assert_eq!((believed, was_forwarded), (IpAddr::V4(CLIENT), false));
    }
    // The proxy writes what it saw to the right of whatever its client wrote.
    for seen in [format!("{text}, 9.9.9.9"), format!("{text}, for=9.9.9.9")] {
        let told: Vec<_> = addresses(PROXY, &seen)
            .into_iter()
            .filter(|(_, was_forwarded)| *was_forwarded)
            .collect();
        for (believed, _) in told {
            prop_assert_eq!(believed, IpAddr::V4(Ipv4Addr::new(9, 9, 9, 9)));
        }
    }
    Ok(())
}

static VERIFIER: LazyLock<TokenVerifier> =
    LazyLock::new(|| TokenVerifier::new(TokenKey::from_bytes([7; 32]), Clock::system()));

fn tokens(text: &str) -> Result<(), TestCaseError> {
    // Nobody writes a signature by chance.
    prop_assert!(VERIFIER.verify(text).is_err(), "believed: {text:?}");
    let signer = TokenSigner::new(TokenKey::from_bytes([7; 32]), text, Clock::system());
    let token = signer.sign(text.as_bytes(), Duration::from_secs(60));
    if let Ok(verified) = VERIFIER.verify(&token) {
        prop_assert_eq!(&verified.payload[..], text.as_bytes());
        prop_assert!(text.starts_with(&*verified.issuer));
    }
    let foreign = TokenSigner::new(TokenKey::from_bytes([8; 32]), text, Clock::system());
    let token = foreign.sign(text.as_bytes(), Duration::from_secs(60));
    prop_assert!(VERIFIER.verify(&token).is_err());
    Ok(())
}

static PAGES: LazyLock<PageTokens> = LazyLock::new(|| PageTokens::new(&[7; 32]));

fn page_tokens(text: &str) -> Result<(), TestCaseError> {
    if let Some(place) = PAGES.open(text) {
        prop_assert_eq!(PAGES.seal(&place), text);
    }
    let token = PAGES.seal(text);
    let opened = PAGES.open(&token);
    prop_assert_eq!(opened.as_deref(), Some(text));
    let longer = [token.as_str(), text].concat();
    prop_assert!(PAGES.open(&longer).is_none() || text.is_empty());
    let foreign = PageTokens::new(&[8; 32]).seal(text);
    prop_assert!(PAGES.open(&foreign).is_none());
    Ok(())
}

fn idempotency_keys(text: &str) -> Result<(), TestCaseError> {
    let Ok(value) = HeaderValue::from_str(text) else {
        return Ok(());
    };
    if let Some(key) = seams::idempotency_key(&value) {
        prop_assert!((1..=128).contains(&key.len()), "{} bytes", key.len());
        let quoted = HeaderValue::from_str(&format!("\"{key}\"")).ok();
        let again = quoted.as_ref().and_then(seams::idempotency_key);
        prop_assert_eq!(again, Some(key));
    }
    Ok(())
}

fn trace(text: &str) {
    let mut headers = HeaderMap::new();
    for name in ["traceparent", "tracestate"] {
        if let Ok(value) = HeaderValue::from_str(text) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    telemetry::adopt_trace(&tracing::info_span!("fuzz"), &headers);
}

/// What is asked for, with lists, messages, texts and truths in it.
const BODY: &str = "portreeve.type.v1.Asked";

fn bodies(text: &str) -> Result<(), TestCaseError> {
    let Ok(read) = seams::body(BODY, text.as_bytes()) else {
        return Ok(());
    };
    let written = |bytes: &[u8]| {
        gateway::message_to_json(BODY, bytes)
            .map_err(|error| TestCaseError::fail(format!("read and not written: {error}")))
    };
    let first = written(&read)?;
    let again = seams::body(BODY, first.to_string().as_bytes())
        .map_err(|error| TestCaseError::fail(format!("written and not read: {error}")))?;
    prop_assert_eq!(first, written(&again)?);
    Ok(())
}
