//! From the raw results of a run and what was said of each test to what is reported: findings and the exit code.

mod allowances;
mod apart;
mod cause;
mod cycles;
mod cython;
mod ends;
mod figures;
mod findings;
mod folders;
mod held;
mod inspection;
mod key;
mod losses;
mod machine;
mod merge;
mod native;
mod parts;
mod pythons;
mod quoted;
mod references;
mod retained;
mod shape;
mod sites;
mod summary;
mod unclosed;
mod visibility;
mod within;

use std::collections::BTreeMap;

use crate::{
    baseline::{acceptance::Package, compare::Outcome},
    exit_code::ExitCode,
    finding::{Finding, Status},
    heap::owner::Places,
    investigate::unasked::{self, Why},
    report::{Environment, Report, Shard, Snapshots, Timing},
    run::{
        Alike, Run,
        case::Case,
        screen::Screened,
        shard::{Division, Share},
    },
    verdict::{Series, TestResult, Verdict, conclusion::Conclusion, rule::Rule},
    worker::{orders::Wider, protocol::Trouble},
};

/// What is said where leakcheck itself failed.
const HOW_TO_REPORT: &str = "to report a fault of leakcheck's own, add what `leakcheck run --record DIR` writes: your project's names are not in it (docs/recordings.md)";
/// Readings of a series that a report keeps.
const READINGS_KEPT: usize = 256;

use allowances::Excuses;
pub use inspection::inspection;
pub use merge::Joined;
use native::Homes;
pub use visibility::Baseline;
use visibility::Scope;

/// Builds the report, and says what follows for the snapshots. `min_judged` is the share of the tests that ran which
/// must have been judged, `package_of` the installed package that a file as shown belongs to.
pub fn report(
    run: &Run,
    places: &Places,
    environment: Environment,
    min_judged: f64,
    package_of: &dyn Fn(&str) -> Option<Package>,
    baseline: &Baseline<'_>,
) -> (Report, Outcome) {
    let mut tests = tests(run, places);
    let excuses = Excuses::of(run);
    excuses.explain(&mut tests);
    let (mut findings, note) = findings::findings(run, places, &environment.python, &excuses);
    carry(&mut findings, &run.carried);
    apart::settle(&findings, &mut tests);
    pythons::explain(&findings, &mut tests);
    sort(&mut findings);
    let scope = Scope::of(
        run,
        &tests,
        visibility::packages(&findings, &environment, package_of),
    );
    let outcome = visibility::compare(&mut findings, &scope, baseline);
    let shard = run.shard.as_ref().map(|division| Shard {
        index: division.index,
        total: division.total,
        whole: baseline.whole,
        build: baseline.build.to_owned(),
        alike: alike(run, &tests),
        packages: scope.packages.clone(),
        files: with_seconds(run, &tests, division),
    });
    if shard.is_some() {
        // Another shard may have found it in other tests.
        findings.retain(|finding| finding.status != Status::Fixed);
    }
    let judged = match &shard {
        // There is nothing that could have been judged.
        Some(_) if tests.is_empty() => 1.0,
        _ => share_judged(&tests),
    };
    let mut codes = codes(&tests, &findings, &run.errors);
    if run.is_faulty {
        codes.push(ExitCode::Internal);
    }
    if run.interrupted {
        codes.push(ExitCode::Interrupted);
    }
    if judged < min_judged {
        codes.push(ExitCode::NoEvidence);
    }
    let report = Report {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        environment,
        exit_code: ExitCode::first(&codes),
        findings,
        errors: run.errors.clone(),
        notes: run
            .notes
            .iter()
            .cloned()
            .chain(note)
            .chain(out_of_order(run))
            .chain(run.is_faulty.then(|| HOW_TO_REPORT.to_owned()))
            .collect(),
        judged,
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
        shard,
        merged: None,
        asked: run.asked.as_ref().map(|asked| {
            let named = asked
                .iter()
                .map(|(reason, count)| (reason.name().to_owned(), *count));
            named.collect()
        }),
        retained: retained::of(run),
    };
    (report, outcome)
}

/// Adds what is kept of earlier runs: a finding of its own, or more tests of one that was found in others.
fn carry(findings: &mut Vec<Finding>, carried: &[Finding]) {
    for one in carried {
        let again = { findings.iter_mut() }.find(|it| it.fingerprint == one.fingerprint);
        match again {
            Some(again) => {
                again.tests.extend(one.tests.iter().cloned());
                again.tests.sort();
                again.tests.dedup();
            }
            None => findings.push(one.clone()),
        }
    }
}

/// The verdict of each test alone.
pub fn verdicts(run: &Run, places: &Places) -> Vec<TestResult> {
    let mut tests = tests(run, places);
    apart::settle(&apart::findings(run, &Homes::new(places)), &mut tests);
    tests
}

/// The findings alone, before snapshots are asked. Which Python's leaks are known is not: a recording does not say its version.
pub fn found(run: &Run, places: &Places) -> Vec<Finding> {
    let (mut findings, _) = findings::findings(run, places, "", &Excuses::of(run));
    sort(&mut findings);
    findings
}

/// Tests that were only taken to leak like another one.
fn alike(run: &Run, tests: &[TestResult]) -> Vec<String> {
    let alike = run.alike.iter().map(|alike| &tests[alike.test]);
    alike
        .filter(|test| test.verdict == Verdict::Leak)
        .map(|test| test.id.clone())
        .collect()
}

