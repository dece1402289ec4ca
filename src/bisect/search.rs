//! Which commit is asked next: git puts the candidates in order, and what was answered is given.

use std::collections::BTreeSet;

use crate::files::git::{Refused, Repository};

/// After so many that could not be judged of those that are left, nobody wants to wait for the rest.
const MOST_SKIPPED: usize = 30;

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

/// The commits that may have brought what is looked for, the one that is known to show it among them.
#[derive(Debug)]
pub struct Candidates {
    /// Those that halve them best first.
    pub best: Vec<String>,
    /// From old to new.
    pub line: Vec<String>,
}

impl Candidates {
    /// The commits of a repository that may have brought what `bad` shows and none of `goods` does.
    pub fn of(repository: &Repository, bad: &str, goods: &[String]) -> Result<Candidates, Refused> {
        let listed = |how: &[&str]| repository.between(how, bad, goods);
        Ok(Candidates {
            best: listed(&["--bisect-all"])?,
            line: listed(&["--topo-order", "--reverse"])?,
        })
    }
}

/// What comes next where `bad` is the candidate that is known to show it.
pub fn next<'a>(of: &'a Candidates, bad: &str, skipped: &BTreeSet<String>) -> Next<'a> {
    let line: Vec<&str> = { of.line.iter() }
        .map(|commit| &**commit)
        .filter(|commit| *commit != bad)
        .collect();
    let best: Vec<&str> = { of.best.iter() }
        .map(|commit| &**commit)
        .filter(|commit| *commit != bad)
        .collect();
    let Some(middle) = best.first() else {
        return Next::Found;
    };
    // What cannot be judged mostly comes in a row: what lies between two that cannot is taken for no better, and the row's
    // ends are looked for, on the side where there is more.
    let row = |commit: &&str| skipped.contains(*commit);
    let (Some(first), Some(last)) = (line.iter().position(row), line.iter().rposition(row)) else {
        return Next::Ask(middle);
    };
    let (older, newer) = (&line[..first], &line[last + 1..]);
    if older.contains(middle) || newer.contains(middle) {
        return Next::Ask(middle);
    }
    let side = if older.len() > newer.len() {
        older
    } else {
        newer
    };
    if let Some(commit) = side.get(side.len() / 2) {
        return Next::Ask(commit);
    }
    let many = line.iter().filter(|commit| row(commit)).count();
    match best.iter().find(|commit| !row(commit)) {
        Some(commit) if many < MOST_SKIPPED => Next::Ask(commit),
        _ => Next::Undecided,
    }
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
            let best = line.iter().map(u32::to_string).collect();
            let of = (good + 1..=bad).map(|at| at.to_string()).collect();
            let candidates = Candidates { best, line: of };
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
        for first in [1, 200, 299, 652, 800, 1000] {
            let (found, asked) = searched(1000, first, &broken);
            assert_eq!(found, Ok(first));
            assert!(asked <= 24, "{first}: {asked}");
        }
    }

    #[test]
    fn nobody_waits_for_hundreds_that_cannot_be_judged() {
        let (found, asked) = searched(1000, 500, &|at| (300..650).contains(&at));
        assert_eq!(found.unwrap_err().len(), 351);
        assert!(asked < 60, "{asked}");
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
