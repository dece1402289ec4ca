//! What every integration test needs: virtual environments, projects to check, and reports to read.
//!
//! Python is `python3`, or what `LEAKCHECK_TEST_PYTHON` names. Virtual environments are made on first use and kept
//! in the build directory; delete `target/tmp` to have them made anew.

// Each test binary compiles this file for itself and uses a part of it.
#![allow(dead_code)]

pub mod countable;
pub mod everything;
pub mod history;
pub mod postgres;
#[cfg(target_os = "linux")]
pub mod processes;
pub mod workflow;

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{Mutex, OnceLock},
};

use leakcheck::verdict::rule::Rule;
use serde::Deserialize;
use serde_json::Value;
use tempfile::TempDir;

/// Names the Python to make the virtual environments with.
const PYTHON_VARIABLE: &str = "LEAKCHECK_TEST_PYTHON";

/// Which packages a virtual environment holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packages {
    /// None.
    None,
    /// pytest alone.
    Plain,
    /// pytest and the plugins that suites use most.
    Plugins,
    /// The newest pytest.
    Newest,
    /// The oldest one that is supported.
    Oldest,
    /// What reads the reports.
    Reports,
    /// pytest and what the corpus needs besides.
    Corpus,
    /// Django and other programs that run tests.
    Runners,
    /// Plugins that run tests of other kinds.
    Relatives,
    /// What binds machine code to Python.
    Bindings,
}

impl Packages {
    fn name(self) -> &'static str {
        match self {
            Packages::None => "none",
            Packages::Plain => "plain",
            Packages::Plugins => "plugins",
            Packages::Newest => "newest",
            Packages::Oldest => "oldest",
            Packages::Reports => "reports",
            Packages::Corpus => "corpus",
            Packages::Runners => "runners",
            Packages::Relatives => "relatives",
            Packages::Bindings => "bindings",
        }
    }

    fn requirements(self) -> &'static str {
        match self {
            Packages::None => "",
            Packages::Plain => include_str!("../requirements.txt"),
            Packages::Plugins => include_str!("../requirements-plugins.txt"),
            Packages::Newest => include_str!("../requirements-newest.txt"),
            Packages::Oldest => include_str!("../requirements-oldest.txt"),
            Packages::Reports => include_str!("../requirements-reports.txt"),
            Packages::Corpus => include_str!("../requirements-corpus.txt"),
            Packages::Runners => include_str!("../requirements-runners.txt"),
            Packages::Relatives => include_str!("../requirements-relatives.txt"),
            Packages::Bindings => include_str!("../requirements-bindings.txt"),
        }
    }
}

/// The Python that the virtual environments are made with: its real path and its version.
fn base_python() -> &'static (PathBuf, (u32, u32)) {
    static BASE: OnceLock<(PathBuf, (u32, u32))> = OnceLock::new();
    BASE.get_or_init(|| {
        let name = env::var_os(PYTHON_VARIABLE).unwrap_or_else(|| "python3".into());
        let script =
            "import sys; print(sys.version_info[0], sys.version_info[1], sys.executable, sep='\\n')";
        let output = scrubbed(Command::new(&name))
            .args(["-c", script])
            .output()
            .unwrap_or_else(|error| panic!("{} cannot be started: {error}", name.display()));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut lines = text.lines();
        let mut number = || lines.next().and_then(|line| line.parse().ok());
        let (Some(major), Some(minor)) = (number(), number()) else {
            panic!("{} is not a Python: {output:?}", name.display());
        };
        let path = lines.next().expect("a path after the version");
        (path.into(), (major, minor))
    })
}

/// Major and minor version of the Python under test.
pub fn python_version() -> (u32, u32) {
    base_python().1
}

/// The Python of a virtual environment with `packages`, made if there is none yet.
pub fn python(packages: Packages) -> PathBuf {
    static MADE: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    let (base, _) = base_python();
    // The path tells two builds of the same version apart.
    let key = base.to_string_lossy().replace(['/', '.'], "-");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("environments")
        .join(format!("{}{key}", packages.name()));
    let mut made = MADE.lock().unwrap();
    if made.insert(folder.clone()) {
        let mut make = scrubbed(Command::new(base));
        make.args(["-c", include_str!("environment.py")]);
        expect_success(make.arg(&folder).arg(packages.requirements()));
    }
    folder.join("bin/python")
}

