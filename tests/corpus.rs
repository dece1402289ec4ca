//! The labelled corpus under each of its runners: a confusion table by kind, every miss, and the targets.
//!
//! `LEAKCHECK_CORPUS=resources/pytest,native` runs a part of it, `cargo test --test corpus -- --nocapture` shows the
//! table of a good run as well. `LEAKCHECK_CORPUS_WITH="PYTHONMALLOC=malloc LD_PRELOAD=…"` runs it with these variables, and
//! `LEAKCHECK_CORPUS_RECORD=FOLDER` records each part in a folder of its own there, for `leakcheck replay`.

mod common;

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    sync::Mutex,
    thread,
    time::Instant,
};

use common::{Packages, Project};
use serde::Deserialize;

/// Of the findings whose label names a place, a holder or a type: so many must name it too.
const NAMED_SITES: f64 = 0.95;
const NAMED_HOLDERS: f64 = 0.95;
const NAMED_TYPES: f64 = 0.95;
/// All three in the first line of one finding.
const WHOLE_LINES: f64 = 0.95;

/// Processor time for all suspects of a part. Twenty leaks in one small project are more than the default is made for, and
/// verdicts are what is looked at here.
const BUDGET: &str = "--budget=5m";

/// Checks at a time; each has one worker process.
const JOBS: usize = 2;

/// The labels of one part.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    runner: String,
    /// Arguments of the check, `--thorough` for one.
    #[serde(default)]
    args: Vec<String>,
    cases: BTreeMap<String, Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Entry {
    Same(Box<Label>),
    /// Where the runners' right answers differ.
    Each {
        unittest: Box<Label>,
        pytest: Box<Label>,
    },
}

/// The right answer about one test.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Label {
    verdict: String,
    /// Verdicts that are as good.
    #[serde(default)]
    accept: Vec<String>,
    /// The test whose leak makes this one grow: that may be said of it as well, in one finding with that test.
    caused_by: Option<String>,
    /// What leaks. Of a test that is not to fail: what it warns of.
    #[serde(default)]
    kind: Words,
    /// Kinds that must be reported beside it, as findings of their own.
    #[serde(default)]
    with: Vec<String>,
    /// Kinds that may be reported beside it.
    #[serde(default)]
    also: Vec<String>,
    /// The rule that decides it.
    rule: Option<String>,
    /// The code of its leak.
    code: Option<String>,
    /// What holds it, as a reader would say it.
    holder: Option<String>,
    /// Name of the type that leaks.
    #[serde(rename = "type")]
    type_name: Option<String>,
    /// `file.py:function`; the lines in it that may be named end in `# LEAK`.
    site: Option<String>,
    /// Whether nothing at all may be warned of.
    #[serde(default)]
    quiet: bool,
    /// The number of entries at which a cache ends. For readers.
    #[serde(rename = "bound")]
    _bound: Option<u32>,
    /// The scope of the fixture that leaks. For readers.
    #[serde(rename = "wider")]
    _wider: Option<String>,
    /// Why this one is beyond the tool: it may be missed, and when it is not, this word has to go.
    hard: Option<String>,
}

/// One word or several of equal rank.
#[derive(Debug, Default, Deserialize)]
#[serde(untagged)]
enum Words {
    #[default]
    None,
    One(String),
    Any(Vec<String>),
}

impl Words {
    fn all(&self) -> &[String] {
        match self {
            Words::None => &[],
            Words::One(word) => std::slice::from_ref(word),
            Words::Any(words) => words,
        }
    }
}

impl Entry {
    fn of(&self, runner: &str) -> &Label {
        match self {
            Entry::Same(label) => label,
            Entry::Each { unittest, pytest } => match runner {
                "unittest" => unittest,
                _ => pytest,
            },
        }
    }
}

/// The report, as far as the corpus looks at it.
#[derive(Debug, Deserialize)]
struct Report {
    findings: Vec<Finding>,
    tests: Vec<Test>,
}

