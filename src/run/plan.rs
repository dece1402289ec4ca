//! Which tests go together, and in which order: pure functions over what was collected.

use std::collections::{HashMap, VecDeque};

use super::protocol::Collectable;

/// Tests of one file; they share module fixtures and stay in one worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Indices of the tests, in the runner's order.
    pub tests: Vec<usize>,
}

/// One unit a file, in the order in which the files first appear.
pub fn units(tests: &[Collectable]) -> VecDeque<Unit> {
    let mut by_file: HashMap<&str, usize> = HashMap::new();
    let mut units: VecDeque<Unit> = VecDeque::new();
    for (index, test) in tests.iter().enumerate() {
        let unit = *by_file.entry(&test.file).or_insert_with(|| {
            units.push_back(Unit { tests: Vec::new() });
            units.len() - 1
        });
        units[unit].tests.push(index);
    }
    units
}

/// The members of a group that are traced themselves: all of a small one; of a large one the first,
/// the last and one between, since a shared cause shows anywhere and a coincidence rarely thrice.
pub fn representatives(members: &[usize]) -> Vec<usize> {
    const SMALL: usize = 3;
    if members.len() <= SMALL {
        return members.to_vec();
    }
    vec![
        members[0],
        members[members.len() / 2],
        members[members.len() - 1],
    ]
}

/// The first of each list, then the second of each, and so on; those of a larger weight first.
pub fn in_turn(mut lists: Vec<(usize, Vec<usize>)>) -> Vec<usize> {
    lists.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
    let rounds = lists.iter().map(|(_, list)| list.len()).max().unwrap_or(0);
    (0..rounds)
        .flat_map(|round| lists.iter().filter_map(move |(_, list)| list.get(round)))
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(file: &str, id: &str) -> Collectable {
        Collectable {
            id: id.to_owned(),
            file: file.to_owned(),
        }
    }

    #[test]
    fn a_file_is_one_unit_even_where_the_runner_mixed_the_order() {
        let tests = [test("a", "1"), test("b", "2"), test("a", "3")];
        let found: Vec<_> = units(&tests).into_iter().map(|unit| unit.tests).collect();
        assert_eq!(found, [vec![0, 2], vec![1]]);
    }

    #[test]
    fn what_is_widespread_comes_first_and_each_has_its_turn() {
        let lists = vec![(2, vec![7]), (90, vec![5, 6, 1]), (3, vec![2, 3])];
        assert_eq!(in_turn(lists), [5, 2, 7, 6, 3, 1]);
        assert!(in_turn(Vec::new()).is_empty());
    }

    #[test]
    fn a_large_group_is_represented_by_three() {
        let members: Vec<usize> = (10..2010).collect();
        assert_eq!(representatives(&members), [10, 1010, 2009]);
        assert_eq!(representatives(&[4, 5, 6]), [4, 5, 6]);
    }
}
