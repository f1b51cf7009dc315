//! The fixed table of service names.
//!
//! Owner: `domain::net::service`. Fixed on purpose: the services file of a machine differs from machine to
//! machine, and a request must mean the same everywhere. Ports follow the IANA service name registry, with
//! the names that people use for the same ports beside them.
//! Invariants: sorted by name, lower case, no name twice; names with both transports give the usual one.

use super::Protocol::{self, Icmp, Tcp, Udp};

/// Name, protocol and port (0 for protocols without ports).
pub(super) const NAMES: &[(&str, Protocol, u16)] = &[
    ("dns", Udp, 53),
    ("domain", Udp, 53),
    ("ftp", Tcp, 21),
    ("ftp-control", Tcp, 21),
    ("ftp-data", Tcp, 20),
    ("ftps", Tcp, 990),
    ("http", Tcp, 80),
    ("http-alt", Tcp, 8080),
    ("https", Tcp, 443),
    ("icmpv6", Icmp, 0),
    ("imap", Tcp, 143),
    ("imaps", Tcp, 993),
    ("ldap", Tcp, 389),
    ("ldaps", Tcp, 636),
    ("mariadb", Tcp, 3306),
    ("mongodb", Tcp, 27017),
    ("ms-sql", Tcp, 1433),
    ("ms-sql-s", Tcp, 1433),
    ("mssql", Tcp, 1433),
    ("mysql", Tcp, 3306),
    ("ntp", Udp, 123),
    ("opac", Tcp, 80),
    ("oracle", Tcp, 1521),
    ("oracle-listener", Tcp, 1521),
    ("ping", Icmp, 0),
    ("pop3", Tcp, 110),
    ("pop3s", Tcp, 995),
    ("postgres", Tcp, 5432),
    ("postgresql", Tcp, 5432),
    ("quic", Udp, 443),
    ("rdp", Tcp, 3389),
    ("redis", Tcp, 6379),
    ("rsync", Tcp, 873),
    ("scp", Tcp, 22),
    ("sftp", Tcp, 22),
    ("smb", Tcp, 445),
    ("smtp", Tcp, 25),
    ("smtps", Tcp, 465),
    ("snmp", Udp, 161),
    ("sqlnet", Tcp, 1521),
    ("ssh", Tcp, 22),
    ("submission", Tcp, 587),
    ("syslog", Udp, 514),
    ("telnet", Tcp, 23),
    ("vnc", Tcp, 5900),
    ("winrm", Tcp, 5985),
    ("www", Tcp, 80),
    ("z39.50", Tcp, 210),
    ("z3950", Tcp, 210),
];

/// The protocol and port of a name, whatever its case.
pub(super) fn find(name: &str) -> Option<(Protocol, u16)> {
    NAMES
        .iter()
        .find(|(known, ..)| known.eq_ignore_ascii_case(name))
        .map(|(_, protocol, port)| (*protocol, *port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_lower_case_and_has_no_name_twice() {
        assert!(NAMES.is_sorted_by(|a, b| a.0 < b.0));
        for (name, protocol, port) in NAMES {
            assert_eq!(name.to_ascii_lowercase(), *name);
            assert_eq!(protocol.has_ports(), *port != 0, "{name}");
        }
    }
}
