//! `leakcheck replay`: decides a recorded run once more, and compares what is said of each test.

use std::{
    io::{self, Write},
    path::PathBuf,
    sync::Arc,
};

use clap::Args;

use super::run::{code_of, interruptible};
use crate::{
    attribute::code,
    exit_code::ExitCode,
    finding::Finding,
    judgement,
    report::text::{brief, counted, shortened},
    run::{
        self,
        player::Replay,
        replay::{self, Replayed},
    },
    verdict::{TestResult, rule::Rule},
};

/// Options of `leakcheck replay`.
#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    /// What `leakcheck run --record` wrote.
    folder: PathBuf,
    /// Lists the findings as well, and counts those without a holder.
    #[arg(long)]
    findings: bool,
}

/// Replays the recording; 1 where a verdict is another one, 3 where nothing could be compared.
pub(super) fn replay(args: &ReplayArgs) -> ExitCode {
    interruptible(|| Ok(replayed(args)))
}

fn replayed(args: &ReplayArgs) -> ExitCode {
    let recording = match Replay::open(&args.folder) {
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
