//! leakcheck repeats every test of a Python suite, reads exact counters after each iteration, and names what grows.
//!
//! Data goes one way through the modules: [`config`] and [`discover`] say what to test, [`bridge`] carries the half
//! that lives in Python, [`run`] drives workers and measures, [`investigate`] decides what is asked of them, [`supervise`] ends what they leave, [`fit`] turns series into shapes, [`attribute`] finds
//! places and owners, [`judgement`] makes verdicts and findings of it all, and [`report`] writes them down.

pub mod attribute;
pub mod baseline;
pub mod bisect;
pub mod bridge;
pub mod cli;
pub mod config;
pub mod discover;
pub mod exit_code;
pub mod files;
pub mod finding;
pub mod fit;
pub mod investigate;
pub mod judgement;
pub mod kept;
pub mod report;
pub mod run;
pub mod supervise;
pub mod symbols;
pub mod verdict;
pub mod watch;
