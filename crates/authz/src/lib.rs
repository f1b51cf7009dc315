//! Who may do what: Cedar policies, asked in one place.
//!
//! Role: the shipped policies in `policies/` are the table of roles and actions, and there is no other. [`Authz`] holds
//! them with the operator's own and answers: may this caller do this here ([`Asking::authorize`]), which policies said
//! so ([`Authz::decide`]), may they do it anywhere at all ([`Asking::admit`]), and what of a list do they see
//! ([`Asking::visible`]).
//! Owner: whoever runs the house; every service reads the same directory of policies at its start.
//! Invariants: deny by default; a policy that cannot be evaluated denies; one forbid outweighs every permit; what a
//! caller may read one by one and what lists show them agree, because a policy about reading that could not be kept in
//! a list is refused at start ([`form`]).
//! Failure story: a mistake in a policy stops the start, with its file, line, id and what to write instead.

mod cases;
mod decide;
mod entities;
mod facts;
mod form;
mod load;
mod memo;
mod read;
mod schema;
mod sight;
mod statements;
mod trouble;

pub use cases::{Case, CaseOutcome, CasesError, read_cases};
pub use decide::{Asking, Decision, UNGUARDED};
pub use load::Authz;
pub use read::PolicySource;
pub use trouble::{Trouble, Troubles};
