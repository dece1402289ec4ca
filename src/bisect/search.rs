//! Which commit is asked next. Pure: git puts the candidates in order, and what was answered is given.

use std::collections::BTreeSet;

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next<'a> {
    /// Ask this commit.
    Ask(&'a str),
    /// Nothing is left but the commit that shows the finding: it brought it.
    Found,
    /// What is left could not be judged.
    Undecided,
}

/// What comes next where `candidates` may have brought the finding, the ones that halve them best first, and `bad` is the
/// one of them that is known to show it.
pub fn next<'a>(candidates: &'a [String], bad: &str, skipped: &BTreeSet<String>) -> Next<'a> {
    let left: Vec<&String> = candidates.iter().filter(|commit| **commit != bad).collect();
    let open: Vec<&String> = left
        .iter()
        .copied()
        .filter(|commit| !skipped.contains(*commit))
        .collect();
    match (left.first(), open.first()) {
        (None, _) => Next::Found,
        (_, None) => Next::Undecided,
        (Some(best), Some(first)) if best == first => Next::Ask(first),
        // What cannot be judged often comes in a row: the next try is away from it, and somewhere else each time.
        _ => {
            let at = open.len() as f64 * away(left.len() - open.len());
            Next::Ask(open[(at as usize).min(open.len() - 1)])
        }
    }
}

/// A part of the way to the worst candidate, another one for each number: bits turned around spread over all parts, and
/// their squares prefer the better ones.
fn away(skipped: usize) -> f64 {
    let bits = u32::try_from(skipped).unwrap_or(u32::MAX);
    let part = f64::from(bits.reverse_bits()) / f64::from(u32::MAX);
    part * part
}

/// How many more commits have to be asked if all can be judged.
pub fn steps(candidates: usize) -> u32 {
    candidates.max(1).next_power_of_two().trailing_zeros()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Commits 1 to `last` in a line, of which those from `first_bad` on show it and those in `broken` cannot be judged.
    /// The answer, and how many were asked.
    fn searched(
        last: u32,
        first_bad: u32,
        broken: &dyn Fn(u32) -> bool,
    ) -> (Result<u32, Vec<u32>>, usize) {
        let (mut good, mut bad) = (0, last);
        let mut skipped = BTreeSet::new();
        let mut asked = 0;
        loop {
            let mut line: Vec<u32> = (good + 1..=bad).collect();
            // As git has it: the smaller part of the two that a commit would leave, the largest first.
            line.sort_by_key(|at| std::cmp::Reverse((at - good).min(bad - at)));
            let candidates: Vec<String> = line.iter().map(u32::to_string).collect();
            let at: u32 = match next(&candidates, &bad.to_string(), &skipped) {
                Next::Found => return (Ok(bad), asked),
                Next::Undecided => {
                    line.sort_unstable();
                    return (Err(line), asked);
                }
                Next::Ask(commit) => commit.parse().unwrap(),
            };
            asked += 1;
            assert!(asked < 2000, "no end");
            if broken(at) {
                skipped.insert(at.to_string());
            } else if at >= first_bad {
                bad = at;
            } else {
                good = at;
            }
        }
    }

    #[test]
    fn it_halves() {
        for first in 1..=64 {
            let (found, asked) = searched(64, first, &|_| false);
            assert_eq!(found, Ok(first));
            assert!(asked <= steps(64) as usize, "{first}: {asked}");
        }
        assert_eq!(searched(1, 1, &|_| false), (Ok(1), 0));
    }

    #[test]
    fn commits_that_cannot_be_judged_are_walked_around() {
        // A third of a thousand, in the middle, where it begins.
        let broken = |at: u32| (300..650).contains(&at);
        for first in [1, 200, 299, 651, 800, 1000] {
            let (found, asked) = searched(1000, first, &broken);
            assert_eq!(found, Ok(first));
            assert!(asked < 40, "{first}: {asked}");
        }
    }

    #[test]
    fn what_cannot_be_told_apart_is_named() {
        let (found, _) = searched(20, 9, &|at| (7..=9).contains(&at));
        assert_eq!(found, Err(vec![7, 8, 9, 10]));
    }

    #[test]
    fn steps_are_halvings() {
        for (candidates, expected) in [(0, 0), (1, 0), (2, 1), (3, 2), (4, 2), (64, 6), (65, 7)] {
            assert_eq!(steps(candidates), expected, "{candidates}");
        }
    }
}
