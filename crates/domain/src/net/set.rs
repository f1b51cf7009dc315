//! Sets of addresses, exactly: union, remainder, minimal cover.
//!
//! Owner: `domain`. Used by the judge (covered, remainder, aggregation), by intake (the ancestors of a
//! prefix are looked up by equality) and later by whoever programs a firewall.
//! Invariants: the two families never mix; every answer covers exactly the addresses asked for, never one
//! more or less; results are sorted, IPv4 first, and minimal.
//! Nothing here fails or panics. Work is `n log n` in the number of networks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// An address family, IPv4 before IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// Internet Protocol version 4.
    V4,
    /// Internet Protocol version 6.
    V6,
}

impl Family {
    /// The family of an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() {
            Self::V4
        } else {
            Self::V6
        }
    }

    /// Bits in an address: 32 or 128.
    #[must_use]
    pub const fn bits(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }

    /// The name people use: `IPv4`, `IPv6`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }

    const fn highest(self) -> u128 {
        match self {
            Self::V4 => u32::MAX as u128,
            Self::V6 => u128::MAX,
        }
    }
}

/// A run of addresses of one family, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Run {
    family: Family,
    first: u128,
    last: u128,
}

impl Run {
    /// The run from `first` to `last`; `None` when the families differ or the end lies before the start.
    #[must_use]
    pub fn between(first: IpAddr, last: IpAddr) -> Option<Self> {
        let run = Self {
            family: Family::of(first),
            first: number(first),
            last: number(last),
        };
        (Family::of(last) == run.family && run.first <= run.last).then_some(run)
    }

    /// The addresses of a network.
    #[must_use]
    pub fn of(network: IpNet) -> Self {
        Self {
            family: Family::of(network.addr()),
            first: number(network.network()),
            last: number(network.broadcast()),
        }
    }

    /// The lowest address.
    #[must_use]
    pub fn first(self) -> IpAddr {
        address(self.family, self.first)
    }

    /// The highest address.
    #[must_use]
    pub fn last(self) -> IpAddr {
        address(self.family, self.last)
    }

    /// The family of its addresses.
    #[must_use]
    pub const fn family(self) -> Family {
        self.family
    }

    /// Whether every address of `other` is in this run.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        self.family == other.family && self.first <= other.first && other.last <= self.last
    }

    /// Addresses in both, if there are any.
    #[must_use]
    pub fn intersection(self, other: Self) -> Option<Self> {
        let first = self.first.max(other.first);
        let last = self.last.min(other.last);
        (self.family == other.family && first <= last).then_some(Self {
            family: self.family,
            first,
            last,
        })
    }

    /// Whether the run has exactly one address.
    #[must_use]
    pub const fn is_single(self) -> bool {
        self.first == self.last
    }

    /// The fewest networks that hold exactly this run, in ascending order. At most 62 for IPv4, 254 for IPv6.
    #[must_use]
    pub fn networks(self) -> Vec<IpNet> {
        let mut networks = Vec::new();
        let bits = u32::from(self.family.bits());
        let mut first = self.first;
        loop {
            // The widest network that starts here and does not pass the end.
            let aligned = first.trailing_zeros().min(bits);
            let span = self.last - first;
            let fitting = match span.checked_add(1) {
                Some(count) => 127 - count.leading_zeros(),
                None => 128,
            };
            let host_bits = aligned.min(fitting);
            networks.push(network(self.family, first, (bits - host_bits) as u8));
            let step = if host_bits == 128 {
                u128::MAX
            } else {
                (1u128 << host_bits) - 1
            };
            let end = first + step;
            if end >= self.last {
                return networks;
            }
            first = end + 1;
        }
    }
}

/// The union of networks as disjoint runs with gaps between them, ascending, IPv4 first.
#[must_use]
pub fn runs(networks: &[IpNet]) -> Vec<Run> {
    union(networks.iter().map(|network| Run::of(*network)).collect())
}

/// The union of runs as disjoint runs with gaps between them, ascending, IPv4 first.
#[must_use]
pub fn union(mut runs: Vec<Run>) -> Vec<Run> {
    runs.sort_unstable();
    runs.dedup_by(|next, kept| {
        let touches =
            next.family == kept.family && (next.first <= kept.last || next.first - 1 == kept.last);
        if touches {
            kept.last = kept.last.max(next.last);
        }
        touches
    });
    runs
}

/// The fewest networks that cover exactly the same addresses, ascending, IPv4 first.
#[must_use]
pub fn aggregate(networks: &[IpNet]) -> Vec<IpNet> {
    runs(networks).into_iter().flat_map(Run::networks).collect()
}

/// Whether the union of `networks` holds every address of `network`.
#[must_use]
pub fn covers(networks: &[IpNet], network: &IpNet) -> bool {
    runs_cover(&runs(networks), Run::of(*network))
}

