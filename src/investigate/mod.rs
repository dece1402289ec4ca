//! Decides what to ask of a test next, and what to say of it: numbers and rules, no worker, no clock and no lock.

pub mod readings;
pub mod signature;
