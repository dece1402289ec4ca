//! What only fills a container that has an end, or takes the place of an older entry, beside something that goes on.

use super::{
    graph::{Dump, Graph},
    owner::Places,
    path::{Terrain, Ways},
};
use crate::verdict::LARGEST_BLOCK;

/// Takes out of the growth what nothing but containers with an end keeps: most of what came may be a cache's, and who
/// holds that says nothing of the leak beside it. `ended` are the identities of containers that have one.
pub fn disregard(graph: &mut Graph, dump: &Dump, ended: &[u64], places: &Places) {
    let ended: Vec<u32> = ended.iter().filter_map(|id| graph.find(*id)).collect();
    leave_out(graph, dump, places, &ended);
    // A pool or a full ring has an object of every iteration and never more of them: for each that came one went.
    let exchanging = exchanging(graph);
    leave_out(graph, dump, places, &exchanging);
}

/// Takes the small objects out of the growth, those that take a block: for where no block more is in use after an iteration
/// than before it, and what grows is large, by `each` bytes an iteration. For each of them another one went. And so it is with
/// a container that gained too few entries to take these bytes, and nothing large: the identity of one that is gone was used
/// again, as by a dictionary of the test's own instance.
pub fn disregard_small(graph: &mut Graph, each: f64) {
    let is_born_small =
        |node: &u32| graph.born(*node) > 0 && graph.sizes[*node as usize] as f64 <= LARGEST_BLOCK;
    let small: Vec<u32> = (0..graph.len() as u32).filter(is_born_small).collect();
    graph.disregard(&small, &[]);
    let iterations = f64::from(graph.iterations.max(1));
    let gained_little = |node: &u32| {
        let gained = graph.gained(*node) as f64 / iterations;
        let has_born = |target: &u32| graph.born(*target) > 0;
        // What counts bytes, as a `bytearray` does, refers to nothing.
        let targets = graph.targets(*node);
        gained > 0.0
            && !targets.is_empty()
            && !targets.iter().any(has_born)
            && gained * MOST_OF_AN_ENTRY < each / 2.0
    };
    let little: Vec<u32> = (0..graph.len() as u32).filter(gained_little).collect();
    graph.disregard(&[], &little);
}

/// Bytes that a dictionary takes for an entry at most, just after it was made larger.
const MOST_OF_AN_ENTRY: f64 = 104.0;

/// Containers as long as before that have an object of each iteration.
fn exchanging(graph: &Graph) -> Vec<u32> {
    let voters = graph.voters();
    let is_as_long = |node: u32| {
        let before = graph.before[node as usize];
        before > 0 && before == graph.lengths[node as usize] && graph.born(node) == 0
    };
    let has_of_each = |node: u32| {
        let targets = graph.targets(node);
        let born = |at: u16| targets.iter().any(|target| graph.born(*target) == at);
        voters.clone().all(born)
    };
    (0..graph.len() as u32)
        .filter(|node| is_as_long(*node) && has_of_each(*node))
        .collect()
}

