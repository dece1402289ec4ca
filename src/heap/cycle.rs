//! Cycles in a part of the heap: what only the collector can free, what is tied up in cycles, and the shortest of them.

use std::collections::VecDeque;

use super::graph::{Graph, most_of};

const NONE: u32 = u32::MAX;

/// The objects of the window that nothing outside of them refers to, as the collector finds them: those with as many
/// references as objects refer to them, unless one with more of them leads there. What is not tracked goes with the
/// garbage that alone refers to it.
pub fn garbage(graph: &Graph) -> Vec<bool> {
    let mut alive = vec![false; graph.len()];
    let mut queue: VecDeque<u32> = (0..graph.len() as u32)
        .filter(|node| {
            graph.born(*node) == 0
                || graph.counts[*node as usize] > i64::from(graph.referrers[*node as usize])
        })
        .collect();
    for node in &queue {
        alive[*node as usize] = true;
    }
    while let Some(node) = queue.pop_front() {
        for target in graph.targets(node) {
            if !alive[*target as usize] {
                alive[*target as usize] = true;
                queue.push_back(*target);
            }
        }
    }
    alive.into_iter().map(|alive| !alive).collect()
}

/// A cycle that nothing outside of it refers to, through an object that the collector does not know, so that it is never freed:
/// `sys.UnraisableHookArgs` is no object of the collector's, and a frame that keeps one is kept by its traceback.
/// One of those born in most of the iterations that vote, the newest; `None` where there is none. It begins with an object that
/// the collector knows, by which the others are found.
pub fn hidden(graph: &Graph) -> Option<Vec<u32>> {
    let mut within = garbage(graph);
    for (at, is_within) in within.iter_mut().enumerate() {
        *is_within &= graph.born(at as u32) > 0;
    }
    let part = Part::new(graph, within, &|_, _| false);
    let is_unknown = |node: &u32| !graph.is_tracked(*node);
    let knots = part.knots();
    let unknown: Vec<u32> = knots.into_iter().flatten().filter(is_unknown).collect();
    let voters = graph.voters();
    let has = |at: &u16| unknown.iter().any(|node| graph.born(*node) == *at);
    let born: Vec<u16> = voters.clone().filter(has).collect();
    if born.len() < most_of(voters.count()) {
        return None;
    }
    let is_newest = |node: &u32| Some(&graph.born(*node)) == born.last();
    let newest: Vec<u32> = unknown.into_iter().filter(is_newest).collect();
    let mut way = part.shortest(&newest)?;
    let known = way.iter().position(|node| graph.is_tracked(*node))?;
    way.rotate_left(known);
    Some(way)
}

/// The part of a graph that is looked at.
pub struct Part<'a> {
    graph: &'a Graph,
    within: Vec<bool>,
    /// References that are taken to be none.
    ignored: &'a dyn Fn(u32, u32) -> bool,
}