#[derive(Debug, Deserialize)]
struct Finding {
    code: String,
    kind: String,
    verdict: String,
    summary: String,
    fails: bool,
    holder: Option<Holder>,
    #[serde(default)]
    types: Vec<Type>,
    sites: Vec<common::Site>,
    tests: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Holder {
    name: String,
    text: String,
}

#[derive(Debug, Deserialize)]
struct Type {
    name: String,
}

#[derive(Debug, Deserialize)]
struct Test {
    id: String,
    verdict: String,
    rule: String,
    reason: Option<String>,
}

impl Finding {
    /// As `leakcheck replay --findings` counts them.
    fn is_unheld(&self) -> bool {
        let held = ["python", "items", "thread", "task"].contains(&&*self.kind);
        self.fails && held && self.holder.is_none() && self.code != "LK202"
    }
}

/// What came of one case.
#[derive(Debug)]
struct Answer {
    row: String,
    column: String,
    /// By which rule it has its verdict.
    rule: String,
    /// Whatever was wrong in verdict or kind.
    wrong: Vec<String>,
    /// Marked as beyond the tool.
    hard: bool,
    /// Its leaks with nobody who holds what stays.
    unheld: Vec<String>,
    /// Whether one first line names all of it.
    line: Option<Named>,
    site: Option<Named>,
    holder: Option<Named>,
    type_name: Option<Named>,
}

impl Answer {
    /// Whether it is not as its label says.
    fn failed(&self) -> bool {
        self.wrong.is_empty() == self.hard
    }
}

/// Whether something was named as the label has it, and if not what was.
#[derive(Debug)]
struct Named {
    right: bool,
    note: String,
}

/// The end of an id as labels write it: class and method joined by a `.`, parameters as they are.
fn names(name: &str, id: &str) -> bool {
    let (head, parameters) = id.split_at(id.find('[').unwrap_or(id.len()));
    let joined = format!("{}{parameters}", head.replace("::", "."));
    joined == name || joined.ends_with(&format!(".{name}"))
}

/// The lines marked as leaking in a function of a file.
fn marked(root: &Path, site: &str) -> (String, BTreeSet<u32>) {
    let (file, function) = site.split_once(':').expect("file.py:function");
    let text = fs::read_to_string(root.join(file)).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let indent = |line: &str| line.len() - line.trim_start().len();
    let opens = |line: &str| {
        let line = line.trim_start();
        let line = line.strip_prefix("async ").unwrap_or(line);
        line.strip_prefix("def ")
            .and_then(|rest| rest.strip_prefix(function))
            .is_some_and(|rest| rest.starts_with('('))
    };
    let mut found = BTreeSet::new();
    for (at, line) in lines.iter().enumerate().filter(|(_, line)| opens(line)) {
        let body = lines[at + 1..]
            .iter()
            .take_while(|inner| inner.is_empty() || indent(inner) > indent(line));
        let whole = std::iter::once(line).chain(body);
        for (number, _) in whole
            .enumerate()
            .filter(|(_, line)| line.ends_with("# LEAK"))
        {
            found.insert(u32::try_from(at + number + 1).unwrap());
        }
    }
    assert!(!found.is_empty(), "no line of {site} is marked # LEAK");
    (file.to_owned(), found)
}

/// Compares what is said of one test with its label. `fellows` are the labels of all tests with their ids.
fn judge(
    label: &Label,
    test: &Test,
    report: &Report,
    root: &Path,
    fellows: &[(&str, &Label)],
) -> Answer {
    let findings: Vec<&Finding> = report
        .findings
        .iter()
        .filter(|finding| finding.tests.contains(&test.id))
        .collect();
    let leaks: Vec<&Finding> = findings
        .iter()
        .filter(|finding| finding.verdict == "leak")
        .copied()
        .collect();
    let wanted = label.kind.all();
    let kinds: BTreeSet<&str> = leaks.iter().map(|finding| &*finding.kind).collect();
    let matching = kinds
        .iter()
        .find(|kind| wanted.iter().any(|word| word == *kind));
    let column = if test.verdict == "leak" {
        let kind = matching.or_else(|| kinds.first());
        kind.map_or("leak".to_owned(), |kind| (*kind).to_owned())
    } else {
        test.verdict.clone()
    };
    let row = match wanted.first() {
        Some(kind) => kind.clone(),
        None => label.verdict.clone(),
    };

    let mut wrong = Vec::new();
    // A cache may be full before anybody looks, and one that is full may have been seen to fill.
    let alike = ["clean", "bounded"];
    let blamed = |cause: &String| {
        let same = |finding: &&Finding| finding.tests.iter().any(|id| names(cause, id));
        !leaks.is_empty() && leaks.iter().all(same)
    };
    if let Some(rule) = label.rule.as_ref().filter(|rule| **rule != test.rule) {
        wrong.push(format!("decided by {}, not by {rule}", test.rule));
    }
    let blamed = test.verdict == "leak" && label.caused_by.as_ref().is_some_and(blamed);
    let accepted = blamed
        || test.verdict == label.verdict
        || label.accept.contains(&test.verdict)
        || alike.contains(&&*label.verdict) && alike.contains(&&*test.verdict);
    if !accepted {
        let told = leaks.iter().map(|finding| &*finding.summary);
        let told: Vec<&str> = test.reason.as_deref().into_iter().chain(told).collect();
        wrong.push(format!(
            "{}, not {} ({})",
            test.verdict,
            label.verdict,
            told.join("; ")
        ));
    }
    if test.verdict == "leak" && label.verdict == "leak" {
        if matching.is_none() {
            wrong.push(format!("of kind {kinds:?}, not {wanted:?}"));
        }
        if let Some(code) = &label.code
            && leaks.iter().all(|finding| finding.code != *code)
        {
            wrong.push(format!("not {code}"));
        }
        for kind in label.with.iter().filter(|kind| !kinds.contains(&***kind)) {
            wrong.push(format!("none of kind {kind} beside it"));
        }
        for kind in &kinds {
            let known = { wanted.iter() }
                .chain(&label.also)
                .chain(&label.with)
                .any(|word| word == *kind);
            if !known && matching.is_some() {
                wrong.push(format!("also of kind {kind}"));
            }
        }
    } else if label.verdict != "leak" {
        for finding in findings.iter().filter(|finding| finding.fails) {
            if accepted && !blamed {
                wrong.push(format!("a finding of kind {} fails", finding.kind));
            }
        }
        let warned = |kind: &String| findings.iter().any(|finding| finding.kind == *kind);
        if !wanted.is_empty() && !wanted.iter().any(warned) {
            wrong.push(format!("no warning of kind {wanted:?}"));
        }
        if label.quiet && !findings.is_empty() {
            let kinds: Vec<&str> = findings.iter().map(|finding| &*finding.kind).collect();
            wrong.push(format!("findings of kind {kinds:?}"));
        }
    }

    // What a test that is not to fail warns of is named as well.
    let warned = label.verdict != "leak" && !wanted.is_empty() && !findings.is_empty();
    let judged = test.verdict == "leak" && label.verdict == "leak" || warned;
    let leaks = if warned { findings } else { leaks };
    let named = |told: Option<&String>, judge: &dyn Fn(&str) -> Named| {
        judged.then_some(()).and(told).map(|told| judge(told))
    };
    // What the same object holds for several tests is one finding, and its first line has room for the place of one.
    let alike = |finding: &Finding| -> Vec<&str> {
        fellows
            .iter()
            .filter(|(id, fellow)| {
                finding.tests.iter().any(|test| test == id) && fellow.holder == label.holder
            })
            .filter_map(|(_, fellow)| fellow.site.as_deref())
            .collect()
    };
    let whole = |finding: &&Finding| {
        let line = &finding.summary;
        let holder = label.holder.as_ref().is_none_or(|holder| {
            let name = finding.holder.as_ref().map(|holder| &holder.name);
            line.contains(holder.as_str())
                || name.is_some_and(|name| {
                    line.contains(name) && (name.contains(holder) || holder.contains(name))
                })
        });
        let site = label
            .site
            .as_ref()
            .is_none_or(|site| site_named(site, &[finding], root, &alike).right);
        let typed = label.type_name.as_ref().is_none_or(|name| {
            // The way round a cycle goes through the type.
            counts(line, name) || finding.kind == "cycle" && line.contains(name.as_str())
        });
        holder && site && typed
    };
    let first_line = (label.holder.is_some() || label.site.is_some()).then(String::new);
    Answer {
        row,
        column,
        rule: test.rule.clone(),
        wrong,
        hard: label.hard.is_some(),
        unheld: { leaks.iter().filter(|finding| finding.is_unheld()) }
            .map(|finding| finding.summary.clone())
            .collect(),
        line: named(first_line.as_ref(), &|_| {
            let told: Vec<&str> = leaks.iter().map(|finding| &*finding.summary).collect();
            Named {
                right: leaks.iter().any(whole),
                note: format!("told {told:?}"),
            }
        }),
        site: named(label.site.as_ref(), &|site| {
            site_named(site, &leaks, root, &alike)
        }),
        holder: named(label.holder.as_ref(), &|holder| {
            let told: Vec<&str> = leaks
                .iter()
                .filter_map(|finding| finding.holder.as_ref())
                .map(|holder| &*holder.text)
                .collect();
            Named {
                right: told.iter().any(|text| text.contains(holder)),
                note: format!("holder {holder}, told {told:?}"),
            }
        }),
        type_name: named(label.type_name.as_ref(), &|name| {
            let told: Vec<&str> = leaks
                .iter()
                .flat_map(|finding| &finding.types)
                .map(|told| told.name.rsplit('.').next().unwrap_or_default())
                .collect();
            Named {
                right: told.contains(&name)
                    || leaks.iter().any(|finding| counts(&finding.summary, name)),
                note: format!("type {name}, told {told:?}"),
            }
        }),
    }
}

/// Whether a summary begins with so many of a type.
fn counts(summary: &str, name: &str) -> bool {
    let (what, _) = summary.split_once(" after each").unwrap_or((summary, ""));
    summary.contains(&format!(", of type {name},"))
        || what
            .split([' ', '('])
            .flat_map(|word| [word, word.strip_suffix('s').unwrap_or(word)])
            .any(|word| word == name || word == name.to_lowercase())
}

/// Whether the first place is the labelled one; or, where a finding is of several tests, that of one of those that are
/// labelled `alike`, with this one among the others.
fn site_named<'l>(
    site: &str,
    leaks: &[&Finding],
    root: &Path,
    alike: &dyn Fn(&Finding) -> Vec<&'l str>,
) -> Named {
    let (file, lines) = marked(root, site);
    let told: Vec<String> = leaks
        .iter()
        .filter_map(|finding| finding.sites.first())
        .map(|site| format!("{}:{}", site.file, site.line))
        .collect();
    let is_at = |told: &common::Site, (file, lines): &(String, BTreeSet<u32>)| {
        told.file.ends_with(&**file) && lines.contains(&told.line)
    };
    let own = (file, lines);
    let right = leaks.iter().any(|finding| {
        let Some(first) = finding.sites.first() else {
            return false;
        };
        is_at(first, &own)
            || finding.sites.iter().any(|told| is_at(told, &own))
                && alike(finding)
                    .into_iter()
                    .any(|site| is_at(first, &marked(root, site)))
    });
    let (_, lines) = &own;
    Named {
        right,
        note: format!("place {site} (line {lines:?}), told {told:?}"),
    }
}

