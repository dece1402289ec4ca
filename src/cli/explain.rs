//! `leakcheck explain CODE`: what a kind of leak is, how to confirm it and how to mend it.

use std::io::Write;

use crate::{attribute::explain, exit_code::ExitCode};

/// Prints the page about `code`, or every code with its title where there is none.
pub(super) fn explain(code: Option<&str>) -> ExitCode {
    let mut out = anstream::stdout();
    let written = match code {
        None => explain::codes().try_for_each(|(code, title)| writeln!(out, "{code}  {title}")),
        Some(code) => match explain::section(code) {
            Some(section) => writeln!(out, "{section}"),
            None => {
                super::complain(format_args!(
                    "leakcheck: there is no code `{}`; `leakcheck explain` lists them all",
                    crate::report::text::shown(code)
                ));
                return ExitCode::Usage;
            }
        },
    };
    // A reader that went away is no error of ours.
    let _ = written;
    ExitCode::Success
}
