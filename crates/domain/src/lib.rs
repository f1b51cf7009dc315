
pub mod finding;
pub mod net;
