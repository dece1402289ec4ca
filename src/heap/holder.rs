//! Which object should have let go: where growth enters the part of the heap that was there before the window.

use std::collections::{BTreeMap, HashSet};

use super::{
    cycle,
    graph::{Dump, Graph, most_of},
    owned::{NEARBY, Owned},
    owner::Places,
    path::{Phase, Terrain, Ways},
    types,
};
use crate::finding::TypeGrowth;

/// Holders that are named: the first, and those that keep the same objects alive besides it.
const HOLDERS: usize = 3;
/// A container that is filled now and then gains more entries than this while it is looked at.
const SELDOM: i64 = 1;
/// A place that keeps less than this share of the survivors is no holder of theirs.
const LEAST_SHARE: f64 = 0.1;

/// How a holder comes to hold more and more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gain {
    /// It refers to new objects of every iteration.
    Entries,
    /// It refers to the newest object, which refers to the one before it, and so on.
    Newest,
    /// It is the first of a chain that grows at its other end.
    Chain,
    /// It has more entries, none of them an object of its own.
    Length,
}

/// A holder: a way through the heap, and where on it the growth enters.
#[derive(Debug, Clone, PartialEq)]
pub struct Chosen {
    /// Objects of the way, outermost first.
    pub way: Vec<u32>,
    /// Place of the holder in `way`; what follows was born in the window.
    pub at: usize,
    /// How it grows.
    pub gain: Gain,
    /// Entries gained over the whole window, where it has a length.
    pub gained: Option<(i64, i64)>,
    /// In which phase of the search it was reached.
    pub phase: Phase,
    /// Whether nothing else would keep the survivors without it.
    pub alone: bool,
}

/// What was decided from a heap.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The holder first, then what holds the same objects besides.
    pub holders: Vec<Chosen>,
    /// Holders of other objects that grew in the same test.
    pub others: Vec<Chosen>,
    /// Growth per iteration by type, the type that tells most first.
    pub types: Vec<TypeGrowth>,
    /// One object of each of the types.
    pub examples: Vec<u32>,
    /// Objects of every iteration that nothing in Python leads to: type and count per iteration.
    pub lost: Vec<(String, f64)>,
    /// The newest of the first type of these.
    pub lost_example: Option<u32>,
    /// The type of an object that one of these refers to, and which may refer back without anybody seeing it.
    pub opaque: Option<String>,
    /// Where nothing holds and nothing is lost: a cycle that the collector does not see.
    pub hidden: Option<Vec<u32>>,
    /// Whether no object that stays can have memory with it that Python knows nothing of.
    pub plain: bool,
}

struct Vote {
    bytes: u64,
    phase: Phase,
    /// The iteration of the first survivor, and whether there are survivors of others.
    born: u16,
    again: bool,
}

/// Decides who holds what grew.
pub fn decide(graph: &Graph, dump: &Dump, places: &Places) -> Decision {
    let terrain = Terrain::new(graph, dump, places);
    let ways = Ways::search(graph, &terrain, &[]);
    let voters = graph.voters();
    let votes = |node: u32| voters.contains(&graph.born(node));
    let owned = Owned::new(graph, dump, places);

    let mut holders: Vec<Chosen> = Vec::new();
    let mut without: Vec<u32> = Vec::new();
    let mut searched = None;
    let mut sought: Option<HashSet<u32>> = None;
    let mut others = Vec::new();
    while holders.len() < HOLDERS {
        let now = searched.as_ref().unwrap_or(&ways);
        let entries = entries(graph, now);
        let Some((entry, members)) = elect(graph, now, &entries, sought.as_ref(), &votes) else {
            break;
        };
        if sought.is_none() {
            others = apart(graph, now, &entries, entry, &votes)
                .into_iter()
                .map(|other| chosen(graph, now, &owned, &entries, other, &voters))
                .collect();
        }
        if let Some(last) = holders.last_mut() {
            last.alone = false;
        }
        holders.push(chosen(graph, now, &owned, &entries, entry, &voters));
        if sought.is_none() {
            sought = Some(members);
        }
        without.push(entry);
        searched = Some(Ways::search(graph, &terrain, &without));
    }
    // Those named last were taken to be alone because nobody looked further.
    if let [first, .., last] = &mut holders[..] {
        last.alone = false;
        first.alone = false;
    }
    if holders.is_empty() {
        holders.extend(lengthened(graph, &ways, &owned));
    }
    // Of a container that only became longer nothing that it holds can be told apart: then no type leads.
    let leading = holders.first().map(|holder| {
        let held = holder.way.get(holder.at + 1..).and_then(<[u32]>::last);
        // A root that is itself new each time is what it holds.
        let new = || holder.way.last().filter(|node| graph.born(**node) > 0);
        held.or_else(new).map_or("", |node| graph.type_of(*node))
    });
    let (types, examples) = types::growth(graph, dump, leading);
    let (lost, lost_example) = lost(graph, &ways, &voters);
    let hidden = (holders.is_empty() && lost.is_empty())
        .then(|| cycle::hidden(graph))
        .flatten();
    Decision {
        hidden,
        plain: is_plain(graph, dump),
        opaque: opaque(graph, dump, &ways).filter(|_| !lost.is_empty()),
        lost,
        lost_example,
        holders,
        others,
        types,
        examples,
    }
}

