//! What changed between two texts, line by line, as a terminal shows it.

use std::io;

use anstyle::{AnsiColor, Style};
use similar::{ChangeTag, TextDiff};

use super::text;

const REMOVED: Style = AnsiColor::Red.on_default();
const ADDED: Style = AnsiColor::Green.on_default();
const DIM: Style = Style::new().dimmed();
/// Lines that did not change and are shown beside those that did.
const CONTEXT: usize = 1;

/// Lines that are shown at most, and characters of one: a snapshot is a page of text, and a report may come from anywhere.
const MOST: usize = 80;
const LONGEST: usize = 300;

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// It is gone.
    Removed,
    /// It came.
    Added,
    /// It stands beside one of these.
    Same,
    /// Lines that did not change are left out here.
    Skipped,
}

impl Sign {
    /// The sign before the line.
    pub fn mark(self) -> char {
        match self {
            Sign::Removed => '-',
            Sign::Added => '+',
            Sign::Same => ' ',
            Sign::Skipped => '…',
        }
    }
}

/// The lines that changed between two texts and those beside them, made safe.
pub fn lines(before: &str, after: &str) -> Vec<(Sign, String)> {
    let diff = TextDiff::from_lines(before, after);
    let mut lines = Vec::new();
    for (at, group) in diff.grouped_ops(CONTEXT).iter().enumerate() {
        if at > 0 {
            lines.push((Sign::Skipped, String::new()));
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let sign = match change.tag() {
                ChangeTag::Delete => Sign::Removed,
                ChangeTag::Insert => Sign::Added,
                ChangeTag::Equal => Sign::Same,
            };
            let line = text::shortened(change.value().trim_end_matches('\n'), LONGEST);
            lines.push((sign, line));
            if lines.len() >= MOST {
                lines.push((Sign::Skipped, String::new()));
                return lines;
            }
        }
    }
    lines
}

/// Writes the lines of `before` that are gone after a `-` and those that came after a `+`, each behind `indent`.
pub fn write(before: &str, after: &str, indent: &str, out: &mut dyn io::Write) -> io::Result<()> {
    for (sign, line) in lines(before, after) {
        let style = match sign {
            Sign::Removed => REMOVED,
            Sign::Added => ADDED,
            Sign::Same | Sign::Skipped => DIM,
        };
        writeln!(out, "{indent}{style}{}{line}{style:#}", sign.mark())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(before: &str, after: &str) -> String {
        let mut out = Vec::new();
        write(before, after, "  ", &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_changed_is_marked_and_coloured() {
        let text = written("a\nb\nc\nd\ne\n", "a\nb\nX\nd\ne\n");
        let plain = anstream::adapter::strip_str(&text).to_string();
        assert_eq!(plain, "   b\n  -c\n  +X\n   d\n");
        assert!(
            text.contains("\u{1b}[31m-c") && text.contains("\u{1b}[32m+X"),
            "{text:?}"
        );
        assert_eq!(written("a\n", "a\n"), "");
    }

    #[test]
    fn a_text_cannot_steer_the_terminal() {
        let text = written("a\n", "\u{1b}[2J\u{202e}b\n");
        assert!(text.contains("+\\u{1b}[2J\\u{202e}b"), "{text:?}");
    }
}
