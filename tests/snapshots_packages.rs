//! Leaks of an installed package are accepted by its name and version, and fail again with another version.

mod common;

use std::{fs, path::PathBuf};

use common::{Checked, Packages, Project};

const LEAKY: &str = "\
kept = []

def remember(value):
    kept.append({'value': value})
";

/// A project with a virtual environment of its own, in which `my-lib` leaks.
struct Environment {
    project: Project,
    site: PathBuf,
}

impl Environment {
    fn new() -> Environment {
        let project = Project::of(&[(
            "test_it.py",
            "import unittest\nimport my_lib\n\n\nclass TestIt(unittest.TestCase):\n    def test_it(self):\n        my_lib.remember(1)\n",
        )]);
        let base = common::python(Packages::None);
        let status = std::process::Command::new(base)
            .args(["-m", "venv", "--without-pip"])
            .arg(project.beside("venv"))
            .status()
            .unwrap();
        assert!(status.success());
        let (major, minor) = common::python_version();
        let site = project
            .beside("venv")
            .join(format!("lib/python{major}.{minor}/site-packages"));
        fs::create_dir_all(site.join("my_lib")).unwrap();
        fs::write(site.join("my_lib/__init__.py"), LEAKY).unwrap();
        let environment = Environment { project, site };
        environment.install("1.0");
        environment
    }

    /// Has version `version`, and no other one, in the records.
    fn install(&self, version: &str) {
        for entry in fs::read_dir(&self.site).unwrap() {
            let path = entry.unwrap().path();
            if path
                .extension()
                .is_some_and(|extension| extension == "dist-info")
            {
                fs::remove_dir_all(path).unwrap();
            }
        }
        let record = self.site.join(format!("my_lib-{version}.dist-info"));
        fs::create_dir_all(&record).unwrap();
        fs::write(record.join("RECORD"), "my_lib/__init__.py,,\n").unwrap();
    }

    fn check(&self) -> Checked {
        let path = self.project.beside("report.json");
        let mut report = std::ffi::OsString::from("--report=json=");
        report.push(&path);
        let output = self
            .project
            .bare()
            .args(["run", "--runner", "unittest", "--python"])
            .arg(self.project.beside("venv/bin/python"))
            .arg(report)
            .output()
            .unwrap();
        Checked::read(output, &path)
    }
}

#[test]
fn a_package_is_accepted_in_one_version() {
    let environment = Environment::new();
    let project = &environment.project;
    let checked = environment.check();
    checked.exits(1);
    assert_eq!(checked.only_leak().owner, "dependency");
    let waiting = project.snapshots(".snap.new").into_values().next().unwrap();
    assert!(
        waiting.contains("name: my-lib") && waiting.contains("'1.0'"),
        "{waiting}"
    );

    let output = project
        .bare()
        .args(["accept", "--package", "other"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("my-lib==1.0")
    );

    let output = project
        .bare()
        .args(["accept", "--package", "My_Lib", "--reason", "their issue 3"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(project.snapshots(".snap.new").len(), 0);
    let accepted = project.snapshots(".snap");
    assert_eq!(
        accepted.keys().collect::<Vec<_>>(),
        ["package-my-lib-1.0.snap"]
    );

    let checked = environment.check();
    checked.exits(0);
    assert_eq!(checked.only_leak().status, "known");
    assert!(
        checked.stdout.contains("their issue 3"),
        "{}",
        checked.stdout
    );

    environment.install("1.1");
    let checked = environment.check();
    checked.exits(1);
    assert_eq!(checked.only_leak().status, "new");
    assert_eq!(project.snapshots(".snap"), accepted);
}
