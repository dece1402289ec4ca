//! Which watched containers gain entries.

use super::{
    at::At,
    evidence::Evidence,
    experiment::{Experiment, Next},
    rules::Rules,
};
use crate::verdict::Counter;

/// Asks for them, in as many iterations as showed that entries come, or that something becomes larger: bytes without a
/// block more may be a text that is lengthened.
pub(super) fn ask(at: At<'_>) -> Option<Next> {
    let windows = &at.evidence.windows;
    let grows = |counter| windows.fits.contains_key(&counter);
    let enlarges = grows(Counter::Heap) && !grows(Counter::Blocks);
    if at.evidence.gained.is_some() || !enlarges && !grows(Counter::Items) {
        return None;
    }
    let counter = if enlarges {
        Counter::Heap
    } else {
        Counter::Items
    };
    let readings = windows.series.get(&counter).map_or(0, Vec::len);
    let readings = u32::try_from(readings).unwrap_or(0);
    Some(Next::Do(Experiment::Containers {
        iterations: readings.saturating_sub(1).max(1),
    }))
}

/// Those that gain entries: name, and how many per iteration. One entry that came once is no growth.
pub(super) fn gaining(evidence: &Evidence, rules: &Rules) -> Vec<(String, f64)> {
    let Some(gained) = &evidence.gained else {
        return Vec::new();
    };
    let iterations = f64::from(gained.iterations.max(1));
    let grows = |each: f64| {
        each * f64::from(gained.iterations) > rules.containers.once
            || each >= rules.containers.rarely
    };
    { gained.containers.iter() }
        .map(|(name, gained)| (name.clone(), *gained as f64 / iterations))
        .filter(|(_, each)| grows(*each))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        investigate::{
            rules::RULES,
            samples::{PURSE, blocks, gained, step, suspect},
        },
        verdict::Series,
    };

    #[test]
    fn they_are_asked_for_once_where_entries_come() {
        let asked = |evidence: &Evidence| match step(evidence, &PURSE, ask)? {
            Next::Do(Experiment::Containers { iterations }) => Some(iterations),
            other => panic!("{other:?}"),
        };
        let items = |last| Series::from([(Counter::Items, (0..=last).collect())]);
        assert_eq!(asked(&suspect(items(12))), Some(12));
        assert_eq!(asked(&suspect(blocks(0..=8))), None);
        // What becomes larger without a block more may be a text.
        let mut heap = Series::from([(Counter::Heap, (0..=8).map(|at| at * 240).collect())]);
        assert_eq!(asked(&suspect(heap.clone())), Some(8));
        heap.extend(blocks(0..=8));
        assert_eq!(asked(&suspect(heap)), None);
        let mut evidence = suspect(items(12));
        evidence.gained = gained("app.ROWS", 0);
        assert_eq!(asked(&evidence), None);
    }

    #[test]
    fn one_entry_that_came_once_is_no_growth() {
        let gaining = |iterations, entries| {
            let mut evidence = Evidence {
                gained: gained("app.ROWS", entries),
                ..Evidence::default()
            };
            if let Some(gained) = &mut evidence.gained {
                gained.iterations = iterations;
            }
            gaining(&evidence, &RULES).first().map(|(_, each)| *each)
        };
        assert_eq!(gaining(8, 8), Some(1.0));
        assert_eq!(gaining(8, 1), None);
        assert_eq!(gaining(100, 2), Some(0.02));
        assert_eq!(gaining(4, 1), Some(0.25));
        assert_eq!(gaining(8, -3), None);
    }
}
