//! What an operator can set of the edge.
//!
//! Role: the table for `portreeve config` and the plain values read from it. The defaults of both are the same; a test
//! says so.
//! Failure story: lists of networks and origins are read at start; what cannot be read stops the start with the entry.

use std::time::Duration;

use service_kit::config::{Config, Kind, Setting};

use crate::bounds::{self, Bounds};
use crate::login::LoginSettings;

const fn setting(
    key: &'static str,
    default: Option<&'static str>,
    kind: Kind,
    help: &'static str,
) -> Setting {
    Setting {
        key,
        help,
        default,
        secret: false,
        kind,
    }
}

const OWN: [Setting; 17] = [
    setting(
        "gateway.listen",
        Some("127.0.0.1:8080"),
        Kind::Text,
        "Address and port that HTTP and gRPC are served on.",
    ),
    setting(
        "gateway.tls-certificate",
        None,
        Kind::Path,
        "The certificate (PEM, with its chain) for the outside; with it and gateway.tls-key only HTTPS is spoken. Not \
         given: in clear, for a proxy in front. Changed files are taken over without a restart.",
    ),
    setting(
        "gateway.tls-key",
        None,
        Kind::Path,
        "The private key (PEM) of gateway.tls-certificate.",
    ),
    setting(
        "gateway.max-body-bytes",
        Some("1048576"),
        Kind::Integer,
        "Largest body of a request, in bytes; larger ones are answered 413.",
    ),
    setting(
        "gateway.max-uri-bytes",
        Some("8192"),
        Kind::Integer,
        "Longest path and query of a request, in bytes; longer ones are answered 414.",
    ),
    setting(
        "gateway.request-timeout",
        Some("15s"),
        Kind::Duration,
        "Longest that a request may take; streams of events and waiting for events are not counted.",
    ),
    setting(
        "gateway.rate-per-key",
        Some("10000"),
        Kind::Integer,
        "Requests per second that one key may make, with bursts of twice as many; 0: no limit.",
    ),
    setting(
        "gateway.rate-per-address",
        Some("10000"),
        Kind::Integer,
        "Requests per second from one address (IPv6: one /64 network), with bursts of twice as many; 0: no limit.",
    ),
    setting(
        "gateway.rate-per-link",
        Some("5"),
        Kind::Integer,
        "Requests per second for one link, and from one address for all links, with bursts of twice as many; 0: no limit.",
    ),
    setting(
        "gateway.ipv4-url",
        None,
        Kind::Url,
        "Where this gateway is reached over IPv4 alone, as in https://v4.portreeve.example: the pages prove IPv4 sources there.",
    ),
    setting(
        "gateway.ipv6-url",
        None,
        Kind::Url,
        "Where this gateway is reached over IPv6 alone, as in https://v6.portreeve.example: the pages prove IPv6 sources there.",
    ),
    setting(
        "gateway.max-streams",
        Some("4096"),
        Kind::Integer,
        "Streams of events open at once; more are answered 503.",
    ),
    setting(
        "gateway.trusted-proxies",
        None,
        Kind::List,
        "Networks of the proxies in front, as in 10.0.0.0/8; the client's address is believed from these alone.",
    ),
    setting(
        "gateway.forwarded-header",
        Some("x-forwarded-for"),
        Kind::Text,
        "The header in which those proxies tell the client's address: x-forwarded-for or forwarded.",
    ),
    setting(
        "gateway.proxy-protocol-from",
        None,
        Kind::List,
        "Networks of balancers that speak the PROXY protocol, version 2: their connections must begin with its header, and nobody else's may.",
    ),
    setting(
        "gateway.allowed-origins",
        None,
        Kind::List,
        "Origins of web applications that may call from a browser, as in https://portal.example; none: closed.",
    ),
    setting(
        "gateway.reflection",
        Some("true"),
        Kind::Bool,
        "Whether gRPC reflection shows the outside operations.",
    ),
];

/// The settings of the gateway.
pub static SETTINGS: &[Setting] = &{
    let mut all = [OWN[0]; OWN.len() + bounds::SETTINGS.len()];
    let mut place = 0_usize;
    while place < all.len() {
        all[place] = match place.checked_sub(OWN.len()) {
            None => OWN[place],
            Some(place) => bounds::SETTINGS[place],
        };
        place += 1;
    }
    all
};