fn expect_success(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Whether a variable of the environment that the tests were started in could change what leakcheck does or prints.
fn is_disturbing(name: &str) -> bool {
    const NAMES: [&str; 9] = [
        "CI",
        "NO_COLOR",
        "FORCE_COLOR",
        "VIRTUAL_ENV",
        "CONDA_PREFIX",
        "COLUMNS",
        "LINES",
        "TERM",
        "GLIBC_TUNABLES",
    ];
    const PREFIXES: [&str; 8] = [
        "GITHUB_",
        "RUNNER_",
        "PYTHON",
        "PYTEST_",
        "COV_",
        "COVERAGE_",
        "CLICOLOR",
        "LEAKCHECK_",
    ];
    NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// The command without what could change what leakcheck does.
pub fn scrubbed(mut command: Command) -> Command {
    for (name, _) in env::vars_os() {
        if is_disturbing(&name.to_string_lossy()) {
            command.env_remove(name);
        }
    }
    command
}

/// The built command as a plain one of the standard library, with nothing of the surroundings that could change what
/// it does.
pub fn plain_leakcheck() -> Command {
    scrubbed(Command::new(env!("CARGO_BIN_EXE_leakcheck")))
}

/// The same for assertions.
pub fn leakcheck() -> assert_cmd::Command {
    assert_cmd::Command::from_std(plain_leakcheck())
}

/// Calls git in a folder, and gives back what it says.
pub fn git(folder: &Path, args: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=T", "-c", "user.email=t@example.org"])
        .args(args)
        .current_dir(folder)
        // Whatever the machine has configured: hooks, signing, other names of branches.
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .output()
        .expect("git is there");
    assert!(output.status.success(), "git {args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A project of its own in a temporary folder, with a folder beside it for temporary files.
pub struct Project {
    folder: TempDir,
    python: PathBuf,
}

impl Project {
    /// A copy of `fixtures/NAME`, to be run with pytest alone installed.
    pub fn fixture(name: &str) -> Project {
        let project = Project::empty();
        let from = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fixtures")
            .join(name);
        copy(&from, &project.root());
        project
    }

    /// A project of `files`, each a path and its text, and a `pytest.ini` where none is given.
    pub fn of(files: &[(&str, &str)]) -> Project {
        let project = Project::empty();
        for (path, text) in files {
            project.write(path, text);
        }
        if !project.root().join("pytest.ini").exists() {
            project.write("pytest.ini", "[pytest]\n");
        }
        project
    }

    /// A module and tests of it, under settings of its own.
    pub fn configured(app: &str, tests: &str, config: &str) -> Project {
        Project::of(&[
            ("app.py", app),
            ("test_app.py", tests),
            ("pyproject.toml", &format!("[tool.leakcheck]\n{config}")),
        ])
    }

    fn empty() -> Project {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("project")).unwrap();
        fs::create_dir(folder.path().join("tmp")).unwrap();
        Project {
            folder,
            python: python(Packages::Plain),
        }
    }

    /// The same project, to be run in another virtual environment.
    pub fn with(mut self, packages: Packages) -> Project {
        self.python = python(packages);
        self
    }

    /// The same project, to be run by another Python.
    pub fn under(mut self, python: PathBuf) -> Project {
        self.python = python;
        self
    }

    /// Where the project is.
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("project")
    }

    /// The Python that it is run with.
    pub fn python(&self) -> &Path {
        &self.python
    }

    /// `TMPDIR` of the command.
    pub fn temporary(&self) -> PathBuf {
        self.folder.path().join("tmp")
    }

    /// A place outside the project and `TMPDIR`, for reports.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file of the project.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// `leakcheck` in the project, with nothing said but the temporary folder.
    pub fn bare(&self) -> assert_cmd::Command {
        let mut command = leakcheck();
        command
            .current_dir(self.root())
            .env("TMPDIR", self.temporary());
        command
    }

    /// `leakcheck run` in the project with its Python, as a plain command.
    pub fn plain_command(&self) -> Command {
        let mut command = plain_leakcheck();
        command
            .current_dir(self.root())
            .env("TMPDIR", self.temporary())
            // Who runs it twice wants to see what the second run finds out.
            .args(["run", "--no-cache", "--python"])
            .arg(&self.python);
        command
    }

    /// The same for assertions.
    pub fn command(&self) -> assert_cmd::Command {
        assert_cmd::Command::from_std(self.plain_command())
    }

    /// Runs the check with `args` and reads its report.
    pub fn check(&self, args: &[&str]) -> Checked {
        let path = self.beside("report.json");
        let _ = fs::remove_file(&path);
        // Options come before `--`, where the runner's begin.
        let mut report = std::ffi::OsString::from("--report=json=");
        report.push(&path);
        let output = self.command().arg(report).args(args).output().unwrap();
        Checked::read(output, &path)
    }

    /// Every file and folder of the project but Python's own caches and leakcheck's folder, relative to its root.
    pub fn files(&self) -> BTreeSet<PathBuf> {
        let mut found = BTreeSet::new();
        list(&self.root(), &self.root(), &mut found);
        found.retain(|path| !path.starts_with(".leakcheck"));
        found
    }

    /// Texts of the snapshots whose names end with `ending` (`.snap`, `.snap.new`), by name.
    pub fn snapshots(&self, ending: &str) -> BTreeMap<String, String> {
        let Ok(entries) = fs::read_dir(self.root().join(".leakcheck/snapshots")) else {
            return BTreeMap::new();
        };
        entries
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.file_name().into_string().unwrap(), entry.path()))
            .filter(|(name, _)| name.ends_with(ending))
            .map(|(name, path)| (name, fs::read_to_string(path).unwrap()))
            .collect()
    }

    /// Fails if anything is left of a run: among the temporary files, or in the project beside `before` and findings
    /// that wait for a decision.
    #[track_caller]
    pub fn assert_nothing_left(&self, before: &BTreeSet<PathBuf>) {
        let mut left = BTreeSet::new();
        list(&self.temporary(), &self.temporary(), &mut left);
        assert_eq!(left, BTreeSet::new(), "left among the temporary files");
        assert_eq!(&self.files(), before, "files of the project");
        let mut kept = BTreeSet::new();
        let folder = self.root().join(".leakcheck");
        if folder.exists() {
            list(&folder, &folder, &mut kept);
        }
        let pending: usize = self.snapshots(".snap.new").len();
        let others = if kept.is_empty() { 0 } else { 2 };
        assert_eq!(kept.len(), pending + others, "{kept:?}");
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        // What a run by hand leaves, the README's first command among them.
        let left = ["__pycache__", ".pytest_cache", ".leakcheck"];
        if left.iter().any(|left| name == *left) {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(name));
        } else {
            fs::copy(entry.path(), to.join(name)).unwrap();
        }
    }
}

