//! Names that only mean something inside a private network.
//!
//! Owner: `domain::net::destination`. From the IANA special-use domain names registry (RFC 6761 and later),
//! the private-use top-level domain `.internal` (ICANN, 2024), and the endings that private networks use by
//! habit without a registration; and the public suffix list (crate `psl`), for endings that do not exist at all.
//! Invariant: lower case, sorted.

/// Last labels, or endings of several labels, that never resolve on the public Internet.
pub(super) const ENDINGS: &[&str] = &[
    "corp",
    "home",
    "home.arpa",
    "internal",
    "intra",
    "intranet",
    "invalid",
    "lan",
    "local",
    "localdomain",
    "localhost",
    "onion",
    "private",
];

/// Endings that are kept for manuals and tests (RFC 2606). Nobody has them, so whoever writes one either tries this
/// house out or copied an example; the inventory and the name service tell which.
const FOR_EXAMPLES: &[&str] = &["example", "test"];

/// Whether a canonical name ends in something that the public Internet knows: its last label stands in the public
/// suffix list, or is kept for examples.
pub(super) fn is_known_ending(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    FOR_EXAMPLES.contains(&last)
        || psl::suffix(name.as_bytes()).is_some_and(|suffix| suffix.is_known())
}

/// The private ending of a canonical name, if it has one.
pub(super) fn ending(name: &str) -> Option<&'static str> {
    ENDINGS.iter().copied().find(|ending| {
        name.strip_suffix(ending)
            .is_some_and(|before| before.is_empty() || before.ends_with('.'))
    })
}
