//! One line for each finding that somebody has to do something about, as compilers write them: for editors, `grep` and
//! problem matchers.

use std::io;

use super::{
    Report, github,
    place::{self, Place},
    text::brief,
};
use crate::finding::{Finding, Level};

/// Writes the lines, and the summary last.
pub fn write(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    for finding in &report.findings {
        let word = match github::level_of(finding) {
            Level::Error => "",
            Level::Warning => "warning: ",
            Level::Note => continue,
        };
        let (path, line) = match place::to_change(finding, report) {
            Some(place) => (place::shown(&inside(&place, report)), place.line),
            None => (".".to_owned(), 1),
        };
        let column = column(finding, line);
        let (code, summary) = (brief(&finding.code), brief(&finding.summary));
        writeln!(out, "{path}:{line}:{column}: {code} {word}{summary}")?;
    }
    for error in &report.errors {
        let message = error.message.lines().next().unwrap_or_default();
        writeln!(out, "leakcheck: error: {}", brief(message))?;
    }
    let code = report.exit_code.number();
    writeln!(out, "leakcheck: {} (exit {code})", report.headline())
}

/// Relative to the project, where editors and compilers are called.
fn inside(place: &Place, report: &Report) -> String {
    let root = &report.environment.source_root;
    let inside = place.path.strip_prefix(&**root);
    let inside = inside.and_then(|path| path.strip_prefix('/'));
    inside.unwrap_or(&place.path).to_owned()
}

/// Where the line's text begins, from 1.
fn column(finding: &Finding, line: u32) -> usize {
    let quoted = finding.sites.iter().filter_map(|site| {
        let excerpt = site.excerpt.as_ref()?;
        let at = usize::try_from(line.checked_sub(excerpt.first)?).ok()?;
        excerpt.text.lines().nth(at).filter(|_| site.line == line)
    });
    quoted.take(1).fold(1, |_, text| {
        1 + text.chars().take_while(|c| c.is_whitespace()).count()
    })
}
