//! What limits that which a test fills: what says so itself, and the numbers that containers keep to once these are lowered.
//!
//! What is decided is decided anew from all that was answered so far: where an answer is missing, it is asked for.

use super::{
    lowered::limits,
    rules::Limits,
    trial::{Ask, Facts, Fill, Hold, Told, Window},
};
use crate::verdict::{Counter, Series, conclusion::Filled};

/// What a test fills that has an end.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ends {
    /// What is said of each.
    pub filled: Vec<Filled>,
    /// Identities of the containers that end so, those that were not looked at themselves as well.
    pub ended: Vec<u64>,
    /// With all of that emptied at every boundary, or kept small; none where nothing was found.
    pub window: Option<Window>,
    /// CPU seconds of the search, without that window.
    pub cpu: f64,
}

/// What a test fills that has an end, or what is to be asked before that is known. Its windows have so many iterations;
/// when `quick`, only what says so itself counts.
pub fn search(told: &[Told], iterations: u32, quick: bool, rules: &Limits) -> Result<Ends, Ask> {
    let mut facts = Facts::of(told);
    let mut ends = Ends::default();
    find(&mut facts, &mut ends, iterations, quick, rules)?;
    ends.cpu = facts.spent - ends.window.as_ref().map_or(0.0, |window| window.cpu);
    Ok(ends)
}

fn find(
    facts: &mut Facts<'_>,
    ends: &mut Ends,
    iterations: u32,
    quick: bool,
    rules: &Limits,
) -> Result<(), Ask> {
    let filling = facts.fill(Fill {
        warmup: rules.warmup,
        iterations: rules.gaining,
        quick,
    })?;
    (ends.ended, ends.filled) = filling.filled.iter().cloned().unzip();
    let plain = Hold {
        lowered: Vec::new(),
        through: 0,
        seconds: rules.through_cpu,
        thaw: false,
        warmup: rules.warmup,
        iterations,
    };
    if !ends.filled.is_empty() && iterations > 0 {
        ends.window = Some(facts.hold(plain.clone())?.window.clone());
    }
    let is_enough = |window: &Window| !rises(&window.series);
    if quick || !filling.passed || ends.window.as_ref().is_some_and(is_enough) {
        return Ok(());
    }
    let found = limits(facts, &mut ends.ended, rules)?;
    if found.is_empty() {
        return Ok(());
    }
    let hold = Hold {
        lowered: found.iter().map(|limit| limit.lowered).collect(),
        ..plain
    };
    let mut held = facts.hold(hold.clone())?;
    if !is_enough(&held.window) {
        // What it drops first is what other tests put in, which may be smaller than what comes in its stead.
        let lengths = found.iter().filter_map(|it| held.lengths.get(it.container));
        let entries = lengths.max().copied().unwrap_or_default();
        let through = u32::try_from(entries).unwrap_or(0).min(rules.through);
        held = facts.hold(Hold {
            through,
            ..hold.clone()
        })?;
    }
    if !is_enough(&held.window) {
        // What it drops was there before this window, and where only the collector can free that, it is seen to be freed
        // only where nothing is frozen.
        held = facts.hold(Hold {
            thaw: true,
            warmup: 0,
            ..hold
        })?;
    }
    ends.window = Some(held.window.clone());
    ends.filled.extend(found.into_iter().map(|it| it.filled));
    Ok(())
}

