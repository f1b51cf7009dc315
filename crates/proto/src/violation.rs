//! One malformed field, as conversions find it and failures carry it.
//!
//! Role: a value between `convert` and `error`, which both know it. Failure story: none of its own.

/// One field that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The field in proto spelling, such as `asked.sources[0]` or `page_size`.
    pub field: String,
    /// A stable code.
    pub code: String,
    /// What is wrong and what to do.
    pub detail: String,
}
