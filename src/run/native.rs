//! One more look at leaks that C code is behind: native memory, and objects to which it lost a reference.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::Ordering,
};

use super::{
    Run,
    diagnose::{self, Diagnosis},
    loss::Loss,
    protocol::{Order, Record, Status},
    readings::costly,
    screen, signature,
    slot::Slot,
    suspects::FRAMES_SHOWN,
    trace::{Bench, Case, Judged},
    worker::{INTERRUPTED, Worker},
};
use crate::{
    attribute::{
        lost::Call,
        native::{self, Passage},
    },
    finding::Owner,
    verdict::{Counter, Series},
};

/// Tests that are looked at, as far as the time for it lasts; a suite with more native leaks has its names for the first ones.
const MOST: usize = 400;
/// Readings in one iteration. Each takes 1 µs for a length, 4 µs for the heap, more where much is free in between, and
/// 10 µs for the descriptors.
const READINGS: u32 = 20_000;
/// Share of the suspects' budget that these looks may take on top of it.
const SHARE: f64 = 0.25;
/// Where one iteration takes more CPU seconds than this, counting its events alone takes too long.
const LONGEST: f64 = 1.0;

/// Iterations in which references are watched.
const WATCHED: u32 = 4;
/// Iterations with the same random numbers, at least. Without that many a cache that is half full may take nothing in.
const REPLAYED: u32 = 24;
/// What is said of a leak that such iterations do not show.
const BY_CONTENT: &str = "keeps each new text or number once, outside Python: with the same random numbers again nothing grows";

/// Looks at a test of each such leak, in a worker of `slot`, and leaves what was found with the case. What cannot be
/// found out leaves the finding without a place, and what was lost a leak.
pub(super) fn all(run: &mut Run, bench: &Bench<'_>, slot: &mut Slot<'_>) {
    let exact = run
        .counters
        .get(&Counter::Heap)
        .is_some_and(|word| word == "exact");
    let allowance = bench.budget.total().as_secs_f64() * SHARE;
    let mut spent = 0.0;
    let mut known: BTreeMap<usize, Vec<Passage>> = BTreeMap::new();
    for at in 0..run.cases.len() {
        if spent > allowance || INTERRUPTED.load(Ordering::SeqCst) {
            return;
        }
        if is_lost(&run.cases[at])
            && let Some((calls, cpu)) = look_at(run, bench, slot, at, references)
        {
            spent += cpu;
            if let Some(diagnosis) = &mut run.cases[at].diagnosis {
                diagnosis.calls = calls;
            }
        }
    }
    for at in without_holder(&run.cases) {
        if spent > allowance || INTERRUPTED.load(Ordering::SeqCst) {
            return;
        }
        let Some((kept, cpu)) = look_at(run, bench, slot, at, by_content) else {
            continue;
        };
        spent += cpu;
        if kept == [true] {
            run.cases[at].judged = Judged::Bounded(BY_CONTENT.to_owned());
            hand_over(&mut run.cases, at);
        }
    }
    let leaks: Vec<usize> = (0..run.cases.len())
        .filter(|at| exact && is_native(&run.cases[*at]))
        .collect();
    for at in leaks {
        let leader = run.cases[at].leader;
        if let Some(passages) = known.get(&leader) {
            run.cases[at].passages.clone_from(passages);
            continue;
        }
        if known.len() >= MOST || spent > allowance || INTERRUPTED.load(Ordering::SeqCst) {
            return;
        }
        let (mut found, cpu) = look_at(run, bench, slot, at, passages).unwrap_or_default();
        // What stays between the test and us is nobody's line: CPython itself leaves some where a test stops tracemalloc.
        let is_theirs = |place: &(String, u32)| bench.places.owner(&place.0) != Some(Owner::Runner);
        found.retain(|passage| passage.shown(bench.places).first().is_some_and(is_theirs));
        spent += cpu;
        describe(run, bench, slot, &found);
        known.insert(leader, found.clone());
        run.cases[at].passages = found;
    }
}

