//! Builds of Python that are out of the ordinary, allocators, and interpreters beside the main one.
//!
//! What a build says of itself is put into its mouth by a `sitecustomize`, so that any Python will do; the bridge's own
//! tests (`tests/bridge/test_builds.py`) are for the real ones.

mod common;

use common::{Packages, Project};

const LEAKS: &str =
    "KEPT = []\n\nclass Order:\n    pass\n\ndef test_leaks():\n    KEPT.append(Order())\n";

/// A project whose processes start with `text`.
fn beginning_with(text: &str, files: &[(&str, &str)]) -> Project {
    let project = Project::of(files);
    std::fs::create_dir_all(project.beside("site")).unwrap();
    std::fs::write(project.beside("site").join("sitecustomize.py"), text).unwrap();
    project
}

/// Exit code, standard output and standard error of a run, or of what else `words` ask for.
fn said(
    project: &Project,
    words: &[&str],
    variables: &[(&str, &str)],
) -> (Option<i32>, String, String) {
    let output = project
        .bare()
        .args(words)
        .arg("--python")
        .arg(common::python(Packages::Plain))
        .env("PYTHONPATH", project.beside("site"))
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

/// Python 3.99, which has all that this one has, less what `changes` take away.
fn of_the_future(changes: &str) -> String {
    format!(
        "import collections, gc, platform, sys\n\
         fields = 'major minor micro releaselevel serial'\n\
         sys.version_info = collections.namedtuple('version_info', fields)(3, 99, 0, 'alpha', 1)\n\
         platform.python_version = lambda: '3.99.0a1'\n\
         sys.getunicodeinternedsize = lambda *, _only_immortal=False: 0\n\
         {changes}\n"
    )
}

#[test]
fn a_python_of_the_future_works_or_says_in_one_line_that_it_does_not() {
    let files = [(
        "test_a.py",
        "import unittest\n\nKEPT = []\n\nclass T(unittest.TestCase):\n    def test_leaks(self):\n        KEPT.append([1] * 9)\n",
    )];
    let (run, doctor) = (
        ["run", "--runner", "unittest"],
        ["doctor", "--runner", "unittest"],
    );
    let works = beginning_with(&of_the_future(""), &files);
    let (code, stdout, stderr) = said(&works, &run, &[]);
    assert_eq!(code, Some(1), "{stdout}{stderr}");
    let told = stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in [
        "leak[LK101]",
        "CPython 3.99.0a1 is newer than this leakcheck knows",
    ] {
        assert!(told.contains(words), "no {words} in {told}");
    }
    let (code, page, _) = said(&works, &doctor, &[]);
    assert_eq!(code, Some(0), "{page}");
    assert!(
        page.contains("build       newer than this leakcheck knows"),
        "{page}"
    );

    // What the bridge reads is not there any more, or is another thing.
    for changes in ["gc.get_stats = lambda: [{}]", "del gc.freeze"] {
        let broken = beginning_with(&of_the_future(changes), &files);
        let (code, stdout, stderr) = said(&broken, &run, &[]);
        assert_eq!((code, &*stdout), (Some(2), ""), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        for words in [
            "3.99.0a1, which is newer than it knows",
            "use an older Python",
        ] {
            assert!(stderr.contains(words), "no {words} in {stderr}");
        }
        let (code, page, _) = said(&broken, &doctor, &[]);
        assert_eq!(code, Some(3), "{page}");
        assert!(
            page.contains("could not be made: leakcheck does not work with"),
            "{page}"
        );
        assert!(!page.contains("Traceback"), "{page}");
    }
}

#[test]
fn the_just_in_time_compiler_is_off_unless_it_is_asked_for() {
    // As `sys._jit` answers from Python 3.14 on.
    let compiler = "import os, sys, types\n\
                    on = lambda: os.environ.get('PYTHON_JIT') == '1'\n\
                    sys._jit = types.SimpleNamespace(is_available=lambda: True, is_enabled=on, is_active=on)\n";
    let test = "import sys\n\ndef test_it():\n    assert sys._jit.is_enabled() is WANTED\n";
    for (setting, wanted, words) in [
        ("", "False", "just-in-time compiler is turned off"),
        ("jit = true\n", "True", "just-in-time compiler stays on"),
    ] {
        let project = beginning_with(
            compiler,
            &[
                ("test_a.py", &test.replace("WANTED", wanted)),
                ("leakcheck.toml", setting),
            ],
        );
        let on = [("PYTHON_JIT", "1")];
        let (code, stdout, stderr) = said(&project, &["run"], &on);
        let told = stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(code, Some(0), "{stdout}{stderr}");
        assert!(told.contains(words), "{told}");
        let (_, page, _) = said(&project, &["doctor"], &on);
        assert!(page.contains("just-in-time compiler on"), "{page}");
        let (_, stdout, _) = said(&project, &["run"], &[("PYTHON_JIT", "0")]);
        if setting.is_empty() {
            assert!(!stdout.contains("just-in-time"), "{stdout}");
        }
    }
}

#[test]
fn doctor_tells_what_is_unusual_about_a_build() {
    let project = beginning_with(
        "import sys\nsys.gettotalrefcount = lambda: 4321\n",
        &[("test_a.py", LEAKS)],
    );
    let (_, page, stderr) = said(&project, &["doctor"], &[]);
    assert!(
        page.contains("build       debug, sys.gettotalrefcount() tells 4321 references\n"),
        "{page}{stderr}"
    );
}

/// Loses 120 bytes of malloc's in each run.
const NATIVE: &str = "import ctypes\n\nlibc = ctypes.CDLL(None)\nlibc.malloc.restype = ctypes.c_void_p\nlibc.malloc.argtypes = [ctypes.c_size_t]\n\n\
                      def test_loses():\n    libc.malloc(120)\n\ndef test_nothing():\n    pass\n";

#[test]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn a_native_leak_is_seen_where_python_takes_its_memory_from_malloc() {
    let project = beginning_with("", &[("test_a.py", NATIVE)]);
    let (code, stdout, stderr) = said(&project, &["run"], &[("PYTHONMALLOC", "malloc")]);
    assert_eq!(code, Some(1), "{stdout}{stderr}");
    assert!(stdout.contains("1 leak in 1 of 2 tests"), "{stdout}");
}

/// Under whichever name this Python has them.
const INTERPRETERS: &str = "try:\n    import _interpreters\nexcept ImportError:\n    import _xxsubinterpreters as _interpreters\n\nKEPT = []\nLEFT = []\n\n\
                            def test_keeps():\n    KEPT.append(_interpreters.create())\n\n\
                            def test_makes():\n    _interpreters.destroy(_interpreters.create())\n\n\
                            def test_leaks():\n    LEFT.append([1] * 20)\n";

#[test]
fn an_interpreter_that_stays_is_told_and_is_no_crash() {
    let project = Project::of(&[("test_a.py", INTERPRETERS)]);
    let checked = project.check(&[]);
    checked.exits(1);
    let verdicts = checked.verdicts();
    let verdict = |name: &str| verdicts[&*format!("test_a.py::{name}")];
    assert_eq!(verdict("test_keeps"), "leak");
    assert_eq!(verdict("test_leaks"), "leak");
    // What Python itself loses with each differs between versions.
    let makes = verdict("test_makes");
    assert!(
        ["clean", "bounded", "undecided", "unstable"].contains(&makes),
        "{makes}"
    );
    let told = "leak[LK305]: 1 interpreter stays after each iteration";
    assert!(checked.stdout.contains(told), "{}", checked.stdout);
    assert!(!checked.stdout.contains("LK501"), "{}", checked.stdout);
}
