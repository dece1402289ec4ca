//! Which stacks leak: those whose chunks of each iteration live on, whatever else comes and goes.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Chunks of one iteration that live on, from one stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(from = "(u8, u32, u32, u32, i64, i64)")]
pub struct Row {
    /// From 1.
    pub iteration: u32,
    /// Who asked for them.
    pub stack: u32,
    /// Where Python was then; 0 where that is not known.
    pub traceback: u32,
    /// How many.
    pub count: i64,
    /// Their size, or what an older chunk gained.
    pub bytes: i64,
    /// Whether they are pages that a program mapped itself: no heap has them.
    pub mapped: bool,
}

impl From<(u8, u32, u32, u32, i64, i64)> for Row {
    fn from(
        (kind, iteration, stack, traceback, count, bytes): (u8, u32, u32, u32, i64, i64),
    ) -> Row {
        /// What an older chunk gained: none of its own.
        const GAINED: u8 = 2;
        const MAPPED: u8 = 1;
        Row {
            iteration,
            stack,
            traceback,
            count: if kind == GAINED { 0 } else { count },
            bytes,
            mapped: kind == MAPPED,
        }
    }
}

/// A place in a file of machine code: the number of the file, and the byte in it. Below 0 where it is in none.
pub type Location = (i64, u64);

/// What a look at the chunks of memory found.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Survivors {
    /// What lives on.
    pub rows: Vec<Row>,
    /// Of each stack by number, innermost first.
    pub stacks: Vec<(u32, Vec<Location>)>,
    /// File and line of Python's frames by number, innermost first.
    pub tracebacks: Vec<(u32, Vec<(String, u32)>)>,
    /// Paths of the files with machine code.
    pub libraries: Vec<String>,
    /// How much could not be noted.
    pub missed: u64,
    /// Whether there was more than is told.
    pub cut: bool,
}

/// A stack that leaks.
#[derive(Debug, Clone, PartialEq)]
pub struct Leaking {
    /// Its number.
    pub stack: u32,
    /// File and line of Python's frames, innermost first, where they are known.
    pub lines: Vec<(String, u32)>,
    /// Chunks per iteration.
    pub count: f64,
    /// Bytes per iteration.
    pub bytes: f64,
    /// Whether as many and as large ones stay of each iteration.
    pub even: bool,
    /// Whether they are pages that a program mapped itself.
    pub mapped: bool,
}

/// The stacks that leak, those of the heap before pages and the largest first, of `iterations` in which anything was noted.
///
/// The first iteration has what is made once, and of the last one is left what the next would replace. Of those between a
/// leak lives on: of each the same, or now and then from the beginning to the end.
pub fn leaking(found: &Survivors, iterations: u32) -> Vec<Leaking> {
    let judged: Vec<u32> = (2..iterations).collect();
    if judged.is_empty() {
        return Vec::new();
    }
    let lines: BTreeMap<u32, &Vec<(String, u32)>> = { found.tracebacks.iter() }
        .map(|(number, lines)| (*number, lines))
        .collect();
    let mut stacks: BTreeMap<u32, Vec<&Row>> = BTreeMap::new();
    for row in &found.rows {
        stacks.entry(row.stack).or_default().push(row);
    }
    let mut leaks: Vec<Leaking> = stacks
        .into_iter()
        .filter_map(|(stack, rows)| {
            let (count, bytes, even) = trend(&rows, &judged)?;
            Some(by_line(stack, &rows, &lines, (count, bytes, even)))
        })
        .flatten()
        .collect();
    leaks.sort_by(|a, b| {
        let order = a.mapped.cmp(&b.mapped);
        let order = order.then_with(|| b.bytes.total_cmp(&a.bytes));
        order.then_with(|| (a.stack, &a.lines).cmp(&(b.stack, &b.lines)))
    });
    leaks
}

/// Chunks and bytes per iteration of what grows, and whether each iteration adds the same.
fn trend(rows: &[&Row], judged: &[u32]) -> Option<(f64, f64, bool)> {
    let of = |iteration: u32, what: fn(&Row) -> i64| -> i64 {
        let rows = rows.iter().filter(|row| row.iteration == iteration);
        rows.map(|row| what(row)).sum()
    };
    let counts: Vec<i64> = { judged.iter() }
        .map(|iteration| of(*iteration, |row| row.count))
        .collect();
    let bytes: Vec<i64> = { judged.iter() }
        .map(|iteration| of(*iteration, |row| row.bytes))
        .collect();
    let grown: Vec<usize> = (0..judged.len()).filter(|at| bytes[*at] > 0).collect();
    let even = |all: &[i64]| all.iter().all(|one| *one == all[0]);
    let steady = grown.len() == judged.len() && even(&bytes) && even(&counts);
    let (first, last) = (*grown.first()?, *grown.last()?);
    // A ring that is full, or what is replaced now and then, has nothing of the first half.
    let throughout = 2 * first < judged.len() && 2 * (last + 1) > judged.len() && first < last;
    let total: i64 = bytes.iter().sum();
    let iterations = judged.len() as f64;
    (total > 0 && (steady || throughout)).then(|| {
        let count = counts.iter().sum::<i64>() as f64 / iterations;
        (count, total as f64 / iterations, steady)
    })
}

