//! Whatever ends a run, and whatever its tests start: no process, no folder and no socket of it is left.

// Whether processes are left is read from /proc.
#![cfg(target_os = "linux")]

mod common;

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    process::{Child, Command, Stdio},
    sync::{Arc, atomic::AtomicBool},
    thread,
    time::{Duration, Instant},
};

use common::{Project, processes};
use nix::{
    fcntl::{FcntlArg, FdFlag, fcntl},
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// What a test does before it hangs. Each also starts something that hangs longer.
const HANGING: [(&str, &str); 5] = [
    (
        "hanging",
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])",
    ),
    (
        "forking",
        "child = os.fork()\n    if child == 0: time.sleep(600); os._exit(0)",
    ),
    (
        "setsid",
        "child = os.fork()\n    if child == 0: os.setsid(); time.sleep(600); os._exit(0)",
    ),
    // As a daemon does it: nobody's child, in a session of its own.
    (
        "daemon",
        "child = os.fork()\n    if child == 0:\n        os.setsid()\n        \
         if os.fork() == 0: time.sleep(600)\n        os._exit(0)\n    os.waitpid(child, 0)",
    ),
    // As a test of job control does it: no longer in the group that it was started in.
    (
        "setpgid",
        "child = os.fork()\n    if child == 0: os.setpgid(0, 0); time.sleep(600); os._exit(0)\n    \
         time.sleep(.1); os.setpgid(0, child)",
    ),
];

/// How a run is ended: signals, one after the other.
const ENDS: [(&str, &[Signal]); 5] = [
    ("SIGKILL", &[Signal::SIGKILL]),
    ("SIGTERM", &[Signal::SIGTERM]),
    ("SIGQUIT", &[Signal::SIGQUIT]),
    ("SIGHUP", &[Signal::SIGHUP]),
    (
        "three Ctrl-C",
        &[Signal::SIGINT, Signal::SIGINT, Signal::SIGINT],
    ),
];

const SOON: Duration = Duration::from_secs(20);

fn project(what: &str) -> Project {
    // Where the tests themselves run under `nohup`: what a process ignores its children ignore as well, and what it handles
    // does to them what it does by default.
    let nobody = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(Signal::SIGHUP as i32, nobody).unwrap();
    let text = format!(
        "import os, subprocess, sys, time\n\ndef test_before():\n    pass\n\ndef test_hangs():\n    {what}\n    \
         open(os.environ['BEGUN'], 'w').close()\n    time.sleep(600)\n"
    );
    Project::of(&[("test_hang.py", &*text)])
}

