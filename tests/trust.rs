//! What comes from a project, over the wire, in a report or in a snapshot is asked what it is before it is believed.

mod common;

use std::{
    ffi::OsStr,
    fs,
    os::unix::{
        ffi::OsStrExt,
        fs::{PermissionsExt, symlink},
        process::CommandExt,
    },
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use common::{Checked, Project, leakcheck};
use nix::{
    sys::{
        signal::{Signal, killpg},
        stat::Mode,
    },
    unistd::{Pid, mkfifo},
};

/// Longer than anything here takes on a busy machine; what is seen here hangs for ever where it is wrong.
const PATIENCE: Duration = Duration::from_secs(150);

/// The output of a command that must end by itself.
#[track_caller]
fn ended(mut command: Command) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| fs::File::create(folder.path().join(name)).unwrap();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(file("out"))
        .stderr(file("err"))
        .process_group(0)
        .spawn()
        .unwrap();
    let begun = Instant::now();
    let read = |name: &str| fs::read(folder.path().join(name)).unwrap();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Output {
                status,
                stdout: read("out"),
                stderr: read("err"),
            };
        }
        if begun.elapsed() > PATIENCE {
            let group = Pid::from_raw(child.id().try_into().unwrap());
            let _ = killpg(group, Signal::SIGKILL);
            let _ = child.wait();
            let said = String::from_utf8_lossy(&read("err")).into_owned();
            panic!("no end within {PATIENCE:?}\n{said}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The exit code and what was said on the standard error stream.
#[track_caller]
fn said(command: Command) -> (i32, String) {
    let output = ended(command);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code().unwrap_or(-1), text)
}

/// Runs the check and reads its report; with at most 4 GB of addresses, which reading without an end would use up.
#[track_caller]
fn checked(project: &Project, args: &[&str]) -> Checked {
    let path = project.beside("report.json");
    let mut report = std::ffi::OsString::from("--report=json=");
    report.push(&path);
    let plain = project.plain_command();
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -v 4000000; exec \"$@\"", "sh"])
        .arg(plain.get_program())
        .args(plain.get_args())
        .arg(report)
        .args(args)
        .current_dir(project.root());
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    Checked::read(ended(command), &path)
}

#[test]
fn code_that_goes_by_the_name_of_any_file_does_not_have_it_read_or_quoted() {
    let project = Project::of(&[(
        "test_code.py",
        "import os\nimport pytest\nL = []\nHERE = os.path.dirname(os.path.abspath(__file__))\n\
         NAMES = ['/dev/zero', HERE + '/pipe', HERE + '/../beside', HERE + '/.env', HERE + '/link.py']\n\
         @pytest.mark.parametrize('name', NAMES, ids=lambda name: os.path.basename(name))\n\
         def test_code(name):\n    exec(compile('def f(): L.append([1] * 5)\\nf()', name, 'exec'), {'L': L})\n",
    )]);
    mkfifo(&project.root().join("pipe"), Mode::S_IRWXU).unwrap();
    let secret = "hunter = 2\npassword = 'swordfish'\n";
    fs::write(project.beside("beside"), secret).unwrap();
    project.write(".env", secret);
    symlink(project.beside("beside"), project.root().join("link.py")).unwrap();
    let checked = checked(&project, &["--report=html=report.html"]);
    checked.exits(1).all("leak", 5);
    let pages = [
        fs::read_to_string(project.beside("report.json")).unwrap(),
        fs::read_to_string(project.root().join("report.html")).unwrap(),
        checked.stdout.clone(),
    ];
    for page in pages {
        assert!(
            !page.contains("hunter") && !page.contains("swordfish"),
            "{page}"
        );
    }
}

#[test]
fn settings_that_are_no_file_end_the_run_with_a_line() {
    for name in ["leakcheck.toml", "pyproject.toml", "Cargo.toml"] {
        let project = Project::of(&[("test_a.py", "def test_a(): pass\n")]);
        let path = project.root().join(name);
        mkfifo(&path, Mode::S_IRWXU).unwrap();
        let (code, text) = said(project.plain_command());
        assert_eq!(code, 2, "{text}");
        let line = format!("leakcheck: {name}: it is no file; move it elsewhere\n");
        assert_eq!(text, line);
        fs::remove_file(&path).unwrap();
        // A link whose target was moved: the settings are not simply gone.
        symlink("moved.toml", &path).unwrap();
        let (code, text) = said(project.plain_command());
        assert_eq!(code, 2, "{text}");
        assert_eq!(
            text,
            format!("leakcheck: {name}: it is a link that leads nowhere\n")
        );
    }
}

