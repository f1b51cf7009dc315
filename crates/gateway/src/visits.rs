//! What the pages behind links need beside the edge: intake, how often somebody may ask, and the two families.
//!
//! Owner: made once by `start`. Failure story: a setting that cannot be used is named with what is wrong.

use std::net::IpAddr;

use crate::clients::links::Links;
use crate::limits::Rate;

/// What the pages need beside the edge.
pub(crate) struct Pages {
    pub(crate) links: Links,
    pub(crate) per_link: Rate<[u8; 32]>,
    pub(crate) per_address: Rate<IpAddr>,
    /// Where this gateway is reached over IPv4 alone, and over IPv6 alone.
    pub(crate) families: Families,
}

/// Origins with one family each; empty: not set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Families {
    pub(crate) ipv4: String,
    pub(crate) ipv6: String,
}

impl Pages {
    /// Reads the settings; the error names the one that cannot be used.
    pub(crate) fn new(
        links: Links,
        rate: u32,
        ipv4_url: &str,
        ipv6_url: &str,
    ) -> Result<Self, (&'static str, String)> {
        Ok(Self {
            links,
            per_link: Rate::per_second(rate),
            per_address: Rate::per_second(rate),
            families: Families {
                ipv4: origin(ipv4_url).map_err(|problem| ("gateway.ipv4-url", problem))?,
                ipv6: origin(ipv6_url).map_err(|problem| ("gateway.ipv6-url", problem))?,
            },
        })
    }
}

/// A URL that is nothing but an origin: it goes into a page and into its policy.
fn origin(url: &str) -> Result<String, String> {
    let url = url.trim().trim_end_matches('/');
    let host = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    let plain = |host: &str| {
        !host.is_empty()
            && host
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte))
    };
    if url.is_empty() || host.is_some_and(plain) {
        Ok(url.to_owned())
    } else {
        Err(format!(
            "'{url}' is no origin; write it as in https://v4.portreeve.example"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_has_an_origin_and_nothing_else() {
        for good in [
            "",
            "https://v4.portreeve.example",
            "http://[2620:fe::fe]:8080",
            "https://v6.example/",
        ] {
            assert!(origin(good).is_ok(), "{good}");
        }
        for bad in [
            "v4.example",
            "https://v4.example/path",
            "https://",
            "https://a;b",
            "https://a b",
            "ftp://a",
        ] {
            assert!(origin(bad).is_err(), "{bad}");
        }
    }
}
