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

/// Writes the lines of `before` that are gone after a `-` and those that came after a `+`, each behind `indent`.
pub fn write(before: &str, after: &str, indent: &str, out: &mut dyn io::Write) -> io::Result<()> {
    let diff = TextDiff::from_lines(before, after);
    for (at, group) in diff.grouped_ops(CONTEXT).iter().enumerate() {
        if at > 0 {
            writeln!(out, "{indent}{DIM}…{DIM:#}")?;
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let (sign, style) = match change.tag() {
                ChangeTag::Delete => ('-', REMOVED),
                ChangeTag::Insert => ('+', ADDED),
                ChangeTag::Equal => (' ', DIM),
            };
            let line = text::shown(change.value().trim_end_matches('\n'));
            writeln!(out, "{indent}{style}{sign}{line}{style:#}")?;
        }
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
