//! One test under the microscope: judged as in any run, and then a heap, a window and an iteration followed line by line.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    sync::{Mutex, atomic::Ordering},
    time::Instant,
};

use super::{
    again,
    case::Case,
    conclusions::Known,
    diagnose,
    driver::Bench,
    errand::{Errand, Stage, screen_one},
    event::Event,
    familiar::Familiar,
    finds::Garbage,
    garbage::{self, Told},
    prepare, screen, select,
    shared::{Shared, absorb, finish},
    slot::Slot,
    state::{Run, Settings, files_without},
    suspects,
};
use crate::{
    explain::{
        lines::{self, Function, Stays},
        sites,
    },
    finding::TypeGrowth,
    fit::Fit,
    heap::{
        dominators::Dominators,
        partition::{self, Partition},
        path::{Phase, Terrain, Ways},
        responsibility::{Makers, files_of_tests},
        route::Route,
        surroundings::{self, Held},
    },
    investigate::{
        growth::{affordable, bytes_per_iteration},
        rules::RULES,
        screening::fixtures::worth_another_look,
        unasked::{self, Why},
    },
    verdict::{Counter, Series, conclusion::Conclusion},
    worker::{
        INTERRUPTED, Worker,
        budget::Budget,
        loss::{Loss, StartError},
        orders,
        protocol::{Followed, Status},
    },
};

/// Frames kept of what is in use where most is.
const FRAMES: u32 = 12;
/// Places of what is in use that are told.
const PLACES: usize = 12;
/// A heap that grows by more bytes an iteration than this is not written down: it takes minutes.
const HUGE_BYTES: f64 = 10e6;

/// What was looked at besides the judgement.
#[derive(Debug, Default)]
pub struct Scope {
    /// Readings of every counter, clean tests included.
    pub series: Series,
    /// Shape and rate of those that grow.
    pub fits: BTreeMap<Counter, Fit>,
    /// Growth by type.
    pub types: Vec<TypeGrowth>,
    /// What stayed, taken apart.
    pub survivors: Option<Partition>,
    /// What holds it.
    pub holding: Option<Holding>,
    /// What one iteration leaves to the cycle collector, whoever makes it.
    pub garbage: Option<Garbage>,
    /// Blocks and bytes that stay, by line.
    pub stays: Stays,
    /// Functions that are worth a look, line by line.
    pub functions: Vec<Function>,
    /// How high memory stood in one iteration.
    pub peak: Option<Peak>,
    /// What could not be looked at, and why.
    pub notes: Vec<String>,
}

/// The holder, with what it and the object at the end of its way hold besides.
#[derive(Debug)]
pub struct Holding {
    /// The way, in words.
    pub route: Route,
    /// What the holder refers to.
    pub holds: Vec<Held>,
    /// What the object at the end refers to.
    pub inside: Vec<Held>,
}

/// How high memory stood, and what it was.
#[derive(Debug, PartialEq)]
pub struct Peak {
    /// Most bytes in use between two lines, above what was when the first function was entered.
    pub stood: i64,
    /// Most bytes in use at any time; absent where Python does not tell.
    pub top: Option<i64>,
    /// The line that ran then.
    pub line: Option<(String, u32)>,
    /// The line at which most stood.
    pub at: Option<(String, u32)>,
    /// What was in use there by line: blocks and bytes.
    pub places: Vec<((String, u32), i64, i64)>,
    /// The same of the test runner.
    pub runner: (i64, i64),
    /// By type: name, objects and bytes.
    pub types: Vec<(String, u64, i64)>,
}

/// Judges the one test that `wanted` means, and looks at it in every way there is.
pub fn inspect(
    settings: &Settings,
    wanted: &str,
    tell: &(dyn Fn(Event) + Sync),
) -> Result<(Run, Scope), StartError> {
    let (_directory, settings) = &prepare(settings)?;
    let begun = Instant::now();
    let mut slot = Slot::new(&settings.setup, "a0", settings.hash_seeds.0, Vec::new());
    let collected = slot.start()?;
    let mut run = Run::of(&settings.setup, collected, &slot);
    let test = select::choose(&run.tests, wanted).map_err(|message| not_found(&run, message))?;
    tell(Event::Collected { tests: 1 });
    screen(settings, &mut run, slot, test, tell)?;
    run.plain_cpu = run.looks[test].as_ref().map_or(0.0, |look| look.cpu_plain);
    run.wall.0 = begun.elapsed();
    let begun = Instant::now();
    suspects::judge_all(settings, &mut run, tell);
    faultless(&run)?;
    let mut scope = Scope::default();
    look(settings, &mut run, test, &mut scope)?;
    run.wall.1 = begun.elapsed();
    run.interrupted = INTERRUPTED.load(Ordering::SeqCst);
    run.errors.extend(settings.setup.deadly.troubles());
    if let (Some(why), false) = (settings.setup.blind.get(), run.interrupted) {
        return Err(StartError::Blind(why.clone()));
    }
    Ok((only(run, test), scope))
}

