//! An interrupted run ends at once, reports what it knows, and leaves no process and no file behind.

// Whether processes are left is read from /proc.
#![cfg(target_os = "linux")]

mod common;

use std::{
    fs,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use common::{
    Checked, Project,
    processes::{lines as processes_of, wait_for},
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// Writes a file when its second test has begun, and sleeps in it. The process it starts sleeps longer.
const SLEEPS: &str = "\
import os
import subprocess
import sys
import time

def test_before():
    assert True

def test_sleeps():
    if os.environ.get('CHILD'):
        subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])
    with open(os.environ['BEGUN'], 'a') as file:
        file.write('x')
    time.sleep(float(os.environ['SLEEP']))

def test_after():
    assert True
";

/// Starts the check and returns when the sleeping test has begun `times`.
#[track_caller]
fn started(project: &Project, sleep: &str, child: bool, times: usize) -> Child {
    let begun = project.beside("begun");
    let mut report = std::ffi::OsString::from("--report=json=");
    report.push(project.beside("report.json"));
    let mut command = project.plain_command();
    command
        .arg(report)
        .env("BEGUN", &begun)
        .env("SLEEP", sleep)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if child {
        command.env("CHILD", "1");
    }
    let mut run = command.spawn().unwrap();
    wait_for("the sleeping test", Duration::from_secs(60), || {
        assert!(run.try_wait().unwrap().is_none(), "ended before it slept");
        fs::read(&begun).is_ok_and(|text| text.len() >= times)
    });
    assert!(processes_of(project).len() >= 2, "the worker is not seen");
    run
}

fn send(run: &Child, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(run.id()).unwrap()), signal).unwrap();
}

#[track_caller]
fn ends_in_good_order(signal: Signal) {
    let project = Project::of(&[("test_sleep.py", SLEEPS)]);
    let before = project.files();
    let run = started(&project, "600", true, 1);
    assert!(processes_of(&project).len() >= 3, "its child is not seen");
    let asked = Instant::now();
    send(&run, signal);
    let output = run.wait_with_output().unwrap();
    assert!(
        asked.elapsed() < Duration::from_secs(5),
        "took {:?}",
        asked.elapsed()
    );
    let checked = Checked::read(output, &project.beside("report.json"));
    checked.exits(130);
    assert_eq!(processes_of(&project), Vec::<String>::new());
    project.assert_nothing_left(&before);

    assert_eq!(checked.report.summary.exit_code, 130);
    assert_eq!(checked.test("::test_before").verdict, "clean");
    for name in ["::test_sleeps", "::test_after"] {
        let test = checked.test(name);
        assert_eq!(test.verdict, "undecided", "{name}");
        assert!(test.why().contains("interrupted"), "{:?}", test.reason);
    }
    assert!(checked.stdout.contains("1 clean"), "{}", checked.stdout);
    assert!(checked.stdout.contains("interrupted"), "{}", checked.stdout);
}

#[test]
fn an_interrupt_ends_in_good_order() {
    ends_in_good_order(Signal::SIGINT);
}

#[test]
fn a_request_to_end_does_as_well() {
    ends_in_good_order(Signal::SIGTERM);
}

#[test]
fn an_interrupt_while_tests_are_collected() {
    let project = Project::of(&[(
        "test_slow.py",
        "import os, time\nopen(os.environ['BEGUN'], 'w').write('x')\ntime.sleep(600)\n",
    )]);
    let before = project.files();
    let run = started(&project, "", false, 1);
    send(&run, Signal::SIGINT);
    let asked = Instant::now();
    let output = run.wait_with_output().unwrap();
    assert!(asked.elapsed() < Duration::from_secs(5));
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    assert_eq!(processes_of(&project), Vec::<String>::new());
    project.assert_nothing_left(&before);
}