/// One part under one runner.
struct Job {
    part: PathBuf,
    runner: String,
}

impl Job {
    fn name(&self) -> String {
        let part = self.part.file_name().unwrap().to_string_lossy();
        format!("{part}/{}", self.runner)
    }

    /// Keeps a report with a miss, to be looked at.
    fn keep(&self, report: &Path) {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("misses");
        fs::create_dir_all(&folder).unwrap();
        let kept = folder.join(self.name().replace('/', "-") + ".json");
        fs::copy(report, &kept).unwrap();
        eprintln!("{}: {}", self.name(), kept.display());
    }

    fn answers(&self) -> Vec<(String, Answer)> {
        let text = fs::read_to_string(self.part.join("expected.yaml")).unwrap();
        let part: Part =
            serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", self.name()));
        let folder = Path::new("corpus").join(self.part.file_name().unwrap());
        let project = Project::fixture(folder.to_str().unwrap()).with(Packages::Corpus);
        let mut args = vec!["--runner", &self.runner, BUDGET];
        args.extend(part.args.iter().map(String::as_str));
        let path = project.beside("corpus.json");
        let mut option = std::ffi::OsString::from("--report=json=");
        option.push(&path);
        let variables = env::var("LEAKCHECK_CORPUS_WITH").unwrap_or_default();
        let variables = variables
            .split_whitespace()
            .filter_map(|variable| variable.split_once('='));
        let mut command = project.command();
        command.args(args).arg(option).envs(variables);
        if let Some(folder) = env::var_os("LEAKCHECK_CORPUS_RECORD") {
            fs::create_dir_all(&folder).unwrap();
            let name = self.name().replace('/', "-");
            command.arg("--record").arg(Path::new(&folder).join(name));
        }
        let output = command.output().unwrap();
        let text = fs::read_to_string(&path).unwrap_or_else(|error| {
            let printed = String::from_utf8_lossy(&output.stderr);
            panic!("{}: no report ({error})\n{printed}", self.name())
        });
        let report: Report = serde_json::from_str(&text).unwrap();
        for site in report.findings.iter().flat_map(|found| &found.sites) {
            assert!(site.line > 0, "{}: no line: {site:?}", self.name());
        }
        let mut answers = Vec::new();
        let fellows: Vec<(&str, &Label)> = report
            .tests
            .iter()
            .flat_map(|test| {
                part.cases
                    .iter()
                    .filter(|(label, _)| names(label, &test.id))
                    .map(|(_, entry)| (&*test.id, entry.of(&self.runner)))
            })
            .collect();
        let mut left: BTreeSet<&str> = part.cases.keys().map(String::as_str).collect();
        for test in &report.tests {
            let name = format!("{} {}", self.name(), test.id);
            let labels: Vec<_> = part
                .cases
                .iter()
                .filter(|(label, _)| names(label, &test.id))
                .collect();
            let [(label, entry)] = labels[..] else {
                panic!("{name}: {} labels", labels.len());
            };
            left.remove(&**label);
            let answer = judge(entry.of(&self.runner), test, &report, &self.part, &fellows);
            answers.push((name, answer));
        }
        assert!(left.is_empty(), "{}: no tests {left:?}", self.name());
        if answers.iter().any(|(_, answer)| answer.failed()) {
            self.keep(&path);
        }
        answers
    }
}