/// What the collector cannot look into, and objects of the window refer to that nothing leads to.
fn opaque(graph: &Graph, dump: &Dump, ways: &Ways) -> Option<String> {
    let voters = graph.voters();
    let votes = |node: &u32| voters.contains(&graph.born(*node));
    let is_opaque = |node: &u32| dump.is_opaque(graph.kinds[*node as usize]);
    (0..graph.len() as u32)
        .filter(|node| votes(node) && ways.phase(*node).is_none())
        .flat_map(|node| graph.targets(node))
        .find(|target| votes(target) && is_opaque(target))
        .map(|target| graph.type_of(*target).to_owned())
}

fn is_plain(graph: &Graph, dump: &Dump) -> bool {
    let voters = graph.voters();
    let owns = |node: u32| dump.owners.get(graph.kinds[node as usize] as usize) == Some(&true);
    // What an older worker wrote down says nothing of it.
    !dump.owners.is_empty()
        && !(0..graph.len() as u32).any(|node| voters.contains(&graph.born(node)) && owns(node))
}

/// Entries of other objects than the first one's, as long as they keep a noticeable share.
fn apart(
    graph: &Graph,
    ways: &Ways,
    entries: &[u32],
    first: u32,
    votes: &dyn Fn(u32) -> bool,
) -> Vec<u32> {
    let mut bytes: BTreeMap<u32, u64> = BTreeMap::new();
    for node in ways.order.iter().filter(|node| votes(**node)) {
        if ways.phase(*node) != Some(Phase::Runner) {
            *bytes.entry(entries[*node as usize]).or_insert(0) +=
                graph.sizes[*node as usize].max(1);
        }
    }
    let total: u64 = bytes.values().sum();
    let mut found: Vec<(u64, u32)> = bytes
        .into_iter()
        .filter(|(entry, bytes)| *entry != first && *bytes as f64 >= total as f64 * LEAST_SHARE)
        .map(|(entry, bytes)| (bytes, entry))
        .collect();
    found.sort_unstable_by(|a, b| b.cmp(a));
    found
        .into_iter()
        .map(|(_, entry)| entry)
        .take(HOLDERS)
        .collect()
}

/// For every survivor, the object of before the window through which its way enters; itself where it is a root.
fn entries(graph: &Graph, ways: &Ways) -> Vec<u32> {
    let mut entries = vec![u32::MAX; graph.len()];
    for node in &ways.order {
        if graph.born(*node) == 0 {
            continue;
        }
        entries[*node as usize] = match ways.parent(*node) {
            None => *node,
            Some(parent) if graph.born(parent) == 0 => parent,
            Some(parent) => entries[parent as usize],
        };
    }
    entries
}

