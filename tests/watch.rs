//! `leakcheck watch`: a live process from outside, and what may become of it meanwhile.

#![cfg(target_os = "linux")]

mod common;

use std::{
    fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::Duration,
};

use common::{Packages, countable, plain_leakcheck, processes::wait_for, python, scrubbed};
use nix::{
    sys::signal::{Signal, kill},
    unistd::{Pid, Uid},
};
use serde_json::Value;
use tempfile::TempDir;

/// Opens a file each time, and keeps it.
const LEAK: &str = "\
import time
kept = []
while True:
    kept.append(open('/etc/passwd'))
    time.sleep(0.02)
";
const HEALTHY: &str = "\
import time
while True:
    with open('/etc/passwd') as file:
        file.read()
    time.sleep(0.02)
";

/// A program that runs until the test is over.
struct Running(Child);

impl Running {
    fn python(source: &str) -> Running {
        Running::start(scrubbed(Command::new(python(Packages::None))).args(["-c", source]))
    }

    fn start(command: &mut Command) -> Running {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Running(child)
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.0.id()).unwrap())
    }

    fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A finished watch, and what it wrote.
struct Watched {
    code: i32,
    stdout: String,
    stderr: String,
    json: Value,
    page: String,
}

fn read(output: &Output, folder: &TempDir) -> Watched {
    let text = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap_or_default();
    let json = text("watch.json");
    let json = serde_json::from_str(&json).unwrap_or(Value::Null);
    if !json.is_null() {
        let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/watch.schema.json");
        let schema = serde_json::from_str(&fs::read_to_string(schema).unwrap()).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let errors: Vec<String> = { validator.iter_errors(&json) }
            .map(|error| error.to_string())
            .collect();
        assert!(errors.is_empty(), "{errors:#?}");
    }
    Watched {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout.clone()).unwrap(),
        stderr: String::from_utf8(output.stderr.clone()).unwrap(),
        json,
        page: text("watch.html"),
    }
}

fn command(folder: &TempDir, args: &[&str]) -> Command {
    let mut command = plain_leakcheck();
    command.args(["watch", "--every", "0.1s", "--json"]);
    command.arg(folder.path().join("watch.json"));
    command.arg("--html").arg(folder.path().join("watch.html"));
    command.args(args).env("COLUMNS", "140");
    command
}

fn watch(args: &[&str]) -> Watched {
    let folder = tempfile::tempdir().unwrap();
    let output = command(&folder, args).output().unwrap();
    read(&output, &folder)
}

