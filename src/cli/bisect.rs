//! `leakcheck bisect`: the commit that brought a leak.

mod answered;
mod trial;

use std::{
    collections::BTreeSet,
    env,
    ffi::OsString,
    io,
    path::{Component, Path, PathBuf},
    time::{Duration, Instant},
};

use clap::Args;

use self::{
    answered::{Answered, Said, Step},
    trial::{Bench, Without},
};
use super::{
    report as reports,
    run::{self, Failure},
    unwritable,
};
use crate::{
    bisect::{
        answer::{self, Answer, Target},
        search::{self, Candidates, Next},
    },
    config::{Choice, Config, Runner, text as shown, value},
    exit_code::ExitCode,
    explain::fingerprint::{self, LEAST_DIGITS},
    files::{
        git::{Repository, short},
        write,
    },
    finding::Finding,
    report::{Report, text},
    supervise,
};

/// Options of `leakcheck bisect`.
#[derive(Debug, Args)]
pub(super) struct BisectArgs {
    /// A commit without the leak and a later one with it, such as v1.4..HEAD; an end that is left out is HEAD.
    #[arg(value_name = "GOOD..BAD")]
    range: String,
    /// Tests that show it: files, folders or test ids of the project; all of the suite where none is given.
    #[arg(value_name = "TEST")]
    tests: Vec<PathBuf>,
    /// Arguments for the test runner.
    #[arg(last = true, value_name = "RUNNER ARGS")]
    runner_args: Vec<OsString>,
    /// Fingerprint of the finding, or its first digits [default: the first that GOOD does not have].
    #[arg(long, value_name = "ID")]
    finding: Option<String>,
    /// The JSON report of a run of BAD: what leaks and which tests show it is read there, and the suite is not run for it.
    #[arg(long, value_name = "RUN.json")]
    from: Option<PathBuf>,
    /// Build each commit so, in the project's folder of its worktree; a virtual environment .venv that it makes there is used.
    #[arg(long, value_name = "COMMAND")]
    build: Option<String>,
    /// A file of your checkout that every commit gets, such as a test that came later; can be given several times.
    #[arg(long, value_name = "FILE", value_parser = inside)]
    bring: Vec<PathBuf>,
    /// The project's directory.
    #[arg(long, value_name = "DIR", default_value = ".")]
    project: PathBuf,
    /// Also write the answer for programs.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Also write the answer as a paragraph for a comment on a pull request.
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// What runs the tests: auto, pytest, unittest or command.
    #[arg(long, value_name = "RUNNER", value_parser = value::from_argument(value::runner))]
    runner: Option<Choice<Runner>>,
    /// The Python to test with: a path, a name on PATH, or a virtual environment's directory.
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// Longest time for one iteration, such as 30s.
    #[arg(long, value_name = "TIME", value_parser = value::from_argument(value::duration))]
    timeout: Option<Choice<Duration>>,
    /// Look for rarer leaks (down to every 11th iteration) and in session fixtures; watch suspects ten times as long.
    #[arg(long)]
    thorough: bool,
    /// Print the answer alone.
    #[arg(short, long)]
    quiet: bool,
}

fn inside(argument: &str) -> Result<PathBuf, String> {
    let path: PathBuf = argument.into();
    let is_inside = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    if path.file_name().is_some() && path.components().all(is_inside) {
        Ok(path)
    } else {
        Err("must be a file below the project's directory, named from there".to_owned())
    }
}

/// An end of the search before there is a commit.
enum End {
    Failed(Failure),
    /// It cannot be decided, and why.
    Undecided(String),
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        End::Failed(failure)
    }
}

impl From<String> for End {
    fn from(message: String) -> Self {
        End::Failed(Failure(ExitCode::Usage, message))
    }
}

impl From<Without> for End {
    fn from(without: Without) -> Self {
        match without {
            Without::Unjudged(why) => End::Undecided(why),
            Without::Hopeless(why) => why.into(),
            Without::Interrupted => End::Failed(Failure(
                ExitCode::Interrupted,
                "interrupted; nothing is left behind".to_owned(),
            )),
        }
    }
}

/// Finds the commit, and prints it.
pub(super) fn bisect(args: &BisectArgs) -> ExitCode {
    run::interruptible(|| {
        let answered = match searched(args, Instant::now()) {
            Ok(answered) => answered,
            Err(End::Failed(failure)) => return Err(failure),
            Err(End::Undecided(message)) => {
                let message = format!("not decidable: {message}");
                return Err(Failure(ExitCode::NoEvidence, message));
            }
        };
        for (path, write) in files(args) {
            write::replace(path, |out| write(&answered, out))
                .map_err(|error| unwritable(path, &error))?;
        }
        Ok(answered.print())
    })
}

