//! What an operator can set about delivery.
//!
//! Role: the table of settings under `notification.` and their parsed form.
//! Owner: the operator. Invariant: `Settings::default()` equals the defaults of the table (tested).
//! Failure story: a list entry that is no network or port is a [`SettingsError`] at start, naming the entry; the
//! service does not start with half of its rules.

use std::time::Duration;

use ipnet::IpNet;
use service_kit::config::{Config, Kind, Setting};

/// The settings of this service.
pub static SETTINGS: &[Setting] = &[
    Setting {
        key: "notification.webhook-timeout",
        help: "How long one webhook attempt may take in all, name resolution and the answer's body included.",
        default: Some("15s"),
        secret: false,
        kind: Kind::Duration,
    },
    Setting {
        key: "notification.webhook-concurrency",
        help: "The most webhook attempts in flight in this process; one endpoint never has more than 8.",
        default: Some("512"),
        secret: false,
        kind: Kind::Integer,
    },
    Setting {
        key: "notification.webhook-allow-http",
        help: "Whether webhook URLs may be plain http, on port 80, 8080 or any port from 1024 up. For development.",
        default: Some("false"),
        secret: false,
        kind: Kind::Bool,
    },
    Setting {
        key: "notification.webhook-allowed-ports",
        help: "The ports that https webhook URLs may name.",
        default: Some("443,8443"),
        secret: false,
        kind: Kind::List,
    },
    Setting {
        key: "notification.webhook-allowed-networks",
        help: "Networks (CIDR) that webhooks may reach although they are not public, such as 10.20.0.0/16.",
        default: None,
        secret: false,
        kind: Kind::List,
    },
    Setting {
        key: "notification.streams-per-principal",
        help: "The most event streams and waiting pulls that one key may have open in this process.",
        default: Some("50"),
        secret: false,
        kind: Kind::Integer,
    },
    Setting {
        key: "notification.streams",
        help: "The most event streams and waiting pulls that this process serves.",
        default: Some("2000"),
        secret: false,
        kind: Kind::Integer,
    },
    Setting {
        key: "notification.stream-lifetime",
        help: "A stream is ended after this long, so that its scope is checked anew; the follower resumes with its cursor.",
        default: Some("1h"),
        secret: false,
        kind: Kind::Duration,
    },
    Setting {
        key: "notification.delivery-retention",
        help: "How long settled webhook deliveries and their attempts are kept, and how long a paused endpoint's wait.",
        default: Some("30d"),
        secret: false,
        kind: Kind::Duration,
    },
];

/// The parsed settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Time for one attempt in all.
    pub webhook_timeout: Duration,
    /// Attempts in flight in this process; at least 1.
    pub webhook_concurrency: usize,
    /// Plain http is accepted.
    pub webhook_allow_http: bool,
    /// Ports of https URLs.
    pub webhook_allowed_ports: Vec<u16>,
    /// Networks that are reachable although not public.
    pub webhook_allowed_networks: Vec<IpNet>,
    /// Streams per principal.
    pub streams_per_principal: usize,
    /// Streams in all.
    pub streams: usize,
    /// Longest life of a stream.
    pub stream_lifetime: Duration,
    /// How long settled deliveries are kept.
    pub delivery_retention: Duration,
}

/// A setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Not a network.
    #[error(
        "notification.webhook-allowed-networks: '{0}' is no network; write one such as 10.20.0.0/16"
    )]
    Network(String),
    /// Not a port.
    #[error("notification.webhook-allowed-ports: '{0}' is no port; write a number from 1 to 65535")]
    Port(String),
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            webhook_timeout: Duration::from_secs(15),
            webhook_concurrency: 512,
            webhook_allow_http: false,
            webhook_allowed_ports: vec![443, 8443],
            webhook_allowed_networks: Vec::new(),
            streams_per_principal: 50,
            streams: 2000,
            stream_lifetime: Duration::from_secs(3600),
            delivery_retention: Duration::from_secs(30 * 24 * 3600),
        }
    }
}

impl Settings {
    /// Reads the settings of this service.
    ///
    /// # Errors
    /// [`SettingsError`] for an entry that is no network or port.
    pub fn from_config(config: &Config) -> Result<Self, SettingsError> {
        let ports = config.list("notification.webhook-allowed-ports").iter();
        let networks = config.list("notification.webhook-allowed-networks").iter();
        Ok(Self {
            webhook_timeout: config.duration("notification.webhook-timeout"),
            webhook_concurrency: config.count("notification.webhook-concurrency").max(1),
            webhook_allow_http: config.bool("notification.webhook-allow-http"),
            webhook_allowed_ports: ports
                .map(|text| {
                    text.trim()
                        .parse()
                        .map_err(|_| SettingsError::Port(text.clone()))
                })
                .collect::<Result<_, _>>()?,
            webhook_allowed_networks: networks
                .map(|text| {
                    let text = text.trim();
                    let network = text.parse::<IpNet>().ok();
                    let host = || text.parse::<std::net::IpAddr>().ok().map(IpNet::from);
                    network
                        .or_else(host)
                        .ok_or_else(|| SettingsError::Network(text.to_owned()))
                })
                .collect::<Result<_, _>>()?,
            streams_per_principal: config.count("notification.streams-per-principal"),
            streams: config.count("notification.streams"),
            stream_lifetime: config.duration("notification.stream-lifetime"),
            delivery_retention: config.duration("notification.delivery-retention"),
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "constants")]
    use std::collections::BTreeMap;

    use super::*;

    fn read(flags: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        let flags: BTreeMap<String, String> = flags
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        Settings::from_config(&Config::resolve(SETTINGS, None, [], &flags).unwrap())
    }

    #[test]
    fn the_defaults_of_the_table_are_those_of_the_code() {
        assert_eq!(read(&[]), Ok(Settings::default()));
    }

    #[test]
    fn a_wrong_network_or_port_names_itself() {
        let networks = "notification.webhook-allowed-networks";
        assert_eq!(
            read(&[(networks, "10.0.0.0/8,ten")]),
            Err(SettingsError::Network("ten".into()))
        );
        let good = read(&[(networks, "10.0.0.0/8,127.0.0.1")]).unwrap();
        assert_eq!(good.webhook_allowed_networks.len(), 2);
        assert!(read(&[("notification.webhook-allowed-ports", "0x50")]).is_err());
    }
}
