//! What an object on a way holds besides the next one: by type, how many are new, and what these keep alive.

use std::{
    collections::{BTreeMap, HashSet},
    ops::RangeInclusive,
};

use serde::Serialize;

use super::{dominators::Dominators, graph::Graph};

/// Types that are told; the rest is one entry.
const MOST: usize = 6;

/// Objects of one type that an object holds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Held {
    /// The type.
    pub name: String,
    /// How many were there before the window.
    pub before: u32,
    /// How many were born in it.
    pub born: u32,
    /// Bytes per iteration that would be free without these, themselves included.
    pub keeps: f64,
}

/// What `node` refers to, those first that keep most. Of what was born in the window all is counted that the `voters` of
/// its iterations left, and shared among them.
pub fn held_by(
    graph: &Graph,
    dominators: &Dominators,
    node: u32,
    voters: &RangeInclusive<u16>,
) -> Vec<Held> {
    let each = voters.clone().count().max(1) as f64;
    let mut groups: BTreeMap<&str, HashSet<u32>> = BTreeMap::new();
    for target in graph.targets(node) {
        // That an object knows its class says nothing.
        if graph.type_of(*target) == "type" && graph.born(*target) == 0 {
            continue;
        }
        groups
            .entry(graph.type_of(*target))
            .or_default()
            .insert(*target);
    }
    let mut found: Vec<Held> = groups
        .into_iter()
        .map(|(name, nodes)| {
            let born = nodes.iter().filter(|node| graph.born(**node) > 0).count();
            let keeps = if born > 0 {
                dominators.retained(graph, voters, |node| nodes.contains(&node)) as f64 / each
            } else {
                0.0
            };
            Held {
                name: name.to_owned(),
                before: (nodes.len() - born) as u32,
                born: born as u32,
                keeps,
            }
        })
        .collect();
    found.sort_by(|a, b| {
        b.keeps
            .total_cmp(&a.keeps)
            .then_with(|| (b.born, b.before, &a.name).cmp(&(a.born, a.before, &b.name)))
    });
    if found.len() > MOST {
        let rest = found.split_off(MOST - 1);
        found.push(Held {
            name: format!("of {} other types", rest.len()),
            before: rest.iter().map(|held| held.before).sum(),
            born: rest.iter().map(|held| held.born).sum(),
            keeps: rest.iter().map(|held| held.keeps).sum(),
        });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heap::graph::tests::graph;

    #[test]
    fn old_and_new_are_told_apart_with_what_the_new_ones_keep() {
        let mut graph = graph(
            &[
                ("list", 0, &[1, 2, 3, 4, 6]),
                ("app.Session", 0, &[]),
                ("app.Session", 1, &[]),
                ("app.Session", 2, &[5]),
                ("str", 0, &[]),
                ("bytes", 2, &[]),
                ("type", 0, &[]),
            ],
            3,
        );
        graph.kinds = vec![0, 1, 1, 1, 4, 5, 6];
        let found = held_by(&graph, &Dominators::of(&graph), 0, &graph.voters());
        let held = |name: &str, before, born, keeps| Held {
            name: name.to_owned(),
            before,
            born,
            keeps,
        };
        assert_eq!(
            found,
            [held("app.Session", 1, 2, 20.0), held("str", 1, 0, 0.0)]
        );
    }
}
