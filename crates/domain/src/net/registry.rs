//! What an address is: public, or why not.
//!
//! Owner: `domain::net`. The meaning comes from the tables in `crates/domain/data` by longest prefix, never
//! from a flag of a standard library: those disagree with the registries and with each other.
//! Refused: every address whose most specific row is not globally reachable, anycast and identifier rows
//! that are, multicast, wrapped IPv4, and IPv6 space that nobody was given.
//! Invariants: invariant I7 of the design rests on [`classify_network`]: `public` is true only when no
//! refused row touches the network. Nothing here fails; an address classifies in well under a microsecond.

mod table;

pub use table::{Reachable, Row};

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use self::table::{Kind, TABLE};
use super::set::{self, Run};
use crate::finding::Code;

/// Most networks of a remainder that are listed.
pub const MAX_REMAINDER: usize = 64;

/// What the registry says about an address or network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Classification {
    /// Whether all of it can be a public source.
    pub public: bool,
    /// The row that decided, when it was one.
    pub row: Option<&'static Row>,
    /// Why it is refused; `None` when it is public.
    pub code: Option<Code>,
    /// What it is, in one sentence.
    pub explanation: Cow<'static, str>,
    /// What to do instead, in one sentence; empty when it is public.
    pub advice: &'static str,
    /// The IPv4 address that is wrapped in it.
    pub embedded_v4: Option<Ipv4Addr>,
    /// For a network that is partly refused: what is left without the refused part, the fewest networks,
    /// ascending. Empty when nothing is left or when it would be more than [`MAX_REMAINDER`].
    pub remainder: Vec<IpNet>,
}

/// Classifies one address.
#[must_use]
pub fn classify(address: IpAddr) -> Classification {
    classify_network(set::host(address))
}

/// Classifies a network: public, refused as a whole, or refused because of a part of it.
#[must_use]
pub fn classify_network(network: IpNet) -> Classification {
    let network = network.trunc();
    let wanted = Run::of(network);
    let segments = &TABLE.segments;
    let start = segments
        .partition_point(|(run, _)| *run <= wanted)
        .saturating_sub(1);
    let start = match segments.get(start) {
        // Runs order by first address, then by last: one that starts at the same address may come later.
        Some((run, _)) if run.intersection(wanted).is_some() => start,
        _ => start + 1,
    };
    let touched = segments.get(start..).unwrap_or_default();
    let end = touched
        .iter()
        .position(|(run, _)| run.intersection(wanted).is_none())
        .unwrap_or(touched.len());
    let touched = touched.get(..end).unwrap_or_default();

    let mut refused = touched.iter().filter(|(_, kind)| !usable(*kind));
    let Some((_, first_refused)) = refused.next() else {
        return public();
    };
    if touched.iter().any(|(_, kind)| usable(*kind)) {
        return partly_refused(network, wanted, touched, *first_refused);
    }
    // Wholly refused: the most specific row that holds all of it tells best what it is.
    let holder = TABLE
        .rows
        .iter()
        .filter(|row| row.prefix.contains(&network))
        .max_by_key(|row| row.prefix.prefix_len());
    match (holder, *first_refused) {
        (Some(row), _) => by_row(row, network.addr()),
        (None, Kind::Row(index)) => match TABLE.rows.get(index) {
            Some(row) => by_row(row, row.prefix.addr()),
            None => unallocated(),
        },
        (None, _) => unallocated(),
    }
}

/// Every row of the special-purpose table, in the order of the file.
#[must_use]
pub fn rows() -> &'static [Row] {
    &TABLE.rows
}

/// The IPv6 blocks that were given to the regional registries.
#[must_use]
pub fn allocated_v6() -> &'static [IpNet] {
    &TABLE.allocated
}

/// The IPv4 address that an IPv6 address of this row wraps.
#[must_use]
pub fn embedded_v4(row: &Row, address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(address) = address else {
        return None;
    };
    let low = || Ipv4Addr::from_bits(address.to_bits() as u32);
    match wrapping(row.prefix)? {
        Wrapping::LowBits => Some(low()),
        Wrapping::SixToFour => Some(Ipv4Addr::from_bits((address.to_bits() >> 80) as u32)),
        Wrapping::Teredo => Some(Ipv4Addr::from_bits(!(address.to_bits() as u32))),
    }
}

enum Wrapping {
    LowBits,
    SixToFour,
    /// The client's address, inverted, in the low bits.
    Teredo,
}

fn wrapping(prefix: IpNet) -> Option<Wrapping> {
    let IpNet::V6(prefix) = prefix else {
        return None;
    };
    let is = |first: Ipv6Addr, length: u8| prefix.addr() == first && prefix.prefix_len() == length;
    let mapped = is(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96);
    let nat64 = is(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);
    let compatible = is(Ipv6Addr::UNSPECIFIED, 96);
    let translated = is(Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, 0, 0), 96);
    if mapped || nat64 || compatible || translated {
        Some(Wrapping::LowBits)
    } else if is(Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16) {
        Some(Wrapping::SixToFour)
    } else if is(Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 32) {
        Some(Wrapping::Teredo)
    } else {
        None
    }
}

