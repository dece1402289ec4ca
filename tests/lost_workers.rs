//! A test whose process ended is judged again in a fresh one: it is to blame only where it ends that as well.

mod common;

use common::{Checked, Project};

/// Beside a test that the one before it has left something for, which ends the process in its third iteration.
const LEFT: &str = "\
import builtins
import os

KEPT = []
runs = {}

def test_leaves_something():
    builtins.left = lambda: os._exit(1)

def third(name):
    runs[name] = runs.get(name, 0) + 1
    if runs[name] == 3 and hasattr(builtins, 'left'):
        builtins.left()

def test_clean():
    third('clean')

def test_leaks():
    builtins.left = getattr(builtins, 'left', None) or (lambda: None)
    third('leaks')
    KEPT.append(object())
";

/// Does `what` once in all processes, and in none after it: somebody outside does it.
fn once(when: &str, what: &str) -> String {
    format!(
        "import os, signal, time\n\nKEPT = []\nruns = 0\n\ndef once():\n    mark = os.environ['MARK']\n    \
         if {when} and not os.path.exists(mark):\n        open(mark, 'w').close()\n        {what}\n\n\
         def test_before():\n    pass\n\ndef test_it():\n    global runs\n    runs += 1\n    once()\n\n\
         def test_leaks():\n    KEPT.append(object())\n"
    )
}

fn check(text: &str, args: &[&str]) -> (Checked, Project) {
    let project = Project::of(&[("test_it.py", text)]);
    let path = project.beside("report.json");
    let mut report = std::ffi::OsString::from("--report=json=");
    report.push(&path);
    let mut command = project.command();
    command
        .arg(report)
        .args(["-v"])
        .args(args)
        .env("MARK", project.beside("mark"));
    let output = command.output().unwrap();
    let checked = Checked::read(output, &path);
    (checked, project)
}

#[test]
fn what_a_test_before_left_is_not_blamed_on_another() {
    let (checked, _) = check(LEFT, &[]);
    checked.exits(1);
    let clean = checked.test("::test_clean");
    assert_eq!(clean.verdict, "unstable", "{clean:?}");
    for word in [
        "in iteration 3 the test process exited with status 1",
        "test_leaves_something",
    ] {
        assert!(clean.why().contains(word), "{clean:?}");
    }
    assert_eq!(checked.test("::test_leaks").verdict, "leak");
    let codes: Vec<&str> = { checked.report.findings.iter() }
        .map(|finding| &*finding.code)
        .collect();
    assert_eq!(codes, ["LK101"]);
}

#[test]
fn who_is_killed_from_outside_is_not_to_blame() {
    let kill = |signal: &str| format!("os.kill(os.getpid(), signal.{signal}); time.sleep(60)");
    for (signal, words) in [
        ("SIGKILL", "perhaps the machine ran out of memory"),
        ("SIGTERM", "killed by SIGTERM"),
        ("SIGINT", "had to be ended: KeyboardInterrupt"),
    ] {
        let (checked, _) = check(&once("runs == 3", &kill(signal)), &[]);
        checked.exits(1);
        let test = checked.test("::test_it");
        assert_eq!(test.verdict, "unstable", "{signal}: {test:?}");
        assert!(test.why().contains(words), "{signal}: {test:?}");
        assert_eq!(checked.test("::test_before").verdict, "clean");
        assert_eq!(checked.test("::test_leaks").verdict, "leak");
        assert_eq!(checked.report.findings.len(), 1, "{}", checked.stdout);
    }
}

#[test]
fn a_hang_of_a_repeat_is_looked_at_twice() {
    let (checked, _) = check(&once("runs == 3", "time.sleep(600)"), &["--timeout=2s"]);
    checked.exits(1);
    let test = checked.test("::test_it");
    assert_eq!(test.verdict, "unstable", "{test:?}");
    assert!(test.why().contains("did not end within 2 s"), "{test:?}");
    assert_eq!(checked.report.findings.len(), 1, "{}", checked.stdout);
}

/// Without us the whole suite would have ended there.
#[test]
fn a_first_run_that_ends_once_is_told_as_an_error() {
    let (checked, _) = check(&once("runs == 1", "os._exit(3)"), &[]);
    checked.exits(1);
    assert_eq!(checked.test("::test_it").verdict, "unstable");
    let [error] = &checked.report.errors[..] else {
        panic!("{:?}", checked.report.errors);
    };
    assert!(error.place.ends_with("::test_it"), "{error:?}");
    assert!(error.message.contains("exited with status 3"), "{error:?}");
}

/// In the process in which suspects are judged, which has another hash seed.
#[test]
fn a_leak_is_found_though_its_judgement_was_interrupted() {
    let text = once("os.environ['PYTHONHASHSEED'] == '2'", "os._exit(3)")
        .replace("    KEPT.append", "    once()\n    KEPT.append");
    let (checked, project) = check(&text, &[]);
    assert!(project.beside("mark").exists());
    checked.exits(1);
    assert_eq!(checked.test("::test_leaks").verdict, "leak");
    assert_eq!(checked.report.findings.len(), 1, "{}", checked.stdout);
    assert!(
        checked.stdout.contains("exited with status 3"),
        "{}",
        checked.stdout
    );
}

