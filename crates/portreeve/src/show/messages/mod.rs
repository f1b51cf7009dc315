//! The row and the page of every message that commands show.
//!
//! Role: what of a request, a grant, a key and so on fits in a table, and how it is said: [`cases`], [`house`], [`feed`].
//! Invariants: nothing is computed that the service already says (`nextStep`, `expiresInWords`): one truth.

mod cases;
mod eyes;
mod feed;
mod history;
mod house;

use proto::types::v1::Actor;

pub(super) fn actor(actor: Option<&Actor>) -> String {
    actor.map_or_else(String::new, |actor| actor.display_name.clone())
}

pub(super) fn yes(value: bool, word: &str) -> String {
    if value {
        word.to_owned()
    } else {
        String::new()
    }
}
