//! Every worker must see leaks that are planted in it: a run that is blind is no evidence, whatever it read.

mod common;

use std::{path::PathBuf, process::Command};

use common::{Packages, Project};

const LEAKS: &str =
    "KEPT = []\n\nclass Order:\n    pass\n\ndef test_leaks():\n    KEPT.append(Order())\n";

/// Runs the check with `text` as a `sitecustomize` of its workers.
fn run_with(project: &Project, text: &str, runner: &str) -> (Option<i32>, String, String) {
    std::fs::create_dir_all(project.beside("site")).unwrap();
    std::fs::write(project.beside("site").join("sitecustomize.py"), text).unwrap();
    let output = project
        .command()
        .args(["--runner", runner])
        .env("PYTHONPATH", project.beside("site"))
        .output()
        .unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[test]
fn a_counter_that_was_blinded_ends_the_run() {
    // What is patched, and what must be said.
    let table = [
        (
            "import sys\nsys.getallocatedblocks = lambda: 100000\n",
            ["Python object", "`blocks` did not show it", "+0 +0 +0"],
        ),
        (
            "import posix\nreal = posix.listdir\nposix.listdir = lambda path='.': ['0', '1'] if path == '/proc/self/fd' else real(path)\n",
            ["descriptor", "`fds` did not show it", "+0 +0 +0"],
        ),
        (
            "import gc\nreal = gc.get_objects\nSOME = []\ngc.get_objects = lambda: SOME\n",
            ["Python object", "`objects` did not show it", "+0 +0 +0"],
        ),
        // A counter that grows by itself would call every test a leak.
        (
            "import sys\nreal = sys.getallocatedblocks\nAT = bytearray(2)\ndef count():\n    AT[0] += 1\n    return real() + 3 * AT[0]\nsys.getallocatedblocks = count\n",
            [
                "a test that does nothing",
                "was not clean",
                "`blocks` read +0",
            ],
        ),
    ];
    let project = Project::of(&[("test_a.py", LEAKS)]);
    for (text, words) in table {
        let before = project.files();
        let (code, stdout, stderr) = run_with(&project, text, "pytest");
        assert_eq!(code, Some(3), "{text}{stdout}{stderr}");
        assert_eq!(stdout, "", "nothing that it read is told");
        let lines: Vec<&str> = stderr.lines().collect();
        assert_eq!(lines.len(), 1, "{stderr}");
        assert!(
            lines[0].starts_with("leakcheck: self-check failed: "),
            "{stderr}"
        );
        for word in words {
            assert!(stderr.contains(word), "no {word} in {stderr}");
        }
        project.assert_nothing_left(&before);
    }
    // The same project with a harmless one.
    let (code, stdout, _) = run_with(&project, "import sys\n", "pytest");
    assert_eq!(code, Some(1), "{stdout}");
}

#[test]
fn a_worker_that_is_blind_later_ends_the_run_as_well() {
    // The second process has another hash seed, and only that one is blind.
    let text = "import os, sys\nif os.environ.get('PYTHONHASHSEED') == '2':\n    sys.getallocatedblocks = lambda: 100000\n";
    let project = Project::of(&[("test_a.py", LEAKS)]);
    let (code, stdout, stderr) = run_with(&project, text, "pytest");
    assert_eq!(code, Some(3), "{stdout}{stderr}");
    assert!(stderr.contains("self-check failed"), "{stderr}");
}

/// An allocator for middling sizes that malloc's own statistics know nothing of, with the probe's sizes left alone.
const MALLOC: &str = r#"
#include <stddef.h>
#include <string.h>

extern void *__libc_malloc(size_t);
extern void __libc_free(void *);
extern void *__libc_realloc(void *, size_t);

static char pool[64 << 20];
static size_t used;

static int ours(void *p) { return (char *)p >= pool && (char *)p < pool + sizeof pool; }

void *malloc(size_t size) {
    if (size != 96 || used + 112 > sizeof pool) return __libc_malloc(size);
    char *p = pool + __sync_fetch_and_add(&used, 112);
    return p;
}
void free(void *p) { if (!ours(p)) __libc_free(p); }
void *realloc(void *p, size_t size) {
    if (!ours(p)) return __libc_realloc(p, size);
    void *q = __libc_malloc(size);
    if (q) memcpy(q, p, size < 96 ? size : 96);
    return q;
}
"#;

fn preload(project: &Project) -> PathBuf {
    let (source, library) = (project.beside("m.c"), project.beside("m.so"));
    std::fs::write(&source, MALLOC).unwrap();
    let made = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-fno-builtin", "-o"])
        .arg(&library)
        .arg(&source)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    library
}

#[test]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn an_allocator_that_hides_native_memory_is_found_out() {
    let project = Project::of(&[("test_a.py", LEAKS)]);
    let output = project
        .command()
        .env("LD_PRELOAD", preload(&project))
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    assert!(
        stderr.contains("native allocation") && stderr.contains("`heap` did not show it"),
        "{stderr}"
    );
}

