//! Makes text from outside safe to print on one line.

use std::fmt::Write;
use std::path::Path;

/// `text` with everything that could move the cursor, break the line or reorder it written as an escape.
pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if is_unsafe(character) {
            // Writing to a String cannot fail.
            let _ = write!(safe, "{}", character.escape_default());
        } else {
            safe.push(character);
        }
    }
    safe
}

/// A path for a message.
pub fn show(path: &Path) -> String {
    escape(&path.to_string_lossy())
}

/// The first line of `text` that says something, escaped and cut to at most `limit` characters.
pub fn excerpt(text: &str, limit: usize) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty());
    let safe = escape(line.unwrap_or_default());
    if safe.chars().count() <= limit {
        return safe;
    }
    let mut cut: String = safe.chars().take(limit.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// Control characters, and the invisible ones of Unicode that end a line or change the direction of writing.
fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{2069}'
                | '\u{feff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_garble_a_terminal_is_escaped_and_the_rest_is_left_alone() {
        let table = [
            (
                "plain `text` \"quoted\" \\ ü 雪",
                "plain `text` \"quoted\" \\ ü 雪",
            ),
            ("a\u{1b}[31mred", "a\\u{1b}[31mred"),
            ("one\ntwo\ttab\r", "one\\ntwo\\ttab\\r"),
            ("c1 \u{9b}0m", "c1 \\u{9b}0m"),
            ("right\u{202e}left", "right\\u{202e}left"),
            ("\u{feff}mark", "\\u{feff}mark"),
        ];
        for (text, expected) in table {
            assert_eq!(escape(text), expected);
        }
    }

    #[test]
    fn an_excerpt_is_the_first_line_that_is_not_blank_cut_to_length() {
        assert_eq!(excerpt("\n  \n  first \nsecond", 20), "first");
        assert_eq!(excerpt("abcdef", 6), "abcdef");
        assert_eq!(excerpt("abcdefg", 6), "abcde…");
        assert_eq!(excerpt("", 6), "");
    }
}
