//! Which leaks need not fail, because the suite allows them or because they are slower than what the team asks for.

use std::collections::BTreeMap;

use crate::{
    finding::{Finding, Level},
    run::{Run, case::Case},
    verdict::{Counter, TestResult},
};

/// Leaking tests under terms of their own, by index.
pub(super) struct Excuses {
    /// Why a test's growth does not fail.
    excused: BTreeMap<usize, String>,
    /// Why it fails although growth is allowed there.
    refused: BTreeMap<usize, String>,
    /// Indices by id, to find the tests of a finding.
    ids: BTreeMap<String, usize>,
}

impl Excuses {
    /// Weighs every leak of `run`.
    pub(super) fn of(run: &Run) -> Excuses {
        let mut found = Excuses {
            excused: BTreeMap::new(),
            refused: BTreeMap::new(),
            ids: BTreeMap::new(),
        };
        for (at, case) in run.cases.iter().enumerate() {
            if !case.is_leak() {
                continue;
            }
            // Each test answers for itself, also where one was measured for several.
            for test in tests_of(run, at, case) {
                found.weigh(run, test, case);
            }
        }
        found
    }

    fn weigh(&mut self, run: &Run, test: usize, case: &Case) {
        let Some(terms) = run.terms.get(test) else {
            return;
        };
        let growth: BTreeMap<Counter, f64> = case
            .fits
            .iter()
            .map(|(counter, fit)| (*counter, fit.rate.value))
            .collect();
        if let Some((limits, reason)) = &terms.allow {
            if limits.cover(&growth) {
                self.excuse(run, test, format!("allowed ({limits}): {reason}"));
                return;
            }
            self.refused.insert(
                test,
                format!(
                    "grows by {}, which is more than is allowed ({limits}): {reason}",
                    shown(&growth)
                ),
            );
        }
        if terms.min_rate.exceed(&growth) {
            self.excuse(run, test, format!("below min_rate ({})", terms.min_rate));
        }
    }

    fn excuse(&mut self, run: &Run, test: usize, why: String) {
        self.ids.insert(run.tests[test].id.clone(), test);
        self.refused.remove(&test);
        self.excused.insert(test, why);
    }

    /// Whether any test that `case` stands for is excused, or, with `excused` false, is not.
    pub(super) fn concern(&self, run: &Run, case: &Case, excused: bool) -> bool {
        run.cases
            .iter()
            .position(|one| one.test == case.test)
            .is_some_and(|at| {
                tests_of(run, at, case).any(|test| self.excused.contains_key(&test) == excused)
            })
    }

    /// Takes out of `finding` what is excused, or, with `excused`, makes a note of it. Returns whether anything is left
    /// to tell.
    pub(super) fn settle(&self, finding: &mut Finding, excused: bool, told: &[Finding]) -> bool {
        let why = |id: &String| self.excused.get(self.ids.get(id)?);
        finding.tests.retain(|id| why(id).is_some() == excused);
        if !excused {
            return true;
        }
        let Some(why) = finding.tests.first().and_then(why) else {
            return false;
        };
        finding.summary = format!("{}; {why}", finding.summary);
        finding.level = Level::Note;
        finding.fails = false;
        // Where the same cause fails in other tests, that says more; their results tell the rest.
        !told
            .iter()
            .any(|other| other.fingerprint == finding.fingerprint)
    }

    /// Says beside each test why its growth is excused, or why it is not.
    pub(super) fn explain(&self, tests: &mut [TestResult]) {
        for (test, why) in self.excused.iter().chain(&self.refused) {
            let reason = &mut tests[*test].reason;
            *reason = Some(match reason.take() {
                Some(reason) => format!("{why}; {reason}"),
                None => why.clone(),
            });
        }
    }
}

/// Whether a test's terms allow that it grows by so much of a counter that is looked at apart.
pub(super) fn covers(run: &Run, test: usize, counter: Counter, amount: f64) -> bool {
    let growth = BTreeMap::from([(counter, amount)]);
    run.terms.get(test).is_some_and(|terms| {
        let allow = terms.allow.as_ref();
        allow.is_some_and(|(limits, _)| limits.cover(&growth)) || terms.min_rate.exceed(&growth)
    })
}

/// The test of a case and those that were taken to be like it.
fn tests_of<'a>(run: &'a Run, at: usize, case: &'a Case) -> impl Iterator<Item = usize> + 'a {
    let alike = run.alike.iter().filter(move |alike| alike.case == at);
    std::iter::once(case.test).chain(alike.map(|alike| alike.test))
}

fn shown(growth: &BTreeMap<Counter, f64>) -> String {
    growth
        .iter()
        .map(|(counter, rate)| {
            let rate = crate::report::text::number(*rate);
            format!("{} {rate}", counter.name())
        })
        .collect::<Vec<_>>()
        .join(", ")
}
