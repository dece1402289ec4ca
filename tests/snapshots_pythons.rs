//! Snapshots written on one Python and compared on another: the same leaks are known there, and not new.

mod common;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use common::{Checked, Project};

/// Python `version` where this machine has one: on PATH, or of pyenv.
fn python(version: &str) -> Option<PathBuf> {
    let home = env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let pyenv = env::var_os("PYENV_ROOT").map_or_else(|| home.join(".pyenv"), PathBuf::from);
    let mut found = vec![PathBuf::from(format!("python{version}"))];
    for entry in fs::read_dir(pyenv.join("versions"))
        .into_iter()
        .flatten()
        .flatten()
    {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(&format!("{version}.")) {
            found.push(entry.path().join("bin/python"));
        }
    }
    let works = |path: &Path| {
        let script = format!("import sys; sys.exit('%d.%d' % sys.version_info[:2] != '{version}')");
        Command::new(path)
            .args(["-c", &script])
            .output()
            .is_ok_and(|output| output.status.success())
    };
    found.into_iter().find(|path| works(path))
}

fn check(project: &Project, python: &Path) -> Checked {
    let path = project.beside("report.json");
    let mut report = std::ffi::OsString::from("--report=json=");
    report.push(&path);
    let output = project
        .bare()
        .args(["run", "--runner", "unittest", "--python"])
        .arg(python)
        .arg(report)
        .output()
        .unwrap();
    Checked::read(output, &path)
}

fn accept(project: &Project) {
    let output = project.bare().arg("accept").output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// Accepts what `first` finds, and compares what `second` finds with that, twice: by fingerprint, and with rates of its
/// own.
fn crosswise(first: &Path, second: &Path, builds: [&str; 2]) {
    let project = Project::fixture("seed");
    let checked = check(&project, first);
    checked.exits(1);
    let leaks = checked.report.leaks().len();
    assert_eq!(leaks, 8);
    accept(&project);

    let checked = check(&project, second);
    checked.exits(0);
    assert_eq!(
        checked.report.summary.findings["known"], leaks,
        "{}",
        checked.stdout
    );
    assert_eq!(
        checked.report.summary.findings["fixed"], 0,
        "{}",
        checked.stdout
    );

    // Descriptors are counted alike everywhere; memory is not, and its rates wait to be added.
    let waiting = project.snapshots(".snap.new");
    assert!(!waiting.is_empty());
    for text in waiting.values() {
        assert!(text.contains("pending: rates"), "{text}");
        assert!(!text.contains("kind: fd"), "{text}");
    }
    accept(&project);
    let texts = project.snapshots(".snap");
    for text in texts.values().filter(|text| text.contains("kind: python")) {
        for build in builds {
            assert!(
                text.contains(&format!("  - '{build}'")),
                "{build} in {text}"
            );
        }
    }
    for python in [first, second] {
        let checked = check(&project, python);
        checked.exits(0);
        assert_eq!(
            checked.report.summary.findings["known"], leaks,
            "{}",
            checked.stdout
        );
        assert_eq!(project.snapshots(".snap.new").len(), 0);
    }
    assert_eq!(project.snapshots(".snap"), texts);
}

/// Both Pythons, or a line that says which one the machine lacks.
fn both() -> Option<(PathBuf, PathBuf)> {
    let (old, new) = (python("3.9"), python("3.13"));
    match (old, new) {
        (Some(old), Some(new)) => Some((old, new)),
        (old, new) => {
            eprintln!("skipped: needs Python 3.9 ({old:?}) and Python 3.13 ({new:?})");
            None
        }
    }
}

#[test]
fn accepted_on_the_old_one_and_known_on_the_new_one() {
    if let Some((old, new)) = both() {
        crosswise(&old, &new, ["3.9", "3.13"]);
    }
}

#[test]
fn accepted_on_the_new_one_and_known_on_the_old_one() {
    if let Some((old, new)) = both() {
        crosswise(&new, &old, ["3.13", "3.9"]);
    }
}
