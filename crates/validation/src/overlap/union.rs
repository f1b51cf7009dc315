//! What is open of a wish: the wish against the union of live grants.
//!
//! Owner: `validation::overlap`. Exact over the union, in sources x destinations x protocol x ports x time, both
//! families mixed. How: for each destination, the asked services are cut where any grant's ports begin or end; inside
//! such a cell a grant covers all ports or none, so sources are plain sets. Grants are taken longest-lived first: who
//! takes a source of a cell is who keeps it open longest.
//! Invariants: never a wrong answer; beyond [`WORK_BUDGET`] the answer is [`Overlap::Undecided`]; a grant past its
//! deadline counts as closed; the parts of a remainder are disjoint. Nothing fails.

use std::net::IpAddr;

use domain::id::GrantId;
use domain::net::service::set as services;
use domain::net::set::{self, Run};
use domain::net::{Destination, PortRange, Service};
use domain::request::{ReadDestination, Reading};
use domain::time::Instant;
use proto::convert::LiveGrant;

/// The most cell-and-network steps that one request may take.
const WORK_BUDGET: usize = 200_000;

/// A time: from then, until then (exclusive; `None`: without an end).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The first instant.
    pub from: Instant,
    /// The first instant that no longer counts.
    pub until: Option<Instant>,
}

impl Window {
    /// Whether something that is open until `end` (`None`: for ever) is open through all of it.
    #[must_use]
    pub fn is_within(self, end: Option<Instant>) -> bool {
        match (self.until, end) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(until), Some(end)) => until <= end,
        }
    }

    /// Whether something that is open until `end` (`None`: for ever) is over when it is, or before.
    pub(super) fn lasts_as_long_as(self, end: Option<Instant>) -> bool {
        match (self.until, end) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(until), Some(end)) => end <= until,
        }
    }
}

/// What is asked for, as sets.
#[derive(Clone, Debug)]
pub struct Wish<'a> {
    /// A union of runs.
    pub sources: Vec<Run>,
    /// Each once.
    pub destinations: &'a [ReadDestination],
    /// A set of services.
    pub services: Vec<Service>,
    /// When.
    pub window: Window,
}

impl<'a> Wish<'a> {
    /// What a reading asks for in a window.
    #[must_use]
    pub fn of(reading: &'a Reading, window: Window) -> Self {
        let networks: Vec<_> = reading.networks().copied().collect();
        Self {
            sources: set::runs(&networks),
            destinations: &reading.destinations,
            services: services::union(&reading.services),
            window,
        }
    }
}

/// A part of a wish: every source to the destination, on every service, in the window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// To where: as it was asked for, or one of its addresses.
    pub destination: Destination,
    /// A union of runs.
    pub sources: Vec<Run>,
    /// A set of services.
    pub services: Vec<Service>,
    /// When.
    pub window: Window,
}

impl Block {
    /// Its first packet; `None` only for an empty block, which nothing here makes.
    #[must_use]
    pub fn first_packet(&self) -> Option<(Run, Service)> {
        let source = self.sources.first()?;
        Some((
            Run::between(source.first(), source.first())?,
            first_port(*self.services.first()?),
        ))
    }
}

/// What is open of a wish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Overlap {
    /// Nothing; the witness is closed.
    New {
        /// A part that is not open: the first packet of the wish.
        witness: Block,
    },
    /// Every packet is open when the window begins.
    Covered {
        /// Until when every packet stays open (`None`: without end).
        until: Option<Instant>,
        /// The grants that it rests on.
        grants: Vec<GrantId>,
        /// A part that is open.
        witness: Block,
        /// What ends before the window does.
        remainder: Vec<Block>,
    },
    /// Some packets are open when the window begins, others are not.
    Partly {
        /// The grants that it rests on.
        grants: Vec<GrantId>,
        /// A part that is open.
        witness: Block,
        /// What is not open through the whole window, exactly.
        remainder: Vec<Block>,
    },
    /// Too much work to say.
    Undecided,
}

/// What is open of `wish` by the union of `live`.
#[must_use]
pub fn overlap(wish: &Wish<'_>, live: &[LiveGrant]) -> Overlap {
    let mut found = Found::default();
    for destination in wish.destinations {
        if compare(wish, destination, live, &mut found).is_none() {
            return Overlap::Undecided;
        }
    }
    let Found {
        until,
        grants,
        open,
        closed,
        remainder,
        ..
    } = found;
    match (open, closed) {
        (Some(witness), None) => Overlap::Covered {
            until,
            grants,
            witness,
            remainder,
        },
        (Some(witness), Some(_)) => Overlap::Partly {
            grants,
            witness,
            remainder,
        },
        (None, Some(witness)) => Overlap::New { witness },
        // A wish without sources, destinations or services asks nothing.
        (None, None) => Overlap::Undecided,
    }
}

