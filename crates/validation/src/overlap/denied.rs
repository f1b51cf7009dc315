//! What a policy denies: a wish against the deny rules.
//!
//! Owner: `validation::overlap`. A deny rule wins over every grant, so what it touches can never be opened.
//! Invariants: exact over sources x destinations x protocol x ports; the remainder is what is left without all the
//! rules that touch the wish; more than [`MAX_BLOCKS`] parts are cut, and that is said. A host name is denied by its
//! own name and by every address that is known of it. Nothing fails.

use std::net::IpAddr;

use domain::catalogue::Server;
use domain::net::service::set as services;
use domain::net::set;
use domain::request::ReadDestination;

use super::union::{Block, Wish};
use crate::policy::Deny;

/// The most parts that a remainder is cut into.
const MAX_BLOCKS: usize = 64;

/// What the deny rules do to a wish.
pub(crate) struct Denied<'a> {
    /// Each rule that touches it, with the first part that it touches.
    pub(crate) by: Vec<(&'a Deny, Block)>,
    /// What is left without all of them.
    pub(crate) left: Vec<Block>,
    /// There is more left than `left` holds.
    pub(crate) cut: bool,
}

pub(crate) fn denied<'a>(
    rules: &'a [Deny],
    wish: &Wish<'_>,
    servers: &[Server],
) -> Option<Denied<'a>> {
    let whole = |destination: &ReadDestination| Block {
        destination: destination.destination.clone(),
        sources: wish.sources.clone(),
        services: wish.services.clone(),
        window: wish.window,
    };
    let mut by = Vec::new();
    let mut left = Vec::new();
    let mut cut = false;
    for destination in wish.destinations {
        let addresses = known_addresses(destination, servers);
        let mut blocks = vec![whole(destination)];
        for rule in rules
            .iter()
            .filter(|rule| rule.denies_destination(&destination.destination, &addresses))
        {
            if let Some(touched) = touched(rule, &whole(destination))
                && !by.iter().any(|(known, _): &(&Deny, Block)| *known == rule)
            {
                by.push((rule, touched));
            }
            blocks = blocks
                .iter()
                .flat_map(|block| without(rule, block))
                .collect();
            if blocks.len() > MAX_BLOCKS {
                blocks.truncate(MAX_BLOCKS);
                cut = true;
            }
        }
        left.extend(blocks);
    }
    if left.len() > MAX_BLOCKS {
        left.truncate(MAX_BLOCKS);
        cut = true;
    }
    (!by.is_empty()).then_some(Denied { by, left, cut })
}

/// The addresses of a destination: its own, those that its name was resolved to, those of the server on file.
fn known_addresses(destination: &ReadDestination, servers: &[Server]) -> Vec<IpAddr> {
    let server = destination
        .server
        .as_ref()
        .and_then(|id| servers.iter().find(|server| server.id == *id));
    destination
        .destination
        .address()
        .into_iter()
        .chain(destination.addresses.iter().copied())
        .chain(
            server
                .into_iter()
                .flat_map(|server| server.addresses.iter().copied()),
        )
        .collect()
}

/// The part of a block that a rule denies.
fn touched(rule: &Deny, block: &Block) -> Option<Block> {
    let sources = match &rule.sources {
        Some(denied) => set::intersect_runs(&block.sources, denied),
        None => block.sources.clone(),
    };
    let services = match &rule.services {
        Some(denied) => services::intersect(&block.services, denied),
        None => block.services.clone(),
    };
    (!sources.is_empty() && !services.is_empty()).then_some(Block {
        sources,
        services,
        ..block.clone()
    })
}

/// A block without what a rule denies: the sources that it spares, and its sources on the services that it spares.
fn without(rule: &Deny, block: &Block) -> Vec<Block> {
    let Some(denied) = touched(rule, block) else {
        return vec![block.clone()];
    };
    let spared = Block {
        sources: set::subtract_runs(&block.sources, &denied.sources),
        ..block.clone()
    };
    let rest = Block {
        services: services::subtract(&block.services, &denied.services),
        ..denied
    };
    [spared, rest]
        .into_iter()
        .filter(|block| !block.sources.is_empty() && !block.services.is_empty())
        .collect()
}
