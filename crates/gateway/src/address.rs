//! Which address a request comes from.
//!
//! Role: the peer of the connection, or, when that is a trusted proxy, what the chain of trusted proxies tells.
//! Invariants: one header is read, the configured one, from right to left; a hop is believed only if the hop to its
//! right is trusted. What a client writes itself is left of that and never reached.
//! Failure story: a hop that is no address ends the walk; the last believed address is the answer.

use std::net::{IpAddr, SocketAddr};

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
        let lines: Vec<&str> = headers
            .get_all(name)
            .iter()
            .map(|line| line.to_str().unwrap_or("?"))
            .collect();
        let hops = lines.iter().rev().flat_map(|line| line.rsplit(','));
        for hop in hops.take(MAX_HOPS) {
            let address = match self.header {
                Form::XForwardedFor => address(hop),
                Form::Forwarded => forwarded_for(hop).and_then(address),
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

/// The `for` of one element of `Forwarded` (RFC 7239).
fn forwarded_for(element: &str) -> Option<&str> {
    element.split(';').find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        name.eq_ignore_ascii_case("for")
            .then(|| value.trim().trim_matches('"'))
    })
}

/// An address, perhaps with a port or in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0,
        None => text,
    };
    let parsed = bare.parse::<IpAddr>().ok();
    let parsed = parsed.or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()));
    parsed.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    /// Trusted networks, peer, lines of the header, then the expected address and whether it was forwarded.
    type Case<'c> = (&'c [&'c str], &'c str, &'c [&'c str], &'c str, bool);

    fn client(trusted: &[&str], header: &str, peer: &str, lines: &[&str]) -> (String, bool) {
        let trusted: Vec<String> = trusted.iter().map(|text| (*text).to_owned()).collect();
        let trust = Trust::new(&trusted, header).unwrap();
        let mut headers = HeaderMap::new();
        for line in lines {
            let name = HeaderName::try_from(header).unwrap();
            headers.append(name, line.parse().unwrap());
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

    #[test]
    fn settings_that_cannot_be_read_are_named() {
        assert!(Trust::new(&["10.0.0.0/33".to_owned()], "forwarded").is_err());
        assert!(Trust::new(&[], "x-real-ip").is_err());
    }
}