fn start(project: &Project) -> Child {
    project
        .plain_command()
        .env("BEGUN", project.beside("begun"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[track_caller]
fn wait_for_the_test(project: &Project) {
    processes::wait_for("the hanging test", SOON, || {
        project.beside("begun").exists()
    });
}

fn send(run: &Child, signals: &[Signal]) {
    let pid = Pid::from_raw(i32::try_from(run.id()).unwrap());
    for (number, signal) in signals.iter().enumerate() {
        if number > 0 {
            // Two at once may arrive as one.
            thread::sleep(Duration::from_millis(15));
        }
        // It may be gone after the first of them; its number is kept until somebody waits for it.
        let _ = kill(pid, *signal);
    }
}

/// What is left of a run: processes, folders, sockets.
fn left(project: &Project) -> (usize, usize, usize) {
    let temporary = project.temporary();
    let sockets = fs::read_to_string("/proc/net/unix").unwrap_or_default();
    let mark = temporary.to_string_lossy().into_owned();
    (
        processes::of(project).len(),
        fs::read_dir(&temporary).unwrap().count(),
        sockets.lines().filter(|line| line.contains(&mark)).count(),
    )
}

/// Waits until nothing is left, but not long; gives back what is.
fn left_at_last(project: &Project) -> (usize, usize, usize) {
    let begun = Instant::now();
    loop {
        let found = left(project);
        if found == (0, 0, 0) || begun.elapsed() > Duration::from_secs(10) {
            return found;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

#[track_caller]
fn leaves_nothing(what: &str, signals: &[Signal]) {
    let (_, text) = HANGING.iter().find(|(name, _)| *name == what).unwrap();
    let project = project(text);
    let mut run = start(&project);
    wait_for_the_test(&project);
    send(&run, signals);
    let status = run.wait().unwrap();
    if signals[0] != Signal::SIGKILL {
        assert_eq!(status.code(), Some(130), "{what}, {signals:?}");
    }
    assert_eq!(left_at_last(&project), (0, 0, 0), "{what}, {signals:?}");
}

#[test]
fn a_killed_run_leaves_nothing() {
    leaves_nothing("hanging", &[Signal::SIGKILL]);
    leaves_nothing("daemon", &[Signal::SIGKILL]);
}

#[test]
fn a_run_that_is_quit_leaves_nothing() {
    leaves_nothing("setsid", &[Signal::SIGQUIT]);
}

#[test]
fn a_run_whose_terminal_is_gone_leaves_nothing() {
    leaves_nothing("setpgid", &[Signal::SIGHUP]);
}

/// Nobody reads what it says then.
#[test]
fn a_closed_terminal_is_an_interrupt_and_no_bug() {
    let project = project(HANGING[0].1);
    let nix::pty::OpenptyResult { master, slave } = nix::pty::openpty(None, None).unwrap();
    // Or the run would keep it open itself.
    fcntl(&master, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).unwrap();
    let mut report = std::ffi::OsString::from("--report=json=");
    report.push(project.beside("report.json"));
    let mut run = project
        .plain_command()
        .arg(report)
        .env("BEGUN", project.beside("begun"))
        .stdin(Stdio::null())
        .stdout(slave.try_clone().unwrap())
        .stderr(slave)
        .spawn()
        .unwrap();
    wait_for_the_test(&project);
    drop(master);
    send(&run, &[Signal::SIGHUP]);
    assert_eq!(run.wait().unwrap().code(), Some(130));
    assert!(project.beside("report.json").exists());
    assert_eq!(left_at_last(&project), (0, 0, 0));
}

#[test]
fn an_impatient_user_leaves_nothing() {
    leaves_nothing("forking", &[Signal::SIGINT; 3]);
}

/// `nohup` says that this signal is to mean nothing.
#[test]
fn a_run_that_is_to_outlive_its_terminal_does() {
    let project = Project::of(&[(
        "test_slow.py",
        "import os, time\n\ndef test_slow():\n    open(os.environ['BEGUN'], 'w').close()\n    time.sleep(0.3)\n",
    )]);
    let plain = project.plain_command();
    let mut command = common::scrubbed(Command::new("sh"));
    command
        .args(["-c", "trap '' HUP; exec \"$0\" \"$@\""])
        .arg(plain.get_program())
        .args(plain.get_args())
        .current_dir(project.root())
        .env("TMPDIR", project.temporary())
        .env("BEGUN", project.beside("begun"))
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let mut run = command.spawn().unwrap();
    wait_for_the_test(&project);
    send(&run, &[Signal::SIGHUP]);
    assert_eq!(run.wait().unwrap().code(), Some(0));
}

#[test]
fn a_worker_that_left_its_group_is_ended_by_its_time_out() {
    let (_, text) = HANGING.iter().find(|(name, _)| *name == "setpgid").unwrap();
    let project = Project::of(&[(
        "test_hang.py",
        &*format!("import os, time\n\ndef test_hangs():\n    {text}\n    time.sleep(600)\n"),
    )]);
    let begun = Instant::now();
    let checked = project.check(&["--timeout=2s"]);
    assert!(begun.elapsed() < Duration::from_secs(60));
    checked.exits(4);
    assert_eq!(checked.test("::test_hangs").verdict, "timed-out");
    assert_eq!(left_at_last(&project), (0, 0, 0));
}

#[test]
fn what_a_test_starts_in_a_session_of_its_own_ends_with_its_worker() {
    let project = Project::of(&[(
        "test_many.py",
        "import os, time\n\ndef test_one():\n    if os.fork() == 0:\n        os.setsid()\n        time.sleep(600)\n        os._exit(0)\n",
    )]);
    let checked = project.check(&[]);
    checked.exits(1);
    assert_eq!(checked.report.leaks()[0].code, "LK304");
    assert_eq!(left(&project), (0, 0, 0));
}

/// What guards a run may be killed as well.
#[test]
fn the_next_run_removes_what_nobody_could() {
    let project = project(HANGING[0].1);
    let mut run = start(&project);
    wait_for_the_test(&project);
    let guards: Vec<Pid> = processes::of(&project)
        .into_iter()
        .filter(|(_, line)| line.starts_with("leakcheck-"))
        .map(|(pid, _)| pid)
        .collect();
    assert!(guards.len() >= 2, "{:?}", processes::lines(&project));
    for pid in guards {
        kill(pid, Signal::SIGKILL).unwrap();
    }
    send(&run, &[Signal::SIGKILL]);
    run.wait().unwrap();
    let (processes, folders, _) = left(&project);
    assert!(processes >= 2 && folders == 1, "{processes} {folders}");

    // A run that lives is left alone meanwhile.
    fs::remove_file(project.beside("begun")).unwrap();
    let mut other = start(&project);
    wait_for_the_test(&project);
    project.write("test_hang.py", "def test_a():\n    pass\n");
    project.check(&[]).exits(0);
    assert_eq!(left(&project).1, 1);
    assert!(other.try_wait().unwrap().is_none());
    send(&other, &[Signal::SIGTERM]);
    assert_eq!(other.wait().unwrap().code(), Some(130));
    assert_eq!(left_at_last(&project), (0, 0, 0));
}

/// The bridge is run out of it, and what tests write is nobody else's.
#[test]
fn nobody_else_can_look_into_the_folder() {
    let project = project(HANGING[0].1);
    let mut command = common::scrubbed(Command::new("sh"));
    let plain = project.plain_command();
    command
        .args(["-c", "umask 0; exec \"$0\" \"$@\""])
        .arg(plain.get_program())
        .args(plain.get_args())
        .current_dir(project.root())
        .env("TMPDIR", project.temporary())
        .env("BEGUN", project.beside("begun"))
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let mut run = command.spawn().unwrap();
    wait_for_the_test(&project);
    let modes: Vec<u32> = fs::read_dir(project.temporary())
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().permissions().mode() & 0o777)
        .collect();
    send(&run, &[Signal::SIGTERM]);
    run.wait().unwrap();
    assert_eq!(modes, [0o700]);
    assert_eq!(left_at_last(&project), (0, 0, 0));
}

/// Takes some ten minutes: `cargo test --test left_behind -- --ignored --nocapture`.
#[test]
#[ignore = "takes some ten minutes"]
fn nothing_is_left_at_any_moment() {
    const MOMENTS: u64 = 10;
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = u64::from_str_radix(ignored.unwrap().trim(), 16).unwrap();
    // A run inherits it, and would miss what comes before it listens.
    assert_eq!(ignored & 0b111, 0, "run it in the foreground");
    let mut bad = Vec::new();
    println!("| ended by | what hangs | moments | processes | folders | sockets | slowest |");
    println!("|---|---|---|---|---|---|---|");
    for (end, signals) in ENDS {
        for (what, text) in HANGING {
            let mut sum = (0, 0, 0);
            let mut slowest = Duration::ZERO;
            for moment in 0..MOMENTS {
                let project = project(text);
                let mut run = start(&project);
                // From before anything is found to long after the test hangs.
                thread::sleep(Duration::from_millis(5 + moment * moment * 30));
                let asked = Instant::now();
                send(&run, signals);
                run.wait().unwrap();
                let found = left_at_last(&project);
                slowest = slowest.max(asked.elapsed());
                if found != (0, 0, 0) {
                    bad.push(format!("{end}, {what}, {moment}: {found:?}"));
                }
                sum = (sum.0 + found.0, sum.1 + found.1, sum.2 + found.2);
                io::Write::flush(&mut io::stdout()).unwrap();
            }
            println!(
                "| {end} | {what} | {MOMENTS} | {} | {} | {} | {:.1} s |",
                sum.0,
                sum.1,
                sum.2,
                slowest.as_secs_f64()
            );
        }
    }
    assert!(bad.is_empty(), "{bad:#?}");
}
