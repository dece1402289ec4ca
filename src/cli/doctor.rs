//! `leakcheck doctor`: what can be seen here, and with which settings.

use std::{
    env,
    io::{self, Write},
    path::PathBuf,
};

use clap::Args;

use super::{
    run::{Failure, failure, python_from},
    settings::settings,
};
use crate::{
    config::{Choice, Config, Overrides, Runner, Subject, rule::Rule, text, value},
    discover::{
        self, Interpreter, Project,
        interpreter::{Env, Libc, Mallinfo, NEWEST},
        machine,
    },
    exit_code::ExitCode,
    run::selfcheck::{self, Examined},
    verdict::counter::{Counter, LIBRARIES},
};

/// Options of `leakcheck doctor`.
#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// The Python to test with: a path, a name on PATH, or a virtual environment's directory.
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// What runs the tests: auto, pytest, unittest or command.
    #[arg(long, value_name = "RUNNER", value_parser = value::from_argument(value::runner))]
    runner: Option<Choice<Runner>>,
}

/// Looks and prints what it sees.
pub(super) fn doctor(args: &DoctorArgs) -> ExitCode {
    let mut page = String::new();
    let code = match examine(args, &mut page) {
        Ok(code) => code,
        Err(Failure(code, message)) => {
            super::complain(format_args!(
                "leakcheck: {}",
                crate::report::text::shown_lines(&message)
            ));
            code
        }
    };
    let mut out = anstream::stdout();
    match out.write_all(page.as_bytes()).and_then(|()| out.flush()) {
        // A reader such as `head` that has seen enough is no failure.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            super::complain(format_args!(
                "leakcheck: cannot write to the standard output: {error}"
            ));
            ExitCode::Internal
        }
        _ => code,
    }
}

/// Writes what it finds to `page`, as far as it gets.
fn examine(args: &DoctorArgs, page: &mut String) -> Result<ExitCode, Failure> {
    let current = env::current_dir()
        .map_err(|error| format!("cannot tell the current directory: {error}"))?;
    let project = Project::locate(&[], &current)?;
    let (mut config, file) = Config::load(&project.root)?;
    config.apply(Overrides {
        python: args
            .python
            .clone()
            .map(|python| python_from(python, &current))
            .map(Choice::Given),
        runner: args.runner,
        ..Overrides::default()
    });
    let project = project.or_configured(&config.paths)?;
    machine::require_files(1)?;
    let interpreter = Interpreter::find(
        config.python.given().map(PathBuf::as_path),
        &project.root,
        &Env::of_process(),
    )?;
    let runner = discover::choose_runner(config.runner, &config.args, &project, &interpreter)?;
    line(
        page,
        "python",
        &format!(
            "{} {}, {}",
            interpreter.implementation,
            interpreter.version_text,
            text::show(&interpreter.path)
        ),
    );
    let build = build(&interpreter, config.jit);
    if !build.is_empty() {
        line(page, "build", &build.join("; "));
    }
    line(
        page,
        "system",
        &format!(
            "{}-{}, {}",
            interpreter.platform, interpreter.machine, interpreter.libc
        ),
    );
    let settings = settings(&config, &project, &interpreter, runner)?;
    let examined = selfcheck::examine(&settings.setup);
    let code = match examined {
        Ok(examined) => {
            let version = match runner {
                Runner::Command => program(&config, &settings.setup.args),
                _ => format!("{} {}", runner.name(), examined.hello.runner_version),
            };
            line(page, "runner", &version);
            counters(page, &interpreter, &examined);
            verdict(page, &examined)
        }
        Err(error) => {
            line(page, "runner", runner.name());
            let Failure(code, message) = failure(&interpreter, &error);
            line(page, "self-check", &format!("could not be made: {message}"));
            match code {
                // Whatever keeps a worker from starting keeps a run from being evidence.
                ExitCode::TestsFailed | ExitCode::Usage => ExitCode::NoEvidence,
                code => code,
            }
        }
    };
    let file = file.map_or_else(
        || {
            "defaults only; no leakcheck.toml, pyproject.toml or Cargo.toml has settings of ours"
                .to_owned()
        },
        |file| text::show(&file),
    );
    line(page, "settings", &file);
    for (key, value) in resolved(&config) {
        page.push_str(&format!("  {key} = {}\n", text::escape(&value)));
    }
    for rule in &config.rules {
        page.push_str(&format!("  {}\n", text::escape(&told(rule))));
    }
    line(
        page,
        "bug report",
        "send what `leakcheck run --record DIR` writes; your project's names are not in it",
    );
    Ok(code)
}

