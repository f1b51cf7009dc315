//! What every Portreeve process needs, whatever it does.
//!
//! Role: clocks, settings, signed identity between services, tonic channels and listeners, health,
//! telemetry, and an orderly stop. It stands beside the layering: it knows neither `domain` nor
//! `proto`, so a principal is only bytes here and a service only a set of routes.
//!
//! Owner: the platform. Invariants: nothing here panics on outside input, everything taken from
//! outside is bounded, and only [`clock`] reads a clock or sleeps.
//! When a part fails it says so to its caller; nothing here ends the process, except a second signal.

pub mod admin;
pub mod channel;
pub mod clock;
pub mod config;
pub mod identity;
pub mod parts;
pub mod random;
pub mod serve;
pub mod shutdown;
pub mod telemetry;
pub mod tls;