fn not_found(run: &Run, mut message: String) -> StartError {
    if let Some(error) = run.errors.first() {
        // It may be among what could not be loaded.
        message.push_str(&format!(
            " ({} could not be loaded: {})",
            error.place,
            error.message.lines().next_back().unwrap_or_default()
        ));
    }
    StartError::Usage(message)
}

/// The same as for every test of a run, its second look with wider fixtures included.
fn screen(
    settings: &Settings,
    run: &mut Run,
    mut slot: Slot<'_>,
    test: usize,
    tell: &(dyn Fn(Event) + Sync),
) -> Result<(), StartError> {
    let shared = Mutex::new(Shared::default());
    let stage = Stage {
        settings,
        tests: &run.tests,
        shared: &shared,
    };
    tell(Event::Started {
        id: run.tests[test].id.clone(),
    });
    let familiar = Familiar::new(vec![Vec::new()]);
    let class = familiar.begin(0);
    let looked = again::screen(&stage, &mut slot, &class, test, true);
    if let Some((mut look, fixtures)) = looked {
        let thorough = settings.policy.thorough;
        let wider = worth_another_look(&look.screened, &fixtures, thorough, |_| true);
        if let Some(wider) = wider {
            let first = look.clone();
            let errand = Errand::Again {
                first: &first,
                wider,
            };
            if let Some((second, _)) = screen_one(&stage, &mut slot, &class, test, &errand)
                && !second.screened.is_lost()
            {
                look = second;
            }
        }
        tell(Event::Screened {
            id: run.tests[test].id.clone(),
            concluded: look.screened.concluded().map(Conclusion::short),
        });
        run.looks[test] = Some(look);
    }
    if INTERRUPTED.load(Ordering::SeqCst) {
        return Err(StartError::Interrupted);
    }
    finish(slot, &shared);
    absorb(run, shared);
    faultless(run)
}

/// Of a single test nothing is left to be told where leakcheck itself failed.
fn faultless(run: &Run) -> Result<(), StartError> {
    match run.errors.last().filter(|_| run.is_faulty) {
        Some(error) => Err(StartError::Internal(error.message.clone())),
        None => Ok(()),
    }
}

/// The run as if there were no other test.
fn only(mut run: Run, test: usize) -> Run {
    run.tests = vec![run.tests.swap_remove(test)];
    run.terms = vec![run.terms.swap_remove(test)];
    run.looks = vec![run.looks.swap_remove(test)];
    for case in &mut run.cases {
        (case.test, case.leader) = (0, 0);
    }
    run
}