/// A way of writing the answer.
type Writer = fn(&Answered, &mut dyn io::Write) -> io::Result<()>;

/// The files that were asked for.
fn files(args: &BisectArgs) -> impl Iterator<Item = (&Path, Writer)> {
    let forms: [(&Option<PathBuf>, Writer); 2] = [
        (&args.json, Answered::json),
        (&args.markdown, Answered::markdown),
    ];
    forms
        .into_iter()
        .filter_map(|(path, write)| Some((&**path.as_ref()?, write)))
}

/// The two ends as the user named them.
fn ends(range: &str) -> Result<(&str, &str), String> {
    let wrong = || {
        format!(
            "{} is no range of commits; write GOOD..BAD, such as v1.4..HEAD",
            shown::excerpt(range, 70)
        )
    };
    let (good, bad) = range.split_once("..").ok_or_else(wrong)?;
    if bad.starts_with('.') || bad.contains("..") || (good.is_empty() && bad.is_empty()) {
        return Err(wrong());
    }
    let [good, bad] = [good, bad].map(|name| if name.is_empty() { "HEAD" } else { name });
    Ok((good, bad))
}

fn searched(args: &BisectArgs, begun: Instant) -> Result<Answered, End> {
    let (good, bad) = ends(&args.range)?;
    for (path, _) in files(args) {
        write::check(path).map_err(|error| unwritable(path, &error))?;
    }
    let bench = bench(args)?;
    let commit = |name: &str| {
        bench.repository.commit(name).ok_or_else(|| {
            let name = shown::excerpt(name, 70);
            format!("there is no commit {name} here; `git fetch` brings those of others")
        })
    };
    let (good_id, bad_id) = (commit(good)?, commit(bad)?);
    if good_id == bad_id {
        return Err(format!("{good} and {bad} are the same commit").into());
    }
    if !bench.repository.comes_after(&good_id, &bad_id) {
        return Err(format!(
            "{bad} does not come after {good}; `git merge-base {good} {bad}` names a commit that both come after"
        )
        .into());
    }
    let mut search = Search {
        bench: &bench,
        quiet: args.quiet,
        tests: args.tests.clone(),
        steps: Vec::new(),
        last_good: None,
    };
    let (target, others) = search.target(args, &good_id, &bad_id)?;
    search.run(target, others, good_id, bad_id, begun)
}

fn bench(args: &BisectArgs) -> Result<Bench, End> {
    let here = env::current_dir()
        .map_err(|error| format!("cannot tell the current directory: {error}"))?;
    let own: PathBuf = here.join(&args.project).components().collect();
    if !own.is_dir() {
        let path = text::brief(&args.project.to_string_lossy());
        return Err(format!("no such directory: {path}").into());
    }
    let repository = Repository::of(&own).map_err(|error| {
        format!("{error}; bisect looks through the commits of a git repository")
    })?;
    let inside = own
        .canonicalize()
        .ok()
        .and_then(|own| own.strip_prefix(repository.top()).map(Path::to_owned).ok())
        .ok_or_else(|| format!("{} is in no checkout", own.display()))?;
    let (config, _) = Config::load(&own).map_err(|error| error.to_string())?;
    let mut options: Vec<OsString> = Vec::new();
    if let Some(runner) = args.runner {
        let word = runner.given().map_or("auto", |runner| runner.name());
        options.extend(["--runner".into(), word.into()]);
    }
    if let Some(timeout) = args.timeout.as_ref().and_then(Choice::given) {
        let timeout = format!("{}ms", timeout.as_millis());
        options.extend(["--timeout".into(), timeout.into()]);
    }
    if args.thorough {
        options.push("--thorough".into());
    }
    Ok(Bench {
        repository,
        inside,
        here,
        own,
        folder: supervise::Folder::make()?,
        build: args.build.clone(),
        bring: args.bring.clone(),
        python: args.python.clone().or(config.python.given().cloned()),
        options,
        runner_args: args.runner_args.clone(),
    })
}

struct Search<'a> {
    bench: &'a Bench,
    quiet: bool,
    /// What is run in each commit.
    tests: Vec<PathBuf>,
    steps: Vec<Step>,
    /// The report of the last commit that was judged and does not show it.
    last_good: Option<Report>,
}

