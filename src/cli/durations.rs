//! How long each file of a suite took, kept so that shards are even: `.leakcheck/durations.json`.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{baseline::files::FOLDER, report::text};

/// Its name in the project's folder of ours.
const NAME: &str = "durations.json";
/// Name and version of its schema.
const SCHEMA: &str = "leakcheck.durations/1";
/// Bytes of the largest file that is read: some hundred thousand files of tests.
const LARGEST: u64 = 16 << 20;

/// Durations of a project.
#[derive(Debug, Default)]
pub struct Durations {
    path: PathBuf,
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
        let path = project.join(FOLDER).join(NAME);
        let files = read(&path).map_err(|cause| {
            format!(
                "{FOLDER}/{NAME} {cause}; without it the suite is divided by the number of tests"
            )
        })?;
        Ok(Durations { path, files })
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
        put(&self.path, &document).map_err(|error| format!("cannot write {FOLDER}/{NAME}: {error}"))
    }
}

fn read(path: &Path) -> Result<BTreeMap<String, f64>, String> {
    let unreadable = |error: io::Error| format!("cannot be read: {error}");
    // Looked at before it is opened: opening a pipe would wait for ever.
    match fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() => return Err("is no file".to_owned()),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(unreadable(error)),
    }
    let mut bytes = Vec::new();
    fs::File::open(path)
        .and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    if bytes.len() as u64 > LARGEST {
        return Err(format!("is larger than {} MB", LARGEST >> 20));
    }
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

/// In one step: who reads sees the old file or the new one.
fn put(path: &Path, document: &Document) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(".tmp");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As any file: the user's mask applies.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder)?;
    serde_json::to_writer_pretty(&mut file, document)?;
    file.write_all(b"\n")?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
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
        assert_eq!(left, 1);
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
