//! Takes out of a text what differs from machine to machine, so that two machines write the same bytes.

use std::sync::LazyLock;

use regex::Regex;

/// `0x7f3a5c0d2e10`; short ones are numbers that people write.
static ADDRESS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\b0x[0-9a-fA-F]{6,16}\b").expect("the pattern is constant"));
/// `/home/me/project/a.py`, of which the last two parts stay. A single part may be a route or a division.
static ABSOLUTE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(^|[\s"'(\[=:,])(?:/[^\s/"'()\[\]:,]+)+/([^\s/"'()\[\]:,]+/[^\s/"'()\[\]:,]+)"#)
        .expect("the pattern is constant")
});

/// `in iteration 17`, `a.py:12`: where something happened by chance.
static CHANCE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\bin iteration \d+\b|:\d+\b").expect("the pattern is constant"));

/// The text without numbers of iterations and lines.
pub fn chance(text: &str) -> String {
    CHANCE
        .replace_all(text, |found: &regex::Captures<'_>| {
            if found[0].starts_with(':') {
                ""
            } else {
                "in a repeat"
            }
        })
        .into_owned()
}

/// The text without addresses.
pub fn addresses(text: &str) -> String {
    ADDRESS.replace_all(text, "0x…").into_owned()
}

/// The text without addresses and without the beginnings of absolute paths.
pub fn machine(text: &str) -> String {
    ABSOLUTE
        .replace_all(&addresses(text), "${1}…/$2")
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_the_roots_of_paths_go_and_the_rest_stays() {
        for (text, expected) in [
            (
                "<app.Node object at 0x7f3a5c0d2e10>",
                "<app.Node object at 0x…>",
            ),
            ("mask 0xff", "mask 0xff"),
            ("/home/me/project/app/a.py", "…/app/a.py"),
            ("died at /home/me/p/a.py:3 in f", "died at …/p/a.py:3 in f"),
            ("app/a.py", "app/a.py"),
            ("GET /items/3", "GET /items/3"),
            ("a/b/c/d", "a/b/c/d"),
        ] {
            assert_eq!(machine(text), expected);
        }
        assert_eq!(
            chance("passes once, and in iteration 17 the process died at a.py:12"),
            "passes once, and in a repeat the process died at a.py"
        );
        assert_eq!(addresses("/a/b/c/d 0x12345678"), "/a/b/c/d 0x…");
    }
}
