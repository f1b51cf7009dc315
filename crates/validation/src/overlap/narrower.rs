//! Which live grants a wish makes superfluous.
//!
//! Owner: `validation::overlap`. A grant is narrower when every packet that it opens, as long as it opens it, is part
//! of the wish, and the wish is more than that at the same destination.
//! Invariants: exact for each grant; giving a narrower grant back once the wish is open closes nothing. Nothing fails.

use domain::net::Destination;
use domain::net::service::set as services;
use domain::net::set;
use proto::convert::LiveGrant;

use super::union::{Block, Wish, is_open, leads_to};

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
fn is_narrower<'w>(wish: &'w Wish<'_>, grant: &LiveGrant) -> Option<&'w Destination> {
    // It must end no later than the wish does, or giving it back would close something.
    let within = is_open(grant, wish.window.from) && wish.window.lasts_as_long_as(grant.expires_at);
    if !within {
        return None;
    }
    let destination = wish
        .destinations
        .iter()
        .find(|destination| leads_to(grant, destination))?;
    let sources = set::runs(&grant.rule.sources);
    let opened = services::union(&grant.rule.services);
    let inside = sources
        .iter()
        .all(|run| set::runs_cover(&wish.sources, *run))
        && services::covers(&wish.services, &opened);
    // Of two sets of which one holds the other, the greater is the one that differs.
    let wider = sources != wish.sources || opened != wish.services;
    (inside && wider).then_some(&destination.destination)
}

/// A part of the wish that a narrower grant does not open; `None` for a grant that is not narrower.
pub(super) fn beyond(wish: &Wish<'_>, grant: &LiveGrant) -> Option<Block> {
    let destination = is_narrower(wish, grant)?;
    let more = set::subtract_runs(&wish.sources, &set::runs(&grant.rule.sources));
    let (sources, services) = if more.is_empty() {
        let opened = services::union(&grant.rule.services);
        let more = services::subtract(&wish.services, &opened);
        (wish.sources.clone(), more)
    } else {
        (more, wish.services.clone())
    };
    Some(Block {
        destination: destination.clone(),
        sources,
        services,
        window: wish.window,
    })
}
