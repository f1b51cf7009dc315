//! Which live grants a wish makes superfluous.
//!
//! Owner: `validation::overlap`. A grant is narrower when every packet that it opens, as long as it opens it, is part
//! of the wish, and the wish is more than that at the same destination.
//! Invariants: exact for each grant; giving a narrower grant back once the wish is open closes nothing. Nothing fails.

use std::net::IpAddr;

use domain::net::Destination;
use domain::net::service::set as services;
use domain::net::set;
use domain::request::ReadDestination;
use proto::convert::LiveGrant;

use super::union::{Block, Wish, is_namesake, is_open, opened_by, wished};

/// The narrower grants, and a part of the wish that the first of them does not open.
pub(super) fn narrower<'a>(
    wish: &Wish<'_>,
    live: &'a [LiveGrant],
) -> Option<(Vec<&'a LiveGrant>, Block)> {
    let grants: Vec<&LiveGrant> = live
        .iter()
        .filter(|grant| is_narrower(wish, grant).is_some())
        .collect();
    let more = beyond(wish, grants.first()?)?;
    Some((grants, more))
}

/// The destination of the wish at which a grant is narrower.
fn is_narrower<'w>(wish: &'w Wish<'_>, grant: &LiveGrant) -> Option<&'w ReadDestination> {
    // It must end no later than the wish does, or giving it back would close something.
    let within = is_open(grant, wish.window.from) && wish.window.lasts_as_long_as(grant.expires_at);
    if !within {
        return None;
    }
    let destination = wish
        .destinations
        .iter()
        .find(|destination| holds(destination, grant))?;
    let sources = set::runs(&grant.rule.sources);
    let opened = services::union(&grant.rule.services);
    let inside = sources
        .iter()
        .all(|run| set::runs_cover(&wish.sources, *run))
        && services::covers(&wish.services, &opened);
    // Of two sets of which one holds the other, the greater is the one that differs.
    let wider = sources != wish.sources
        || opened != wish.services
        || unopened(destination, grant).is_some();
    (inside && wider).then_some(destination)
}

/// Whether a destination is all that a grant leads to.
fn holds(destination: &ReadDestination, grant: &LiveGrant) -> bool {
    let mut opened = opened_by(grant).peekable();
    if opened.peek().is_none() || wished(destination).next().is_none() {
        return is_namesake(grant, destination);
    }
    opened.all(|address| wished(destination).any(|wished| wished == address))
}

/// An address of a destination that a grant does not lead to, where both are known.
fn unopened(destination: &ReadDestination, grant: &LiveGrant) -> Option<IpAddr> {
    opened_by(grant).next()?;
    wished(destination).find(|address| opened_by(grant).all(|opened| opened != *address))
}

/// A part of the wish that a narrower grant does not open; `None` for a grant that is not narrower.
pub(super) fn beyond(wish: &Wish<'_>, grant: &LiveGrant) -> Option<Block> {
    let destination = is_narrower(wish, grant)?;
    let mut part = Block {
        destination: destination.destination.clone(),
        sources: wish.sources.clone(),
        services: wish.services.clone(),
        window: wish.window,
    };
    let sources = set::subtract_runs(&wish.sources, &set::runs(&grant.rule.sources));
    let services = services::subtract(&wish.services, &services::union(&grant.rule.services));
    if !sources.is_empty() {
        part.sources = sources;
    } else if !services.is_empty() {
        part.services = services;
    } else {
        part.destination = Destination::Address(unopened(destination, grant)?);
    }
    Some(part)
}