/// Watches `running` for some seconds, and does `meanwhile` to it after the first.
fn watch_while(running: &Running, seconds: &str, meanwhile: impl FnOnce()) -> Watched {
    let folder = tempfile::tempdir().unwrap();
    let pid = running.pid().to_string();
    let child = command(&folder, &[&pid, "--for", seconds, "--fail-on", "growth"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    thread::sleep(Duration::from_secs(1));
    meanwhile();
    read(&child.wait_with_output().unwrap(), &folder)
}

impl Watched {
    fn series(&self, sum: &str, part: Option<&str>) -> Option<&Value> {
        self.json["series"].as_array()?.iter().find(|series| {
            series["sum"] == sum && series["part"].as_str() == part && series["children"].is_null()
        })
    }

    #[track_caller]
    fn says(&self, code: i32, word: &str) {
        assert_eq!(self.code, code, "{}{}", self.stdout, self.stderr);
        assert!(self.stdout.contains(word), "{word}: {}", self.stdout);
    }

    #[track_caller]
    fn refuses(&self, line: &str) {
        assert_eq!(self.code, 2, "{}{}", self.stdout, self.stderr);
        assert!(self.stderr.contains(line), "{line}: {}", self.stderr);
        assert_eq!(self.stderr.lines().count(), 1, "{}", self.stderr);
        assert_eq!(self.stdout, "");
    }
}

#[test]
fn what_grows_is_named_and_fails_a_soak_test() {
    let python = python(Packages::None);
    let python = python.to_str().unwrap();
    let fails = ["--for", "4s", "--fail-on", "growth", "--", python, "-c"];
    let found = watch(&[&fails[..], &[LEAK]].concat());
    found.says(1, "file /etc/passwd +");
    let open = found
        .series("descriptors", Some("file /etc/passwd"))
        .unwrap();
    assert_eq!(open["word"], "rises");
    // It opens fifty a second where nothing holds it up.
    assert!(open["rate"].as_f64().unwrap() > 5.0, "{open}");
    assert!(found.page.contains("file /etc/passwd") && found.page.contains("<svg"));
    let healthy = watch(&[&fails[..], &[HEALTHY]].concat());
    let descriptors = healthy.series("descriptors", None).unwrap();
    assert_eq!(descriptors["word"], "rests", "{descriptors}");
    // Without the wish to fail, growth is told and no failure.
    let told = watch(&["--for", "4s", "--", python, "-c", LEAK]);
    told.says(0, "file /etc/passwd +");
}

#[test]
fn what_it_has_started_ends_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let note = folder.path().join("pids");
    let source = format!(
        "import os, subprocess, sys, time\n\
         other = subprocess.Popen(['sleep', '600'], start_new_session=True)\n\
         print('to the error stream', flush=True)\n\
         open({note:?}, 'w').write(f'{{os.getpid()}} {{other.pid}}')\n\
         time.sleep(600)\n"
    );
    let python = python(Packages::None);
    let found = watch(&["--for", "2s", "--", python.to_str().unwrap(), "-c", &source]);
    assert_eq!(found.code, 0, "{}", found.stderr);
    assert!(
        found.stderr.contains("to the error stream"),
        "{}",
        found.stderr
    );
    assert!(!found.stdout.contains("to the error stream"));
    let pids = fs::read_to_string(note).unwrap();
    assert_eq!(pids.split(' ').count(), 2);
    for pid in pids.split(' ') {
        wait_for(pid, Duration::from_secs(10), || {
            !Path::new(&format!("/proc/{pid}")).exists()
        });
    }
}

#[test]
fn what_ends_early_is_reported_and_too_little() {
    let python = python(Packages::None);
    let python = python.to_str().unwrap();
    let source = "import sys, time; time.sleep(0.5); sys.exit(7)";
    let fails = ["--for", "60s", "--fail-on", "growth", "--"];
    let found = watch(&[&fails[..], &[python, "-c", source]].concat());
    found.says(3, "The process exited with status 7.");
    assert!(found.json["looks"].as_u64().unwrap() >= 1);
    let found = watch(&["--", python, "-c", source]);
    found.says(0, "too little was seen");
    assert!(
        found.page.contains("class=\"outcome open\""),
        "{}",
        found.page
    );
    // Killed from outside.
    let running = Running::python(HEALTHY);
    let found = watch_while(&running, "60s", || running.signal(Signal::SIGKILL));
    found.says(
        3,
        "has ended, and its parent has not waited for it yet (a zombie)",
    );
    assert_eq!(found.json["ended"], "process");
    // Now that it is one.
    let pid = running.pid().to_string();
    watch(&[&pid]).refuses("has ended: it is a zombie");
}

#[test]
fn what_is_stopped_says_so_and_goes_on() {
    let running = Running::python(HEALTHY);
    let found = watch_while(&running, "4s", || {
        running.signal(Signal::SIGSTOP);
        thread::sleep(Duration::from_secs(1));
        running.signal(Signal::SIGCONT);
    });
    found.says(0, "stopped by a signal or a debugger");
    assert!(found.stdout.contains("goes on"), "{}", found.stdout);
}

#[test]
fn another_program_and_children_are_told() {
    let running = Running::python(
        "import os, subprocess, time\ntime.sleep(1.5)\n\
         others = [subprocess.Popen(['sleep', '60']) for _ in range(3)]\n\
         time.sleep(1)\nos.execvp('sleep', ['sleep', '600'])\n",
    );
    let found = watch_while(&running, "5s", || {});
    found.says(0, "started children: sleep #");
    assert!(
        found
            .stdout
            .contains("has become another program (exec): sleep 600"),
        "{}",
        found.stdout
    );
    let children = found.json["series"].as_array().unwrap().iter();
    let processes = children
        .filter(|series| series["sum"] == "processes" && series["children"] == "children: sleep #")
        .map(|series| {
            series["readings"]
                .as_array()
                .unwrap()
                .last()
                .unwrap()
                .as_i64()
        });
    assert_eq!(processes.collect::<Vec<_>>(), [Some(3)]);
    kill_below(running.pid());
}

/// Ends the children of a process that has become another program.
fn kill_below(pid: Pid) {
    let children = format!("/proc/{pid}/task/{pid}/children");
    for child in fs::read_to_string(children).unwrap().split_whitespace() {
        kill(Pid::from_raw(child.parse().unwrap()), Signal::SIGKILL).unwrap();
    }
}

#[test]
fn what_is_no_python_is_watched_all_the_same() {
    let running = Running::start(Command::new("sleep").arg("600"));
    let found = watch_while(&running, "3s", || {});
    found.says(0, "no Python runs in it");
    assert_eq!(found.series("threads", None).unwrap()["word"], "rests");
}

#[test]
fn a_hostile_name_stays_a_name() {
    let name = "\x1b[2J<script>alert(1)</script>\u{202e}";
    let running =
        Running::start(scrubbed(Command::new(python(Packages::None))).args(["-c", HEALTHY, name]));
    let found = watch_while(&running, "2s", || {});
    assert_eq!(found.code, 0, "{}", found.stderr);
    for text in [&found.stdout, &found.page] {
        assert!(
            !text.contains('\x1b') && !text.contains('\u{202e}'),
            "{text}"
        );
        assert!(text.contains("alert(1)"));
    }
    assert!(!found.page.contains("<script"));
}

#[test]
fn refusals_are_one_line_that_says_what_to_do() {
    watch(&["999999999"]).refuses("there is no process 999999999");
    watch(&["--", "/nowhere/python"]).refuses("cannot start /nowhere/python");
    let found = watch(&[]);
    assert_eq!(found.code, 2);
    let mut unwritable = plain_leakcheck();
    let output = unwritable
        .args(["watch", "1", "--json", "/nowhere/a.json"])
        .output();
    let folder = tempfile::tempdir().unwrap();
    read(&output.unwrap(), &folder).refuses("cannot write /nowhere/a.json");
}

/// A copy of the command that any user may run, in a folder that any user may write to.
fn for_anybody() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let copy = folder.path().join("leakcheck");
    fs::copy(env!("CARGO_BIN_EXE_leakcheck"), &copy).unwrap();
    (folder, copy)
}

