//! The heap as a graph: what retains what, by which way, and whose that is.

pub mod cycle;
pub mod dominators;
pub mod ended;
pub mod graph;
pub mod holder;
pub mod once;
pub(crate) mod owned;
pub mod owner;
pub mod partition;
pub mod path;
pub mod responsibility;
pub mod ring;
pub mod route;
pub mod surroundings;
pub mod types;
