//! `leakcheck completions`: lets a shell complete verbs, options and their values.

use std::io::{self, Write};

use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};

use super::Cli;
use crate::exit_code::ExitCode;

/// Options of `leakcheck completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// Whose language to write.
    shell: Shell,
}

/// Prints the script for the shell.
pub fn completions(args: &CompletionsArgs) -> ExitCode {
    let mut script = Vec::new();
    generate(args.shell, &mut Cli::command(), "leakcheck", &mut script);
    // A reader that went away is no error of ours.
    let _ = io::stdout().lock().write_all(&script);
    ExitCode::Success
}
