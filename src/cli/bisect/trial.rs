//! One commit judged: its files in a worktree, built where that takes a command, and a run of its own.

use std::{
    ffi::OsString,
    fs, io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Output,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

use crate::{
    baseline::files::Folder,
    bisect::imports,
    cli::report,
    discover::{Interpreter, interpreter::Env},
    files::{
        git::{REDIRECTING, Repository},
        read, write,
    },
    report::{Report, text},
    supervise,
    worker::INTERRUPTED,
};

/// What is brought along is text; a larger file is none that a test needs.
const LARGEST: u64 = 64 << 20;
/// How often it is looked whether a program has ended, and how long one may take to end once it is asked to.
const LOOK: Duration = Duration::from_millis(50);
const END: Duration = Duration::from_secs(20);

/// How every commit is judged.
pub(super) struct Bench {
    pub repository: Repository,
    /// The project's folder in the repository.
    pub inside: PathBuf,
    /// The user's checkout of the project.
    pub own: PathBuf,
    /// Where the user is.
    pub here: PathBuf,
    /// The folder of the worktrees, removed whatever ends this.
    pub folder: supervise::Folder,
    /// What builds a commit, for a shell.
    pub build: Option<String>,
    /// Files of the user's checkout that every commit gets, relative to the project.
    pub bring: Vec<PathBuf>,
    /// The Python that was asked for.
    pub python: Option<PathBuf>,
    /// Further options of each run.
    pub options: Vec<OsString>,
    /// Arguments for the runner.
    pub runner_args: Vec<OsString>,
}

/// Why there is no report of a commit.
pub(super) enum Without {
    /// This one cannot be judged, and why.
    Unjudged(String),
    /// No commit can, and what to do.
    Hopeless(String),
    Interrupted,
}

impl Bench {
    /// Where a commit is while it is judged: the same for each, because paths are part of what is measured.
    fn tree(&self) -> PathBuf {
        self.folder.path().join("commit")
    }

    /// The report of a run of `tests` in a commit; of all where there are none.
    pub fn judge(&self, id: &str, tests: &[PathBuf]) -> Result<Report, Without> {
        let tree = self.tree();
        let checked_out = self.repository.check_out(id, &tree);
        let report = match checked_out {
            Ok(()) => self.judge_tree(&tree, tests),
            Err(error) => Err(Without::Unjudged(format!("cannot be checked out: {error}"))),
        };
        // Also a half of one; that there is none is no failure.
        let _ = self.repository.remove(&tree);
        if tree.exists() {
            fs::remove_dir_all(&tree).map_err(|error| {
                Without::Hopeless(format!("cannot remove {}: {error}", tree.display()))
            })?;
        }
        report
    }

    fn judge_tree(&self, tree: &Path, tests: &[PathBuf]) -> Result<Report, Without> {
        let project = tree.join(&self.inside);
        if !project.is_dir() {
            let inside = text::brief(&self.inside.to_string_lossy());
            return Err(Without::Unjudged(format!("there is no folder {inside}")));
        }
        for file in &self.bring {
            self.bring(file, &project)?;
        }
        // What was accepted in a commit, and how that was written, is no part of what it does.
        let forgotten = Folder::of(&project).clear();
        forgotten.map_err(|error| Without::Unjudged(error.to_string()))?;
        if let Some(build) = &self.build {
            let shell = duct::cmd!("sh", "-c", build).dir(&project);
            let output = wait(&shell.stderr_to_stdout())?;
            if !output.status.success() {
                let said = last_line(&output.stdout);
                return Err(Without::Unjudged(format!("does not build: {said}")));
            }
        }
        let python = self.python(&project)?;
        let before = imports::paths(
            &python,
            &project,
            self.repository.top(),
            self.build.is_some(),
        );
        let before = before.map_err(Without::Hopeless)?;
        let file = self.folder.path().join("report.json");
        let _ = fs::remove_file(&file);
        let mut arguments: Vec<OsString> =
            vec!["run".into(), "--quiet".into(), "--no-cache".into()];
        arguments.extend(["--format=plain".into(), "--ci".into(), "--python".into()]);
        arguments.push(python.into());
        arguments.push("--report".into());
        let mut report = OsString::from("json=");
        report.push(&file);
        arguments.push(report);
        arguments.extend(self.options.iter().cloned());
        arguments.extend(tests.iter().map(Into::into));
        arguments.push("--".into());
        arguments.extend(self.runner_args.iter().cloned());
        let mut program = duct::cmd(
            supervise::executable().map_err(|error| failed(&error))?,
            arguments,
        )
        .dir(&project)
        .stdout_null();
        if let Some(path) = imports::python_path(&before) {
            program = program.env("PYTHONPATH", path);
        }
        let output = wait(&program)?;
        if file.exists() {
            return report::load(&file).map_err(Without::Unjudged);
        }
        let said = last_line(&output.stderr);
        let said = said.strip_prefix("leakcheck: ").unwrap_or(&said);
        Err(Without::Unjudged(said.to_owned()))
    }

    /// The Python for a commit: where it was built the one that it made, else the user's.
    fn python(&self, project: &Path) -> Result<PathBuf, Without> {
        let named = match &self.python {
            Some(given) => vec![given.clone()],
            None => [".venv", "venv", "env"].map(PathBuf::from).to_vec(),
        };
        let made = named
            .into_iter()
            .filter(|name| name.is_relative() && name.join("bin").components().count() > 1)
            .map(|name| project.join(name))
            .find(|path| path.join("bin/python").exists() || path.is_file());
        let given = match (made, &self.python) {
            (Some(made), _) if self.build.is_some() => Some(made),
            (_, Some(given)) => Some(super::super::run::python_from(given.clone(), &self.here)),
            (_, None) => None,
        };
        let found = Interpreter::find(given.as_deref(), &self.own, &Env::of_process());
        found
            .map(|found| found.path)
            .map_err(|error| Without::Hopeless(error.to_string()))
    }

    fn bring(&self, file: &Path, project: &Path) -> Result<(), Without> {
        let shown = text::brief(&file.to_string_lossy());
        let bytes = read::bytes(&self.own.join(file), LARGEST)
            .map_err(|refusal| Without::Hopeless(format!("cannot bring {shown}: {refusal}")))?;
        let to = project.join(file);
        // A commit may have a link there, by which we would write, or remove, something else.
        let leads_out = to.ancestors().skip(1).find(|folder| folder.exists());
        let leads_out = leads_out.is_none_or(|folder| {
            folder.canonicalize().ok()
                != fs::canonicalize(project)
                    .ok()
                    .map(|root| root.join(folder.strip_prefix(project).unwrap_or(Path::new(".."))))
        });
        if leads_out {
            let why = format!("cannot bring {shown}: there is a link on the way");
            return Err(Without::Unjudged(why));
        }
        let _ = fs::remove_file(&to);
        write::create_below(project, file, "")
            .and_then(|()| write::replace(&to, |out| out.write_all(&bytes)))
            .map_err(|error| Without::Unjudged(format!("cannot bring {shown}: {error}")))
    }
}

/// Runs a program in a group of its own, which is told to end when we are.
fn wait(program: &duct::Expression) -> Result<Output, Without> {
    let mut program = program.stdin_null().stdout_capture().stderr_capture();
    for variable in REDIRECTING {
        program = program.env_remove(variable);
    }
    let process = program
        .unchecked()
        .before_spawn(|command| {
            command.process_group(0);
            Ok(())
        })
        .start()
        .map_err(|error| failed(&error))?;
    let signal = |signal| {
        for id in process.pids() {
            // It may have ended by itself meanwhile.
            let _ = killpg(Pid::from_raw(i32::try_from(id).unwrap_or_default()), signal);
        }
    };
    let mut asked: Option<Instant> = None;
    loop {
        match process.wait_timeout(LOOK) {
            Ok(Some(_)) if asked.is_some() => return Err(Without::Interrupted),
            Ok(Some(output)) => return Ok(output.clone()),
            Err(error) => return Err(failed(&error)),
            Ok(None) => {}
        }
        match asked {
            None if INTERRUPTED.load(Ordering::SeqCst) => {
                signal(Signal::SIGTERM);
                asked = Some(Instant::now());
            }
            Some(since) if since.elapsed() > END => {
                signal(Signal::SIGKILL);
                return Err(Without::Interrupted);
            }
            _ => {}
        }
    }
}

fn failed(error: &io::Error) -> Without {
    Without::Hopeless(error.to_string())
}

/// What a program said last, safe to be shown.
fn last_line(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    let line = said.lines().rfind(|line| !line.trim().is_empty());
    text::brief(line.unwrap_or("it said nothing").trim())
}
