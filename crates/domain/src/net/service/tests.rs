//! What people write for ports, and what comes back.

use proptest::prelude::*;

use super::*;

fn read_one(text: &str) -> (Vec<String>, Vec<String>) {
    let (entries, findings) = read_services("services", &[text.to_owned()]);
    let said = findings
        .iter()
        .map(|finding| {
            let suggestion = finding
                .suggestion
                .as_ref()
                .map(|text| format!(" -> {text}"))
                .unwrap_or_default();
            let others: String = finding
                .alternatives
                .iter()
                .map(|text| format!(" | {text}"))
                .collect();
            format!("{}{suggestion}{others}", finding.code)
        })
        .collect();
    (
        entries
            .iter()
            .map(|entry| entry.service.to_string())
            .collect(),
        said,
    )
}

#[test]
fn plain_services_are_read_without_a_word() {
    for (text, services) in [
        ("tcp/443", vec!["tcp/443"]),
        ("443/tcp", vec!["tcp/443"]),
        ("TCP/8000-8100; udp/53", vec!["tcp/8000-8100", "udp/53"]),
        ("8000 - 8100 / tcp", vec!["tcp/8000-8100"]),
        ("icmp", vec!["icmp"]),
        ("icmp 443/tcp", vec!["icmp", "tcp/443"]),
        ("tcp/80-80", vec!["tcp/80"]),
        ("tcp:22", vec!["tcp/22"]),
    ] {
        let expected: Vec<String> = services.into_iter().map(str::to_owned).collect();
        assert_eq!(read_one(text), (expected, vec![]), "{text}");
    }
}

#[test]
fn names_are_read_and_shown() {
    for (text, service) in [
        ("https", "tcp/443"),
        ("SSH", "tcp/22"),
        ("udp/domain", "udp/53"),
        ("ping", "icmp"),
    ] {
        assert_eq!(
            read_one(text),
            (
                vec![service.to_owned()],
                vec![format!("PORT_SERVICE_NAME -> {service}")]
            ),
            "{text}"
        );
    }
}

#[test]
fn every_slip_is_refused_with_its_correction() {
    for (text, said) in [
        ("443", "PROTO_MISSING | tcp/443 | udp/443"),
        ("8000-8100", "PROTO_MISSING | tcp/8000-8100 | udp/8000-8100"),
        ("0443", "PORT_SYNTAX | tcp/443 | udp/443"),
        ("+443", "PORT_SYNTAX | tcp/443 | udp/443"),
        ("tcp/0443", "PORT_SYNTAX -> tcp/443"),
        ("tcp/+443", "PORT_SYNTAX -> tcp/443"),
        ("tcp 443", "PORT_SYNTAX -> tcp/443"),
        ("443 tcp", "PORT_SYNTAX -> tcp/443"),
        ("tcp443", "PORT_SYNTAX -> tcp/443"),
        ("tcp/４４３", "PORT_SYNTAX -> tcp/443"),
        ("tcp", "PORT_SYNTAX"),
        ("tcp/any", "PORT_SYNTAX"),
        ("*", "PORT_SYNTAX"),
        ("nonsense", "PORT_SYNTAX"),
        ("tcp/udp", "PORT_SYNTAX"),
        ("tcp/", "PORT_SYNTAX"),
        ("-", "PORT_SYNTAX"),
        ("tcp/0", "PORT_BOUNDS"),
        ("tcp/65536", "PORT_BOUNDS"),
        ("tcp/99999999999", "PORT_BOUNDS"),
        ("tcp/90-80", "PORT_BOUNDS -> tcp/80-90"),
        ("90-80", "PORT_BOUNDS | tcp/80-90 | udp/80-90"),
        ("icmp/8", "PROTO_NO_PORTS -> icmp"),
    ] {
        assert_eq!(read_one(text), (vec![], vec![said.to_owned()]), "{text}");
    }
    assert_eq!(read_one("").1, ["PORT_EMPTY"]);
    assert_eq!(read_one(&"tcp/1 ".repeat(201)).1, ["PORT_TOO_MANY"]);
}

proptest! {
    #[test]
    fn what_is_displayed_reads_back(tcp: bool, first in 1u16.., last in 1u16..) {
        let protocol = if tcp { Protocol::Tcp } else { Protocol::Udp };
        let service = Service::new(protocol, PortRange::new(first.min(last), first.max(last)));
        let text = service.map(|service| service.to_string()).unwrap_or_default();
        prop_assert_eq!(text.parse().ok(), service);
        prop_assert!(read_one(&text).1.is_empty());
    }

    #[test]
    fn any_text_is_judged_and_its_suggestions_settle(text in r"([0-9tcpudi/:+\- ,]|tcp/|-|４|https){0,20}") {
        let (_, findings) = read_services("services", &[text]);
        for suggestion in findings.into_iter().filter_map(|finding| finding.suggestion) {
            prop_assert!(suggestion.parse::<Service>().is_ok(), "{}", suggestion);
        }
    }
}
