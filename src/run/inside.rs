//! Has child processes in which memory grows write down their heaps, in a process of its own in which they can be asked: who
//! holds what grows there, and where it was made.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::atomic::Ordering,
};

use super::{
    case::Case,
    closer,
    diagnose::{self, FRAMES, SHARE},
    diagnosis::{Diagnosis, Heap},
    driver::Bench,
    screen,
    slot::Slot,
    state::{Run, Settings, files_without},
};
use crate::{
    files::name,
    finding::Kind,
    heap::{graph::Graph, holder},
    verdict::Counter,
    worker::{INTERRUPTED, Worker, loss::Loss, orders, protocol::Status, setup::Setup},
};

/// Tests of one process that are looked at until one shows who holds what.
const TRIES: usize = 2;

/// Looks into each process in which memory grows, and leaves with the run what it holds. What cannot be found out leaves the
/// finding with what is seen from outside.
pub(super) fn look_at_all(settings: &Settings, run: &mut Run, bench: &Bench<'_>) {
    let wanted = growing(run);
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
    let mut slot = Slot::new(
        &setup,
        "i",
        settings.hash_seeds.1,
        files_without(run, tests.iter()),
    );
    let file = settings.setup.directory.join("inside");
    let mut left = bench.budget.total().as_secs_f64() * SHARE;
    let mut tried: BTreeMap<&str, usize> = BTreeMap::new();
    for (process, at) in &wanted {
        let tries = tried.entry(process).or_default();
        if run.inside.contains_key(process) || *tries == TRIES {
            continue;
        }
        if left < 0.0 || INTERRUPTED.load(Ordering::SeqCst) {
            break;
        }
        *tries += 1;
        let case = &run.cases[*at];
        let Ok(Some((worker, index))) = slot.worker_for(&run.tests, case.test) else {
            continue;
        };
        let looked = look_at(worker, bench, case, index, &file);
        let _ = std::fs::remove_file(&file);
        match looked {
            Ok((found, troubles, cpu)) => {
                left -= cpu;
                run.notes.extend(troubles);
                if let Some((process, diagnosis)) = found {
                    diagnose::describe(run, &mut slot, &diagnosis);
                    run.inside.insert(process, diagnosis);
                }
            }
            Err(loss) => {
                if loss != Loss::Interrupted {
                    let id = &run.tests[case.test].id;
                    let line = format!(
                        "who holds what {id} leaves in {process} was not found out: {}",
                        loss.line()
                    );
                    run.notes.push(line);
                }
                slot.discard();
            }
        }
    }
    // How its fixtures end is known from others.
    slot.discard();
}

/// The processes in which memory grows, each with a case that shows it.
fn growing(run: &Run) -> Vec<(String, usize)> {
    let leaks = { run.cases.iter().enumerate() }
        .filter(|(_, case)| case.is_leak() && case.fits.contains_key(&Counter::ChildMemory));
    let mut found: Vec<(String, usize)> = leaks
        .flat_map(|(at, case)| {
            let resources = case.diagnosis.iter().flat_map(|told| &told.resources);
            let names = resources.filter(|(kind, _)| *kind == Kind::ChildMemory);
            names.map(move |(_, name)| (name.clone(), at))
        })
        .collect();
    found.sort();
    found.dedup();
    found
}

/// What was found in which process, why some could not be asked, and the CPU seconds of the look.
type Looked = (Option<(String, Diagnosis)>, Vec<String>, f64);

fn look_at(
    worker: &mut Worker,
    bench: &Bench<'_>,
    case: &Case,
    index: usize,
    file: &Path,
) -> Result<Looked, Loss> {
    let opened = screen::run(
        worker,
        orders::Run {
            wider: case.wider,
            ..orders::Run::open(index)
        },
    )?;
    if opened.outcome.status != Status::Passed {
        return Ok((None, Vec::new(), opened.cpu));
    }
    let inside = worker.ask(orders::Inside {
        iterations: closer::iterations(case),
        file: name::to_text(file),
        frames: FRAMES,
    })?;
    let cpu = opened.cpu + inside.cpu;
    let troubles: Vec<String> = { inside.troubles.iter() }
        .map(|trouble| format!("a child process was not looked into: {trouble}"))
        .collect();
    let (Some(dump), Some(process)) = (inside.graph, inside.process) else {
        return Ok((None, troubles, cpu));
    };
    let Ok(graph) = Graph::of_file(file, &dump) else {
        return Ok((None, troubles, cpu));
    };
    let heap = Heap {
        decision: holder::decide(&graph, &dump, bench.places),
        graph,
        dump,
        resources: Vec::new(),
        cpu,
    };
    let diagnosis = diagnose::explain(worker, bench, case, &heap)?;
    Ok((Some((process, diagnosis)), troubles, cpu))
}
