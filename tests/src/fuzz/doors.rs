//! The parsers that read what comes before anybody has shown a key: the paths and the forms of links, and the header of
//! the PROXY protocol.
//!
//! Role: one [`Target`] a parser, as in [`crate::wire`].
//! Invariants tried: the token of a link stands in no label that a log may hold; a form that was read and written again
//! reads as the same, and a button never sends; nobody but a configured balancer names another peer, and not one byte
//! behind its header is taken.
//! Failure story: a broken promise says which; a panic is caught by the runner.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::LazyLock,
};

use gateway::seams::{self, LinkForm};
use proptest::{prop_assert, prop_assert_eq, test_runner::TestCaseError};
use service_kit::serve::{ProxyError, ProxyProtocol};
use tokio::runtime::{Builder, Runtime};

use crate::targets::Target;

/// Every parser of what comes without a key.
pub(crate) static DOORS: &[Target] = &[
    Target {
        name: "link_paths",
        words: "/l/|/l|//|prl_|prl_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA|/source|/source/|source|/|.|..|%2f|%70rl_|\
            %00|?|#|;|/pages.css|{link}|/v1/|_|-|\\",
        check: link_paths,
        read: |text| {
            let _ = seams::link_path(text);
        },
    },
    Target {
        name: "link_forms",
        words: "name=|version=|attempt=|sources=|destinations=|services=|do=send|do=check|correct=|use=|sources:0:|\
            services:1:|:|&|&&|=|+|%|%0A|%0D%0A|%20|%26|%3D|%C3%B8|%c3|%ff|%zz|%u0041|%00|9.9.9.9|9.9.9.0%2F24|https|\
            Ada+L%C3%B8v|%22v1%22|sources[]=|18446744073709551616",
        check: link_forms,
        read: |text| {
            let _ = seams::link_form(text.as_bytes());
        },
    },
    Target {
        name: "proxy_headers",
        words: "\r\n\r\n\0\r\nQUIT\n|!\u{11}|!!| \0|!\0|!\u{12}|\u{11}\u{11}|\0\u{c}|\0$|\u{8}\0|\u{ff}\u{ff}|\0\0|\
            \t\t\t\t\u{a}\0\0\u{1}\u{12}4\u{1}\u{bb}|\0\0\0\0\0\0\0\0\0\0\u{ff}\u{ff}|\u{4}\0\u{2}|\u{4}|PROXY TCP4 |GET / |\u{80}",
        check: proxy_headers,
        read: |text| {
            let _ = told(BALANCER, &whole([0x21, 0x11], &bytes(text)));
        },
    },
];

/// The most that the token of a link may be, in bytes.
const MOST_TOKEN_BYTES: usize = 100;

/// All that a log may hold of the path of a link.
const LABELS: [&str; 3] = ["/l/{link}", "/l/{link}/source", "/pages.css"];

fn link_paths(text: &str) -> Result<(), TestCaseError> {
    for path in [text.to_owned(), format!("/l/{text}")] {
        let Some((label, token)) = seams::link_path(&path) else {
            prop_assert!(!path.starts_with("/l/"), "not taken for a link: {path:?}");
            continue;
        };
        let ours = path.starts_with("/l/") || path == label;
        prop_assert!(ours, "taken for a link: {path:?}");
        prop_assert!(LABELS.contains(&label), "{label}");
        let Some(token) = token else { continue };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        prop_assert!(token.bytes().all(plain), "{token:?}");
        prop_assert!(token.len() <= MOST_TOKEN_BYTES, "{} bytes", token.len());
        // The page is nothing but its label with the token in it.
        prop_assert_eq!(label.replace("{link}", token), path);
    }
    Ok(())
}

fn link_forms(text: &str) -> Result<(), TestCaseError> {
    let Some(form) = seams::link_form(text.as_bytes()) else {
        return Ok(());
    };
    for (field, entries) in &form.lists {
        for entry in entries {
            prop_assert_eq!(entry.trim(), entry, "{}", field);
            prop_assert!(
                !entry.is_empty() && !entry.contains('\n'),
                "{field}: {entry:?}"
            );
        }
    }
    prop_assert_eq!(form.name.trim(), &form.name);
    prop_assert!(!form.attempt.is_empty());
    // Whoever presses a button to correct sends nothing.
    let pressed = format!("{text}&correct=sources:0:9.9.9.9");
    let sends = |text: &str| seams::link_form(text.as_bytes()).is_some_and(|form| form.sends);
    if text.split('&').count() < MOST_NAMES {
        prop_assert!(!sends(&pressed), "a button sends");
    }
    let again = seams::link_form(spelt(&form).as_bytes());
    prop_assert_eq!(again, Some(form));
    Ok(())
}