#[test]
fn pipes_among_the_files_of_a_project_stop_nothing() {
    let project = Project::of(&[
        ("test_a.py", "def test_a(): pass\n"),
        (
            "pyproject.toml",
            "[tool.maturin]\nmanifest-path = 'rust/Cargo.toml'\n",
        ),
        ("rust/x", ""),
    ]);
    for name in [
        "tox.ini",
        "setup.cfg",
        "rust/Cargo.toml",
        "Makefile",
        "test_pipe.py",
    ] {
        mkfifo(&project.root().join(name), Mode::S_IRWXU).unwrap();
    }
    let mut run = project.plain_command();
    run.args(["--runner", "unittest", "test_a.py"]);
    let (code, text) = said(run);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("found no tests"), "{text}");
    let mut init = Command::new(env!("CARGO_BIN_EXE_leakcheck"));
    init.arg("init").current_dir(project.root());
    let (code, text) = said(init);
    assert_eq!(code, 0, "{text}");
}

#[test]
fn nothing_is_written_through_a_link_of_the_project() {
    for link in [".leakcheck", ".leakcheck/snapshots"] {
        let project = Project::of(&[("test_a.py", "L = []\ndef test_a(): L.append([1] * 5)\n")]);
        let outside = project.beside("outside");
        fs::create_dir(&outside).unwrap();
        let path = project.root().join(link);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(&outside, &path).unwrap();
        for verb in [
            &["run"][..],
            &["accept"],
            &["reject"],
            &["review"],
            &["init"],
        ] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_leakcheck"));
            command
                .args(verb)
                .current_dir(project.root())
                .env("TMPDIR", project.temporary())
                .env_remove("CI");
            if verb == ["run"] {
                command.arg("--python").arg(project.python());
            }
            let (code, text) = said(command);
            // What `init` writes there is `.leakcheck/.gitignore`, beside the snapshots.
            if verb != ["init"] || link == ".leakcheck" {
                assert_eq!(code, 2, "{verb:?}: {text}");
                let line = format!("{link} is a link; put a folder there");
                assert!(text.contains(&line), "{verb:?}: {text}");
            }
            let written = fs::read_dir(&outside).unwrap().count();
            assert_eq!(written, 0, "{verb:?} wrote through {link}");
        }
    }
}

fn report_text() -> String {
    serde_json::to_string_pretty(&common::everything::document()).unwrap()
}

#[test]
fn a_full_disk_leaves_the_old_report_and_every_failure_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("run.json"), report_text()).unwrap();
    fs::write(at("old.json"), "old").unwrap();
    let mut command = Command::new("sh");
    // No file may become longer than 4 kB, and writing more is an error.
    command
        .args([
            "-c",
            "trap '' XFSZ; ulimit -f 8; exec \"$@\" >/dev/null",
            "sh",
        ])
        .arg(env!("CARGO_BIN_EXE_leakcheck"))
        .args(["report", "run.json", "--report=json=old.json"])
        .args([
            "--report=html=new.html",
            "--report=json=no/such/folder.json",
        ])
        .current_dir(folder.path());
    let (code, text) = said(command);
    assert_eq!(code, 2, "{text}");
    for (name, cause) in [
        ("old.json", "File too large"),
        ("new.html", "File too large"),
        ("no/such/folder.json", "No such file or directory"),
    ] {
        let line = format!("leakcheck: cannot write {name}: {cause}");
        assert!(text.contains(&line), "{text}");
    }
    assert_eq!(fs::read_to_string(at("old.json")).unwrap(), "old");
    let mut left: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["old.json", "run.json"]);
}

#[test]
fn a_report_with_values_that_nobody_writes_is_refused() {
    let good = report_text();
    let fingerprint = good.split("\"fingerprint\": \"").nth(1).unwrap();
    let fingerprint = fingerprint.split('"').next().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.json");
    let told = |text: &str| {
        fs::write(&path, text).unwrap();
        let output = leakcheck().arg("report").arg(&path).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        (output.status.code().unwrap(), text)
    };
    assert_eq!(told(&good).0, 0);
    for (from, to, cause) in [
        (fingerprint, "../../../../pwn!", "is no fingerprint"),
        (fingerprint, "ABCDEF0123456789", "is no fingerprint"),
        (
            "\"code\": \"LK",
            "\"code\": \"../../LK",
            "is no kind of leak",
        ),
        ("\"judged\": ", "\"judged\": 1000", "is no share of tests"),
        ("\"seconds\": ", "\"seconds\": -1", " s is no time"),
    ] {
        assert!(good.contains(from), "{from}");
        let (code, text) = told(&good.replacen(from, to, 1));
        assert_eq!(code, 2, "{text}");
        assert!(
            text.contains("is damaged: ") && text.contains(cause),
            "{text}"
        );
    }
}

