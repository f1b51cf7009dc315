//! Which live grants a wish makes superfluous.
//!
//! Owner: `validation::overlap`. A grant is narrower when every packet that it opens, as long as it opens it, is part
//! of the wish, and the wish is more than that at the same destination.
//! Invariants: exact for each grant; giving a narrower grant back once the wish is open closes nothing. Nothing fails.

use domain::net::service::set as services;
use domain::net::set::{self, Run};
use domain::net::{Destination, Service};
use proto::convert::LiveGrant;

use super::union::{Block, Wish, is_open, leads_to};

/// The narrower grants, and a part of the wish that the first of them does not open.
pub(super) fn narrower<'a>(
    wish: &Wish<'_>,
    live: &'a [LiveGrant],
) -> Option<(Vec<&'a LiveGrant>, Block)> {
    let mut more = None;
    let grants: Vec<&LiveGrant> = live
        .iter()
        .filter(|grant| match beyond(wish, grant) {
            Some(block) => {
                more.get_or_insert(block);
                true
            }
            None => false,
        })
        .collect();
    Some((grants, more?))
}

/// A part of the wish that a narrower grant does not open; `None` for a grant that is not narrower.
pub(super) fn beyond(wish: &Wish<'_>, grant: &LiveGrant) -> Option<Block> {
    if !is_open(grant, wish.window.from) {
        return None;
    }
    // It must end no later than the wish does, or giving it back would close something.
    let ends_within = match (grant.expires_at, wish.window.until) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(end), Some(until)) => end <= until,
    };
    let destination = wish
        .destinations
        .iter()
        .find(|destination| leads_to(grant, destination))?;
    let sources = set::runs(&grant.rule.sources);
    let opened = services::union(&grant.rule.services);
    let inside = ends_within
        && sources
            .iter()
            .all(|run| set::runs_cover(&wish.sources, *run))
        && services::covers(&wish.services, &opened);
    if !inside {
        return None;
    }
    let block = |sources: Vec<Run>, services: Vec<Service>| {
        let destination: Destination = destination.destination.clone();
        (!sources.is_empty() && !services.is_empty()).then_some(Block {
            destination,
            sources,
            services,
            window: wish.window,
        })
    };
    block(
        set::subtract_runs(&wish.sources, &sources),
        wish.services.clone(),
    )
    .or_else(|| {
        block(
            wish.sources.clone(),
            services::subtract(&wish.services, &opened),
        )
    })
}
