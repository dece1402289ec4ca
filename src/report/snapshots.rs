//! How a run stands against the accepted snapshots, for a person at a terminal.

use std::io;

use anstyle::{AnsiColor, Style};

use super::{Report, diff, text};
use crate::finding::{Finding, Level, Status};

/// Findings of one kind that are listed.
const LISTED: usize = 20;

const BOLD: Style = Style::new().bold();
const RED: Style = AnsiColor::Red.on_default().bold();
const GREEN: Style = AnsiColor::Green.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
const DIM: Style = Style::new().dimmed();

/// Whether a line in the list of snapshots is all that is said of `finding`: it is as accepted, or gone.
pub fn has(finding: &Finding) -> bool {
    match finding.status {
        Status::Known | Status::Better => finding.level != Level::Note,
        Status::Fixed => true,
        Status::New | Status::Worse => false,
    }
}

/// What stands below a finding that fails although it has a snapshot: why, and what changed.
pub fn beside(finding: &Finding, out: &mut dyn io::Write) -> io::Result<()> {
    let Some(accepted) = &finding.accepted else {
        return Ok(());
    };
    let file = text::shown(&accepted.file);
    if let (true, Some(until)) = (accepted.expired, &accepted.until) {
        let reason = accepted.reason.as_deref().map_or(String::new(), |reason| {
            format!(" ({})", text::shortened(reason, 120))
        });
        writeln!(
            out,
            "{RED}expired:{RED:#} it was accepted until {until}{reason}, in {file}"
        )?;
    }
    if finding.status == Status::Worse {
        writeln!(
            out,
            "{RED}worse:{RED:#} it grows faster than {file} accepts"
        )?;
        if let Some(change) = &accepted.change {
            diff::write(&change.before, &change.after, "    ", out)?;
        }
    }
    Ok(())
}

/// Lists what is as accepted, better and gone, sums up in one line, and says what to do.
pub fn write(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    let with = |status: Status| -> Vec<&Finding> {
        report
            .findings
            .iter()
            .filter(|finding| finding.status == status)
            .filter(|finding| finding.level != Level::Note || status == Status::Fixed)
            .collect()
    };
    let statuses = [
        Status::New,
        Status::Worse,
        Status::Known,
        Status::Better,
        Status::Fixed,
    ];
    let untested = report.snapshots.untested;
    let nothing = statuses.iter().all(|status| with(*status).is_empty());
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
            writeln!(out, "{}", line(finding, style))?;
        }
        if found.len() > LISTED {
            let (word, more) = (word(status), found.len() - LISTED);
            writeln!(out, "{style}{word}:{style:#} and {more} more")?;
        }
    }
    let mut parts: Vec<String> = statuses
        .iter()
        .map(|status| (with(*status).len(), word(*status)))
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    if untested > 0 {
        parts.push(format!("{untested} not tested"));
    }
    writeln!(out, "{BOLD}snapshots:{BOLD:#} {}", parts.join(" · "))?;
    for advice in &report.snapshots.advice {
        writeln!(out, "{YELLOW}next:{YELLOW:#} {}", text::shown(advice))?;
    }
    Ok(())
}

fn line(finding: &Finding, style: Style) -> String {
    let word = word(finding.status);
    let summary = text::shown(&finding.summary);
    let mut line = format!(
        "{style}{word}:{style:#} {} {summary}",
        text::shown(&finding.code)
    );
    let Some(accepted) = &finding.accepted else {
        return line;
    };
    if finding.status == Status::Fixed {
        let stale = if finding.fails {
            format!("{RED}remove{RED:#}")
        } else {
            "remove".to_owned()
        };
        line.push_str(&format!("; {stale} {}", text::shown(&accepted.file)));
        return line;
    }
    let mut said: Vec<String> = Vec::new();
    if let Some(reason) = &accepted.reason {
        said.push(text::shortened(reason, 120));
    }
    if let Some(until) = &accepted.until {
        said.push(format!("until {}", text::shown(until)));
    }
    if let Some(issue) = &accepted.issue {
        said.push(text::shortened(issue, 120));
    }
    if !said.is_empty() {
        line.push_str(&format!(" {DIM}({}){DIM:#}", said.join(", ")));
    }
    line
}

fn word(status: Status) -> &'static str {
    match status {
        Status::New => "new",
        Status::Worse => "worse",
        Status::Known => "known",
        Status::Better => "better",
        Status::Fixed => "fixed",
    }
}
