//! Names that only mean something inside a private network.
//!
//! Owner: `domain::net::destination`. From the IANA special-use domain names registry (RFC 6761 and later),
//! the private-use top-level domain `.internal` (ICANN, 2024), and the endings that private networks use by
//! habit without a registration.
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

/// The private ending of a canonical name, if it has one.
pub(super) fn ending(name: &str) -> Option<&'static str> {
    ENDINGS.iter().copied().find(|ending| {
        name.strip_suffix(ending)
            .is_some_and(|before| before.is_empty() || before.ends_with('.'))
    })
}
