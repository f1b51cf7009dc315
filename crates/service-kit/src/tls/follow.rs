//! Following the files, and telling what is in force.
//!
//! Role: one task a set of files looks again and again; a log line and two metrics tell what came of it.
//! Invariants: a broken change is told once and replaces nothing; the metric is always of the certificate in force.
//! Failure story: none of its own.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use opentelemetry::KeyValue;

use super::files::{Kept, TlsError};
use crate::clock::Clock;
use crate::shutdown::Shutdown;
use crate::telemetry;

/// Looks at the files every `every` until the shutdown is requested. `of` is what they are for: `services` or `edge`.
pub(super) async fn follow<T, const N: usize>(
    of: &'static str,
    kept: Arc<Kept<T, N>>,
    expires_at: fn(&T) -> Option<Timestamp>,
    every: Duration,
    clock: Clock,
    shutdown: Shutdown,
) {
    loop {
        tokio::select! {
            () = shutdown.requested() => return,
            () = clock.sleep(every) => {}
        }
        match kept.look_again() {
            Ok(None) => {}
            Ok(Some(new)) => {
                counted(of, "taken");
                told(of, expires_at(&new));
            }
            Err(error) => failed(of, &error),
        }
    }
}

/// Tells until when the certificate in force is good.
pub(super) fn told(of: &'static str, expires_at: Option<Timestamp>) {
    let Some(expires_at) = expires_at else {
        tracing::info!(of, "a TLS certificate is in force; its end cannot be read");
        return;
    };
    telemetry::meter()
        .i64_gauge("portreeve_tls_certificate_expires_at_seconds")
        .with_description(
            "When the certificate in force ends, in seconds since 1970, by what it is for: services or edge.",
        )
        .build()
        .record(expires_at.as_second(), &[KeyValue::new("of", of)]);
    tracing::info!(of, %expires_at, "a TLS certificate is in force");
}

fn failed(of: &'static str, error: &TlsError) {
    counted(of, "refused");
    tracing::warn!(of, %error, "the changed TLS files cannot be used; what was in force stays");
}

fn counted(of: &'static str, outcome: &'static str) {
    telemetry::meter()
        .u64_counter("portreeve_tls_changes_total")
        .with_description(
            "Changes of TLS files, by what they are for and whether they were taken or refused.",
        )
        .build()
        .add(
            1,
            &[KeyValue::new("of", of), KeyValue::new("outcome", outcome)],
        );
}
