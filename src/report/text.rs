//! Text and figures as people read them. Text that came from a project is made safe: a name must not steer a terminal.

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

/// A name or a message of a project in one line, made safe and no longer than anybody reads.
pub fn brief(text: &str) -> String {
    shortened(text, 400)
}

/// `1 test`, `2 tests`.
pub fn counted(count: usize, noun: &str) -> String {
    if count == 1 {
        format!("1 {noun}")
    } else {
        format!("{} {noun}s", number(count as f64))
    }
}

/// At most `length` characters of the text made safe, cut in the middle: ids differ at their ends.
pub fn shortened(text: &str, length: usize) -> String {
    // Names of megabytes occur; only their ends are looked at. What is written out is longer than it was, never shorter.
    let ends = text.char_indices().nth(length).is_some();
    if !ends {
        let safe = shown(text);
        if safe.chars().count() <= length {
            return safe;
        }
    }
    let head = length / 2;
    let tail = length.saturating_sub(head + 1);
    let start: String = text.chars().take(head).collect();
    let back: Vec<char> = text.chars().rev().take(tail).collect();
    let end: String = back.into_iter().rev().collect();
    let start: String = shown(&start).chars().take(head).collect();
    let end = shown(&end);
    let skipped = end.chars().count().saturating_sub(tail);
    let end: String = end.chars().skip(skipped).collect();
    format!("{start}…{end}")
}

/// A figure with its thousands apart, and with one decimal where it has any.
pub fn number(value: f64) -> String {
    if value.fract().abs() > 1e-9 && value.abs() < 1000.0 {
        return format!("{value:.2}")
            .trim_end_matches('0')
            .trim_end_matches('.')
            .to_owned();
    }
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0.0 {
        format!("-{text}")
    } else {
        text
    }
}

/// `412 B`, `1.2 kB`, `38.1 MB`.
pub fn bytes(value: f64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB"];
    let mut value = value;
    let mut unit = 0;
    while value.abs() >= 1000.0 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 {
        // A part of a byte only says something of very few.
        let value = if value.abs() >= 10.0 {
            value.round()
        } else {
            value
        };
        format!("{} B", number(value))
    } else {
        format!("{value:.1} {}", units[unit])
    }
}

/// Whether a character would steer a terminal, or turn the reading direction of what follows it (the trick known as
/// Trojan Source), cannot be seen at all, or cannot
/// stand in XML.
pub fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}' | '\u{e0000}'..='\u{e007f}')
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
    fn figures_read_well() {
        assert_eq!(number(1_000_000.0), "1,000,000");
        assert_eq!(number(2.0), "2");
        assert_eq!(number(0.25), "0.25");
        assert_eq!(number(1.5), "1.5");
        assert_eq!(bytes(412.0), "412 B");
        assert_eq!(bytes(169.61), "170 B");
        assert_eq!(bytes(8.69), "8.69 B");
        assert_eq!(bytes(38_100_000.0), "38.1 MB");
    }

    #[test]
    fn long_names_keep_both_ends() {
        assert_eq!(shortened("abcdefghij", 5), "ab…ij");
        assert_eq!(shortened("abc", 5), "abc");
        assert_eq!(shortened(&format!("a{}z", "b".repeat(1 << 20)), 5), "ab…bz");
        let steered = shortened(&"\x1b[31m".repeat(50), 40);
        assert!(
            steered.chars().count() <= 40 && !steered.contains('\x1b'),
            "{steered}"
        );
    }
}
