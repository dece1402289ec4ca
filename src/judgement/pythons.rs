//! What becomes of leaks that are Python's own, or the test runner's: nobody who has the suite can fix them.

use std::collections::BTreeSet;

use super::held::Held;
use crate::{
    explain::pythons::{KNOWN, Known, Sign},
    finding::{Finding, Kind, Level, NativeFunction, Owner, stance::Stance},
    heap::route::Route,
    run::{case::Case, diagnosis::Diagnosis},
    verdict::{Counter, TestResult, Verdict},
};

/// Bytes an iteration beyond which native memory that nobody was seen to allocate for certain is more than tracemalloc is known to
/// lose: some 100 bytes for each way to a line that allocates while it is on.
const MOST_OF_TRACING: f64 = 65_536.0;

/// The leak of a version of Python that a finding is, where it is nothing else. A project's object that comes to stay in a
/// container of the standard library is the project's: so it is one of those that are known, or it is not Python's.
pub(super) fn known(
    finding: &Finding,
    held: &Held<'_>,
    cases: &[&Case],
    python: &str,
) -> Option<&'static Known> {
    let is = |known: &&Known| match known.sign {
        Sign::Holder(names) => finding.holder.as_ref().is_some_and(|holder| {
            let name = &holder.name;
            // Of a test that was not looked at itself, each place has to be one of those whose holder is known.
            let of_it = |route: &Route| route.holder.name == *name;
            let every_place = |case: &Case| {
                { case.growths.iter() }
                    .all(|growth| held.of_growth(case, growth).is_some_and(of_it))
            };
            names.contains(&&**name)
                && holder.also.is_empty()
                && cases
                    .iter()
                    .all(|case| is_all(case, known) && every_place(case))
        }),
        Sign::Function(name) => {
            let only = |case: &&Case| case.passages.len() == 1;
            is_native(finding)
                && finding
                    .native
                    .as_ref()
                    .is_some_and(|native| native.name == name && native.certain)
                && cases.iter().all(only)
        }
        Sign::Tracing => {
            let nobody = |native: &NativeFunction| !native.certain;
            is_native(finding)
                && finding.native.as_ref().is_none_or(nobody)
                && cases
                    .iter()
                    .all(|case| case.ends_tracing && heap(case) < MOST_OF_TRACING)
        }
    };
    KNOWN.iter().filter(|known| known.is_in(python)).find(is)
}

fn is_native(finding: &Finding) -> bool {
    finding.kind == Kind::Native && finding.holder.is_none()
}

fn heap(case: &Case) -> f64 {
    case.fits.values().map(|fit| fit.rate.value).sum()
}

/// Whether the holder of a leak of Python's own holds all the memory that Python keeps in a test.
fn is_all(case: &Case, known: &Known) -> bool {
    let Sign::Holder(names) = known.sign else {
        return false;
    };
    let is_it = |name: &str| names.contains(&name);
    let others = case.containers.iter().map(|(name, _)| name);
    // Of a test that was not looked at nobody knows the entries.
    let holds = |diagnosis: &Diagnosis| {
        { diagnosis.routes.iter() }.all(|route| is_it(&route.holder.name))
            && diagnosis.lost.is_empty()
            && case.blocks() <= known.blocks * entries(case, known) + 0.5
    };
    case.diagnosis.iter().all(holds) && { others }.all(|name| is_it(name))
}