/// Rows that the registry calls reachable are anycast services, identifiers or translation prefixes: none of
/// them is ever the address of one requester. So only space without a row is usable.
fn usable(kind: Kind) -> bool {
    matches!(kind, Kind::Ordinary)
}

fn public() -> Classification {
    Classification {
        public: true,
        row: None,
        code: None,
        explanation: Cow::Borrowed("This is ordinary public address space."),
        advice: "",
        embedded_v4: None,
        remainder: Vec::new(),
    }
}

fn unallocated() -> Classification {
    Classification {
        public: false,
        row: None,
        code: Some(Code::SrcV6Unallocated),
        explanation: Cow::Borrowed(
            "This IPv6 space was never given to anybody, so nobody can send from it.",
        ),
        advice: advice(Code::SrcV6Unallocated),
        embedded_v4: None,
        remainder: Vec::new(),
    }
}

fn by_row(row: &'static Row, address: IpAddr) -> Classification {
    let code = code_of(row);
    let embedded_v4 = embedded_v4(row, address).filter(|_| code == Code::SrcEmbeddedV4);
    let explanation = match embedded_v4 {
        Some(wrapped) => format!(
            "It lies in {} ({}, {}) and wraps {wrapped}.",
            row.prefix, row.name, row.rfc
        ),
        None => format!("It lies in {} ({}, {}).", row.prefix, row.name, row.rfc),
    };
    Classification {
        public: false,
        row: Some(row),
        code: Some(code),
        explanation: Cow::Owned(explanation),
        advice: advice(code),
        embedded_v4,
        remainder: Vec::new(),
    }
}

fn partly_refused(
    network: IpNet,
    wanted: Run,
    touched: &[(Run, Kind)],
    first_refused: Kind,
) -> Classification {
    let left: Vec<Run> = touched
        .iter()
        .filter(|(_, kind)| usable(*kind))
        .filter_map(|(run, _)| run.intersection(wanted))
        .collect();
    let mut remainder: Vec<IpNet> = set::union(left)
        .into_iter()
        .flat_map(Run::networks)
        .collect();
    let count = remainder.len();
    if count > MAX_REMAINDER {
        remainder.clear();
    }
    let row = match first_refused {
        Kind::Row(index) => TABLE.rows.get(index),
        Kind::Ordinary | Kind::Unallocated => None,
    };
    let what = row.map_or(Cow::Borrowed("space that nobody was given"), |row| {
        Cow::Owned(format!("{} ({}, {})", row.prefix, row.name, row.rfc))
    });
    Classification {
        public: false,
        row,
        code: Some(Code::SrcContainsSpecial),
        explanation: Cow::Owned(format!(
            "{} covers {what}, which cannot be a source; {count} network{} would be left without that.",
            set::short(network),
            if count == 1 { "" } else { "s" },
        )),
        advice: advice(Code::SrcContainsSpecial),
        embedded_v4: None,
        remainder,
    }
}

/// Which finding a row leads to, by its registered name.
fn code_of(row: &Row) -> Code {
    let name = row.name;
    if wrapping(row.prefix).is_some() {
        return Code::SrcEmbeddedV4;
    }
    let starts = |words: &[&str]| words.iter().any(|word| name.starts_with(word));
    if starts(&["Private-Use", "Unique-Local", "Site-Local"]) {
        Code::SrcPrivate
    } else if starts(&["Shared Address Space"]) {
        Code::SrcCgnat
    } else if starts(&[
        "Loopback",
        "Link Local",
        "Link-Local",
        "This host",
        "Unspecified",
    ]) {
        Code::SrcLocal
    } else if starts(&["Documentation"]) {
        Code::SrcDocumentation
    } else if starts(&["Multicast", "Reserved", "Limited Broadcast"]) {
        Code::SrcMulticastReserved
    } else {
        Code::SrcSpecialPurpose
    }
}

/// What to do instead, for each way of not being public.
#[must_use]
pub fn advice(code: Code) -> &'static str {
    match code {
        Code::SrcPrivate | Code::SrcLocal => {
            "Give the public address that your network shows to the outside; open the address check from that network, or ask your IT department."
        }
        Code::SrcCgnat => {
            "Your provider shares its public addresses among customers; ask it for a fixed public address, or leave the overlay network first."
        }
        Code::SrcDocumentation => {
            "This address stands in manuals as an example; put your real public address in its place."
        }
        Code::SrcMulticastReserved => {
            "No computer sends from such an address; give the address of the host or its network."
        }
        Code::SrcV6Unallocated => {
            "Check the address for a typing error, most often in the first group."
        }
        Code::SrcEmbeddedV4 => "Enter the wrapped IPv4 address instead, if that one is public.",
        Code::SrcContainsSpecial => {
            "Ask for what is left, or better for the networks that you really use."
        }
        _ => "Give an ordinary public address of your network.",
    }
}

#[cfg(test)]
mod tests;