impl<'a> Part<'a> {
    /// The nodes that `within` says, and all references between them that are not `ignored`.
    pub fn new(
        graph: &'a Graph,
        within: Vec<bool>,
        ignored: &'a dyn Fn(u32, u32) -> bool,
    ) -> Part<'a> {
        Part {
            graph,
            within,
            ignored,
        }
    }

    fn targets(&self, node: u32) -> impl Iterator<Item = u32> {
        self.graph
            .targets(node)
            .iter()
            .copied()
            .filter(move |target| self.within[*target as usize] && !(self.ignored)(node, *target))
    }

    /// The knots: sets of objects each of which leads to all others of its set, largest first. What is in no cycle is
    /// in none of them. (Tarjan's strongly connected components, without recursion.)
    pub fn knots(&self) -> Vec<Vec<u32>> {
        let size = self.graph.len();
        let (mut index, mut low) = (vec![NONE; size], vec![NONE; size]);
        let mut on_stack = vec![false; size];
        let mut stack = Vec::new();
        let mut next = 0;
        let mut knots = Vec::new();
        for root in 0..size as u32 {
            if !self.within[root as usize] || index[root as usize] != NONE {
                continue;
            }
            // Each call of the recursive form: a node, its targets, and how many of them are done.
            let mut calls: Vec<(u32, Vec<u32>, usize)> = Vec::new();
            let mut entered = Some(root);
            while let Some(node) = entered
                .take()
                .or_else(|| calls.last().map(|(node, ..)| *node))
            {
                let at = node as usize;
                if index[at] == NONE {
                    (index[at], low[at]) = (next, next);
                    next += 1;
                    stack.push(node);
                    on_stack[at] = true;
                    calls.push((node, self.targets(node).collect(), 0));
                }
                let Some((_, targets, done)) = calls.last_mut() else {
                    break;
                };
                if let Some(target) = targets.get(*done).map(|target| *target as usize) {
                    *done += 1;
                    if index[target] == NONE {
                        entered = Some(target as u32);
                    } else if on_stack[target] {
                        low[at] = low[at].min(index[target]);
                    }
                    continue;
                }
                if low[at] == index[at] {
                    let mut knot = Vec::new();
                    while let Some(member) = stack.pop() {
                        on_stack[member as usize] = false;
                        knot.push(member);
                        if member == node {
                            break;
                        }
                    }
                    if knot.len() > 1 || self.targets(node).any(|target| target == node) {
                        knot.sort_unstable();
                        knots.push(knot);
                    }
                }
                calls.pop();
                if let Some((caller, ..)) = calls.last() {
                    let caller = *caller as usize;
                    low[caller] = low[caller].min(low[at]);
                }
            }
        }
        knots.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        knots
    }

    /// The shortest cycle through one of some nodes, which comes first in it; of equally short ones that of the node
    /// named first.
    pub fn shortest(&self, through: &[u32]) -> Option<Vec<u32>> {
        let mut best: Option<Vec<u32>> = None;
        let mut parent = vec![NONE; self.graph.len()];
        for start in through {
            let longest = best.as_ref().map_or(usize::MAX, Vec::len);
            if let Some(found) = self.cycle(*start, longest, &mut parent) {
                best = Some(found);
            }
        }
        best
    }

    /// The shortest cycle through a node that has fewer than `longest` objects. `parent` is empty, and is left so.
    fn cycle(&self, start: u32, longest: usize, parent: &mut [u32]) -> Option<Vec<u32>> {
        let mut seen = vec![start];
        let mut queue = VecDeque::from([(start, 1)]);
        let mut last = None;
        'search: while let Some((node, length)) = queue.pop_front() {
            if length >= longest {
                break;
            }
            for target in self.targets(node) {
                if target == start {
                    last = Some(node);
                    break 'search;
                }
                if parent[target as usize] == NONE {
                    parent[target as usize] = node;
                    seen.push(target);
                    queue.push_back((target, length + 1));
                }
            }
        }
        let found = last.map(|mut node| {
            let mut way = vec![node];
            while node != start {
                node = parent[node as usize];
                way.push(node);
            }
            way.reverse();
            way
        });
        for node in seen {
            parent[node as usize] = NONE;
        }
        found
    }

    /// All that some nodes lead to, themselves included.
    pub fn kept_by(&self, nodes: &[u32]) -> Vec<u32> {
        let mut seen = vec![false; self.graph.len()];
        let mut found: Vec<u32> = Vec::new();
        let mut queue: VecDeque<u32> = nodes.iter().copied().collect();
        while let Some(node) = queue.pop_front() {
            if !std::mem::replace(&mut seen[node as usize], true) {
                found.push(node);
                queue.extend(self.targets(node));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::heap::graph::tests::{graph, untrack};

    fn never(_: u32, _: u32) -> bool {
        false
    }

    fn whole(graph: &Graph) -> Part<'_> {
        Part::new(graph, vec![true; graph.len()], &never)
    }

    #[test]
    fn garbage_is_what_nothing_outside_leads_to() {
        // A pair in a cycle with a string of its own; an object that a variable holds, and what that leads to.
        let mut graph = graph(
            &[
                ("app.Node", 1, &[1]),
                ("app.Node", 1, &[0, 2]),
                ("str", 1, &[]),
                ("list", 1, &[4]),
                ("list", 1, &[4]),
            ],
            1,
        );
        graph.counts[3] += 1;
        assert_eq!(garbage(&graph), [true, true, true, false, false]);
        graph.counts[0] += 1;
        assert_eq!(garbage(&graph), [false; 5]);
    }

    #[test]
    fn a_cycle_through_what_the_collector_does_not_know_is_hidden_from_it() {
        // In each iteration a frame with a report that leads back to it, and beside it a pair that the collector knows.
        let made = |unknown: &[usize], held: Option<usize>| {
            let mut objects: Vec<(&str, u16, Vec<u32>)> = Vec::new();
            for at in 0..4_u16 {
                let first = u32::from(at) * 4;
                for (kind, targets) in [
                    ("frame", vec![first + 1]),
                    ("Report", vec![first]),
                    ("Node", vec![first + 3]),
                    ("Node", vec![first + 2]),
                ] {
                    objects.push((kind, at + 1, targets));
                }
            }
            let objects: Vec<(&str, u16, &[u32])> = objects
                .iter()
                .map(|(kind, born, targets)| (*kind, *born, &**targets))
                .collect();
            let mut graph = graph(&objects, 4);
            for node in unknown {
                untrack(&mut graph, *node);
            }
            if let Some(node) = held {
                graph.counts[node] += 1;
            }
            hidden(&graph)
        };
        let each = [1, 5, 9, 13];
        // The third is the last that votes; its cycle begins with what the collector knows.
        assert_eq!(made(&each, None), Some(vec![8, 9]));
        assert_eq!(made(&[], None), None);
        // Of one iteration alone it is none of what comes again and again.
        assert_eq!(made(&[13], None), None);
        // C code has the frame of the third: one of the two that vote is no more than half.
        assert_eq!(made(&each, Some(8)), None);
    }

    #[test]
    fn the_shortest_cycle_of_a_knot_is_found() {
        // 0 -> 1 -> 2 -> 0 and 2 <-> 3; 4 only hangs on.
        let graph = graph(
            &[
                ("a", 1, &[1]),
                ("b", 1, &[2]),
                ("c", 1, &[0, 3]),
                ("d", 1, &[2, 4]),
                ("e", 1, &[]),
            ],
            1,
        );
        let part = whole(&graph);
        assert_eq!(part.knots(), [vec![0, 1, 2, 3]]);
        assert_eq!(part.shortest(&[0]), Some(vec![0, 1, 2]));
        assert_eq!(part.shortest(&[0, 3]), Some(vec![3, 2]));
        assert_eq!(part.shortest(&[4]), None);
        assert_eq!(part.kept_by(&[3]), [3, 2, 4, 0, 1]);
    }

    #[test]
    fn an_object_that_refers_to_itself_is_a_knot() {
        let graph = graph(&[("a", 1, &[0]), ("b", 1, &[0])], 1);
        assert_eq!(whole(&graph).knots(), [vec![0]]);
        assert_eq!(whole(&graph).shortest(&[0]), Some(vec![0]));
        let without = |from: u32, to: u32| from == to;
        let part = Part::new(&graph, vec![true; 2], &without);
        assert!(part.knots().is_empty());
    }

    #[test]
    fn a_long_chain_needs_no_stack() {
        let many = 200_000_u32;
        let next: Vec<[u32; 1]> = (0..many).map(|at| [(at + 1) % many]).collect();
        let objects: Vec<(&str, u16, &[u32])> =
            next.iter().map(|target| ("a", 1, &target[..])).collect();
        let graph = graph(&objects, 1);
        assert_eq!(whole(&graph).knots()[0].len(), many as usize);
    }

    fn reaches(edges: &[(u32, u32)], from: u32, to: u32) -> bool {
        let mut seen = vec![from];
        let mut at = 0;
        while at < seen.len() {
            for (source, target) in edges {
                if *source == seen[at] {
                    if *target == to {
                        return true;
                    }
                    if !seen.contains(target) {
                        seen.push(*target);
                    }
                }
            }
            at += 1;
        }
        false
    }

    proptest! {
        #[test]
        fn knots_and_cycles_are_what_their_definitions_say(
            edges in prop::collection::vec((0..9_u32, 0..9_u32), 0..24)
        ) {
            let targets: Vec<Vec<u32>> = (0..9)
                .map(|node| edges.iter().filter(|edge| edge.0 == node).map(|edge| edge.1).collect())
                .collect();
            let objects: Vec<(&str, u16, &[u32])> =
                targets.iter().map(|targets| ("a", 1, &targets[..])).collect();
            let graph = graph(&objects, 1);
            let part = whole(&graph);
            let knots = part.knots();
            for a in 0..9 {
                for b in 0..9 {
                    let together = knots.iter().any(|knot| knot.contains(&a) && knot.contains(&b));
                    prop_assert_eq!(together, reaches(&edges, a, b) && reaches(&edges, b, a));
                }
                let cycle = part.shortest(&[a]);
                prop_assert_eq!(cycle.is_some(), reaches(&edges, a, a));
                if let Some(cycle) = cycle {
                    let closed = cycle.iter().chain(&cycle[..1]);
                    for pair in closed.collect::<Vec<_>>().windows(2) {
                        prop_assert!(edges.contains(&(*pair[0], *pair[1])));
                    }
                    // Breadth first by the definition: no node comes twice.
                    let mut nodes = cycle.clone();
                    nodes.sort_unstable();
                    nodes.dedup();
                    prop_assert_eq!(nodes.len(), cycle.len());
                    prop_assert!(knots.iter().any(|knot| cycle.iter().all(|node| knot.contains(node))));
                }
            }
            let dead = garbage(&graph);
            // Without any reference from outside all that is referred to by none, or only by garbage, is garbage.
            prop_assert!(dead.iter().all(|dead| *dead));
        }
    }
}
