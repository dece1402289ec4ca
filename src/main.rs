//! Parses, calls, exits.

use std::{panic, process};

use leakcheck::{cli, exit_code::ExitCode};

fn main() -> process::ExitCode {
    panic::catch_unwind(cli::main)
        .unwrap_or_else(|_| {
            eprintln!(
                "leakcheck: this is a bug in leakcheck; please report it with the message above"
            );
            ExitCode::Internal
        })
        .into()
}
