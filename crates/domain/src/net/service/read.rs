//! Reads what people write for ports.
//!
//! Owner: `domain::net::service`. The grammar of the module above, plus a helpful word for each usual slip:
//! a number alone, a leading zero or plus sign, a blank instead of the slash, digits of another script.
//! Invariants: linear; at most `MAX_ENTRIES` entries; only digits reach the number parser, so its leniency
//! (`+443`) never decides. Nothing fails: what cannot be read becomes a finding.

use super::super::split::{Excess, around_dash, split};
use super::super::{MAX_ENTRIES, MAX_TEXT_BYTES, fold};
use super::{PortRange, Protocol, Service, names};
use crate::finding::{Code, FieldPath, Finding, Span};

const WHY_READ: &str = "A rule is made from exactly what is written here, so nothing is guessed.";
const WHY_BOUNDS: &str =
    "Ports are numbered from 1 to 65535, and a range runs from the lower to the higher one.";

/// A service as it was written, with its meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceEntry {
    /// The element it stands in, such as `services[0]`.
    pub field: FieldPath,
    /// Its place in that element.
    pub span: Span,
    /// Its text as it was written.
    pub raw: String,
    /// What it means.
    pub service: Service,
}

/// Reads a list of services. `list` is the name of the field, such as `services`.
///
/// Returns the entries that could be read and everything there is to say about the others and about
/// conversions. An empty list gives `PORT_EMPTY`.
#[must_use]
pub fn read_services(list: &str, texts: &[String]) -> (Vec<ServiceEntry>, Vec<Finding>) {
    let split = split(texts, joins);
    let mut entries: Vec<ServiceEntry> = Vec::with_capacity(split.pieces.len());
    let mut findings = Vec::new();
    for piece in &split.pieces {
        let (field, span) = (piece.field(list), piece.span());
        let outcome = read(piece.text);
        if let Some(problem) = outcome.problem {
            findings.push(problem.into_finding(field.clone(), span));
        }
        if let Some(service) = outcome.service {
            entries.push(ServiceEntry {
                field,
                span,
                raw: piece.text.to_owned(),
                service,
            });
        }
    }
    match split.excess {
        Some(excess) => findings.push(too_many(list, excess)),
        None if split.pieces.is_empty() => findings.push(Finding::new(
            Code::PortEmpty,
            FieldPath::new(list),
            "No port is given.",
            "A firewall rule needs to know which service of the server is to be reached, such as tcp/443.",
        )),
        None => {}
    }
    (entries, findings)
}

/// Reads the canonical form and nothing else.
pub(super) fn canonical(text: &str) -> Option<Service> {
    let outcome = read(text);
    outcome.service.filter(|_| outcome.problem.is_none())
}

fn too_many(list: &str, excess: Excess) -> Finding {
    let (field, message) = match excess {
        Excess::Text => (
            FieldPath::new(list),
            format!("The list of ports is longer than {MAX_TEXT_BYTES} bytes."),
        ),
        Excess::Entries { index } => (
            FieldPath::indexed(list, index),
            format!("There are more than {MAX_ENTRIES} ports."),
        ),
    };
    Finding::new(
        Code::PortTooMany,
        field,
        message,
        "A request that nobody can read in one sitting is not reviewed well; use ranges or several requests.",
    )
}

/// `8000 - 8100`, `443 / tcp` and `tcp 443` are one entry each; `icmp 443/tcp` is two, the second is whole by itself.
fn joins(before: &str, next: &str) -> bool {
    around_dash(before, next)
        || next.starts_with('/')
        || before.ends_with('/')
        || (Protocol::from_word(before).is_some()
            && next.starts_with(|c: char| c.is_ascii_digit())
            && !next.contains('/'))
        || (Protocol::from_word(next).is_some_and(Protocol::has_ports)
            && before
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'-'))
}

struct Outcome {
    service: Option<Service>,
    problem: Option<Problem>,
}

struct Problem {
    code: Code,
    message: String,
    why: &'static str,
    suggestion: Option<String>,
    alternatives: Vec<String>,
}

