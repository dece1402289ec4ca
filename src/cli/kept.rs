//! What a run keeps for the next one: on which terms it holds, and of which tests there is something to keep.

use std::{collections::HashSet, env, fmt::Write, fs, path::Path, sync::Arc};

use jiff::{SignedDuration, Timestamp};

use crate::{
    config::{Choice, Config, Runner},
    discover::Interpreter,
    files::{git::has_committed, own::FOLDER, read},
    finding::{Finding, Status},
    kept::{CACHE, Cache, Changed, Evidence, Found, Surroundings, Wanted, digest, reason::Reason},
    report::Report,
    run::{Run, Settings},
    verdict::{Verdict, rule::Rule},
};

/// Bytes of the largest executable.
const LARGEST: u64 = 1 << 30;
/// Beginnings of the names of variables that Python, runners and their plugins read.
const READ: [&str; 9] = [
    "PYTHON",
    "PYTEST_",
    "HYPOTHESIS_",
    "DJANGO_",
    "LC_",
    "LANG",
    "LD_",
    "TZ",
    "CI",
];
/// Those that are ours, or others in each process.
const NOT_READ: [&str; 2] = ["PYTHONHASHSEED", "PYTEST_CURRENT_TEST"];

/// Whether verdicts are to be kept, and what there is to say where that is refused.
pub(super) fn is_wanted(
    cache: Choice<bool>,
    is_ci: bool,
    project: &Path,
) -> (bool, Option<String>) {
    let folder = format!("{FOLDER}/{CACHE}");
    let is_there = project.join(&folder).is_dir();
    // In CI nothing lasts unless somebody sees to it, who has the folder be there.
    let keeps = *cache.given().unwrap_or(&(is_there || !is_ci));
    // What is committed could say of any test that it is clean.
    if keeps && is_there && has_committed(project, &folder) {
        let note = format!(
            "{folder} is under version control, so nothing of it is believed and nothing is kept; `git rm -r --cached {folder}` takes it out"
        );
        return (false, Some(note));
    }
    (keeps, None)
}

/// The cache, where there can be one. With `changed` only what that reaches is asked, whether anything is kept or not.
pub(super) fn open(
    config: &Config,
    settings: &Settings,
    interpreter: &Interpreter,
    keeps: bool,
    asks_all: bool,
    changed: Option<Changed>,
) -> Option<Arc<Cache>> {
    // What a program hands over is its own affair.
    if settings.setup.runner == Runner::Command.name() {
        return None;
    }
    let surroundings = Surroundings {
        python: interpreter.path.clone(),
        project: settings.places.project.clone(),
        packages: settings.places.packages.clone(),
        stdlib: settings.places.stdlib.clone(),
        counters: { config.counters.values() }
            .filter_map(|place| place.split(':').next())
            .map(str::to_owned)
            .collect(),
        terms: terms(config, settings, interpreter),
    };
    let now = Timestamp::now();
    let days = i64::from(config.cache_days);
    let wanted = Wanted {
        keeps,
        oldest: match days {
            _ if asks_all => Some(now),
            0 => None,
            _ => Some(now - SignedDuration::from_hours(24 * days)),
        },
        changed,
    };
    Some(Arc::new(Cache::open(surroundings, wanted)))
}

