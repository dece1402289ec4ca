//! How long each file of a suite took, kept so that shards are even: `.leakcheck/durations.json`.

use std::{collections::BTreeMap, io, path::Path};

use serde::{Deserialize, Serialize};

use crate::{
    files::{
        own::{FOLDER, Own},
        read::Refusal,
    },
    report::text,
};

/// Its name in the project's folder of ours.
const NAME: &str = "durations.json";
/// Name and version of its schema.
const SCHEMA: &str = "leakcheck.durations/1";
/// Bytes of the largest file that is read: some hundred thousand files of tests.
const LARGEST: u64 = 16 << 20;

/// Durations of a project.
#[derive(Debug, Default)]
pub struct Durations {
    folder: Own,
    /// Wall seconds by file as shown.
    pub files: BTreeMap<String, f64>,
}

#[derive(Serialize, Deserialize)]
struct Document {
    schema: String,
    files: BTreeMap<String, f64>,
}

impl Durations {
    /// Those of the project whose root is `project`; none where there is no file. An error is one line.
    pub fn of(project: &Path) -> Result<Durations, String> {
        let folder = Own::of(project, "");
        folder.check().map_err(|error| error.to_string())?;
        let files = read(&folder).map_err(|cause| {
            format!(
                "{FOLDER}/{NAME} {cause}; without it the suite is divided by the number of tests"
            )
        })?;
        Ok(Durations { folder, files })
    }

    /// Writes them with what was measured now. Files of which nothing was measured are left out where `all` of the suite
    /// was.
    pub fn write(mut self, measured: &BTreeMap<String, f64>, all: bool) -> Result<(), String> {
        if all {
            self.files.clear();
        }
        // More digits than mean anything would change in every run.
        let rounded = |seconds: f64| (seconds * 100.0).round() / 100.0;
        let measured = measured
            .iter()
            .map(|(file, seconds)| (file.clone(), rounded(*seconds)));
        self.files.extend(measured);
        let document = Document {
            schema: SCHEMA.to_owned(),
            files: self.files,
        };
        put(&self.folder, &document)
            .map_err(|error| format!("cannot write {FOLDER}/{NAME}: {error}"))
    }
}

fn read(folder: &Own) -> Result<BTreeMap<String, f64>, String> {
    let bytes = match folder.read(NAME, LARGEST) {
        Ok(bytes) => bytes,
        Err(Refusal::Missing) => return Ok(BTreeMap::new()),
        Err(Refusal::Link | Refusal::NoFile) => return Err("is no file".to_owned()),
        Err(Refusal::Large(most)) => return Err(format!("is larger than {} MB", most >> 20)),
        Err(refusal) => return Err(refusal.to_string()),
    };
    let document: Document = serde_json::from_slice(&bytes)
        .map_err(|error| format!("is damaged ({})", text::brief(&error.to_string())))?;
    if document.schema != SCHEMA {
        return Err(format!(
            "has the schema {}, and this leakcheck reads {SCHEMA}",
            text::shortened(&document.schema, 40)
        ));
    }
    match document
        .files
        .iter()
        .find(|(_, seconds)| !(seconds.is_finite() && **seconds >= 0.0))
    {
        Some((file, seconds)) => Err(format!(
            "is damaged ({} took {seconds} s)",
            text::shortened(file, 80)
        )),
        None => Ok(document.files),
    }
}

fn put(folder: &Own, document: &Document) -> io::Result<()> {
    let mut text = serde_json::to_string_pretty(document)?;
    text.push('\n');
    folder.write(NAME, &text)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn seconds(all: &[(&str, f64)]) -> BTreeMap<String, f64> {
        all.iter()
            .map(|(file, seconds)| ((*file).to_owned(), *seconds))
            .collect()
    }

    #[test]
    fn what_was_not_measured_stays_unless_all_of_the_suite_was() {
        let project = tempfile::tempdir().unwrap();
        let of = || Durations::of(project.path()).unwrap();
        assert!(of().files.is_empty());
        of().write(&seconds(&[("a", 1.234), ("b", 2.0)]), true)
            .unwrap();
        of().write(&seconds(&[("b", 3.0)]), false).unwrap();
        assert_eq!(of().files, seconds(&[("a", 1.23), ("b", 3.0)]));
        of().write(&seconds(&[("b", 3.0)]), true).unwrap();
        assert_eq!(of().files, seconds(&[("b", 3.0)]));
        let left = fs::read_dir(project.path().join(FOLDER)).unwrap().count();
        assert_eq!(
            left, 2,
            "the durations, and what keeps out what is half written"
        );
    }

    #[test]
    fn a_damaged_file_is_told_in_one_line() {
        let project = tempfile::tempdir().unwrap();
        let path = project.path().join(FOLDER).join(NAME);
        fs::create_dir(path.parent().unwrap()).unwrap();
        for (text, cause) in [
            ("", "damaged"),
            ("<<<<<<< ours\n{}", "damaged"),
            ("[]", "damaged"),
            (
                r#"{"schema": "leakcheck.durations/9", "files": {}}"#,
                "durations/9",
            ),
            (
                r#"{"schema": "leakcheck.durations/1", "files": {"a\u001b[2J": -1}}"#,
                "took -1",
            ),
            (
                r#"{"schema": "leakcheck.durations/1", "files": {"a": 1e999}}"#,
                "damaged",
            ),
        ] {
            fs::write(&path, text).unwrap();
            let error = Durations::of(project.path()).unwrap_err();
            assert!(error.contains(cause), "{error}");
            assert!(
                !error.contains(['\n', '\u{1b}']) && error.contains(NAME),
                "{error}"
            );
        }
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(
            Durations::of(project.path())
                .unwrap_err()
                .contains("no file")
        );
    }
}