#[test]
fn without_permission_it_says_whose_it_is_and_what_to_do() {
    const NOBODY: u32 = 65534;
    if !Uid::effective().is_root() {
        eprintln!("skipped: only root can take other users' places");
        return;
    }
    let (folder, copy) = for_anybody();
    let refused = |running: &Running| {
        let mut command = scrubbed(Command::new(&copy));
        command.args(["watch", &running.pid().to_string(), "--for", "2s"]);
        let output = command.uid(NOBODY).gid(NOBODY).output().unwrap();
        read(&output, &folder)
    };
    let ours = Running::python(HEALTHY);
    refused(&ours).refuses("belongs to root: run leakcheck as that user or as root");
    // The system's own Python, which anybody may read.
    let quiet = "import ctypes, time\nctypes.CDLL(None).prctl(4, 0, 0, 0, 0)\ntime.sleep(600)";
    let theirs = |source: &str| {
        let mut command = Command::new("/usr/bin/python3");
        Running::start(command.args(["-c", source]).uid(NOBODY).gid(NOBODY))
    };
    if !Path::new("/usr/bin/python3").exists() {
        eprintln!("skipped in part: there is no /usr/bin/python3");
        return;
    }
    let hidden = theirs(quiet);
    wait_for("prctl", Duration::from_secs(10), || {
        use std::os::unix::fs::MetadataExt;
        let status = format!("/proc/{}/status", hidden.pid());
        fs::metadata(status).is_ok_and(|found| found.uid() == 0)
    });
    refused(&hidden).refuses("not dumpable");
    let open = theirs("import time; time.sleep(600)");
    wait_for("the program", Duration::from_secs(10), || {
        let line = fs::read(format!("/proc/{}/cmdline", open.pid())).unwrap_or_default();
        line.starts_with(b"/usr/bin/python3")
    });
    let seen = refused(&open);
    assert_eq!(seen.code, 0, "{}", seen.stderr);
}