#[test]
fn a_repeat_that_always_ends_the_process_is_a_finding() {
    let always = "import os\n\nruns = {'crash': 0, 'raise': 0}\n\ndef nth(name):\n    runs[name] += 1\n    \
                  return runs[name]\n\ndef test_crash():\n    if nth('crash') == 3: os.abort()\n\n\
                  def test_raise():\n    if nth('raise') == 4: raise KeyboardInterrupt\n";
    let (checked, _) = check(always, &[]);
    checked.exits(1);
    for (name, words) in [
        (
            "::test_crash",
            "in iteration 3 the test process was killed by SIGABRT",
        ),
        (
            "::test_raise",
            "in iteration 4 the test process had to be ended: KeyboardInterrupt",
        ),
    ] {
        assert_eq!(checked.test(name).verdict, "crashed");
        let finding = { checked.report.findings.iter() }
            .find(|finding| finding.tests[0].ends_with(name))
            .unwrap();
        assert_eq!(finding.code, "LK501");
        assert!(finding.summary.contains(words), "{}", finding.summary);
        // Python adds the C stack to a crash from 3.14 on; nothing else has one.
        let stacked = common::python_version() >= (3, 14) && name == "::test_crash";
        assert_eq!(
            finding.c_stack.iter().any(|frame| frame.contains("(libc")),
            stacked,
            "{:?}",
            finding.c_stack
        );
    }
}

/// It waits until its log is short again, or fails.
#[test]
fn a_log_that_runs_away_is_cut_while_the_test_runs() {
    let text = "\
import os, time

def test_noise():
    line = b'x' * 79 + b'\\n'
    for _ in range(12):
        os.write(2, line * 100000)
        begun = time.monotonic()
        while os.fstat(2).st_size > 80 << 20:
            assert time.monotonic() < begun + 20, 'nobody cuts it'
            time.sleep(0.01)
";
    let project = Project::of(&[("test_noise.py", text)]);
    let checked = project.check(&["--iterations=4", "--", "-s"]);
    checked.exits(0).all("clean", 1);
}

const LOCK: &str = "\
#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static __attribute__((noinline)) int wait_for_it(void) {
    int locked = pthread_mutex_lock(&lock);
    return locked + 1;
}

int take_twice(void) {
    pthread_mutex_lock(&lock);
    return wait_for_it() + 1;
}
";

const HANGS: &str = "\
import ctypes, os, signal, time

def hang():
    time.sleep(60)

def test_sleeps():
    hang()

def test_holds_signals_back():
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
    hang()

def test_is_stopped():
    os.kill(os.getpid(), signal.SIGSTOP)
";

/// By the handler of a signal, and read from outside where none can answer.
#[test]
fn where_a_test_hangs_is_told_whatever_it_does_with_signals() {
    let project = Project::of(&[("test_hangs.py", HANGS)]);
    let checked = project.check(&["--timeout=2s", "-v"]);
    checked.exits(4);
    for (name, place) in [
        (
            "::test_sleeps",
            "it hung in hang (test_hangs.py:4) < test_sleeps (test_hangs.py:7)",
        ),
        (
            "::test_holds_signals_back",
            "it hung in hang (test_hangs.py:4) < test_holds_signals_back (test_hangs.py:11)",
        ),
        (
            "::test_is_stopped",
            "it hung in test_is_stopped (test_hangs.py:14)",
        ),
    ] {
        let test = checked.test(name);
        assert_eq!(test.verdict, "timed-out");
        assert!(test.why().ends_with(place), "{test:?}");
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn a_test_that_hangs_in_c_has_the_functions_and_lines_of_it() {
    let text = "import ctypes, os\n\nC = ctypes.CDLL(os.path.abspath('lock.so'))\nruns = 0\n\n\
                def test_hangs():\n    global runs\n    runs += 1\n    if runs == 3: C.take_twice()\n";
    let project = Project::of(&[("test_hangs.py", text), ("lock.c", LOCK)]);
    let made = std::process::Command::new("cc")
        .args([
            "-shared", "-fPIC", "-O1", "-g", "-pthread", "lock.c", "-o", "lock.so",
        ])
        .current_dir(project.root())
        .status();
    if !made.is_ok_and(|status| status.success()) {
        eprintln!("no C compiler here");
        return;
    }
    let checked = project.check(&["--timeout=2s"]);
    checked.exits(1);
    let [finding] = &checked.report.findings[..] else {
        panic!("{}", checked.stdout);
    };
    assert_eq!(finding.code, "LK502");
    let [inside, waits, takes, ..] = &finding.c_stack[..] else {
        panic!("{finding:?}");
    };
    assert!(inside.contains("(lib"), "{inside}");
    assert_eq!(
        (&**waits, &**takes),
        ("wait_for_it (lock.c:6)", "take_twice (lock.c:12)")
    );
    assert!(
        finding
            .summary
            .contains("test_hangs (test_hangs.py:9), in C in "),
        "{}",
        finding.summary
    );
    // Up to where Python calls it.
    assert!(
        { finding.c_stack.iter() }.any(|frame| frame.starts_with("ffi_call (")),
        "{finding:?}"
    );
}