impl Problem {
    fn new(code: Code, message: String, why: &'static str) -> Self {
        Self {
            code,
            message,
            why,
            suggestion: None,
            alternatives: Vec::new(),
        }
    }

    fn into_finding(self, field: FieldPath, span: Span) -> Finding {
        let mut finding = Finding::new(self.code, field, self.message, self.why)
            .at(span)
            .offer(self.alternatives);
        finding.suggestion = self.suggestion;
        finding
    }
}

fn fine(service: Option<Service>) -> Outcome {
    Outcome {
        service,
        problem: None,
    }
}

fn refused(problem: Problem) -> Outcome {
    Outcome {
        service: None,
        problem: Some(problem),
    }
}

fn read(text: &str) -> Outcome {
    if !text.is_ascii() {
        let mut problem = Problem::new(
            Code::PortSyntax,
            format!("`{text}` holds a character that is not plain ASCII."),
            "It looks like a digit, dash or blank but is none, often after copying from a mail or a document.",
        );
        problem.suggestion = fold::to_ascii(text)
            .and_then(|folded| read(folded.trim()).service)
            .map(|service| service.to_string());
        return refused(problem);
    }
    if let Some((left, right)) = text.split_once(['/', ':']) {
        let (left, right) = (left.trim(), right.trim());
        return match (Protocol::from_word(left), Protocol::from_word(right)) {
            (Some(protocol), None) => with_protocol(text, protocol, right),
            (None, Some(protocol)) => with_protocol(text, protocol, left),
            _ => refused(unreadable(text)),
        };
    }
    if let Some((protocol, port)) = names::find(text) {
        return named(text, protocol, port);
    }
    match Protocol::from_word(text) {
        Some(Protocol::Icmp) if text == "icmp" => return fine(Some(Service::ICMP)),
        Some(Protocol::Icmp) => return named(text, Protocol::Icmp, 0),
        Some(_) => {
            return refused(Problem::new(
                Code::PortSyntax,
                format!("`{text}` names a protocol but no port."),
                "Opening every port of a protocol is never needed; list the ports, such as tcp/443.",
            ));
        }
        None => {}
    }
    // `tcp 443`, `443 tcp` and `tcp443`: clear enough to suggest, not clear enough to accept.
    if let Some(service) = without_slash(text) {
        let mut problem = Problem::new(
            Code::PortSyntax,
            format!("`{text}` lacks the slash between protocol and port."),
            WHY_READ,
        );
        problem.suggestion = Some(service.to_string());
        return refused(problem);
    }
    match ports(text) {
        Ok(range) => refused(protocol_missing(text, range)),
        Err(PortProblem::Unreadable) => refused(unreadable(text)),
        Err(PortProblem::Sloppy(range)) => {
            let mut problem = sloppy(text);
            problem.alternatives = both_protocols(range);
            refused(problem)
        }
        Err(PortProblem::Bounds(range)) => {
            let mut problem = bounds(text);
            problem.alternatives = range.map(both_protocols).unwrap_or_default();
            refused(problem)
        }
    }
}

fn named(text: &str, protocol: Protocol, port: u16) -> Outcome {
    let Some(service) = Service::new(protocol, PortRange::new(port, port)) else {
        return refused(unreadable(text));
    };
    let mut problem = Problem::new(
        Code::PortServiceName,
        format!("`{text}` is read as {service}."),
        "Names are read from a fixed table, so that a request means the same everywhere; check that this port is meant.",
    );
    problem.suggestion = Some(service.to_string());
    Outcome {
        service: Some(service),
        problem: Some(problem),
    }
}

fn with_protocol(text: &str, protocol: Protocol, spec: &str) -> Outcome {
    if !protocol.has_ports() {
        let mut problem = Problem::new(
            Code::ProtoNoPorts,
            format!("`{text}` gives a port to {protocol}, which has none."),
            "ICMP messages have types instead of ports; the rule allows the protocol as a whole.",
        );
        problem.suggestion = Some(protocol.to_string());
        return refused(problem);
    }
    if let Some((expected, port)) = names::find(spec)
        && expected.has_ports()
    {
        return named(text, protocol, port);
    }
    let service = |range| Service::new(protocol, Some(range));
    let suggestion = |range| service(range).map(|service| service.to_string());
    match ports(spec) {
        Ok(range) => fine(service(range)),
        Err(PortProblem::Unreadable) => refused(unreadable(text)),
        Err(PortProblem::Sloppy(range)) => {
            let mut problem = sloppy(text);
            problem.suggestion = suggestion(range);
            refused(problem)
        }
        Err(PortProblem::Bounds(range)) => {
            let mut problem = bounds(text);
            problem.suggestion = range.and_then(suggestion);
            refused(problem)
        }
    }
}

