//! Looks at what a test leaves to the cycle collector: the cycles in it, whose doing they are, and what they hold open.

use std::{collections::BTreeMap, path::Path};

use super::{
    diagnosis::Place,
    finds::{Cycle, Garbage},
    screen,
};
use crate::{
    explain::sites,
    files::name,
    finding::{Owner, TypeGrowth},
    heap::{
        cycle::{self, Part},
        graph::Graph,
        owner::Places,
        responsibility::{Maker, Makers},
        ring::{self, Ring},
        route::Step,
    },
    worker::{
        Worker,
        loss::Loss,
        orders::{self, Free, Wider},
        protocol::Status,
    },
};

/// Objects in cycles that are asked about; a larger tangle is of more of the same.
const MOST_ASKED: usize = 4000;
/// Objects of one knot from which its shortest cycle is searched.
const MOST_STARTS: usize = 200;
/// Cycles of one test that are named.
const MOST_CYCLES: usize = 12;
const TYPES: usize = 12;
/// One frame tells who made an object; each more costs time on every allocation.
const FRAMES: u32 = 1;
/// Where descriptors hang from a cycle of the standard library's own: from its code to whoever called it.
const DEEP_FRAMES: u32 = 12;

/// Whose cycles are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// Those that would be there without the tests: of the project's and its dependencies' doing.
    Theirs,
    /// Those, and where it has descriptors what the standard library made for them.
    Open,
    /// All of them.
    All,
}

/// Looks at one test. `None` where it did not pass, or could not be looked at.
pub fn look(
    worker: &mut Worker,
    index: usize,
    wider: Wider,
    makers: &Makers<'_>,
    places: &Places,
    file: &Path,
    told: Told,
) -> Result<Option<Garbage>, Loss> {
    // The iteration after the opening of a window leaves what it replaces: that was there before.
    let opened = screen::run(worker, orders::Run::within(index, wider))?;
    if opened.outcome.status != Status::Passed {
        return Ok(None);
    }
    let order = orders::Garbage {
        file: name::to_text(file),
        frames: if told == Told::Open {
            DEEP_FRAMES
        } else {
            FRAMES
        },
    };
    let dumped = worker.ask(order)?;
    let Some(dump) = &dumped.graph else {
        return Ok(None);
    };
    let graph = Graph::of_file(file, dump);
    let mut found = Garbage {
        objects: 0,
        cycles: Vec::new(),
        cpu: opened.cpu + dumped.cpu,
    };
    if let Ok(graph) = &graph {
        let garbage = cycle::garbage(graph);
        found.objects = tracked(
            graph,
            (0..graph.len() as u32).filter(|node| garbage[*node as usize]),
        );
        found.cycles = cycles(worker, graph, garbage, makers, places, told)?;
    }
    let (_, descriptors) = free(worker)?;
    if told == Told::Theirs && found.cycles.is_empty() && !descriptors.is_empty() {
        // An event loop that nobody closed, say: an object of nobody's, with files that stay open for it.
        let again = look(worker, index, wider, makers, places, file, Told::Open)?;
        return Ok(again.map(|again| Garbage {
            cpu: again.cpu + found.cpu,
            ..again
        }));
    }
    assign(&mut found.cycles, descriptors);
    Ok(Some(found))
}

fn free(worker: &mut Worker) -> Result<(usize, Vec<String>), Loss> {
    let freed = worker.ask(Free {})?;
    Ok((freed.objects, freed.descriptors))
}

fn tracked(graph: &Graph, nodes: impl Iterator<Item = u32>) -> usize {
    nodes.filter(|node| graph.is_tracked(*node)).count()
}

/// A frame refers to the one that called it, and so everything in a traceback leads to everything that was running. That
/// is how errors are told, and no cycle of anybody's making.
fn is_call(graph: &Graph, from: u32, to: u32) -> bool {
    from != to && graph.type_of(from) == "frame" && graph.type_of(to) == "frame"
}

/// Whose doing an object is, where it was allocated, and the code that it runs or is made by.
type Made = (Maker, Vec<Place>, Option<Place>);

/// A cycle that was found and has no name yet.
struct Found {
    way: Vec<u32>,
    owner: Owner,
    place: Option<Place>,
    knot: Vec<u32>,
    /// Whether it is the standard library's own, and only has to be closed.
    theirs: bool,
}

