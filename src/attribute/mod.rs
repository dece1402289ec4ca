//! From measurements to findings: where it was allocated, what holds it, whose code that is, what belongs together.

pub mod code;
pub mod cycle;
pub mod dominators;
pub mod ended;
pub mod explain;
pub mod fingerprint;
pub mod graph;
pub mod group;
pub mod holder;
pub mod lines;
pub mod lost;
pub mod maker;
pub mod native;
pub mod once;
mod owned;
pub mod owner;
pub mod partition;
pub mod path;
pub mod pythons;
pub mod ring;
pub mod route;
pub mod sites;
pub mod surroundings;
pub mod survivors;
pub mod types;
