//! One more look at one test of each cause, to name what holds the objects that leaked.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::atomic::Ordering,
};

use super::{
    capacity::ask,
    case::Case,
    children,
    closer::iterations,
    diagnosis::{Diagnosis, FRAMES_SHOWN, Heap, Hidden, Place},
    driver::Bench,
    lines, screen,
    slot::Slot,
    state::Run,
};
use crate::{
    explain::{group, sites},
    files::name,
    heap::{
        ended,
        graph::{Dump, Graph},
        holder::{self, Chosen, Gain},
        path::{Phase, Root, Terrain, Ways},
        ring,
        route::{self, FINALIZERS, Route, Step},
    },
    verdict::Counter,
    worker::{
        INTERRUPTED, Worker,
        loss::Loss,
        orders,
        protocol::{Dumped, Status},
    },
};

/// Frames kept of an allocation: enough to get from the standard library to the reader's code, mostly.
pub(super) const FRAMES: u32 = 5;
/// Where an iteration leaves more blocks than this, no look is taken.
const HUGE_BLOCKS: f64 = 200e3;
/// Causes that are looked at, as far as the time for it lasts; a suite with more has its names for the first ones.
const CAUSES: usize = 400;
/// Ways of one cause that are looked at, unless the first two agree.
const WAYS: usize = 24;
/// Share of the suspects' budget that the looks may take on top of it.
const SHARE: f64 = 0.5;

/// The causes of a case, those that only a counter shows kept apart by test: two native leaks have nothing in common.
pub fn causes(case: &Case) -> BTreeSet<String> {
    if case.growths.is_empty() {
        case.fits
            .keys()
            .map(|counter| format!("{}@{}", counter.name(), case.leader))
            .collect()
    } else {
        case.causes()
    }
}

/// Looks at a case of each cause, in a new worker of `slot`, and leaves what was found with the case. What cannot be
/// found out leaves the finding without a holder; nothing else depends on it.
pub fn all(run: &mut Run, bench: &Bench<'_>, slot: &mut Slot<'_>, directory: &Path) {
    let leaks: Vec<usize> = (0..run.cases.len())
        .filter(|at| run.cases[*at].is_leak())
        // A heap that grows by millions takes minutes to write down, and the container that does it was watched.
        .filter(|at| run.cases[*at].blocks() < HUGE_BLOCKS)
        // Who holds what only filled up says nothing of the rest.
        .filter(|at| !run.cases[*at].settled)
        .collect();
    if leaks.is_empty() {
        return;
    }
    // The one before is full of what the long looks left; a graph of that takes several times as long.
    slot.discard();
    let sets: Vec<BTreeSet<String>> = leaks.iter().map(|at| causes(&run.cases[*at])).collect();
    let mut groups: Vec<Looks> = { group::causes(&sets).into_iter().take(CAUSES) }
        .enumerate()
        .map(|(order, group)| Looks::of(order, &group, &leaks))
        .collect();
    let file = directory.join("heap");
    let mut left = bench.budget.total().as_secs_f64() * SHARE;
    let mut known = KnownHolders::new();
    // What a test shows of an earlier cause is told with that one.
    let mut home = BTreeMap::new();
    for (order, group) in groups.iter().enumerate() {
        for at in &group.cases {
            home.entry(*at).or_insert(order);
        }
    }
    // One look at each cause before any gets a second one: the time may end.
    for looks in [1, WAYS] {
        for order in 0..groups.len() {
            let cases = groups[order].cases.iter().copied();
            let cases: Vec<usize> = cases.filter(|at| looks > 1 || home[at] == order).collect();
            for at in representatives(run, &cases).into_iter().take(looks) {
                if left < 0.0 || INTERRUPTED.load(Ordering::SeqCst) {
                    break;
                }
                if groups[order].speaks_for(run, at) {
                    continue;
                }
                if let Some(diagnosis) = look_at(run, bench, slot, at, &file) {
                    left -= diagnosis.cost.0;
                    describe(run, slot, &diagnosis);
                    groups[home[&at]].learn(run, at, diagnosis, &mut known);
                    groups[order].found.push(at);
                }
            }
        }
    }
    for group in groups {
        if let Some(first) = group.found.first()
            && let Some(diagnosis) = &mut run.cases[*first].diagnosis
        {
            diagnosis.covers.extend(group.covered);
        }
    }
}

/// Who holds what is known of so far: by cause, of which group, and the holder's name.
type KnownHolders = BTreeMap<String, (usize, String)>;

/// The looks at one cause.
struct Looks {
    /// Its place among all: causes that come earlier explain what they share with later ones.
    order: usize,
    /// Places and counters that belong to it.
    covered: BTreeSet<String>,
    /// In which cases it shows.
    cases: Vec<usize>,
    /// At which of them was looked.
    found: Vec<usize>,
}

