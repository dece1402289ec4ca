//! Looks at tests in which the number of references to what was there before changes in every iteration: to which objects,
//! and by which call. In a process of its own, since one look changes what the next one sees.

use std::{
    collections::BTreeMap,
    ops::ControlFlow,
    sync::{Mutex, atomic::Ordering},
};

use super::{
    INTERRUPTED, Run, Settings, Shared, absorb, finish,
    loss::Loss,
    note,
    orders::{self, Wider},
    protocol::Status,
    rounds::{self, Found},
    screen::{self, Look},
    slot::Slot,
    suspects::files_without,
    worker::Worker,
};
use crate::{
    attribute::lost::Call,
    investigate::{
        references::{Beside, Count, unaccounted},
        rules::RULES,
    },
    verdict::Counter,
};

/// What a look at one test found.
#[derive(Debug, Clone, PartialEq)]
pub struct References {
    /// Index of the test.
    pub test: usize,
    /// Tests of the same file in which as many change.
    pub alike: Vec<usize>,
    /// References at each reading in the screen.
    pub readings: Vec<i64>,
    /// Iterations of the look.
    pub iterations: u32,
    /// What they were to.
    pub objects: Vec<Lost>,
}

/// An object to which references are lost, or given back more often than they were taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Lost {
    /// What code calls it; empty where nothing leads to it.
    pub name: String,
    /// Its type.
    pub kind: String,
    /// How many in each iteration; below zero where too many are given back.
    pub each: f64,
    /// Whether it was as many in each.
    pub even: bool,
    /// What left its count changed so.
    pub calls: Vec<Call>,
}

/// Looks at one test of each kind, then at another one of each, as far as the time for it lasts.
pub(super) fn look_at_all(settings: &Settings, run: &mut Run) {
    let mut kinds: BTreeMap<(&str, i64), Vec<&Look>> = BTreeMap::new();
    for look in run.looks.iter().flatten() {
        if let Some([.., before, last]) = look.apart.get(&Counter::Refs).map(Vec::as_slice)
            && look.screened.is_repeatable()
            // What stays besides mostly refers to what was there, and objects of C code do so without telling: each open
            // connection of sqlite3 keeps its statements' texts. Of such a test nothing can be said until that is fixed.
            && look.series.is_empty()
        {
            let key = (&*run.tests[look.test].file, last - before);
            kinds.entry(key).or_default().push(look);
        }
    }
    if kinds.is_empty() {
        return;
    }
    let kinds: Vec<Vec<Look>> = { kinds.into_values() }
        .map(|looks| looks.into_iter().cloned().collect())
        .collect();
    let mut left = RULES.references.least + RULES.references.share * run.plain_cpu;
    let skip = files_without(run, kinds.iter().flatten().map(|look| &look.test));
    let mut slot = Slot::new(&settings.setup, "r", settings.hash_seeds.1, skip);
    let shared = Mutex::new(Shared::default());
    let (mut found, _) = rounds::look_at(&kinds, |round, look| {
        let id = &run.tests[look.test].id;
        if left <= 0.0 && round == 0 {
            let line = format!(
                "references change in {id} and perhaps in others; the time to find out why was spent"
            );
            note(&shared, line);
        }
        if left <= 0.0 || INTERRUPTED.load(Ordering::SeqCst) {
            return ControlFlow::Break(());
        }
        let Ok(Some((worker, index))) = slot.worker_for(&run.tests, look.test) else {
            return ControlFlow::Continue(None);
        };
        match look_at(worker, index, look) {
            Ok((one, cpu)) => {
                left -= cpu;
                ControlFlow::Continue(one)
            }
            Err(Loss::Interrupted) => ControlFlow::Break(()),
            Err(loss) => {
                let line = loss.line();
                note(
                    &shared,
                    format!("references were not counted in {id}: {line}"),
                );
                slot.discard();
                ControlFlow::Continue(None)
            }
        }
    });
    found.retain(|one: &References| !one.objects.is_empty());
    describe(run, &mut slot, &found);
    run.references = found;
    finish(slot, &shared);
    absorb(run, shared);
}

impl Found for References {
    type Shows = Vec<(String, String, bool)>;

    fn test(&self) -> usize {
        self.test
    }

    fn shows(&self) -> Self::Shows {
        { self.objects.iter() }
            .map(|lost| (lost.name.clone(), lost.kind.clone(), lost.each < 0.0))
            .collect()
    }

    fn speak_for(&mut self, rest: Vec<usize>) {
        self.alike = rest;
    }
}

/// Looks at one test; nothing is known of one that does not pass. And the CPU seconds that it took.
fn look_at(
    worker: &mut Worker,
    index: usize,
    look: &Look,
) -> Result<(Option<References>, f64), Loss> {
    let numbers = &RULES.references;
    let opened = screen::run(
        worker,
        orders::Run {
            thaw: true,
            survey: true,
            wider: look.wider,
            iterations: numbers.again,
            ..orders::Run::open(index)
        },
    )?;
    // What came once in the screen is not looked for in all that there is.
    let goes_on = match opened.apart.get(&Counter::Refs).map(Vec::as_slice) {
        Some([.., before, last]) => before != last,
        _ => false,
    };
    if opened.outcome.status != Status::Passed || !goes_on {
        return Ok((None, opened.cpu));
    }
    let counted = worker.ask(orders::Count {
        first: numbers.first,
        then: numbers.then,
    })?;
    let mut cpu = opened.cpu + counted.cpu;
    if counted.outcome.status != Status::Passed {
        return Ok((None, cpu));
    }
    let mut objects = Vec::new();
    for count in &counted.objects {
        let Some(mut lost) = lost(count, counted.beside) else {
            continue;
        };
        if objects.len() < numbers.most && look.wider == Wider::Stay {
            let referred = worker.ask(orders::References {
                iterations: numbers.watched,
                target: Some(count.object),
                falls: lost.each < 0.0,
            })?;
            cpu += referred.cpu;
            lost.calls = referred.calls;
        }
        objects.push(lost);
    }
    let found = References {
        test: look.test,
        alike: Vec::new(),
        readings: look.apart[&Counter::Refs].clone(),
        iterations: opened.iterations + numbers.first + numbers.then,
        objects,
    };
    Ok((Some(found), cpu))
}

fn lost(count: &Count, beside: Beside) -> Option<Lost> {
    let each = unaccounted(count, beside, &RULES)?;
    Some(Lost {
        name: count.name.clone(),
        kind: count.kind.clone(),
        each,
        even: count.changes.iter().all(|change| *change as f64 == each),
        calls: Vec::new(),
    })
}

/// Asks for the function and the text of the lines that are told.
fn describe(run: &mut Run, slot: &mut Slot<'_>, found: &[References]) {
    let objects = found.iter().flat_map(|one| &one.objects);
    let mut places: Vec<(String, u32)> = { objects.flat_map(|lost| &lost.calls) }
        .filter(|call| call.rises.iter().any(|rise| *rise > 0))
        .map(|call| call.place.clone())
        .collect();
    places.sort();
    places.dedup();
    run.sources.extend(slot.describe(places));
}