fn without_slash(text: &str) -> Option<Service> {
    let letters = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphabetic());
    let digit = text.find(|c: char| c.is_ascii_digit())?;
    let (word, spec) = match text.get(..digit) {
        Some("") => {
            let end = text.find(|c: char| c.is_ascii_alphabetic())?;
            (text.get(end..)?, text.get(..end)?)
        }
        _ => (text.get(..digit)?, text.get(digit..)?),
    };
    let word = word.trim();
    let protocol = Protocol::from_word(word).filter(|_| letters(word))?;
    match ports(spec.trim()) {
        Ok(range) | Err(PortProblem::Sloppy(range)) => Service::new(protocol, Some(range)),
        Err(_) => None,
    }
}

enum PortProblem {
    /// No ports at all.
    Unreadable,
    /// Readable, but with leading zeros or signs.
    Sloppy(PortRange),
    /// Outside 1 to 65535, or reversed: then the range the right way round.
    Bounds(Option<PortRange>),
}

fn ports(spec: &str) -> Result<PortRange, PortProblem> {
    let (first, last) = match spec.split_once('-') {
        Some((first, last)) => (number(first.trim())?, number(last.trim())?),
        None => {
            let single = number(spec.trim())?;
            (single, single)
        }
    };
    let sloppy = first.sloppy || last.sloppy;
    let (Ok(low), Ok(high)) = (u16::try_from(first.value), u16::try_from(last.value)) else {
        return Err(PortProblem::Bounds(None));
    };
    match PortRange::new(low, high) {
        Some(range) if sloppy => Err(PortProblem::Sloppy(range)),
        Some(range) => Ok(range),
        None => Err(PortProblem::Bounds(PortRange::new(high, low))),
    }
}

#[derive(Clone, Copy)]
struct Number {
    value: u32,
    sloppy: bool,
}

fn number(text: &str) -> Result<Number, PortProblem> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(PortProblem::Unreadable);
    }
    // More digits than fit are far above 65535 all the same.
    let value = digits.parse().unwrap_or(u32::MAX);
    Ok(Number {
        value,
        sloppy: digits.len() != text.len() || (digits.len() > 1 && digits.starts_with('0')),
    })
}

fn both_protocols(range: PortRange) -> Vec<String> {
    [Protocol::Tcp, Protocol::Udp]
        .into_iter()
        .filter_map(|protocol| Service::new(protocol, Some(range)))
        .map(|service| service.to_string())
        .collect()
}

fn protocol_missing(text: &str, range: PortRange) -> Problem {
    let mut problem = Problem::new(
        Code::ProtoMissing,
        format!("`{text}` does not say whether TCP or UDP is meant."),
        "TCP and UDP ports with the same number are different doors; web, SSH and databases use TCP.",
    );
    problem.alternatives = both_protocols(range);
    problem
}

fn sloppy(text: &str) -> Problem {
    Problem::new(
        Code::PortSyntax,
        format!("`{text}` is not written as plain digits."),
        "A leading zero or sign is read differently by different programs.",
    )
}

fn bounds(text: &str) -> Problem {
    Problem::new(
        Code::PortBounds,
        format!("`{text}` is not a range of ports that exists."),
        WHY_BOUNDS,
    )
}

fn unreadable(text: &str) -> Problem {
    let shown: String = text.chars().take(60).collect();
    Problem::new(
        Code::PortSyntax,
        format!(
            "`{shown}` cannot be read as a service; write tcp/443, udp/53, tcp/8000-8100 or a name such as https."
        ),
        WHY_READ,
    )
}
