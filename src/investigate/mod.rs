//! Decides what to ask of a test next, and what to say of it: numbers and rules, no worker, no clock and no lock.

mod capacity;
mod containers;
pub mod decide;
pub mod evidence;
pub mod experiment;
pub mod growth;
pub mod known;
pub mod long_run;
pub mod picture;
pub mod readings;
pub mod rest;
pub mod rules;
#[cfg(test)]
mod samples;
pub mod signature;
mod tracing;
