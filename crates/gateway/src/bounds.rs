//! How much the edge bears.
//!
//! Role: the settings of everything that is counted or timed per connection and per head of a request, their ranges,
//! and the listener's limits that come of them.
//! Invariants: every number has a range, and the defaults lie in it; a value outside stops the start.
//! Failure story: the setting and its range, in words.

use std::time::Duration;

use service_kit::config::{Config, Kind, Setting};
use service_kit::serve::{HttpLimits, ProxyProtocol, SharedAddresses};

use crate::address::Trust;

/// The settings, in the order of the example file.
pub(crate) const SETTINGS: [Setting; 10] = [
    number(
        "gateway.max-connections",
        "8192",
        "Connections open at once, 1 to 1000000; more wait to be accepted.",
    ),
    number(
        "gateway.max-connections-per-address",
        "1024",
        "Connections open at once from one address (IPv6: one /64 network), 0 to 1000000; more are closed at once. \
         Trusted proxies are not counted. 0: no limit.",
    ),
    number(
        "gateway.max-streams-per-address",
        "1024",
        "Streams of events open at once for clients of one address (IPv6: one /64 network), 0 to 1000000; more are \
         answered 429. 0: no limit.",
    ),
    length(
        "gateway.header-timeout",
        "10s",
        "Longest that a client may take to send the head of a request, 100ms to 5m.",
    ),
    length(
        "gateway.write-timeout",
        "60s",
        "Longest that an answer or an event may wait for its reader to read on, 100ms to 1h; then the connection ends.",
    ),
    number(
        "gateway.max-head-bytes",
        "32768",
        "Largest head of a request, in bytes, 8192 to 1048576; larger ones are answered 431.",
    ),
    number(
        "gateway.max-header-bytes",
        "8192",
        "Longest single header of a request (name and value), in bytes, 256 to 1048576; longer ones are answered 431.",
    ),
    number(
        "gateway.max-headers",
        "100",
        "Most headers of a request, 16 to 1000; more are answered 431.",
    ),
    number(
        "gateway.max-requests-per-connection",
        "256",
        "Requests at once on one HTTP/2 connection, 1 to 10000; more are refused by HTTP/2 itself.",
    ),
    number(
        "gateway.max-resets-per-connection",
        "20",
        "Requests of one HTTP/2 connection that wait and were taken back already, 1 to 10000; the connection of a client \
         that takes back more is ended.",
    ),
];

const fn number(key: &'static str, default: &'static str, help: &'static str) -> Setting {
    Setting {
        key,
        help,
        default: Some(default),
        secret: false,
        kind: Kind::Integer,
    }
}

const fn length(key: &'static str, default: &'static str, help: &'static str) -> Setting {
    Setting {
        key,
        help,
        default: Some(default),
        secret: false,
        kind: Kind::Duration,
    }
}

/// The values in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    /// Connections open at once.
    pub connections: usize,
    /// Of one address; 0: no limit.
    pub connections_per_address: usize,
    /// Streams for clients of one address; 0: no limit.
    pub streams_per_address: usize,
    /// Longest for the head of a request.
    pub header_timeout: Duration,
    /// Longest that an answer waits for its reader.
    pub write_timeout: Duration,
    /// Largest head, in bytes.
    pub head_bytes: usize,
    /// Longest single header, in bytes.
    pub header_bytes: usize,
    /// Most headers of a request.
    pub headers: usize,
    /// Requests at once on one HTTP/2 connection.
    pub requests_per_connection: usize,
    /// Requests that were taken back before they were looked at.
    pub resets_per_connection: usize,
}

