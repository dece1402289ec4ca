//! `leakcheck review` at a pseudo-terminal, every key.

mod common;

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{Read, Write},
    process::{Child, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

use common::Project;
use nix::pty::openpty;

/// A key that was sent is answered at once; this is for a machine under load.
const PATIENCE: Duration = Duration::from_secs(30);

fn pending(name: &str, digit: char) -> String {
    let fingerprint = digit.to_string().repeat(16);
    format!(
        "---\nformat: leakcheck.snapshot/1\npending: new\nfingerprint: {fingerprint}\ncode: LK101\nkind: python\n\
         owner: project\nsite:\n  file: app.py\n  function: {name}\n  source: {name}_kept.append(1)\n\
         tests:\n- test_app.py::test\n---\nleak\n"
    )
}

/// A project in which `one`, `two` and `three` wait.
fn project() -> Project {
    let project = Project::of(&[]);
    for (name, digit) in [("one", '1'), ("two", '2'), ("three", '3')] {
        let path = format!(".leakcheck/snapshots/{digit}-{name}.snap.new");
        project.write(&path, &pending(name, digit));
    }
    project
}

/// The command at a terminal of its own.
struct Session {
    child: Child,
    keys: File,
    output: Receiver<Vec<u8>>,
    seen: String,
}

impl Session {
    fn review(project: &Project) -> Session {
        let terminal = openpty(None, None).unwrap();
        let slave = File::from(terminal.slave);
        let end = || Stdio::from(slave.try_clone().unwrap());
        let mut command = common::plain_leakcheck();
        command
            .arg("review")
            .current_dir(project.root())
            .env("TERM", "xterm")
            .stdin(end())
            .stdout(end())
            .stderr(end());
        let child = command.spawn().unwrap();
        drop(command);
        drop(slave);
        let keys = File::from(terminal.master);
        let mut reader = keys.try_clone().unwrap();
        let (send, output) = mpsc::channel();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            // Reading fails when the other end is gone.
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                if send.send(bytes[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Session {
            child,
            keys,
            output,
            seen: String::new(),
        }
    }

    /// Waits until `words` were printed after all that was waited for before.
    #[track_caller]
    fn shows(&mut self, words: &str) -> &mut Session {
        let until = Instant::now() + PATIENCE;
        loop {
            let text = anstream::adapter::strip_str(&self.seen).to_string();
            if let Some(at) = text.find(words) {
                self.seen = text[at + words.len()..].to_owned();
                return self;
            }
            match self
                .output
                .recv_timeout(until.saturating_duration_since(Instant::now()))
            {
                Ok(bytes) => self.seen.push_str(&String::from_utf8_lossy(&bytes)),
                Err(_) => panic!("`{words}` was not shown: {text}"),
            }
        }
    }

    fn press(&mut self, keys: &str) -> &mut Session {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self
    }

    #[track_caller]
    fn ends(&mut self, code: i32) {
        assert_eq!(self.child.wait().unwrap().code(), Some(code));
    }
}

impl Drop for Session {
    /// A test that failed must not leave it waiting for keys.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const PROMPT: &str = "q quit";

fn names(project: &Project) -> BTreeSet<String> {
    fs::read_dir(project.root().join(".leakcheck/snapshots"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn accept_reject_and_skip() {
    let project = project();
    let mut session = Session::review(&project);
    session
        .shows("[1/3] new: LK101 one in app.py")
        .shows("one_kept.append")
        .shows(PROMPT);
    session
        .press("a")
        .shows("accepted LK101 one")
        .shows("[2/3]")
        .shows(PROMPT);
    session
        .press("r")
        .shows("rejected LK101 two")
        .shows("[3/3]")
        .shows(PROMPT);
    session.press("s").shows("skipped");
    session.ends(0);
    assert_eq!(names(&project), set(&["1-one.snap", "3-three.snap.new"]));
    let accepted = &project.snapshots(".snap")["1-one.snap"];
    assert!(!accepted.contains("pending"), "{accepted}");
}

#[test]
fn show_the_whole_file_and_quit() {
    let project = project();
    let before = names(&project);
    let mut session = Session::review(&project);
    session
        .shows(PROMPT)
        .press("w")
        .shows("fingerprint: '1111111111111111'")
        .shows(PROMPT);
    session.press("q").shows("3 left");
    session.ends(0);
    assert_eq!(names(&project), before);
}

#[test]
fn what_was_decided_before_quitting_stays_decided() {
    let project = project();
    let mut session = Session::review(&project);
    session
        .shows(PROMPT)
        .press("a")
        .shows("[2/3]")
        .shows(PROMPT)
        .press("\u{1b}")
        .shows("2 left");
    session.ends(0);
    assert_eq!(
        names(&project),
        set(&["1-one.snap", "2-two.snap.new", "3-three.snap.new"])
    );
}

#[test]
fn an_interrupt_leaves_the_rest_alone() {
    let project = project();
    let before = names(&project);
    let mut session = Session::review(&project);
    session.shows(PROMPT);
    // Pressed before the first key is waited for it is no key but a signal, for a foreground that this terminal does not
    // have; then it is lost.
    let until = Instant::now() + PATIENCE;
    while session.child.try_wait().unwrap().is_none() && Instant::now() < until {
        // Its end may come first.
        let _ = session.keys.write_all(b"\x03");
        thread::sleep(Duration::from_millis(50));
    }
    session.ends(130);
    assert_eq!(names(&project), before);
}

#[test]
fn other_keys_do_nothing() {
    let project = project();
    let before = names(&project);
    let mut session = Session::review(&project);
    session
        .shows(PROMPT)
        .press("y")
        .press("\r")
        .press("7")
        .press("\u{1b}[A")
        .press("S");
    session
        .shows("skipped")
        .shows("[2/3]")
        .shows(PROMPT)
        .press("Q")
        .shows("2 left");
    session.ends(0);
    assert_eq!(names(&project), before);
}

#[test]
fn a_change_is_shown_as_one_and_what_is_gone_is_removed() {
    let project = project();
    let accepted = pending("one", '1')
        .replace("pending: new\n", "")
        .replace("---\nleak", "rates:\n- blocks: 2\n---\nleak");
    project.write(".leakcheck/snapshots/1-one.snap", &accepted);
    let worse = accepted
        .replace("fingerprint:", "pending: worse\nfingerprint:")
        .replace("blocks: 2", "blocks: 9");
    project.write(".leakcheck/snapshots/1-one.snap.new", &worse);
    let gone = pending("two", '2');
    project.write(
        ".leakcheck/snapshots/2-two.snap",
        &gone.replace("pending: new\n", ""),
    );
    project.write(
        ".leakcheck/snapshots/2-two.snap.new",
        &gone.replace("pending: new", "pending: fixed"),
    );
    let mut session = Session::review(&project);
    // The new one comes first.
    session
        .shows("[1/3] new: LK101 three")
        .shows(PROMPT)
        .press("s");
    session
        .shows("[2/3] grows faster than accepted")
        .shows("-  each iteration: +2 blocks");
    session
        .shows("+  each iteration: +9 blocks")
        .shows(PROMPT)
        .press("a");
    session
        .shows("[3/3] gone")
        .shows("-leak[LK101] two")
        .shows(PROMPT)
        .press("a");
    session.shows("removed LK101 two");
    session.ends(0);
    assert_eq!(names(&project), set(&["1-one.snap", "3-three.snap.new"]));
}

#[test]
fn without_a_terminal_it_says_what_to_use() {
    let project = project();
    let before = names(&project);
    let output = project.bare().arg("review").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("leakcheck accept"), "{said}");
    assert_eq!(names(&project), before);
}

#[test]
fn with_nothing_to_decide_it_says_so() {
    let project = Project::of(&[]);
    let output = project.bare().arg("review").output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .contains("nothing waits")
    );
}
