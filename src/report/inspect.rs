//! What is shown of one test under the microscope, and the forms it is written in: one a file.

mod dot;
mod figures;
mod graph;
mod html;
mod json;
mod plain;

pub use dot::write as dot;
pub use graph::write as svg;
pub use html::write as html;
pub use json::write as json;
pub use plain::write as plain;

use serde::Serialize;

use super::Environment;
use crate::{
    exit_code::ExitCode,
    finding::{Curve, Finding, Holder, Owner, TypeGrowth},
    heap::{partition::Partition, surroundings::Held},
    verdict::TestResult,
    worker::protocol::Trouble,
};

/// Everything there is to say of one test.
#[derive(Debug, Clone)]
pub struct Inspection {
    /// Version of leakcheck.
    pub version: String,
    /// Where and with what.
    pub environment: Environment,
    /// What the process exits with: as for a run of this test alone.
    pub exit_code: ExitCode,
    /// The test with its verdict.
    pub test: Option<TestResult>,
    /// What leaks in it, as a run tells it.
    pub findings: Vec<Finding>,
    /// Every counter, clean tests included.
    pub curves: Vec<Curve>,
    /// Growth by type.
    pub types: Vec<TypeGrowth>,
    /// What stayed, taken apart.
    pub survivors: Option<Partition>,
    /// What holds it.
    pub holding: Option<Holding>,
    /// What one iteration leaves to the cycle collector.
    pub garbage: Option<Garbage>,
    /// Native memory that stays.
    pub native: Vec<Native>,
    /// Functions, line by line.
    pub routines: Vec<Routine>,
    /// How high memory stood.
    pub peak: Option<Peak>,
    /// Files that could not be collected, and the like.
    pub errors: Vec<Trouble>,
    /// What was neutralised, and what could not be looked at.
    pub notes: Vec<String>,
}

/// The holder, with what it and the object at the end of its way hold besides.
#[derive(Debug, Clone, Serialize)]
pub struct Holding {
    /// The way.
    pub holder: Holder,
    /// Which of its steps should have let go.
    pub at: usize,
    /// What that one refers to.
    pub holds: Vec<Held>,
    /// What the object at the end refers to.
    pub inside: Vec<Held>,
}

/// Native memory that stays of each iteration, from one stack.
#[derive(Debug, Clone, Serialize)]
pub struct Native {
    /// Chunks; 0 where these were not looked at.
    pub chunks: f64,
    /// Bytes.
    pub bytes: f64,
    /// From the function that asks for it to the test, each call in words; without any of Python's in a thread of C code's.
    pub stack: Vec<String>,
}

/// What only the cycle collector frees.
#[derive(Debug, Clone, Serialize)]
pub struct Garbage {
    /// Objects of it, those that are in no cycle and only kept by one included.
    pub objects: usize,
    /// Cycles, those of one sort once.
    pub cycles: Vec<Cycle>,
}

/// Cycles of one sort.
#[derive(Debug, Clone, Serialize)]
pub struct Cycle {
    /// The shortest way round.
    pub text: String,
    /// Whose doing it is.
    pub owner: Owner,
    /// Where the object of it was made that tells most.
    pub place: Option<Place>,
    /// Objects in these cycles and kept by them.
    pub objects: usize,
    /// Bytes of all of that.
    pub bytes: u64,
    /// Descriptors that stay open until the collector runs.
    pub descriptors: Vec<String>,
    /// How to fix it.
    pub advice: String,
}

/// A function with its lines.
#[derive(Debug, Clone, Serialize)]
pub struct Routine {
    /// File as shown.
    pub file: String,
    /// Qualified name.
    pub name: String,
    /// From the first to the last that ran.
    pub lines: Vec<Line>,
}

/// A line of a function. What did not run has no figures.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    /// From 1.
    pub number: u32,
    /// Its text.
    pub text: String,
    /// How often it ran in one iteration.
    pub times: Option<u64>,
    /// Bytes more in use after it than before, all its runs together.
    pub net: Option<i64>,
    /// Most bytes in use while it ran, above what was when the first function was entered.
    pub peak: Option<i64>,
    /// Blocks and bytes that stay per iteration.
    pub stays: Option<[f64; 2]>,
    /// Chunks and bytes of native memory that stay per iteration, asked for by what it calls.
    pub malloc: Option<[f64; 2]>,
}

/// How high memory stood in one iteration.
#[derive(Debug, Clone, Serialize)]
pub struct Peak {
    /// Most bytes in use, above what was when the first function was entered.
    pub bytes: i64,
    /// Whether it was only read between lines, because Python does not tell more.
    pub sampled: bool,
    /// The line that ran then.
    pub line: Option<Place>,
    /// Most bytes in use between two lines.
    pub stood: i64,
    /// The line at which that was.
    pub at: Option<Place>,
    /// What was in use there, by the line that allocated it.
    pub places: Vec<Standing>,
    /// Bytes of it that the test runner allocated.
    pub runner: i64,
    /// Objects in use there by type: name, how many, bytes.
    pub types: Vec<(String, u64, i64)>,
}

/// A line of the source.
#[derive(Debug, Clone, Serialize)]
pub struct Place {
    /// File as shown.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// Qualified name of the function; empty where it is not known.
    pub function: String,
    /// Text of the line.
    pub source: Option<String>,
}

/// What was in use of one line's making.
#[derive(Debug, Clone, Serialize)]
pub struct Standing {
    /// The line.
    pub place: Place,
    /// Blocks.
    pub blocks: i64,
    /// Bytes.
    pub bytes: i64,
}
