//! Traces memory in a process with the library for it: which C code asks for the chunks that stay, and at which of Python's
//! lines. Where that cannot be done, the report says so and sums of the heap have to do.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    case::Case,
    closer,
    driver::Bench,
    slot::Slot,
    state::{Run, Settings, files_without},
};
use crate::{
    explain::{
        native::{Passage, is_interpreter},
        survivors::{Leaking, Survivors, leaking},
    },
    verdict::Counter,
    worker::{Worker, loss::Loss, orders, preload::Preload, protocol::Status, setup::Setup},
};

/// Iterations that show which stacks leak, and those with Python's lines after them.
const FIRST: u32 = 5;
const THEN: u32 = 4;
/// Stacks with which Python's lines are asked for.
const WANTED: usize = 64;
/// Passages of one leak that are told.
const MOST: usize = 8;
/// What leaks less than this part of what leaks most is not told.
const LEAST: f64 = 0.01;
/// Processes that may be lost before no further one is started.
const PATIENCE: u32 = 2;

/// What a process with the library is started with; or why there can be none.
pub(super) fn setup(setup: &Setup) -> Result<Setup, String> {
    Ok(Setup {
        preload: Some(Arc::new(Preload::make()?)),
        ..setup.clone()
    })
}

/// A place for such a process.
pub(super) struct Tracer<'a> {
    /// Absent once it is known that it cannot be done.
    slot: Option<Slot<'a>>,
    lost: u32,
    notes: Vec<String>,
}

impl<'a> Tracer<'a> {
    /// For the cases at `leaks`.
    pub fn new(
        settings: &Settings,
        setup: &'a Result<Setup, String>,
        run: &Run,
        leaks: &[usize],
    ) -> Tracer<'a> {
        let mut tracer = Tracer {
            slot: None,
            lost: 0,
            notes: Vec::new(),
        };
        match setup {
            Ok(setup) => {
                let tests = leaks.iter().map(|at| &run.cases[*at].test);
                let skip = files_without(run, tests);
                tracer.slot = Some(Slot::new(setup, "t", settings.hash_seeds.1, skip));
            }
            Err(why) => tracer.give_up(why),
        }
        tracer
    }

    /// What there is to be said, one line each.
    pub fn notes(self) -> Vec<String> {
        self.notes
    }

    fn give_up(&mut self, why: &str) {
        self.slot = None;
        self.notes.push(format!(
            "the C code that asks for memory is not told, only the call that leads to it: {why}"
        ));
    }

    /// Where the memory that a case leaves is asked for, and the CPU seconds that it took to find out.
    pub fn look_at(&mut self, run: &Run, bench: &Bench<'_>, at: usize) -> (Vec<Passage>, f64) {
        let case = &run.cases[at];
        let nothing = (Vec::new(), 0.0);
        let Some(slot) = &mut self.slot else {
            return nothing;
        };
        let Ok(Some((worker, index))) = slot.worker_for(&run.tests, case.test) else {
            self.give_up("a process with the library for it could not be started");
            return nothing;
        };
        if let Some(why) = worker.hello.untraceable.clone() {
            self.give_up(&why);
            return nothing;
        }
        match look(worker, bench, case, index) {
            Ok((passages, cpu, gap)) => {
                if let Some(gap) = gap {
                    let id = &run.tests[case.test].id;
                    self.notes.push(format!("{id}: {gap}"));
                }
                (passages, cpu)
            }
            Err(Loss::Interrupted) => nothing,
            Err(loss) => {
                slot.discard();
                self.lost += 1;
                // With the library in it a process may end for reasons of ours: that says nothing of the test.
                self.notes.push(format!(
                    "{}: the C code that asks for memory was not found out, since the process that leakcheck traces it in ended ({})",
                    run.tests[case.test].id,
                    loss.line()
                ));
                if self.lost >= PATIENCE {
                    self.slot = None;
                }
                nothing
            }
        }
    }
}