/// Whether a union made by [`runs`] or [`union`] holds every address of `wanted`.
#[must_use]
pub fn runs_cover(union: &[Run], wanted: Run) -> bool {
    let after =
        union.partition_point(|run| (run.family, run.first) <= (wanted.family, wanted.first));
    after
        .checked_sub(1)
        .and_then(|index| union.get(index))
        .is_some_and(|run| run.contains(wanted))
}

/// Whether the union of one list and the union of the other have an address in common.
#[must_use]
pub fn overlap(left: &[IpNet], right: &[IpNet]) -> bool {
    runs_overlap(&runs(left), &runs(right))
}

/// Whether two unions made by [`runs`] or [`union`] have an address in common.
#[must_use]
pub fn runs_overlap(left: &[Run], right: &[Run]) -> bool {
    let (mut i, mut j) = (0, 0);
    while let (Some(a), Some(b)) = (left.get(i), right.get(j)) {
        if a.intersection(*b).is_some() {
            return true;
        }
        if (a.family, a.last) < (b.family, b.last) {
            i += 1;
        } else {
            j += 1;
        }
    }
    false
}

/// What is left of `networks` without `removed`: the fewest networks, exactly.
#[must_use]
pub fn subtract(networks: &[IpNet], removed: &[IpNet]) -> Vec<IpNet> {
    subtract_runs(&runs(networks), &runs(removed))
        .into_iter()
        .flat_map(Run::networks)
        .collect()
}

/// What is left of one union without another one. Both as [`runs`] makes them.
#[must_use]
pub fn subtract_runs(from: &[Run], removed: &[Run]) -> Vec<Run> {
    let mut left = Vec::new();
    let mut next = 0;
    for run in from {
        let mut rest = Some(*run);
        // Removed runs that end before this one starts can touch no later one either.
        while removed
            .get(next)
            .is_some_and(|cut| (cut.family, cut.last) < (run.family, run.first))
        {
            next += 1;
        }
        for cut in removed.get(next..).unwrap_or_default() {
            let Some(current) = rest else { break };
            let Some(common) = current.intersection(*cut) else {
                break;
            };
            if current.first < common.first {
                left.push(Run {
                    last: common.first - 1,
                    ..current
                });
            }
            rest = (common.last < current.last).then(|| Run {
                first: common.last + 1,
                ..current
            });
        }
        left.extend(rest);
    }
    left
}

/// What two unions have in common. Both as [`runs`] makes them.
#[must_use]
pub fn intersect_runs(left: &[Run], right: &[Run]) -> Vec<Run> {
    let mut common = Vec::new();
    let (mut i, mut j) = (0, 0);
    while let (Some(a), Some(b)) = (left.get(i), right.get(j)) {
        common.extend(a.intersection(*b));
        if (a.family, a.last) < (b.family, b.last) {
            i += 1;
        } else {
            j += 1;
        }
    }
    common
}

/// The network itself and every network that holds it, narrowest first, down to `/0`.
#[must_use]
pub fn ancestors(network: IpNet) -> Vec<IpNet> {
    let mut found = Vec::with_capacity(usize::from(network.prefix_len()) + 1);
    let mut current = Some(network.trunc());
    while let Some(network) = current {
        found.push(network);
        current = network.supernet();
    }
    found
}

/// The network of one address.
#[must_use]
pub fn host(address: IpAddr) -> IpNet {
    IpNet::from(address)
}

/// The one canonical text of a network, always with its length and without host bits: `9.9.9.9/32`.
#[must_use]
pub fn canonical(network: IpNet) -> String {
    network.trunc().to_string()
}

/// The text that people read: a single address without its length.
#[must_use]
pub fn short(network: IpNet) -> String {
    if network.prefix_len() == network.max_prefix_len() {
        network.addr().to_string()
    } else {
        canonical(network)
    }
}

/// Reads what [`canonical`] writes and nothing else.
#[must_use]
pub fn parse_canonical(text: &str) -> Option<IpNet> {
    let (address, length) = text.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let length: u8 = length.parse().ok()?;
    let network = IpNet::new(address, length).ok()?;
    (canonical(network) == text).then_some(network)
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

fn address(family: Family, number: u128) -> IpAddr {
    match family {
        // Runs of IPv4 hold 32-bit numbers only; the cut keeps the conversion total.
        Family::V4 => IpAddr::V4(Ipv4Addr::from_bits(number.min(Family::V4.highest()) as u32)),
        Family::V6 => IpAddr::V6(Ipv6Addr::from_bits(number)),
    }
}

fn network(family: Family, first: u128, length: u8) -> IpNet {
    match address(family, first) {
        IpAddr::V4(v4) => IpNet::V4(Ipv4Net::new_assert(v4, length.min(32))),
        IpAddr::V6(v6) => IpNet::V6(Ipv6Net::new_assert(v6, length.min(128))),
    }
}

#[cfg(test)]
mod tests;