/// The program that runs the tests, and where it comes from.
fn program(config: &Config, words: &[String]) -> String {
    let words = words.join(" ");
    match config.runner {
        Choice::Given(_) => format!("command: {words}"),
        Choice::Auto => format!("command: {words} (found here; --runner names another)"),
    }
}

fn line(page: &mut String, name: &str, value: &str) {
    page.push_str(&format!("{name:<11} {}\n", text::escape(value)));
}

/// What is unusual about it.
fn build(interpreter: &Interpreter, jit: bool) -> Vec<String> {
    let mut found = Vec::new();
    if interpreter.is_newer() {
        found.push(format!(
            "newer than this leakcheck knows ({}.{})",
            NEWEST.0, NEWEST.1
        ));
    }
    if interpreter.debug {
        found.push(match interpreter.references {
            Some(count) => format!("debug, sys.gettotalrefcount() tells {count} references"),
            None => "debug".to_owned(),
        });
    }
    if interpreter.free_threaded {
        let lock = if interpreter.gil { "on" } else { "off" };
        found.push(format!("free-threaded, its lock is {lock}"));
    }
    if let (Some(theirs), Some(ours)) = (&interpreter.python_malloc, interpreter.counting_malloc())
    {
        found.push(format!(
            "PYTHONMALLOC={theirs} counts nothing, and is {ours} in the processes that run the tests"
        ));
    }
    if interpreter.jit {
        found.push(
            if jit {
                "just-in-time compiler on (jit = true)"
            } else {
                "just-in-time compiler on, and off in the processes that run the tests (jit = true leaves it on)"
            }
            .to_owned(),
        );
    }
    found
}

fn counters(page: &mut String, interpreter: &Interpreter, examined: &Examined) {
    line(page, "counters", "");
    let of_project = { examined.hello.counters.keys().copied() }
        .filter(|counter| matches!(counter, Counter::Library(_)));
    for counter in Counter::ALL.into_iter().chain(of_project) {
        let word = examined
            .hello
            .counters
            .get(&counter)
            .map_or("absent", String::as_str);
        let why = if word == "exact" {
            String::new()
        } else {
            format!(": {}", why(counter, word, interpreter))
        };
        let seen = if examined.found.seen.contains(&counter) {
            ", saw the planted leak"
        } else {
            ""
        };
        let alone = if counter == Counter::Heap && word != "absent" && !examined.hello.sizes {
            ", of C code alone: Python has its own memory from elsewhere"
        } else {
            ""
        };
        let alone = match counter {
            Counter::Library(_) => ", where its module is loaded",
            _ => alone,
        };
        let text = format!("  {:<13} {word}{seen}{alone}{why}\n", counter.name());
        page.push_str(&text);
    }
    page.push_str(&format!(
        "  of libraries, where they are loaded: {}\n",
        LIBRARIES.join(", ")
    ));
}

/// Why a counter is not exact.
fn why(counter: Counter, word: &str, interpreter: &Interpreter) -> String {
    match (counter, word) {
        (Counter::Blocks, "absent") => match &interpreter.python_malloc {
            Some(name) => format!(
                "PYTHONMALLOC={name} turns Python's own allocator off, which counts them"
            ),
            None => "this Python does not count the blocks it gives out".to_owned(),
        },
        (Counter::Heap, "absent") => match (&interpreter.libc, interpreter.mallinfo) {
            (_, Mallinfo::Absent) => format!(
                "{} has no mallinfo to ask; native leaks are not seen",
                interpreter.libc
            ),
            _ => "nothing tells what malloc gives out: another one is loaded (LD_PRELOAD?) that is neither glibc's, jemalloc nor tcmalloc; native \
                  leaks are not seen"
                .to_owned(),
        },
        (Counter::Heap, _) => match interpreter.libc {
            Libc::Glibc(..) => "what is freed stays counted: glibc does not follow GLIBC_TUNABLES here".to_owned(),
            _ => format!("what is freed stays counted by {}", interpreter.libc),
        },
        _ => counter.unread().to_owned(),
    }
}

