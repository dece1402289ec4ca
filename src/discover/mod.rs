//! Finds out what there is to test: the interpreter, the project, its tests' runner.

pub mod command;
pub mod interpreter;
mod limited;
pub mod machine;
pub mod native;
pub mod packages;
mod probe;
mod refusal;
pub mod runner;
mod scan;
mod search;
pub mod suite;

pub use interpreter::{Env, Interpreter};
pub use refusal::InterpreterError;
pub use runner::{RunnerError, choose_runner};
pub use suite::{NoSuchPath, Project};
