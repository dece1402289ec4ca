//! Makes text that came from a project safe to show: a name must not be able to steer a terminal.

/// The text with control characters, and those that turn the reading direction, written out.
pub fn shown(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if character == '\t' {
            safe.push_str("    ");
        } else if is_unsafe(character) {
            safe.extend(character.escape_default());
        } else {
            safe.push(character);
        }
    }
    safe
}

/// The same for text of several lines.
pub fn shown_lines(text: &str) -> String {
    text.lines().map(shown).collect::<Vec<_>>().join("\n")
}

/// At most `length` characters of the text made safe, cut in the middle: ids differ at their ends.
pub fn shortened(text: &str, length: usize) -> String {
    let safe = shown(text);
    let count = safe.chars().count();
    if count <= length {
        return safe;
    }
    let head = length / 2;
    let tail = length - head - 1;
    let start: String = safe.chars().take(head).collect();
    let end: String = safe.chars().skip(count - tail).collect();
    format!("{start}…{end}")
}

fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_steers_a_terminal_comes_through() {
        assert_eq!(shown("a\x1b[31mb\nc"), "a\\u{1b}[31mb\\nc");
        assert_eq!(shown("ab\u{202e}cd"), "ab\\u{202e}cd");
        assert_eq!(shown("größe\t1"), "größe    1");
        assert_eq!(shown_lines("a\x07\nb"), "a\\u{7}\nb");
    }

    #[test]
    fn long_names_keep_both_ends() {
        assert_eq!(shortened("abcdefghij", 5), "ab…ij");
        assert_eq!(shortened("abc", 5), "abc");
    }
}
