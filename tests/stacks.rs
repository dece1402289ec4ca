//! What findings say of native memory: the function of C or C++ that asks for it, its file and its line, whatever the way there.

mod common;

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use common::{Checked, Finding, Packages, Project};

/// How the machine code of a project is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Built {
    WithLines,
    WithNames,
    Stripped,
}

/// The option with which a compiler finds the headers of the Python under test.
fn headers() -> String {
    let python = common::python(Packages::None);
    let script = "import sysconfig; print(sysconfig.get_path('include'))";
    let output = Command::new(python).args(["-c", script]).output().unwrap();
    let include = String::from_utf8(output.stdout).unwrap();
    format!("-I{}", include.trim())
}

/// The project with its machine code; none without compilers.
fn project(built: Built) -> Option<Project> {
    let project = Project::fixture("native_stacks");
    let root = project.root();
    let include = headers();
    let options: &[&str] = match built {
        Built::WithLines => &["-g"],
        Built::WithNames => &[],
        Built::Stripped => &["-s"],
    };
    let compile = |compiler: &str, arguments: &[&str]| {
        let status = Command::new(compiler)
            .current_dir(&root)
            .args([
                "-shared",
                "-fPIC",
                "-O1",
                "-fno-optimize-sibling-calls",
                &include,
            ])
            .args(options)
            .args(arguments)
            .status();
        match status {
            Ok(status) => {
                assert!(status.success(), "{compiler} {arguments:?}");
                true
            }
            Err(error) => {
                eprintln!("skipped: {compiler} cannot be started here: {error}");
                false
            }
        }
    };
    let made = compile("cc", &["src/shelf.c", "-o", "libshelf.so"])
        && compile(
            "cc",
            &[
                "src/leaks.c",
                "-o",
                "_leaks.so",
                "-L.",
                "-lshelf",
                "-pthread",
                "-Wl,-rpath,$ORIGIN",
            ],
        )
        && compile("c++", &["src/cells.cc", "-o", "_cells.so"]);
    made.then_some(project)
}

/// File and line of each `WORD test_…` in the sources, by test.
fn marked(root: &Path, word: &str) -> BTreeMap<String, (String, u64)> {
    let mut found = BTreeMap::new();
    for name in [
        "leaks.c", "shelf.c", "cells.cc", "cy.pyx", "bound.cc", "nano.cc", "plain.c",
    ] {
        let file = format!("src/{name}");
        let text = fs::read_to_string(root.join(&file)).unwrap_or_default();
        for (line, number) in text.lines().zip(1..) {
            if let Some((_, rest)) = line.split_once(&format!("{word} test_")) {
                let test = rest.trim_end_matches("*/").trim();
                found.insert(format!("test_{test}"), (file.clone(), number));
            }
        }
    }
    found
}

/// The function that linkers know, by test: those that are inlined have another one's name.
const FUNCTIONS: [(&str, &str); 16] = [
    ("test_small", "small"),
    ("test_small_object_memory", "small_object_memory"),
    ("test_chain", "read_header"),
    ("test_inlined", "store"),
    ("test_closed", "open_document"),
    ("test_most_freed", "many"),
    ("test_two", "first_of_two"),
    ("test_thread", "work"),
    ("test_realloc", "append"),
    ("test_mapped", "map_pages"),
    ("test_now_and_then", "now_and_then"),
    ("test_two_libraries", "fresh"),
    ("test_new", "grid::Board::place"),
    ("test_container", "grid::Board::note"),
    ("test_map", "grid::Board::index"),
    ("test_ctypes", "shelf_label"),
];

#[track_caller]
fn finding<'a>(checked: &'a Checked, test: &str) -> &'a Finding {
    let ends = |finding: &&Finding| {
        finding
            .tests
            .iter()
            .any(|id| id.ends_with(&format!(".{test}")))
    };
    { checked.report.findings.iter() }
        .find(ends)
        .unwrap_or_else(|| panic!("no finding of {test}\n{}", checked.stdout))
}

fn leaks(checked: &Checked) {
    checked.exits(1);
    for (id, verdict) in checked.verdicts() {
        let expected = if id.to_lowercase().contains("healthy") {
            "clean"
        } else {
            "leak"
        };
        assert_eq!(verdict, expected, "{id}\n{}", checked.stdout);
    }
    let notes = &checked.report.notes;
    assert!(
        notes.iter().all(|note| !note.contains("C code")),
        "{notes:#?}"
    );
}