/// The parts to run, each under its runners.
fn jobs() -> Vec<Job> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/corpus");
    let chosen = env::var("LEAKCHECK_CORPUS").unwrap_or_default();
    let chosen: Vec<&str> = chosen.split(',').filter(|name| !name.is_empty()).collect();
    let mut parts: Vec<PathBuf> = fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("expected.yaml").exists())
        .collect();
    parts.sort();
    let mut jobs = Vec::new();
    for part in parts {
        let text = fs::read_to_string(part.join("expected.yaml")).unwrap();
        let labels: Part = serde_yaml::from_str(&text)
            .unwrap_or_else(|error| panic!("{}: {error}", part.display()));
        let runners = match &*labels.runner {
            "both" => vec!["unittest", "pytest"],
            one => vec![one],
        };
        for runner in runners {
            let job = Job {
                part: part.clone(),
                runner: runner.to_owned(),
            };
            let name = job.name();
            if chosen.is_empty() || chosen.iter().any(|start| name.starts_with(start)) {
                jobs.push(job);
            }
        }
    }
    jobs
}

/// Labels down, answers across.
fn table(answers: &[(String, Answer)]) -> String {
    let rows: BTreeSet<&str> = answers.iter().map(|(_, answer)| &*answer.row).collect();
    let columns: BTreeSet<&str> = answers.iter().map(|(_, answer)| &*answer.column).collect();
    let mut text = format!("{:12}", "label");
    for column in &columns {
        let _ = write!(text, "{column:>14}");
    }
    text.push('\n');
    for row in rows {
        let _ = write!(text, "{row:12}");
        for column in &columns {
            let count = answers
                .iter()
                .filter(|(_, answer)| answer.row == row && answer.column == *column)
                .count();
            let shown = if count == 0 {
                ".".to_owned()
            } else {
                count.to_string()
            };
            let _ = write!(text, "{shown:>14}");
        }
        text.push('\n');
    }
    text
}

