//! The reviewed baseline: accepted snapshots, how a run compares with them, and what waits to be accepted.

pub mod acceptance;
pub mod compare;
pub mod files;
pub mod format;
mod moved;
pub mod pending;
pub mod rates;
mod render;
mod scope;
pub mod scrub;
mod snapshot;

#[cfg(test)]
mod properties;
