//! The line of the reader's own code that a finding is about, as the repository names it.

use super::{Report, text};
use crate::finding::{Finding, Owner};

/// A line of the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Relative to the root of the repository.
    pub path: String,
    /// From 1.
    pub line: u32,
}

/// The line that must change: where the project allocates what stays, or where it calls what does; failing both, the
/// top of the test's file. `None` where nothing of the project is known.
pub fn to_change(finding: &Finding, report: &Report) -> Option<Place> {
    let root = &report.environment.source_root;
    let allocates = finding
        .sites
        .iter()
        .filter(|site| {
            // Where a site's own owner is not told, the finding's is that of its first site.
            site.owner.unwrap_or(finding.owner) == Owner::Project
        })
        .map(|site| (&site.file, site.line));
    let calls = finding
        .sites
        .iter()
        .flat_map(|site| &site.callers)
        .filter(|frame| frame.owner == Some(Owner::Project))
        .map(|frame| (&frame.file, frame.line));
    let tests = finding
        .tests
        .iter()
        .filter_map(|id| report.tests.iter().find(|test| test.id == *id))
        .map(|test| (&test.file, 1))
        .take(1);
    allocates
        .chain(calls)
        .chain(tests)
        .find_map(|(file, line)| {
            Some(Place {
                path: in_repository(root, file)?,
                line: line.max(1),
            })
        })
}

/// `file` as the repository at whose folder `root` the project lies has it; `None` for what lies outside.
pub fn in_repository(root: &str, file: &str) -> Option<String> {
    let outside =
        file.is_empty() || file.starts_with(['/', '<']) || file.split('/').any(|part| part == "..");
    if outside {
        return None;
    }
    Some(if root.is_empty() {
        file.to_owned()
    } else {
        format!("{root}/{file}")
    })
}

/// A path as a URI reference (RFC 3986), relative as it is.
pub fn uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes().take(4 * LONGEST) {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}

/// No file system has longer paths; what is longer is an attack or an accident.
const LONGEST: usize = 4096;

/// The path as a person reads it.
pub fn shown(path: &str) -> String {
    text::shortened(path, 200)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_outside_the_repository_are_no_place_in_it() {
        assert_eq!(in_repository("", "a/b.py").as_deref(), Some("a/b.py"));
        assert_eq!(
            in_repository("services/api", "b.py").as_deref(),
            Some("services/api/b.py")
        );
        for outside in ["/etc/passwd", "../b.py", "a/../../b.py", "<string>", ""] {
            assert_eq!(in_repository("", outside), None, "{outside}");
        }
    }

    #[test]
    fn a_uri_holds_nothing_but_what_a_uri_may_hold() {
        assert_eq!(uri("a b/ä:%.py"), "a%20b/%C3%A4%3A%25.py");
    }
}
