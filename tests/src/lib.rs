//! Tests and measurements of the whole house.
//!
//! Role: the package's tests are in `tests/`: `architecture` (rules about the sources), `house` (stories over HTTP),
//! `crash` (the executable killed under load); its measurements in `src/bench`. This library is empty.
