//! Which tests go together, and in which order: pure functions over what was collected.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    path::Path,
};

use crate::worker::protocol::Collectable;

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

/// For each unit those before it from which its tests may learn: of each folder above its file, which may have fixtures for all
/// that is in it, the first ones that have so many tests together.
pub fn teachers(units: &VecDeque<Unit>, tests: &[Collectable], enough: usize) -> Vec<Vec<usize>> {
    let mut folders: HashMap<&Path, (Vec<usize>, usize)> = HashMap::new();
    let mut found = Vec::new();
    for (at, unit) in units.iter().enumerate() {
        let file = unit.tests.first().map_or("", |test| &tests[*test].file);
        let mut teachers = BTreeSet::new();
        for folder in Path::new(file).ancestors().skip(1) {
            let (first, count) = folders.entry(folder).or_default();
            teachers.extend(first.iter().copied());
            if *count < enough {
                first.push(at);
                *count += unit.tests.len();
            }
        }
        found.push(teachers.into_iter().collect());
    }
    found
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

/// So many of a large group, from all parts of it, and the others; none of one that is hardly larger.
pub fn spread(members: Vec<usize>, some: usize) -> (Vec<usize>, Vec<usize>) {
    const LARGE: usize = 8;
    if members.len() <= LARGE * some {
        return (Vec::new(), members);
    }
    let step = members.len() / some;
    let (mut chosen, mut others) = (Vec::new(), Vec::new());
    for (at, test) in members.into_iter().enumerate() {
        let is_chosen = at % step == step / 2;
        (if is_chosen { &mut chosen } else { &mut others }).push(test);
    }
    (chosen, others)
}

/// All of the lists as one, in which a list of twice the weight has its second where another has its first: D'Hondt's way of
/// giving seats to parties.
pub fn in_turn(lists: Vec<(usize, Vec<usize>)>) -> Vec<usize> {
    let mut seats: Vec<(usize, usize, usize)> = lists
        .into_iter()
        .flat_map(|(weight, list)| (1..).zip(list).map(move |(nth, test)| (weight, nth, test)))
        .collect();
    seats.sort_by(|one, other| (other.0 * one.1).cmp(&(one.0 * other.1)));
    seats.into_iter().map(|(_, _, test)| test).collect()
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
    fn a_file_learns_from_the_first_ones_of_each_folder_above_it() {
        let files = ["t/a", "t/b", "t/x/a", "t/x/b", "t/x/c", "t/c"];
        let tests: Vec<_> = { files.iter() }
            .flat_map(|file| [test(file, "1"), test(file, "2")])
            .collect();
        let learns = |enough| teachers(&units(&tests), &tests, enough);
        let none: Vec<usize> = Vec::new();
        // The first is enough for its folder.
        assert_eq!(
            learns(2),
            [
                none.clone(),
                vec![0],
                vec![0],
                vec![0, 2],
                vec![0, 2],
                vec![0]
            ]
        );
        let two = learns(3);
        assert_eq!(two[4..], [vec![0, 1, 2, 3], vec![0, 1]]);
        assert_eq!(learns(0), vec![none; 6]);
    }

    #[test]
    fn what_is_widespread_comes_first_and_each_has_its_turn() {
        let lists = vec![(1, vec![7]), (6, vec![5, 6, 1]), (4, vec![2, 3, 4])];
        assert_eq!(in_turn(lists), [5, 2, 6, 1, 3, 4, 7]);
        assert!(in_turn(Vec::new()).is_empty());
    }

    #[test]
    fn some_of_a_large_group_are_from_all_parts_of_it() {
        let (some, others) = spread((0..800).collect(), 4);
        assert_eq!(some, [100, 300, 500, 700]);
        assert_eq!(others.len(), 796);
        assert_eq!(spread(vec![1, 2, 3], 2), (vec![], vec![1, 2, 3]));
    }

    #[test]
    fn a_large_group_is_represented_by_three() {
        let members: Vec<usize> = (10..2010).collect();
        assert_eq!(representatives(&members), [10, 1010, 2009]);
        assert_eq!(representatives(&[4, 5, 6]), [4, 5, 6]);
    }
}