/// Looks at the test in a process of its own: first at its heap, while nothing else is in it, then at a window and at
/// its lines.
fn look(
    settings: &Settings,
    run: &mut Run,
    test: usize,
    scope: &mut Scope,
) -> Result<(), StartError> {
    let wider = match &run.looks[test] {
        Some(look) if look.screened.is_repeatable() => look.wider,
        _ => {
            let why = "it did not pass again and again, so there is nothing more to look at";
            scope.notes.push(why.to_owned());
            return Ok(());
        }
    };
    let case = run.cases.first().cloned().unwrap_or_else(|| Case {
        wider,
        ..Case::without_evidence(test, unasked::say(Why::Unchanged))
    });
    if case.judged.loss().is_some() {
        let why = "it takes its process with it, so there is nothing more to look at";
        scope.notes.push(why.to_owned());
        return Ok(());
    }
    scope.stays = lines::stays(&case.growths);
    scope.series.clone_from(&case.series);
    scope.fits.clone_from(&case.fits);
    let exactness = suspects::exactness(run);
    let budget = Budget::new(run.budget, run.budget / 2, run.budget);
    let glass = Glass {
        settings,
        bench: Bench {
            places: &settings.places,
            budget: &budget,
            memory: settings.setup.memory,
            warmup: settings.policy.warmup,
            exactness: &exactness,
            known: &Known::default(),
        },
        case: &case,
        tests: &files_of_tests(run.tests.iter().map(|test| (&*test.id, &*test.file))),
        id: &run.tests[test].id,
    };
    let skip = files_without(run, [&test].into_iter());
    let mut slot = Slot::new(&settings.setup, "c0", settings.hash_seeds.1, skip);
    let looks: [(&str, Look<'_>); 4] = [
        ("the heap", Glass::heap),
        ("a window", Glass::window),
        ("cycles", Glass::cycles),
        ("its lines", Glass::follow),
    ];
    // As tracing has it, until the heap says more.
    scope.types = case.types.iter().map(TypeGrowth::traced).collect();
    for (name, look) in looks {
        let Some((worker, index)) = slot.worker_for(&run.tests, test)? else {
            let why = "a further process did not collect the test again";
            scope.notes.push(why.to_owned());
            break;
        };
        let failed = match look(&glass, worker, index, scope) {
            Ok(None) => continue,
            Ok(Some(why)) => why,
            Err(Loss::Interrupted) => return Err(StartError::Interrupted),
            Err(Loss::Bridge(message)) => return Err(StartError::Internal(message)),
            Err(loss) => {
                slot.discard();
                format!("the process {loss}")
            }
        };
        scope
            .notes
            .push(format!("could not look at {name}: {failed}"));
    }
    let mut places: Vec<(String, u32)> = scope
        .functions
        .iter()
        .map(|function| (function.file.clone(), function.first))
        .collect();
    let cycles = scope.garbage.iter().flat_map(|garbage| &garbage.cycles);
    places.extend(cycles.filter_map(|cycle| cycle.place.clone()));
    if let Some(peak) = &scope.peak {
        places.extend(peak.places.iter().map(|(place, ..)| place.clone()));
        places.extend(peak.line.clone());
        places.extend(peak.at.clone());
    }
    places.retain(|place| !run.sources.contains_key(place));
    run.sources.extend(slot.describe(places));
    let shared = Mutex::new(Shared::default());
    finish(slot, &shared);
    absorb(run, shared);
    faultless(run)
}

/// One way of looking; says why where there was nothing to see.
type Look<'a> = fn(&Glass<'a>, &mut Worker, usize, &mut Scope) -> Result<Option<String>, Loss>;

/// What every look needs.
struct Glass<'a> {
    settings: &'a Settings,
    bench: Bench<'a>,
    case: &'a Case,
    /// Files that hold tests.
    tests: &'a BTreeSet<String>,
    /// Of the test.
    id: &'a str,
}

