//! `leakcheck replay`: decides a recorded run once more, and compares what is said of each test.

use std::{
    io::{self, Write},
    path::PathBuf,
    sync::Arc,
};

use clap::Args;
use serde_json::{Value, json};

use super::run::{code_of, interruptible};
use crate::{
    exit_code::ExitCode,
    explain::code,
    finding::Finding,
    investigate::rules::{self, Rules},
    judgement,
    report::text::{brief, counted, shortened},
    run::{
        self,
        replay::{self, Replayed},
    },
    verdict::{TestResult, rule::Rule},
    worker::player::Replay,
};

/// Options of `leakcheck replay`.
#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    /// What `leakcheck run --record` wrote.
    #[arg(required_unless_present = "numbers")]
    folder: Option<PathBuf>,
    /// Lists the findings as well, and counts those without a holder.
    #[arg(long)]
    findings: bool,
    /// Decides with another number than the usual one, to see what hangs on it.
    #[arg(long, value_name = "NAME=VALUE")]
    number: Vec<String>,
    /// Lists these numbers with their values.
    #[arg(long)]
    numbers: bool,
}

/// Replays the recording; 1 where a verdict is another one, 3 where nothing could be compared.
pub(super) fn replay(args: &ReplayArgs) -> ExitCode {
    interruptible(|| Ok(replayed(args)))
}

fn replayed(args: &ReplayArgs) -> ExitCode {
    let Some(folder) = args.folder.as_ref().filter(|_| !args.numbers) else {
        let _ = list_numbers(&mut anstream::stdout());
        return ExitCode::Success;
    };
    let opened = with_numbers(&args.number).and_then(|rules| {
        rules::try_others(rules);
        Replay::open(folder)
    });
    let recording = match opened {
        Ok(recording) => Arc::new(recording),
        Err(message) => {
            super::complain(format_args!("leakcheck: {}", brief(&message)));
            return ExitCode::Usage;
        }
    };
    let settings = replay::settings(&recording);
    let run = match run::run(&settings, &|_| {}) {
        Ok(run) => run,
        Err(error) => {
            let message = error.to_string();
            super::complain(format_args!("leakcheck: {}", brief(&message)));
            return code_of(&error);
        }
    };
    if run.interrupted {
        return ExitCode::Interrupted;
    }
    let tests = judgement::verdicts(&run, &settings.places);
    let compared = replay::compare(&recording, &run, &tests);
    // A reader that went away changes nothing of the result.
    let out = &mut anstream::stdout();
    let _ = tell(&compared, &recording, out);
    if args.findings {
        let _ = list(&judgement::found(&run, &settings.places), out);
    }
    let of = |wanted: fn(&Replayed) -> bool| compared.iter().any(|(_, became)| wanted(became));
    if of(|became| matches!(became, Replayed::Differs(..))) {
        ExitCode::Leak
    } else if of(|became| *became != Replayed::OffTheRecord) {
        ExitCode::Success
    } else {
        ExitCode::NoEvidence
    }
}

/// Each number with its name, `screen.looks.0`, and its value.
fn numbers_of(value: &Value, name: &str, found: &mut Vec<(String, Value)>) {
    let inner: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(key, it)| (key.clone(), it)).collect(),
        Value::Array(items) => { items.iter().enumerate() }
            .map(|(at, it)| (at.to_string(), it))
            .collect(),
        Value::Number(_) => return found.push((name.to_owned(), value.clone())),
        _ => return,
    };
    for (key, value) in inner {
        let dot = if name.is_empty() { "" } else { "." };
        numbers_of(value, &format!("{name}{dot}{key}"), found);
    }
}

fn list_numbers(out: &mut dyn Write) -> io::Result<()> {
    let mut found = Vec::new();
    numbers_of(&json!(rules::USUAL), "", &mut found);
    found
        .iter()
        .try_for_each(|(name, value)| writeln!(out, "{name}={value}"))
}

