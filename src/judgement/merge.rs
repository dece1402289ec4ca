//! Joins the reports of a suite's shards into one, and judges that as the report of one run.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{
    codes, share_judged, sort,
    visibility::{self, Baseline, Scope},
};
use crate::{
    baseline::{compare::Outcome, scrub},
    exit_code::ExitCode,
    finding::{Finding, Level, Status, stance::Stances},
    report::{Environment, Merged, Report, Shard, Snapshots, Timing, text},
    run::shard::MOST,
    verdict::{Series, TestResult, Verdict, rule::Rule},
};

/// The report of one shard, and the file that it was read from as messages show it.
struct One {
    name: String,
    report: Report,
    shard: Shard,
}

/// Shards that fit together, in one report that was not yet compared with the snapshots.
#[derive(Debug)]
pub struct Joined {
    report: Report,
    scope: Scope,
    /// What the shards ended with that holds for the whole as well.
    kept: Vec<ExitCode>,
    /// Whether all of the suite was asked for.
    pub whole: bool,
    /// The build of Python, as snapshots name it.
    pub build: String,
    /// Wall seconds that the tests of each file took, by the file as shown.
    pub seconds: BTreeMap<String, f64>,
}

impl Joined {
    /// Joins reports, each with the name of its file. Fails with one line where they are not of one suite.
    pub fn of(reports: Vec<(String, Report)>) -> Result<Joined, String> {
        let mut ones = Vec::new();
        for (name, report) in reports {
            ones.push(one(name, report)?);
        }
        ones.sort_by_key(|one| one.shard.index);
        let Some(first) = ones.first() else {
            return Err("there is nothing to join".to_owned());
        };
        for other in &ones[1..] {
            fits(first, other)?;
        }
        for pair in ones.windows(2) {
            if pair[0].shard.index == pair[1].shard.index {
                return Err(format!(
                    "{} and {} are both shard {} of {}",
                    pair[0].name, pair[1].name, pair[0].shard.index, pair[0].shard.total
                ));
            }
        }
        Ok(join(ones))
    }

    /// Compares it with the snapshots, and decides on the exit code. `min_judged` is the least share of judged tests,
    /// by default the one that the shards asked for.
    pub fn against(
        mut self,
        min_judged: Option<f64>,
        baseline: &Baseline<'_>,
    ) -> (Report, Outcome) {
        let report = &mut self.report;
        let outcome = visibility::compare(&mut report.findings, &self.scope, baseline);
        report.snapshots.accepted = baseline.accepted.len();
        report.snapshots.untested = outcome.untested;
        report.min_judged = min_judged.unwrap_or(report.min_judged);
        let mut codes = codes(&report.tests, &report.findings, &report.errors);
        codes.append(&mut self.kept);
        let missing = report.merged.as_ref().and_then(Merged::lack).is_some();
        if missing || report.judged < report.min_judged {
            codes.push(ExitCode::NoEvidence);
        }
        report.exit_code = ExitCode::first(&codes);
        (self.report, outcome)
    }
}

/// Takes the report of a shard, if it is one and whole.
fn one(name: String, mut report: Report) -> Result<One, String> {
    let Some(shard) = report.shard.take() else {
        return Err(match report.merged {
            Some(_) => format!("{name} is a joined report already"),
            None => format!(
                "{name} is the report of a whole run; `leakcheck run --shard I/N --report json=FILE` makes that of a shard"
            ),
        });
    };
    let damaged = |what: &str| Err(format!("{name} is damaged: {what}"));
    let possible = 1..=shard.total.min(MOST);
    if !possible.contains(&shard.index) {
        return damaged(&format!(
            "there is no shard {} of {}",
            shard.index, shard.total
        ));
    }
    if shard
        .files
        .iter()
        .any(|file| !possible.contains(&file.shard))
    {
        return damaged("a file is in a shard that there is not");
    }
    let own = shard.files.iter().filter(|file| file.shard == shard.index);
    let mut promised: Vec<&str> = own.flat_map(|file| &file.tests).map(|id| &**id).collect();
    let mut ran: Vec<&str> = report.tests.iter().map(|test| &*test.id).collect();
    promised.sort_unstable();
    ran.sort_unstable();
    if promised != ran {
        return damaged("the tests that ran are not those of its files");
    }
    let known: BTreeSet<&str> = ran.into_iter().collect();
    let mut named = report.findings.iter().flat_map(|finding| &finding.tests);
    if named.any(|id| !known.contains(&**id)) {
        return damaged("a finding names a test that did not run");
    }
    Ok(One {
        name,
        report,
        shard,
    })
}

