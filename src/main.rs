//! Parses, calls, exits.

use std::{panic, process};

use leakcheck::{cli, exit_code::ExitCode, supervise};

fn main() -> process::ExitCode {
    if let Some(code) = supervise::serve() {
        return code;
    }
    panic::catch_unwind(cli::main)
        .unwrap_or_else(|_| {
            eprintln!(
                "leakcheck: this is a bug in leakcheck; please report it with the message above"
            );
            ExitCode::Internal
        })
        .into()
}