impl Looks {
    fn of(order: usize, group: &group::Group<String>, leaks: &[usize]) -> Looks {
        Looks {
            order,
            covered: group.core.union(&group.extra).cloned().collect(),
            cases: group.tests.iter().map(|at| leaks[*at]).collect(),
            found: Vec::new(),
        }
    }

    /// Whether what is known needs no look at this case: the first two agree, and in one that was looked at the same
    /// containers grow, as far as these are known, and the same resources.
    fn speaks_for(&self, run: &Run, at: usize) -> bool {
        let case = &run.cases[at];
        let first: Vec<&Case> = self
            .found
            .iter()
            .take(2)
            .map(|at| &run.cases[*at])
            .collect();
        let name = |case: &Case| Some(case.diagnosis.as_ref()?.name()?.to_owned());
        let agreed = matches!(first[..], [one, other] if name(one) == name(other));
        agreed
            && self.found.iter().any(|other| {
                let other = &run.cases[*other];
                other.filled() == case.filled() && other.resources() == case.resources()
            })
    }

    fn learn(&self, run: &mut Run, at: usize, mut diagnosis: Diagnosis, known: &mut KnownHolders) {
        let earlier = |cause: &String| {
            let told = known.get(cause).filter(|(order, _)| *order < self.order)?;
            (!self.covered.contains(cause)).then_some(told)
        };
        let causes = causes(&run.cases[at]);
        // A test may show two leaks: what holds the other one is known from a test that shows it alone.
        let others: Vec<&str> = { causes.iter().filter_map(earlier) }
            .map(|(_, name)| name.as_str())
            .collect();
        let open: BTreeSet<String> = { causes.iter() }
            .filter(|cause| earlier(cause).is_none())
            .cloned()
            .collect();
        diagnosis.prefer(|route| !others.contains(&&*route.holder.name));
        if let Some(name) = diagnosis.name() {
            for cause in &open {
                let of_it = known
                    .entry(cause.clone())
                    .or_insert((self.order, String::new()));
                if of_it.0 >= self.order {
                    *of_it = (self.order, name.to_owned());
                }
            }
        }
        diagnosis.covers = open;
        run.cases[at].diagnosis = Some(diagnosis);
    }
}

/// Asks for the function and the text of the lines that the holders' objects come from.
pub(super) fn describe(run: &mut Run, slot: &mut Slot<'_>, diagnosis: &Diagnosis) {
    let places: Vec<Place> = diagnosis
        .routes
        .iter()
        .flat_map(|route| route.born.iter().take(FRAMES_SHOWN))
        .chain(&diagnosis.made)
        .filter(|place| !run.sources.contains_key(*place))
        .cloned()
        .collect();
    run.sources.extend(slot.describe(places));
}

/// One case for each way in which a cause shows, those that show it most purely first.
fn representatives(run: &Run, cases: &[usize]) -> Vec<usize> {
    let mut members: Vec<(usize, BTreeSet<String>, usize)> = { cases.iter().copied() }
        .filter(|at| run.cases[*at].diagnosis.is_none())
        .map(|at| (run.cases[at].test, causes(&run.cases[at]), at))
        .collect();
    members.sort_by_key(|(test, causes, _)| (causes.len(), *test));
    // Places may be the same where what fills, or how fast, is not: then something else holds.
    let mut ways = BTreeSet::new();
    members.retain(|(_, causes, at)| {
        let case = &run.cases[*at];
        let rate = case.blocks().round() as i64;
        ways.insert((causes.clone(), case.filled(), case.resources(), rate))
    });
    members.into_iter().map(|(.., at)| at).take(WAYS).collect()
}

fn look_at(
    run: &mut Run,
    bench: &Bench<'_>,
    slot: &mut Slot<'_>,
    at: usize,
    file: &Path,
) -> Option<Diagnosis> {
    let case = &run.cases[at];
    let (worker, index) = slot.worker_for(&run.tests, case.test).ok()??;
    let found = one(worker, bench, case, index, file);
    let _ = std::fs::remove_file(file);
    match found {
        Ok(found) => found,
        Err(loss) => {
            if loss != Loss::Interrupted {
                let id = &run.tests[case.test].id;
                run.notes.push(format!(
                    "who holds what {id} leaves was not found out: {}",
                    loss.line()
                ));
            }
            slot.discard();
            None
        }
    }
}

/// What is known of what a case leaves. One that was not looked at itself leaves what those leave that stand at the same
/// places.
pub fn told_of<'a>(run: &'a Run, case: &'a Case) -> Option<&'a Diagnosis> {
    case.diagnosis.as_ref().or_else(|| {
        let causes = causes(case);
        let mut others = { run.cases.iter() }.filter_map(|other| other.diagnosis.as_ref());
        others.find(|other| other.covers.is_superset(&causes))
    })
}