/// Fails unless the two are of one suite, divided in one way.
fn fits(one: &One, other: &One) -> Result<(), String> {
    let (name, first) = (&other.name, &one.name);
    if one.report.version != other.report.version {
        return Err(format!(
            "{name} was made by leakcheck {}, and {first} by {}",
            other.report.version, one.report.version
        ));
    }
    if one.shard.total != other.shard.total {
        return Err(format!(
            "{name} is one of {} shards, and {first} one of {}",
            other.shard.total, one.shard.total
        ));
    }
    let ran_on = |one: &One| {
        let environment = &one.report.environment;
        format!("{} on Python {}", environment.runner, one.shard.build)
    };
    if ran_on(one) != ran_on(other) {
        return Err(format!(
            "{name} ran with {}, and {first} with {}",
            ran_on(other),
            ran_on(one)
        ));
    }
    let ids = |one: &One| -> BTreeSet<String> {
        let files = one.shard.files.iter();
        files
            .flat_map(|file| &file.tests)
            .map(|id| scrub::addresses(id))
            .collect()
    };
    let (ours, theirs) = (ids(one), ids(other));
    if let Some(id) = ours.symmetric_difference(&theirs).next() {
        let (has, not) = if ours.contains(id) {
            (first, name)
        } else {
            (name, first)
        };
        return Err(format!(
            "{name} and {first} are of different suites: {} is in {has} and not in {not}",
            text::shortened(id, 120)
        ));
    }
    let division = |one: &One| -> BTreeSet<(String, usize, Vec<String>)> {
        let files = one.shard.files.iter();
        files
            .map(|file| {
                let mut tests: Vec<String> =
                    file.tests.iter().map(|id| scrub::addresses(id)).collect();
                tests.sort_unstable();
                (file.file.clone(), file.shard, tests)
            })
            .collect()
    };
    if division(one) != division(other) {
        return Err(format!(
            "{name} and {first} divide the suite in different ways: they had not the same durations"
        ));
    }
    Ok(())
}

