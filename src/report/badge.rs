//! What a badge says of a run: the answer of an endpoint as shields.io asks it.

use std::io;

use serde::Serialize;

use super::{Report, Standing, is_accepted, json, text};
use crate::exit_code::ExitCode;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Badge {
    schema_version: u32,
    label: &'static str,
    message: String,
    color: &'static str,
}

/// Writes it. It is green only for a run that is evidence.
pub fn write(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    let failing = report.failing().count();
    let accepted = report
        .standing(Standing::Present)
        .filter(|finding| is_accepted(finding))
        .count();
    let (message, color) = match report.exit_code {
        ExitCode::Success if accepted == 0 => ("no leak".to_owned(), "brightgreen"),
        ExitCode::Success => (format!("no new leak, {accepted} accepted"), "green"),
        ExitCode::Leak => (text::counted(failing, "finding"), "red"),
        ExitCode::NoEvidence => ("not judged".to_owned(), "lightgrey"),
        ExitCode::TestsFailed => ("tests failed".to_owned(), "lightgrey"),
        ExitCode::Usage | ExitCode::Internal | ExitCode::Interrupted => {
            ("not run".to_owned(), "lightgrey")
        }
    };
    json::pretty(
        &Badge {
            schema_version: 1,
            label: "leakcheck",
            message,
            color,
        },
        out,
    )
}