/// Leaves out what nothing but `containers` keeps, where something came beside it or something else became longer: when the
/// entries of an old list came is not known of those that the collector does not track, such as dictionaries of texts.
fn leave_out(graph: &mut Graph, dump: &Dump, places: &Places, containers: &[u32]) {
    if containers.is_empty() {
        return;
    }
    let terrain = Terrain::new(graph, dump, places);
    let ways = Ways::search(graph, &terrain, &[]);
    let others = Ways::search(graph, &terrain, containers);
    let theirs: Vec<u32> = ways
        .order
        .iter()
        .copied()
        .filter(|node| graph.born(*node) > 0 && others.phase(*node).is_none())
        .collect();
    // Where nothing else came there is no leak beside it to tell of, and what ends it here was no end elsewhere.
    let voters = graph.voters();
    let most = i64::from(graph.iterations) / 2;
    let leaks = |node: &u32| voters.contains(&graph.born(*node)) || graph.gained(*node) > most;
    if others.order.iter().any(leaks) {
        graph.disregard(&theirs, containers);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heap::graph::tests::graph;

    /// A heap whose first object is the project's module.
    fn app() -> (Dump, Places) {
        let dump = Dump {
            modules: vec![(0, "app".to_owned(), Some("/p/app.py".to_owned()))],
            ..Dump::default()
        };
        let places = Places {
            project: "/p".into(),
            bridge: "/b".into(),
            ..Places::default()
        };
        (dump, places)
    }

    #[test]
    fn only_what_nothing_else_keeps_is_disregarded() {
        // 0 the project's module, 1 a cache with an end, 2 a registry; 4 is in both.
        let mut graph = graph(
            &[
                ("module", 0, &[1, 2]),
                ("dict", 0, &[3, 4]),
                ("list", 0, &[4, 5]),
                ("Page", 2, &[6]),
                ("Order", 2, &[]),
                ("Order", 3, &[]),
                ("str", 2, &[]),
            ],
            4,
        );
        (graph.before[1], graph.lengths[1]) = (7, 9);
        let (dump, places) = app();
        let born = |graph: &Graph| -> Vec<u16> { (3..7).map(|node| graph.born(node)).collect() };
        disregard(&mut graph, &dump, &[], &places);
        assert_eq!(born(&graph), [2, 2, 3, 2]);
        let ended = [graph.ids[1]];
        disregard(&mut graph, &dump, &ended, &places);
        assert_eq!(born(&graph), [0, 2, 3, 0]);
        assert_eq!(graph.gained(1), 0);
        assert_eq!(beside((4, 4)), [2, 3]);
        assert_eq!(beside((4, 8)), [0, 0]);
    }

    /// When what a cache with an end keeps was born, beside a registry of such a length before and after.
    fn beside(registry: (i64, i64)) -> [u16; 2] {
        // 2 is the cache's own table, 3 the registry.
        let mut graph = graph(
            &[
                ("module", 0, &[1, 3]),
                ("functools._lru_cache_wrapper", 0, &[2]),
                ("dict", 0, &[5, 6]),
                ("list", 0, &[4]),
                ("dict", 0, &[]),
                ("Page", 2, &[]),
                ("Page", 3, &[]),
            ],
            4,
        );
        (graph.before[2], graph.lengths[2]) = (7, 11);
        (graph.before[3], graph.lengths[3]) = registry;
        let (dump, places) = app();
        let ended = [graph.ids[1]];
        disregard(&mut graph, &dump, &ended, &places);
        [5, 6].map(|node| graph.born(node))
    }

    #[test]
    fn small_objects_are_disregarded_where_only_what_is_large_grows() {
        let mut graph = graph(
            &[("list", 0, &[1, 2]), ("Page", 2, &[]), ("bytes", 3, &[])],
            4,
        );
        (graph.sizes[1], graph.sizes[2]) = (512, 513);
        disregard_small(&mut graph, 600.0);
        assert_eq!([1, 2].map(|node| graph.born(node)), [0, 3]);
    }

    #[test]
    fn a_container_that_gained_too_few_old_entries_is_disregarded_where_only_what_is_large_grows() {
        let gained = |length: i64, targets: &[u32], each: f64| {
            let mut graph = graph(
                &[("dict", 0, targets), ("type", 0, &[]), ("bytes", 3, &[])],
                4,
            );
            graph.sizes[2] = 600;
            (graph.before[0], graph.lengths[0]) = (1, 1 + length);
            disregard_small(&mut graph, each);
            graph.gained(0)
        };
        assert_eq!(gained(5, &[1], 728.0), 0);
        // Enough for a table that large, with something large, or of bytes.
        assert_eq!(gained(50, &[1], 728.0), 50);
        assert_eq!(gained(5, &[1, 2], 728.0), 5);
        assert_eq!(gained(5, &[], 728.0), 5);
    }

    #[test]
    fn what_takes_the_place_of_an_older_entry_is_disregarded() {
        // 1 a full ring, 2 a registry.
        let made = |ring: (i64, i64), registry: (i64, i64)| {
            let mut graph = graph(
                &[
                    ("module", 0, &[1, 2]),
                    ("collections.deque", 0, &[3, 4]),
                    ("list", 0, &[]),
                    ("Page", 2, &[]),
                    ("Page", 3, &[]),
                ],
                4,
            );
            (graph.before[1], graph.lengths[1]) = ring;
            (graph.before[2], graph.lengths[2]) = registry;
            let (dump, places) = app();
            disregard(&mut graph, &dump, &[], &places);
            [3, 4].map(|node| graph.born(node))
        };
        assert_eq!(made((20, 20), (7, 11)), [0, 0]);
        // It gains entries itself; nobody else does, and it is all that there is.
        assert_eq!(made((20, 24), (7, 11)), [2, 3]);
        assert_eq!(made((20, 20), (7, 7)), [2, 3]);
    }
}
