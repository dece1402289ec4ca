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
        format!("{} B", number(value))
    } else {
        format!("{value:.1} {}", units[unit])
    }
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
    fn figures_read_well() {
        assert_eq!(number(1_000_000.0), "1,000,000");
        assert_eq!(number(2.0), "2");
        assert_eq!(number(0.25), "0.25");
        assert_eq!(number(1.5), "1.5");
        assert_eq!(bytes(412.0), "412 B");
        assert_eq!(bytes(38_100_000.0), "38.1 MB");
    }

    #[test]
    fn long_names_keep_both_ends() {
        assert_eq!(shortened("abcdefghij", 5), "ab…ij");
        assert_eq!(shortened("abc", 5), "abc");
    }
}