/// Names of a form that are looked at.
const MOST_NAMES: usize = 64;

/// The form as a browser would send it.
fn spelt(form: &LinkForm) -> String {
    let mut pairs = vec![
        ("name", form.name.clone()),
        ("version", form.version.clone()),
        ("attempt", form.attempt.clone()),
    ];
    let lists = form.lists.iter();
    pairs.extend(lists.map(|(field, entries)| (*field, entries.join("\r\n"))));
    if form.sends {
        pairs.push(("do", "send".to_owned()));
    }
    let escaped = |text: &str| -> String {
        text.bytes()
            .map(|byte| match byte {
                b' ' => "+".to_owned(),
                byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
                byte => format!("%{byte:02X}"),
            })
            .collect()
    };
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{name}={}", escaped(value)))
        .collect();
    pairs.join("&")
}

/// What begins every header of the PROXY protocol, version 2; all that stands before its length; the most that is read.
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const HEAD_BYTES: usize = 16;
const MOST_HEADER_BYTES: usize = HEAD_BYTES + 2048;

/// A balancer that is configured, and a client that comes by itself.
const BALANCER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 1);
const CLIENT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(149, 112, 112, 112)), 1);

/// A header has a clock that bounds it, and a clock needs a runtime.
static DOOR: LazyLock<Option<(Runtime, ProxyProtocol)>> = LazyLock::new(|| {
    let runtime = Builder::new_current_thread().enable_time().build().ok()?;
    let proxies = ProxyProtocol::new(&["10.0.0.0/8".to_owned()]).ok()?;
    Some((runtime, proxies))
});

/// The bytes that a text stands for: each character is one.
fn bytes(text: &str) -> Vec<u8> {
    text.chars()
        .map(|letter| u32::from(letter).to_le_bytes()[0])
        .collect()
}

/// Who connects from `peer` when these bytes come, and how many of them were taken.
fn told(peer: SocketAddr, bytes: &[u8]) -> Option<(Result<SocketAddr, ProxyError>, usize)> {
    let (runtime, proxies) = DOOR.as_ref()?;
    let mut rest = bytes;
    let told = runtime.block_on(proxies.peer(&mut rest, peer));
    Some((told, bytes.len() - rest.len()))
}

/// A header that is what it says as far as its length, with a request behind it.
fn whole(kind: [u8; 2], said: &[u8]) -> Vec<u8> {
    let length = u16::try_from(said.len()).unwrap_or(u16::MAX);
    let said = &said[..usize::from(length)];
    [SIGNATURE, &kind, &length.to_be_bytes(), said, b"GET /"].concat()
}

fn proxy_headers(text: &str) -> Result<(), TestCaseError> {
    let failed = || TestCaseError::fail("no runtime");
    let said = bytes(text);
    // Who is not configured is who it is, and not one byte of it is taken.
    let stranger = told(CLIENT, &said).ok_or_else(failed)?;
    prop_assert_eq!(stranger, (Ok(CLIENT), 0));
    let own = [0, 1].map(|place| said.get(place).copied().unwrap_or_default());
    let kinds = [own, [0x20, 0], [0x21, 0x11], [0x21, 0x21]];
    let wholes = kinds.map(|kind| whole(kind, &said));
    for sent in wholes.iter().chain([&said]) {
        let (who, taken) = told(BALANCER, sent).ok_or_else(failed)?;
        prop_assert!(taken <= MOST_HEADER_BYTES, "{taken} bytes were taken");
        let Ok(who) = who else { continue };
        prop_assert!(sent.starts_with(SIGNATURE), "believed: {sent:?}");
        let length = u16::from_be_bytes([sent[14], sent[15]]);
        prop_assert_eq!(taken, HEAD_BYTES + usize::from(length));
        prop_assert_eq!(who.ip(), who.ip().to_canonical());
    }
    Ok(())
}
