//! Where live grants are looked for: the rows of `live_rules`, and the stretches of it that a request has to look at.
//!
//! Role: a row says that a live grant of an institution lets one source network reach one *place*: a destination by
//! name, each address that it is opened to, or a server of the catalogue. Places are met by equality; sources are networks, so they are met by stretches of a sorted key. The key of a network is its family, its level and its
//! first address. Levels are the prefix lengths 0, 16, 24, 32 (IPv4) and 0, 32, 64, 128 (IPv6); a network stands at the
//! greatest level that is not longer than itself. All networks of one level that touch a wanted one lie in one stretch:
//! from where the wanted one's ancestor at that level begins to where the wanted one ends. So four walks of an ordinary
//! index find ancestors and descendants alike; one look for each ancestor would be 33 or 129. A stretch holds little
//! else: it is of one institution and one place. Stretches that begin together are walked as one.
//! Invariants: whatever shares an address with what is wanted is found. Rows of a grant and stretches of a request are
//! bounded: too many networks are widened to fewer, which finds more, never less, and the caller compares exactly.
//! Failure story: none; it is arithmetic.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    mem,
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

use domain::{
    grant::{EndReason, Grant, GrantState, Rule},
    id::ServerId,
    net::{Destination, IpNet, set},
};

use super::Changes;

/// Rows of one grant at one place, at most. A row for each network, unless there are more.
const ROWS_AT_A_PLACE: usize = 64;

/// Rows that a look-up reads, at most: it is cut before it takes long.
pub(super) const ROWS_LOOKED_AT: i64 = 4_000;

/// Pairs of a place and a network that a request looks at, at most; four stretches each.
const LOOKED_AT: usize = 256;

/// The levels of IPv4 and of IPv6, rising. A key holds the index, so the lists must stay as they are.
const LEVELS: [[u8; 4]; 2] = [[0, 16, 24, 32], [0, 32, 64, 128]];

/// What a request would open, as far as live grants are looked for by it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reach {
    /// Where to.
    pub(crate) destinations: Vec<Target>,
    /// From where.
    pub(crate) sources: Vec<IpNet>,
}

/// A destination, as far as it is known.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Target {
    /// As it was asked for.
    pub(crate) destination: Destination,
    /// Its server in the catalogue.
    pub(crate) server: Option<ServerId>,
    /// What its name was resolved to when it was judged before.
    pub(crate) addresses: Vec<IpAddr>,
}

impl Target {
    /// Whether `rule` may lead here: by name, by address, or to the same server.
    fn is_met_by(&self, rule: &Rule) -> bool {
        let here = || {
            self.destination
                .address()
                .into_iter()
                .chain(self.addresses.iter().copied())
        };
        let opened = rule
            .destination
            .address()
            .into_iter()
            .chain(rule.addresses.iter().copied());
        rule.destination == self.destination
            || (self.server.is_some() && rule.server == self.server)
            || opened
                .into_iter()
                .any(|opened| here().any(|address| address == opened))
    }
}

impl Reach {
    /// Whether `rule` may lead to one of the destinations from an address in the sources, which is exact.
    pub(super) fn touches(&self, rule: &Rule) -> bool {
        self.destinations
            .iter()
            .any(|target| target.is_met_by(rule))
            && set::overlap(&self.sources, &rule.sources)
    }

    /// The stretches of `live_rules` that hold every rule which this one touches.
    pub(super) fn stretches(&self) -> Vec<Stretch> {
        let places: BTreeSet<String> = self
            .destinations
            .iter()
            .flat_map(|target| {
                places(
                    &target.destination,
                    target.server.as_ref(),
                    &target.addresses,
                )
            })
            .collect();
        if places.is_empty() || self.sources.is_empty() {
            return Vec::new();
        }
        let networks = at_most(&self.sources, (LOOKED_AT / places.len()).max(1));
        let mut stretches: BTreeMap<(&String, String), (String, String)> = BTreeMap::new();
        for (place, network) in places
            .iter()
            .flat_map(|place| networks.iter().map(move |network| (place, *network)))
        {
            for level in LEVELS[family(network)] {
                let low = key(level, cut(network, level).network(), network);
                let last = key(level, network.broadcast(), network);
                let first = key(level, network.network(), network);
                match stretches.entry((place, low)) {
                    Entry::Vacant(free) => {
                        free.insert((last, first));
                    }
                    // What lies between two networks is found as well, and left out by who compares exactly.
                    Entry::Occupied(mut taken) => {
                        let (known_last, known_first) = taken.get_mut();
                        *known_last = last.max(mem::take(known_last));
                        *known_first = first.min(mem::take(known_first));
                    }
                }
            }
        }
        stretches
            .into_iter()
            .map(|((place, low), (last, first))| Stretch {
                place: place.clone(),
                low,
                last,
                first,
            })
            .collect()
    }
}

