//! `leakcheck init` from the command line: what it writes works, and what is there stays.

mod common;

use std::{collections::BTreeSet, fs, path::PathBuf, process::Command};

use common::Project;

fn init(project: &Project, args: &[&str]) -> String {
    let output = project.bare().arg("init").args(args).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn all(project: &Project) -> BTreeSet<PathBuf> {
    let mut all = project.files();
    if project.root().join(".leakcheck/.gitignore").exists() {
        all.insert(".leakcheck/.gitignore".into());
    }
    all
}

#[test]
fn a_project_is_set_up_and_its_tests_run_as_before() {
    let project = Project::of(&[("test_a.py", "def test_a():\n    pass\n")]);
    let before = all(&project);
    let said = init(&project, &["--dry-run"]);
    assert!(
        said.contains("would write") && said.contains("pipx install leakcheck-gate"),
        "{said}"
    );
    assert_eq!(all(&project), before);

    init(&project, &[]);
    let after = all(&project);
    for path in [
        "leakcheck.toml",
        "Makefile",
        ".github/workflows/leakcheck.yml",
        ".leakcheck/.gitignore",
    ] {
        assert!(after.contains(&PathBuf::from(path)), "{path}");
    }
    project.check(&[]).exits(0).all("clean", 1);
    if let Ok(made) = Command::new("make")
        .args(["--dry-run", "leakcheck"])
        .current_dir(project.root())
        .output()
    {
        assert_eq!(String::from_utf8(made.stdout).unwrap(), "leakcheck run\n");
    }

    let texts = |project: &Project| -> Vec<String> {
        all(project)
            .iter()
            .filter_map(|path| fs::read_to_string(project.root().join(path)).ok())
            .collect()
    };
    project.write("Makefile", "mine:\n");
    let before = texts(&project);
    let said = init(&project, &[]);
    assert!(
        !said.contains("wrote") && said.contains("$(LEAKCHECK) run\n"),
        "{said}"
    );
    assert_eq!(texts(&project), before);
}

#[test]
fn it_says_how_to_register_the_marker_so_that_pytest_takes_it() {
    let project = Project::of(&[(
        "test_a.py",
        "import pytest\n\n@pytest.mark.leakcheck()\ndef test_a():\n    pass\n",
    )]);
    let said = init(&project, &["--dry-run"]);
    let lines = said.split("under [pytest]:\n\n").nth(1).unwrap();
    let lines: Vec<&str> = lines.lines().take_while(|line| !line.is_empty()).collect();
    let strict = |ini: &str| {
        project.write("pytest.ini", ini);
        let output = Command::new(common::python(common::Packages::Plain))
            .args([
                "-m",
                "pytest",
                "-q",
                "--strict-markers",
                "-p",
                "no:cacheprovider",
            ])
            .current_dir(project.root())
            .output()
            .unwrap();
        output.status.success()
    };
    assert!(!strict("[pytest]\n"), "the marker is known already");
    assert!(
        strict(&format!("[pytest]\n{}\n", lines.join("\n"))),
        "{lines:?}"
    );
}

#[test]
fn a_place_that_is_none_is_said() {
    let project = Project::of(&[]);
    let output = project.bare().args(["init", "nowhere"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("no such directory: nowhere")
    );
    for verb in ["accept", "reject", "review"] {
        let output = project
            .bare()
            .args([verb, "--project", "nowhere"])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{verb}");
    }
}
