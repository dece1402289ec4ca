//! Which survivor alone keeps which others: dominators among the objects born in the window.

use super::graph::Graph;

const NONE: u32 = u32::MAX;

/// Immediate dominators among the survivors; what was there before the window counts as one root above them all.
#[derive(Debug)]
pub struct Dominators {
    /// Survivors in an order in which dominators come first.
    order: Vec<u32>,
    /// By object: place in `order`, `NONE` for what is no survivor or cannot be reached from one entered from outside.
    place: Vec<u32>,
    /// By place: place of the dominator, `NONE` where only the root dominates.
    above: Vec<u32>,
}

impl Dominators {
    /// Computes them by the iteration of Cooper, Harvey and Kennedy, over survivors only: a heap has a million
    /// objects, and a window leaves some thousands.
    pub fn of(graph: &Graph) -> Dominators {
        let survivors: Vec<u32> = (0..graph.len() as u32)
            .filter(|node| graph.born(*node) > 0)
            .collect();
        let mut inner = vec![0_u32; graph.len()];
        for node in &survivors {
            for target in graph.targets(*node) {
                inner[*target as usize] += 1;
            }
        }
        // Entered from outside: something of before, or C, refers to it as well.
        let entered: Vec<u32> = survivors
            .iter()
            .copied()
            .filter(|node| {
                let outside =
                    i64::from(graph.referrers[*node as usize]) > i64::from(inner[*node as usize]);
                outside || graph.counts[*node as usize] > i64::from(inner[*node as usize])
            })
            .collect();
        let (order, place) = reverse_postorder(graph, &entered);
        let mut before: Vec<Vec<u32>> = vec![Vec::new(); order.len()];
        for (at, node) in order.iter().enumerate() {
            for target in graph.targets(*node) {
                let to = place[*target as usize];
                if to != NONE {
                    before[to as usize].push(at as u32);
                }
            }
        }
        let mut is_entered = vec![false; order.len()];
        for node in &entered {
            is_entered[place[*node as usize] as usize] = true;
        }
        // Places are shifted by one here, so that 0 is the root.
        let mut above: Vec<u32> = vec![NONE; order.len() + 1];
        above[0] = 0;
        let mut changed = true;
        while changed {
            changed = false;
            for at in 0..order.len() {
                let mut found = if is_entered[at] { 0 } else { NONE };
                for from in &before[at] {
                    let from = from + 1;
                    if above[from as usize] == NONE {
                        continue;
                    }
                    found = if found == NONE {
                        from
                    } else {
                        meet(&above, found, from)
                    };
                }
                if above[at + 1] != found {
                    above[at + 1] = found;
                    changed = true;
                }
            }
        }
        let above = above[1..]
            .iter()
            .map(|place| match place {
                0 | &NONE => NONE,
                place => place - 1,
            })
            .collect();
        Dominators {
            order,
            place,
            above,
        }
    }

    /// The survivor that alone keeps `node`; none where it is kept from outside, or by several.
    pub fn above(&self, node: u32) -> Option<u32> {
        let place = self.place[node as usize];
        let above = *self.above.get(place as usize)?;
        (above != NONE).then(|| self.order[above as usize])
    }

    /// Bytes born in the iterations of `voters` that survivors for which `is` holds keep alive, themselves included.
    pub fn retained(
        &self,
        graph: &Graph,
        voters: &std::ops::RangeInclusive<u16>,
        is: impl Fn(u32) -> bool,
    ) -> u64 {
        let mut under = vec![false; self.order.len()];
        let mut total = 0;
        for (at, node) in self.order.iter().enumerate() {
            let above = self.above[at];
            under[at] = is(*node) || (above != NONE && under[above as usize]);
            if under[at] && voters.contains(&graph.born(*node)) {
                total += graph.sizes[*node as usize];
            }
        }
        total
    }
}

fn meet(above: &[u32], mut a: u32, mut b: u32) -> u32 {
    while a != b {
        while a > b {
            a = above[a as usize];
        }
        while b > a {
            b = above[b as usize];
        }
    }
    a
}

