//! Where webhooks may go: the guard against requests forged through us (SSRF).
//!
//! Role: judges a URL when it is given, and every address that its name resolves to, at each connection. The connection
//! is made to a judged address, so a name that changes between two resolutions gains nothing.
//! Owner: the operator, through `notification.webhook-*` settings.
//! Invariants: https unless development is declared; no credentials in the URL; few ports; every address public by the
//! registry of `domain::net`, in whatever notation it was written, unless the operator named its network. Redirects
//! are not followed (`send.rs`).
//! Failure story: a refusal is terminal and says its reason; a name that does not resolve is tried again.

use std::net::IpAddr;

use domain::net::classify;
use http::Uri;
use ipnet::IpNet;

pub use crate::refused::Refused;
use crate::settings::Settings;

/// The longest URL, in bytes.
pub const MAX_URL_BYTES: usize = 2048;

/// A host of a cloud's inside that answers at a public address: its agents' channel.
const CLOUD_HOST: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(168, 63, 129, 16));

/// The guard.
#[derive(Debug, Clone)]
pub struct Guard {
    allow_http: bool,
    ports: Vec<u16>,
    networks: Vec<IpNet>,
}

impl Guard {
    /// A guard with the operator's rules.
    pub fn new(settings: &Settings) -> Self {
        Self {
            allow_http: settings.webhook_allow_http,
            ports: settings.webhook_allowed_ports.clone(),
            networks: settings.webhook_allowed_networks.clone(),
        }
    }

    /// What can be said of `url` without resolving its name.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn check_url(&self, url: &str) -> Result<Uri, Refused> {
        if url.len() > MAX_URL_BYTES || !url.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Refused::Malformed);
        }
        if url.contains('#') {
            return Err(Refused::Fragment);
        }
        let uri: Uri = url.parse().map_err(|_| Refused::Malformed)?;
        let plain = match uri.scheme_str() {
            Some("https") => false,
            Some("http") if self.allow_http => true,
            Some(_) => return Err(Refused::Scheme),
            None => return Err(Refused::Malformed),
        };
        let authority = uri.authority().ok_or(Refused::Malformed)?;
        if authority.as_str().contains('@') {
            return Err(Refused::Credentials);
        }
        let host = authority.host();
        if host.is_empty() {
            return Err(Refused::Malformed);
        }
        let port = match authority.as_str().strip_prefix(host) {
            Some("") => None,
            // A port that is written but is no number would fall back to the default.
            Some(_) => Some(authority.port_u16().ok_or(Refused::Malformed)?),
            None => return Err(Refused::Malformed),
        };
        self.check_port(port.unwrap_or(if plain { 80 } else { 443 }))?;
        if let Some(address) = literal(host) {
            self.check_address(address)?;
        }
        Ok(uri)
    }

    fn check_port(&self, port: u16) -> Result<(), Refused> {
        let development = self.allow_http && (port == 80 || port == 8080 || port >= 1024);
        if self.ports.contains(&port) || development {
            return Ok(());
        }
        let allowed: Vec<String> = self.ports.iter().map(u16::to_string).collect();
        Err(Refused::Port(port, allowed.join(" or ")))
    }

    /// Whether a connection to `address` may be made; answers whether it is one of the operator's own networks.
    ///
    /// # Errors
    /// [`Refused::Address`].
    pub fn check_address(&self, address: IpAddr) -> Result<bool, Refused> {
        let plain = address.to_canonical();
        if self.networks.iter().any(|network| network.contains(&plain)) {
            return Ok(true);
        }
        let refused = |why: String| Err(Refused::Address { address, why });
        if plain == CLOUD_HOST {
            return refused("it is the inside of a cloud".into());
        }
        // Asked as it came: an IPv4 address in the clothes of IPv6 is never a public destination.
        let class = classify(address);
        if class.public {
            Ok(false)
        } else {
            refused(class.explanation.into_owned())
        }
    }
}

