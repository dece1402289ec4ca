//! From measurements to findings: where it was allocated, whose code that is, what belongs together.

pub mod code;
pub mod fingerprint;
pub mod group;
pub mod owner;
pub mod sites;