/// What the test leaks beside a leak of Python's own, apart from that: a thread that nobody waits for leaves its lock
/// on Python 3.8, and a pipe that stays open in the same test is the project's all the same. Empty where it leaks nothing else.
pub(super) fn parts(case: &Case, python: &str) -> Option<[Case; 2]> {
    let known = |known: &&Known| known.is_in(python) && entries(case, known) > 0.0;
    let known = KNOWN.iter().find(known)?;
    let of_objects = [
        Counter::Blocks,
        Counter::Objects,
        Counter::Items,
        Counter::Heap,
    ];
    let is_more =
        |counter: &Counter| !of_objects.contains(counter) && counter.decides(&case.series);
    let native = case.native.filter(|_| !is_its(case, known));
    if !is_all(case, known) || native.is_none() && !case.fits.keys().any(is_more) {
        return None;
    }
    let mut rest = Case {
        leader: case.leader,
        wider: case.wider,
        iterations: case.iterations,
        brief: case.brief,
        series: case.series.clone(),
        passages: case.passages.clone(),
        native,
        // Whoever holds Python's lock does not hold the pipe.
        diagnosis: case.diagnosis.clone().map(|diagnosis| Diagnosis {
            covers: BTreeSet::new(),
            routes: Vec::new(),
            types: Vec::new(),
            ..diagnosis
        }),
        ..Case::without_evidence(case.test, case.judged.clone())
    };
    rest.fits.extend(native.map(|fit| (Counter::Heap, fit)));
    let mut own = Case {
        native: None,
        passages: Vec::new(),
        ..case.clone()
    };
    for (counter, fit) in &case.fits {
        if is_more(counter) {
            own.fits.remove(counter);
            rest.fits.insert(*counter, *fit);
        }
    }
    Some([own, rest])
}

/// A case without the native memory that comes with a leak of Python's own: with the lock of a thread, beside a list of the
/// project's that grows.
pub(super) fn without_its_native(case: &Case, python: &str) -> Case {
    let is_it = |known: &Known| known.is_in(python) && is_its(case, known);
    let native = case.native.filter(|_| !KNOWN.iter().any(is_it));
    Case {
        native,
        beside: case.beside.clone().filter(|_| native.is_some()),
        ..case.clone()
    }
}

/// Whether native memory is no more than what comes with the entries that a leak of Python's own gains.
fn is_its(case: &Case, known: &Known) -> bool {
    case.native
        .is_some_and(|fit| fit.rate.value <= known.native * entries(case, known))
}

/// Entries an iteration that the holder of a leak of Python's own gains.
fn entries(case: &Case, known: &Known) -> f64 {
    let Sign::Holder(names) = known.sign else {
        return 0.0;
    };
    let of = |name: &str| names.contains(&name);
    let routes = case.diagnosis.iter().flat_map(|it| &it.routes);
    let seen = routes.filter(|route| of(&route.holder.name));
    let seen: f64 = seen.filter_map(|route| route.gained_each).sum();
    let watched = case.containers.iter().filter(|(name, _)| of(name));
    seen.max(watched.map(|(_, gained)| gained).sum())
}

/// Makes of `finding` what the settings say of leaks that are not the project's to fix.
pub(super) fn settle(finding: &mut Finding, known: Option<&Known>, stance: Stance) {
    if let Some(known) = known {
        finding.owner = Owner::Interpreter;
        if known.sign == Sign::Tracing {
            // Whoever was seen to allocate is one of those that were traced.
            let end = finding.summary.find(", allocated");
            finding
                .summary
                .truncate(end.unwrap_or(finding.summary.len()));
            finding.sites.clear();
            finding.native = None;
        }
        finding.summary = format!("{}: {}", finding.summary, known.text());
        finding.advice = known.advice();
    }
    if known.is_none() && finding.owner != Owner::Runner || finding.verdict != Verdict::Leak {
        return;
    }
    let level = stance.level();
    // What is excused already is no more than a note.
    finding.level = finding.level.max(level);
    finding.fails &= level == Level::Error;
}

/// Says beside each test that shows nothing else that its leak is not the project's.
pub(super) fn explain(findings: &[Finding], tests: &mut [TestResult]) {
    let of = |fails: bool| -> BTreeSet<&str> {
        { findings.iter() }
            .filter(|finding| finding.verdict == Verdict::Leak && finding.fails == fails)
            .filter(|finding| fails || matches!(finding.level, Level::Warning))
            .flat_map(|finding| finding.tests.iter().map(String::as_str))
            .collect()
    };
    let (failing, warned) = (of(true), of(false));
    for test in tests {
        if warned.contains(&*test.id)
            && !failing.contains(&*test.id)
            && test.verdict == Verdict::Leak
        {
            let why = "not the project's own leak, which is a warning (`interpreter`)";
            test.reason = Some(match test.reason.take() {
                Some(reason) => format!("{why}; {reason}"),
                None => why.to_owned(),
            });
        }
    }
}