fn cycles(
    worker: &mut Worker,
    graph: &Graph,
    garbage: Vec<bool>,
    makers: &Makers<'_>,
    places: &Places,
    told: Told,
) -> Result<Vec<Cycle>, Loss> {
    let ignored = |from: u32, to: u32| is_call(graph, from, to);
    let whole = Part::new(graph, garbage, &ignored);
    let asked: Vec<u32> = whole
        .knots()
        .into_iter()
        .flatten()
        .take(MOST_ASKED)
        .collect();
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let ways = asked.iter().map(|node| graph.ids_of(&[*node]));
    let named = worker.ask(orders::Name {
        paths: ways.collect(),
    })?;
    let mut made: BTreeMap<u32, Made> = BTreeMap::new();
    for ((node, steps), born) in asked.iter().zip(named.paths).zip(named.places) {
        let maker = steps
            .as_ref()
            .and_then(|steps| steps.first())
            .map_or(Maker::Nobody, |step| makers.of(step, &born));
        let code = steps
            .and_then(|steps| steps.into_iter().next())
            .and_then(|step| Some((step.file?, step.line?)));
        made.insert(*node, (maker, born, code));
    }
    let of = |node: &u32| made.get(node).map_or(Maker::Nobody, |(maker, ..)| *maker);
    let mut within = vec![false; graph.len()];
    for node in &asked {
        within[*node as usize] =
            told == Told::All || !matches!(of(node), Maker::Test | Maker::Runner);
    }
    let part = Part::new(graph, within, &ignored);
    let mut found = Vec::new();
    for knot in part.knots() {
        let all = [
            (Maker::Project, Owner::Project),
            (Maker::Dependency, Owner::Dependency),
            (Maker::Test, Owner::Project),
            (Maker::Nobody, Owner::Interpreter),
            (Maker::Runner, Owner::Runner),
        ];
        let blamed = if told == Told::All {
            &all[..]
        } else {
            &all[..2]
        };
        let cycle = blamed.iter().find_map(|(maker, owner)| {
            let mut starts: Vec<u32> = knot
                .iter()
                .copied()
                .filter(|node| of(node) == *maker)
                .collect();
            starts.truncate(MOST_STARTS);
            Some((part.shortest(&starts)?, *owner, None))
        });
        let cycle = cycle.or_else(|| {
            let (owner, place) = made_for(&knot, &made, makers).filter(|_| told == Told::Open)?;
            let starts = &knot[..knot.len().min(MOST_STARTS)];
            Some((part.shortest(starts)?, owner, Some(place)))
        });
        if let Some((way, owner, place)) = cycle {
            let theirs = place.is_some();
            let place = place.or_else(|| place_of(&way, &made, makers, places));
            found.push(Found {
                way: from_the_oldest(graph, way),
                owner,
                place,
                knot,
                theirs,
            });
        }
    }
    told_once(worker, graph, &whole, makers, found)
}

/// For whom a cycle of the standard library's was made, and where they asked for it: whoever had its first object made, if
/// that was no test.
fn made_for(
    knot: &[u32],
    made: &BTreeMap<u32, Made>,
    makers: &Makers<'_>,
) -> Option<(Owner, Place)> {
    let mut nodes = knot.to_vec();
    nodes.sort_unstable();
    let first = nodes
        .iter()
        .filter_map(|node| made.get(node))
        .find_map(|(_, born, _)| {
            born.iter()
                .map(|place| (makers.of_file(&place.0), place))
                .find(|(maker, _)| !matches!(maker, Maker::Nobody | Maker::Runner))
        });
    match first? {
        (Maker::Project, place) => Some((Owner::Project, place.clone())),
        (Maker::Dependency, place) => Some((Owner::Dependency, place.clone())),
        _ => None,
    }
}

/// What refers back came later. A list or the dictionary of an object's attributes is no place to begin at.
fn from_the_oldest(graph: &Graph, mut way: Vec<u32>) -> Vec<u32> {
    let plain = |node: u32| {
        matches!(
            graph.type_of(node),
            "dict" | "list" | "set" | "tuple" | "cell" | "method" | "traceback"
        )
    };
    let first = (0..way.len()).min_by_key(|at| (plain(way[*at]), way[*at]));
    way.rotate_left(first.unwrap_or(0));
    way
}

/// Where an object of a cycle was made, outside of tests if any was. An object that a test makes itself is told by the code
/// of its class: there the cycle is made.
fn place_of(
    way: &[u32],
    made: &BTreeMap<u32, Made>,
    makers: &Makers<'_>,
    places: &Places,
) -> Option<Place> {
    let theirs = |maker: Maker| matches!(maker, Maker::Project | Maker::Dependency);
    let all: Vec<&Made> = way.iter().filter_map(|node| made.get(node)).collect();
    let born = |one: &Made| sites::chosen(&one.1, places);
    let outside = |place: &Place| theirs(makers.of_file(&place.0));
    let own = || all.iter().filter(|one| theirs(one.0));
    own()
        .filter_map(|one| born(one))
        .find(outside)
        .or_else(|| all.iter().filter_map(|one| born(one)).find(outside))
        .or_else(|| own().filter_map(|one| one.2.clone()).find(outside))
        .or_else(|| all.iter().find_map(|one| born(one)))
}

