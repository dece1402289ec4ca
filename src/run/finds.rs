//! What a run finds beside growth: garbage, references that are lost, and what nobody closes.

use super::diagnosis::Place;
use crate::{
    explain::lost::Call,
    finding::{Owner, TypeGrowth},
    heap::ring::Ring,
};

/// What a look at one test found.
#[derive(Debug, Clone, PartialEq)]
pub struct Leavings {
    /// Index of the test.
    pub test: usize,
    /// Tests of the same file that leave as much.
    pub alike: Vec<usize>,
    /// Objects that the collector had freed at each reading in the screen.
    pub readings: Vec<i64>,
    /// What was found.
    pub garbage: Garbage,
}

/// What a look at one test found.
#[derive(Debug, Clone, PartialEq)]
pub struct References {
    /// Index of the test.
    pub test: usize,
    /// Tests of the same file in which as many change.
    pub alike: Vec<usize>,
    /// References at each reading in the screen.
    pub readings: Vec<i64>,
    /// Iterations of the look.
    pub iterations: u32,
    /// What they were to.
    pub objects: Vec<Lost>,
}

/// An object to which references are lost, or given back more often than they were taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Lost {
    /// What code calls it; empty where nothing leads to it.
    pub name: String,
    /// Its type.
    pub kind: String,
    /// How many in each iteration; below zero where too many are given back.
    pub each: f64,
    /// Whether it was as many in each.
    pub even: bool,
    /// What left its count changed so.
    pub calls: Vec<Call>,
}

/// What a look at one test found.
#[derive(Debug, Clone, PartialEq)]
pub struct Unclosed {
    /// Index of the test.
    pub test: usize,
    /// Tests of the same file that leave as many.
    pub alike: Vec<usize>,
    /// Warnings at each reading in the screen.
    pub readings: Vec<i64>,
    /// What is left open in each iteration.
    pub left: Vec<Left>,
}

/// What is left open at one place.
#[derive(Debug, Clone, PartialEq)]
pub struct Left {
    /// Its type; empty where the warning does not say it.
    pub kind: String,
    /// What the last warning says.
    pub text: String,
    /// Whether it was made at the place, and not only let go of.
    pub made: bool,
    /// File and line of each frame, innermost first.
    pub frames: Vec<Place>,
    /// How many in each iteration.
    pub each: f64,
}

/// What one iteration left to the collector.
#[derive(Debug, Clone, PartialEq)]
pub struct Garbage {
    /// Objects that the collector knows.
    pub objects: usize,
    /// All cycles of one sort are one; those with most objects first.
    pub cycles: Vec<Cycle>,
    /// CPU seconds of the look.
    pub cpu: f64,
}

/// Cycles of one sort.
#[derive(Debug, Clone, PartialEq)]
pub struct Cycle {
    /// The shortest of them.
    pub ring: Ring,
    /// Whose doing it is.
    pub owner: Owner,
    /// Where the object of it was made that tells most.
    pub place: Option<Place>,
    /// Objects that the collector knows, in the cycles and kept by them.
    pub objects: usize,
    /// Bytes of all that is kept by them.
    pub bytes: u64,
    /// What these objects are.
    pub types: Vec<TypeGrowth>,
    /// Descriptors that were closed only when the collector ran.
    pub descriptors: Vec<String>,
}
