//! What a leak is called: where it was allocated, which code that is, what belongs together, and how to fix it.

pub mod code;
pub mod fingerprint;
pub mod group;
pub mod lines;
pub mod lost;
pub mod native;
pub mod pages;
pub mod pythons;
pub mod sites;
pub mod survivors;