fn list(folder: &Path, root: &Path, found: &mut BTreeSet<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name() == "__pycache__" {
            continue;
        }
        found.insert(entry.path().strip_prefix(root).unwrap().to_owned());
        if entry.file_type().unwrap().is_dir() {
            list(&entry.path(), root, found);
        }
    }
}

/// What a check printed, exited with and reported.
pub struct Checked {
    /// Exit code.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error stream.
    pub stderr: String,
    /// The JSON report.
    pub report: Report,
}

impl Checked {
    /// Takes the output of a run that wrote its report to `path`.
    #[track_caller]
    pub fn read(output: Output, path: &Path) -> Checked {
        let stdout = String::from_utf8(output.stdout).unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        let Some(code) = output.status.code() else {
            panic!("{}: {stdout}{stderr}", output.status);
        };
        let text = fs::read_to_string(path).unwrap_or_else(|error| {
            panic!("no report ({error}); exit code {code}\n{stdout}{stderr}")
        });
        Checked {
            code,
            stdout,
            stderr,
            report: Report::parse(&text),
        }
    }

    /// Fails, with everything that was printed, unless the exit code is `code`.
    #[track_caller]
    pub fn exits(&self, code: i32) -> &Checked {
        assert_eq!(self.code, code, "exit code\n{}{}", self.stdout, self.stderr);
        self
    }