/// The values in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Address and port, for the executable to bind.
    pub listen: String,
    /// Largest body, in bytes.
    pub max_body_bytes: usize,
    /// Longest path and query, in bytes.
    pub max_uri_bytes: usize,
    /// Longest that a request may take.
    pub request_timeout: Duration,
    /// Requests per second of a key; 0: no limit.
    pub rate_per_key: u32,
    /// Requests per second from an address; 0: no limit.
    pub rate_per_address: u32,
    /// Requests per second for a link, and from an address for all links; 0: no limit.
    pub rate_per_link: u32,
    /// Where the gateway is reached over IPv4 alone; empty: nowhere.
    pub ipv4_url: String,
    /// Where the gateway is reached over IPv6 alone; empty: nowhere.
    pub ipv6_url: String,
    /// Streams of events open at once.
    pub max_streams: usize,
    /// Networks of the proxies in front.
    pub trusted_proxies: Vec<String>,
    /// `x-forwarded-for` or `forwarded`.
    pub forwarded_header: String,
    /// Networks whose connections begin with a header of the PROXY protocol, version 2.
    pub proxy_protocol_from: Vec<String>,
    /// Origins that may call from a browser.
    pub allowed_origins: Vec<String>,
    /// Whether reflection is served.
    pub reflection: bool,
    /// Logins of people.
    pub login: LoginSettings,
    /// Whether this process itself speaks TLS to the outside.
    pub https: bool,
    /// What is counted and timed per connection and per head of a request.
    pub bounds: Bounds,
}

impl Settings {
    /// The values of `config`.
    pub fn from_config(config: &Config) -> Self {
        let rate = |key| u32::try_from(config.int(key).max(0)).unwrap_or(u32::MAX);
        let url = |key| config.optional(key).unwrap_or_default().to_owned();
        Self {
            listen: config.text("gateway.listen").to_owned(),
            max_body_bytes: config.count("gateway.max-body-bytes"),
            max_uri_bytes: config.count("gateway.max-uri-bytes"),
            request_timeout: config.duration("gateway.request-timeout"),
            rate_per_key: rate("gateway.rate-per-key"),
            rate_per_address: rate("gateway.rate-per-address"),
            rate_per_link: rate("gateway.rate-per-link"),
            ipv4_url: url("gateway.ipv4-url"),
            ipv6_url: url("gateway.ipv6-url"),
            max_streams: config.count("gateway.max-streams"),
            trusted_proxies: config.list("gateway.trusted-proxies").to_vec(),
            forwarded_header: config.text("gateway.forwarded-header").to_owned(),
            proxy_protocol_from: config.list("gateway.proxy-protocol-from").to_vec(),
            allowed_origins: config.list("gateway.allowed-origins").to_vec(),
            reflection: config.bool("gateway.reflection"),
            login: LoginSettings::from_config(config),
            https: config.is_set("gateway.tls-certificate"),
            bounds: Bounds::from_config(config),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8080".to_owned(),
            max_body_bytes: 1024 * 1024,
            max_uri_bytes: 8192,
            request_timeout: Duration::from_secs(15),
            rate_per_key: 10_000,
            rate_per_address: 10_000,
            rate_per_link: 5,
            ipv4_url: String::new(),
            ipv6_url: String::new(),
            max_streams: 4096,
            trusted_proxies: Vec::new(),
            forwarded_header: "x-forwarded-for".to_owned(),
            proxy_protocol_from: Vec::new(),
            allowed_origins: Vec::new(),
            reflection: true,
            login: LoginSettings::default(),
            https: false,
            bounds: Bounds::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn the_table_and_the_plain_values_have_the_same_defaults() {
        let table: &'static [Setting] = [SETTINGS, crate::login::SETTINGS].concat().leak();
        let config = Config::resolve(table, None, [], &std::collections::BTreeMap::new()).unwrap();
        assert_eq!(Settings::from_config(&config), Settings::default());
    }
}