/// What was found so far.
#[derive(Default)]
struct Found {
    work: usize,
    until: Option<Instant>,
    grants: Vec<GrantId>,
    open: Option<Block>,
    closed: Option<Block>,
    remainder: Vec<Block>,
}

impl Found {
    /// Spends work; `None` beyond the budget.
    fn spend(&mut self, steps: usize) -> Option<()> {
        self.work = self.work.saturating_add(steps);
        (self.work <= WORK_BUDGET).then_some(())
    }

    /// Adds to the remainder; parts that differ in their services alone are one.
    fn leave(&mut self, block: Block) -> Option<()> {
        self.spend(1 + self.remainder.len() + block.sources.len())?;
        let same = self.remainder.iter_mut().rfind(|known| {
            known.window == block.window
                && known.destination == block.destination
                && known.sources == block.sources
        });
        match same {
            Some(known) => {
                known.services.extend(block.services);
                known.services = services::union(&known.services);
            }
            None => self.remainder.push(block),
        }
        Some(())
    }
}

/// The addresses that something is opened to; none when they are not known.
pub(super) fn addresses<'a>(
    destination: &Destination,
    resolved: &'a [IpAddr],
) -> impl Iterator<Item = IpAddr> + Clone + 'a {
    destination
        .address()
        .into_iter()
        .chain(resolved.iter().copied())
}

/// The addresses that a grant opened.
pub(super) fn opened_by(grant: &LiveGrant) -> impl Iterator<Item = IpAddr> + Clone {
    addresses(&grant.rule.destination, &grant.rule.addresses)
}

/// The addresses that a wish is about.
pub(super) fn wished(destination: &ReadDestination) -> impl Iterator<Item = IpAddr> + Clone {
    addresses(&destination.destination, &destination.addresses)
}

/// Whether a grant and a wish say the same name or server. It counts only where one of them knows no addresses.
pub(super) fn is_namesake(grant: &LiveGrant, destination: &ReadDestination) -> bool {
    grant.rule.destination == destination.destination
        || (grant.rule.server.is_some() && grant.rule.server == destination.server)
}

/// Whether a grant leads to any part of a destination of a request.
pub(super) fn leads_to(grant: &LiveGrant, destination: &ReadDestination) -> bool {
    places(destination).any(|place| reaches(grant, destination, place))
}

/// The places of a destination: each address, or the name alone.
fn places(destination: &ReadDestination) -> impl Iterator<Item = Option<IpAddr>> + Clone {
    let unknown = wished(destination).next().is_none();
    wished(destination).map(Some).chain(unknown.then_some(None))
}

/// Whether a grant leads to a place of a destination.
fn reaches(grant: &LiveGrant, destination: &ReadDestination, place: Option<IpAddr>) -> bool {
    let mut opened = opened_by(grant).peekable();
    match place {
        Some(address) if opened.peek().is_some() => opened.any(|one| one == address),
        _ => is_namesake(grant, destination),
    }
}

/// Whether a grant is open at an instant.
pub(super) fn is_open(grant: &LiveGrant, at: Instant) -> bool {
    grant.expires_at.is_none_or(|end| at < end)
}

/// Compares a destination, place by place where not all of its places are open alike.
fn compare(
    wish: &Wish<'_>,
    destination: &ReadDestination,
    live: &[LiveGrant],
    found: &mut Found,
) -> Option<()> {
    let open: Vec<&LiveGrant> = live
        .iter()
        .filter(|grant| is_open(grant, wish.window.from))
        .collect();
    let leading = |place: Option<IpAddr>| -> Vec<&LiveGrant> {
        let open = open.iter().copied();
        open.filter(|grant| reaches(grant, destination, place))
            .collect()
    };
    let mut places = places(destination);
    let first = leading(places.next()?);
    let mut others = Vec::new();
    for place in places {
        found.spend(open.len())?;
        others.push((place, leading(place)));
    }
    let same = |one: &[&LiveGrant], other: &[&LiveGrant]| {
        one.len() == other.len() && one.iter().zip(other).all(|(one, other)| one.id == other.id)
    };
    if others.iter().all(|(_, grants)| same(grants, &first)) {
        return compare_place(wish, &destination.destination, first, found);
    }
    let first = (wished(destination).next(), first);
    for (place, grants) in std::iter::once(first).chain(others) {
        // Several places are several addresses.
        let place = Destination::Address(place?);
        compare_place(wish, &place, grants, found)?;
    }
    Some(())
}

