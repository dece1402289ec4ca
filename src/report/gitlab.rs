//! GitLab's code quality report: one entry a finding, on the line that must change.

use std::io;

use serde::Serialize;

use super::{
    Report, Standing, growth, is_accepted, json, place,
    text::{brief, shortened},
};
use crate::finding::{Finding, Level};

#[derive(Serialize)]
struct Issue {
    description: String,
    check_name: String,
    fingerprint: String,
    severity: &'static str,
    location: Location,
}

#[derive(Serialize)]
struct Location {
    path: String,
    lines: Lines,
}

#[derive(Serialize)]
struct Lines {
    begin: u32,
}

/// Writes the issues. GitLab compares them with those of the target branch by their fingerprints, so accepted ones are
/// among them: left out they would count as fixed.
pub fn write(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    let issues: Vec<Issue> = report
        .standing(Standing::Present)
        .map(|finding| issue(report, finding))
        .collect();
    json::pretty(&issues, out)
}

fn issue(report: &Report, finding: &Finding) -> Issue {
    let mut description = brief(&finding.summary);
    if let Some(text) = growth::comes_to(finding, &report.environment) {
        description.push_str(&format!("; {text}"));
    }
    let place = place::to_change(finding, report);
    Issue {
        description,
        check_name: shortened(&finding.code, 80),
        fingerprint: shortened(&finding.fingerprint, 200),
        severity: severity(finding),
        location: Location {
            // Every issue needs a file; what no line of the project explains belongs to the folder that was tested.
            path: place.as_ref().map_or_else(
                || match report.environment.source_root.as_str() {
                    "" => ".".to_owned(),
                    root => place::shown(root),
                },
                |place| place::shown(&place.path),
            ),
            lines: Lines {
                begin: place.map_or(1, |place| place.line),
            },
        },
    }
}

fn severity(finding: &Finding) -> &'static str {
    match finding.level {
        Level::Error | Level::Warning if is_accepted(finding) => "info",
        Level::Error if finding.fails => "critical",
        Level::Error => "major",
        Level::Warning => "minor",
        Level::Note => "info",
    }
}
