//! How the findings of a run stand against the accepted ones: new, worse, known, better or fixed. Pure.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

use jiff::civil::Date;

use super::{
    acceptance::{Acceptance, Package},
    files::File,
    format::{Entry, Snapshot, Waiting},
    moved, rates,
    scope::{Absent, Scope},
    scrub,
};
use crate::{
    finding::{Accepted, Change, Finding, Level, Status},
    verdict::Verdict,
};

/// What there is to compare with, and what the run was.
pub struct Against<'a> {
    /// The accepted snapshots.
    pub accepted: &'a [File],
    /// Every collected test, and whether it was judged by itself: a test that is only taken to be like another one does
    /// not show that its own leak is gone.
    pub tests: &'a [(String, bool)],
    /// Whether the run was asked for all there is, and nothing kept it from collecting it.
    pub whole: bool,
    /// The build of Python, as [`rates::build`] names it.
    pub build: &'a str,
    /// The day, in UTC.
    pub today: Date,
    /// Whether a snapshot of what is gone fails the build.
    pub deny_stale: bool,
    /// Packages of the findings that are in one, by fingerprint.
    pub packages: &'a BTreeMap<String, Package>,
}

/// What follows from it, beside the status of each finding.
#[derive(Debug, Default, PartialEq)]
pub struct Outcome {
    /// What waits for a decision: the accepted file it would replace, if there is one, and its text.
    pub pending: Vec<(Option<String>, Snapshot)>,
    /// Fingerprints that nothing is to wait for any more: judged, and as accepted or gone.
    pub settled: BTreeSet<String>,
    /// Tests that were judged, for pending files whose finding nobody accepted: gone when all their tests are here.
    pub judged: BTreeSet<String>,
    /// Accepted snapshots whose tests were not all judged.
    pub untested: usize,
}

/// Sets the status of every finding, and whether it fails the build; adds a finding for every snapshot that is fixed.
pub fn compare(findings: &mut Vec<Finding>, against: &Against<'_>) -> Outcome {
    let scope = Scope::of(against.tests, against.whole);
    let ones: Vec<(&File, &Snapshot)> = against
        .accepted
        .iter()
        .filter_map(|file| match &file.entry {
            Entry::One(snapshot) => Some((file, &**snapshot)),
            Entry::Whole(_) => None,
        })
        .collect();
    let matched = matched(findings, &ones, &scope, against.build);
    let mut outcome = Outcome {
        judged: scope.judged(),
        ..Outcome::default()
    };
    let mut met = BTreeSet::new();
    for (at, finding) in findings.iter_mut().enumerate() {
        let snapshot = matched.get(&at).map(|of| ones[*of]);
        if let Some((_, snapshot)) = snapshot {
            met.insert(snapshot.fingerprint.clone());
        }
        if let Some(waiting) = judge(finding, snapshot, against, &scope) {
            // Of two findings with one identity the first, which shows in more tests, stands for both.
            let known = outcome
                .pending
                .iter()
                .any(|(_, other)| other.fingerprint == waiting.1.fingerprint);
            if !known {
                outcome.pending.push(waiting);
            }
        }
    }
    for (file, snapshot) in ones {
        if met.contains(&snapshot.fingerprint) {
            continue;
        }
        match scope.absent(snapshot) {
            Absent::Gone => {
                findings.push(fixed(file, snapshot, against));
                let mut waiting = snapshot.clone();
                waiting.pending = Some(Waiting::Fixed);
                outcome.pending.push((Some(file.name.clone()), waiting));
            }
            Absent::Orphaned | Absent::Untested => outcome.untested += 1,
        }
    }
    let waiting: BTreeSet<&str> = outcome
        .pending
        .iter()
        .map(|(_, snapshot)| &*snapshot.fingerprint)
        .collect();
    outcome.settled = findings
        .iter()
        .map(|finding| finding.fingerprint.clone())
        .chain(met)
        .filter(|fingerprint| !waiting.contains(&**fingerprint))
        .collect();
    outcome
}

