//! Native memory that stays beside what Python keeps: what grows in malloc and is in none of the blocks that were traced.

use super::{
    evidence::{Evidence, Told},
    growth::Fits,
    rules::Rules,
};
use crate::{
    fit::{Exactness, Fit, Rate, Shape},
    verdict::{Counter, Series},
};

/// What leaves memory in malloc of which Python knows nothing, and is a finding itself: a thread its local storage.
const WITH_MEMORY: [Counter; 3] = [Counter::Threads, Counter::Children, Counter::Interpreters];

/// How malloc's heap grows by what no traced block accounts for; `None` where Python's objects may be all that grows, or
/// nothing else does. Whether it is held by them is another question.
pub(super) fn unexplained(
    evidence: &Evidence,
    fits: &Fits,
    series: &Series,
    rules: &Rules,
) -> Option<Fit> {
    let is_exact = evidence.exactness(Counter::Heap) == Exactness::Exact;
    let others = [Counter::Blocks, Counter::Objects, Counter::Items];
    if !is_exact
        || !others.iter().any(|counter| fits.contains_key(counter))
        || WITH_MEMORY.iter().any(|counter| fits.contains_key(counter))
    {
        return None;
    }
    let untraced = |series: &Series| {
        let readings = series.get(&Counter::Heap)?;
        // In each iteration, or in every few.
        let often = beyond(evidence, fits, readings, 1, rules);
        often.or_else(|| match fits.get(&Counter::Heap)?.shape {
            Shape::Periodic { period } => beyond(evidence, fits, readings, period, rules),
            _ => None,
        })
    };
    // It is traced right after the windows: what becomes larger from one iteration to the next, a text with everything
    // so far in it, is malloc's in a long run and was not when it was traced.
    untraced(&evidence.windows.series)?;
    untraced(series)
}

/// What is added in each `period` iterations beyond what was traced.
fn beyond(
    evidence: &Evidence,
    fits: &Fits,
    readings: &[i64],
    period: usize,
    rules: &Rules,
) -> Option<Fit> {
    let traced = traced(evidence, fits, period, rules)?;
    let rules = &rules.beside;
    let mut rest: Vec<f64> = sums(readings, period)
        .map(|added| added as f64 / period as f64 - traced)
        .collect();
    if rest.len() < rules.readings {
        return None;
    }
    rest.sort_by(f64::total_cmp);
    let at = |share: f64| rest[((rest.len() - 1) as f64 * share) as usize];
    // A container that is moved now and then takes much at once, and nothing in between.
    let (low, middle, high) = (at(rules.unsteady), at(0.5), at(1.0 - rules.unsteady));
    (low >= rules.least).then_some(Fit {
        shape: match period {
            1 => Shape::Linear,
            _ => Shape::Periodic { period },
        },
        rate: Rate {
            value: middle,
            interval: (low, high),
            exact: low >= high,
        },
        last_growth: Some(readings.len() - 1),
    })
}

/// Bytes that malloc gives for what is traced, in an iteration, at most. None where nothing was traced.
fn traced(evidence: &Evidence, fits: &Fits, period: usize, rules: &Rules) -> Option<f64> {
    // What is counted as blocks is in pymalloc's own memory; small ones beyond these are malloc's.
    let counted = fits.get(&Counter::Blocks).map_or(0.0, |fit| fit.rate.value);
    { evidence.traces.iter() }
        .filter_map(|trace| match &trace.told {
            Told::Sites { malloced, .. } if !malloced.is_empty() => Some(malloced),
            _ => None,
        })
        // Deeper traces are short.
        .max_by_key(|malloced| malloced.len())
        .map(|malloced| {
            let (large, small): (Vec<i64>, Vec<i64>) = malloced.iter().copied().unzip();
            // What tracing sees at first takes the places of what it has not seen, now and then.
            let least = { sums(&small, period).skip(1) }.min().unwrap_or(0);
            let beyond = least as f64 / period as f64 - counted;
            typical(&large, period).max(0.0)
                + if beyond > rules.unexplained {
                    beyond * rules.beside.block
                } else {
                    0.0
                }
        })
}