/// All files of the suite, those that ran here with how long they took.
fn with_seconds(run: &Run, tests: &[TestResult], division: &Division) -> Vec<Share> {
    let seconds = seconds_by_file(run, tests);
    let mut shares = division.shares.clone();
    for share in &mut shares {
        if share.shard == division.index {
            share.seconds = seconds.get(&share.file).copied();
        }
    }
    shares
}

/// Wall seconds that the tests of each file took, by the file as shown.
pub fn seconds_by_file(run: &Run, tests: &[TestResult]) -> BTreeMap<String, f64> {
    let mut seconds = BTreeMap::new();
    for (test, spent) in &run.spent {
        *seconds.entry(tests[*test].file.clone()).or_insert(0.0) += spent;
    }
    seconds
}

/// Those that fail the build first.
fn sort(findings: &mut [Finding]) {
    findings.sort_by(|a, b| {
        (a.level, a.kind, b.tests.len(), &a.fingerprint).cmp(&(
            b.level,
            b.kind,
            a.tests.len(),
            &b.fingerprint,
        ))
    });
}

fn tests(run: &Run, places: &Places) -> Vec<TestResult> {
    let mut by_test: BTreeMap<usize, (&Case, Option<&Alike>)> = run
        .cases
        .iter()
        .map(|case| (case.test, (case, None)))
        .collect();
    for alike in &run.alike {
        by_test.insert(alike.test, (&run.cases[alike.case], Some(alike)));
    }
    run.tests
        .iter()
        .enumerate()
        .map(|(index, test)| {
            let mut result = TestResult {
                id: test.id.clone(),
                file: places.show(&test.file),
                verdict: Verdict::Undecided,
                rule: None,
                reason: None,
                iterations: 0,
                seconds: 0.0,
                series: Series::new(),
                kept: None,
            };
            let Some(look) = &run.looks[index] else {
                conclude(&mut result, &unasked::say(Why::Interrupted("before it")));
                return result;
            };
            result.iterations = look.iterations;
            result.seconds = look.seconds;
            let known = run.kept.get(index).and_then(Option::as_ref);
            result.kept = known.map(|known| known.date.clone());
            match &look.screened {
                Screened::Concluded(conclusion) => conclude(&mut result, conclusion),
                Screened::Suspect => {
                    result.series = kept(&look.series);
                    suspect(run, by_test.get(&index).copied(), &mut result);
                }
            }
            result
        })
        .collect()
}

fn conclude(result: &mut TestResult, conclusion: &Conclusion) {
    result.verdict = conclusion.verdict();
    result.rule = Some(conclusion.rule());
    result.reason = conclusion.reason();
}

/// What is said of a suspect: its own case, or that of another one that grows alike.
fn suspect(run: &Run, judged: Option<(&Case, Option<&Alike>)>, result: &mut TestResult) {
    let Some((case, alike)) = judged else {
        let why = Why::Interrupted("before it was judged, a suspect");
        return conclude(result, &unasked::say(why));
    };
    match alike {
        None => conclude(result, &case.judged),
        Some(alike) => conclude(result, &case.judged.taken_over(alike.rule)),
    }
    let reason = result.reason.take().or_else(|| set_up_anew(case.wider));
    if alike.is_none() {
        result.reason = reason;
        result.iterations += case.iterations;
        if !case.series.is_empty() {
            result.series = kept(&case.series);
        }
    } else {
        let alike = format!("grows like {}, which was judged", run.tests[case.test].id);
        result.reason = Some(match reason {
            Some(reason) => format!("{reason}; {alike}"),
            None => alike,
        });
    }
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

/// What the process may have to exit with for what was found.
fn codes(tests: &[TestResult], findings: &[Finding], errors: &[Trouble]) -> Vec<ExitCode> {
    let mut codes = Vec::new();
    if findings.iter().any(|finding| finding.fails) {
        codes.push(ExitCode::Leak);
    }
    let failed_first = |test: &TestResult| match test.verdict {
        Verdict::Failed => true,
        Verdict::Crashed | Verdict::TimedOut => test.iterations <= 1,
        _ => false,
    };
    if !errors.is_empty() || tests.iter().any(failed_first) {
        codes.push(ExitCode::TestsFailed);
    }
    codes
}

/// What is to be said where tests depend on others that did not run before them.
fn out_of_order(run: &Run) -> Option<String> {
    let ids = run.after_others.iter().map(|at| &*run.tests[*at].id);
    let ids: Vec<&str> = ids.collect();
    let first = ids.first()?;
    Some(match ids.len() {
        1 => format!(
            "{first} passes only after others that were kept, so these ran before it once more"
        ),
        many => format!(
            "{many} tests pass only after others that were kept, so these ran before them once more: {first}, …"
        ),
    })
}

/// Share of the tests that ran which got a judgement on their growth; skipped ones did not run, and failed
/// ones have an exit code of their own.
fn share_judged(tests: &[TestResult]) -> f64 {
    let is_left_out = |test: &TestResult| test.rule == Some(Rule::NotReached);
    if !tests.is_empty() && tests.iter().all(is_left_out) {
        // There is nothing that had to be judged.
        return 1.0;
    }
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
            rule: None,
            reason: None,
            iterations: 5,
            seconds: 0.0,
            series: Series::new(),
            kept: None,
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
