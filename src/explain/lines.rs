//! Which of the followed functions a reader should look at, and what grows on their lines.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{native::Passage, sites::Growth};
use crate::heap::owner::Places;

/// Functions that are shown.
const MOST: usize = 6;
/// A function whose lines never come near the highest level says nothing of it.
const NEAR: f64 = 0.5;

/// One function that was followed.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Function {
    /// Its file.
    pub file: String,
    /// First line, decorators included.
    pub first: u32,
    /// Name without module and class.
    pub name: String,
    /// How many followed functions were running when it was first called.
    pub depth: u32,
    /// Its lines: number, times run, bytes more after it than before, highest level while it ran.
    pub lines: Vec<(u32, u64, i64, i64)>,
}

/// Blocks and bytes that stay per iteration, by file and line.
pub type Stays = BTreeMap<(String, u32), (f64, f64)>;

/// What stays at each line: of every growing site the chosen frame, and the calls that led there.
pub fn stays(growths: &[Growth]) -> Stays {
    let mut found = Stays::new();
    for growth in growths {
        let entry = found.entry(growth.place().clone()).or_insert((0.0, 0.0));
        entry.0 += growth.count.rate.value;
        entry.1 += growth.bytes.rate.value;
    }
    found
}

/// Chunks and bytes of native memory that stay: at each line that calls what asks for them.
pub fn native<'p>(passages: impl IntoIterator<Item = &'p Passage>, places: &Places) -> Stays {
    let mut found = Stays::new();
    for passage in passages {
        if let Some(place) = passage.shown(places).first() {
            let entry = found.entry(place.clone()).or_insert((0.0, 0.0));
            entry.0 += passage.chunks;
            entry.1 += passage.bytes;
        }
    }
    found
}

/// The line during which the level was highest: of those that say the same, the innermost.
pub fn highest(functions: &[Function]) -> Option<(&Function, u32)> {
    let lines = functions.iter().flat_map(|function| {
        let lines = function.lines.iter();
        lines.map(move |(line, _, _, peak)| ((*peak, function.depth, *line), function))
    });
    lines
        .max_by_key(|(order, _)| *order)
        .map(|((.., line), function)| (function, line))
}

/// The functions to show: those in which something stays, the test itself, and those at the highest level.
pub fn choose(mut functions: Vec<Function>, stays: &Stays, test: &str) -> Vec<Function> {
    let name = test_function(test);
    let left = |function: &Function| -> f64 {
        function
            .lines
            .iter()
            .filter_map(|(line, ..)| stays.get(&(function.file.clone(), *line)))
            .map(|(_, bytes)| bytes.max(1.0))
            .sum()
    };
    let high = |function: &Function| {
        let levels = function.lines.iter().map(|(.., peak)| *peak);
        levels.max().unwrap_or(0)
    };
    let highest = functions.iter().map(&high).max().unwrap_or(0);
    functions.sort_by(|a, b| {
        left(b)
            .total_cmp(&left(a))
            .then_with(|| (b.name == name).cmp(&(a.name == name)))
            .then_with(|| high(b).cmp(&high(a)))
            .then_with(|| (&a.file, a.first).cmp(&(&b.file, b.first)))
    });
    functions.retain(|function| {
        left(function) > 0.0
            || function.name == name
            || high(function) as f64 >= highest as f64 * NEAR
    });
    functions.truncate(MOST);
    functions
}

/// Name of the function of a test with this id.
fn test_function(id: &str) -> &str {
    let without = id.split('[').next().unwrap_or(id);
    let last = without.rsplit("::").next().unwrap_or(without);
    last.rsplit('.').next().unwrap_or(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(file: &str, name: &str, lines: &[(u32, i64)]) -> Function {
        Function {
            file: file.to_owned(),
            first: lines[0].0,
            name: name.to_owned(),
            depth: 0,
            lines: lines
                .iter()
                .map(|(line, peak)| (*line, 1, 0, *peak))
                .collect(),
        }
    }

    #[test]
    fn what_grows_comes_first_then_the_test_then_what_is_high() {
        let functions = vec![
            function("/p/a.py", "low", &[(1, 10)]),
            function("/p/a.py", "high", &[(5, 1000)]),
            function("/p/t.py", "test_it", &[(9, 20)]),
            function("/p/a.py", "keeps", &[(7, 15)]),
        ];
        let stays = Stays::from([(("/p/a.py".to_owned(), 7), (1.0, 64.0))]);
        let found = choose(functions, &stays, "t.py::TestX::test_it[a.b::c]");
        let names: Vec<&str> = found.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["keeps", "test_it", "high"]);
    }

    #[test]
    fn of_lines_within_each_other_the_innermost_is_the_highest() {
        let mut functions = vec![
            function("/p/t.py", "test_it", &[(9, 1000), (10, 5)]),
            function("/p/a.py", "makes", &[(5, 1000), (6, 900)]),
        ];
        functions[1].depth = 1;
        let (found, line) = highest(&functions).unwrap();
        assert_eq!((found.name.as_str(), line), ("makes", 5));
        assert_eq!(highest(&[]), None);
    }

    #[test]
    fn ids_of_both_runners_end_in_a_function() {
        assert_eq!(
            test_function("tests/test_a.py::TestX::test_y[1-2]"),
            "test_y"
        );
        assert_eq!(test_function("tests.test_a.TestX.test_y"), "test_y");
    }
}