/// The address of a host that is one, in brackets when it is IPv6.
pub(super) fn literal(host: &str) -> Option<IpAddr> {
    host.strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host)
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "constants")]
    use super::*;

    fn guard(change: impl FnOnce(&mut Settings)) -> Guard {
        let mut settings = Settings::default();
        change(&mut settings);
        Guard::new(&settings)
    }

    #[test]
    fn what_is_public_and_plain_passes() {
        let guard = guard(|_| ());
        for url in [
            "https://receiver.example.org/hook?a=b",
            "https://9.9.9.9/",
            "https://[2620:fe::fe]:8443/x",
            "https://receiver.example.org:443",
        ] {
            assert!(guard.check_url(url).is_ok(), "{url}");
        }
    }

    #[test]
    fn what_can_be_said_without_resolving_is_refused_with_its_reason() {
        let guard = guard(|_| ());
        let kind = |url: &str| match guard.check_url(url) {
            Ok(_) => "accepted",
            Err(Refused::Malformed) => "malformed",
            Err(Refused::Scheme) => "scheme",
            Err(Refused::Credentials) => "credentials",
            Err(Refused::Fragment) => "fragment",
            Err(Refused::Port(..)) => "port",
            Err(Refused::Address { .. }) => "address",
        };
        for (url, reason) in [
            ("", "malformed"),
            ("/hook", "malformed"),
            ("receiver.example.org", "malformed"),
            ("https://", "malformed"),
            ("https://a b/", "malformed"),
            ("https://a\\@b/", "malformed"),
            ("https://\u{ff11}.example/", "malformed"),
            ("https://receiver.example.org:x/", "malformed"),
            ("https://receiver.example.org:99999/", "malformed"),
            ("http://receiver.example.org/", "scheme"),
            ("ftp://receiver.example.org/", "scheme"),
            ("gopher://127.0.0.1:25/", "scheme"),
            ("https://user:pass@receiver.example.org/", "credentials"),
            ("https://receiver.example.org@127.0.0.1/", "credentials"),
            ("https://receiver.example.org/#x", "fragment"),
            ("https://receiver.example.org:22/", "port"),
            ("https://receiver.example.org:25/", "port"),
            ("https://receiver.example.org:6379/", "port"),
            ("https://127.0.0.1/", "address"),
            ("https://0.0.0.0/", "address"),
            ("https://10.1.2.3/", "address"),
            ("https://100.64.0.1/", "address"),
            ("https://169.254.169.254/latest", "address"),
            ("https://168.63.129.16/", "address"),
            ("https://172.16.0.1/", "address"),
            ("https://192.168.1.1/", "address"),
            ("https://192.0.2.1/", "address"),
            ("https://224.0.0.1/", "address"),
            ("https://255.255.255.255/", "address"),
            ("https://[::]/", "address"),
            ("https://[::1]/", "address"),
            ("https://[fe80::1]/", "address"),
            ("https://[fd00::1]/", "address"),
            ("https://[::ffff:127.0.0.1]/", "address"),
            ("https://[::ffff:9.9.9.9]/", "address"),
            ("https://[64:ff9b::7f00:1]/", "address"),
            ("https://[2002:7f00:1::]/", "address"),
            ("https://[::127.0.0.1]/", "address"),
            ("https://[2001:db8::1]/", "address"),
            ("https://[ff02::1]/", "address"),
        ] {
            assert_eq!(kind(url), reason, "{url}");
        }
    }

    #[test]
    fn the_operator_may_name_networks_and_development_allows_http() {
        let guard = guard(|settings| {
            settings.webhook_allow_http = true;
            settings.webhook_allowed_networks = vec!["10.20.0.0/16".parse().unwrap()];
        });
        assert_eq!(guard.check_address("10.20.3.4".parse().unwrap()), Ok(true));
        assert_eq!(
            guard.check_address("::ffff:10.20.3.4".parse().unwrap()),
            Ok(true)
        );
        assert_eq!(guard.check_address("9.9.9.9".parse().unwrap()), Ok(false));
        assert!(guard.check_address("10.21.3.4".parse().unwrap()).is_err());
        assert!(guard.check_url("http://10.20.3.4:3000/").is_ok());
        assert!(guard.check_url("http://10.20.3.4:25/").is_err());
        assert!(guard.check_url("http://127.0.0.1:3000/").is_err());
    }
}