impl Search<'_> {
    /// What is looked for, and how many more findings came: by the reports of both ends, or the one that was given.
    fn target(&mut self, args: &BisectArgs, good: &str, bad: &str) -> Result<(Target, usize), End> {
        let last = match &args.from {
            Some(file) => reports::load(file)?,
            None => self.report(bad, "BAD", None)?,
        };
        let wanted = args.finding.as_deref();
        if wanted.is_some() || args.from.is_some() {
            let finding = chosen(&last, wanted)?;
            let target = Target {
                finding,
                before: None,
            };
            self.narrow(&last, &target, bad)?;
            return self.against_good(target, good, bad);
        }
        if answer::present(&last).is_empty() {
            return Err(End::Undecided(format!(
                "{} shows no leak: {}",
                short(bad),
                last.headline()
            )));
        }
        let first = self.report(good, "GOOD", None);
        let first = match first {
            // Then it is believed to be good, as git does.
            Err(End::Undecided(_)) => None,
            first => Some(first?),
        };
        let mut came = match &first {
            Some(first) => answer::came(&last, first),
            None => answer::present(&last)
                .into_iter()
                .map(|finding| Target {
                    finding,
                    before: None,
                })
                .collect(),
        };
        if came.is_empty() {
            return Err(End::Undecided(format!(
                "all that leaks in {} leaks in {} as fast; name an older GOOD",
                short(bad),
                short(good)
            )));
        }
        let target = came.remove(0);
        self.last_good = first;
        self.narrow(&last, &target, bad)?;
        Ok((target, came.len()))
    }

    /// Asks GOOD for one finding.
    fn against_good(
        &mut self,
        mut target: Target,
        good: &str,
        bad: &str,
    ) -> Result<(Target, usize), End> {
        let report = match self.report(good, "GOOD", Some(&target)) {
            Err(End::Undecided(_)) => return Ok((target, 0)),
            report => report?,
        };
        if let Answer::Shows(before) = answer::of(&report, &target) {
            target.before = Some(*before);
            if !matches!(answer::of(&self.last_of(bad)?, &target), Answer::Shows(_)) {
                return Err(End::Undecided(format!(
                    "{} shows it too, as fast; name an older GOOD",
                    short(good)
                )));
            }
        }
        self.last_good = Some(report);
        Ok((target, 0))
    }

    /// The report of BAD by the tests that are run.
    fn last_of(&self, bad: &str) -> Result<Report, End> {
        Ok(self.bench.judge(bad, &self.tests)?)
    }

    /// Runs only what shows it from now on: the test that it was measured in, its file, or all, whatever shows it first.
    fn narrow(&mut self, last: &Report, target: &Target, bad: &str) -> Result<(), End> {
        let finding = &target.finding;
        let measured = finding.measured.as_ref().map(|measured| &measured.test);
        let Some(test) = measured.or(finding.tests.first()) else {
            return Ok(());
        };
        if last.tests.len() < 2 || last.environment.runner == Runner::Command.name() {
            return Ok(());
        }
        let file = { last.tests.iter() }.find(|it| it.id == *test);
        let file = file.map(|test| PathBuf::from(&test.file));
        // An id that does not begin with its file is none that the runner is given.
        let id = test.contains("::").then(|| PathBuf::from(test));
        let forms = [(id, "BAD, its test alone"), (file, "BAD, its file")];
        for (only, what) in forms {
            let Some(only) = only else { continue };
            let all = std::mem::replace(&mut self.tests, vec![only]);
            match self.report(bad, what, Some(target)) {
                Ok(report) if matches!(answer::of(&report, target), Answer::Shows(_)) => {
                    return Ok(());
                }
                Err(end @ End::Failed(_)) => return Err(end),
                _ => self.tests = all,
            }
        }
        Ok(())
    }

    /// Runs a commit, and tells.
    fn report(&mut self, id: &str, what: &str, target: Option<&Target>) -> Result<Report, End> {
        let begun = Instant::now();
        let report = self.bench.judge(id, &self.tests);
        let said = match (&report, target) {
            (Ok(report), Some(target)) => Said::of(&answer::of(report, target), target),
            (Ok(report), None) => Said::Told(report.headline()),
            (Err(Without::Unjudged(why)), _) => Said::Unjudged(why.clone()),
            (Err(_), _) => return Ok(report?),
        };
        self.tell(what, id, said, begun);
        Ok(report?)
    }

    fn tell(&mut self, what: &str, id: &str, said: Said, begun: Instant) {
        let commit = self.bench.repository.about(id).unwrap_or_default();
        let step = Step {
            commit,
            said,
            seconds: begun.elapsed().as_secs_f64(),
        };
        if !self.quiet {
            super::complain(format_args!("leakcheck: {what}: {step}"));
        }
        self.steps.push(step);
    }

    fn run(
        mut self,
        target: Target,
        others: usize,
        good: String,
        mut bad: String,
        begun: Instant,
    ) -> Result<Answered, End> {
        let repository = &self.bench.repository;
        let candidates = |bad: &str, goods: &[String]| -> Result<Candidates, End> {
            let found = Candidates::of(repository, bad, goods);
            Ok(found.map_err(|error| error.to_string())?)
        };
        let mut goods = vec![good];
        let mut skipped = BTreeSet::new();
        let mut shows: Option<(Finding, Report)> = None;
        let all = candidates(&bad, &goods)?.line.len();
        loop {
            let left = candidates(&bad, &goods)?;
            let id = match search::next(&left, &bad, &skipped) {
                Next::Ask(id) => id.to_owned(),
                end => {
                    let found = end == Next::Found;
                    let commits = if found { vec![bad] } else { left.line };
                    let commits = commits.iter().map(|id| repository.about(id));
                    let commits: Result<Vec<_>, _> = commits.collect();
                    let commits = commits.map_err(|error| error.to_string())?;
                    return Ok(Answered {
                        target,
                        others,
                        found,
                        stat: repository.stat(&commits[0].id).unwrap_or_default(),
                        changed: repository.changed(&commits[0].id).unwrap_or_default(),
                        commits,
                        all,
                        shows,
                        last_good: self.last_good,
                        steps: self.steps,
                        seconds: begun.elapsed().as_secs_f64(),
                    });
                }
            };
            let what = match search::steps(left.line.len()) {
                1 => "last step".to_owned(),
                steps => format!("{steps} steps left"),
            };
            let asked = Instant::now();
            let (said, report) = match self.bench.judge(&id, &self.tests) {
                Ok(report) => (answer::of(&report, &target), Some(report)),
                Err(Without::Unjudged(why)) => (Answer::Unjudged(why), None),
                Err(without) => return Err(without.into()),
            };
            self.tell(&what, &id, Said::of(&said, &target), asked);
            match (said, report) {
                (Answer::Shows(finding), Some(report)) => {
                    bad = id;
                    shows = Some((*finding, report));
                }
                (Answer::Clean, report) => {
                    goods.push(id);
                    self.last_good = report;
                }
                _ => {
                    skipped.insert(id);
                }
            }
        }
    }
}