impl Bounds {
    /// The values of `config`.
    pub(crate) fn from_config(config: &Config) -> Self {
        Self {
            connections: config.count("gateway.max-connections"),
            connections_per_address: config.count("gateway.max-connections-per-address"),
            streams_per_address: config.count("gateway.max-streams-per-address"),
            header_timeout: config.duration("gateway.header-timeout"),
            write_timeout: config.duration("gateway.write-timeout"),
            head_bytes: config.count("gateway.max-head-bytes"),
            header_bytes: config.count("gateway.max-header-bytes"),
            headers: config.count("gateway.max-headers"),
            requests_per_connection: config.count("gateway.max-requests-per-connection"),
            resets_per_connection: config.count("gateway.max-resets-per-connection"),
        }
    }

    /// Whether every value lies in its range; the error is the setting and the range.
    pub(crate) fn check(&self) -> Result<(), (&'static str, String)> {
        const MANY: usize = 1_000_000;
        const MIB: usize = 1024 * 1024;
        let numbers = [
            ("gateway.max-connections", self.connections, 1, MANY),
            (
                "gateway.max-connections-per-address",
                self.connections_per_address,
                0,
                MANY,
            ),
            (
                "gateway.max-streams-per-address",
                self.streams_per_address,
                0,
                MANY,
            ),
            ("gateway.max-head-bytes", self.head_bytes, 8192, MIB),
            ("gateway.max-header-bytes", self.header_bytes, 256, MIB),
            ("gateway.max-headers", self.headers, 16, 1000),
            (
                "gateway.max-requests-per-connection",
                self.requests_per_connection,
                1,
                10_000,
            ),
            (
                "gateway.max-resets-per-connection",
                self.resets_per_connection,
                1,
                10_000,
            ),
        ];
        for (setting, value, least, most) in numbers {
            if !(least..=most).contains(&value) {
                return Err((setting, format!("{value} is not from {least} to {most}")));
            }
        }
        let tenth = Duration::from_millis(100);
        let lengths = [
            (
                "gateway.header-timeout",
                self.header_timeout,
                Duration::from_secs(5 * 60),
                "5m",
            ),
            (
                "gateway.write-timeout",
                self.write_timeout,
                Duration::from_secs(60 * 60),
                "1h",
            ),
        ];
        for (setting, value, most, words) in lengths {
            if !(tenth..=most).contains(&value) {
                return Err((setting, format!("{value:?} is not from 100ms to {words}")));
            }
        }
        Ok(())
    }

    /// What the listener bears. Behind an address that is trusted as a proxy there are many clients.
    pub(crate) fn limits(&self, trust: &Trust, proxies: ProxyProtocol) -> HttpLimits {
        let (trust, balancers) = (trust.clone(), proxies.clone());
        HttpLimits {
            connections: self.connections,
            connections_per_address: self.connections_per_address,
            shared: SharedAddresses::new(move |address| {
                trust.trusts(address) || balancers.expects(address)
            }),
            proxies,
            header_timeout: self.header_timeout,
            write_timeout: self.write_timeout,
            header_bytes: self.head_bytes,
            headers: self.headers,
            streams_per_connection: u32::try_from(self.requests_per_connection).unwrap_or(u32::MAX),
            resets_per_connection: self.resets_per_connection,
        }
    }
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections: 8192,
            connections_per_address: 1024,
            streams_per_address: 1024,
            header_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(60),
            head_bytes: 32 * 1024,
            header_bytes: 8192,
            headers: 100,
            requests_per_connection: 256,
            resets_per_connection: 20,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_lie_in_their_ranges_and_what_does_not_is_named() {
        assert_eq!(Bounds::default().check(), Ok(()));
        let refused = |bounds: Bounds| bounds.check().map_err(|(setting, _)| setting);
        let of = Bounds::default;
        assert_eq!(
            refused(Bounds { headers: 0, ..of() }),
            Err("gateway.max-headers")
        );
        assert_eq!(
            refused(Bounds {
                connections: 0,
                ..of()
            }),
            Err("gateway.max-connections")
        );
        assert_eq!(
            refused(Bounds {
                write_timeout: Duration::ZERO,
                ..of()
            }),
            Err("gateway.write-timeout")
        );
    }
}
