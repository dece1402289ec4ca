//! leakcheck repeats every test of a Python suite, reads exact counters after each iteration, and names what grows.
//!
//! Data goes one way through the modules: [`config`] and [`discover`] say what to test, [`kept`] which tests need not be
//! asked, [`bridge`] carries the half that lives in Python, [`worker`] talks to it, [`run`] has tests measured, [`investigate`] decides
//! what is asked of them and what is said of each test, [`supervise`] ends what they leave, [`fit`] turns series into
//! shapes, [`heap`], [`explain`] and [`symbols`] find holders, places and owners, [`judgement`] makes findings and the exit code
//! of it all, [`baseline`] holds them against what was accepted, and [`report`] writes them down. [`bisect`] looks for
//! the commit that brought one, and [`watch`] at a running service.

pub mod baseline;
pub mod bisect;
pub mod bridge;
pub mod cli;
pub mod config;
pub mod discover;
pub mod exit_code;
pub mod explain;
pub mod files;
pub mod finding;
pub mod fit;
pub mod heap;
pub mod investigate;
pub mod judgement;
pub mod kept;
pub mod report;
pub mod run;
pub mod supervise;
pub mod symbols;
pub mod verdict;
pub mod watch;
pub mod worker;