/// A leak of which only the heap's size tells.
fn is_native(case: &Case) -> bool {
    case.judged == Judged::Leak
        && case.growths.is_empty()
        && case.fits.contains_key(&Counter::Heap)
        && !case.fits.contains_key(&Counter::Blocks)
}

/// Objects that nothing refers to, or memory that is in none.
fn is_lost(case: &Case) -> bool {
    case.judged == Judged::Leak && case.diagnosis.as_ref().is_some_and(Diagnosis::is_lost)
}

/// Leaks in which nothing grows but blocks that nothing in Python is seen to hold. A look at one of them told that of its
/// causes. A place is not asked for: what fills by chance may have stood at none while it was traced.
fn without_holder(cases: &[Case]) -> Vec<usize> {
    let seen = [Counter::Objects, Counter::Items];
    let unheld: BTreeSet<&str> = cases
        .iter()
        .filter(|case| case.judged == Judged::Leak)
        .filter(|case| case.fits.contains_key(&Counter::Blocks))
        // Objects that the collector tracks, and entries of containers, are held where Python can look.
        .filter(|case| !seen.iter().any(|counter| case.fits.contains_key(counter)))
        .filter_map(|case| case.diagnosis.as_ref())
        .filter(|diagnosis| diagnosis.is_without_holder())
        .flat_map(|diagnosis| diagnosis.covers.iter().map(String::as_str))
        .collect();
    let grows_so = |case: &Case| {
        let causes = diagnose::causes(case);
        case.judged == Judged::Leak && causes.iter().all(|cause| unheld.contains(cause.as_str()))
    };
    (0..cases.len())
        .filter(|at| grows_so(&cases[*at]))
        .collect()
}

/// What the look at a case told is of use to those for which it was taken, where it is no leak itself.
fn hand_over(cases: &mut [Case], from: usize) {
    let Some(diagnosis) = cases[from].diagnosis.take() else {
        return;
    };
    let heir = cases.iter_mut().find(|case| {
        let covered = |cause: &String| diagnosis.covers.contains(cause);
        case.judged == Judged::Leak
            && case.diagnosis.is_none()
            && diagnose::causes(case).iter().any(covered)
    });
    if let Some(heir) = heir {
        heir.diagnosis = Some(diagnosis);
    }
}

/// What is found out about an open test, and the CPU seconds that it took.
type Look<T> = fn(&mut Worker, &Case) -> Result<(Vec<T>, f64), Loss>;

fn look_at<T>(
    run: &Run,
    bench: &Bench<'_>,
    slot: &mut Slot<'_>,
    at: usize,
    look: Look<T>,
) -> Option<(Vec<T>, f64)> {
    let case = &run.cases[at];
    let (worker, index) = slot.worker_for(&run.tests, case.test).ok()??;
    match open(worker, bench, case, index).and_then(|(fit, cpu)| {
        if !fit {
            return Ok((Vec::new(), cpu));
        }
        let (found, more) = look(worker, case)?;
        Ok((found, cpu + more))
    }) {
        Ok(found) => Some(found),
        Err(_) => {
            slot.discard();
            None
        }
    }
}

/// Opens the test, and tells whether it passes in good time.
fn open(
    worker: &mut Worker,
    bench: &Bench<'_>,
    case: &Case,
    index: usize,
) -> Result<(bool, f64), Loss> {
    let opened = screen::run(
        worker,
        &Order::Run {
            test: Some(index),
            thaw: true,
            survey: false,
            wider: case.wider,
            warmup: bench.warmup,
            before: false,
            between: true,
            iterations: 1,
        },
    )?;
    let quick = opened.cpu - opened.cpu_warm <= LONGEST;
    Ok((opened.outcome.status == Status::Passed && quick, opened.cpu))
}

