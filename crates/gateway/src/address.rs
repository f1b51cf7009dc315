//! Which address a request comes from.
//!
//! Role: the peer of the connection, or, when that is a trusted proxy, what the chain of trusted proxies tells.
//! Invariants: one header is read, the configured one, from right to left; a hop is believed only if the hop to its
//! right is trusted. What a client writes itself is left of that and never reached.
//! Failure story: a hop that is no address ends the walk; the last believed address is the answer.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV4};

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

/// Most hops that are looked at.
const MAX_HOPS: usize = 32;

/// The address of a client and how it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClientAddress {
    pub(crate) address: IpAddr,
    /// A trusted proxy told it.
    pub(crate) forwarded: bool,
}

/// Whom to believe.
#[derive(Debug, Clone)]
pub(crate) struct Trust {
    proxies: Vec<IpNet>,
    header: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    XForwardedFor,
    Forwarded,
}

impl Trust {
    /// Reads the settings; the error names the entry.
    pub(crate) fn new(proxies: &[String], header: &str) -> Result<Self, String> {
        let proxies = proxies
            .iter()
            .map(|text| {
                let text = text.trim();
                text.parse::<IpNet>()
                    .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
                    .map_err(|_| format!("'{text}' is no network; write it as in 10.0.0.0/8"))
            })
            .collect::<Result<_, _>>()?;
        let header = match header.to_ascii_lowercase().as_str() {
            "x-forwarded-for" => Form::XForwardedFor,
            "forwarded" => Form::Forwarded,
            other => {
                return Err(format!(
                    "'{other}' is neither x-forwarded-for nor forwarded"
                ));
            }
        };
        Ok(Self { proxies, header })
    }

    /// Whether `address` is of a proxy that is believed.
    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        self.proxies
            .iter()
            .any(|network| network.contains(&address))
    }

    /// The client of a request that came from `peer`.
    pub(crate) fn client(&self, peer: SocketAddr, headers: &HeaderMap) -> ClientAddress {
        let mut believed = ClientAddress {
            address: peer.ip().to_canonical(),
            forwarded: false,
        };
        if !self.trusts(believed.address) {
            return believed;
        }
        let name = match self.header {
            Form::XForwardedFor => HeaderName::from_static("x-forwarded-for"),
            Form::Forwarded => http::header::FORWARDED,
        };
        // A line that is not ASCII is not lost whole: a client could hide what its proxy appends behind it.
        let lines: Vec<Cow<'_, str>> = headers
            .get_all(name)
            .iter()
            .map(|line| String::from_utf8_lossy(line.as_bytes()))
            .collect();
        let hops = lines.iter().rev().flat_map(|line| match self.header {
            Form::XForwardedFor => Hops::plain(line),
            Form::Forwarded => Hops::quoted(line),
        });
        for hop in hops.take(MAX_HOPS) {
            let address = match self.header {
                Form::XForwardedFor => address(hop),
                Form::Forwarded => forwarded_for(hop).and_then(|node| address(&node)),
            };
            let Some(address) = address else {
                break;
            };
            believed = ClientAddress {
                address,
                forwarded: true,
            };
            if !self.trusts(address) {
                break;
            }
        }
        believed
    }
}

/// The elements of a line, from right to left. In `Forwarded`, commas inside quotes part nothing: a proxy may quote what
/// a client wrote, such as its `Host`.
struct Hops<'l> {
    rest: Option<&'l str>,
    quotes: bool,
}

impl<'l> Hops<'l> {
    const fn plain(line: &'l str) -> Self {
        Self {
            rest: Some(line),
            quotes: false,
        }
    }

    const fn quoted(line: &'l str) -> Self {
        Self {
            rest: Some(line),
            quotes: true,
        }
    }
}

impl<'l> Iterator for Hops<'l> {
    type Item = &'l str;

    fn next(&mut self) -> Option<&'l str> {
        let rest = self.rest?;
        let bytes = rest.as_bytes();
        let mut inside = false;
        for place in (0..bytes.len()).rev() {
            match bytes.get(place) {
                Some(b'"') if self.quotes && !is_escaped(bytes, place) => inside = !inside,
                Some(b',') if !inside => {
                    self.rest = rest.get(..place);
                    return rest.get(place + 1..);
                }
                _ => {}
            }
        }
        self.rest = None;
        Some(rest)
    }
}

/// Whether an odd number of backslashes stands before `place`.
fn is_escaped(bytes: &[u8], place: usize) -> bool {
    let before = bytes.get(..place).unwrap_or_default();
    let backslashes = before
        .iter()
        .rev()
        .take_while(|byte| **byte == b'\\')
        .count();
    backslashes % 2 == 1
}

