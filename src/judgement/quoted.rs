//! Which files' lines a report may quote, and reads them.
//!
//! A test may call code by the name of any file of the machine, and a report goes to where others read it: the lines of a
//! file are quoted only where it is source of the project (its repository's), of an installed package, or of the standard
//! library, links followed; and never where it, or a folder below these, is hidden (`.git/config`, `.env`).

use std::path::{Component, Path, PathBuf};

use crate::{
    files::{
        name,
        read::{self, SOURCE},
    },
    finding::Excerpt,
    heap::owner::Places,
    run::Run,
};

/// Generated code has lines of megabytes, and a report is no place for them.
const WIDEST: usize = 400;

/// Whether lines of `file` may be quoted.
fn may_be(places: &Places, file: &Path) -> bool {
    let Ok(file) = file.canonicalize() else {
        return false;
    };
    let repository = places
        .project
        .ancestors()
        .find(|folder| folder.join(".git").exists());
    let roots = places
        .packages
        .iter()
        .chain(&places.stdlib)
        .map(PathBuf::as_path)
        .chain([&*places.project])
        .chain(repository);
    // A root may lie in another one, hidden there: `.venv/lib/python3.12/site-packages`.
    roots
        .filter_map(|root| {
            file.strip_prefix(root.canonicalize().ok()?)
                .ok()
                .map(Path::to_owned)
        })
        .any(|inside| !inside.components().any(is_hidden))
}

fn is_hidden(part: Component<'_>) -> bool {
    part.as_os_str().as_encoded_bytes().starts_with(b".")
}

/// The lines of a file, from the first to the last; none where it is no text, gone, or not to be quoted.
pub(super) fn lines(places: &Places, file: &str) -> Vec<String> {
    let path = &name::to_path(file);
    if !may_be(places, path) {
        return Vec::new();
    }
    let text = read::text(path, SOURCE).unwrap_or_default();
    text.split('\n')
        .map(|line| line.trim_end_matches('\r').chars().take(WIDEST).collect())
        .collect()
}

/// The text of a line, as the test process read it.
pub(super) fn line(run: &Run, places: &Places, place: &(String, u32)) -> Option<String> {
    let (_, text) = run.sources.get(place)?;
    let text = text.as_ref()?;
    may_be(places, &name::to_path(&place.0)).then(|| text.clone())
}

/// The line with two before and one after it, where its file may be quoted. Lines count from 1.
pub(super) fn excerpt(places: &Places, (file, line): &(String, u32)) -> Option<Excerpt> {
    const BEFORE: u32 = 2;
    const AFTER: u32 = 1;
    if *line == 0 {
        return None;
    }
    let first = line.saturating_sub(BEFORE).max(1);
    let skipped = usize::try_from(first - 1).ok()?;
    let shown = usize::try_from(line - first + 1 + AFTER).ok()?;
    let mut lines = lines(places, file);
    if lines.last().is_some_and(String::is_empty) {
        // What follows the last line's end is none.
        lines.pop();
    }
    let lines: Vec<String> = lines.into_iter().skip(skipped).take(shown).collect();
    (lines.len() + 1 >= shown).then(|| Excerpt {
        first,
        text: lines.join("\n"),
    })
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn only_source_of_the_project_and_of_what_is_installed_is_quoted() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        for name in [
            "repository/.git/config",
            "repository/common/shared.py",
            "repository/project/app.py",
            "repository/project/.env",
            "repository/project/.venv/lib/site-packages/dep.py",
            "repository/project/.venv/secret.py",
            "python/lib/json.py",
            "python/etc/passwd",
            "elsewhere/secret",
        ] {
            fs::create_dir_all(at(name).parent().unwrap()).unwrap();
            fs::write(at(name), "one\ntwo\n").unwrap();
        }
        symlink(at("elsewhere/secret"), at("repository/project/link.py")).unwrap();
        symlink(at("repository"), at("way")).unwrap();
        let places = Places {
            project: at("way/project"),
            packages: vec![at("way/project/.venv/lib/site-packages")],
            stdlib: vec![at("python/lib")],
            bridge: PathBuf::new(),
        };
        let quoted = |name: &str| !lines(&places, at(name).to_str().unwrap()).is_empty();
        for name in [
            "repository/project/app.py",
            "way/project/app.py",
            "repository/common/shared.py",
            "repository/project/.venv/lib/site-packages/dep.py",
            "python/lib/json.py",
        ] {
            assert!(quoted(name), "{name}");
        }
        for name in [
            "repository/.git/config",
            "repository/project/.env",
            "repository/project/.venv/secret.py",
            "repository/project/link.py",
            "repository/project/../../elsewhere/secret",
            "python/etc/passwd",
            "elsewhere/secret",
            "repository/project/gone.py",
        ] {
            assert!(!quoted(name), "{name}");
        }
        assert!(lines(&places, "/dev/zero").is_empty());
    }
}
