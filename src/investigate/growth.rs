//! What grows: counters, places and containers, and how much of it there is room for.

use std::collections::{BTreeMap, BTreeSet};

use super::rules::Rules;
use crate::{
    explain::sites::Growth,
    fit::{self, Exactness, Fit},
    verdict::{Counter, LARGEST_BLOCK, Series},
};

/// Shape and rate of counters.
pub type Fits = BTreeMap<Counter, Fit>;

/// Shape and rate of every counter that grows, each as exact as is said; none where only such grow as say nothing by
/// themselves.
pub fn growing(series: &Series, exactness: impl Fn(Counter) -> Exactness) -> Fits {
    let fits: Fits = series
        .iter()
        .filter(|(counter, _)| !counter.is_apart())
        .filter(|(counter, _)| !counter.comes_in_pieces() || counter.decides(series))
        .map(|(counter, readings)| {
            let fit = fit::fit(readings, exactness(*counter));
            let whole = *counter == Counter::ChildMemory;
            let fit = if whole { over_all(fit, readings) } else { fit };
            (*counter, fit)
        })
        .filter(|(_, fit)| fit.grows())
        .collect();
    if fits.keys().any(|counter| counter.decides(series)) {
        fits
    } else {
        Fits::new()
    }
}

/// The rate over all iterations but the first, of what comes by whole pages: of 10 kB each, most take three pages, some two.
fn over_all(mut fit: Fit, readings: &[i64]) -> Fit {
    if let [_, first, .., last] = readings
        && fit.grows()
        && !fit.rate.exact
    {
        let rate = &mut fit.rate;
        rate.value = (last - first) as f64 / (readings.len() - 2) as f64;
        rate.interval.0 = rate.interval.0.min(rate.value);
        rate.interval.1 = rate.interval.1.max(rate.value);
    }
    fit
}

/// How much of a counter each iteration adds; nothing of one that does not grow.
pub fn rate(fits: &Fits, counter: Counter) -> f64 {
    fits.get(&counter).map_or(0.0, |fit| fit.rate.value)
}

/// Whether memory grows.
pub fn grows_memory(fits: &Fits) -> bool {
    [Counter::Blocks, Counter::Objects, Counter::Heap]
        .iter()
        .any(|counter| fits.contains_key(counter))
}

/// The places that grow.
pub fn causes(growths: &[Growth]) -> BTreeSet<String> {
    growths.iter().map(Growth::cause).collect()
}

/// The places and the watched containers that grow.
pub fn things(growths: &[Growth], containers: &[(String, f64)]) -> BTreeSet<String> {
    let mut things = causes(growths);
    things.extend(containers.iter().map(|(name, _)| format!("in {name}")));
    things
}

/// Whether the places account for all that grows: a container that takes its memory from a free list stands at none,
/// and two with the same entries cannot be told apart.
pub fn is_explained(growths: &[Growth], fits: &Fits, rules: &Rules) -> bool {
    let grows = fits.get(&Counter::Blocks);
    !growths.is_empty()
        && grows.is_none_or(|fit| blocks(growths) >= fit.rate.value - rules.unexplained)
}

/// Blocks that stay at all the places together.
pub fn blocks(growths: &[Growth]) -> f64 {
    growths.iter().map(|growth| growth.count.rate.value).sum()
}

/// How many iterations fit when each keeps `each` of `most`.
pub fn affordable(each: f64, most: f64, rules: &Rules) -> u32 {
    if each <= 0.0 {
        return rules.longest;
    }
    // Saturating, and never negative.
    let count = (most / each) as u32;
    count.min(rules.longest)
}

/// Rough size of what an iteration leaves behind.
pub fn bytes_per_iteration(series: &Series, rules: &Rules) -> f64 {
    allocated_per_iteration(series, rules).max(mapped_per_iteration(series))
}

/// Rough size of what it leaves behind of memory that is used.
pub(super) fn allocated_per_iteration(series: &Series, rules: &Rules) -> f64 {
    let each = |counter| added(series, counter);
    each(Counter::Heap) + each(Counter::Blocks) * rules.block + each(Counter::ChildMemory)
}

/// How much it maps and leaves, whether that is used or not.
pub(super) fn mapped_per_iteration(series: &Series) -> f64 {
    match Counter::Maps.decides(series) {
        true => added(series, Counter::Maps),
        false => 0.0,
    }
}

/// What an iteration adds to a counter, over all of them; nothing where it falls.
fn added(series: &Series, counter: Counter) -> f64 {
    let readings = series.get(&counter).map_or(&[][..], Vec::as_slice);
    let increments = readings.len().saturating_sub(1).max(1) as f64;
    match (readings.first(), readings.last()) {
        (Some(first), Some(last)) => (*last as f64 - *first as f64).max(0.0) / increments,
        _ => 0.0,
    }
}

/// Whether what grows at a place is too large for pymalloc, which `blocks` counts.
pub(super) fn is_large(growth: &Growth) -> bool {
    growth.bytes.rate.value > growth.count.rate.value * LARGEST_BLOCK
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_by_pages_has_its_rate_over_all_of_them() {
        let readings: Vec<i64> = (0..=64).map(|nth| 4096 * (nth * 10_250 / 4096)).collect();
        let series = Series::from([(Counter::ChildMemory, readings)]);
        let fits = growing(&series, |_| Exactness::Exact);
        let rate = fits[&Counter::ChildMemory].rate;
        assert!((rate.value - 10_250.0).abs() < 100.0, "{rate:?}");
        assert!(rate.interval.0 <= rate.value && rate.value <= rate.interval.1);
        let even: Vec<i64> = (0..=64).map(|nth| 8192 * nth).collect();
        let series = Series::from([(Counter::ChildMemory, even)]);
        let fits = growing(&series, |_| Exactness::Exact);
        assert!((fits[&Counter::ChildMemory].rate.value - 8192.0).abs() < 1.0);
    }
}