/// Compares a place with the grants that lead to it.
fn compare_place(
    wish: &Wish<'_>,
    place: &Destination,
    mut grants: Vec<&LiveGrant>,
    found: &mut Found,
) -> Option<()> {
    // Longest-lived first; without an end comes before every end.
    grants
        .sort_by_key(|grant| std::cmp::Reverse(grant.expires_at.map_or(i64::MAX, Instant::micros)));
    let sources: Vec<Vec<Run>> = grants
        .iter()
        .map(|grant| set::runs(&grant.rule.sources))
        .collect();
    let known_services: usize = grants.iter().map(|grant| grant.rule.services.len()).sum();
    found.spend(known_services * wish.services.len())?;
    // Which of them anything rests on, in the order in which it was found.
    let mut rests_on: Vec<GrantId> = Vec::new();
    let mut counted = vec![false; grants.len()];
    let block = |sources: Vec<Run>, cell: Service, window: Window| Block {
        destination: place.clone(),
        sources,
        services: vec![cell],
        window,
    };
    for cell in wish
        .services
        .iter()
        .flat_map(|service| cells(*service, &grants))
    {
        let mut left = wish.sources.clone();
        // What grants of the same end take, together.
        let mut ending: Vec<(Option<Instant>, Vec<Run>)> = Vec::new();
        for ((grant, sources), counted) in grants.iter().zip(&sources).zip(&mut counted) {
            if left.is_empty() {
                break;
            }
            found.spend(left.len() + sources.len() + grant.rule.services.len())?;
            if !grant
                .rule
                .services
                .iter()
                .any(|service| service.contains(cell))
            {
                continue;
            }
            let taken = set::intersect_runs(&left, sources);
            if taken.is_empty() {
                continue;
            }
            left = set::subtract_runs(&left, &taken);
            if !std::mem::replace(counted, true) {
                rests_on.push(grant.id);
            }
            if found.open.is_none() {
                found.open = Some(block(taken.clone(), cell, wish.window));
            }
            found.until = earlier(found.until, grant.expires_at);
            match ending.last_mut() {
                Some((end, together)) if *end == grant.expires_at => together.extend(taken),
                _ => ending.push((grant.expires_at, taken)),
            }
        }
        if !left.is_empty() {
            let rest = block(left, cell, wish.window);
            if found.closed.is_none() {
                found.closed = Some(rest.clone());
            }
            found.leave(rest)?;
        }
        for (end, taken) in ending {
            let Some(end) = end.filter(|_| !wish.window.is_within(end)) else {
                continue;
            };
            let after = Window {
                from: end,
                until: wish.window.until,
            };
            found.leave(block(set::union(taken), cell, after))?;
        }
    }
    // One that leads to several destinations is told once.
    let known = found.grants.len();
    for id in rests_on {
        if !found.grants.iter().take(known).any(|other| *other == id) {
            found.grants.push(id);
        }
    }
    Some(())
}

fn earlier(left: Option<Instant>, right: Option<Instant>) -> Option<Instant> {
    match (left, right) {
        (Some(left), Some(right)) => Some(left.min(right)),
        (one, other) => one.or(other),
    }
}

/// A service cut where the ports of any grant begin or end.
fn cells(service: Service, grants: &[&LiveGrant]) -> Vec<Service> {
    let Some(ports) = service.ports() else {
        return vec![service];
    };
    let mut starts: Vec<u16> = vec![ports.first()];
    let theirs = grants
        .iter()
        .flat_map(|grant| &grant.rule.services)
        .filter(|other| other.overlaps(service));
    for other in theirs.filter_map(|other| other.ports()) {
        starts.extend(
            [Some(other.first()), other.last().checked_add(1)]
                .into_iter()
                .flatten()
                .filter(|start| ports.first() < *start && *start <= ports.last()),
        );
    }
    starts.sort_unstable();
    starts.dedup();
    let ends = starts
        .iter()
        .skip(1)
        .map(|next| next - 1)
        .chain([ports.last()]);
    starts
        .iter()
        .zip(ends)
        .filter_map(|(first, last)| Service::new(service.protocol(), PortRange::new(*first, last)))
        .collect()
}

/// The lowest port of a service.
pub(super) fn first_port(service: Service) -> Service {
    service
        .ports()
        .and_then(|ports| {
            Service::new(
                service.protocol(),
                PortRange::new(ports.first(), ports.first()),
            )
        })
        .unwrap_or(service)
}
