//! Has child processes in which memory grows write down their heaps, in a process of its own in which they can be asked: who
//! holds what grows there, and where it was made.

use std::{collections::BTreeSet, path::Path, sync::atomic::Ordering};

use super::{
    case::Case,
    closer,
    diagnose::{self, FRAMES},
    diagnosis::{Diagnosis, Heap},
    driver::Bench,
    screen,
    slot::Slot,
    state::{Run, Settings, files_without},
};
use crate::{
    files::name,
    finding::{Kind, TypeGrowth},
    heap::{graph::Graph, holder},
    verdict::Counter,
    worker::{INTERRUPTED, Worker, loss::Loss, orders, protocol::Status, setup::Setup},
};

/// Looks of one run. Not the time decides on how many: who holds what is a part of a finding's id.
const LOOKS: usize = 16;
/// What is left may be so many times smaller than what grew: malloc and the collector take room beside it, and pages come whole.
const SLACK: f64 = 4.0;

/// Looks into the processes in which memory grows, for each test that shows it, and leaves with the run what they hold. What
/// cannot be found out leaves the finding with what is seen from outside.
pub(super) fn look_at_all(settings: &Settings, run: &mut Run, bench: &Bench<'_>) {
    let mut wanted = growing(run);
    wanted.truncate(LOOKS);
    if wanted.is_empty() {
        return;
    }
    let setup = Setup {
        inside: true,
        ..settings.setup.clone()
    };
    let tests: BTreeSet<usize> = { wanted.iter() }
        .map(|(_, at)| run.cases[*at].test)
        .collect();
    let skip = files_without(run, tests.iter());
    let mut slot = Slot::new(&setup, "i", settings.hash_seeds.1, skip);
    let file = settings.setup.directory.join("inside");
    let mut silent: BTreeSet<String> = BTreeSet::new();
    for (process, at) in wanted {
        if INTERRUPTED.load(Ordering::SeqCst) {
            break;
        }
        // Who could not be asked once keeps another look waiting as long.
        if silent.contains(&process) {
            continue;
        }
        let case = &run.cases[at];
        let test = case.test;
        let Ok(Some((worker, index))) = slot.worker_for(&run.tests, test) else {
            continue;
        };
        let looked = look_at(worker, bench, case, index, &process, &file);
        let _ = std::fs::remove_file(&file);
        let why = match looked {
            Ok(Looked::Found(diagnosis)) => {
                diagnose::describe(run, &mut slot, &diagnosis);
                run.inside.insert((process, test), *diagnosis);
                continue;
            }
            Ok(Looked::Nothing) => continue,
            Ok(Looked::Silent(troubles)) => {
                silent.insert(process.clone());
                troubles
            }
            Ok(Looked::Fails(message)) => {
                format!("it does not pass while its processes are asked: {message}")
            }
            Err(Loss::Interrupted) => break,
            Err(loss) => {
                slot.discard();
                loss.line()
            }
        };
        let id = &run.tests[test].id;
        run.notes.push(format!(
            "who holds what {id} leaves in {process} was not found out: {why}"
        ));
    }
    // How its fixtures end is known from others.
    slot.discard();
}

/// The processes in which memory grows, each with the cases that show it.
fn growing(run: &Run) -> Vec<(String, usize)> {
    let leaks = { run.cases.iter().enumerate() }
        .filter(|(_, case)| case.is_leak() && case.fits.contains_key(&Counter::ChildMemory));
    leaks
        .filter_map(|(at, case)| {
            let mut resources = { case.diagnosis.iter() }.flat_map(|told| &told.resources);
            let (_, name) = resources.find(|(kind, _)| *kind == Kind::ChildMemory)?;
            Some((name.clone(), at))
        })
        .collect()
}

/// What came of a look.
enum Looked {
    /// Who holds what, in the process in which most is left.
    Found(Box<Diagnosis>),
    /// Nothing is left in Python that explains what grew, or nobody listens.
    Nothing,
    /// Somebody listens and does not answer, and why.
    Silent(String),
    /// The test does not pass.
    Fails(String),
}

fn look_at(
    worker: &mut Worker,
    bench: &Bench<'_>,
    case: &Case,
    index: usize,
    process: &str,
    file: &Path,
) -> Result<Looked, Loss> {
    let opened = screen::run(worker, orders::Run::within(index, case.wider))?;
    if opened.outcome.status != Status::Passed {
        return Ok(Looked::Fails(opened.outcome.message));
    }
    let inside = worker.ask(orders::Inside {
        process: process.to_owned(),
        iterations: closer::iterations(case),
        file: name::to_text(file),
        frames: FRAMES,
    })?;
    if inside.outcome.status != Status::Passed {
        return Ok(Looked::Fails(inside.outcome.message));
    }
    let Some(dump) = inside.graph else {
        return Ok(match inside.troubles.into_iter().next() {
            Some(trouble) => Looked::Silent(trouble),
            None => Looked::Nothing,
        });
    };
    let Ok(graph) = Graph::of_file(file, &dump) else {
        return Ok(Looked::Nothing);
    };
    let heap = Heap {
        decision: holder::decide(&graph, &dump, bench.places),
        graph,
        dump,
        resources: Vec::new(),
        cpu: opened.cpu + inside.cpu,
    };
    let owns = !heap.decision.plain;
    let diagnosis = diagnose::explain(worker, bench, case, &heap)?;
    let grew = { case.fits.get(&Counter::ChildMemory) }.map_or(0.0, |fit| fit.rate.value);
    Ok(if owns || explains(&diagnosis.types, inside.asked, grew) {
        Looked::Found(Box::new(diagnosis))
    } else {
        Looked::Nothing
    })
}

/// Whether what is left of Python's objects in one of `asked` processes may be what all of them have more: beside memory that C
/// code loses, a list that gains a number explains none of it.
fn explains(types: &[TypeGrowth], asked: u32, grew: f64) -> bool {
    let left: f64 = types.iter().map(|growth| growth.bytes).sum();
    left * SLACK * f64::from(asked.max(1)) >= grew
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_little_that_is_left_explains_no_growth_of_much() {
        let explains = |bytes: f64, asked| {
            let types = [TypeGrowth::traced(&("list".to_owned(), 1.0, bytes))];
            explains(&types, asked, 300_000.0)
        };
        assert!(!explains(64.0, 1) && explains(200_000.0, 1));
        // Of sixteen workers of a pool one has a sixteenth.
        assert!(explains(18_000.0, 16) && !explains(18_000.0, 1));
    }
}
