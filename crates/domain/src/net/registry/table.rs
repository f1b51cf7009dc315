//! The two tables of the registry, read once.
//!
//! Owner: `domain::net::registry`. The files in `crates/domain/data` are compiled in; their README says where
//! each row comes from. The space of each family is cut into disjoint segments, each with the most specific
//! row that holds it, so that one binary search answers for an address and a scan of neighbours for a network.
//! Invariants: the segments cover both families without gap or overlap; a line that cannot be read is left
//! out, and a test fails if there is one.

use std::sync::LazyLock;

use ipnet::IpNet;

use super::super::set::{Family, Run, runs, subtract_runs};

/// What a registry says about being reachable from the whole Internet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reachable {
    /// The registry says true.
    Yes,
    /// The registry says false.
    No,
    /// The registry says `n/a`.
    NotApplicable,
    /// The row is terminated and its cells are blank.
    Blank,
}

/// One row of the special-purpose table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The block of addresses.
    pub prefix: IpNet,
    /// Its registered name, such as `Private-Use`.
    pub name: &'static str,
    /// The documents that define it, such as `RFC1918`.
    pub rfc: &'static str,
    /// Whether it is globally reachable.
    pub reachable: Reachable,
    /// Where the row comes from, and footnotes.
    pub source_note: &'static str,
}

/// What a segment of the address space is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Ordinary unicast space.
    Ordinary,
    /// A row of the table, by position.
    Row(usize),
    /// IPv6 space that nobody was given.
    Unallocated,
}

pub(super) struct Table {
    pub(super) rows: Vec<Row>,
    pub(super) allocated: Vec<IpNet>,
    /// Disjoint, ascending, covering both families.
    pub(super) segments: Vec<(Run, Kind)>,
}

const SPECIAL: &str = include_str!("../../../data/special-purpose-prefixes.csv");
const ALLOCATED: &str = include_str!("../../../data/ipv6-global-unicast-allocated.csv");

pub(super) static TABLE: LazyLock<Table> = LazyLock::new(|| Table::read(SPECIAL, ALLOCATED));

impl Table {
    fn read(special: &'static str, allocated: &'static str) -> Self {
        let rows: Vec<Row> = special.lines().skip(1).filter_map(row).collect();
        let allocated: Vec<IpNet> = allocated
            .lines()
            .skip(1)
            .filter_map(|line| line.split(',').next()?.parse().ok())
            .collect();
        let segments = segments(&rows, &allocated);
        Self {
            rows,
            allocated,
            segments,
        }
    }
}

/// The columns hold no quoted commas; the notes may hold semicolons.
fn row(line: &'static str) -> Option<Row> {
    let mut cells = line.splitn(10, ',');
    let prefix = cells.next()?.parse().ok()?;
    let _family = cells.next()?;
    let (name, rfc) = (cells.next()?, cells.next()?);
    let _source_destination_forwardable = (cells.next()?, cells.next()?, cells.next()?);
    let reachable = match cells.next()? {
        "true" => Reachable::Yes,
        "false" => Reachable::No,
        "n/a" => Reachable::NotApplicable,
        "" => Reachable::Blank,
        _ => return None,
    };
    let _reserved_by_protocol = cells.next()?;
    Some(Row {
        prefix,
        name,
        rfc,
        reachable,
        source_note: cells.next()?,
    })
}

/// Cuts the space: shorter prefixes are painted first, longer ones over them.
fn segments(rows: &[Row], allocated: &[IpNet]) -> Vec<(Run, Kind)> {
    let everything: Vec<Run> = ["0.0.0.0/0", "::/0"]
        .iter()
        .filter_map(|text| text.parse().ok())
        .map(|net: IpNet| Run::of(net))
        .collect();
    let mut painted: Vec<(Run, Kind)> = everything
        .iter()
        .map(|run| {
            (
                *run,
                if run.family() == Family::V4 {
                    Kind::Ordinary
                } else {
                    Kind::Unallocated
                },
            )
        })
        .collect();
    paint(&mut painted, &runs(allocated), Kind::Ordinary);
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|index| rows.get(*index).map(|row| row.prefix.prefix_len()));
    for index in order {
        if let Some(row) = rows.get(index) {
            paint(&mut painted, &[Run::of(row.prefix)], Kind::Row(index));
        }
    }
    painted
}

fn paint(painted: &mut Vec<(Run, Kind)>, over: &[Run], kind: Kind) {
    let mut next: Vec<(Run, Kind)> = over.iter().map(|run| (*run, kind)).collect();
    for (run, old) in painted.drain(..) {
        next.extend(
            subtract_runs(&[run], over)
                .into_iter()
                .map(|rest| (rest, old)),
        );
    }
    next.sort_unstable_by_key(|(run, _)| *run);
    *painted = next;
}