/// Whether nothing grows but `counter`, where blocks are counted as well. Of `heap`: what is too large for a block, an entry of a
/// cache that is written again, longer each time. Of `maps`: a mapping that an object holds would come with that object, so
/// what is new there takes the place of others, as in a cache that is full.
fn grows_only(case: &Case, counter: Counter) -> bool {
    case.series.contains_key(&Counter::Blocks)
        && !case.fits.is_empty()
        && case.fits.keys().all(|other| *other == counter)
}

fn one(
    worker: &mut Worker,
    bench: &Bench<'_>,
    case: &Case,
    index: usize,
    file: &Path,
) -> Result<Option<Diagnosis>, Loss> {
    match survey(worker, bench, case, index, file)? {
        Some(heap) => {
            let mut diagnosis = explain(worker, bench, case, &heap)?;
            lines::find(worker, bench, case, &heap, &mut diagnosis)?;
            diagnosis.elsewhere = children::grown(worker, bench, case)?;
            if grows_only(case, Counter::Maps) {
                diagnosis = diagnosis.without_objects();
            }
            Ok(Some(diagnosis))
        }
        None => Ok(None),
    }
}

/// Runs some iterations of the test of `case`, has the heap written to `file`, and decides who holds what grew.
pub(super) fn survey(
    worker: &mut Worker,
    bench: &Bench<'_>,
    case: &Case,
    index: usize,
    file: &Path,
) -> Result<Option<Heap>, Loss> {
    let opened = screen::run(worker, orders::Run::within(index, case.wider))?;
    if opened.outcome.status != Status::Passed {
        return Ok(None);
    }
    // Asking takes iterations, and a process has few descriptors to lose.
    let mut ended = Vec::new();
    if !case.fits.keys().any(|counter| counter.is_scarce()) {
        // In the process that judged the test what it fills may have been full by the time it was asked there.
        let ends = ask(worker, 1, false)?;
        bench.budget.spend(ends.cpu);
        ended = ends.ended;
    }
    let order = |frames| orders::Dump {
        iterations: iterations(case),
        file: name::to_text(file),
        frames,
    };
    // Where tracing found no place, or spoiled the test, it is left off.
    let frames = if case.growths.is_empty() { 0 } else { FRAMES };
    let mut dumped = worker.ask(order(frames))?;
    if dumped.graph.is_none() && frames > 0 {
        dumped = worker.ask(order(0))?;
    }
    let Dumped {
        graph: Some(dump),
        cpu,
        resources,
        ..
    } = dumped
    else {
        return Ok(None);
    };
    let Ok(mut graph) = Graph::of_file(file, &dump) else {
        return Ok(None);
    };
    ended::disregard(&mut graph, &dump, &ended, bench.places);
    if grows_only(case, Counter::Heap) {
        let each = case.fits.values().map(|fit| fit.rate.value).sum();
        ended::disregard_small(&mut graph, each);
    }
    Ok(Some(Heap {
        decision: holder::decide(&graph, &dump, bench.places),
        graph,
        dump,
        resources,
        cpu: opened.cpu + cpu,
    }))
}