/// How many were named as their labels say, and a line for each that was not.
fn share(
    answers: &[(String, Answer)],
    of: fn(&Answer) -> Option<&Named>,
) -> (usize, usize, String) {
    let told: Vec<(&str, &Named)> = answers
        .iter()
        .filter_map(|(name, answer)| Some((&**name, of(answer)?)))
        .collect();
    let right = told.iter().filter(|(_, named)| named.right).count();
    let mut text = String::new();
    for (name, named) in told.iter().filter(|(_, named)| !named.right) {
        let _ = writeln!(text, "  {name}: {}", named.note);
    }
    (right, told.len(), text)
}

#[test]
#[ignore = "some minutes of both processors: .ci/run runs it by itself, with --ignored"]
fn every_case_is_judged_as_its_label_says() {
    let waiting = Mutex::new(jobs());
    let total = waiting.lock().unwrap().len();
    assert!(total > 0, "LEAKCHECK_CORPUS names no part");
    let done = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..JOBS {
            scope.spawn(|| {
                loop {
                    let Some(job) = waiting.lock().unwrap().pop() else {
                        break;
                    };
                    let begun = Instant::now();
                    let answers = job.answers();
                    let wrong = answers.iter().filter(|(_, answer)| answer.failed());
                    eprintln!(
                        "{:24} {:4.0} s, {} of {} otherwise",
                        job.name(),
                        begun.elapsed().as_secs_f64(),
                        wrong.count(),
                        answers.len()
                    );
                    done.lock().unwrap().extend(answers);
                }
            });
        }
    });
    let mut answers = done.into_inner().unwrap();
    answers.sort_by(|a, b| a.0.cmp(&b.0));

    let (major, minor) = common::python_version();
    let mut text = format!("Python {major}.{minor}\n{}", table(&answers));
    // Said last once more, where a log that was cut still has it.
    let mut failed = Vec::new();
    for (name, answer) in &answers {
        let mark = match (answer.failed(), answer.hard) {
            (false, false) => continue,
            (false, true) => "hard",
            (true, false) => "MISS",
            (true, true) => "found though marked as hard",
        };
        let wrong = answer.wrong.join("; ");
        let line = format!("{mark}: {name}: by {}: {wrong}", answer.rule);
        let _ = writeln!(text, "{line}");
        if answer.failed() {
            failed.push(line);
        }
    }
    let (sites, of_sites, misplaced) = share(&answers, |answer| answer.site.as_ref());
    let (holders, of_holders, unheld) = share(&answers, |answer| answer.holder.as_ref());
    let (types, of_types, untyped) = share(&answers, |answer| answer.type_name.as_ref());
    let unheld_leaks: BTreeSet<(&str, &str)> = answers
        .iter()
        .flat_map(|(name, answer)| answer.unheld.iter().map(|line| (&**name, &**line)))
        .collect();
    let nobody = unheld_leaks
        .iter()
        .fold(String::new(), |text, (name, line)| {
            format!("{text}  {name}: {line}\n")
        });
    let (lines, of_lines, cut) = share(&answers, |answer| answer.line.as_ref());
    let _ = write!(
        text,
        "{} of {} as labelled\nplaces named: {sites} of {of_sites}\n{misplaced}holders named: {holders} of {of_holders}\n{unheld}\
         types named: {types} of {of_types}\n{untyped}\nfirst lines whole: {lines} of {of_lines}\n{cut}\
         leaks without a holder, to be none: {}\n{nobody}",
        answers.len() - failed.len(),
        answers.len(),
        unheld_leaks.len(),
    );
    println!("{text}");
    assert!(
        failed.is_empty(),
        "{} misses\n{}",
        failed.len(),
        failed.join("\n")
    );
    // Of one part two lines more or less would be a twentieth.
    if env::var_os("LEAKCHECK_CORPUS").is_some() {
        return;
    }
    let enough = |right: usize, all: usize, share: f64| right as f64 >= share * all as f64;
    assert!(enough(sites, of_sites, NAMED_SITES), "places");
    assert!(enough(holders, of_holders, NAMED_HOLDERS), "holders");
    assert!(enough(types, of_types, NAMED_TYPES), "types");
    assert!(enough(lines, of_lines, WHOLE_LINES), "lines");
}

#[test]
fn a_label_names_one_test_and_marked_lines() {
    assert!(names("T.test_a", "tests/test_x.py::T::test_a"));
    assert!(names("test_a[/b]", "tests/test_x.py::test_a[/b]"));
    assert!(!names("test_a", "tests/test_x.py::test_a_b"));
    assert!(!names("test_a", "tests/test_x.py::other_test_a"));

    let folder = tempfile::tempdir().unwrap();
    let source = "def a():\n    b = 1  # LEAK\n\n    return b\n\n\ndef ab():\n    x = 1  # LEAK\n";
    fs::write(folder.path().join("m.py"), source).unwrap();
    assert_eq!(
        marked(folder.path(), "m.py:a"),
        ("m.py".to_owned(), BTreeSet::from([2]))
    );
    assert_eq!(marked(folder.path(), "m.py:ab").1, BTreeSet::from([8]));
}