fn reverse_postorder(graph: &Graph, entered: &[u32]) -> (Vec<u32>, Vec<u32>) {
    let mut place = vec![NONE; graph.len()];
    let mut order = Vec::new();
    let mut seen = vec![false; graph.len()];
    let mut stack: Vec<(u32, usize)> = Vec::new();
    for start in entered {
        if seen[*start as usize] {
            continue;
        }
        seen[*start as usize] = true;
        stack.push((*start, 0));
        while let Some((node, next)) = stack.pop() {
            let targets = graph.targets(node);
            let Some(step) = targets[next..]
                .iter()
                .position(|target| graph.born(*target) > 0 && !seen[*target as usize])
            else {
                order.push(node);
                continue;
            };
            let target = targets[next + step];
            seen[target as usize] = true;
            stack.push((node, next + step + 1));
            stack.push((target, 0));
        }
    }
    order.reverse();
    for (at, node) in order.iter().enumerate() {
        place[*node as usize] = at as u32;
    }
    (order, place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heap::graph::tests::graph;

    #[test]
    fn what_two_survivors_share_is_kept_by_the_one_above_both() {
        // 0 holds 1; 1 holds 2 and 3, and both hold 4.
        let graph = graph(
            &[
                ("list", 0, &[1]),
                ("a", 2, &[2, 3]),
                ("b", 2, &[4]),
                ("c", 2, &[4]),
                ("d", 2, &[]),
            ],
            3,
        );
        let found = Dominators::of(&graph);
        assert_eq!(found.above(4), Some(1));
        assert_eq!(found.above(2), Some(1));
        assert_eq!(found.above(1), None);
        assert_eq!(found.retained(&graph, &(2..=2), |node| node == 1), 40);
        assert_eq!(found.retained(&graph, &(2..=2), |node| node == 2), 10);
    }

    #[test]
    fn a_second_hold_from_outside_takes_the_dominator_away() {
        let graph = graph(&[("list", 0, &[1, 2]), ("a", 2, &[2]), ("b", 2, &[1])], 3);
        let found = Dominators::of(&graph);
        assert_eq!(found.above(2), None);
        assert_eq!(found.above(1), None);
    }

    /// The plain definition: `a` dominates `b` if `b` cannot be reached without `a`.
    fn dominates(graph: &Graph, entered: u32, a: u32, b: u32) -> bool {
        let mut seen = vec![false; graph.len()];
        let mut stack = vec![entered];
        while let Some(node) = stack.pop() {
            if node == a || std::mem::replace(&mut seen[node as usize], true) {
                continue;
            }
            stack.extend(graph.targets(node));
        }
        !seen[b as usize]
    }

    proptest::proptest! {
        #[test]
        fn they_are_what_the_definition_says(edges in proptest::collection::vec((1_u32..9, 1_u32..9), 0..24)) {
            let mut targets: Vec<Vec<u32>> = vec![Vec::new(); 9];
            targets[0].push(1);
            for (from, to) in edges {
                targets[from as usize].push(to);
            }
            let objects: Vec<(&str, u16, &[u32])> = targets
                .iter()
                .enumerate()
                .map(|(at, targets)| ("x", u16::from(at > 0), &**targets))
                .collect();
            let graph = graph(&objects, 1);
            let found = Dominators::of(&graph);
            for node in 2..9 {
                if dominates(&graph, 1, u32::MAX, node) {
                    // Not reachable from outside, so in a circle of its own or alone.
                    continue;
                }
                let mut above = Vec::new();
                let mut at = node;
                while let Some(next) = found.above(at) {
                    above.push(next);
                    at = next;
                }
                for other in (1..9).filter(|other| *other != node) {
                    proptest::prop_assert_eq!(above.contains(&other), dominates(&graph, 1, other, node), "{} over {}", other, node);
                }
            }
        }
    }
}
