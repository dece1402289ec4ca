//! Decides what to ask of a test next, and what to say of it: numbers and rules, no worker, no clock and no lock.

pub mod afterwards;
mod at;
mod beside;
mod capacity;
mod containers;
pub mod decide;
pub mod evidence;
pub mod experiment;
pub mod growth;
mod known;
mod late;
mod long_run;
pub mod noise;
pub mod picture;
pub mod randomness;
pub mod readings;
pub mod references;
mod rest;
mod room;
pub mod rules;
#[cfg(test)]
mod samples;
pub mod screening;
pub mod signature;
mod tracing;
pub mod unasked;
mod windows;