/// A stretch of the index: rows at `place` that begin from `low` to `last` and end at `first` or later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) place: String,
    pub(super) low: String,
    pub(super) last: String,
    pub(super) first: String,
}

/// A row of `live_rules`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RuleRow<'a> {
    pub(super) grant: &'a Grant,
    pub(super) place: String,
    pub(super) network_from: String,
    pub(super) network_to: String,
}

/// The rows of access that `changes` open, or whose end they move.
pub(super) fn opened(changes: &Changes) -> Vec<RuleRow<'_>> {
    changes
        .new_grants
        .iter()
        .chain(&changes.changed_grants)
        .filter(|grant| grant.state == GrantState::Active)
        .flat_map(rows)
        .collect()
}

/// The rows of access that `changes` end before its time. What ends at its time has rows that say so themselves.
pub(super) fn closed(changes: &Changes) -> Vec<RuleRow<'_>> {
    let ends_early = |grant: &&Grant| {
        matches!(grant.state, GrantState::Ending | GrantState::Ended)
            && grant.end_reason != Some(EndReason::Expired)
            && grant.effective_at.is_some()
    };
    let changed = changes.changed_grants.iter();
    changed.filter(ends_early).flat_map(rows).collect()
}

/// Of rows that are over, how many are swept by whoever makes `made`: more than that, so that they cannot pile up.
pub(super) fn swept_beside(made: usize) -> i64 {
    i64::try_from(made.saturating_mul(2).max(32)).unwrap_or(i64::MAX)
}

/// Rows whose end lies this long past are swept: no clock is so wrong that one of them could still be needed.
pub(super) const KEEP_ROWS: Duration = Duration::from_secs(3600);

/// The rows of a grant, each once; a function of its rule, which never changes.
fn rows(grant: &Grant) -> Vec<RuleRow<'_>> {
    let networks = at_most(&grant.rule.sources, ROWS_AT_A_PLACE);
    let rule = &grant.rule;
    places(&rule.destination, rule.server.as_ref(), &rule.addresses)
        .flat_map(|place| {
            networks.iter().map(move |network| {
                let level = level(*network);
                RuleRow {
                    grant,
                    place: place.clone(),
                    network_from: key(level, network.network(), *network),
                    network_to: key(level, network.broadcast(), *network),
                }
            })
        })
        .collect()
}

/// What a destination is looked for by, each once. No name or address holds a slash.
fn places<'a>(
    destination: &'a Destination,
    server: Option<&ServerId>,
    addresses: &'a [IpAddr],
) -> impl Iterator<Item = String> + 'a {
    let server = server.map(|server| format!("server/{server}"));
    // An address is not resolved to anything; one that was all the same must not have two rows.
    let addresses = addresses.iter().filter(|_| destination.address().is_none());
    std::iter::once(destination.to_string())
        .chain(server)
        .chain(addresses.map(ToString::to_string))
}

/// The fewest networks that hold the same addresses; where these are more than `count`, wider ones that are fewer. Each
/// family keeps one at least.
fn at_most(networks: &[IpNet], count: usize) -> Vec<IpNet> {
    let mut kept = set::aggregate(networks);
    for index in (0..LEVELS[0].len()).rev() {
        if kept.len() <= count {
            break;
        }
        let wider: Vec<IpNet> = kept
            .iter()
            .map(|network| cut(*network, LEVELS[family(*network)][index]))
            .collect();
        kept = set::aggregate(&wider);
    }
    kept
}

fn family(network: IpNet) -> usize {
    usize::from(network.addr().is_ipv6())
}

/// The network of `length` that holds `network`; itself when that is no longer.
fn cut(network: IpNet, length: u8) -> IpNet {
    let length = length.min(network.prefix_len());
    IpNet::new(network.addr(), length).map_or(network, |wider| wider.trunc())
}

/// The greatest level that is not longer than the network.
fn level(network: IpNet) -> u8 {
    let levels = LEVELS[family(network)];
    levels
        .into_iter()
        .rev()
        .find(|level| *level <= network.prefix_len())
        .unwrap_or_default()
}

/// Family, level and address as digits that sort as the addresses do.
fn key(level: u8, address: IpAddr, of: IpNet) -> String {
    let levels = LEVELS[family(of)];
    let index = levels.iter().filter(|lower| **lower < level).count();
    let (family, bits, digits) = match address {
        IpAddr::V4(v4) => ('4', u128::from(v4.to_bits()), 8),
        IpAddr::V6(v6) => ('6', Ipv6Addr::to_bits(v6), 32),
    };
    let mut key = String::with_capacity(2 + digits);
    key.push(family);
    key.push(digit(index as u128));
    // Digit by digit: a dozen keys are made for every request, and a formatter takes several times as long.
    key.extend((0..digits).rev().map(|place| digit(bits >> (4 * place))));
    key
}

/// The lowest hexadecimal digit of a number.
fn digit(number: u128) -> char {
    char::from(b"0123456789abcdef"[(number & 15) as usize])
}

#[cfg(test)]
mod tests;
