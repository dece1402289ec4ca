//! What only fills a container that has an end, beside something that goes on.

use super::{
    graph::{Dump, Graph},
    owner::Places,
    path::{Terrain, Ways},
};

/// Takes out of the growth what nothing but containers with an end keeps: most of what came may be a cache's, and who
/// holds that says nothing of the leak beside it.
pub fn disregard(graph: &mut Graph, dump: &Dump, places: &Places) {
    let ended: Vec<u32> = dump.ended.iter().filter_map(|id| graph.find(*id)).collect();
    if ended.is_empty() {
        return;
    }
    let terrain = Terrain::new(graph, dump, places);
    let ways = Ways::search(graph, &terrain, &[]);
    let others = Ways::search(graph, &terrain, &ended);
    let theirs: Vec<u32> = ways
        .order
        .iter()
        .copied()
        .filter(|node| graph.born(*node) > 0 && others.phase(*node).is_none())
        .collect();
    // Where nothing else came there is no leak beside it to tell of, and what ends it here was no end elsewhere.
    let voters = graph.voters();
    let leaks = |node: &u32| voters.contains(&graph.born(*node));
    if others.order.iter().any(leaks) {
        graph.disregard(&theirs, &ended);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attribute::graph::tests::graph;

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
        let mut dump = Dump {
            modules: vec![(0, "app".to_owned(), Some("/p/app.py".to_owned()))],
            ..Dump::default()
        };
        let places = Places {
            project: "/p".into(),
            packages: Vec::new(),
            stdlib: Vec::new(),
            bridge: "/b".into(),
        };
        let born = |graph: &Graph| -> Vec<u16> { (3..7).map(|node| graph.born(node)).collect() };
        disregard(&mut graph, &dump, &places);
        assert_eq!(born(&graph), [2, 2, 3, 2]);
        dump.ended = vec![graph.ids[1]];
        disregard(&mut graph, &dump, &places);
        assert_eq!(born(&graph), [0, 2, 3, 0]);
        assert_eq!(graph.gained(1), 0);
    }
}
