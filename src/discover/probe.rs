//! Runs the probe in an interpreter and reads its answer.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::limited;
use super::refusal::InterpreterError;
use crate::config::text;

const PROBE: &str = include_str!("probe.py");

/// What the probe puts before its answer, so that the noise of start-up code is not taken for it.
const MARK: &str = "leakcheck-probe: ";

/// What any Python can say about itself.
#[derive(Deserialize)]
pub(super) struct Answer {
    pub version: (u8, u8, u8),
    pub version_text: String,
    pub implementation: String,
    /// Present where the Python is one that we support.
    pub facts: Option<Facts>,
}

/// What a supported Python says about itself, in the probe's words.
#[derive(Deserialize)]
pub(super) struct Facts {
    pub executable: String,
    pub platform: String,
    pub machine: String,
    /// Name and version.
    pub libc: (String, String),
    pub debug: bool,
    pub references: Option<i64>,
    pub free_threaded: bool,
    pub gil: bool,
    pub jit: bool,
    pub pymalloc: bool,
    pub python_malloc: Option<String>,
    pub own_malloc: bool,
    pub mallinfo: Option<String>,
    pub pytest: Option<String>,
    pub plugins: Vec<String>,
    pub paths: Paths,
}

/// Asks the Python at `path` about itself, in the directory where it is to run the tests: shims of version managers
/// choose by it, and a relative PYTHONPATH starts from it.
pub(super) fn ask(
    path: &Path,
    directory: &Path,
    timeout: Duration,
) -> Result<Answer, InterpreterError> {
    let program = duct::cmd(path, ["-B", "-c", PROBE]).dir(directory);
    match limited::run(&program, timeout) {
        Ok(Some(output)) => read(path, &output),
        Ok(None) => Err(InterpreterError::TimedOut {
            path: path.to_owned(),
            timeout,
        }),
        Err(cause) => Err(InterpreterError::NotExecutable {
            path: path.to_owned(),
            cause: reason(path, &cause),
        }),
    }
}

fn read(path: &Path, output: &Output) -> Result<Answer, InterpreterError> {
    let said = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        let said = complaint(&String::from_utf8_lossy(&output.stderr), &said);
        let how = ending(output.status);
        return Err(InterpreterError::Failed {
            path: path.to_owned(),
            how,
            said,
        });
    }
    said.lines()
        .rev()
        .find_map(|line| serde_json::from_str(line.strip_prefix(MARK)?).ok())
        .ok_or_else(|| InterpreterError::Garbage {
            path: path.to_owned(),
            said: quoted(&said),
        })
}

/// Why a file could not be started. For a link or a script, "no such file" means another file than the one named.
fn reason(path: &Path, cause: &std::io::Error) -> String {
    if cause.kind() != std::io::ErrorKind::NotFound {
        return cause.to_string();
    }
    match path.read_link() {
        Ok(target) if !path.exists() => {
            format!(
                "it is a link to {}, which does not exist",
                text::show(&target)
            )
        }
        _ if path.exists() => format!("{cause}; does its first line name a program that exists?"),
        _ => cause.to_string(),
    }
}

fn ending(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("it exited with code {code}"),
        (None, Some(signal)) => format!("it was killed by signal {signal}"),
        (None, None) => "it ended abnormally".to_owned(),
    }
}

/// The line that says most: the last one of a traceback, else the first.
fn complaint(stderr: &str, stdout: &str) -> String {
    let stderr = stderr.trim();
    if stderr.contains("Traceback (most recent call last)") {
        return quoted(stderr.lines().next_back().unwrap_or_default());
    }
    quoted(if stderr.is_empty() { stdout } else { stderr })
}

fn quoted(said: &str) -> String {
    match text::excerpt(said, 120) {
        nothing if nothing.is_empty() => "nothing".to_owned(),
        line => format!("`{line}`"),
    }
}