#[test]
fn objects_are_counted_as_the_process_counts_them_itself() {
    let Some(python) = countable::or_skip() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("own.json");
    let source = format!(
        "import collections, gc, json, os, time\n\
         class Order:\n    def __init__(self): self.lines = [self]\n\
         kept = [Order() for _ in range(50_000)]\n\
         gc.collect(); gc.freeze(); more = [Order() for _ in range(777)]; gc.collect(); gc.disable()\n\
         count = collections.Counter(f'{{type(o).__module__}}.{{type(o).__qualname__}}' for o in gc.get_objects())\n\
         json.dump([count['__main__.Order'], count['builtins.list'], gc.get_stats()[2]['collections']], open({own:?}, 'w'))\n\
         time.sleep(600)\n"
    );
    let running = Running::start(scrubbed(Command::new(&python)).args(["-c", &source]));
    wait_for("its counts", Duration::from_secs(30), || {
        fs::read_to_string(&own).is_ok_and(|text| text.ends_with(']'))
    });
    let found = watch_while(&running, "3s", || {});
    assert_eq!(found.code, 0, "{}", found.stderr);
    let total = found
        .series("objects", None)
        .unwrap_or_else(|| panic!("{}", found.stdout));
    let total = total["readings"][0].as_i64().unwrap();
    // Those that are frozen are left out of `gc.get_objects`, and are there all the same.
    assert!((101_554..130_000).contains(&total), "{total}");
}

#[test]
fn what_is_kept_is_named_by_its_type() {
    let Some(python) = countable::or_skip() else {
        return;
    };
    // Beside what comes and goes all the time, in rings that the collector has to undo.
    let source = "\
import time
class Order:
    def __init__(self): self.lines = [self]
kept = []
while True:
    for number in range(5):
        kept.append(Order())
        for _ in range(5): Order()
    time.sleep(0.01)
";
    let running = Running::start(scrubbed(Command::new(&python)).args(["-c", source]));
    // On a busy machine looks are few.
    let grows = |found: &Watched| {
        let orders = found.series("objects", Some("__main__.Order"));
        orders.is_some_and(|orders| orders["word"] == "rises")
    };
    let found = { ["10s", "30s", "90s"].into_iter() }
        .map(|length| watch_while(&running, length, || {}))
        .find(grows)
        .expect("orders rise");
    let orders = found.series("objects", Some("__main__.Order")).unwrap();
    found.says(1, "__main__.Order +");
    assert!(orders["rate"].as_f64().unwrap() > 50.0, "{orders}");
    assert!(
        found.json["process"]["python"]
            .as_str()
            .unwrap()
            .starts_with("3.1")
    );
}

#[test]
fn an_older_python_has_no_types_and_it_is_said_why() {
    let python = python(Packages::None);
    if common::python_version() >= (3, 13) {
        eprintln!("skipped: this Python has them");
        return;
    }
    let running = Running::start(scrubbed(Command::new(python)).args(["-c", HEALTHY]));
    let found = watch_while(&running, "3s", || {});
    found.says(0, "no objects by type of process");
    assert!(found.stdout.contains("from 3.13 on"), "{}", found.stdout);
    assert_eq!(found.json["process"]["python"], Value::Null);
    assert!(found.series("objects", None).is_none());
}

#[test]
fn a_process_that_dies_while_it_is_looked_at_ends_the_watch_and_nothing_else() {
    let Some(python) = countable::or_skip() else {
        return;
    };
    let source = "kept = [[number] for number in range(300_000)]\nwhile True: kept = [[n] for n in range(300_000)]\n";
    for after in 0..10 {
        let folder = tempfile::tempdir().unwrap();
        let running = Running::start(scrubbed(Command::new(&python)).args(["-c", source]));
        let pid = running.pid().to_string();
        let mut command = plain_leakcheck();
        command.args(["watch", &pid, "--every", "0.01s", "--for", "60s", "--quiet"]);
        let child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        thread::sleep(Duration::from_millis(100 + 37 * after));
        running.signal(Signal::SIGKILL);
        let found = read(&child.wait_with_output().unwrap(), &folder);
        found.says(0, "The process has ended");
        assert_eq!(found.stderr, "");
    }
}