/// Where the open test asks for memory that stays, the CPU seconds that it took to find out, and what is not known of it.
fn look(
    worker: &mut Worker,
    bench: &Bench<'_>,
    case: &Case,
    index: usize,
) -> Result<(Vec<Passage>, f64, Option<String>), Loss> {
    let (fit, mut cpu) = closer::open(worker, bench, case, index)?;
    if !fit {
        return Ok((Vec::new(), cpu, None));
    }
    let period = closer::iterations(case);
    let first = worker.ask(orders::Survivors {
        iterations: FIRST.max(period),
        wanted: Vec::new(),
    })?;
    cpu += first.cpu;
    if first.outcome.status != Status::Passed {
        return Ok((Vec::new(), cpu, None));
    }
    let leaks = leaking(&first.found, first.iterations);
    let wanted: Vec<u32> = leaks.iter().take(WANTED).map(|leak| leak.stack).collect();
    if wanted.is_empty() {
        return Ok((Vec::new(), cpu, gap(&first.found)));
    }
    let then = worker.ask(orders::Survivors {
        iterations: THEN.max(period),
        wanted: wanted.clone(),
    })?;
    cpu += then.cpu;
    if then.outcome.status != Status::Passed {
        return Ok((Vec::new(), cpu, None));
    }
    // What a longer look shows as a ring that was filled is none after all.
    let mut leaks = leaking(&then.found, then.iterations);
    leaks.retain(|leak| wanted.contains(&leak.stack));
    let gap = gap(&then.found);
    Ok((passages(case, &then.found, leaks), cpu, gap))
}

/// What is not known of who asks for memory, if there is anything.
fn gap(found: &Survivors) -> Option<String> {
    let more = if found.cut { ", or more," } else { "" };
    match (found.missed, found.cut) {
        (0, false) => None,
        (0, true) => Some(
            "more C code asks for memory than can be told; some of it may be missing here"
                .to_owned(),
        ),
        (missed, _) => Some(format!(
            "{missed} requests for memory{more} could not be noted, so some of the C code that makes them may be missing here"
        )),
    }
}

fn passages(case: &Case, found: &Survivors, mut leaks: Vec<Leaking>) -> Vec<Passage> {
    let stacks: BTreeMap<u32, Vec<(String, u64)>> = { found.stacks.iter() }
        .map(|(number, frames)| {
            let frames = frames.iter().map(|(library, at)| {
                let path = usize::try_from(*library)
                    .ok()
                    .and_then(|library| found.libraries.get(library));
                (path.cloned().unwrap_or_default(), *at)
            });
            (*number, frames.collect())
        })
        .collect();
    let stack = |leak: &Leaking| stacks.get(&leak.stack).map_or(&[][..], Vec::as_slice);
    // What Python itself asks for is an object, which is told elsewhere.
    let is_object = |leak: &Leaking| {
        let asks = stack(leak).first();
        asks.is_some_and(|(path, _)| is_interpreter(path))
    };
    let knows_objects = { case.diagnosis.iter() }.any(|diagnosis| !diagnosis.lost.is_empty());
    if knows_objects && closer::is_lost(case) {
        leaks.retain(is_object);
    } else if case.beside.is_some() || leaks.iter().any(|leak| !is_object(leak)) {
        leaks.retain(|leak| !is_object(leak));
    }
    if case.fits.contains_key(&Counter::Maps) {
        // They are most of what stays.
        leaks.sort_by_key(|leak| !leak.mapped);
    }
    let expected = case
        .fits
        .get(&Counter::Heap)
        .map_or(0.0, |fit| fit.rate.value);
    let even: f64 = { leaks.iter() }
        .filter(|leak| leak.even && !leak.mapped)
        .map(|leak| leak.bytes)
        .sum();
    if even > 0.0 && even >= expected * 0.9 {
        leaks.retain(|leak| leak.even);
    }
    let most = [false, true].map(|mapped| {
        let of_kind = leaks.iter().filter(|leak| leak.mapped == mapped);
        of_kind.map(|leak| leak.bytes).fold(0.0, f64::max)
    });
    { leaks.into_iter() }
        .filter(|leak| leak.bytes >= most[usize::from(leak.mapped)] * LEAST)
        .take(MOST)
        .map(|leak| Passage {
            stack: stack(&leak).to_vec(),
            frames: leak.lines,
            function: None,
            certain: true,
            bytes: leak.bytes,
            chunks: leak.count,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_noted_is_said() {
        let of = |missed, cut| {
            gap(&Survivors {
                missed,
                cut,
                ..Survivors::default()
            })
        };
        assert_eq!(of(0, false), None);
        assert!(
            of(7, false)
                .unwrap()
                .starts_with("7 requests for memory could not")
        );
        assert!(
            of(7, true)
                .unwrap()
                .starts_with("7 requests for memory, or more, could not")
        );
        assert!(of(0, true).unwrap().starts_with("more C code"));
    }
}
