//! What stayed, taken apart by type, by size and by what refers to it, and whether all references to it are explained.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde::Serialize;

use super::graph::Graph;

/// Rows of a table; the rest is one row.
const ROWS: usize = 10;
/// Types of referrers that are named together.
const NAMED: usize = 3;
/// Upper ends of the classes of sizes. Python's own allocator serves requests up to 512 bytes, malloc all others.
const SIZES: [(u64, &str); 5] = [
    (64, "up to 64 B"),
    (512, "65 to 512 B"),
    (4096, "513 B to 4 kB"),
    (65_536, "4 to 64 kB"),
    (u64::MAX, "above 64 kB"),
];

/// A part of the survivors, per iteration.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Share {
    /// What they have in common.
    pub name: String,
    /// How many.
    pub count: f64,
    /// Bytes, each object by itself.
    pub bytes: f64,
}

/// Survivors taken apart in three ways, the largest parts first.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Partition {
    /// The iterations that they were born in, the first and the last.
    pub iterations: (u16, u16),
    /// All of them.
    pub total: Share,
    /// By type.
    pub by_type: Vec<Share>,
    /// By size of the object, small ones first.
    pub by_size: Vec<Share>,
    /// By the types of all objects that refer to one.
    pub by_referrer: Vec<Share>,
    /// References to the newest of them, by type.
    pub references: Vec<References>,
}

/// References to the objects of one type.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct References {
    /// The type.
    pub name: String,
    /// How many objects.
    pub objects: u32,
    /// References that the objects count.
    pub counted: i64,
    /// References from other objects that were found.
    pub found: i64,
    /// Objects that count more than were found: something outside Python's objects refers to them.
    pub unexplained: u32,
}

/// Takes apart what the voting iterations left, as far as `counts` says that a survivor counts.
pub fn of(graph: &Graph, counts: &dyn Fn(u32) -> bool) -> Partition {
    let voters = graph.voters();
    let survivors: Vec<u32> = (0..graph.len() as u32)
        .filter(|node| voters.contains(&graph.born(*node)) && counts(*node))
        .collect();
    let each = voters.clone().count().max(1) as f64;
    let referrers = referrers(graph, &survivors);
    let share = |name: String, nodes: &[u32]| Share {
        name,
        count: nodes.len() as f64 / each,
        bytes: nodes
            .iter()
            .map(|node| graph.sizes[*node as usize])
            .sum::<u64>() as f64
            / each,
    };
    let parts = |name: &dyn Fn(u32) -> String| -> Vec<Share> {
        let mut groups: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        for node in &survivors {
            groups.entry(name(*node)).or_default().push(*node);
        }
        let shares = groups.into_iter().map(|(name, nodes)| share(name, &nodes));
        largest(shares.collect())
    };
    let class = |node: u32| {
        let size = graph.sizes[node as usize];
        SIZES.iter().position(|(end, _)| size <= *end).unwrap_or(0)
    };
    let by_size = SIZES.iter().enumerate().filter_map(|(at, (_, name))| {
        let nodes: Vec<u32> = survivors
            .iter()
            .copied()
            .filter(|node| class(*node) == at)
            .collect();
        (!nodes.is_empty()).then(|| share((*name).to_owned(), &nodes))
    });
    Partition {
        iterations: (*voters.start(), *voters.end()),
        total: share(String::new(), &survivors),
        by_type: parts(&|node| graph.type_of(node).to_owned()),
        by_size: by_size.collect(),
        by_referrer: parts(&|node| named(graph, referrers.get(&node))),
        references: references(graph, &survivors),
    }
}

/// The largest parts, and all others as one.
fn largest(mut shares: Vec<Share>) -> Vec<Share> {
    shares.sort_by(|a, b| {
        b.bytes
            .total_cmp(&a.bytes)
            .then_with(|| b.count.total_cmp(&a.count))
            .then_with(|| a.name.cmp(&b.name))
    });
    if shares.len() > ROWS {
        let rest = shares.split_off(ROWS - 1);
        shares.push(Share {
            name: format!("{} others", rest.len()),
            count: rest.iter().map(|share| share.count).sum(),
            bytes: rest.iter().map(|share| share.bytes).sum(),
        });
    }
    shares
}

/// The types of what refers to each survivor.
fn referrers(graph: &Graph, survivors: &[u32]) -> HashMap<u32, BTreeSet<u32>> {
    let wanted: HashSet<u32> = survivors.iter().copied().collect();
    let mut found: HashMap<u32, BTreeSet<u32>> = HashMap::new();
    for node in 0..graph.len() as u32 {
        if graph.type_of(node).starts_with("leakcheck_bridge.") {
            continue;
        }
        for target in graph.targets(node) {
            if wanted.contains(target) {
                let kind = graph.kinds[node as usize];
                found.entry(*target).or_default().insert(kind);
            }
        }
    }
    found
}

