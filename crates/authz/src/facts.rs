//! What policies may know of a request, as Cedar reads it.
//!
//! Role: the record `Asked` of the schema from the domain's facts.
//! Invariants: the names are those of the schema; every port is there singly, so that `containsAny` and `containsAll`
//! mean what they say. Failure story: none is expected (a context that cannot be built denies); at most 65,535 numbers.

use std::collections::BTreeSet;

use cedar_policy::{Context, ContextCreationError, RestrictedExpression};
use domain::access::Facts;

pub(crate) fn context(facts: &Facts) -> Result<Context, Box<ContextCreationError>> {
    use RestrictedExpression as E;
    let count = |count: usize| E::new_long(i64::try_from(count).unwrap_or(i64::MAX));
    let ports: BTreeSet<u16> = facts
        .ports
        .iter()
        .flat_map(|(first, last)| *first..=*last)
        .collect();
    let ports = ports.into_iter().map(|port| E::new_long(port.into()));
    let protocols = facts.protocols.iter().cloned().map(E::new_string);
    let mut pairs = vec![
        ("permanent", E::new_bool(facts.permanent)),
        ("ports", E::new_set(ports)),
        ("protocols", E::new_set(protocols)),
        ("source_networks", count(facts.source_networks)),
        ("destinations", count(facts.destinations)),
        ("emergency", E::new_bool(facts.emergency)),
        ("has_warnings", E::new_bool(facts.has_warnings)),
    ];
    let prefixes = [
        ("widest_v4_prefix", facts.widest_v4_prefix),
        ("widest_v6_prefix", facts.widest_v6_prefix),
    ];
    for (name, prefix) in prefixes {
        pairs.extend(prefix.map(|prefix| (name, E::new_long(prefix.into()))));
    }
    let days = facts.length_days;
    pairs.extend(days.map(|days| ("length_days", E::new_long(days))));
    let product = facts.product.as_ref();
    pairs.extend(product.map(|id| ("product", E::new_string(id.to_string()))));
    let pairs = pairs.into_iter();
    Context::from_pairs(pairs.map(|(name, value)| (name.to_owned(), value))).map_err(Box::new)
}