/// Names the cycles, those that go the same way round as one.
fn told_once(
    worker: &mut Worker,
    graph: &Graph,
    whole: &Part<'_>,
    makers: &Makers<'_>,
    found: Vec<Found>,
) -> Result<Vec<Cycle>, Loss> {
    // By types first: names are asked for.
    let mut sorts: BTreeMap<Vec<&str>, Vec<Found>> = BTreeMap::new();
    for one in found {
        let types = one.way.iter().map(|node| graph.type_of(*node)).collect();
        sorts.entry(types).or_default().push(one);
    }
    let mut sorts: Vec<Vec<Found>> = sorts.into_values().collect();
    sorts.sort_by_key(|sort| {
        std::cmp::Reverse(sort.iter().map(|one| one.knot.len()).sum::<usize>())
    });
    // Of what looks alike two may still be called differently.
    let few = sorts.iter().flat_map(|sort| sort.iter().take(MOST_CYCLES));
    let closed: Vec<Vec<u64>> = few
        .map(|one| {
            let mut way = one.way.clone();
            way.extend(one.way.first());
            graph.ids_of(&way)
        })
        .collect();
    let steps = worker.ask(orders::Name { paths: closed })?.paths;
    let mut steps = steps.into_iter();
    let mut named: Vec<(Ring, Owner, Option<Place>, Vec<u32>)> = Vec::new();
    for sort in sorts {
        let mut last = None;
        for (at, one) in sort.into_iter().enumerate() {
            if at < MOST_CYCLES {
                let file = one.place.as_ref().map(|(file, _)| makers.show(file));
                let ring = steps.next().flatten().and_then(|steps| {
                    let root = |step: &Step| makers.root(step);
                    ring::describe(&steps, &root, file.as_deref().unwrap_or_default())
                });
                last = ring.or(last);
                if let (Some(ring), true) = (&mut last, one.theirs) {
                    CLOSE.clone_into(&mut ring.advice);
                }
            }
            let Some(ring) = &last else { continue };
            match named
                .iter_mut()
                .find(|(other, ..)| other.identity == ring.identity)
            {
                Some((.., nodes)) => nodes.extend(one.knot),
                None => named.push((ring.clone(), one.owner, one.place, one.knot)),
            }
        }
    }
    let mut cycles: Vec<Cycle> = named
        .into_iter()
        .map(|(ring, owner, place, nodes)| {
            let kept = whole.kept_by(&nodes);
            Cycle {
                ring,
                owner,
                place,
                objects: tracked(graph, kept.iter().copied()),
                bytes: kept.iter().map(|node| graph.sizes[*node as usize]).sum(),
                types: types(graph, &kept),
                descriptors: Vec::new(),
            }
        })
        .collect();
    cycles.sort_by(|a, b| {
        b.objects
            .cmp(&a.objects)
            .then_with(|| a.ring.identity.cmp(&b.ring.identity))
    });
    cycles.truncate(MOST_CYCLES);
    Ok(cycles)
}

fn types(graph: &Graph, nodes: &[u32]) -> Vec<TypeGrowth> {
    let mut sums: BTreeMap<&str, (u32, u64)> = BTreeMap::new();
    for node in nodes.iter().filter(|node| graph.is_tracked(**node)) {
        let sum = sums.entry(graph.type_of(*node)).or_default();
        sum.0 += 1;
        sum.1 += graph.sizes[*node as usize];
    }
    let mut found: Vec<TypeGrowth> = sums
        .into_iter()
        .map(|(name, (count, bytes))| TypeGrowth {
            name: name.to_owned(),
            count: f64::from(count),
            bytes: bytes as f64,
            retained: None,
            example: None,
        })
        .collect();
    // Containers say least.
    found.sort_by(|a, b| {
        let plain = |growth: &TypeGrowth| !growth.name.contains('.');
        plain(a)
            .cmp(&plain(b))
            .then(b.count.total_cmp(&a.count))
            .then_with(|| a.name.cmp(&b.name))
    });
    found.truncate(TYPES);
    found
}

/// Nobody can fix a cycle of the standard library's, and nobody has to.
const CLOSE: &str = "Close it when its user is done with it: until the collector comes by, its descriptors stay open.";

/// What has a descriptor of its own.
const WITH_DESCRIPTOR: [&str; 9] = [
    "_io.FileIO",
    "_io.BufferedReader",
    "_io.BufferedWriter",
    "_io.TextIOWrapper",
    "socket.socket",
    "_socket.socket",
    "mmap.mmap",
    "select.epoll",
    "sqlite3.Connection",
];

/// Gives the descriptors to the cycle that keeps what has them.
fn assign(cycles: &mut [Cycle], descriptors: Vec<String>) {
    let keeps = |cycle: &Cycle| {
        cycle
            .types
            .iter()
            .any(|growth| WITH_DESCRIPTOR.contains(&&*growth.name))
    };
    let at = cycles.iter().position(keeps);
    if let Some(cycle) = cycles.get_mut(at.unwrap_or(0)) {
        cycle.descriptors = descriptors;
    }
}