/// Puts in words what was decided from a heap that the worker wrote down last.
pub(super) fn explain(
    worker: &mut Worker,
    bench: &Bench<'_>,
    case: &Case,
    heap: &Heap,
) -> Result<Diagnosis, Loss> {
    let Heap {
        graph,
        dump,
        decision,
        ..
    } = heap;
    let holders: Vec<&Chosen> = decision.holders.iter().chain(&decision.others).collect();
    let mut paths: Vec<Vec<u64>> = holders
        .iter()
        .map(|chosen| graph.ids_of(&chosen.way))
        .collect();
    let hidden = decision.hidden.as_ref().map(|way| {
        let closed: Vec<u32> = way.iter().chain(way.first()).copied().collect();
        paths.push(graph.ids_of(&closed));
        // A dictionary on the way to a time is only unknown because it has nothing but that.
        let is_opaque = |node: &&u32| dump.is_opaque(graph.kinds[**node as usize]);
        let is_unknown = |node: &&u32| !graph.is_tracked(**node);
        let opaque = way.iter().find(is_opaque);
        let unknown = opaque.or_else(|| way.iter().find(is_unknown));
        let through = unknown.map_or("", |node| graph.type_of(*node)).to_owned();
        let mut names = way.iter().map(|node| graph.type_of(*node));
        let class = names.find(|name| name.contains('.') && *name != through);
        (through, opaque.is_some(), class.map(str::to_owned))
    });
    let lone = decision.lost_example.iter().chain(&decision.examples);
    paths.extend(lone.map(|node| graph.ids_of(&[*node])));
    let named = worker.ask(orders::Name { paths })?;
    let (mut named, mut born) = (named.paths.into_iter(), named.places.into_iter());
    let terrain = Terrain::new(graph, dump, bench.places);
    let ways = Ways::search(graph, &terrain, &[]);
    let in_words = |chosen: &Chosen, steps: Option<Vec<Step>>, born: Option<Vec<Place>>| {
        let root = root_of(&ways, chosen.way.first().copied(), chosen.phase);
        let mut route = route::describe(chosen, &root, steps?, graph.iterations)?;
        route.born = sites::from_chosen(&born.unwrap_or_default(), bench.places).to_vec();
        Some(route)
    };
    let mut worded: Vec<Option<Route>> = holders
        .iter()
        .zip(named.by_ref().take(holders.len()))
        .map(|(chosen, steps)| in_words(chosen, steps, born.next()))
        .collect();
    let made = decision.lost_example.and_then(|_| {
        named.next();
        born.next()
    });
    let hidden = hidden.and_then(|(through, opaque, class)| {
        let steps = named.next().flatten()?;
        born.next();
        Some(Hidden {
            ring: ring::hidden(&steps, &through, opaque)?,
            through,
            class,
        })
    });
    let others = worded.split_off(decision.holders.len());
    let mut holding: Vec<Route> = worded.into_iter().flatten().collect();
    holding.sort_by_key(Route::is_listing);
    let mut routes: Vec<Route> = one_with_others(holding.into_iter()).into_iter().collect();
    for other in others.into_iter().flatten() {
        if routes
            .iter()
            .all(|route| route.holder.name != other.holder.name)
        {
            routes.push(other);
        }
    }
    if routes
        .first()
        .is_some_and(|route| route.holder.name == FINALIZERS)
    {
        routes.sort_by_key(Route::is_listing);
    }
    let mut types = decision.types.clone();
    for (growth, steps) in types.iter_mut().zip(named) {
        growth.example = steps.and_then(|steps| steps.into_iter().next()?.example);
    }
    let is_counted = [Counter::Blocks, Counter::ChildMemory].map(|of| case.fits.contains_key(&of));
    if is_counted.contains(&true) && types.is_empty() {
        types.extend(routes.first().and_then(Route::entries));
    }
    // Entries of a container that only became longer have no type of their own.
    let gained = routes.iter().filter_map(|route| route.gained_each);
    let found = gained.fold(types.iter().map(|growth| growth.count).sum(), f64::max);
    if !routes.is_empty() && case.is_next_to_nothing(found) {
        routes.clear();
        types.clear();
    }
    Ok(Diagnosis {
        covers: BTreeSet::new(),
        plain: decision.plain && routes.first().is_some_and(|route| is_plain(route, dump)),
        alone: decision.holders.first().is_none_or(|first| first.alone),
        // An object that is untracked and referred to by one that is not new would make that longer, or be its only
        // change; and objects that are tracked would be counted.
        unseen: routes.is_empty()
            && case.is_of_blocks_alone()
            && case.growths.iter().any(|growth| growth.count.grows()),
        calls: Vec::new(),
        routes,
        types,
        lost: decision.lost.clone(),
        opaque: decision.opaque.clone(),
        hidden,
        exits: exits(dump),
        resources: heap.resources.clone(),
        elsewhere: Vec::new(),
        made: sites::from_chosen(&made.unwrap_or_default(), bench.places).to_vec(),
        cost: (heap.cpu, graph.len()),
    })
}

/// Whether the entries are known to be plain that a container only became longer by: in the heap as it was written down
/// are none that the collector does not know.
fn is_plain(route: &Route, dump: &Dump) -> bool {
    let mut types = dump.types.iter().zip(&dump.owners);
    route.gain != Gain::Length
        || match types.find(|(name, _)| **name == route.kept) {
            Some((_, owns)) => !owns,
            None => !route.kept.is_empty() && !route.kept.contains('.'),
        }
}

fn root_of(ways: &Ways, first: Option<u32>, phase: Phase) -> Root {
    first
        .and_then(|first| ways.root(first).cloned())
        .unwrap_or(if phase == Phase::Runner {
            Root::Runner
        } else {
            Root::Outside
        })
}

/// The first place, which says the further ones; two ways to one place are one.
fn one_with_others(mut routes: impl Iterator<Item = Route>) -> Option<Route> {
    let mut first = routes.next()?;
    for route in routes {
        if first.holder.name != route.holder.name {
            first.holder.also.push(route.holder.text);
        }
    }
    Some(first)
}

fn exits(dump: &Dump) -> f64 {
    let iterations = dump.cohorts.len().max(1);
    dump.exits as f64 / iterations as f64
}
