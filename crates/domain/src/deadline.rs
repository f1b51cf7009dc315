//! Deadlines: what the clock will do next to a request or a grant.
//!
//! Role: a deadline is derived from the state, never kept beside it, so none can be lost or left behind; the stores
//! keep it in an indexed column (class, due).
//! Invariant: within what is due, ends come before starts before alarms (design decision D9).

use serde::{Deserialize, Serialize};

use crate::time::Instant;

/// The class of a deadline, in the order in which what is due is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Class {
    /// Access ends.
    End = 0,
    /// A scheduled start is handed over.
    Start = 1,
    /// Something that should have happened has not: a closure is unconfirmed, a question unanswered.
    Alarm = 2,
}

impl Class {
    /// As stored.
    pub const fn number(self) -> i16 {
        self as i16
    }
}

/// A deadline that stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline {
    /// Its class.
    pub class: Class,
    /// When it is due.
    pub at: Instant,
}
