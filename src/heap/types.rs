//! Growth by type: how many objects of each, their size, and how much they keep alive.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{
    dominators::Dominators,
    graph::{Dump, Graph, most_of},
};
use crate::finding::TypeGrowth;

/// Types that are told.
const TYPES: usize = 12;

/// Types of which the interpreter keeps freed objects for the next ones; taking one of those is no allocation.
const REUSED: [&str; 9] = [
    "dict",
    "float",
    "list",
    "tuple",
    "method",
    "frame",
    "slice",
    "Context",
    "builtin_function_or_method",
];

/// Whether an object of this built-in type may take its memory from a freed one, and be traced nowhere.
pub fn is_reused(name: &str) -> bool {
    REUSED.contains(&name)
}

/// The name of a type without its module.
pub fn short(name: &str) -> String {
    let name = name.rsplit_once("<locals>.").map_or(name, |(_, last)| last);
    match name.rsplit('.').next().unwrap_or(name) {
        // As Python 3.8 calls it, and everybody.
        "ReferenceType" => "weakref".to_owned(),
        name => name.to_owned(),
    }
}

/// Growth per iteration by type, and an object of each.
pub fn growth(graph: &Graph, dump: &Dump, leading: Option<&str>) -> (Vec<TypeGrowth>, Vec<u32>) {
    let voters = graph.voters();
    let each = voters.clone().count().max(1) as f64;
    let kinds = instead_of_dicts(graph, dump);
    let kind_of = |node: u32| {
        kinds
            .get(&node)
            .copied()
            .unwrap_or(graph.kinds[node as usize])
    };
    struct Sum {
        count: u32,
        bytes: u64,
        newest: (u16, u32),
        seen: HashSet<u16>,
    }
    let mut sums: BTreeMap<u32, Sum> = BTreeMap::new();
    for node in 0..graph.len() as u32 {
        let born = graph.born(node);
        if !voters.contains(&born) {
            continue;
        }
        // What no object refers to is held by a running call, our own among them; with a holder it is not what leaks.
        if leading.is_some() && graph.referrers[node as usize] == 0 {
            continue;
        }
        let sum = sums.entry(kind_of(node)).or_insert(Sum {
            count: 0,
            bytes: 0,
            newest: (0, node),
            seen: HashSet::new(),
        });
        sum.bytes += graph.sizes[node as usize];
        if !kinds.contains_key(&node) {
            sum.count += 1;
            sum.newest = sum.newest.max((born, node));
        }
        sum.seen.insert(born);
    }
    // What came once is no growth; and where something comes each time, what does not belongs to it as little.
    let all = voters.clone().count();
    let each_time = sums.values().any(|sum| sum.seen.len() == all);
    let most = sums.values().map(|sum| sum.seen.len()).max().unwrap_or(0);
    let needed = if each_time { all } else { most_of(most) };
    sums.retain(|_, sum| sum.seen.len() >= needed);
    // Of objects that the collector does not track only the holder tells; what is left then is beside the point.
    if leading.is_some_and(|name| !sums.keys().any(|kind| graph.types[*kind as usize] == name)) {
        sums.clear();
    }
    let dominators = Dominators::of(graph);
    let mut found: Vec<(TypeGrowth, u32)> = sums
        .into_iter()
        .map(|(kind, sum)| {
            let growth = TypeGrowth {
                name: graph.types[kind as usize].clone(),
                count: f64::from(sum.count) / each,
                bytes: sum.bytes as f64 / each,
                retained: None,
                example: None,
            };
            (growth, sum.newest.1)
        })
        .collect();
    let lead = |growth: &TypeGrowth| leading == Some(growth.name.as_str());
    found.sort_by(|(a, _), (b, _)| {
        lead(b)
            .cmp(&lead(a))
            .then(b.bytes.total_cmp(&a.bytes))
            .then_with(|| a.name.cmp(&b.name))
    });
    found.truncate(TYPES);
    for (growth, _) in &mut found {
        let bytes = dominators.retained(graph, &voters, |node| {
            graph.types[kind_of(node) as usize] == growth.name
        });
        growth.retained = Some(bytes as f64 / each);
    }
    found.into_iter().unzip()
}

/// Before Python 3.11 the attributes of an instance are a dictionary of its own; it counts as part of the instance.
fn instead_of_dicts(graph: &Graph, dump: &Dump) -> HashMap<u32, u32> {
    let mut found = HashMap::new();
    if !dump.split_dicts {
        return found;
    }
    for node in 0..graph.len() as u32 {
        if graph.born(node) == 0 || !graph.type_of(node).contains('.') {
            continue;
        }
        for target in graph.targets(node) {
            if graph.type_of(*target) == "dict" && graph.referrers[*target as usize] == 1 {
                found.insert(*target, graph.kinds[node as usize]);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heap::graph::tests::graph;

    #[test]
    fn attributes_that_are_a_dictionary_count_as_part_of_the_instance() {
        let mut graph = graph(
            &[
                ("list", 0, &[1]),
                ("app.Session", 2, &[2]),
                ("dict", 2, &[3]),
                ("bytes", 2, &[]),
            ],
            3,
        );
        let dump = |split_dicts| Dump {
            split_dicts,
            ..Dump::default()
        };
        graph.kinds = vec![0, 1, 2, 3];
        let (found, _) = growth(&graph, &dump(true), Some("app.Session"));
        let told: Vec<(&str, f64, f64, Option<f64>)> = found
            .iter()
            .map(|one| (one.name.as_str(), one.count, one.bytes, one.retained))
            .collect();
        assert_eq!(
            told,
            [
                ("app.Session", 1.0, 20.0, Some(30.0)),
                ("bytes", 1.0, 10.0, Some(10.0))
            ]
        );
        let (found, _) = growth(&graph, &dump(false), None);
        assert_eq!(found.len(), 3);
    }
}
