//! One more look at leaks that C code is behind: native memory, and objects to which it lost a reference.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::Ordering,
};

use super::{
    case::Case,
    closer::{calls, is_lost, look_at, passages_of},
    content, diagnose,
    diagnosis::FRAMES_SHOWN,
    driver::Bench,
    slot::Slot,
    state::{Run, Settings},
    tracer::{self, Tracer},
};
use crate::{
    explain::{
        lost::Call,
        native::{self, Passage},
    },
    finding::Owner,
    fit::Shape,
    investigate::growth::grows_memory,
    verdict::Counter,
    worker::{INTERRUPTED, Worker, loss::Loss, orders},
};

/// Tests that are looked at, as far as the time for it lasts; a suite with more native leaks has its names for the first ones.
const MOST: usize = 400;
/// Share of the suspects' budget that these looks may take on top of it: those for what is lost, and as much for native
/// memory.
const SHARE: f64 = 0.25;
/// Iterations in which references are watched.
const WATCHED: u32 = 4;
/// Looks at a test of each such leak, in a worker of `slot`, and leaves what was found with the case. What cannot be
/// found out leaves the finding without a place, and what was lost a leak.
pub(super) fn all(settings: &Settings, run: &mut Run, bench: &Bench<'_>, slot: &mut Slot<'_>) {
    let exact = run
        .counters
        .get(&Counter::Heap)
        .is_some_and(|word| word == "exact");
    let beside: Vec<usize> = (0..run.cases.len())
        .filter(|at| is_beside(run, &run.cases[*at]))
        .collect();
    for at in &beside {
        run.cases[*at].beside = Some(Vec::new());
    }
    let allowance = bench.budget.total().as_secs_f64() * SHARE;
    let mut spent = content::all(run, bench, slot, allowance);
    let mut known: BTreeMap<usize, Vec<Passage>> = BTreeMap::new();
    for at in 0..run.cases.len() {
        if spent > allowance || INTERRUPTED.load(Ordering::SeqCst) {
            break;
        }
        if is_lost(&run.cases[at])
            && let Some((calls, cpu)) = look_at(run, bench, slot, &run.cases[at], references)
        {
            spent += cpu;
            let called = calls.iter().map(|call| call.place.clone());
            describe(run, slot, called.collect());
            if let Some(diagnosis) = &mut run.cases[at].diagnosis {
                diagnosis.calls = calls;
            }
        }
    }
    let leaks: Vec<usize> = (0..run.cases.len())
        .filter(|at| exact && (is_native(&run.cases[*at]) || run.cases[*at].beside.is_some()))
        .collect();
    // Who made what nothing refers to; and Python's own blocks that are in no object: C code has them of PyMem_Malloc.
    let outside: Vec<usize> = (0..run.cases.len())
        .filter(|at| is_lost(&run.cases[*at]))
        .collect();
    let traced: Vec<usize> = leaks.iter().chain(&outside).copied().collect();
    if traced.is_empty() {
        return;
    }
    // What was spent on other questions must not leave these without an answer.
    let mut spent = 0.0;
    let setup = tracer::setup(&settings.setup);
    let mut tracer = Tracer::new(settings, &setup, run, &traced);
    for at in outside {
        if spent > allowance || INTERRUPTED.load(Ordering::SeqCst) {
            break;
        }
        let (found, cpu) = tracer.look_at(run, bench, at);
        spent += cpu;
        describe(run, slot, shown(bench, &found));
        run.cases[at].outside = found;
    }
    for at in leaks {
        let leader = run.cases[at].leader;
        if let Some(passages) = known.get(&leader) {
            tell(&mut run.cases[at], passages.clone());
            continue;
        }
        if known.len() >= MOST || spent > allowance || INTERRUPTED.load(Ordering::SeqCst) {
            break;
        }
        let (mut found, mut cpu) = tracer.look_at(run, bench, at);
        let is_users = |(path, _): &(String, u64)| bench.places.is_users_code(path);
        if !found
            .iter()
            .any(|passage| passage.stack.iter().any(is_users))
        {
            // Python and the system serve everybody: what Python calls of them says more than what they call themselves.
            let looked = look_at(run, bench, slot, &run.cases[at], passages);
            let (by_sums, more) = looked.unwrap_or_default();
            // The line that maps is known by another look.
            if !by_sums.is_empty() || is_mapped(&run.cases[at]) {
                found = by_sums;
            }
            cpu += more;
        }
        // What stays between the test and us is nobody's line: CPython itself leaves some where a test stops tracemalloc.
        let is_theirs = |place: &(String, u32)| bench.places.owner(&place.0) != Some(Owner::Runner);
        found.retain(|passage| match passage.shown(bench.places).first() {
            Some(place) => is_theirs(place),
            // A thread of C code's own.
            None => !passage.stack.is_empty(),
        });
        spent += cpu;
        describe(run, slot, shown(bench, &found));
        known.insert(leader, found.clone());
        tell(&mut run.cases[at], found);
    }
    run.notes.extend(tracer.notes());
}

fn tell(case: &mut Case, passages: Vec<Passage>) {
    match &mut case.beside {
        Some(beside) => *beside = passages,
        None => case.passages = passages,
    }
}

/// A leak of Python's memory beside which memory stays that none of the objects can hold: malloc's, or what is mapped past it.
fn is_beside(run: &Run, case: &Case) -> bool {
    let is_mapped = case.fits.contains_key(&Counter::Maps) && grows_memory(&case.fits);
    (case.native.is_some() || is_mapped)
        && diagnose::told_of(run, case).is_some_and(|told| told.plain)
}

/// A leak of which only the heap's size tells, or what is mapped past it.
fn is_native(case: &Case) -> bool {
    case.is_leak()
        && case.growths.is_empty()
        && (case.fits.contains_key(&Counter::Heap) || is_mapped(case))
        && !case.fits.contains_key(&Counter::Blocks)
}

/// A leak of which pages tell that were mapped past malloc.
fn is_mapped(case: &Case) -> bool {
    case.fits.contains_key(&Counter::Maps)
}

fn passages(worker: &mut Worker, case: &Case) -> Result<(Vec<Passage>, f64), Loss> {
    let order = calls(case, Counter::Heap, None);
    let called = worker.ask(order)?;
    let wanted: Vec<i64> = match (&case.beside, case.native) {
        // Python's part of it comes elsewhere, and a container may be moved just now.
        (Some(_), Some(fit)) if fit.shape == Shape::Linear => {
            vec![fit.rate.value.round() as i64; called.totals.len()]
        }
        _ => called.totals.clone(),
    };
    Ok((passages_of(&called, &wanted, native::WOBBLE), called.cpu))
}

fn references(worker: &mut Worker, _: &Case) -> Result<(Vec<Call>, f64), Loss> {
    let order = orders::References {
        iterations: WATCHED,
        target: None,
        falls: false,
    };
    let referred = worker.ask(order)?;
    Ok((referred.calls, referred.cpu))
}

/// The lines of Python that are told of passages.
fn shown(bench: &Bench<'_>, passages: &[Passage]) -> BTreeSet<(String, u32)> {
    { passages.iter() }
        .flat_map(|passage| passage.shown(bench.places).iter().take(FRAMES_SHOWN))
        .cloned()
        .collect()
}

/// Asks for the function and the text of the lines that are told.
fn describe(run: &mut Run, slot: &mut Slot<'_>, mut places: BTreeSet<(String, u32)>) {
    places.retain(|place| !run.sources.contains_key(place));
    run.sources
        .extend(slot.describe(places.into_iter().collect()));
}