fn join(mut ones: Vec<One>) -> Joined {
    let total = ones[0].shard.total;
    let missing: Vec<usize> = (1..=total)
        .filter(|index| ones.iter().all(|one| one.shard.index != *index))
        .collect();
    let tests = tests(&mut ones);
    let places: BTreeMap<&str, usize> = tests
        .iter()
        .enumerate()
        .map(|(at, test)| (&*test.id, at))
        .collect();
    let found = ones
        .iter_mut()
        .flat_map(|one| {
            let index = one.shard.index;
            one.report
                .findings
                .drain(..)
                .map(move |found| (index, found))
        })
        .collect();
    let findings = unite(found, &places);
    let alike: BTreeSet<&str> = ones
        .iter()
        .flat_map(|one| &one.shard.alike)
        .map(|id| &**id)
        .collect();
    let errors = once(ones.iter().flat_map(|one| &one.report.errors));
    let kept: Vec<ExitCode> = ones
        .iter()
        .map(|one| one.report.exit_code)
        .filter(|code| matches!(code, ExitCode::Interrupted | ExitCode::Internal))
        .collect();
    let scope = Scope {
        // What each of them was told is not in their reports.
        stances: Stances::default(),
        tests: tests
            .iter()
            .map(|test| {
                let alike = alike.contains(&*test.id);
                (test.id.clone(), visibility::is_judged(test, alike))
            })
            .collect(),
        complete: missing.is_empty() && errors.is_empty() && kept.is_empty(),
        packages: ones
            .iter()
            .flat_map(|one| one.shard.packages.clone())
            .collect(),
    };
    Joined {
        whole: ones.iter().all(|one| one.shard.whole),
        build: ones[0].shard.build.clone(),
        seconds: ones
            .iter()
            .flat_map(|one| &one.shard.files)
            .filter_map(|file| Some((file.file.clone(), file.seconds?)))
            .collect(),
        scope,
        kept,
        report: Report {
            version: ones[0].report.version.clone(),
            environment: environment(&ones),
            exit_code: ExitCode::Success,
            judged: share_judged(&tests),
            // The strictest, should they have been asked for different ones.
            min_judged: ones
                .iter()
                .map(|one| one.report.min_judged)
                .fold(0.0, f64::max),
            findings,
            errors,
            notes: once(ones.iter().flat_map(|one| &one.report.notes)),
            timing: timing(&ones),
            snapshots: Snapshots::default(),
            shard: None,
            merged: Some(Merged {
                shards: total,
                missing,
            }),
            asked: asked(&ones),
            retained: super::retained::joined(ones.iter().map(|one| &one.report.retained)),
            tests,
        },
    }
}

/// Every test of the suite in the runner's order; those of a shard that is missing could not be judged.
fn tests(ones: &mut [One]) -> Vec<TestResult> {
    let mut results: BTreeMap<(usize, String), VecDeque<TestResult>> = BTreeMap::new();
    for one in ones.iter_mut() {
        for test in one.report.tests.drain(..) {
            let key = (one.shard.index, scrub::addresses(&test.id));
            results.entry(key).or_default().push_back(test);
        }
    }
    let shard = &ones[0].shard;
    let mut tests = Vec::new();
    for file in &shard.files {
        for id in &file.tests {
            let key = (file.shard, scrub::addresses(id));
            let result = results.get_mut(&key).and_then(VecDeque::pop_front);
            tests.push(result.unwrap_or_else(|| TestResult {
                id: id.clone(),
                file: file.file.clone(),
                verdict: Verdict::Undecided,
                rule: Some(Rule::ShardMissing),
                reason: Some(format!(
                    "shard {} of {} is missing",
                    file.shard, shard.total
                )),
                iterations: 0,
                seconds: 0.0,
                series: Series::new(),
                kept: None,
            }));
        }
    }
    tests
}

/// One finding for each cause, however many shards found it: all its tests, and what the purest of them tells.
fn unite(found: Vec<(usize, Finding)>, places: &BTreeMap<&str, usize>) -> Vec<Finding> {
    let place = |id: &str| places.get(id).copied().unwrap_or(usize::MAX);
    let mut groups: BTreeMap<(String, Verdict, Level), Vec<(usize, Finding)>> = BTreeMap::new();
    for (shard, mut finding) in found {
        // Shards are compared with the snapshots only to fail early; here that is done anew.
        finding.status = Status::New;
        finding.fails = finding.level == Level::Error;
        finding.accepted = None;
        let key = (finding.fingerprint.clone(), finding.verdict, finding.level);
        groups.entry(key).or_default().push((shard, finding));
    }
    // Where the same cause fails in other tests, that says more than that it is excused in some.
    let failing: BTreeSet<(String, Verdict)> = groups
        .keys()
        .filter(|(_, _, level)| *level == Level::Error)
        .map(|(fingerprint, verdict, _)| (fingerprint.clone(), *verdict))
        .collect();
    groups.retain(|(fingerprint, verdict, level), _| {
        *level == Level::Error || !failing.contains(&(fingerprint.clone(), *verdict))
    });
    let mut united: Vec<Finding> = groups
        .into_values()
        .filter_map(|group| {
            let shards: BTreeSet<usize> = group.iter().map(|(shard, _)| *shard).collect();
            let mut tests: Vec<String> = group
                .iter()
                .flat_map(|(_, finding)| finding.tests.iter().cloned())
                .collect();
            tests.sort_by_key(|id| place(id));
            tests.dedup();
            let (_, mut purest) = group.into_iter().min_by_key(|(_, finding)| {
                let measured = finding.measured.as_ref();
                (
                    finding.holder.is_none(),
                    !measured.is_some_and(|measured| measured.alone),
                    measured.map_or(usize::MAX, |measured| place(&measured.test)),
                )
            })?;
            purest.tests = tests;
            if shards.len() > 1 {
                purest.evidence = format!("{}; found by {} shards", purest.evidence, shards.len());
            }
            Some(purest)
        })
        .collect();
    adopt(&mut united, &place);
    sort(&mut united);
    united
}

