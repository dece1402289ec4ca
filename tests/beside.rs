//! Two leaks of one test, of which one was accepted: the other one must not pass behind it.

mod common;

use common::Project;

const SHOP: &str = "\
import ctypes
import threading

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
RECORDS = []
THREADS = []
FILES = []
WAIT = threading.Event()


def test_record():
    RECORDS.append({\"number\": 4711})


def test_thread():
    thread = threading.Thread(target=WAIT.wait, daemon=True)
    thread.start()
    THREADS.append(thread)
";

/// What `test_shop.py` leaks is accepted; with `more` in one of its tests as well, the run must fail.
fn fails_with(line: &str, more: &str) -> Vec<String> {
    let project = Project::of(&[("test_shop.py", SHOP)]);
    let name = SHOP.find(line).unwrap();
    let test = SHOP[..name].rfind("def ").unwrap();
    let test = SHOP[test + 4..].split('(').next().unwrap();
    let args = ["--", "-k", test];
    project.check(&args).exits(1);
    let output = project.bare().arg("accept").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    project.check(&args).exits(0);
    let text = SHOP.replace(line, &format!("{line}\n    {more}"));
    project.write("test_shop.py", &text);
    let checked = project.check(&args);
    checked.exits(1);
    let failing = checked.report.findings.iter().filter(|one| one.fails);
    failing.map(|one| one.kind.clone()).collect()
}

#[test]
fn memory_of_c_code_does_not_pass_behind_an_accepted_object() {
    let line = "RECORDS.append({\"number\": 4711})";
    assert_eq!(fails_with(line, "libc.malloc(200)"), ["native"]);
}

#[test]
fn a_descriptor_does_not_pass_behind_an_accepted_thread() {
    let line = "THREADS.append(thread)";
    let more = "FILES.append(open(__file__))";
    assert_eq!(fails_with(line, more), ["thread"]);
}