impl Glass<'_> {
    fn heap(
        &self,
        worker: &mut Worker,
        index: usize,
        scope: &mut Scope,
    ) -> Result<Option<String>, Loss> {
        if bytes_per_iteration(&self.case.series, &RULES) > HUGE_BYTES {
            return Ok(Some("each iteration leaves too much".to_owned()));
        }
        let file = self.settings.setup.directory.join("heap");
        let heap = diagnose::survey(worker, &self.bench, self.case, index, &file);
        let _ = fs::remove_file(&file);
        let Some(heap) = heap? else {
            return Ok(Some("it did not pass then".to_owned()));
        };
        let diagnosis = diagnose::explain(worker, &self.bench, self.case, &heap)?;
        let graph = &heap.graph;
        let terrain = Terrain::new(graph, &heap.dump, self.bench.places);
        let ways = Ways::search(graph, &terrain, &[]);
        // What nothing leads to is held by a call that still runs; only where there is no holder it may be the leak.
        let unreached = heap.decision.holders.is_empty();
        scope.survivors = Some(partition::of(graph, &|node| match ways.phase(node) {
            Some(Phase::Runner) => false,
            Some(Phase::Code | Phase::State | Phase::Outside) => true,
            None => unreached,
        }));
        if !diagnosis.types.is_empty() {
            scope.types = diagnosis.types;
        }
        if let Some(route) = diagnosis.routes.into_iter().next()
            && let Some((holder, end)) = route.ends
        {
            let dominators = Dominators::of(graph);
            // The holder has something of every iteration; the object at the end is of one.
            let born = graph.born(end);
            scope.holding = Some(Holding {
                holds: surroundings::held_by(graph, &dominators, holder, &graph.voters()),
                inside: if holder == end {
                    Vec::new()
                } else {
                    surroundings::held_by(graph, &dominators, end, &(born..=born))
                },
                route,
            });
        }
        Ok(None)
    }

    fn window(
        &self,
        worker: &mut Worker,
        index: usize,
        scope: &mut Scope,
    ) -> Result<Option<String>, Loss> {
        if !scope.series.is_empty() {
            // The judgement's own is longer.
            return Ok(None);
        }
        let terms = worker.terms.get(index);
        let warmup = terms.and_then(|terms| terms.warmup);
        let window = affordable(
            bytes_per_iteration(&self.case.series, &RULES),
            RULES.windows.bytes,
            &RULES,
        );
        let order = orders::Run {
            thaw: true,
            survey: true,
            wider: self.case.wider,
            warmup: warmup.unwrap_or(self.bench.warmup),
            iterations: window.clamp(RULES.windows.fewest, 2 * RULES.first_window),
            ..orders::Run::open(index)
        };
        let ran = screen::run(worker, order)?;
        if ran.outcome.status != Status::Passed {
            return Ok(Some(ran.outcome.message));
        }
        scope.fits = self.bench.growing(&ran.series);
        scope.series = ran.series;
        Ok(None)
    }

    fn cycles(
        &self,
        worker: &mut Worker,
        index: usize,
        scope: &mut Scope,
    ) -> Result<Option<String>, Loss> {
        let places = &self.settings.places;
        let makers = Makers::new(places, self.tests);
        let file = self.settings.setup.directory.join("garbage");
        let wider = self.case.wider;
        let found = garbage::look(worker, index, wider, &makers, places, &file, Told::All);
        let _ = fs::remove_file(&file);
        scope.garbage = found?;
        let passed = scope.garbage.is_some();
        Ok((!passed).then(|| "it did not pass then".to_owned()))
    }

    fn follow(
        &self,
        worker: &mut Worker,
        index: usize,
        scope: &mut Scope,
    ) -> Result<Option<String>, Loss> {
        let open = orders::Run::within(index, self.case.wider);
        let opened = screen::run(worker, open)?;
        if opened.outcome.status != Status::Passed {
            return Ok(Some(opened.outcome.message));
        }
        let places = &self.settings.places;
        let folder = |path: &PathBuf| format!("{}/", path.display());
        let growing = self.case.growths.iter();
        let mut always: BTreeSet<String> = growing.map(|growth| growth.place().0.clone()).collect();
        always.extend(places.installed().iter().map(folder));
        let others = places.packages.iter().chain(&places.stdlib);
        let order = orders::Follow {
            always: always.into_iter().collect(),
            within: vec![folder(&places.project)],
            without: others.chain([&places.bridge]).map(folder).collect(),
            frames: FRAMES,
        };
        let followed = worker.ask(order)?;
        if followed.outcome.status != Status::Passed {
            return Ok(Some(format!(
                "it does not pass while they are followed: {}",
                followed.outcome.message
            )));
        }
        if !followed.whole {
            let why = "only a part of its lines was followed: it sets a trace function of its own, or runs too many";
            scope.notes.push(why.to_owned());
        }
        scope.peak = Some(self.peak(&followed));
        let case = self.case;
        let native = case.passages.iter().chain(&case.outside);
        let mut stays = lines::native(native.chain(case.beside.iter().flatten()), places);
        stays.extend(scope.stays.clone());
        scope.functions = lines::choose(followed.functions, &stays, self.id);
        Ok(None)
    }

    /// What was in use where most stood, by the line that a reader should look at.
    fn peak(&self, followed: &Followed) -> Peak {
        let place = |number: &usize| -> Option<(String, u32)> {
            sites::chosen(followed.tracebacks.get(*number)?, self.bench.places)
        };
        let mut places: BTreeMap<(String, u32), (i64, i64)> = BTreeMap::new();
        let mut runner = (0, 0);
        for (number, blocks, bytes) in followed.boundaries.iter().flatten() {
            let sum = match place(number) {
                Some(place) => places.entry(place).or_default(),
                None => &mut runner,
            };
            sum.0 += blocks;
            sum.1 += bytes;
        }
        let standing = followed.standing.as_ref();
        let mut types: BTreeMap<&str, (u64, i64)> = BTreeMap::new();
        for (name, number, count, bytes) in standing.iter().flat_map(|standing| &standing.types) {
            if place(number).is_some() {
                let sum = types.entry(name).or_default();
                sum.0 += count;
                sum.1 += bytes;
            }
        }
        let mut types: Vec<(String, u64, i64)> = types
            .into_iter()
            .map(|(name, (count, bytes))| (name.to_owned(), count, bytes))
            .collect();
        types.sort_by(|a, b| b.2.cmp(&a.2).then_with(|| a.0.cmp(&b.0)));
        types.truncate(PLACES);
        let mut places: Vec<_> = places
            .into_iter()
            .map(|(place, (blocks, bytes))| (place, blocks, bytes))
            .collect();
        places.sort_by(|a, b| b.2.cmp(&a.2).then_with(|| a.0.cmp(&b.0)));
        places.truncate(PLACES);
        Peak {
            stood: followed.stood,
            top: followed.top,
            line: lines::highest(&followed.functions)
                .map(|(function, line)| (function.file.clone(), line)),
            at: standing.map(|standing| standing.line.clone()),
            places,
            runner,
            types,
        }
    }
}
