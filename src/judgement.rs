//! From the raw results of a run to what is reported: a verdict for every test, findings, the exit code.

mod excuse;
mod findings;
mod held;
mod inspection;
mod native;
mod sites;
mod standing;

use std::collections::BTreeMap;

use crate::{
    attribute::owner::Places,
    baseline::compare::Outcome,
    exit_code::ExitCode,
    finding::Finding,
    report::{Environment, Report, Snapshots, Timing},
    run::{
        self, Run,
        loss::Loss,
        protocol::Wider,
        screen::{Look, Screened},
        trace::{Case, Judged},
    },
    verdict::{Series, TestResult, Verdict},
};

/// Readings of a series that a report keeps.
const READINGS_KEPT: usize = 256;

use excuse::Excuses;
pub use inspection::inspection;
pub use standing::Baseline;

/// Builds the report, and says what follows for the snapshots. `min_judged` is the share of the tests that ran which
/// must have been judged.
pub fn report(
    run: &Run,
    places: &Places,
    environment: Environment,
    min_judged: f64,
    baseline: &Baseline<'_>,
) -> (Report, Outcome) {
    let mut tests = tests(run, places);
    let excuses = Excuses::of(run);
    excuses.explain(&mut tests);
    let mut findings = findings::findings(run, places, &excuses);
    let outcome = standing::compare(run, &tests, &environment, &mut findings, baseline);
    let exit_code = exit_code(run, &tests, &findings, min_judged);
    let report = Report {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        environment,
        exit_code,
        findings,
        errors: run.errors.clone(),
        notes: run.notes.clone(),
        judged: share_judged(&tests),
        tests,
        min_judged,
        timing: Timing {
            screen_seconds: run.wall.0.as_secs_f64(),
            judge_seconds: run.wall.1.as_secs_f64(),
            plain_cpu_seconds: run.plain_cpu,
        },
        snapshots: Snapshots {
            accepted: baseline.accepted.len(),
            untested: outcome.untested,
            advice: Vec::new(),
        },
    };
    (report, outcome)
}

fn tests(run: &Run, places: &Places) -> Vec<TestResult> {
    let mut by_test: BTreeMap<usize, (&Case, bool)> = run
        .cases
        .iter()
        .map(|case| (case.test, (case, true)))
        .collect();
    for (test, at) in &run.alike {
        by_test.insert(*test, (&run.cases[*at], false));
    }
    run.tests
        .iter()
        .enumerate()
        .map(|(index, test)| {
            let mut result = TestResult {
                id: test.id.clone(),
                file: places.show(&test.file),
                verdict: Verdict::Undecided,
                reason: None,
                iterations: 0,
                seconds: 0.0,
                series: Series::new(),
            };
            let Some(look) = &run.looks[index] else {
                result.reason = Some("the run was interrupted before it".to_owned());
                return result;
            };
            result.iterations = look.iterations;
            result.seconds = look.seconds;
            (result.verdict, result.reason) = screened(look);
            if look.screened == Screened::Suspect {
                result.series = kept(&look.series);
                if let Some((case, itself)) = by_test.get(&index) {
                    result.verdict = run::verdict_of(&case.judged);
                    result.reason = judged(&case.judged).or_else(|| set_up_anew(case.wider));
                    if *itself {
                        result.iterations += case.iterations;
                        if !case.series.is_empty() {
                            result.series = kept(&case.series);
                        }
                    } else {
                        let alike =
                            format!("grows like {}, which was judged", run.tests[case.test].id);
                        result.reason = Some(match result.reason {
                            Some(reason) => format!("{reason}; {alike}"),
                            None => alike,
                        });
                    }
                } else {
                    result.verdict = Verdict::Undecided;
                    result.reason =
                        Some("a suspect; the run was interrupted before it was judged".to_owned());
                }
            }
            result
        })
        .collect()
}

fn kept(series: &Series) -> Series {
    series
        .iter()
        .map(|(counter, readings)| {
            (
                *counter,
                readings.iter().take(READINGS_KEPT).copied().collect(),
            )
        })
        .collect()
}