/// Talks to the other half as the bridge does, and about itself.
const TALK: &str = "
import json, os, socket, sys, threading, time
PLACE = os.path.join(os.environ['TMPDIR'], '..', 'orders.json')
ORDERS = json.load(open(PLACE))
def connect():
    s = socket.socket(socket.AF_UNIX)
    s.connect(ORDERS['socket'])
    return s
";

#[track_caller]
fn undecided(name: &str, body: &str, args: &[&str]) -> String {
    let test = format!("{TALK}\n{body}\nKEPT = []\ndef test_leak(): KEPT.append([1] * 9)\n");
    let project = Project::of(&[("test_talk.py", &test)]);
    let checked = checked(&project, args);
    let verdicts = checked.verdicts();
    let at = |test: &str| verdicts.get(&*format!("test_talk.py::{test}")).copied();
    assert_eq!(
        at(name),
        Some("undecided"),
        "{verdicts:?}\n{}",
        checked.stderr
    );
    assert_eq!(
        at("test_leak"),
        Some("leak"),
        "{verdicts:?}\n{}",
        checked.stderr
    );
    project.assert_nothing_left(&project.files());
    let tests = &checked.report.tests;
    let test = tests.iter().find(|test| test.id.ends_with(name)).unwrap();
    test.reason.clone().unwrap_or_default()
}

#[test]
fn a_flood_on_the_wire_has_an_end() {
    let reason = undecided(
        "test_flood",
        "def test_flood():\n    s = connect()\n    while True: s.sendall(b'x' * (1 << 20))\n",
        &[],
    );
    assert!(reason.contains("without an end"), "{reason}");
}

#[test]
fn a_forged_answer_is_no_verdict() {
    let reason = undecided(
        "test_forger",
        "RAN = {'re': 'ran', 'iterations': 4000000000, 'outcome': {'status': 'passed', 'phase': '', 'message': ''},\n\
         \x20   'seconds': 0.1, 'cpu_warm': 0.1, 'cpu': 0.1, 'resident': 1, 'series': {'blocks': [1, 1, 1, 1]}, 'emptied': False,\n\
         \x20   'filling': False, 'errors': []}\n\
         def test_forger():\n    s = connect()\n    s.sendall(json.dumps(RAN).encode() + b'\\n')\n    time.sleep(2)\n",
        &[],
    );
    assert!(reason.contains("leakcheck's own connection"), "{reason}");
}

#[test]
fn a_connection_of_another_process_changes_nothing() {
    let project = Project::of(&[(
        "test_talk.py",
        &format!(
            "{TALK}import subprocess\nCHILD = '''{TALK}\ns = connect()\ntry:\n    s.sendall(b'x' * 9 + bytes([10]))\n    s.recv(1)\n\
             except OSError: pass\n'''\n\
             def test_child():\n    subprocess.run([sys.executable, '-c', CHILD], check=True)\n"
        ),
    )]);
    checked(&project, &[]).exits(0).all("clean", 1);
}

#[test]
fn a_forged_heartbeat_does_not_hide_a_hang_for_ever() {
    let test = format!(
        "{TALK}import mmap\ndef test_hang():\n    file = open(ORDERS['heartbeat'], 'r+b')\n    page = mmap.mmap(file.fileno(), 4096)\n    \
         words = memoryview(page).cast('Q')\n    def beat():\n        while True:\n            words[0] += 1\n            \
         words[1] = 4\n            time.sleep(0.01)\n    threading.Thread(target=beat, daemon=True).start()\n    time.sleep(10**6)\n\
         def test_other(): pass\n"
    );
    let project = Project::of(&[("test_talk.py", &test)]);
    let checked = checked(&project, &["--timeout=1s"]);
    assert_eq!(checked.verdicts()["test_talk.py::test_hang"], "timed-out");
    assert_eq!(checked.verdicts()["test_talk.py::test_other"], "clean");
}