/// The `for` of one element of `Forwarded` (RFC 7239); an element that has two, or is not well formed, has none.
fn forwarded_for(element: &str) -> Option<String> {
    let mut found = None;
    let mut rest = element.trim();
    while !rest.is_empty() {
        let (name, value) = rest.split_once('=')?;
        let (value, after) = match value.strip_prefix('"') {
            Some(quoted) => unquoted(quoted)?,
            None => {
                let end = value.find(';').unwrap_or(value.len());
                let (value, after) = value.split_at(end);
                (value.trim().to_owned(), after)
            }
        };
        if name.trim().eq_ignore_ascii_case("for") && found.replace(value).is_some() {
            return None;
        }
        let after = after.trim_start();
        rest = match after.strip_prefix(';') {
            Some(more) => more.trim_start(),
            None if after.is_empty() => after,
            None => return None,
        };
    }
    found
}

/// What stands before the closing quote, without its escapes, and what stands behind it.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((place, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, text.get(place + 1..)?)),
            '\\' => value.push(letters.next()?.1),
            letter => value.push(letter),
        }
    }
    None
}

/// An address, perhaps with a port; IPv6 with a port stands in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let parsed = match text.strip_prefix('[') {
        Some(rest) => {
            let (bare, behind) = rest.split_once(']')?;
            let port = behind.strip_prefix(':');
            if !behind.is_empty() && port.is_none_or(|port| port.parse::<u16>().is_err()) {
                return None;
            }
            bare.parse::<Ipv6Addr>().ok().map(IpAddr::from)
        }
        None => text.parse::<IpAddr>().ok().or_else(|| {
            text.parse::<SocketAddrV4>()
                .ok()
                .map(|socket| (*socket.ip()).into())
        }),
    };
    parsed.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use http::HeaderValue;

    use super::*;

    /// Trusted networks, peer, lines of the header, then the expected address and whether it was forwarded.
    type Case<'c> = (&'c [&'c str], &'c str, &'c [&'c str], &'c str, bool);

    fn client(trusted: &[&str], header: &str, peer: &str, lines: &[&str]) -> (String, bool) {
        let trusted: Vec<String> = trusted.iter().map(|text| (*text).to_owned()).collect();
        let trust = Trust::new(&trusted, header).unwrap();
        let mut headers = HeaderMap::new();
        for line in lines {
            let name = HeaderName::try_from(header).unwrap();
            headers.append(name, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        // The header that is not configured is always forged here.
        let other = if header == "forwarded" {
            "x-forwarded-for"
        } else {
            "forwarded"
        };
        headers.append(
            HeaderName::try_from(other).unwrap(),
            "for=6.6.6.6".parse().unwrap(),
        );
        let found = trust.client(peer.parse().unwrap(), &headers);
        (found.address.to_string(), found.forwarded)
    }

    #[test]
    fn only_what_trusted_proxies_say_is_believed() {
        let proxies = ["10.0.0.0/8", "fd00::/8"];
        let cases: [Case<'_>; 11] = [
            // Nobody is trusted: the peer.
            (&[], "9.9.9.9:1", &["1.1.1.1"], "9.9.9.9", false),
            // A stranger forges the header.
            (
                &proxies,
                "9.9.9.9:1",
                &["10.0.0.1, 1.1.1.1"],
                "9.9.9.9",
                false,
            ),
            // One proxy.
            (&proxies, "10.0.0.1:1", &["1.1.1.1"], "1.1.1.1", true),
            // The client forged a hop; the proxy appended the truth.
            (
                &proxies,
                "10.0.0.1:1",
                &["6.6.6.6, 1.1.1.1"],
                "1.1.1.1",
                true,
            ),
            // The client forged a trusted hop.
            (
                &proxies,
                "10.0.0.1:1",
                &["6.6.6.6, 10.9.9.9, 1.1.1.1"],
                "1.1.1.1",
                true,
            ),
            // Two proxies, two lines.
            (
                &proxies,
                "10.0.0.1:1",
                &["6.6.6.6", "1.1.1.1, 10.0.0.2"],
                "1.1.1.1",
                true,
            ),
            // Garbage ends the walk at the last believed hop.
            (
                &proxies,
                "10.0.0.1:1",
                &["1.1.1.1, unknown"],
                "10.0.0.1",
                false,
            ),
            (
                &proxies,
                "10.0.0.1:1",
                &["1.1.1.1, , 10.0.0.2"],
                "10.0.0.2",
                true,
            ),
            // No header at all.
            (&proxies, "10.0.0.1:1", &[], "10.0.0.1", false),
            // IPv6, brackets, ports, and IPv4 in IPv6 clothes.
            (
                &proxies,
                "[fd00::1]:1",
                &["[2620:fe::fe]:4711"],
                "2620:fe::fe",
                true,
            ),
            (
                &proxies,
                "[::ffff:10.0.0.1]:1",
                &["1.1.1.1:80"],
                "1.1.1.1",
                true,
            ),
        ];
        for (trusted, peer, lines, expected, forwarded) in cases {
            let found = client(trusted, "x-forwarded-for", peer, lines);
            assert_eq!(found, (expected.to_owned(), forwarded), "{peer} {lines:?}");
        }
    }

    #[test]
    fn the_standard_header_is_read_when_it_is_the_configured_one() {
        let lines = ["for=6.6.6.6, For=\"[2620:fe::fe]:80\";proto=https;by=10.0.0.1"];
        let found = client(&["10.0.0.0/8"], "forwarded", "10.0.0.1:1", &lines);
        assert_eq!(found, ("2620:fe::fe".to_owned(), true));
        let hidden = ["for=1.1.1.1, for=_hidden"];
        let found = client(&["10.0.0.0/8"], "forwarded", "10.0.0.1:1", &hidden);
        assert_eq!(found, ("10.0.0.1".to_owned(), false));
    }

    /// Behind a proxy that appends the truth, whatever a client writes: header, lines, what is found, whether forwarded.
    #[test]
    fn forgeries_are_never_believed() {
        const TRUTH: &str = "1.1.1.1";
        let long = format!("{}{TRUTH}", "6.6.6.6, ".repeat(5_000));
        let plain: [(&[&str], &str, bool); 16] = [
            // What stands left of the truth, on one line or several, in any number.
            (&["6.6.6.6, 1.1.1.1"], TRUTH, true),
            (&["6.6.6.6", "1.1.1.1"], TRUTH, true),
            (&["6.6.6.6", "10.0.0.9", "1.1.1.1"], TRUTH, true),
            (&[long.as_str()], TRUTH, true),
            (&["unknown, _hidden, 1.1.1.1"], TRUTH, true),
            (&["\u{fc}, 1.1.1.1"], TRUTH, true),
            (&["\"6.6.6.6, 1.1.1.1"], TRUTH, true),
            (&[",,,, 1.1.1.1"], TRUTH, true),
            // A trusted address as one's own ends where the proxy wrote it: behind it is what the proxy believes.
            (&["10.0.0.9, 1.1.1.1, 10.0.0.2"], TRUTH, true),
            // IPv4 in IPv6 clothes is IPv4, and a port is not part of an address.
            (&["6.6.6.6, ::ffff:1.1.1.1"], TRUTH, true),
            (&["6.6.6.6, [::ffff:1.1.1.1]:4711"], TRUTH, true),
            (&["6.6.6.6, 1.1.1.1:4711"], TRUTH, true),
            // What is no address is not guessed at: the proxy's own stands.
            (&["6.6.6.6, fe80::1%eth0"], "10.0.0.1", false),
            (&["6.6.6.6, 1.1.1.1:99999"], "10.0.0.1", false),
            (&["6.6.6.6, [2620:fe::fe]x"], "10.0.0.1", false),
            (&["6.6.6.6, 01.1.1.1"], "10.0.0.1", false),
        ];
        for (lines, expected, forwarded) in plain {
            let found = client(&["10.0.0.0/8"], "x-forwarded-for", "10.0.0.1:1", lines);
            assert_eq!(found, (expected.to_owned(), forwarded), "{lines:?}");
        }
        let standard: [(&[&str], &str, bool); 15] = [
            (&["for=6.6.6.6, for=1.1.1.1"], TRUTH, true),
            (&["for=6.6.6.6", "FOR=1.1.1.1"], TRUTH, true),
            (&["for=\"6.6.6.6, for=1.1.1.1"], TRUTH, true),
            // A proxy that quotes the client's Host quotes whatever is in it.
            (
                &["for=1.1.1.1;host=\"a, for=6.6.6.6\";proto=https"],
                TRUTH,
                true,
            ),
            (&["host=\"a;for=6.6.6.6\";for=1.1.1.1"], TRUTH, true),
            (&["for=1.1.1.1;host=\"a\\\", for=6.6.6.6\""], TRUTH, true),
            (&["for=1.1.1.1;host=\"a\\\\\";by=10.0.0.1"], TRUTH, true),
            (&["for=\"1.1.1.1:4711\""], TRUTH, true),
            // Two of them, a broken one, or one that hides itself, is none.
            (&["for=6.6.6.6;for=1.1.1.1"], "10.0.0.1", false),
            (&["for=1.1.1.1;host=\"a"], "10.0.0.1", false),
            (&["for=\"1.1.1.1\"x"], "10.0.0.1", false),
            (&["for=_hidden"], "10.0.0.1", false),
            (&["for=unknown"], "10.0.0.1", false),
            (&["for=\"[fe80::1%25eth0]\""], "10.0.0.1", false),
            (&["proto=https"], "10.0.0.1", false),
        ];
        for (lines, expected, forwarded) in standard {
            let found = client(&["10.0.0.0/8"], "forwarded", "10.0.0.1:1", lines);
            assert_eq!(found, (expected.to_owned(), forwarded), "{lines:?}");
        }
    }

    #[test]
    fn settings_that_cannot_be_read_are_named() {
        assert!(Trust::new(&["10.0.0.0/33".to_owned()], "forwarded").is_err());
        assert!(Trust::new(&[], "x-real-ip").is_err());
    }
}
