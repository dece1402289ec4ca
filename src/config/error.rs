//! What can be wrong with a configuration file, said in one line that points at the place.

use std::fmt;
use std::path::PathBuf;

use super::text;
use crate::files::read::Refusal;

/// A position in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file, as a user would write it: relative to the current directory where it is below.
    pub file: PathBuf,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

impl Place {
    /// The place in `content`, the text of `file`, that is `offset` bytes in.
    pub(super) fn at(file: PathBuf, content: &str, offset: usize) -> Place {
        let before = content.get(..offset).unwrap_or(content);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Place {
            file,
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}:{}",
            text::show(&self.file),
            self.line,
            self.column
        )
    }
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Something in a file is wrong.
    #[error("{place}: {message}")]
    Invalid {
        /// Where it stands.
        place: Place,
        /// What is wrong, and what would be right.
        message: String,
    },
    /// A file is there and cannot be read.
    #[error("{}: {cause}", text::show(.file))]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why not.
        cause: Refusal,
    },
    /// Two files of one directory have settings.
    #[error(
        "both {} and {} have leakcheck settings; keep them in one",
        text::show(.first),
        text::show(.second)
    )]
    Twice {
        /// A `leakcheck.toml` or `pyproject.toml`.
        first: PathBuf,
        /// A `pyproject.toml` or `Cargo.toml`.
        second: PathBuf,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_lines_and_characters_from_one() {
        let content = "a = 1\r\nü = 2\n\nend";
        let table = [
            (0, "f:1:1"),
            (4, "f:1:5"),
            (7, "f:2:1"),
            (9, "f:2:2"),
            (14, "f:3:1"),
            (15, "f:4:1"),
            (999, "f:4:4"),
        ];
        for (offset, expected) in table {
            let place = Place::at("f".into(), content, offset);
            assert_eq!(place.to_string(), expected, "offset {offset}");
        }
    }

    #[test]
    fn a_file_name_cannot_garble_a_message() {
        let place = Place::at("a\u{1b}[2Jb\n.toml".into(), "", 0);
        assert_eq!(place.to_string(), "a\\u{1b}[2Jb\\n.toml:1:1");
    }
}
