//! Runs that ask for what was found before: `leakcheck run --expect-fixed ID` and `--lf`.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use crate::{
    baseline::{
        files::{File, Folder},
        format::{Entry, Snapshot},
    },
    bisect::answer::{self, Answer},
    config::text,
    discover::Project,
    exit_code::ExitCode,
    explain::fingerprint,
    report::{Report, text::counted},
};

/// What is expected to be gone: an accepted snapshot, or one that waits.
pub(super) struct Expected(Snapshot);

impl Expected {
    /// The one whose fingerprint begins with `id`.
    pub fn of(project: &Project, id: &str) -> Result<Expected, String> {
        let folder = Folder::of(&project.root);
        let mut files = folder.pending().0;
        files.extend(folder.accepted().unwrap_or_default());
        let mut known = of_findings(files);
        // The same one may be accepted and wait with another rate.
        known.sort_by(|a, b| a.fingerprint.cmp(&b.fingerprint));
        known.dedup_by(|a, b| a.fingerprint == b.fingerprint);
        let found: Vec<&Snapshot> = known
            .iter()
            .filter(|snapshot| fingerprint::is_meant(&snapshot.fingerprint, id))
            .collect();
        match found[..] {
            [one] => Ok(Expected(one.clone())),
            [] => {
                let there: Vec<&str> = { known.iter() }
                    .map(|snapshot| fingerprint::short(&snapshot.fingerprint))
                    .collect();
                let there = match there.len() {
                    0 => "none is there".to_owned(),
                    _ => format!("there are {}", there.join(", ")),
                };
                Err(format!(
                    "no snapshot in .leakcheck/snapshots has the fingerprint {}; {there}",
                    text::excerpt(id, 70)
                ))
            }
            _ => Err(format!(
                "{id} is the beginning of several fingerprints; give more digits"
            )),
        }
    }

    /// The tests that show it, where these can be named to the runner; none where all are to run.
    pub fn tests(&self, project: &Project) -> Vec<PathBuf> {
        tests(std::slice::from_ref(&self.0), project)
    }

    /// Adds to the report whether it is gone, and to the exit code. The line says it.
    pub fn judge(&self, report: &mut Report) -> String {
        let id = fingerprint::short(&self.0.fingerprint);
        let (said, code) = match answer::of_snapshot(report, &self.0) {
            Answer::Clean => {
                let said = format!("{id} is fixed: its tests were judged and do not show it");
                (said, ExitCode::Success)
            }
            Answer::Shows(_) => (format!("{id} is still there"), ExitCode::Leak),
            Answer::Unjudged(why) => {
                let said = format!("whether {id} is fixed cannot be told: {why}");
                (said, ExitCode::NoEvidence)
            }
        };
        report.exit_code = ExitCode::first(&[report.exit_code, code]);
        report.notes.push(said.clone());
        said
    }
}

/// The tests of all that waits since the runs before, in `.leakcheck/snapshots`.
#[derive(Debug)]
pub(super) struct Waiting {
    /// Those to run; none where all are to.
    pub tests: Vec<PathBuf>,
    /// What is to be said of it.
    pub note: String,
}

impl Waiting {
    /// What waits in a project.
    pub fn of(project: &Project) -> Waiting {
        let snapshots = of_findings(Folder::of(&project.root).pending().0);
        let tests = tests(&snapshots, project);
        let note = match (snapshots.len(), tests.len()) {
            (0, _) => "--lf: nothing waits in .leakcheck/snapshots, so all tests run".to_owned(),
            (_, 0) => "--lf: what waits cannot be named to the runner, so all tests run".to_owned(),
            (found, _) => format!(
                "--lf: only what showed the {} that wait{} in .leakcheck/snapshots ran",
                counted(found, "finding"),
                if found == 1 { "s" } else { "" }
            ),
        };
        Waiting { tests, note }
    }
}

/// The snapshots among some files that are of one finding, and not of a whole package.
fn of_findings(files: Vec<File>) -> Vec<Snapshot> {
    let one = |file: File| match file.entry {
        Entry::One(snapshot) => Some(*snapshot),
        Entry::Whole(_) => None,
    };
    files.into_iter().filter_map(one).collect()
}

/// The tests of some snapshots, where these can be named to the runner; none where all are to run.
fn tests(snapshots: &[Snapshot], project: &Project) -> Vec<PathBuf> {
    if snapshots.iter().any(|snapshot| snapshot.more_tests) {
        return Vec::new();
    }
    let ids = snapshots.iter().flat_map(|snapshot| &snapshot.tests);
    let named: Option<BTreeSet<PathBuf>> = ids.map(|id| named(id, &project.root)).collect();
    named.map_or_else(Vec::new, |named| named.into_iter().collect())
}

/// What to give to the runner for a test: the id where it begins with its file, else the file that a module's name means.
fn named(id: &str, root: &Path) -> Option<PathBuf> {
    let is_file = |file: &Path| !file.as_os_str().is_empty() && root.join(file).is_file();
    if let Some((file, _)) = id.split_once("::") {
        return is_file(Path::new(file)).then(|| id.into());
    }
    let parts: Vec<&str> = id.split('.').collect();
    (1..parts.len())
        .rev()
        .map(|many| PathBuf::from(parts[..many].join("/")).with_extension("py"))
        .find(|file| is_file(file))
}
