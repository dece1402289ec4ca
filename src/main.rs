//! Parses, calls, exits.

use std::{
    io::{self, Write},
    panic, process,
};

use leakcheck::{cli, exit_code::ExitCode, supervise};

fn main() -> process::ExitCode {
    if let Some(code) = supervise::serve() {
        return code;
    }
    panic::catch_unwind(cli::main)
        .unwrap_or_else(|_| {
            // A panic of its own would be the last word.
            let _ = writeln!(
                io::stderr(),
                "leakcheck: this is a bug in leakcheck; please report it with the message above"
            );
            ExitCode::Internal
        })
        .into()
}
