//! What findings say of machine code: the function that allocates or loses a reference, the shared object, and whether that is the project's own crate.

mod common;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use common::{Checked, Finding, Packages, Project};

/// The built extension modules of the fixture: name and shared object.
fn built() -> [(&'static str, PathBuf); 2] {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("native_crate");
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/native_crate/Cargo.toml");
    let output = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--locked", "--manifest-path"])
        .arg(&manifest)
        .arg("--target-dir")
        .arg(&target)
        .env("PYO3_PYTHON", common::python(Packages::None))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    ["fastmod", "fixed"].map(|name| (name, target.join(format!("debug/lib_{name}.so"))))
}

fn project() -> Project {
    let project = Project::fixture("native_crate");
    for (name, library) in built() {
        fs::copy(library, project.root().join(format!("_{name}.abi3.so"))).unwrap();
    }
    project
}

#[track_caller]
fn finding<'a>(checked: &'a Checked, test: &str) -> &'a Finding {
    checked
        .report
        .findings
        .iter()
        .find(|finding| finding.tests.iter().any(|id| id.ends_with(test)))
        .unwrap_or_else(|| panic!("no finding of {test}\n{}", checked.stdout))
}

#[test]
fn the_leaking_function_and_its_crate_are_named_and_not_in_the_fixed_twin() {
    let project = project();
    for runner in ["unittest", "pytest"] {
        let checked = project.check(&["--runner", runner]);
        checked.exits(1);
        for (id, verdict) in checked.verdicts() {
            // PyO3 0.26 keeps a reference to the class with each instance where it is built for the stable ABI: 1,000 more
            // after 1,000 calls of `_fixed.Encoder(7)`, on Python 3.8 to 3.13.
            let expected = if id.contains("fixed") && !id.ends_with("test_encode") {
                "clean"
            } else {
                "leak"
            };
            assert_eq!(verdict, expected, "{id}\n{}", checked.stdout);
        }
        let fixed = |finding: &&Finding| finding.tests.iter().any(|id| id.contains("fixed"));
        let of_fixed: Vec<&Finding> = checked.report.findings.iter().filter(fixed).collect();
        let [of_pyo3] = of_fixed[..] else {
            panic!("{}", checked.stdout)
        };
        let said =
            "1 reference to the class _fixed.Encoder is lost in each iteration by `_fixed.Encoder`";
        assert_eq!(of_pyo3.code, "LK203");
        assert!(of_pyo3.summary.starts_with(said), "{}", of_pyo3.summary);
        for (test, function, line, place) in [
            (
                "test_remember",
                "_fastmod::remember",
                8,
                "notes.py:5 in file_away",
            ),
            (
                "test_encode",
                "_fastmod::Encoder::encode",
                46,
                "notes.py:19 in encode",
            ),
        ] {
            let finding = finding(&checked, test);
            assert_eq!((&*finding.code, &*finding.kind), ("LK201", "native"));
            let said = format!(
                "allocated by `{function}` (crates/fastmod/src/lib.rs:{line}) in `_fastmod` (crates/fastmod, yours), called at {place}"
            );
            assert!(finding.summary.ends_with(&said), "{}", finding.summary);
            assert_eq!(finding.owner, "project");
            assert!(finding.advice.contains(function), "{}", finding.advice);
        }
        for (test, function, line, calling, born) in [
            (
                "test_lend",
                "_fastmod.lend",
                15,
                10,
                "notes.py:9 in lend_out",
            ),
            (
                "test_stamp",
                "_fastmod.stamp",
                24,
                14,
                "notes.py:14 in stamp, made by `_fastmod::stamp` (crates/fastmod/src/lib.rs:26)",
            ),
        ] {
            let finding = finding(&checked, test);
            assert_eq!((&*finding.code, &*finding.kind), ("LK202", "python"));
            let said = format!(
                "held from outside Python: a reference was lost by `{function}` (crates/fastmod/src/lib.rs:{line}) \
                 in `_fastmod` (crates/fastmod, yours), called at notes.py:{calling}, allocated at {born}"
            );
            assert!(finding.summary.ends_with(&said), "{}", finding.summary);
        }
    }
}

#[test]
fn without_cargo_the_function_is_still_named() {
    let project = project();
    let path = project.beside("report.json");
    let mut report = std::ffi::OsString::from("--report=json=");
    report.push(&path);
    let output = project
        .command()
        .arg(report)
        .args(["--runner", "unittest", "tests/test_fastmod.py"])
        .env("PATH", project.temporary())
        .env_remove("CARGO")
        .output()
        .unwrap();
    let checked = Checked::read(output, &path);
    let summary = &finding(&checked, "test_remember").summary;
    assert!(
        summary.contains("allocated by `_fastmod::remember` (crates/fastmod/src/lib.rs:8) in `_fastmod` (yours), called at"),
        "{summary}"
    );
    checked.notes(&["which machine code is built from this project is not known: `cargo metadata` could not be started: "]);
    assert_eq!(checked.report.errors.len(), 0);
}