/// Gives what was only seen at some lines to the finding of which the holder is known and that grows at these lines:
/// as in one run, where a cause is looked at once and the other tests are taken to show the same.
fn adopt(findings: &mut Vec<Finding>, place: &dyn Fn(&str) -> usize) {
    let is_traced = |finding: &Finding| {
        let holder = finding.holder.as_ref();
        holder.is_some_and(|holder| !holder.steps.is_empty())
    };
    let covers = |traced: &Finding, seen: &Finding| {
        let names = |of: &Finding| of.holder.as_ref().map(|holder| holder.name.clone());
        let there = |file: &str, line| {
            let mut sites = traced.sites.iter();
            sites.any(|site| site.file == file && site.line == line)
        };
        is_traced(traced)
            && (traced.verdict, traced.level) == (seen.verdict, seen.level)
            && (seen.holder.is_none() || names(seen) == names(traced))
            && seen.sites.iter().all(|site| there(&site.file, site.line))
    };
    let mut at = 0;
    while at < findings.len() {
        let seen = &findings[at];
        let mut owners = (0..findings.len()).filter(|other| covers(&findings[*other], seen));
        let only = match (owners.next(), owners.next()) {
            (Some(owner), None) if !is_traced(seen) && !seen.sites.is_empty() => owner,
            _ => {
                at += 1;
                continue;
            }
        };
        let seen = findings[at].tests.clone();
        let owner = &mut findings[only];
        owner.tests.extend(seen);
        owner.tests.sort_by_key(|id| place(id));
        owner.tests.dedup();
        findings.remove(at);
    }
}

/// What was the same for all; the worst and the latest where it was not.
fn environment(ones: &[One]) -> Environment {
    let all = || ones.iter().map(|one| &one.report.environment);
    let mut environment = ones[0].report.environment.clone();
    for other in all() {
        for (counter, word) in &other.counters {
            let ours = environment
                .counters
                .entry(*counter)
                .or_insert_with(|| word.clone());
            if ours == "exact" || word == "absent" {
                ours.clone_from(word);
            }
        }
    }
    environment.jobs = all().map(|one| one.jobs).sum();
    environment.date = all().map(|one| one.date.clone()).max().unwrap_or_default();
    environment
}

/// Why tests were asked, of all shards together.
fn asked(ones: &[One]) -> Option<BTreeMap<String, usize>> {
    let all: Vec<_> = ones
        .iter()
        .filter_map(|one| one.report.asked.as_ref())
        .collect();
    let mut sum = (!all.is_empty()).then(BTreeMap::new)?;
    for (reason, count) in all.into_iter().flatten() {
        *sum.entry(reason.clone()).or_default() += count;
    }
    Some(sum)
}

