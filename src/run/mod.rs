//! The engine: screens every test, judges the suspects in fresh processes, and tells events as it goes.

mod again;
mod apart;
mod capacity;
pub mod case;
mod children;
mod closer;
mod conclusions;
mod content;
pub mod cycle_garbage;
pub mod diagnose;
pub mod diagnosis;
pub mod driver;
mod errand;
pub mod event;
mod familiar;
pub mod finds;
pub mod garbage;
mod inside;
pub mod inspect;
mod isolation;
mod lines;
mod longer;
mod native;
mod noise;
mod once;
mod order;
pub mod plan;
mod predecessors;
mod rare;
pub mod references;
pub mod replay;
mod rounds;
pub mod screen;
mod select;
pub mod selfcheck;
pub mod shard;
mod shared;
mod slot;
mod stage;
mod state;
mod still;
mod suspects;
mod tracer;
pub mod unclosed;

use std::{collections::HashSet, sync::atomic::Ordering, time::Instant};

use event::Event;
use shard::Division;
use slot::Slot;
pub use state::{Alike, Phases, Run, Settings};

use crate::{
    bridge,
    config::terms::Terms,
    supervise::Folder,
    worker::{INTERRUPTED, loss::StartError, marks, protocol::Collectable, tape::Tape},
};

/// Makes the directory of a run, which goes with it, and puts the bridge there.
fn prepare(settings: &Settings) -> Result<(Folder, Settings), StartError> {
    let directory = Folder::make().map_err(StartError::Usage)?;
    let mut settings = settings.clone();
    settings.setup.directory = directory.path().to_owned();
    if let Tape::Replay(_) = settings.setup.tape {
        // Nothing is started, and paths are those of the run that was recorded.
        return Ok((directory, settings));
    }
    settings.setup.start_script = bridge::lay_out(&directory.path().join("b"))
        .map_err(|error| StartError::Usage(directory.unusable(&error)))?;
    settings.places.bridge = directory.path().to_owned();
    let cache = settings.kept.as_ref();
    settings.setup.outside = cache.map(|cache| cache.outside(directory.path()));
    if let Tape::Record(recording) = &settings.setup.tape {
        replay::begin(recording, &settings);
    }
    Ok((directory, settings))
}

/// Runs everything. `tell` gets events from several threads.
pub fn run(settings: &Settings, tell: &(dyn Fn(Event) + Sync)) -> Result<Run, StartError> {
    let (_directory, settings) = &prepare(settings)?;
    let begun = Instant::now();
    let mut first = Slot::new(&settings.setup, "a0", settings.hash_seeds.0, Vec::new());
    let mut collected = first.start()?;
    let noted = collected.depends.take();
    let mut run = Run::of(&settings.setup, collected, &first);
    run.phases = Phases::begin(begun);
    run.phases.end("start and collection");
    if settings.budget.is_none() && !settings.thorough {
        settings.setup.whole.limit(settings.pace);
    }
    settings.setup.whole.plain(run.plain_cpu);
    if settings.setup.paths.is_empty() {
        // Of a part of the suite, most overrides are for tests of the rest.
        run.notes
            .extend(marks::unmatched(&run.tests, &settings.setup.rules));
    }
    let terms = std::mem::take(&mut run.terms);
    let own = Own::of(settings, std::mem::take(&mut run.tests), &terms);
    first.restrict(&own.tests, &own.elsewhere);
    tell(Event::Collected {
        tests: own.tests.len(),
    });
    run.stances = settings.stances.clone();
    run.looks = vec![None; own.tests.len()];
    run.terms = own.terms;
    run.tests = own.tests;
    run.shard = own.shard;
    run.elsewhere = own.elsewhere;
    run.choose(settings, noted, tell);
    run.phases.end("what is kept");
    stage::screen_all(settings, &mut run, first, tell);
    run.plain_cpu += run
        .looks
        .iter()
        .flatten()
        .map(|look| look.cpu_plain)
        .sum::<f64>();
    run.wall.0 = begun.elapsed();

    let begun = Instant::now();
    // What a suspect runs is looked at in the screen.
    let mut settings = settings.clone();
    settings.setup.outside = None;
    let settings = &settings;
    if !INTERRUPTED.load(Ordering::SeqCst) {
        suspects::judge_all(settings, &mut run, tell);
        run.phases.end("suspects");
        references::look_at_all(settings, &mut run);
        run.phases.end("references");
        unclosed::look_at_all(settings, &mut run);
        run.phases.end("what nobody closes");
    }
    run.wall.1 = begun.elapsed();
    run.interrupted = INTERRUPTED.load(Ordering::SeqCst);
    run.notes.extend(settings.setup.whole.said());
    run.errors.extend(settings.setup.deadly.troubles());
    match settings.setup.blind.get() {
        Some(why) if !run.interrupted => Err(StartError::Blind(why.clone())),
        _ => Ok(run),
    }
}

/// The tests that run here, and who runs the others.
struct Own {
    tests: Vec<Collectable>,
    terms: Vec<Terms>,
    shard: Option<Division>,
    elsewhere: Vec<String>,
}

impl Own {
    fn of(settings: &Settings, all: Vec<Collectable>, terms: &[Terms]) -> Own {
        let Some(wanted) = &settings.shard else {
            return Own {
                tests: all,
                terms: terms.to_vec(),
                shard: None,
                elsewhere: Vec::new(),
            };
        };
        let shown: Vec<Collectable> = all
            .iter()
            .map(|test| Collectable {
                id: test.id.clone(),
                file: settings.places.show(&test.file),
            })
            .collect();
        let shares = shard::divide(&shown, wanted.total, &wanted.seconds);
        let files: HashSet<&str> = shares
            .iter()
            .filter(|share| share.shard == wanted.index)
            .map(|share| &*share.file)
            .collect();
        let mut own = Own {
            tests: Vec::new(),
            terms: Vec::new(),
            shard: None,
            elsewhere: Vec::new(),
        };
        for (at, test) in all.into_iter().enumerate() {
            if files.contains(&*shown[at].file) {
                own.tests.push(test);
                own.terms.push(terms.get(at).cloned().unwrap_or_default());
            } else if !own.elsewhere.contains(&test.file) {
                own.elsewhere.push(test.file);
            }
        }
        own.shard = Some(Division {
            index: wanted.index,
            total: wanted.total,
            shares,
        });
        own
    }
}
