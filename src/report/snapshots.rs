//! How a run stands against the accepted snapshots, for a person at a terminal.

use std::io;

use anstyle::{AnsiColor, Style};

use super::{Report, diff, paragraph::paragraph, text};
use crate::finding::{Accepted, Finding, Level, Status};

/// Findings of one kind that are listed.
const LISTED: usize = 20;

const BOLD: Style = Style::new().bold();
const RED: Style = AnsiColor::Red.on_default().bold();
const GREEN: Style = AnsiColor::Green.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
const DIM: Style = Style::new().dimmed();

/// What stands below a finding that fails although it has a snapshot: why, and what changed.
pub fn beside(finding: &Finding, width: usize, out: &mut dyn io::Write) -> io::Result<()> {
    let Some(accepted) = &finding.accepted else {
        return Ok(());
    };
    let file = text::shortened(&accepted.file, 200);
    if let (true, Some(until)) = (accepted.expired, &accepted.until) {
        let reason = accepted.reason.as_deref().map_or(String::new(), |reason| {
            format!(" ({})", text::shortened(reason, 120))
        });
        let until = text::shortened(until, 40);
        let line = format!("it was accepted until {until}{reason}, in {file}");
        paragraph("expired:", RED, &line, 4, width, out)?;
    }
    if finding.status == Status::Worse {
        let line = format!("it grows faster than {file} accepts");
        paragraph("worse:", RED, &line, 4, width, out)?;
        if let Some(change) = &accepted.change {
            diff::write(&change.before, &change.after, "    ", out)?;
        }
    }
    Ok(())
}

/// Lists what is as accepted, better and gone, sums up in one line, and says what to do.
pub fn write(report: &Report, width: usize, out: &mut dyn io::Write) -> io::Result<()> {
    let with = |status: Status| -> Vec<&Finding> {
        report
            .findings
            .iter()
            .filter(|finding| finding.status == status)
            .filter(|finding| finding.level != Level::Note || status == Status::Fixed)
            // Nothing is to be decided about a warning, and no file of it waits.
            .filter(|finding| finding.fails || status != Status::New)
            .collect()
    };
    let untested = report.snapshots.untested;
    let nothing = Status::ALL
        .into_iter()
        .all(|status| with(status).is_empty());
    if report.snapshots.accepted == 0 && nothing && report.snapshots.advice.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    for (status, style) in [
        (Status::Known, DIM),
        (Status::Better, GREEN),
        (Status::Fixed, GREEN),
    ] {
        let found = with(status);
        for finding in found.iter().take(LISTED) {
            // Not wrapped, as the commands below: a reader copies the file's name.
            let word = finding.status.word();
            writeln!(out, "{style}{word}:{style:#} {}", line(finding))?;
        }
        if found.len() > LISTED {
            let (word, more) = (status.word(), found.len() - LISTED);
            writeln!(out, "{style}{word}:{style:#} and {more} more")?;
        }
    }
    let mut parts: Vec<String> = Status::ALL
        .into_iter()
        .map(|status| (with(status).len(), status.word()))
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    if untested > 0 {
        parts.push(format!("{untested} not tested"));
    }
    paragraph("snapshots:", BOLD, &parts.join(" · "), 4, width, out)?;
    for advice in report.snapshots.advice.iter().take(LISTED) {
        writeln!(out, "{YELLOW}next:{YELLOW:#} {}", text::brief(advice))?;
    }
    Ok(())
}

fn line(finding: &Finding) -> String {
    let mut line = format!(
        "{} {}",
        text::shortened(&finding.code, 20),
        text::brief(&finding.summary)
    );
    let Some(accepted) = &finding.accepted else {
        return line;
    };
    if finding.status == Status::Fixed {
        line.push_str(&format!(
            "; remove {}",
            text::shortened(&accepted.file, 200)
        ));
        return line;
    }
    if let Some(terms) = terms(accepted) {
        line.push_str(&format!(" ({terms})"));
    }
    line
}

/// Why it was accepted, how long, and where it is being worked on; `None` where nobody said.
pub fn terms(accepted: &Accepted) -> Option<String> {
    let mut said: Vec<String> = Vec::new();
    if let Some(reason) = &accepted.reason {
        said.push(text::shortened(reason, 120));
    }
    if let Some(until) = &accepted.until {
        said.push(format!("until {}", text::shortened(until, 40)));
    }
    if let Some(issue) = &accepted.issue {
        said.push(text::shortened(issue, 120));
    }
    (!said.is_empty()).then(|| said.join(", "))
}