/// The snapshot of each finding that has one, by positions.
fn matched(
    findings: &[Finding],
    ones: &[(&File, &Snapshot)],
    scope: &Scope,
    build: &str,
) -> BTreeMap<usize, usize> {
    let mut matched: BTreeMap<usize, usize> = findings
        .iter()
        .enumerate()
        .filter_map(|(at, finding)| {
            let of = ones
                .iter()
                .position(|(_, one)| one.fingerprint == finding.fingerprint)?;
            Some((at, of))
        })
        .collect();
    let taken: BTreeSet<usize> = matched.values().copied().collect();
    let new: Vec<usize> = (0..findings.len())
        .filter(|at| !matched.contains_key(at) && findings[*at].verdict == Verdict::Leak)
        .collect();
    let left: Vec<usize> = (0..ones.len()).filter(|of| !taken.contains(of)).collect();
    let new_ones: Vec<&Finding> = new.iter().map(|at| &findings[*at]).collect();
    let left_ones: Vec<&Snapshot> = left.iter().map(|of| ones[*of].1).collect();
    let untested = |snapshot: &Snapshot| scope.absent(snapshot) == Absent::Untested;
    for (at, of) in moved::pairs(&new_ones, &left_ones, &untested, build) {
        matched.insert(new[at], left[of]);
    }
    matched
}

/// Sets the status of one finding. What is returned waits for a decision.
fn judge(
    finding: &mut Finding,
    snapshot: Option<(&File, &Snapshot)>,
    against: &Against<'_>,
    scope: &Scope,
) -> Option<(Option<String>, Snapshot)> {
    // What does not fail by itself has nothing to be accepted for: a cache that ends, the runner's own.
    let counts = finding.fails;
    let package = against.packages.get(&finding.fingerprint).cloned();
    let fresh = |finding: &Finding| Snapshot::of(finding, against.build, package.clone());
    let Some((file, snapshot)) = snapshot else {
        if let Some((file, accepted)) = whole_of(package.as_ref(), against.accepted) {
            let expired = accepted.has_expired(against.today);
            finding.accepted = Some(told(file, accepted, expired));
            if !expired {
                finding.status = Status::Known;
                finding.fails = false;
                return None;
            }
        }
        finding.status = Status::New;
        let mut fresh = fresh(finding);
        fresh.pending = Some(Waiting::New);
        return counts.then_some((None, fresh));
    };
    let expired = snapshot.accepted.has_expired(against.today);
    let mut accepted = told(file, &snapshot.accepted, expired);
    let order = if counts && is_comparable(finding, snapshot, scope) {
        rates::compare(&snapshot.rates, finding, against.build)
    } else {
        Some(Ordering::Equal)
    };
    let mut after = snapshot.updated(&fresh(finding));
    let waiting = match order {
        Some(Ordering::Greater) => {
            finding.status = Status::Worse;
            Some(Waiting::Worse)
        }
        _ if expired && counts => {
            finding.status = Status::New;
            after.accepted.until = None;
            Some(Waiting::Expired)
        }
        Some(Ordering::Less) => {
            finding.status = Status::Better;
            Some(Waiting::Better)
        }
        Some(Ordering::Equal) => {
            finding.status = Status::Known;
            None
        }
        None => {
            finding.status = Status::Known;
            // A rate is missing where there would be one; an unknown build is no reason to fail.
            (after.rates != snapshot.rates).then_some(Waiting::Rates)
        }
    };
    finding.fails &= matches!(finding.status, Status::New | Status::Worse);
    if matches!(
        waiting,
        Some(Waiting::Worse | Waiting::Better | Waiting::Expired)
    ) {
        accepted.change = Some(Change {
            before: snapshot.body(),
            after: after.body(),
        });
    }
    finding.accepted = Some(accepted);
    after.pending = waiting;
    waiting.map(|_| (Some(file.name.clone()), after))
}

/// Whether the rates of both are of the same test. Another test may reach the same leak more often without anything
/// being worse. A test that is gone while another one is new was renamed.
fn is_comparable(finding: &Finding, snapshot: &Snapshot, scope: &Scope) -> bool {
    let (Some(now), Some(then)) = (&finding.measured, &snapshot.measured) else {
        return true;
    };
    let now = scrub::addresses(&now.test);
    now == *then || (scope.lost(then) && !snapshot.tests.contains(&now))
}

fn whole_of<'a>(
    package: Option<&Package>,
    accepted: &'a [File],
) -> Option<(&'a File, &'a Acceptance)> {
    accepted.iter().find_map(|file| match &file.entry {
        Entry::Whole(whole) if Some(&whole.accepts) == package => Some((file, &whole.accepted)),
        _ => None,
    })
}

fn told(file: &File, said: &Acceptance, expired: bool) -> Accepted {
    Accepted {
        file: file.shown(),
        reason: said.reason.clone(),
        until: said.until.map(|until| until.to_string()),
        issue: said.issue.clone(),
        expired,
        change: None,
    }
}