fn verdict(page: &mut String, examined: &Examined) -> ExitCode {
    let faults = &examined.found.faults;
    if faults.is_empty() {
        let seen: Vec<&str> = examined.found.seen.iter().map(|it| it.name()).collect();
        line(
            page,
            "self-check",
            &format!(
                "passed in {:.0} ms: planted leaks showed in {}, and a test that does nothing was clean",
                examined.seconds * 1e3,
                seen.join(", ")
            ),
        );
        return ExitCode::Success;
    }
    for fault in faults {
        line(page, "self-check", &format!("failed: {fault}"));
    }
    ExitCode::NoEvidence
}

/// Every setting as it holds now, rules left out.
fn resolved(config: &Config) -> Vec<(&'static str, String)> {
    fn choice<T>(choice: &Choice<T>, show: impl Fn(&T) -> String) -> String {
        choice.given().map_or_else(|| "auto".to_owned(), show)
    }
    let Config {
        python,
        runner,
        paths,
        args,
        jobs,
        budget,
        timeout,
        thorough,
        jit,
        warmup,
        iterations,
        memory,
        min_judged,
        min_rate,
        stances,
        counters,
        cache,
        cache_days,
        deepen,
        rules,
    } = config;
    let paths: Vec<String> = paths
        .iter()
        .map(|path| path.to_string_lossy().into())
        .collect();
    let seconds = |time: &std::time::Duration| format!("{} s", time.as_secs_f64());
    let mut keys = vec![
        (
            "python",
            choice(python, |path| path.to_string_lossy().into()),
        ),
        ("runner", choice(runner, |runner| runner.name().to_owned())),
        ("paths", format!("{paths:?}")),
        ("args", format!("{args:?}")),
        ("jobs", choice(jobs, ToString::to_string)),
        ("budget", choice(budget, seconds)),
        ("timeout", choice(timeout, seconds)),
        ("thorough", thorough.to_string()),
        ("jit", jit.to_string()),
        ("warmup", warmup.to_string()),
        ("iterations", choice(iterations, ToString::to_string)),
        ("memory", choice(memory, |bytes| format!("{bytes} bytes"))),
        ("min_judged", min_judged.to_string()),
        (
            "min_rate",
            if min_rate.is_empty() {
                "none".to_owned()
            } else {
                min_rate.to_string()
            },
        ),
        ("cache", choice(cache, ToString::to_string)),
        ("cache_days", cache_days.to_string()),
        ("deepen", deepen.to_string()),
    ];
    keys.extend(
        Subject::ALL.map(|subject| (subject.name(), stances.on(subject).name().to_owned())),
    );
    let counters: Vec<String> = { counters.iter() }
        .map(|(name, place)| format!("{name}: {place}"))
        .collect();
    keys.push((
        "counters",
        match &counters[..] {
            [] => "none".to_owned(),
            some => some.join(", "),
        },
    ));
    keys.push(("override", rules.len().to_string()));
    keys
}

/// `pyproject.toml:4:1 for a::*, b: skip (it costs)`.
fn told(rule: &Rule) -> String {
    let terms = &rule.terms;
    let parts = [
        terms.skip.as_ref().map(|reason| format!("skip ({reason})")),
        terms
            .allow
            .as_ref()
            .map(|(limits, reason)| format!("allow {limits} ({reason})")),
        terms.warmup.map(|count| format!("warmup {count}")),
        terms.iterations.map(|count| {
            let count = count.given().map_or("auto".to_owned(), ToString::to_string);
            format!("iterations {count}")
        }),
        (!terms.min_rate.is_empty()).then(|| format!("min_rate {}", terms.min_rate)),
        terms
            .timeout
            .map(|time| format!("timeout {} s", time.as_secs_f64())),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    format!(
        "{} for {}: {}",
        rule.place,
        rule.patterns.join(", "),
        parts.join(", ")
    )
}