    /// Fails unless every test has the verdict `word`, and there are `count` of them.
    #[track_caller]
    pub fn all(&self, word: &str, count: usize) -> &Checked {
        let others: Vec<_> = self
            .report
            .tests
            .iter()
            .filter(|test| test.verdict != word)
            .collect();
        assert!(others.is_empty(), "{others:#?}\n{}", self.stdout);
        assert_eq!(self.report.tests.len(), count, "tests\n{}", self.stdout);
        self
    }

    /// Verdict by id.
    pub fn verdicts(&self) -> BTreeMap<&str, &str> {
        self.report
            .tests
            .iter()
            .map(|test| (&*test.id, &*test.verdict))
            .collect()
    }

    /// The test whose id ends with `name`.
    #[track_caller]
    pub fn test(&self, name: &str) -> &Test {
        let mut found = self
            .report
            .tests
            .iter()
            .filter(|test| test.id.ends_with(name));
        let (Some(test), None) = (found.next(), found.next()) else {
            panic!("not one test {name}: {:#?}", self.verdicts());
        };
        test
    }

    /// The only finding with the verdict leak.
    #[track_caller]
    pub fn only_leak(&self) -> &Finding {
        let leaks = self.report.leaks();
        let [leak] = leaks[..] else {
            panic!("{} leaks, not one\n{}", leaks.len(), self.stdout);
        };
        leak
    }

    /// Fails unless a note holds all of `words`.
    #[track_caller]
    pub fn notes(&self, words: &[&str]) -> &Checked {
        assert!(
            self.report
                .notes
                .iter()
                .any(|note| words.iter().all(|word| note.contains(word))),
            "{words:?} not in a note of {:#?}",
            self.report.notes
        );
        self
    }
}

/// The JSON report, as far as tests look at it.
#[derive(Debug, Deserialize)]
pub struct Report {
    /// Name and version of the schema.
    pub schema: String,
    /// Where and with what.
    pub environment: Value,
    /// Counts and the exit code.
    pub summary: Summary,
    /// Collection and worker errors.
    pub errors: Vec<Trouble>,
    /// What was neutralised.
    pub notes: Vec<String>,
    /// Every root cause.
    pub findings: Vec<Finding>,
    /// The snapshots it was compared with.
    pub snapshots: Value,
    /// Every test.
    pub tests: Vec<Test>,
    /// What was kept of earlier runs.
    #[serde(default)]
    pub kept: Value,
}

/// Counts of a report.
#[derive(Debug, Deserialize)]
pub struct Summary {
    /// Tests collected.
    pub tests: usize,
    /// Tests by verdict.
    pub verdicts: BTreeMap<String, usize>,
    /// Failing findings by status.
    pub findings: BTreeMap<String, usize>,
    /// What the process exits with.
    pub exit_code: i32,
}

/// Something that went wrong beside the tests.
#[derive(Debug, Deserialize)]
pub struct Trouble {
    /// Where.
    #[serde(rename = "where")]
    pub place: String,
    /// What.
    pub message: String,
}