/// What an iteration adds to a series of traced memory: the first one also brings what appears once.
fn typical(readings: &[i64], period: usize) -> f64 {
    let from = usize::from(readings.len() > 3);
    let readings = &readings[from..];
    match readings {
        [] => 0.0,
        [only] => *only as f64,
        [first, .., last] if period > 1 => (last - first) as f64 / (readings.len() - 1) as f64,
        _ => {
            let mut added: Vec<i64> = sums(readings, 1).collect();
            added.sort_unstable();
            added[added.len() / 2] as f64
        }
    }
}

/// What is added in each `period` readings.
fn sums(readings: &[i64], period: usize) -> impl Iterator<Item = i64> {
    let ends = readings.iter().skip(period).step_by(period);
    ends.zip(readings.iter().step_by(period))
        .map(|(end, start)| end - start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::investigate::{
        evidence::Trace,
        rules::RULES,
        samples::{growth, suspect},
    };

    /// A suspect whose heap grows by these amounts in turn beside `blocks` an iteration, of which so much was traced.
    fn found(heap: &[i64], blocks: i64, malloced: &[(i64, i64)]) -> Option<f64> {
        let mut stands = 0;
        let heap = (0..33).map(|at| {
            stands += if at > 0 {
                heap[(at - 1) % heap.len()]
            } else {
                0
            };
            stands
        });
        let mut series = Series::from([(Counter::Heap, heap.collect())]);
        series.insert(Counter::Blocks, (0..33).map(|at| at * blocks).collect());
        let mut evidence = suspect(series.clone());
        evidence.exactness.insert(Counter::Heap, Exactness::Exact);
        evidence.traces = vec![Trace {
            iterations: 6,
            settling: 0,
            cpu: 0.1,
            ended: false,
            told: Told::Sites {
                growths: vec![growth("a.py", 1, 1, 90)],
                types: Vec::new(),
                malloced: malloced.to_vec(),
            },
        }];
        let fits = evidence.growing(&series);
        unexplained(&evidence, &fits, &series, &RULES).map(|fit| fit.rate.value)
    }

    /// Six iterations that add so much, after a first one that brings something once.
    fn traced(large: i64, small: i64) -> Vec<(i64, i64)> {
        (0..7)
            .map(|at| (at * large + if at > 0 { 70_000 } else { 0 }, at * small))
            .collect()
    }

    #[test]
    fn what_no_traced_block_accounts_for_is_native() {
        assert_eq!(found(&[112], 2, &traced(0, 2)), Some(112.0));
        // A list is made larger in some iterations, and is no reason to doubt it.
        assert_eq!(
            found(&[112, 112, 112, 112, 112, 112, 1136], 2, &traced(0, 2)),
            Some(112.0)
        );
        assert_eq!(found(&[3136], 1, &traced(3024, 0)), Some(112.0));
        // In every 3rd iteration.
        assert_eq!(found(&[0, 0, 336], 2, &traced(0, 2)), Some(112.0));
    }

    #[test]
    fn large_objects_and_containers_that_become_larger_are_pythons() {
        assert_eq!(found(&[3024], 1, &traced(3024, 0)), None);
        assert_eq!(
            found(&[0, 0, 0, 0, 912, 0, 0, 0, 0, 0, 1040], 2, &traced(0, 2)),
            None
        );
        // Locks are small, and malloc's.
        assert_eq!(found(&[48], 1, &traced(0, 2)), None);
        assert_eq!(
            found(&[112], 0, &traced(0, 0)),
            None,
            "it is the finding itself"
        );
        assert_eq!(found(&[112], 2, &[]), None, "nothing was traced");
    }
}