fn doctor(project: &Project, python: Option<&PathBuf>) -> assert_cmd::Command {
    let mut command = project.bare();
    command.arg("doctor").arg("--python");
    command.arg(
        python
            .cloned()
            .unwrap_or_else(|| common::python(Packages::Plain)),
    );
    command
}

#[test]
fn doctor_shows_what_there_is() {
    let project = Project::of(&[
        // A suite that cannot be collected keeps nobody from looking.
        ("test_a.py", "import no_such_module\n"),
        (
            "pyproject.toml",
            "[tool.leakcheck]\njobs = 3\ncycles = \"deny\"\nargs = [\"--no-such-option\"]\n\n[[tool.leakcheck.override]]\ntests = [\"*::test_x\"]\nskip = \"it \\u001b costs\"\n",
        ),
    ]);
    let before = project.files();
    for runner in ["pytest", "unittest"] {
        let output = doctor(&project, None)
            .args(["--runner", runner])
            .output()
            .unwrap();
        let page = String::from_utf8(output.stdout).unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{page}{stderr}");
        let (major, minor) = common::python_version();
        for words in [
            format!("python      CPython {major}.{minor}"),
            format!("runner      {runner} "),
            "  blocks        exact, saw the planted leak".to_owned(),
            "  fds           exact, saw the planted leak".to_owned(),
            "  threads       exact\n".to_owned(),
            "self-check  passed in ".to_owned(),
            "pyproject.toml".to_owned(),
            "  jobs = 3\n".to_owned(),
            "  cycles = deny\n".to_owned(),
            "  interpreter = warn\n".to_owned(),
            "  min_judged = 0.9\n".to_owned(),
            "6:1 for *::test_x: skip (it \\u{1b} costs)".to_owned(),
        ] {
            assert!(page.contains(&words), "no {words:?} in:\n{page}");
        }
    }
    project.assert_nothing_left(&before);
}

#[test]
fn doctor_says_why_a_counter_is_not_exact_and_fails_where_one_is_blind() {
    let project = Project::of(&[("test_a.py", LEAKS)]);
    let output = doctor(&project, None)
        .env("PYTHONMALLOC", "malloc")
        .output()
        .unwrap();
    let page = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{page}");
    for words in [
        "build       PYTHONMALLOC=malloc counts nothing, and is pymalloc in",
        "  blocks        exact, saw",
    ] {
        assert!(page.contains(words), "{page}");
    }

    std::fs::create_dir_all(project.beside("site")).unwrap();
    std::fs::write(
        project.beside("site").join("sitecustomize.py"),
        "import sys\nsys.getallocatedblocks = lambda: 0\n",
    )
    .unwrap();
    let output = doctor(&project, None)
        .env("PYTHONPATH", project.beside("site"))
        .output()
        .unwrap();
    let page = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{page}");
    assert!(
        page.contains("  blocks        absent: this Python does not count"),
        "{page}"
    );

    std::fs::write(
        project.beside("site").join("sitecustomize.py"),
        "import sys\nsys.getallocatedblocks = lambda: 100000\n",
    )
    .unwrap();
    let output = doctor(&project, None)
        .env("PYTHONPATH", project.beside("site"))
        .output()
        .unwrap();
    let page = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(3), "{page}");
    assert!(
        page.contains("self-check  failed: a Python object"),
        "{page}"
    );
    assert!(
        page.contains("  blocks        estimate: objects that were made"),
        "{page}"
    );
}

/// The check of `project` where so many files may be open at a time: its exit code and the one line that it says.
fn with_files(project: &Project, most: u32) -> (Option<i32>, String) {
    let plain = project.command();
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("ulimit -n {most}; exec \"$@\""), "sh"])
        .arg(plain.get_program())
        .args(plain.get_args())
        .current_dir(project.root());
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let output = command.output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.stdout, b"", "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    (output.status.code(), stderr)
}

#[test]
fn too_few_files_are_told_with_what_to_do() {
    let project = Project::of(&[("test_a.py", LEAKS)]);
    for most in [10, 20] {
        let (code, said) = with_files(&project, most);
        assert_eq!(code, Some(2), "{said}");
        let start = format!("leakcheck: only {most} files may be open at a time: ");
        assert!(
            said.starts_with(&start) && said.contains("`ulimit -n"),
            "{said}"
        );
    }
    // Enough for us, and the project takes nearly all of them.
    let takes = "import os\nHELD = []\ntry:\n    while True:\n        HELD.append(os.open('/', os.O_RDONLY))\n\
                 except OSError:\n    for _ in range(5):\n        os.close(HELD.pop())\n";
    project.write("test_a.py", &format!("{takes}\n{LEAKS}"));
    let (code, said) = with_files(&project, 64);
    assert_eq!(code, Some(3), "{said}");
    let start = "leakcheck: self-check failed: no file can be opened in the test process";
    assert!(
        said.starts_with(start) && said.contains("`ulimit -n"),
        "{said}"
    );
}