/// All that every verdict hangs on: leakcheck, the interpreter, the settings, the environment as far as runners read it.
fn terms(config: &Config, settings: &Settings, interpreter: &Interpreter) -> String {
    let mut text = String::new();
    let own = env::current_exe().unwrap_or_default();
    let setup = &settings.setup;
    let _ = write!(
        text,
        "{} {}\n{} {} {} {} {} {:?} {:?}\n{}\n",
        env!("CARGO_PKG_VERSION"),
        of_file(&own),
        interpreter.version_text,
        interpreter.implementation,
        interpreter.platform,
        interpreter.machine,
        interpreter.libc,
        (
            interpreter.debug,
            interpreter.free_threaded,
            interpreter.gil,
            interpreter.jit
        ),
        (
            &interpreter.python_malloc,
            interpreter.own_malloc,
            &interpreter.pytest
        ),
        of_build(interpreter),
    );
    let _ = writeln!(
        text,
        "{} {:?} {:?} {:?} {:?} {:?} {:?}",
        setup.runner, setup.args, setup.paths, setup.limits, setup.terms, setup.rules, setup.build,
    );
    // Each part of a suite has evidence of its own tests only.
    let part = settings.shard.as_ref();
    let part = part.map(|part| (part.index, part.total));
    let _ = writeln!(
        text,
        "{part:?} {:?} {} {:?} {:?} {:?} {:?}",
        settings.policy,
        settings.pace,
        (&settings.stances, &setup.counters, setup.alone),
        settings.hash_seeds,
        config.memory,
        config.budget,
    );
    let mut variables: Vec<(String, String)> = env::vars_os()
        .map(|(name, value)| {
            let text = |it: std::ffi::OsString| it.to_string_lossy().into_owned();
            (text(name), text(value))
        })
        .filter(|(name, _)| READ.iter().any(|begin| name.starts_with(begin)))
        .filter(|(name, _)| !NOT_READ.contains(&&**name))
        .collect();
    variables.sort();
    for (name, value) in variables {
        // Of CI systems' own variables most are others in each run.
        if !name.starts_with("CI") || name == "CI" {
            let _ = writeln!(text, "{name}={value}");
        }
    }
    text
}

/// Of which build the interpreter is: its own file, and the extension modules beside the library.
fn of_build(interpreter: &Interpreter) -> String {
    let mut parts = vec![of_file(&interpreter.executable)];
    let folder = interpreter.paths.platstdlib.join("lib-dynload");
    let mut names: Vec<String> = { fs::read_dir(folder).into_iter().flatten().flatten() }
        .map(|entry| {
            let size = entry.metadata().map_or(0, |found| found.len());
            format!("{} {size}", entry.file_name().to_string_lossy())
        })
        .collect();
    names.sort();
    parts.extend(names);
    digest(parts.join("\n").as_bytes())
}

fn of_file(path: &Path) -> String {
    read::bytes(path, LARGEST).map_or_else(|_| String::new(), |bytes| digest(&bytes))
}

/// Keeps what `run` found. An error is one line.
pub(super) fn write(cache: &Cache, run: &Run, report: &Report) -> Result<(), String> {
    if run.interrupted || run.is_faulty {
        return Ok(());
    }
    // What fails must be seen again, and what is no verdict of a leak stays as it is as long as nothing changes.
    let (kept_findings, others): (Vec<&Finding>, Vec<&Finding>) = { report.findings.iter() }
        .partition(|one| one.verdict == Verdict::Clean && !one.fails && !one.tests.is_empty());
    let found: HashSet<&str> = { others.iter() }
        .flat_map(|finding| &finding.tests)
        .map(|id| &**id)
        .collect();
    let mut kept = run.kept.clone();
    let tests: Vec<Found<'_>> = { run.tests.iter().zip(&report.tests) }
        .enumerate()
        .map(|(at, (test, result))| {
            let is_clean =
                result.verdict == Verdict::Clean && result.rule.is_some_and(Rule::shows_nothing);
            let is_leak = result.verdict == Verdict::Leak;
            let depth = run.deep.get(&at).copied().unwrap_or(0);
            if !is_leak {
                // It grew in a longer look, and came to an end.
                kept[at] = kept[at].take().or_else(|| run.overtaken.get(&at).cloned());
            }
            let found = match &run.looks[at] {
                Some(_) if is_leak && depth > 0 => Err(Reason::Deeper),
                Some(_) if run.after_others.contains(&at) => Err(Reason::AfterOthers),
                Some(_) if is_clean && found.contains(&*result.id) => Err(Reason::InFinding),
                Some(look) if is_clean => Ok(Evidence {
                    // Nothing has changed since then that it depends on.
                    iterations: { look.iterations }
                        .saturating_add(run.older.get(&at).copied().unwrap_or(0)),
                    seconds: look.seconds,
                    cpu: look.cpu_plain,
                    date: report.environment.date.clone(),
                }),
                _ => Err(Reason::NotClean),
            };
            Found {
                id: &test.id,
                file: &test.file,
                found,
                depth,
            }
        })
        .collect();
    let findings = kept_findings.into_iter().map(|finding| Finding {
        status: Status::New,
        accepted: None,
        ..finding.clone()
    });
    cache.write(&tests, &kept, findings.collect())
}
