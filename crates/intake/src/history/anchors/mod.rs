//! Signed heads outside the database, where whoever runs the ledger cannot change them.
//!
//! Role: [`file`] appends heads to a file for somebody to carry away, [`post`] sends them to a receiver by HTTP,
//! [`broker`] stores them in a stream of NATS; [`anchor`] is the task that all of them have, [`address`] the setting that
//! names them.
//! Invariants: an anchor gets the newest head, never all of them: a head covers what every head before it covers. Every
//! replica that seals anchors the newest head that it knows, its own or another's, so a place may get a head twice.
//! Failure story: an anchor that is down delays nobody. The ledger goes on, the log says so once, the gauge
//! `portreeve_history_anchored` of that place stands still, and it gets the newest head when it is back.

mod address;
mod anchor;
mod broker;
mod file;
mod post;

pub(crate) use self::anchor::{Anchor, Newest, SignedHead};
pub use self::{
    address::{AddressError, AnchorAddress, MAX_ANCHORS},
    file::read_heads,
};

use std::path::PathBuf;

use service_kit::{clock::Clock, shutdown::Shutdown, telemetry};
use tokio::sync::watch;

use self::{address::Way, anchor::Place, broker::Broker, file::HeadsFile, post::Post};

/// The anchors of this replica, to be run beside its sealer.
pub(crate) fn anchors(
    heads_file: Option<PathBuf>,
    addresses: &[AnchorAddress],
    heads: &watch::Receiver<Newest>,
    clock: &Clock,
    shutdown: &Shutdown,
) -> Vec<Anchor> {
    let mut places: Vec<(String, Box<dyn Place>)> = Vec::new();
    if let Some(path) = heads_file {
        places.push((path.display().to_string(), Box::new(HeadsFile::new(path))));
    }
    for address in addresses {
        let place: Box<dyn Place> = match address.way() {
            Way::Post { to, authorization } => {
                Box::new(Post::new(to.clone(), authorization.clone()))
            }
            Way::Broker {
                server,
                subject,
                login,
            } => Box::new(Broker::new(server.clone(), subject.clone(), login.clone())),
        };
        // A name leaves out what could be secret: two paths of one host have one name.
        let same = places.iter().filter(|(name, _)| address.is_named(name));
        let name = match same.count() {
            0 => address.name().to_owned(),
            others => format!("{} ({})", address.name(), others + 1),
        };
        places.push((name, place));
    }
    let gauge = telemetry::meter()
        .u64_gauge("portreeve_history_anchored")
        .with_description("Events that the newest head covers which this place acknowledged.")
        .build();
    let anchor = |(name, place)| {
        Anchor::new(
            name,
            place,
            gauge.clone(),
            heads.clone(),
            clock.clone(),
            shutdown.clone(),
        )
    };
    places.into_iter().map(anchor).collect()
}