fn passages(worker: &mut Worker, case: &Case) -> Result<(Vec<Passage>, f64), Loss> {
    follow(worker, case, Counter::Heap, None)
}

/// Where the open test adds to a counter, or to the length of the last object of the way to a `container`; and the CPU
/// seconds that it took.
pub(super) fn follow(
    worker: &mut Worker,
    case: &Case,
    counter: Counter,
    container: Option<Vec<u64>>,
) -> Result<(Vec<Passage>, f64), Loss> {
    let slack = match counter {
        Counter::Heap => native::WOBBLE,
        _ => 0,
    };
    let order = Order::Calls {
        iterations: diagnose::iterations(case),
        readings: READINGS,
        counter,
        container,
    };
    match worker.call(&order)? {
        Record::Called(called) if called.outcome.status == Status::Passed && !called.lost => Ok((
            native::passages(&called.nodes, &called.totals, slack),
            called.cpu,
        )),
        Record::Called(called) => Ok((Vec::new(), called.cpu)),
        other => Err(Loss::Bridge(format!("unexpected answer: {other:?}"))),
    }
}

fn references(worker: &mut Worker, _: &Case) -> Result<(Vec<Call>, f64), Loss> {
    let order = Order::References {
        iterations: WATCHED,
    };
    match worker.call(&order)? {
        Record::Referred(referred) => Ok((referred.calls, referred.cpu)),
        other => Err(Loss::Bridge(format!("unexpected answer: {other:?}"))),
    }
}

/// Whether what the open test leaves stays once for each text or number that it makes: it grows as before, and no more when
/// the same random numbers come again. What was lost is lost again then; a cache keeps nothing twice.
fn by_content(worker: &mut Worker, case: &Case) -> Result<(Vec<bool>, f64), Loss> {
    let iterations = diagnose::iterations(case).max(REPLAYED);
    let usual = screen::run(
        worker,
        &Order::Run {
            test: None,
            thaw: false,
            survey: false,
            wider: case.wider,
            warmup: 2,
            before: false,
            between: true,
            iterations,
        },
    )?;
    let cpu = usual.cpu;
    if usual.outcome.status != Status::Passed || !rises(&usual.series) {
        return Ok((vec![false], cpu));
    }
    let again = screen::run(worker, &Order::Replay { iterations })?;
    let passed = again.outcome.status == Status::Passed;
    Ok((vec![passed && !goes_on(&again.series)], cpu + again.cpu))
}

/// Whether anything rises that costs memory.
fn rises(series: &Series) -> bool {
    costly(series).any(|(_, readings)| readings.last() > readings.first())
}

/// Whether anything that costs memory still rises in the second half of a window, and by more than what is left of a
/// chunk of malloc's. That the generators begin anew may itself leave something, once.
fn goes_on(series: &Series) -> bool {
    costly(series).any(|(counter, readings)| {
        let rise = signature::rise(&readings[readings.len() / 2..]);
        let least = match counter {
            Counter::Heap => screen::SMALLEST_CHUNK,
            _ => 1,
        };
        rise >= least
    })
}