/// That of the shard that took longest: they ran at the same time.
fn timing(ones: &[One]) -> Timing {
    let longest = ones
        .iter()
        .map(|one| &one.report)
        .max_by(|a, b| a.seconds().total_cmp(&b.seconds()));
    let mut timing = longest
        .map(|report| report.timing.clone())
        .unwrap_or_default();
    timing.plain_cpu_seconds = ones
        .iter()
        .map(|one| one.report.timing.plain_cpu_seconds)
        .sum();
    timing
}

/// Every shard collects all of the suite, and so meets the same errors.
fn once<'a, T: PartialEq + Clone + 'a>(all: impl Iterator<Item = &'a T>) -> Vec<T> {
    let mut kept: Vec<T> = Vec::new();
    for one in all {
        if !kept.contains(one) {
            kept.push(one.clone());
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        baseline::compare::tests::finding,
        finding::{Holder, HolderStep, Measured, Role},
    };

    fn seen(function: &str, test: &str, alone: bool) -> Finding {
        let mut seen = finding(function, &[("blocks", 1.0)]);
        seen.tests = vec![test.to_owned()];
        seen.measured = Some(Measured {
            test: test.to_owned(),
            alone,
        });
        seen
    }

    /// The same with a holder that was looked for and found.
    fn traced(name: &str, mut seen: Finding) -> Finding {
        let mut holder = Holder::named(name);
        holder.steps = vec![HolderStep {
            text: name.to_owned(),
            role: Role::Holds,
            reason: String::new(),
        }];
        seen.fingerprint = name.to_owned();
        seen.holder = Some(holder);
        seen
    }

    fn united(found: &[Finding]) -> Vec<Finding> {
        let places = BTreeMap::from([("a", 0), ("b", 1), ("c", 2)]);
        let found = found.iter().cloned().enumerate().collect();
        unite(found, &places)
    }

    #[test]
    fn the_purest_of_several_shards_stands_for_a_cause_with_all_its_tests() {
        let (mut first, pure) = (seen("f", "b", false), seen("f", "a", true));
        first.status = Status::Known;
        first.fails = false;
        let found = united(&[first.clone(), pure.clone()]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].tests, ["a", "b"]);
        assert_eq!(found[0].measured, pure.measured);
        assert!(found[0].evidence.ends_with("; found by 2 shards"));
        assert!(found[0].fails && found[0].status == Status::New);

        let mut excused = seen("f", "c", true);
        excused.level = Level::Note;
        let found = united(&[first, excused.clone()]);
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].level, &*found[0].tests),
            (Level::Error, &["b".to_owned()][..])
        );
        assert!(!united(&[excused])[0].fails);
    }

    #[test]
    fn what_was_only_seen_at_lines_goes_to_the_only_holder_that_grows_there() {
        let owner = traced("app.CACHE", seen("f", "b", true));
        let found = united(&[seen("f", "a", true), owner.clone()]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].fingerprint, "app.CACHE");
        assert_eq!(found[0].tests, ["a", "b"]);

        // Two holders are fed from this line: nobody can tell which it is.
        let other = traced("app.OTHER", seen("f", "c", true));
        assert_eq!(
            united(&[seen("f", "a", true), owner.clone(), other]).len(),
            3
        );
        // A place more, a line further, or a container that is another one: not the same.
        let mut more = seen("f", "a", true);
        more.sites.push(more.sites[0].clone());
        more.sites[1].line += 1;
        assert_eq!(united(&[more, owner.clone()]).len(), 2);
        let mut watched = seen("f", "a", true);
        watched.holder = Some(Holder::named("app.OTHER"));
        assert_eq!(united(&[watched.clone(), owner.clone()]).len(), 2);
        watched.holder = Some(Holder::named("app.CACHE"));
        assert_eq!(united(&[watched, owner.clone()]).len(), 1);
        let mut bare = seen("f", "a", true);
        bare.sites.clear();
        assert_eq!(united(&[bare, owner]).len(), 2);
    }
}
