//! The vocabulary of Portreeve: read this first.
//!
//! Pure: no I/O, no clock, no randomness, no async. Everything that a service decides is decided here, so it can be
//! tested as a table and as a property.
//!
//! - [`id`]: names of things; [`time`]: instants, ends, words; [`net`]: addresses, ports, destinations and their grammar.
//! - [`request`] and [`grant`]: the two machines; [`case`]: the moves that touch both; [`deadline`]: what the clock does; [`working`]: days on which people work.
//! - [`access`] and [`action`]: who may do what; [`refusal`]: why not; [`finding`]: what validation says; [`event`]: what happened.
//! - [`catalogue`]: institutions, products, servers and the house's terms.
//! - [`link`]: what a colleague without a key may do through a link, and what was proved by one.
//! - [`next_step`]: who acts next, in words; [`past`]: what was open at an instant, told from events.

pub mod access;
pub mod action;
pub mod case;
pub mod catalogue;
pub mod deadline;
pub mod event;
pub mod finding;
pub mod grant;
pub mod id;
pub mod link;
pub mod net;
pub mod next_step;
pub mod past;
pub mod refusal;
pub mod request;
pub mod time;
pub mod working;