#[test]
fn a_folder_whose_name_is_no_text_makes_no_difference() {
    let test = "L = []\ndef helper():\n    L.append([1] * 5)\ndef test_a():\n    helper()\n";
    let usual = Project::of(&[("tests/test_a.py", test)]);
    let expected = checked(&usual, &[]);
    let project = Project::of(&[]);
    let root = project.root().join(OsStr::from_bytes(b"d\xff"));
    fs::create_dir_all(root.join("tests")).unwrap();
    fs::write(root.join("tests/test_a.py"), test).unwrap();
    fs::write(root.join("pytest.ini"), "[pytest]\n").unwrap();
    let mut command = project.plain_command();
    let path = project.beside("report.json");
    let mut report = std::ffi::OsString::from("--report=json=");
    report.push(&path);
    command.arg(report).arg("tests").current_dir(&root);
    let found = Checked::read(ended(command), &path);
    found.exits(1);
    let of = |checked: &Checked| {
        let found = &checked.report.findings;
        assert_eq!(found.len(), 1, "{}", checked.stdout);
        let site = &found[0].sites[0];
        let place = (site.file.clone(), site.line, site.function.clone());
        (found[0].fingerprint.clone(), place)
    };
    assert_eq!(of(&found), of(&expected));
    assert_eq!(
        of(&found).1,
        ("tests/test_a.py".to_owned(), 3, "helper".to_owned())
    );
    let text = fs::read_to_string(&path).unwrap();
    assert!(
        text.contains("L.append([1] * 5)\\n"),
        "no lines of the source"
    );
    assert!(root.join(".leakcheck/snapshots").is_dir());
}

#[test]
fn arguments_that_make_the_runner_do_something_else_are_told_to() {
    let project = Project::of(&[("test_a.py", "def test_a(): pass\n")]);
    for argument in ["--help", "--version", "--fixtures", "--markers"] {
        let mut command = project.plain_command();
        command.args(["--", argument]);
        let (code, text) = said(command);
        assert_eq!(code, 2, "{argument}: {text}");
        assert!(text.contains("without running tests"), "{argument}: {text}");
    }
}

#[test]
fn deciding_and_rendering_runs_nothing_of_the_project() {
    let project = Project::of(&[
        ("leakcheck.toml", "python = \"./python\"\n"),
        ("conftest.py", "open('ran', 'w')\n"),
        ("sitecustomize.py", "open('ran', 'w')\n"),
    ]);
    for name in ["python", "python3", "git", "cargo", "pytest", "less"] {
        project.write(name, "#!/bin/sh\ntouch ran\n");
        let path = project.root().join(name);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let run = project.beside("run.json");
    fs::write(&run, report_text()).unwrap();
    for verb in [
        "accept", "reject", "review", "report", "merge", "explain", "init",
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_leakcheck"));
        command
            .arg(verb)
            .current_dir(project.root())
            .env("PATH", project.root())
            .env("PAGER", "less");
        if ["report", "merge"].contains(&verb) {
            command.arg(&run);
        }
        let (code, text) = said(command);
        assert!([0, 2].contains(&code), "{verb}: {code} {text}");
        assert!(!project.root().join("ran").exists(), "{verb}");
    }
}

#[test]
fn the_environment_is_in_no_report() {
    let project = Project::of(&[(
        "test_a.py",
        "import subprocess\nL = []\nC = []\n\
         def test_list(): L.append([1] * 5)\n\
         def test_child(): C.append(subprocess.Popen(['sleep', '100']))\n\
         def test_error(): raise ValueError('no')\n",
    )]);
    let mut command = project.plain_command();
    let formats = [
        "json", "html", "sarif", "junit", "markdown", "gitlab", "github", "plain", "short",
        "badge", "bencher",
    ];
    for format in formats {
        let mut report = std::ffi::OsString::from(format!("--report={format}="));
        report.push(project.beside(format));
        command.arg(report);
    }
    command.env("DEPLOY_TOKEN", "swordfish");
    let output = ended(command);
    let mut all = [output.stdout, output.stderr].concat();
    for format in formats {
        all.extend(fs::read(project.beside(format)).unwrap());
    }
    for text in project.snapshots(".snap.new").values() {
        all.extend(text.bytes());
    }
    let all = String::from_utf8_lossy(&all);
    assert!(
        all.contains("test_list") && all.contains("sleep 100"),
        "{all}"
    );
    assert!(!all.contains("swordfish"), "{all}");
}
