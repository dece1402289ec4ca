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
pub mod limit;
mod long_run;
mod lowered;
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
pub mod trial;
pub mod unasked;
mod windows;
