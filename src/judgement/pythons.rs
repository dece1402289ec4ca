//! What becomes of leaks that are Python's own, or the test runner's: nobody who has the suite can fix them.

use std::{borrow::Cow, collections::BTreeSet};

use super::held::Held;
use crate::{
    explain::pythons::{Holder, KNOWN, Known, Sign},
    finding::{Finding, Kind, Level, NativeFunction, Owner, stance::Stance},
    fit::Fit,
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
        Sign::Holder(known) => finding.holder.as_ref().is_some_and(|holder| {
            let is_all = |case: &Case| {
                let share = Share::of(case, held, known);
                share.is_all && !share.has_more(case)
            };
            known.names.contains(&&*holder.name)
                && holder.also.is_empty()
                && cases.iter().all(|case| is_all(case))
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
        Sign::Cycle(kind) => {
            let is_by_it = |case: &&Case| {
                let hidden = { case.diagnosis.iter() }.find_map(|found| found.hidden.as_ref());
                hidden.is_some_and(|hidden| hidden.through == *kind)
            };
            finding.kind == Kind::Python && cases.iter().all(is_by_it)
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

/// What the holder of a leak of Python's own has of what grows in a test.
struct Share {
    /// Entries that it gains in an iteration.
    entries: f64,
    /// Whether it holds all the memory that Python keeps.
    is_all: bool,
    /// Whether native memory is no more than what comes with its entries.
    is_native: bool,
}

impl Share {
    fn of(case: &Case, held: &Held<'_>, known: Holder) -> Share {
        let is_it = |name: &str| known.names.contains(&name);
        // As the look at it found, or where nobody looked, as those at its neighbours did of each place.
        let routes: Option<Vec<&Route>> = match &case.diagnosis {
            Some(diagnosis) => Some(diagnosis.routes.iter().collect()),
            None => { case.growths.iter() }
                .map(|growth| held.of_place(case, growth))
                .collect(),
        };
        let holds = |routes: &Vec<&Route>| routes.iter().all(|route| is_it(&route.holder.name));
        let holds_all = routes.as_ref().is_some_and(holds)
            && case.containers.iter().all(|(name, _)| is_it(name));
        let its = { routes.iter().flatten() }.filter(|route| is_it(&route.holder.name));
        // Several places may feed one holder.
        let seen = { its.filter_map(|route| route.gained_each) }.fold(0.0, f64::max);
        let watched = case.containers.iter().filter(|(name, _)| is_it(name));
        let entries = seen.max(watched.map(|(_, gained)| gained).sum());
        let is_few = |most: u32| case.blocks() <= f64::from(most) * entries + 0.5;
        let is_lost = { case.diagnosis.iter() }.any(|diagnosis| !diagnosis.lost.is_empty());
        let is_little = |fit: Fit| fit.rate.value <= f64::from(known.native) * entries;
        Share {
            entries,
            is_all: holds_all && !is_lost && known.blocks.is_none_or(is_few),
            is_native: case.native.is_some_and(is_little),
        }
    }

    /// Whether a test shows something that no entry has: a pipe, a file, a mapping, kilobytes of malloc's.
    fn has_more(&self, case: &Case) -> bool {
        let mut others = { case.fits.keys() }.filter(|counter| !is_of_objects(**counter));
        others.any(|counter| counter.decides(&case.series))
            || case.native.is_some() && !self.is_native
    }
}

/// What such holders that a version of Python has get of a test, if they gain anything in it.
fn shares(case: &Case, held: &Held<'_>, python: &str) -> impl Iterator<Item = Share> {
    KNOWN
        .iter()
        .filter(|known| known.is_in(python))
        .filter_map(|known| match known.sign {
            Sign::Holder(known) => Some(Share::of(case, held, known)),
            _ => None,
        })
        .filter(|share| share.entries > 0.0)
}

/// Whether a counter is of what Python keeps, or native memory beside it.
fn is_of_objects(counter: Counter) -> bool {
    matches!(
        counter,
        Counter::Blocks | Counter::Objects | Counter::Items | Counter::Heap
    )
}

/// What the test leaks beside a leak of Python's own, apart from that: a thread that nobody waits for leaves its lock
/// on Python 3.8, and a pipe that stays open in the same test is the project's all the same. `None` where it leaks nothing else,
/// or where the project holds objects as well: then all of it is the project's.
pub(super) fn parts(case: &Case, held: &Held<'_>, python: &str) -> Option<Vec<Case>> {
    let share = shares(case, held, python).next()?;
    if !share.is_all || !share.has_more(case) {
        return None;
    }
    let native = case.native.filter(|_| !share.is_native);
    let mut rest = Case {
        series: case.series.clone(),
        passages: case.passages.clone(),
        native,
        // Whoever holds Python's lock does not hold the pipe.
        beside: Some(Vec::new()),
        diagnosis: case.diagnosis.as_ref().map(Diagnosis::without_objects),
        ..case.part()
    };
    rest.fits = { case.fits.iter() }
        .filter(|(counter, _)| !is_of_objects(**counter))
        .map(|(counter, fit)| (*counter, *fit))
        .collect();
    rest.fits.extend(native.map(|fit| (Counter::Heap, fit)));
    let mut own = Case {
        passages: Vec::new(),
        ..case.without_native()
    };
    own.fits.retain(|counter, _| is_of_objects(*counter));
    Some(vec![own, rest])
}

/// A case without the native memory that comes with a leak of Python's own: with the lock of a thread, beside a list of the
/// project's that grows.
pub(super) fn without_its_native<'a>(
    case: &'a Case,
    held: &Held<'_>,
    python: &str,
) -> Cow<'a, Case> {
    match shares(case, held, python).any(|share| share.is_native) {
        true => Cow::Owned(Case {
            native: None,
            beside: None,
            ..case.clone()
        }),
        false => Cow::Borrowed(case),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fit::{self, Exactness},
        investigate::unasked::{Why, say},
    };

    const LOCKS: &str = "threading._shutdown_locks";

    fn grows(counters: &[(Counter, i64)]) -> Case {
        let mut case = Case::without_evidence(0, say(Why::Interrupted("here")));
        case.containers = vec![(LOCKS.to_owned(), 1.0)];
        for (counter, each) in counters {
            let readings: Vec<i64> = (0..9).map(|nth| nth * each).collect();
            case.fits
                .insert(*counter, fit::fit(&readings, Exactness::Exact));
            case.series.insert(*counter, readings);
        }
        case
    }

    fn of_malloc(mut case: Case, each: i64) -> Case {
        let readings: Vec<i64> = (0..9).map(|nth| nth * each).collect();
        case.native = Some(fit::fit(&readings, Exactness::Exact));
        case
    }

    #[test]
    fn what_comes_beside_the_lock_of_a_thread_is_apart() {
        let held = Held::new(&[]);
        let parts = |case: &Case, python| parts(case, &held, python);
        let lock = grows(&[(Counter::Blocks, 1), (Counter::Heap, 48)]);
        assert!(parts(&of_malloc(lock.clone(), 48), "3.8.18").is_none());
        let pipe = grows(&[(Counter::Blocks, 1), (Counter::Fds, 2)]);
        let [own, rest] = &parts(&pipe, "3.8.18").unwrap()[..] else {
            panic!()
        };
        assert_eq!(own.fits.keys().collect::<Vec<_>>(), [&Counter::Blocks]);
        assert_eq!(rest.fits.keys().collect::<Vec<_>>(), [&Counter::Fds]);
        assert!(rest.containers.is_empty() && rest.beside.is_some());
        // A Python that is not known for it has no part of its own in the leak.
        assert!(parts(&pipe, "3.9.18").is_none());
        let heap = of_malloc(grows(&[(Counter::Blocks, 1), (Counter::Heap, 5056)]), 5008);
        let [own, rest] = &parts(&heap, "3.8.18").unwrap()[..] else {
            panic!()
        };
        assert!(own.native.is_none() && own.fits[&Counter::Heap].rate.value < 100.0);
        assert!((rest.fits[&Counter::Heap].rate.value - 5008.0).abs() < 1.0);
        // Two blocks more than the lock: the project holds something, or lost it.
        assert!(parts(&grows(&[(Counter::Blocks, 3), (Counter::Fds, 2)]), "3.8.18").is_none());
    }

    #[test]
    fn native_memory_of_a_lock_is_no_leak_beside_a_list() {
        let held = Held::new(&[]);
        let mut case = of_malloc(grows(&[(Counter::Blocks, 3), (Counter::Heap, 48)]), 48);
        case.containers.push(("shop.orders".to_owned(), 1.0));
        case.beside = Some(Vec::new());
        let without = without_its_native(&case, &held, "3.8.18");
        assert!(without.native.is_none() && without.beside.is_none());
        assert!(without_its_native(&case, &held, "3.9.18").native.is_some());
        assert!(
            without_its_native(&of_malloc(case, 480), &held, "3.8.18")
                .native
                .is_some()
        );
    }
}