/// The finding of `report` that is wanted: by its fingerprint, or the first.
fn chosen(report: &Report, wanted: Option<&str>) -> Result<Finding, End> {
    let mut present = answer::present(report);
    let Some(wanted) = wanted else {
        let failing = report.failing().map(|finding| &finding.fingerprint).next();
        let at = present
            .iter()
            .position(|finding| Some(&finding.fingerprint) == failing);
        if present.is_empty() {
            return Err(End::Undecided(format!(
                "nothing leaks: {}",
                report.headline()
            )));
        }
        return Ok(present.swap_remove(at.unwrap_or(0)));
    };
    if wanted.len() < LEAST_DIGITS || !wanted.chars().all(|digit| digit.is_ascii_hexdigit()) {
        let wanted = shown::excerpt(wanted, 70);
        return Err(format!(
            "{wanted} is no fingerprint; give at least {LEAST_DIGITS} digits of one as reports show it"
        )
        .into());
    }
    present.retain(|finding| fingerprint::is_meant(&finding.fingerprint, wanted));
    let identities: BTreeSet<&str> = present.iter().map(|one| &*one.fingerprint).collect();
    match identities.len() {
        0 => {
            let there: Vec<String> = answer::present(report)
                .iter()
                .map(|finding| text::brief(fingerprint::short(&finding.fingerprint)))
                .collect();
            let there = match there.len() {
                0 => "nothing leaks in it".to_owned(),
                _ => format!("it has {}", there.join(", ")),
            };
            Err(End::Undecided(format!(
                "BAD does not show {wanted}: {there}"
            )))
        }
        1 => Ok(present.remove(0)),
        _ => Err(format!("{wanted} is the beginning of several; give more digits").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_two_ends() {
        assert_eq!(ends("v1.4..HEAD"), Ok(("v1.4", "HEAD")));
        assert_eq!(ends("v1..."), Err(ends("v1...").unwrap_err()));
        assert_eq!(ends("v1.."), Ok(("v1", "HEAD")));
        assert_eq!(ends("..main"), Ok(("HEAD", "main")));
        for wrong in ["main", "..", "a...b", "", "a..b..c"] {
            assert!(ends(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_files_of_the_project_are_brought() {
        assert!(inside("tests/test_a.py").is_ok());
        for wrong in ["/etc/passwd", "../a", "a/../../b", ""] {
            assert!(inside(wrong).is_err(), "{wrong}");
        }
    }
}
