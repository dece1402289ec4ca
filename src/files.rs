//! The only module that opens files by name: what a project has put at a path is asked what it is before it is believed.
//!
//! A path may come from a project, from a test process or from a report, and what is there may be a device without an end,
//! a pipe that nobody writes to, or a link to somewhere else.

pub mod git;
pub mod name;
pub mod own;
pub mod read;
pub mod write;