/// The usual numbers with those that were given in their places.
fn with_numbers(given: &[String]) -> Result<Rules, String> {
    let mut all = json!(rules::USUAL);
    for text in given {
        let (name, value) =
            { text.split_once('=') }.ok_or_else(|| format!("--number {text}: write NAME=VALUE"))?;
        let place = { all.pointer_mut(&format!("/{}", name.replace('.', "/"))) }
            .filter(|place| place.is_number())
            .ok_or_else(|| {
                format!("there is no number {name}; `leakcheck replay --numbers` lists them")
            })?;
        *place = { value.parse().ok() }
            .filter(Value::is_number)
            .ok_or_else(|| format!("--number {text}: {value} is no number"))?;
    }
    let rules: Rules = serde_json::from_value(all).map_err(|error| format!("--number: {error}"))?;
    match impossible(&rules) {
        Some(name) => Err(format!("--number: nothing can be decided with this {name}")),
        None => Ok(rules),
    }
}

/// What of other numbers nothing can be decided by, if anything: something is divided by them, or a look is longer than
/// there are readings.
fn impossible(rules: &Rules) -> Option<&'static str> {
    let Rules {
        budget,
        fit,
        limits,
        long_run,
        predecessors,
        ..
    } = rules;
    let least = [
        (budget.last.into(), 1, "budget.last"),
        (budget.share.into(), 1, "budget.share"),
        (predecessors.share.into(), 1, "predecessors.share"),
        (long_run.uneven, 1, "long_run.uneven"),
        (limits.overshoot, 1, "limits.overshoot"),
        (
            i64::try_from(long_run.resident).unwrap_or(1),
            1,
            "long_run.resident",
        ),
        (
            i64::try_from(fit.readings_per_fall).unwrap_or(1),
            1,
            "fit.readings_per_fall",
        ),
        (rules.answer.into(), 3, "answer"),
    ];
    let few = least.iter().find(|(number, least, _)| number < least);
    let long = [
        (fit.window.saturating_mul(3) >= fit.looks[1], "fit.window"),
        (fit.patient.saturating_mul(2) >= fit.looks[2], "fit.patient"),
    ];
    let long = long.iter().find(|(is_long, _)| *is_long);
    few.map(|(.., name)| *name).or(long.map(|(_, name)| *name))
}

/// What was found, a line each, and how many leaks nobody was found to hold.
fn list(findings: &[Finding], out: &mut dyn Write) -> io::Result<()> {
    let leaks = || findings.iter().filter(|finding| finding.fails);
    for finding in leaks() {
        writeln!(
            out,
            "{}: {} ({})",
            finding.code,
            shortened(&finding.summary, 240),
            counted(finding.tests.len(), "test")
        )?;
    }
    let unheld = leaks().filter(|finding| code::is_unheld(finding)).count();
    writeln!(
        out,
        "leakcheck: {}, {unheld} without a holder",
        counted(leaks().count(), "leak")
    )
}

fn tell(
    compared: &[(TestResult, Replayed)],
    recording: &Replay,
    out: &mut dyn Write,
) -> io::Result<()> {
    let (mut same, mut other, mut differs, mut off) = (0, 0, 0, 0);
    for (test, became) in compared {
        let id = shortened(&test.id, 120);
        let now = test.rule.map_or("no rule", Rule::name);
        match became {
            Replayed::Same => same += 1,
            Replayed::OtherRule(then) => {
                other += 1;
                writeln!(out, "other rule: {id}: by {}, now by {now}", brief(then))?;
            }
            Replayed::Differs(then, by) => {
                differs += 1;
                let reason = test.reason.as_deref().map(brief).unwrap_or_default();
                writeln!(
                    out,
                    "differs: {id}: {} by {}, now {} by {now} {reason}",
                    then.word(),
                    brief(by),
                    test.verdict.word()
                )?;
            }
            Replayed::OffTheRecord => {
                off += 1;
                writeln!(out, "off the record: {id}")?;
            }
        }
    }
    let mut parts = vec![format!("{same} as recorded")];
    for (count, words) in [
        (other, "by another rule"),
        (differs, "with another verdict"),
        (off, "off the record"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {words}"));
        }
    }
    writeln!(
        out,
        "leakcheck: replayed {} of leakcheck {}: {}",
        counted(recording.tests(), "test"),
        brief(recording.version()),
        parts.join(", ")
    )
}