/// The entry that most of the voting survivors (of `sought`, where given) come through, by bytes.
fn elect(
    graph: &Graph,
    ways: &Ways,
    entries: &[u32],
    sought: Option<&HashSet<u32>>,
    votes: &dyn Fn(u32) -> bool,
) -> Option<(u32, HashSet<u32>)> {
    let mut found: BTreeMap<u32, Vote> = BTreeMap::new();
    let mut total = 0;
    for node in &ways.order {
        if !votes(*node) || sought.is_some_and(|sought| !sought.contains(node)) {
            continue;
        }
        let Some(phase) = ways.phase(*node) else {
            continue;
        };
        // The runner's share is nobody's leak, unless there is nothing else.
        if phase == Phase::Runner && sought.is_some() {
            continue;
        }
        let size = graph.sizes[*node as usize].max(1);
        total += size;
        let vote = found.entry(entries[*node as usize]).or_insert(Vote {
            bytes: 0,
            phase,
            born: graph.born(*node),
            again: false,
        });
        vote.bytes += size;
        vote.again |= vote.born != graph.born(*node);
    }
    let wanted = sought.map_or(0.0, |sought| {
        // What only shares a small part with the first is no holder of the same.
        let all: u64 = sought
            .iter()
            .map(|node| graph.sizes[*node as usize].max(1))
            .sum();
        all as f64 * 0.5
    });
    // What came in one of several iterations came once.
    let several = graph.voters().count() > 2;
    let share = |vote: &Vote| {
        vote.bytes as f64 >= (total as f64 * LEAST_SHARE).max(wanted) && (vote.again || !several)
    };
    let entry = found
        .iter()
        .filter(|(_, vote)| share(vote))
        .max_by(|a, b| {
            let runner = |vote: &Vote| vote.phase == Phase::Runner;
            (!runner(a.1), a.1.bytes, std::cmp::Reverse(a.0)).cmp(&(
                !runner(b.1),
                b.1.bytes,
                std::cmp::Reverse(b.0),
            ))
        })
        .map(|(entry, _)| *entry)?;
    let members = ways
        .order
        .iter()
        .copied()
        .filter(|node| entries[*node as usize] == entry && votes(*node))
        .collect();
    Some((entry, members))
}

fn chosen(
    graph: &Graph,
    ways: &Ways,
    owned: &Owned<'_>,
    entries: &[u32],
    entry: u32,
    voters: &std::ops::RangeInclusive<u16>,
) -> Chosen {
    let phase = ways.phase(entry).unwrap_or(Phase::Outside);
    let mut way = ways.to(entry);
    if graph.born(entry) > 0 {
        // A root of the interpreter's is itself new each time; it refers to the ones before.
        return Chosen {
            at: 0,
            gain: Gain::Newest,
            gained: None,
            phase,
            alone: true,
            way,
        };
    }
    let children: Vec<u32> = graph
        .targets(entry)
        .iter()
        .copied()
        .filter(|child| graph.born(*child) > 0)
        .collect();
    let covered: HashSet<u16> = children
        .iter()
        .map(|child| graph.born(*child))
        .filter(|born| voters.contains(born))
        .collect();
    let leaving: HashSet<u16> = ways
        .order
        .iter()
        .filter(|node| entries[**node as usize] == entry)
        .map(|node| graph.born(*node))
        .filter(|born| voters.contains(born))
        .collect();
    let needed = most_of(leaving.len());
    let gain = if covered.len() >= needed {
        Gain::Entries
    } else if children
        .iter()
        .any(|child| graph.born(*child) > *voters.end())
    {
        Gain::Newest
    } else {
        Gain::Chain
    };
    let at_newest = |child: &u32| {
        let born = graph.born(*child);
        // Of the voting iterations the last one; where none is there, the newest.
        (voters.contains(&born), born)
    };
    let best = children.iter().map(at_newest).max();
    let candidates = children
        .iter()
        .filter(|child| Some(at_newest(child)) == best);
    let told = candidates
        .map(|child| owned.telling(graph, *child))
        .max_by_key(|(inner, telling)| {
            (
                *telling,
                std::cmp::Reverse(inner.len()),
                inner.first().map(|node| graph.sizes[*node as usize]),
            )
        });
    let mut inner = told.map_or_else(Vec::new, |(inner, _)| inner);
    if gain != Gain::Entries
        && let Some(further) = inner.last().and_then(|node| lasting(graph, *node, voters))
    {
        inner.extend(further);
    }
    let mut at = way.len() - 1;
    if gain == Gain::Chain {
        at = head_of_chain(graph, &way, &inner).unwrap_or(at);
    }
    way.extend(inner);
    let (before, now) = (graph.before[entry as usize], graph.lengths[entry as usize]);
    Chosen {
        at,
        gain,
        gained: (before >= 0 && now >= 0).then_some((before, now)),
        phase,
        alone: true,
        way,
    }
}

