//! `make leakcheck` in the example project, from a clean clone each time: red, accepted, green.

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use common::{Packages, Project, git, python};

/// A new clone of the project, beside it.
fn clone(project: &Project, name: &str) -> PathBuf {
    let to = project.beside(name);
    let address = to.display().to_string();
    git(&project.root(), &["clone", "--quiet", ".", &address]);
    to
}

fn make(folder: &Path, args: &[&str]) -> Output {
    let python = python(Packages::Plain);
    common::scrubbed(Command::new("make"))
        .args(args)
        .current_dir(folder)
        .env("LEAKCHECK", env!("CARGO_BIN_EXE_leakcheck"))
        .env("VIRTUAL_ENV", python.parent().unwrap().parent().unwrap())
        .env("PYTHON", &python)
        .output()
        .expect("make is there")
}

#[test]
fn red_then_accepted_then_green() {
    let project = Project::fixture("adoption");
    project.write(".gitignore", "__pycache__/\n");
    let template = fs::read_to_string("src/cli/init/Makefile").unwrap();
    let example = fs::read_to_string(project.root().join("Makefile")).unwrap();
    assert!(
        example.ends_with(&template),
        "the example is not what init writes"
    );
    git(&project.root(), &["init", "--quiet"]);
    git(&project.root(), &["add", "-A"]);
    git(
        &project.root(),
        &["commit", "--quiet", "-m", "as it stands"],
    );

    let first = clone(&project, "first");
    let red = make(&first, &["leakcheck"]);
    let said = String::from_utf8_lossy(&red.stdout).into_owned();
    assert_eq!(red.status.code(), Some(2), "{red:?}");
    assert!(said.contains("leak[LK101]"), "{said}");
    assert!(
        String::from_utf8_lossy(&red.stderr).contains("Error 1"),
        "{red:?}"
    );

    let accepted = make(&first, &["leakcheck-accept"]);
    assert!(accepted.status.success(), "{accepted:?}");
    git(&first, &["add", "-A"]);
    let changed = git(&first, &["diff", "--cached", "--name-only"]);
    assert!(
        changed.lines().all(|path| path.starts_with(".leakcheck/")),
        "{changed}"
    );
    git(&first, &["commit", "--quiet", "-m", "what is there"]);
    git(
        &project.root(),
        &["pull", "--quiet", &first.display().to_string()],
    );

    // Beside other targets too, with the jobs of make.
    let second = clone(&project, "second");
    let green = make(&second, &["-j", "4", "leakcheck", "test"]);
    assert!(green.status.success(), "{green:?}");
    let said = String::from_utf8_lossy(&green.stdout).into_owned();
    assert!(said.contains("exit 0"), "{said}");
    assert_eq!(git(&second, &["status", "--porcelain"]), "");
}