/// Where an interpreter keeps what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paths {
    pub prefix: PathBuf,
    pub base_prefix: PathBuf,
    pub stdlib: PathBuf,
    pub platstdlib: PathBuf,
    pub purelib: PathBuf,
    pub platlib: PathBuf,
    /// All site-packages; Debian has several.
    pub site_packages: Vec<PathBuf>,
    /// Only where it is in use.
    pub user_site: Option<PathBuf>,
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::path::PathBuf;
    use std::process::Command;
    use std::time::Instant;

    /// Writes an executable. A shell does it: were the file open for writing in this process while another test
    /// starts a program, that program would hold it open and the file could not be executed.
    pub(in crate::discover) fn executable(file: &Path, content: &str) -> PathBuf {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        let write = "printf %s \"$1\" > \"$2\" && chmod 755 \"$2\"";
        let status = Command::new("sh")
            .args(["-c", write, "sh", content])
            .arg(file)
            .status();
        assert!(status.unwrap().success());
        file.to_owned()
    }

    /// What asking a script says, the script's directory left out.
    fn ask_script(script: &str, timeout: Duration) -> Result<Answer, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = executable(&directory.path().join("python"), script);
        ask(&path, directory.path(), timeout).map_err(|error| {
            error
                .to_string()
                .replace(&format!("{}/", directory.path().display()), "")
        })
    }

    const LONG: Duration = Duration::from_secs(30);

    #[test]
    fn what_is_no_working_python_is_said_with_what_it_said() {
        let table = [
            (
                "#!/bin/sh\nexit 3",
                "python is not a working Python: it exited with code 3 and said nothing",
            ),
            (
                "#!/bin/sh\necho 'pyenv: no such version' >&2\necho more >&2\nexit 127",
                "python is not a working Python: it exited with code 127 and said `pyenv: no such version`",
            ),
            (
                "#!/bin/sh\necho on stdout\nexit 1",
                "it exited with code 1 and said `on stdout`",
            ),
            (
                "#!/bin/sh\nprintf 'Traceback (most recent call last):\\n  File x\\nImportError: no json\\n' >&2\nexit 1",
                "it exited with code 1 and said `ImportError: no json`",
            ),
            (
                "#!/bin/sh\nkill -SEGV $$",
                "it was killed by signal 11 and said nothing",
            ),
            (
                "#!/bin/sh\necho hello",
                "python is not a Python: asked about itself, it said `hello`",
            ),
            (
                "#!/bin/sh\n",
                "python is not a Python: asked about itself, it said nothing",
            ),
            (
                "#!/bin/sh\nprintf '\\033[31mred'",
                "it said `\\u{1b}[31mred`",
            ),
            (
                "#!/bin/sh\necho 'leakcheck-probe: {\"version\": 3}'",
                "it said `leakcheck-probe: {",
            ),
            (
                "not a program\n",
                "python cannot be executed: Exec format error",
            ),
            (
                "#!/nowhere/python\n",
                "does its first line name a program that exists?",
            ),
        ];
        for (script, expected) in table {
            let error = ask_script(script, LONG).err().expect(script);
            assert!(error.contains(expected), "{script}: {error}");
            assert_eq!(error.lines().count(), 1, "{error:?}");
        }
    }

    #[test]
    fn the_usual_impostors_are_found_out() {
        for (path, expected) in [
            ("/bin/false", "code 1 and said nothing"),
            ("/bin/echo", "it said `-B -c #"),
        ] {
            let error = ask(Path::new(path), Path::new("/"), LONG)
                .err()
                .expect(path)
                .to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_python_that_hangs_is_ended_with_all_that_it_started() {
        let directory = tempfile::tempdir().unwrap();
        let id_file = directory.path().join("id");
        let script = format!(
            "#!/bin/sh\nsleep 300 &\necho $! > '{}'\nwait",
            id_file.display()
        );
        let start = Instant::now();
        let error = ask_script(&script, Duration::from_millis(700))
            .err()
            .unwrap();
        assert_eq!(
            error,
            "python is not a working Python: it gave no answer within 0.7 s"
        );
        // Waiting for the pipes that the grandchild holds would take the two seconds of the second limit.
        assert!(
            start.elapsed() < Duration::from_secs(2),
            "{:?}",
            start.elapsed()
        );
        let id = std::fs::read_to_string(id_file).unwrap();
        let state =
            std::fs::read_to_string(format!("/proc/{}/stat", id.trim())).unwrap_or_default();
        assert!(
            state.is_empty() || state.contains(") Z "),
            "still there: {state}"
        );
    }

    #[test]
    fn the_answer_is_told_from_the_noise_around_it() {
        let script = "#!/bin/sh\necho noise\nprintf 'half a line\\nleakcheck-probe: {\"version\":[3,7,1],\
                      \"version_text\":\"3.7.1\",\"implementation\":\"CPython\"}\\nmore noise\\n'";
        let answer = ask_script(script, LONG).unwrap();
        assert_eq!(answer.version, (3, 7, 1));
        assert!(answer.facts.is_none());
    }

    #[test]
    fn no_module_of_the_project_stands_in_for_one_that_the_probe_needs() {
        let directory = tempfile::tempdir().unwrap();
        for module in ["json", "platform", "ctypes"] {
            std::fs::write(
                directory.path().join(format!("{module}.py")),
                "raise SystemExit(9)",
            )
            .unwrap();
        }
        // An empty entry of PYTHONPATH is the current directory.
        let script = "#!/bin/sh\nPYTHONPATH=: exec python3 \"$@\"";
        let path = executable(&directory.path().join("bin/python"), script);
        let answer = ask(&path, directory.path(), LONG).map_err(|error| error.to_string());
        assert!(answer.unwrap().facts.is_some());
    }

    #[test]
    fn what_the_environment_gives_the_tests_is_seen() {
        let directory = tempfile::tempdir().unwrap();
        let site = directory.path().join("site");
        let info = site.join("pytest_demo-1.0.dist-info");
        std::fs::create_dir_all(site.join("pytest")).unwrap();
        std::fs::create_dir_all(&info).unwrap();
        std::fs::create_dir_all(site.join("pytest-99.9.dist-info")).unwrap();
        std::fs::write(
            site.join("pytest/__init__.py"),
            "raise RuntimeError('imported')",
        )
        .unwrap();
        std::fs::write(
            site.join("pytest-99.9.dist-info/METADATA"),
            "Name: pytest\nVersion: 99.9\n",
        )
        .unwrap();
        std::fs::write(info.join("METADATA"), "Name: pytest-demo\nVersion: 1.0\n").unwrap();
        std::fs::write(
            info.join("entry_points.txt"),
            "[pytest11]\nzeta = z\ndemo = d\n[other]\nno = n\n",
        )
        .unwrap();
        let script = "#!/bin/sh\nPYTHONMALLOC=malloc PYTHONPATH=site exec python3 \"$@\"";
        let path = executable(&directory.path().join("bin/python"), script);
        let facts = ask(&path, directory.path(), LONG)
            .ok()
            .unwrap()
            .facts
            .unwrap();
        assert_eq!(facts.pytest.as_deref(), Some("99.9"));
        assert!(
            ["demo", "zeta"]
                .iter()
                .all(|name| facts.plugins.iter().any(|plugin| plugin == name))
        );
        assert!(!facts.plugins.iter().any(|plugin| plugin == "no"));
        assert_eq!(facts.python_malloc.as_deref(), Some("malloc"));
        assert!(!facts.pymalloc);
    }

    #[test]
    fn a_folder_called_pytest_is_not_pytest() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(directory.path().join("site/pytest")).unwrap();
        let script = "#!/bin/sh\nPYTHONPATH=site exec python3 -S \"$@\"";
        let path = executable(&directory.path().join("bin/python"), script);
        let facts = ask(&path, directory.path(), LONG)
            .ok()
            .unwrap()
            .facts
            .unwrap();
        assert_eq!(facts.pytest, None);
    }
}
