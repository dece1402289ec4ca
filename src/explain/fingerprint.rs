//! The stable identity of a finding: what stays when lines move, tests are renamed or the machine changes.

use sha2::{Digest, Sha256};

/// Hexadecimal digits kept: 64 bits tell some thousand findings apart for certain.
const DIGITS: usize = 16;
/// Digits that messages, commands and file names show: enough to tell a project's findings apart.
pub const SHOWN_DIGITS: usize = 8;
/// Least digits that a person may give for the whole.
pub const LEAST_DIGITS: usize = 4;

/// Hashes the parts in their order. Parts hold no line numbers, addresses, counts or test names.
pub fn of(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.as_bytes());
        // Ends each part, so that moving a boundary changes the hash.
        hasher.update([0]);
    }
    let mut text = String::with_capacity(DIGITS);
    for byte in hasher.finalize().iter().take(DIGITS / 2) {
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

/// Whether a text from outside is one: it becomes a part of file names and commands.
pub fn is_one(text: &str) -> bool {
    text.len() == DIGITS
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The beginning of a fingerprint, or of what a file says is one, as a person gets to see it.
pub fn short(fingerprint: &str) -> &str {
    fingerprint.get(..SHOWN_DIGITS).unwrap_or(fingerprint)
}

/// Whether what a person typed means this fingerprint: its first digits, in capitals or not, and not too few of them.
pub fn is_meant(fingerprint: &str, typed: &str) -> bool {
    typed.len() >= LEAST_DIGITS && fingerprint.starts_with(&typed.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_digits_mean_one_in_capitals_or_not_and_less_than_four_mean_none() {
        let whole = "abcdef0123456789";
        for typed in ["abcd", "ABCDEF", "abcdef01", whole] {
            assert!(is_meant(whole, typed), "{typed}");
        }
        for typed in ["", "abc", "bcde", "abcde0", "abcdef01234567890"] {
            assert!(!is_meant(whole, typed), "{typed}");
        }
        assert_eq!((short(whole), short("äöüß")), ("abcdef01", "äöüß"));
    }

    #[test]
    fn only_what_is_made_here_is_one() {
        assert!(is_one(&of(&["x"])) && is_one("0123456789abcdef"));
        for wrong in [
            "",
            "../../../../etc/",
            "0123456789ABCDEF",
            "0123456789abcde",
            "0123456789abcdef0",
        ] {
            assert!(!is_one(wrong), "{wrong}");
        }
    }

    #[test]
    fn the_same_parts_give_the_same_digits_on_every_machine() {
        assert_eq!(of(&["LK101", "a.py", "f"]), of(&["LK101", "a.py", "f"]));
        assert_ne!(of(&["a", "b"]), of(&["ab", ""]));
        // From `printf 'x\0' | sha256sum`: the identity must not change with a release.
        assert_eq!(of(&["x"]), "14f825b2bbc32dd8");
    }
}
