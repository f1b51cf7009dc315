//! The rules of the house, as tests: layering, cycles, the form of files, the wire contract, the pages of errors.
//!
//! Role: reads the workspace's own sources, manifests and descriptors; runs nothing of the product. Each failure names
//! the file, the line and the rule.
//! Failure story: a broken rule fails the build; a rule that is wrong is changed here, in the open, with a reason.

mod contract;
mod cycles;
mod layers;
mod lint;
mod pages;
mod source;
mod supply;
mod wire;
mod workspace;