/// From an object that is replaced in every iteration on to the nearest one that stays, where its own type does not.
fn lasting(graph: &Graph, start: u32, voters: &std::ops::RangeInclusive<u16>) -> Option<Vec<u32>> {
    let stays = |node: u32| voters.contains(&graph.born(node));
    let kind = graph.type_of(start);
    if (0..graph.len() as u32).any(|node| stays(node) && graph.type_of(node) == kind) {
        return None;
    }
    let mut ways = std::collections::VecDeque::from([vec![start]]);
    let mut looked_at = 0;
    while let Some(way) = ways.pop_front() {
        let node = *way.last()?;
        if stays(node) {
            return Some(way[1..].to_vec());
        }
        looked_at += 1;
        if looked_at > NEARBY {
            break;
        }
        for target in graph.targets(node) {
            if graph.born(*target) > 0 && !way.contains(target) {
                let mut further = way.clone();
                further.push(*target);
                ways.push_back(further);
            }
        }
    }
    None
}

/// The end of a chain that was there before is an object like the survivors; its holder is what refers to the first
/// object of that type.
fn head_of_chain(graph: &Graph, way: &[u32], inner: &[u32]) -> Option<usize> {
    let kind = inner
        .iter()
        .map(|node| graph.type_of(*node))
        .find(|name| *name != "dict")?;
    let first = way.iter().position(|node| graph.type_of(*node) == kind)?;
    first.checked_sub(1)
}

/// Containers that have more entries without having new objects: strings, numbers, `None`.
/// Those that gain some in most iterations first, then such as do so now and then.
fn lengthened(graph: &Graph, ways: &Ways, owned: &Owned<'_>) -> Option<Chosen> {
    let most = i64::from(graph.iterations) / 2;
    longer(graph, ways, owned, most).or_else(|| longer(graph, ways, owned, SELDOM))
}

/// The first of those that gained more than `least` entries.
fn longer(graph: &Graph, ways: &Ways, owned: &Owned<'_>, least: i64) -> Option<Chosen> {
    let iterations = i64::from(graph.iterations);
    let found = (0..graph.len() as u32)
        .filter(|node| graph.gained(*node) > least)
        .filter_map(|node| {
            let phase = ways.phase(node)?;
            let way = ways.to(node);
            let theirs = way.first().is_some_and(|root| owned.is_users(*root));
            let uneven = graph.gained(node) % iterations.max(1) != 0;
            // The outermost: one that is new and untracked may have got the identity of another that was there.
            let order = (phase, uneven, !theirs, way.len(), -graph.gained(node), node);
            Some((order, way))
        })
        .min();
    found.map(|((phase, _, _, _, _, node), way)| Chosen {
        at: way.len() - 1,
        gain: Gain::Length,
        gained: Some((graph.before[node as usize], graph.lengths[node as usize])),
        phase,
        alone: true,
        way,
    })
}