/// Asks for the function and the text of the lines that are told.
fn describe(run: &mut Run, bench: &Bench<'_>, slot: &mut Slot<'_>, passages: &[Passage]) {
    let places: BTreeSet<(String, u32)> = passages
        .iter()
        .flat_map(|passage| passage.shown(bench.places).iter().take(FRAMES_SHOWN))
        .filter(|place| !run.sources.contains_key(*place) && !place.0.starts_with('<'))
        .cloned()
        .collect();
    let places: Vec<(String, u32)> = places.into_iter().collect();
    if !places.is_empty()
        && let Some(answers) = slot.describe(&places)
    {
        run.sources.extend(places.into_iter().zip(answers));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        attribute::sites::Growth,
        fit::{self, Exactness},
    };

    fn leak(line: u32, diagnosis: Option<Diagnosis>) -> Case {
        let fit = fit::fit(&[0, 1, 2, 3, 4, 5], Exactness::Exact);
        let mut case = Case::without_evidence(0, Judged::Leak);
        case.growths = vec![Growth {
            frames: vec![("app.py".to_owned(), line)],
            chosen: 0,
            owner: Owner::Project,
            too_shallow: false,
            count: fit,
            bytes: fit,
        }];
        case.fits = BTreeMap::from([(Counter::Blocks, fit)]);
        case.diagnosis = diagnosis;
        case
    }

    fn lost(line: u32) -> Diagnosis {
        Diagnosis {
            covers: BTreeSet::from([format!("app.py:{line}")]),
            routes: Vec::new(),
            alone: true,
            types: Vec::new(),
            lost: Vec::new(),
            unseen: true,
            calls: Vec::new(),
            exits: 0.0,
            resources: Vec::new(),
            made: Vec::new(),
            cost: (0.0, 0),
        }
    }

    #[test]
    fn all_that_grow_at_the_places_of_what_has_no_holder_are_asked_themselves() {
        let mut cases = vec![
            leak(7, None),
            leak(7, Some(lost(7))),
            leak(8, None),
            leak(7, None),
        ];
        assert_eq!(without_holder(&cases), [0, 1, 3]);
        cases[0].judged = Judged::Clean(String::new());
        assert_eq!(without_holder(&cases), [1, 3]);
        let held = &mut cases[1].diagnosis.as_mut().unwrap();
        held.exits = 1.0;
        assert!(without_holder(&cases).is_empty());
    }

    #[test]
    fn what_stood_at_no_place_while_it_was_traced_is_asked_as_well() {
        let mut case = leak(7, Some(lost(7)));
        case.growths.clear();
        case.diagnosis.as_mut().unwrap().covers = diagnose::causes(&case);
        assert_eq!(without_holder(std::slice::from_ref(&case)), [0]);
        let fit = case.fits[&Counter::Blocks];
        for seen in [Counter::Items, Counter::Objects] {
            case.fits.insert(seen, fit);
            assert!(without_holder(std::slice::from_ref(&case)).is_empty());
            case.fits.remove(&seen);
        }
        case.fits = BTreeMap::from([(Counter::Heap, fit)]);
        assert!(without_holder(&[case]).is_empty());
    }

    #[test]
    fn what_a_look_told_goes_to_one_for_which_it_was_taken_and_that_is_a_leak() {
        let mut cases = vec![
            leak(8, None),
            leak(7, Some(lost(7))),
            leak(7, None),
            leak(7, None),
        ];
        cases[1].judged = Judged::Bounded(String::new());
        cases[2].judged = Judged::Bounded(String::new());
        hand_over(&mut cases, 1);
        let with: Vec<bool> = cases.iter().map(|case| case.diagnosis.is_some()).collect();
        assert_eq!(with, [false, false, false, true]);
    }

    #[test]
    fn blocks_and_heap_cost_memory() {
        let of = |counter, readings: &[i64]| Series::from([(counter, readings.to_vec())]);
        assert!(rises(&of(Counter::Heap, &[5, 5, 6])));
        assert!(rises(&of(Counter::Blocks, &[5, 6])));
        assert!(!rises(&of(Counter::Blocks, &[5, 6, 5])));
        assert!(!rises(&of(Counter::Items, &[5, 6])));
    }

    #[test]
    fn what_stays_once_when_chance_begins_anew_does_not_go_on() {
        let of = |counter, readings: &[i64]| Series::from([(counter, readings.to_vec())]);
        assert!(!goes_on(&of(Counter::Blocks, &[5, 6, 7, 7, 7, 7])));
        assert!(goes_on(&of(Counter::Blocks, &[5, 6, 6, 6, 6, 7])));
        assert!(!goes_on(&of(Counter::Heap, &[0, 0, 0, 0, 16, 16])));
        assert!(goes_on(&of(Counter::Heap, &[0, 0, 0, 0, 0, 32])));
    }
}