fn screened(look: &Look) -> (Verdict, Option<String>) {
    match &look.screened {
        Screened::Clean => (Verdict::Clean, None),
        Screened::Suspect => (Verdict::Undecided, None),
        Screened::Failed(reason) => (Verdict::Failed, Some(reason.clone())),
        Screened::Skipped(reason) => (Verdict::Skipped, Some(reason.clone())),
        Screened::Unrepeatable(reason) => (Verdict::Unrepeatable, Some(reason.clone())),
        Screened::Lost { loss, iteration } => lost(loss, *iteration),
    }
}

fn lost(loss: &Loss, iteration: u64) -> (Verdict, Option<String>) {
    let verdict = match loss {
        Loss::Hung { .. } => Verdict::TimedOut,
        Loss::Bridge(_) => Verdict::Undecided,
        _ => Verdict::Crashed,
    };
    let reason = if iteration > 1 {
        format!("in iteration {iteration}: {loss}")
    } else {
        loss.to_string()
    };
    (verdict, Some(reason))
}

/// Why a test leaks that is clean by itself.
fn set_up_anew(wider: Wider) -> Option<String> {
    match wider {
        Wider::Stay => None,
        Wider::Module => {
            Some("each time its fixtures of class, module or package are set up".to_owned())
        }
        Wider::Session => Some("each time the fixtures of the session are set up".to_owned()),
    }
}

fn judged(judged: &Judged) -> Option<String> {
    match judged {
        Judged::Leak => None,
        Judged::Harness => Some("the test runner keeps what grows".to_owned()),
        Judged::Bounded(reason)
        | Judged::Clean(reason)
        | Judged::Unstable(reason)
        | Judged::Undecided(reason) => Some(reason.clone()),
        Judged::Lost { loss, iteration } => lost(loss, *iteration).1,
    }
}

fn exit_code(run: &Run, tests: &[TestResult], findings: &[Finding], min_judged: f64) -> ExitCode {
    let mut candidates = Vec::new();
    if run.interrupted {
        candidates.push(ExitCode::Interrupted);
    }
    if findings.iter().any(|finding| finding.fails) {
        candidates.push(ExitCode::Leak);
    }
    let failed_first = |test: &TestResult| match test.verdict {
        Verdict::Failed => true,
        Verdict::Crashed | Verdict::TimedOut => test.iterations <= 1,
        _ => false,
    };
    if !run.errors.is_empty() || tests.iter().any(failed_first) {
        candidates.push(ExitCode::TestsFailed);
    }
    if share_judged(tests) < min_judged {
        candidates.push(ExitCode::NoEvidence);
    }
    ExitCode::first(&candidates)
}

/// Share of the tests that ran which got a judgement on their growth; skipped ones did not run, and failed
/// ones have an exit code of their own.
fn share_judged(tests: &[TestResult]) -> f64 {
    let ran = tests
        .iter()
        .filter(|test| !matches!(test.verdict, Verdict::Skipped | Verdict::Failed));
    let (all, judged) = ran.fold((0_u32, 0_u32), |(all, judged), test| {
        (all + 1, judged + u32::from(test.verdict.is_judged()))
    });
    if all == 0 {
        // Nothing but skipped and failed tests is no evidence of anything.
        return 0.0;
    }
    f64::from(judged) / f64::from(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(verdict: Verdict) -> TestResult {
        TestResult {
            id: String::new(),
            file: String::new(),
            verdict,
            reason: None,
            iterations: 5,
            seconds: 0.0,
            series: Series::new(),
        }
    }

    #[test]
    fn skipped_tests_are_no_evidence_and_need_none() {
        use Verdict::*;
        let share = |verdicts: &[Verdict]| {
            share_judged(
                &verdicts
                    .iter()
                    .map(|verdict| result(*verdict))
                    .collect::<Vec<_>>(),
            )
        };
        assert!((share(&[Clean, Leak, Skipped, Failed]) - 1.0).abs() < 1e-9);
        assert!((share(&[Clean, Unrepeatable]) - 0.5).abs() < 1e-9);
        assert!(share(&[Skipped]).abs() < 1e-9);
    }
}
