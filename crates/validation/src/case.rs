//! A request, and all that it is judged against.
//!
//! Role: what intake hands in, as [`crate::judge`] and [`crate::overlap`] look at it. Nothing is looked up later.
//! Failure: none; it is a value.

use std::net::IpAddr;

use domain::catalogue::{Product, Server};
use domain::net::{Destination, Hostname};
use domain::request::{Asked, ReadDestination};
use domain::time::{Instant, Zone};
use proto::convert::LiveGrant;

use crate::names::Answer;

/// A request, and all that it is judged against.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// What was asked.
    pub asked: &'a Asked,
    /// The institution's time zone.
    pub zone: &'a Zone,
    /// The product, when the catalogue knows it.
    pub product: Option<&'a Product>,
    /// The institution's own servers.
    pub servers: &'a [Server],
    /// Now, by the ledger's clock.
    pub now: Instant,
    /// The institution's live grants that could touch the request.
    pub live: &'a [LiveGrant],
    /// There are more of them than were handed in.
    pub live_cut: bool,
    /// Destinations that are servers of other institutions, and not of this one.
    pub not_yours: &'a [Destination],
    /// What the name service said of the destinations' names; a name that is not here was not looked up.
    pub answers: &'a [(Hostname, Answer)],
    /// What the destinations were resolved to when the request was judged before; empty: not judged before.
    pub pinned: &'a [ReadDestination],
    /// The address that the caller came from.
    pub client_address: Option<IpAddr>,
}