/// One root cause.
#[derive(Debug, Deserialize)]
pub struct Finding {
    /// Stable identity.
    pub fingerprint: String,
    /// Kind of leak, as `leakcheck explain` takes it.
    pub code: String,
    /// Against the accepted ones.
    pub status: String,
    /// Of its tests.
    pub verdict: String,
    /// By which rule the purest of them has it.
    pub rule: Option<String>,
    /// How loud.
    pub level: String,
    /// Whether it fails the build.
    pub fails: bool,
    /// What grows.
    pub kind: String,
    /// Whose code it is.
    pub owner: String,
    /// One line.
    pub summary: String,
    /// How it grows.
    pub shape: String,
    /// Per iteration, by counter.
    pub rate: BTreeMap<String, Rate>,
    /// What keeps it alive.
    pub holder: Option<Holder>,
    /// By type.
    #[serde(default)]
    pub types: Vec<TypeGrowth>,
    /// Of a crash or of native memory: its C functions.
    #[serde(default)]
    pub c_stack: Vec<String>,
    /// The function of machine code.
    #[serde(default)]
    pub native: Option<Value>,
    /// Where it is allocated, largest first.
    pub sites: Vec<Site>,
    /// Ids.
    pub tests: Vec<String>,
    /// How to fix it.
    pub advice: String,
    /// What the snapshots say of it.
    pub accepted: Option<Value>,
}

/// What stays of one type.
#[derive(Debug, Deserialize)]
pub struct TypeGrowth {
    /// Module and qualified name.
    pub name: String,
}

/// What keeps objects alive.
#[derive(Debug, Deserialize)]
pub struct Holder {
    /// The child process in which it holds.
    pub process: Option<String>,
    /// The whole way.
    pub text: String,
    /// The part that should have let go.
    pub name: String,
    /// What shows that.
    pub reason: String,
}

/// Growth of one counter.
#[derive(Debug, Deserialize)]
pub struct Rate {
    /// Per iteration.
    pub value: f64,
    /// Lower and upper end.
    pub interval: [f64; 2],
    /// Whether it was the same every time.
    pub exact: bool,
}

/// One place in the source.
#[derive(Debug, Deserialize)]
pub struct Site {
    /// As shown.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// Qualified name.
    pub function: String,
    /// Allocations that stay.
    pub count: f64,
    /// Bytes that stay.
    pub bytes: f64,
    /// Text of the line.
    pub source: Option<String>,
}

/// One test.
#[derive(Debug, Deserialize)]
pub struct Test {
    /// The runner's own id.
    pub id: String,
    /// What is said of it.
    pub verdict: String,
    /// By which rule.
    pub rule: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// How often it ran.
    pub iterations: u32,
    /// Of its first iteration.
    pub seconds: f64,
    /// What was read.
    pub series: Option<BTreeMap<String, Vec<i64>>>,
    /// When that was found out, where it is kept from an earlier run.
    pub kept: Option<String>,
}

impl Test {
    /// The reason, or nothing.
    pub fn why(&self) -> &str {
        self.reason.as_deref().unwrap_or_default()
    }
}

impl Report {
    /// Reads a report, and checks what holds for every one.
    #[track_caller]
    pub fn parse(text: &str) -> Report {
        let report: Report = serde_json::from_str(text).unwrap();
        assert_eq!(report.schema, "leakcheck.report/1");
        assert_eq!(report.summary.tests, report.tests.len());
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for test in &report.tests {
            *counts.entry(&test.verdict).or_default() += 1;
        }
        for (verdict, count) in &report.summary.verdicts {
            assert_eq!(
                counts.get(&**verdict).copied().unwrap_or(0),
                *count,
                "tests counted as {verdict}"
            );
        }
        assert_eq!(
            report.summary.verdicts.values().sum::<usize>(),
            report.tests.len(),
            "every test is counted once"
        );
        for test in &report.tests {
            let named = test.rule.as_deref().unwrap_or_default();
            let rule = Rule::of_name(named).unwrap_or_else(|| panic!("{test:?} has no rule"));
            let verdict = rule.verdict().map_or(&*test.verdict, |made| made.word());
            assert_eq!(test.verdict, verdict, "{} by {named}", test.id);
        }
        let ids: BTreeSet<&str> = report.tests.iter().map(|test| &*test.id).collect();
        for finding in &report.findings {
            for id in &finding.tests {
                assert!(ids.contains(&**id), "a finding names an unknown test {id}");
            }
        }
        report
    }

    /// Findings with the verdict leak.
    pub fn leaks(&self) -> Vec<&Finding> {
        self.findings
            .iter()
            .filter(|finding| finding.verdict == "leak")
            .collect()
    }
}
