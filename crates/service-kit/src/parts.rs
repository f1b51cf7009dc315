//! What a service hands to the executable: routes to be served, names for health, and its background tasks.
//!
//! Role: `start(settings, deps, shutdown)` of each service returns [`Parts`]; the executable decides whether they are
//! served in memory or on TCP. Also where a service keeps its data ([`StoreLocation`]).
//! Failure story: a background task that ends before shutdown was requested is a defect; the executable stops on it.

use std::path::PathBuf;

use tokio::task::JoinHandle;
use tonic::service::Routes;

/// A started service.
pub struct Parts {
    /// Its name, such as `intake`.
    pub name: &'static str,
    /// Its gRPC services, identity already demanded.
    pub routes: Routes,
    /// Their full names (`portreeve.intake.v1.RequestService`), for health.
    pub services: Vec<&'static str>,
    /// Background tasks; they end when shutdown is requested.
    pub tasks: Vec<(&'static str, JoinHandle<()>)>,
}

/// Where a service keeps its data: chosen by the URL alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreLocation {
    /// One SQLite file in the data directory.
    Sqlite(PathBuf),
    /// A schema of its own in a PostgreSQL database.
    Postgres {
        /// `postgres://…`; holds a password, never log it.
        url: String,
        /// The schema, such as `intake`.
        schema: &'static str,
    },
}