#[test]
fn the_line_of_c_is_told_and_without_lines_the_function_and_without_names_the_place() {
    let Some(project) = project(Built::WithLines) else {
        return;
    };
    let lines = project.check(&["--runner", "unittest"]);
    leaks(&lines);
    let (first, also) = (
        marked(&project.root(), "LEAK"),
        marked(&project.root(), "ALSO"),
    );
    let mut wrong = Vec::new();
    for (test, function) in FUNCTIONS {
        let finding = finding(&lines, test);
        let stack = &finding.native.as_ref().unwrap()["stack"];
        let place = |site: &common::Site| (site.file.clone(), u64::from(site.line));
        if place(&finding.sites[0]) != first[test]
            || also
                .get(test)
                .is_some_and(|also| !finding.sites.iter().any(|site| place(site) == *also))
            || !stack[0]["file"].is_string()
            || finding.code
                != if test == "test_mapped" {
                    "LK206"
                } else {
                    "LK201"
                }
            || finding.owner != "project"
        {
            wrong.push(format!(
                "{test} {function}: {:?} {}",
                finding.sites, finding.summary
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let chain = finding(&lines, "test_chain");
    let (file, line) = &first["test_chain"];
    let said = format!(
        "allocated by `read_header` ({file}:{line}) in `_leaks` (yours), called at stacks.py:"
    );
    assert!(chain.summary.contains(&said), "{}", chain.summary);
    let functions: Vec<&str> = { chain.c_stack.iter() }
        .map(|frame| frame.split(' ').next().unwrap())
        .collect();
    assert_eq!(
        functions,
        [
            "read_header",
            "parse_file",
            "py_chain",
            "call",
            "TestLeaks.test_chain"
        ]
    );
    let thread = &finding(&lines, "test_thread").summary;
    assert!(
        thread.ends_with("in a thread that is not Python's"),
        "{thread}"
    );

    let Some(project) = self::project(Built::WithNames) else {
        return;
    };
    let names = project.check(&["--runner", "unittest"]);
    leaks(&names);
    for (test, function) in FUNCTIONS {
        let found = finding(&names, test);
        let name = found.native.as_ref().unwrap()["name"].as_str().unwrap();
        assert!(name.starts_with(function), "{test}: {name}");
        let other = finding(&lines, test);
        assert_eq!(
            found.fingerprint, other.fingerprint,
            "{test}: {} {}",
            found.summary, other.summary
        );
    }

    let Some(project) = self::project(Built::Stripped) else {
        return;
    };
    let stripped = project.check(&["--runner", "unittest"]);
    leaks(&stripped);
    let thread = finding(&stripped, "test_thread");
    for (test, _) in FUNCTIONS {
        let found = finding(&stripped, test);
        let native = found.native.as_ref().unwrap();
        let told = &native["stack"][0];
        // What others may call keeps its name, and so does the finding.
        let is_exported = ["test_ctypes", "test_new", "test_container", "test_map"].contains(&test);
        let same = finding(&lines, test).fingerprint == found.fingerprint;
        assert_eq!(same, is_exported, "{test}: {}", found.summary);
        assert!(
            is_exported || told["offset"].as_u64() > Some(0),
            "{test}: {native}"
        );
        let advice = &found.advice;
        assert!(
            is_exported || advice.contains("with -g"),
            "{test}: {advice}"
        );
        // Of the others the line of Python is all that is known; in a thread of C code's own there is none.
        if found.fingerprint != thread.fingerprint {
            assert_eq!(found.sites[0].file, "stacks.py", "{test}");
        }
        assert!(
            found.summary.contains("native memory") || found.code == "LK206",
            "{}",
            found.summary
        );
    }
}

#[test]
fn one_test_under_the_microscope_has_the_bytes_of_malloc_beside_those_of_python() {
    let Some(project) = project(Built::WithLines) else {
        return;
    };
    let (json, html) = (project.beside("page.json"), project.beside("page.html"));
    let output = project
        .bare()
        .args(["inspect", "TestLeaks.test_two", "--runner=unittest"])
        .args(["--quiet", "--python"])
        .arg(project.python())
        .arg(format!("--json={}", json.display()))
        .arg(format!("--html={}", html.display()))
        .env("COLUMNS", "160")
        .output()
        .unwrap();
    let page = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{page}");
    let seen: serde_json::Value = serde_json::from_slice(&fs::read(json).unwrap()).unwrap();
    let lines = marked(&project.root(), "LEAK");
    let (file, line) = &lines["test_two"];
    let native = seen["native"].as_array().unwrap();
    let [first, second] = &native[..] else {
        panic!("{native:#?}");
    };
    let of = |one: &serde_json::Value| (one["bytes"].as_f64(), one["chunks"].as_f64());
    assert_eq!(
        (of(first), of(second)),
        ((Some(400.0), Some(1.0)), (Some(300.0), Some(1.0)))
    );
    assert_eq!(first["stack"][0], format!("first_of_two ({file}:{line})"));
    let last = first["stack"].as_array().unwrap().last().unwrap();
    assert!(
        last.as_str().unwrap().starts_with("TestLeaks.test_two ("),
        "{last}"
    );
    let routines = seen["routines"].as_array().unwrap();
    let rows = routines
        .iter()
        .flat_map(|routine| routine["lines"].as_array().unwrap());
    let with: Vec<_> = rows.filter(|row| !row["malloc"].is_null()).collect();
    let [row] = &with[..] else {
        panic!("{routines:#?}");
    };
    assert_eq!(row["malloc"], serde_json::json!([2.0, 700.0]), "{row}");
    let html = fs::read_to_string(html).unwrap();
    for part in [
        "Native memory that stays, per iteration",
        "malloc",
        "+700 B",
        "first_of_two (src",
    ] {
        assert!(page.contains(part) && html.contains(part), "{part}\n{page}");
    }
}

#[test]
fn what_binds_code_to_python_does_not_stand_between_it_and_the_reader() {
    if common::python_version() < (3, 10) {
        eprintln!("skipped: the packages need Python 3.10");
        return;
    }
    let project = Project::fixture("native_bindings").with(Packages::Bindings);
    let python = common::python(Packages::Bindings);
    let folder = python.parent().unwrap();
    let run = |program: &Path, arguments: &[&str]| {
        let status = Command::new(program)
            .current_dir(project.root())
            .args(arguments)
            .status();
        status.is_ok_and(|status| status.success())
    };
    assert!(run(
        &folder.join("cython"),
        &["-3", "src/cy.pyx", "-o", "src/cy.c"]
    ));
    let output = Command::new(&python)
        .args(["-m", "pybind11", "--includes"])
        .output()
        .unwrap();
    let includes = String::from_utf8(output.stdout).unwrap();
    let headers = headers();
    let compile = |compiler: &str, sources: &[&str], made: &str| {
        let mut arguments = vec!["-shared", "-fPIC", "-O1", "-g", &*headers, "-o", made];
        arguments.extend(includes.split_whitespace());
        arguments.extend(sources);
        run(Path::new(compiler), &arguments)
    };
    // nanobind is compiled into each extension that uses it.
    let output = Command::new(&python)
        .args(["-c", "import nanobind; print(nanobind.__path__[0])"])
        .output()
        .unwrap();
    let nanobind = String::from_utf8(output.stdout).unwrap();
    let nanobind = nanobind.trim();
    let made = compile("cc", &["src/plain.c"], "libplain.so")
        && compile("cc", &["src/cy.c"], "cy.so")
        && compile("c++", &["src/bound.cc"], "bound.so")
        && compile(
            "c++",
            &[
                "-std=c++17",
                "-fno-strict-aliasing",
                &format!("-I{nanobind}/include"),
                &format!("-I{nanobind}/ext/robin_map/include"),
                &format!("{nanobind}/src/nb_combined.cpp"),
                "src/nano.cc",
            ],
            "nano.so",
        );
    if !made {
        eprintln!("skipped: no compiler here");
        return;
    }
    let checked = project.check(&["--runner", "unittest"]);
    leaks(&checked);
    let lines = marked(&project.root(), "LEAK");
    for (test, function) in [
        ("test_cython", "cy.take"),
        ("test_pybind11", "keep"),
        ("test_nanobind", "keep"),
        ("test_nanobind_class", "Shelf::Shelf"),
        ("test_cffi", "plain_keep"),
    ] {
        let found = finding(&checked, test);
        let site = &found.sites[0];
        let place = (site.file.clone(), u64::from(site.line));
        assert_eq!(place, lines[test], "{}", found.summary);
        let name = &found.native.as_ref().unwrap()["name"];
        assert_eq!(name, function, "{}", found.summary);
        assert!(found.c_stack.len() <= 4, "{:#?}", found.c_stack);
    }
    // What makes objects for everybody, and calls C++ for everybody, is not told.
    let object = finding(&checked, "test_pybind11_object");
    let (file, line) = &lines["test_pybind11_object"];
    let end = format!(", made by `make_pair` ({file}:{line})");
    let by = "a reference was lost by `bound.lose` in `bound` (yours), called at";
    for part in [by, &end] {
        assert!(object.summary.contains(part), "{}", object.summary);
    }
    let [make, lose, test] = &object.c_stack[..] else {
        panic!("{:#?}", object.c_stack);
    };
    assert_eq!(*make, format!("make_pair ({file}:{line})"));
    assert!(lose.starts_with("lose (src/bound.cc:") && test.starts_with("TestBindings."));
    // A function of nanobind's is no builtin, so which call lost it is not seen.
    let object = finding(&checked, "test_nanobind_object");
    let (file, line) = &lines["test_nanobind_object"];
    let made = format!("made by `make_pair` ({file}:{line}) in `nano` (yours)");
    assert!(object.summary.contains(&made), "{}", object.summary);
    let lent = finding(&checked, "test_pybind11_reference");
    let by = "a reference was lost by `bound.lend` in `bound` (yours), called at";
    assert!(
        lent.summary.contains(by) && lent.c_stack.is_empty(),
        "{lent:#?}"
    );
}

/// A library of C code that a test calls by ctypes, so that no headers of Python are needed.
#[test]
fn lines_that_were_split_off_are_found_and_what_is_missing_is_told() {
    let project = Project::of(&[
        (
            "lend.c",
            "#include <stdlib.h>\n\nstatic __attribute__((noinline)) void *take(int size) {\n    return malloc(size);\n}\n\n\
             int lend(int size) {\n    return take(size) != NULL;\n}\n",
        ),
        (
            "test_lend.py",
            "import ctypes\nimport pathlib\nimport unittest\n\n\
             library = ctypes.CDLL(str(pathlib.Path(__file__).with_name('lend.so')))\n\n\n\
             class TestLend(unittest.TestCase):\n    def test_it(self):\n        self.assertTrue(library.lend(2000))\n",
        ),
    ]);
    let root = project.root();
    let run = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        let status = command.current_dir(&root).args(arguments).status();
        status.is_ok_and(|status| status.success())
    };
    let object = ["-c", "-fPIC", "-O1", "-fno-optimize-sibling-calls", "-g"];
    let object = [&object[..], &["-gsplit-dwarf", "lend.c"]].concat();
    let link = |more: &str| run("cc", &["-shared", more, "lend.o", "-o", "lend.so"]);
    if !run("cc", &object) || !link("-g") {
        eprintln!("skipped: no C compiler here that splits debug information");
        return;
    }
    let told = || {
        let checked = project.check(&["--runner", "unittest"]);
        leaks(&checked);
        let [found] = &checked.report.findings[..] else {
            panic!("{}", checked.stdout);
        };
        (
            found.summary.clone(),
            found.advice.clone(),
            found.fingerprint.clone(),
        )
    };
    let (split, _, fingerprint) = told();
    let by = "allocated by `take` (lend.c:4) in `lend` (yours), called at test_lend.py:10";
    assert!(split.contains(by), "{split}");
    // And all of it in one file, as distributions have it.
    assert!(run(
        "objcopy",
        &["--only-keep-debug", "lend.so", "lend.debug"]
    ));
    assert!(run(
        "objcopy",
        &["--strip-debug", "--add-gnu-debuglink=lend.debug", "lend.so"]
    ));
    let (apart, _, same) = told();
    assert!(apart.contains(by) && same == fingerprint, "{apart}");
    fs::remove_file(root.join("lend.debug")).unwrap();
    let (named, advice, same) = told();
    assert!(
        named.contains("allocated by `take` in `lend` (yours)"),
        "{named}"
    );
    assert!(advice.contains("split off into `lend.debug`"), "{advice}");
    assert_eq!(same, fingerprint);
    // Of a function that is nobody else's no name is left; what was accepted then is recognised when there is one.
    assert!(run("objcopy", &["--strip-all", "lend.so"]));
    let (stripped, _, other) = told();
    assert!(stripped.contains("allocated by `lend+0x"), "{stripped}");
    assert_ne!(other, fingerprint);
    project
        .bare()
        .args(["accept", "--no-ci", "--reason", "known"])
        .assert()
        .success();
    assert!(link("-g"));
    let checked = project.check(&["--runner", "unittest"]);
    checked.exits(0);
    assert_eq!(checked.report.findings[0].status, "known");
    assert_eq!(checked.report.findings[0].fingerprint, fingerprint);
}

/// A test that loses memory of C code, and what it does besides where it is traced.
fn losing(besides: &str) -> Project {
    let text = format!(
        r#"
import ctypes, os, signal, unittest
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
is_traced = hasattr(libc, "leakcheck_trace_start")
with open(os.environ["SEEN"], "a") as seen:
    seen.write(f"{{is_traced}}\n")

class TestLosing(unittest.TestCase):
    def test_it(self):
        libc.malloc(2000)
        if is_traced:
            {besides}
"#
    );
    Project::of(&[("test_losing.py", &text)])
}

fn checked(project: &Project) -> (Checked, Vec<bool>) {
    let (path, seen) = (project.beside("report.json"), project.beside("seen"));
    let mut report = std::ffi::OsString::from("--report=json=");
    report.push(&path);
    let output = project
        .command()
        .arg(report)
        .args(["--runner", "unittest"])
        .env("SEEN", &seen)
        .output()
        .unwrap();
    let seen = fs::read_to_string(seen).unwrap();
    let seen = seen.lines().map(|line| line == "True").collect();
    (Checked::read(output, &path), seen)
}

#[test]
fn only_the_look_after_a_conviction_has_the_library_in_it() {
    let project = losing("self.assertNotIn('LD_PRELOAD', os.environ)");
    let (checked, seen) = checked(&project);
    checked.exits(1).all("leak", 1);
    let [judged @ .., last] = &seen[..] else {
        panic!("nothing was imported");
    };
    assert!(*last && judged.len() >= 2, "{seen:?}");
    assert!(judged.iter().all(|is_traced| !is_traced), "{seen:?}");
}

#[test]
fn a_process_that_ends_with_the_library_in_it_is_nobodys_crash() {
    let project = losing("os.kill(os.getpid(), signal.SIGSEGV)");
    let (checked, _) = checked(&project);
    checked.exits(1).all("leak", 1);
    let [found] = &checked.report.findings[..] else {
        panic!("{}", checked.stdout);
    };
    // As it is told where nothing can be preloaded.
    assert_eq!(found.code, "LK201");
    assert!(
        found.c_stack.is_empty() && found.summary.contains("allocated by `malloc`"),
        "{}",
        found.summary
    );
    checked.notes(&[
        "TestLosing.test_it",
        "the C code that asks for memory was not found out",
        "SIGSEGV",
    ]);
    assert_eq!(checked.report.errors.len(), 0);
}

#[test]
fn no_chunk_is_lost_or_counted_twice() {
    let folder = tempfile::tempdir().unwrap();
    let (program, library) = (folder.path().join("soak"), folder.path().join("tracer.so"));
    fs::write(&library, leakcheck::bridge::TRACER).unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/soak/soak.c");
    let built = Command::new("cc")
        .args(["-O1", "-pthread"])
        .arg(source)
        .arg("-o")
        .arg(&program)
        .status();
    if !built.is_ok_and(|status| status.success()) {
        eprintln!("skipped: no C compiler here, or a C library without mallinfo2");
        return;
    }
    let output = Command::new(program)
        .arg(std::env::var("LEAKCHECK_SOAK").unwrap_or_else(|_| "2".to_owned()))
        .env("LD_PRELOAD", library)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}