fn named(graph: &Graph, kinds: Option<&BTreeSet<u32>>) -> String {
    let Some(kinds) = kinds else {
        return "no object".to_owned();
    };
    let mut names: Vec<&str> = kinds
        .iter()
        .map(|kind| graph.types.get(*kind as usize).map_or("?", String::as_str))
        .collect();
    names.sort_unstable();
    names.dedup();
    let more = names.len().saturating_sub(NAMED);
    names.truncate(NAMED);
    let mut text = names.join(" and ");
    if more > 0 {
        text.push_str(&format!(" and {more} more types"));
    }
    text
}

/// References to what the last voting iteration left.
fn references(graph: &Graph, survivors: &[u32]) -> Vec<References> {
    let newest = *graph.voters().end();
    let mut found: BTreeMap<&str, References> = BTreeMap::new();
    for node in survivors {
        if graph.born(*node) != newest {
            continue;
        }
        let at = *node as usize;
        let (counted, referrers) = (graph.counts[at], i64::from(graph.referrers[at]));
        let name = graph.type_of(*node);
        let entry = found.entry(name).or_insert_with(|| References {
            name: name.to_owned(),
            objects: 0,
            counted: 0,
            found: 0,
            unexplained: 0,
        });
        entry.objects += 1;
        entry.counted += counted;
        entry.found += referrers;
        entry.unexplained += u32::from(counted > referrers);
    }
    let mut found: Vec<References> = found.into_values().collect();
    found.sort_by(|a, b| {
        (b.unexplained, b.objects, &a.name).cmp(&(a.unexplained, a.objects, &b.name))
    });
    found.truncate(ROWS);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heap::graph::tests::graph;

    fn told(shares: &[Share]) -> Vec<(&str, f64, f64)> {
        shares
            .iter()
            .map(|share| (share.name.as_str(), share.count, share.bytes))
            .collect()
    }

    #[test]
    fn survivors_are_taken_apart_in_three_ways() {
        // A list of before; in each of two voting iterations a session with a buffer, which the list knows as well.
        let mut graph = graph(
            &[
                ("list", 0, &[1, 2, 3, 4]),
                ("app.Session", 2, &[2]),
                ("bytes", 2, &[]),
                ("app.Session", 3, &[4]),
                ("bytes", 3, &[]),
                ("app.Other", 4, &[]),
            ],
            4,
        );
        graph.kinds = vec![0, 1, 2, 1, 2, 5];
        graph.sizes = vec![0, 48, 9000, 48, 9000, 10];
        let found = of(&graph, &|_| true);
        assert_eq!(found.iterations, (2, 3));
        assert_eq!((found.total.count, found.total.bytes), (2.0, 9048.0));
        assert_eq!(
            told(&found.by_type),
            [("bytes", 1.0, 9000.0), ("app.Session", 1.0, 48.0)]
        );
        assert_eq!(
            told(&found.by_size),
            [("up to 64 B", 1.0, 48.0), ("4 to 64 kB", 1.0, 9000.0)]
        );
        assert_eq!(
            told(&found.by_referrer),
            [("app.Session and list", 1.0, 9000.0), ("list", 1.0, 48.0)]
        );
        let none = of(&graph, &|node| graph.type_of(node) == "app.Other");
        assert!(none.by_type.is_empty(), "the last iteration has no vote");
    }

    #[test]
    fn what_counts_more_references_than_there_are_objects_is_told() {
        let mut graph = graph(&[("list", 0, &[1]), ("a", 1, &[]), ("b", 1, &[])], 1);
        graph.counts = vec![0, 1, 1];
        let found = of(&graph, &|_| true).references;
        let told: Vec<(&str, i64, i64, u32)> = found
            .iter()
            .map(|one| (one.name.as_str(), one.counted, one.found, one.unexplained))
            .collect();
        assert_eq!(told, [("b", 1, 0, 1), ("a", 1, 1, 0)]);
    }

    #[test]
    fn what_is_small_is_one_row_at_the_end() {
        let shares = (0..15).map(|at| Share {
            name: format!("{at:02}"),
            count: 1.0,
            bytes: f64::from(100 - at),
        });
        let found = largest(shares.collect());
        assert_eq!(found.len(), ROWS);
        assert_eq!(found[ROWS - 1].name, "6 others");
        assert!((found[ROWS - 1].count - 6.0).abs() < 1e-9);
    }
}