/// Whether anything that is growth by itself rises in the second half of a window.
fn rises(series: &Series) -> bool {
    let is_read = |counter| series.get(counter).is_some_and(|it| !it.is_empty());
    // Each object costs one or the other; those that are replaced are counted only when they come.
    let has_better = is_read(&Counter::Blocks) && is_read(&Counter::Heap);
    let counts = |counter: &Counter| match counter {
        Counter::Garbage => false,
        Counter::Objects => !has_better,
        _ => true,
    };
    { series.iter() }
        .filter(|(counter, _)| counts(counter))
        .any(|(_, readings)| readings.last() > readings.get(readings.len() / 2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::investigate::{
        rules::RULES,
        trial::{Filling, Gained, Held, Levels, Lowered, Numbers},
    };

    /// After a list that grew was tried with each of so many numbers beside it, as far as there is time.
    fn tried(numbers: i64, cpu: f64, resident: u64, each: &[i64]) -> (Vec<Told>, usize, f64) {
        let filling = Filling {
            passed: true,
            filled: Vec::new(),
            cpu,
        };
        let beside = |at| ("limit".to_owned(), 0, 100 + at);
        let now = |numbers, resident| Levels {
            lengths: vec![9],
            values: (0..numbers).map(|at| Some(100 + at)).collect(),
            resident,
        };
        let mut told = vec![
            Told::Filled(filling),
            Told::Gained(Gained {
                containers: vec![(1, "list".to_owned(), 2)],
                cpu,
                now: now(0, 0),
            }),
            Told::Beside(Numbers {
                numbers: (0..numbers).map(beside).collect(),
                walks: 3,
                passed: true,
                seconds: 0.2,
                cpu,
                now: now(numbers, 0),
            }),
        ];
        let mut patience = 0.0;
        while let Err(Ask::Lower(lower)) = search(&told, 2, false, &RULES.limits) {
            patience = lower.patience;
            told.push(Told::Lowered(Lowered {
                late: false,
                refused: each.is_empty(),
                each: each.to_vec(),
                same: false,
                cpu,
                now: now(numbers, resident),
            }));
        }
        let count = told.len() - 3;
        (told, count, patience)
    }

    fn held(blocks: &[i64], lengths: Vec<i64>) -> Held {
        Held::passed(Series::from([(Counter::Blocks, blocks.to_vec())]), lengths)
    }

    #[test]
    fn little_is_tried_where_it_takes_long() {
        let tries = |cpu, resident| {
            let (_, count, patience) = tried(30, cpu, resident, &[]);
            (count, patience)
        };
        assert_eq!(tries(0.0, 0), (16, 4.0));
        assert_eq!(tries(2.0, 0), (2, 4.0));
        assert_eq!(tries(0.0, 300_000_000), (1, 4.0));
    }

    #[test]
    fn a_window_that_still_rises_is_read_again() {
        let (mut told, ..) = tried(1, 0.1, 0, &[9; 4]);
        let mut holds = Vec::new();
        let ends = loop {
            match search(&told, 2, false, &RULES.limits) {
                Err(Ask::Hold(hold)) => {
                    holds.push((hold.through, hold.thaw, hold.warmup, hold.lowered));
                    told.push(Told::Held(held(&[4, 5, 6], vec![9])));
                }
                said => break said.unwrap(),
            }
        };
        let lowered = || vec![(0, 9)];
        assert_eq!(
            holds,
            [
                (0, false, 1, lowered()),
                (9, false, 1, lowered()),
                (0, true, 0, lowered())
            ]
        );
        assert_eq!(ends.filled.len(), 1);
    }

    #[test]
    fn what_says_itself_where_it_ends_is_enough_where_nothing_else_rises() {
        let own = ("lru_cache".to_owned(), "app.parse".to_owned(), Some(9), 128);
        let filling = |passed| {
            Told::Filled(Filling {
                passed,
                filled: vec![(7, own.clone()); usize::from(passed)],
                cpu: 0.1,
            })
        };
        let found =
            |told: &[Told], iterations, quick| search(told, iterations, quick, &RULES.limits);
        let flat = [filling(true), Told::Held(held(&[4, 4, 4], Vec::new()))];
        let ends = found(&flat, 2, false).unwrap();
        assert_eq!(
            (&ends.filled[..], &ends.ended[..]),
            (&[own.clone()][..], &[7][..])
        );
        let rises = [filling(true), Told::Held(held(&[4, 5, 6], Vec::new()))];
        assert!(matches!(found(&rises, 2, false), Err(Ask::Gain(_))));
        assert!(found(&rises, 2, true).unwrap().window.is_some());
        assert_eq!(found(&[filling(true)], 0, true).unwrap().window, None);
        assert_eq!(
            found(&[filling(false)], 2, false),
            Ok(Ends {
                cpu: 0.1,
                ..Ends::default()
            })
        );
    }

    #[test]
    fn what_rises_in_the_second_half_counts() {
        let window = |series: &[(Counter, &[i64])]| {
            let series = series.iter().map(|(counter, it)| (*counter, it.to_vec()));
            rises(&series.collect())
        };
        assert!(!window(&[(Counter::Blocks, &[1, 5, 5, 5])]));
        assert!(window(&[(Counter::Blocks, &[5, 5, 5, 6])]));
        assert!(!window(&[
            (Counter::Garbage, &[1, 2, 3]),
            (Counter::Blocks, &[])
        ]));
        let objects: (Counter, &[i64]) = (Counter::Objects, &[1, 2, 3]);
        assert!(window(&[objects, (Counter::Blocks, &[1, 1, 1])]));
        assert!(!window(&[
            objects,
            (Counter::Blocks, &[1, 1, 1]),
            (Counter::Heap, &[1, 1, 1])
        ]));
    }
}
