//! The log of a GitHub Actions step: the plain report, folded, and annotations on the lines that must change.
//!
//! Rules: the runner's `ActionCommand.cs` takes a line for a command that begins with `::` after leading space, or that
//! holds `##[` anywhere; `stop-commands` turns both off until its token comes.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    io,
};

use super::{
    Report, Standing, Style, growth, is_accepted, label,
    place::{self, Place},
    plain, standing,
    text::{self, brief},
};
use crate::finding::{Finding, Level};

/// GitHub shows ten errors and ten warnings of a step and drops the rest without a word.
const MOST: usize = 10;
/// Characters of an annotation's message; GitHub shows far fewer at first.
const LONGEST: usize = 2000;

/// Writes what the runner reads.
pub fn write(report: &Report, style: Style, out: &mut dyn io::Write) -> io::Result<()> {
    writeln!(out, "::group::leakcheck: {}", data(&report.headline()))?;
    // Names of the project stand in the report, and whoever names a test must not command the runner.
    let token = token();
    writeln!(out, "::stop-commands::{token}")?;
    plain::write(report, style, out)?;
    writeln!(out, "::{token}::")?;
    writeln!(out, "::endgroup::")?;
    annotations(report, out)
}

/// One that no name in the report can have guessed.
fn token() -> String {
    let random = || RandomState::new().build_hasher().finish();
    format!("leakcheck-{:016x}{:016x}", random(), random())
}

fn annotations(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    for (level, command) in [(Level::Error, "error"), (Level::Warning, "warning")] {
        let found: Vec<&Finding> = report
            .findings
            .iter()
            .filter(|finding| standing(finding) == Standing::Present || finding.fails)
            .filter(|finding| level_of(finding) == level)
            .collect();
        // Where not all fit, the last one says how many more there are.
        let shown = if found.len() > MOST {
            MOST - 1
        } else {
            found.len()
        };
        for finding in &found[..shown] {
            let place = place::to_change(finding, report);
            let title = format!(
                "{} {}",
                label::noun(finding),
                text::shortened(&finding.code, 20)
            );
            annotation(
                command,
                place.as_ref(),
                &title,
                &message(report, finding),
                out,
            )?;
        }
        if found.len() > shown {
            let more = format!(
                "{} more findings; the job summary and the log list them all",
                found.len() - shown
            );
            annotation(command, None, "leakcheck", &more, out)?;
        }
    }
    Ok(())
}

/// What is accepted does not fail the build and is no error to whoever reads the diff.
pub(super) fn level_of(finding: &Finding) -> Level {
    match finding.level {
        Level::Note => Level::Note,
        Level::Error | Level::Warning if is_accepted(finding) && !finding.fails => Level::Note,
        Level::Error if finding.fails => Level::Error,
        Level::Error | Level::Warning => Level::Warning,
    }
}

fn message(report: &Report, finding: &Finding) -> String {
    let mut lines = vec![brief(&finding.summary)];
    if let Some(holder) = &finding.holder {
        lines.push(format!(
            "{} {}",
            super::source::held_by(finding),
            brief(&holder.text)
        ));
    }
    if let Some(text) = growth::comes_to(finding, &report.environment) {
        lines.push(format!("{text}."));
    }
    lines.push(text::shortened(&finding.advice, 600));
    if let Some(first) = finding.tests.first() {
        let more = match finding.tests.len() {
            1 => String::new(),
            count => format!(" and {} more", count - 1),
        };
        lines.push(format!("Test: {}{more}", text::shortened(first, 200)));
    }
    lines.join("\n")
}

fn annotation(
    command: &str,
    place: Option<&Place>,
    title: &str,
    message: &str,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let mut properties = Vec::new();
    if let Some(place) = place {
        properties.push(format!("file={}", property(&place::shown(&place.path))));
        properties.push(format!("line={0},endLine={0}", place.line));
    }
    properties.push(format!("title={}", property(title)));
    let message: String = message.chars().take(LONGEST).collect();
    writeln!(
        out,
        "::{command} {}::{}",
        properties.join(","),
        data(&message)
    )
}

/// Escaped as the runner's `UnescapeData` takes it back.
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// Escaped as the runner's `UnescapeProperty` takes it back.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// A line for a log that GitHub's runner reads, in which nothing is a command.
pub fn neutral(line: &str) -> String {
    let line = line.replace("##[", "##\\u{5b}");
    let start = line.trim_start();
    match start.strip_prefix("::") {
        Some(rest) => format!("{}\\u{{3a}}:{rest}", &line[..line.len() - start.len()]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_escaped_holds_nothing_that_ends_its_place() {
        assert_eq!(data("50 %\n::error::x"), "50 %25%0A::error::x");
        assert_eq!(property("a,b:c\r%"), "a%2Cb%3Ac%0D%25");
    }

    #[test]
    fn a_neutral_line_is_no_command() {
        assert_eq!(neutral("  ::error::x"), "  \\u{3a}:error::x");
        assert_eq!(neutral("a ##[error]x"), "a ##\\u{5b}error]x");
        assert_eq!(neutral("a::b"), "a::b");
    }

    #[test]
    fn tokens_cannot_be_guessed_from_one_another() {
        assert_ne!(token(), token());
    }
}