/// What a stack leaves in each iteration, divided among the lines of Python that led to it, as far as these are known.
fn by_line(
    stack: u32,
    rows: &[&Row],
    lines: &BTreeMap<u32, &Vec<(String, u32)>>,
    (count, bytes, even): (f64, f64, bool),
) -> Vec<Leaking> {
    let mut shares: BTreeMap<&[(String, u32)], (i64, i64)> = BTreeMap::new();
    for row in rows {
        if let Some(lines) = lines.get(&row.traceback) {
            let share = shares.entry(lines).or_default();
            share.0 += row.count.max(1);
            share.1 += row.bytes;
        }
    }
    shares.retain(|_, share| share.1 > 0);
    let all = shares
        .values()
        .fold((0, 0), |sum, share| (sum.0 + share.0, sum.1 + share.1));
    let leaking = |lines: &[(String, u32)], part: (f64, f64)| Leaking {
        stack,
        lines: lines.to_vec(),
        count: count * part.0,
        bytes: bytes * part.1,
        even,
        mapped: rows.iter().any(|row| row.mapped),
    };
    if shares.is_empty() {
        return vec![leaking(&[], (1.0, 1.0))];
    }
    let part = |share: &(i64, i64)| (share.0 as f64 / all.0 as f64, share.1 as f64 / all.1 as f64);
    { shares.iter() }
        .map(|(lines, share)| leaking(lines, part(share)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of one stack: bytes of one chunk that live on, by iteration from 1.
    fn rows(stack: u32, bytes: &[i64]) -> Vec<Row> {
        let each = bytes.iter().zip(1..);
        each.filter(|(bytes, _)| **bytes != 0)
            .map(|(bytes, iteration)| Row {
                iteration,
                stack,
                traceback: 0,
                count: 1,
                bytes: *bytes,
                mapped: false,
            })
            .collect()
    }

    fn told(rows: Vec<Row>, iterations: u32) -> Vec<(u32, f64, bool)> {
        let found = Survivors {
            rows,
            ..Survivors::default()
        };
        { leaking(&found, iterations).into_iter() }
            .map(|leak| (leak.stack, leak.bytes, leak.even))
            .collect()
    }

    #[test]
    fn the_same_of_each_iteration_is_a_leak_whatever_the_ends_have() {
        assert_eq!(
            told(rows(1, &[900, 64, 64, 64, 64, 4_000]), 6),
            [(1, 64.0, true)]
        );
        // The smallest look there is.
        assert_eq!(told(rows(1, &[0, 64, 64]), 3), [(1, 64.0, true)]);
        assert_eq!(told(rows(1, &[64, 64]), 2), []);
    }

    #[test]
    fn what_lives_on_of_the_last_iterations_only_is_replaced() {
        assert_eq!(told(rows(1, &[0, 0, 0, 0, 0, 64]), 6), []);
        // A ring of four that was full before.
        assert_eq!(told(rows(1, &[0, 0, 0, 0, 0, 64, 64, 64, 64]), 9), []);
        // What was made once.
        assert_eq!(told(rows(1, &[0, 0, 64, 0, 0, 0, 0, 0, 0]), 9), []);
    }

    #[test]
    fn growth_now_and_then_goes_on_from_the_beginning_to_the_end() {
        let third = [0, 0, 90, 0, 0, 90, 0, 0, 90];
        let found = told(rows(1, &third), 9);
        assert_eq!(found.len(), 1);
        assert!(!found[0].2);
    }

    #[test]
    fn a_chunk_that_becomes_longer_grows_and_one_that_is_cut_again_does_not() {
        let gained = |iteration: u32, bytes: i64| Row::from((2, iteration, 1, 0, 1, bytes));
        let longer = (1..=6).map(|iteration| gained(iteration, 48)).collect();
        assert_eq!(told(longer, 6), [(1, 48.0, true)]);
        let back_and_forth = (1..=6)
            .flat_map(|iteration| [gained(iteration, 48), gained(iteration, -48)])
            .collect();
        assert_eq!(told(back_and_forth, 6), []);
    }

    #[test]
    fn the_largest_leak_is_told_first_and_each_line_of_python_by_itself() {
        let mut all = rows(1, &[64; 6]);
        all.extend(rows(2, &[800; 6]));
        assert_eq!(told(all.clone(), 6), [(2, 800.0, true), (1, 64.0, true)]);
        for (at, row) in all.iter_mut().enumerate() {
            row.traceback = 1 + at as u32 % 2;
        }
        let line = |number: u32| vec![("app.py".to_owned(), number)];
        let found = Survivors {
            rows: all,
            tracebacks: vec![(1, line(7)), (2, line(9))],
            ..Survivors::default()
        };
        let found: Vec<_> = { leaking(&found, 6).into_iter() }
            .map(|leak| (leak.stack, leak.lines[0].1, leak.bytes, leak.count))
            .collect();
        assert_eq!(
            found,
            [
                (2, 7, 400.0, 0.5),
                (2, 9, 400.0, 0.5),
                (1, 7, 32.0, 0.5),
                (1, 9, 32.0, 0.5)
            ]
        );
    }
}