/// Objects of every iteration that nothing leads to, although something counts as referring to them.
fn lost(
    graph: &Graph,
    ways: &Ways,
    voters: &std::ops::RangeInclusive<u16>,
) -> (Vec<(String, f64)>, Option<u32>) {
    let mut found: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    for node in 0..graph.len() as u32 {
        let at = node as usize;
        if voters.contains(&graph.born(node))
            && ways.phase(node).is_none()
            && graph.counts[at] > i64::from(graph.referrers[at])
        {
            let entry = found.entry(graph.type_of(node)).or_insert((0, node));
            entry.0 += 1;
            if graph.born(node) >= graph.born(entry.1) {
                entry.1 = node;
            }
        }
    }
    let each = voters.clone().count().max(1) as f64;
    found.retain(|_, (count, _)| f64::from(*count) * 2.0 >= each);
    let newest = found.values().next().map(|(_, newest)| *newest);
    let lost = found
        .into_iter()
        .map(|(name, (count, _))| (name.to_owned(), f64::from(count) / each));
    (lost.collect(), newest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heap::graph::tests::graph;

    fn dump() -> Dump {
        Dump {
            modules: vec![(0, "app".to_owned(), Some("/p/app.py".to_owned()))],
            split_dicts: true,
            ..Dump::default()
        }
    }

    fn places() -> Places {
        Places {
            project: "/p".into(),
            bridge: "/b".into(),
            ..Places::default()
        }
    }

    fn decided(objects: &[(&str, u16, &[u32])]) -> Decision {
        decide(&graph(objects, 4), &dump(), &places())
    }

    #[test]
    fn the_list_that_gains_an_entry_in_each_iteration_holds() {
        let decision = decided(&[
            ("module", 0, &[1]),
            ("dict", 0, &[2]),
            ("list", 0, &[3, 4, 5, 6]),
            ("method", 1, &[]),
            ("method", 2, &[7]),
            ("method", 3, &[8]),
            ("method", 4, &[]),
            ("app.Screen", 2, &[]),
            ("app.Screen", 3, &[]),
        ]);
        let holder = &decision.holders[0];
        assert_eq!((holder.gain, holder.at), (Gain::Entries, 2));
        // On to the object of the project's class, in the newest iteration that votes.
        assert_eq!(holder.way, [0, 1, 2, 5, 8]);
        assert!(holder.alone);
        assert_eq!(decision.types[0].name, "app.Screen");
        assert!((decision.types[0].count - 0.5).abs() < 1e-9);
        assert!(decision.lost.is_empty());
    }

    #[test]
    fn a_second_place_that_keeps_the_same_is_named_too() {
        let decision = decided(&[
            ("module", 0, &[1]),
            ("dict", 0, &[2, 3]),
            ("list", 0, &[4, 5]),
            ("set", 0, &[4, 5]),
            ("app.Screen", 2, &[]),
            ("app.Screen", 3, &[]),
        ]);
        let at: Vec<u32> = decision.holders.iter().map(|one| one.way[one.at]).collect();
        assert_eq!(at, [2, 3]);
        assert!(!decision.holders[0].alone);
    }

    #[test]
    fn a_chain_is_held_by_what_refers_to_its_first_link() {
        // Appended at the end: 2 and 3 were there before.
        let decision = decided(&[
            ("module", 0, &[1]),
            ("dict", 0, &[2]),
            ("app.Link", 0, &[3]),
            ("app.Link", 0, &[4]),
            ("app.Link", 1, &[5]),
            ("app.Link", 2, &[6]),
            ("app.Link", 3, &[]),
        ]);
        let holder = &decision.holders[0];
        assert_eq!((holder.gain, holder.at), (Gain::Chain, 1));
        // Put in front: the module's variable is the newest one each time.
        let decision = decided(&[
            ("module", 0, &[1]),
            ("dict", 0, &[2]),
            ("app.Link", 4, &[3]),
            ("app.Link", 3, &[4]),
            ("app.Link", 2, &[]),
        ]);
        let holder = &decision.holders[0];
        assert_eq!((holder.gain, holder.at), (Gain::Newest, 1));
    }

    #[test]
    fn entries_that_are_no_objects_show_by_the_length() {
        let mut graph = graph(
            &[("module", 0, &[1]), ("dict", 0, &[2]), ("list", 0, &[])],
            4,
        );
        graph.before[2] = 10;
        graph.lengths[2] = 14;
        let decision = decide(&graph, &dump(), &places());
        assert_eq!(decision.holders[0].gain, Gain::Length);
        assert_eq!(decision.holders[0].gained, Some((10, 14)));
        graph.lengths[2] = 11;
        assert!(decide(&graph, &dump(), &places()).holders.is_empty());
    }

    #[test]
    fn more_references_than_referrers_are_held_from_outside() {
        let mut graph = graph(
            &[
                ("module", 0, &[]),
                ("list", 2, &[]),
                ("list", 3, &[]),
                ("dict", 2, &[]),
            ],
            4,
        );
        graph.counts[1] = 1;
        graph.counts[2] = 1;
        let decision = decide(&graph, &dump(), &places());
        assert_eq!(decision.lost, [("list".to_owned(), 1.0)]);
        assert!(decision.holders.is_empty());
    }
}