fn fixed(file: &File, snapshot: &Snapshot, against: &Against<'_>) -> Finding {
    Finding {
        fingerprint: snapshot.fingerprint.clone(),
        code: snapshot.code.clone(),
        status: Status::Fixed,
        verdict: Verdict::Clean,
        rule: None,
        level: if against.deny_stale {
            Level::Error
        } else {
            Level::Note
        },
        fails: against.deny_stale,
        kind: snapshot.kind,
        owner: snapshot.owner,
        summary: format!("{} is gone", snapshot.subject()),
        shape: "flat".to_owned(),
        rate: BTreeMap::new(),
        holder: None,
        resources: Vec::new(),
        c_stack: Vec::new(),
        native: None,
        types: Vec::new(),
        sites: Vec::new(),
        // Its tests by their own ids: those that the run has.
        tests: against
            .tests
            .iter()
            .map(|(id, _)| id)
            .filter(|id| snapshot.tests.contains(&scrub::addresses(id)))
            .cloned()
            .collect(),
        evidence: "its tests were judged and do not show it".to_owned(),
        advice: format!(
            "Remove {}: `leakcheck accept {}` does.",
            file.shown(),
            snapshot.fingerprint
        ),
        curves: Vec::new(),
        measured: None,
        accepted: Some(told(file, &snapshot.accepted, false)),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        explain::fingerprint,
        finding::{Kind, Measured, Owner, Rate, Site},
    };

    /// A leak at `function`, seen in `t.py::test`, that grows exactly so.
    pub fn finding(function: &str, rates: &[(&str, f64)]) -> Finding {
        Finding {
            fingerprint: fingerprint::of(&["LK101", "app.py", function]),
            code: "LK101".to_owned(),
            status: Status::New,
            verdict: Verdict::Leak,
            rule: None,
            level: Level::Error,
            fails: true,
            kind: Kind::Python,
            owner: Owner::Project,
            summary: "stays".to_owned(),
            shape: "linear".to_owned(),
            rate: rates
                .iter()
                .map(|(counter, value)| {
                    let rate = Rate {
                        value: *value,
                        interval: [*value, *value],
                        exact: true,
                    };
                    ((*counter).to_owned(), rate)
                })
                .collect(),
            holder: None,
            resources: Vec::new(),
            c_stack: Vec::new(),
            native: None,
            types: Vec::new(),
            sites: vec![Site {
                file: "app.py".to_owned(),
                line: 7,
                function: function.to_owned(),
                count: 1.0,
                bytes: 64.0,
                source: Some("kept.append(value)".to_owned()),
                excerpt: None,
                owner: None,
                callers: Vec::new(),
            }],
            tests: vec!["t.py::test".to_owned()],
            evidence: String::new(),
            advice: String::new(),
            curves: Vec::new(),
            measured: Some(Measured {
                test: "t.py::test".to_owned(),
                alone: true,
            }),
            accepted: None,
        }
    }

    fn accepted(of: &[Finding]) -> Vec<File> {
        of.iter()
            .map(|finding| {
                let snapshot = Snapshot::of(finding, "3.12", None);
                File {
                    name: format!("{}.snap", finding.sites[0].function),
                    entry: Entry::One(Box::new(snapshot)),
                }
            })
            .collect()
    }

    pub struct Case {
        pub accepted: Vec<File>,
        tests: Vec<(String, bool)>,
        pub whole: bool,
        deny_stale: bool,
        build: &'static str,
        packages: BTreeMap<String, Package>,
    }

    impl Case {
        pub fn of(before: &[Finding]) -> Case {
            Case {
                accepted: accepted(before),
                tests: vec![("t.py::test".to_owned(), true)],
                whole: true,
                deny_stale: false,
                build: "3.12",
                packages: BTreeMap::new(),
            }
        }

        pub fn run(&self, now: &[Finding]) -> (Vec<Finding>, Outcome) {
            let mut findings = now.to_vec();
            let outcome = compare(
                &mut findings,
                &Against {
                    accepted: &self.accepted,
                    tests: &self.tests,
                    whole: self.whole,
                    build: self.build,
                    today: "2026-11-22".parse().unwrap(),
                    deny_stale: self.deny_stale,
                    packages: &self.packages,
                },
            );
            (findings, outcome)
        }

        /// Status, and whether it fails, of each.
        fn statuses(&self, now: &[Finding]) -> Vec<(Status, bool)> {
            let (findings, _) = self.run(now);
            findings.iter().map(|one| (one.status, one.fails)).collect()
        }

        fn said(&mut self, change: impl Fn(&mut Snapshot)) {
            for file in &mut self.accepted {
                if let Entry::One(snapshot) = &mut file.entry {
                    change(snapshot);
                }
            }
        }
    }

    fn waiting(outcome: &Outcome) -> Vec<Waiting> {
        outcome
            .pending
            .iter()
            .filter_map(|(_, one)| one.pending)
            .collect()
    }

    #[test]
    fn new_worse_known_better_and_fixed() {
        let before = finding("f", &[("blocks", 10.0)]);
        let case = Case::of(std::slice::from_ref(&before));
        let at = |blocks| [finding("f", &[("blocks", blocks)])];
        assert_eq!(case.statuses(&at(10.0)), [(Status::Known, false)]);
        assert_eq!(case.statuses(&at(20.0)), [(Status::Worse, true)]);
        assert_eq!(case.statuses(&at(5.0)), [(Status::Better, false)]);
        assert_eq!(case.statuses(&[]), [(Status::Fixed, false)]);
        let both = [before, finding("g", &[("blocks", 1.0)])];
        assert_eq!(
            case.statuses(&both),
            [(Status::Known, false), (Status::New, true)]
        );
        let (findings, outcome) = case.run(&at(20.0));
        assert_eq!(waiting(&outcome), [Waiting::Worse]);
        assert_eq!(outcome.pending[0].0.as_deref(), Some("f.snap"));
        let change = findings[0].accepted.as_ref().unwrap().change.as_ref();
        let change = change.unwrap();
        assert!(change.before.contains("+10 blocks") && change.after.contains("+20 blocks"));
        let (_, outcome) = case.run(&at(10.0));
        assert_eq!(waiting(&outcome), []);
        assert!(outcome.settled.contains(&at(10.0)[0].fingerprint));
    }

    #[test]
    fn a_stale_snapshot_fails_when_it_is_denied() {
        let mut case = Case::of(&[finding("f", &[("blocks", 10.0)])]);
        case.deny_stale = true;
        assert_eq!(case.statuses(&[]), [(Status::Fixed, true)]);
    }

    #[test]
    fn an_acceptance_that_ran_out_fails_again() {
        let before = finding("f", &[("blocks", 10.0)]);
        let mut case = Case::of(std::slice::from_ref(&before));
        case.said(|one| one.accepted.until = Some("2026-11-22".parse().unwrap()));
        let now = std::slice::from_ref(&before);
        assert_eq!(case.statuses(now), [(Status::Known, false)], "its last day");
        case.said(|one| one.accepted.until = Some("2026-11-21".parse().unwrap()));
        let (findings, outcome) = case.run(now);
        assert_eq!((findings[0].status, findings[0].fails), (Status::New, true));
        assert!(findings[0].accepted.as_ref().unwrap().expired);
        assert_eq!(waiting(&outcome), [Waiting::Expired]);
        assert_eq!(outcome.pending[0].1.accepted.until, None);
        // Growing faster is worse whatever the date.
        let worse = [finding("f", &[("blocks", 30.0)])];
        assert_eq!(case.statuses(&worse), [(Status::Worse, true)]);
    }

    #[test]
    fn a_bounded_finding_neither_fails_nor_makes_its_snapshot_stale() {
        let before = finding("f", &[("blocks", 10.0)]);
        let mut now = before.clone();
        (now.verdict, now.level, now.fails) = (Verdict::Bounded, Level::Note, false);
        let case = Case::of(&[before]);
        let (findings, outcome) = case.run(&[now.clone()]);
        assert_eq!((findings.len(), findings[0].status), (1, Status::Known));
        assert!(!findings[0].fails && outcome.pending.is_empty());
        let (findings, outcome) = Case::of(&[]).run(&[now]);
        assert!(!findings[0].fails && outcome.pending.is_empty());
    }

    #[test]
    fn another_test_of_the_same_leak_is_not_worse() {
        let mut before = finding("f", &[("blocks", 10.0)]);
        before.tests = vec!["a".to_owned(), "b".to_owned()];
        before.measured.as_mut().unwrap().test = "a".to_owned();
        let mut case = Case::of(&[before.clone()]);
        let mut now = finding("f", &[("blocks", 1000.0)]);
        now.tests = vec!["b".to_owned()];
        now.measured.as_mut().unwrap().test = "b".to_owned();
        case.tests = vec![("b".to_owned(), true)];
        case.whole = false;
        assert_eq!(case.statuses(&[now.clone()]), [(Status::Known, false)]);
        case.whole = true;
        assert_eq!(case.statuses(&[now.clone()]), [(Status::Known, false)]);
        // A renamed one is compared.
        now.measured.as_mut().unwrap().test = "renamed".to_owned();
        case.tests = vec![("renamed".to_owned(), true)];
        assert_eq!(case.statuses(&[now]), [(Status::Worse, true)]);
    }

    #[test]
    fn moved_and_renamed_stays_known() {
        let before = finding("f", &[("blocks", 10.0)]);
        let mut now = before.clone();
        now.sites[0].file = "other.py".to_owned();
        now.fingerprint = fingerprint::of(&["LK101", "other.py", "f"]);
        now.tests = vec!["t.py::renamed".to_owned()];
        now.measured.as_mut().unwrap().test = "t.py::renamed".to_owned();
        let mut case = Case::of(&[before]);
        case.tests = vec![("t.py::renamed".to_owned(), true)];
        assert_eq!(case.statuses(&[now.clone()]), [(Status::Known, false)]);
        // In a part of the suite the old one may still be there.
        case.whole = false;
        assert_eq!(case.statuses(&[now]), [(Status::New, true)]);
    }

    #[test]
    fn on_an_unknown_build_it_is_known_and_its_rates_are_offered() {
        let before = finding("f", &[("blocks", 10.0)]);
        let mut case = Case::of(std::slice::from_ref(&before));
        case.build = "3.9";
        let now = [finding("f", &[("blocks", 99.0)])];
        let (findings, outcome) = case.run(&now);
        assert_eq!(
            (findings[0].status, findings[0].fails),
            (Status::Known, false)
        );
        assert_eq!(waiting(&outcome), [Waiting::Rates]);
        let builds: Vec<&str> = outcome.pending[0]
            .1
            .rates
            .iter()
            .map(|of| &*of.python[0])
            .collect();
        assert_eq!(builds, ["3.9", "3.12"]);
    }

    #[test]
    fn a_package_is_accepted_as_a_whole_and_in_one_version() {
        let now = finding("f", &[("blocks", 10.0)]);
        let package = |version: &str| Package {
            name: "jinja2".to_owned(),
            version: version.to_owned(),
        };
        let mut case = Case::of(&[]);
        let whole = super::super::format::Whole::of(package("3.1.6"), Acceptance::default());
        case.accepted.push(File {
            name: "package-jinja2-3.1.6.snap".to_owned(),
            entry: Entry::Whole(whole),
        });
        let now = std::slice::from_ref(&now);
        case.packages = [(now[0].fingerprint.clone(), package("3.1.6"))].into();
        assert_eq!(case.statuses(now), [(Status::Known, false)]);
        case.packages = [(now[0].fingerprint.clone(), package("3.1.7"))].into();
        assert_eq!(case.statuses(now), [(Status::New, true)]);
    }

    proptest! {
        /// Whatever ran, a leak that was not accepted fails, and what ran as accepted does not.
        #[test]
        fn the_gate_holds(
            before in proptest::collection::btree_map("[a-e]", 1.0..1e4_f64, 0..5),
            now in proptest::collection::btree_map("[a-e]", 1.0..1e4_f64, 0..5),
            whole in any::<bool>(),
        ) {
            let of = |rates: &BTreeMap<String, f64>| -> Vec<Finding> {
                rates.iter().map(|(name, rate)| {
                    let mut one = finding(name, &[("blocks", *rate)]);
                    one.sites[0].source = Some(name.clone());
                    one
                }).collect()
            };
            let mut case = Case::of(&of(&before));
            case.whole = whole;
            let (findings, outcome) = case.run(&of(&now));
            for one in &findings {
                let name = one.fingerprint.clone();
                let rate = |rates: &BTreeMap<String, f64>| {
                    rates.iter().find(|(key, _)| finding(key, &[]).fingerprint == name).map(|(_, rate)| *rate)
                };
                match (rate(&before), rate(&now)) {
                    (None, _) => prop_assert_eq!((one.status, one.fails), (Status::New, true)),
                    (Some(_), None) => prop_assert_eq!((one.status, one.fails), (Status::Fixed, false)),
                    (Some(old), Some(new)) if new > old * 1.2 + 1.0 => prop_assert_eq!(one.status, Status::Worse),
                    (Some(old), Some(new)) if new <= old => prop_assert!(!one.fails),
                    _ => {}
                }
            }
            // Each waits for a decision, or is settled, and never both.
            for (_, waiting) in &outcome.pending {
                prop_assert!(!outcome.settled.contains(&waiting.fingerprint));
            }
        }
    }
}
