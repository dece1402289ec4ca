//! How a suspect grows, in figures that tests with one cause share.

use std::collections::BTreeMap;

use crate::{
    fit,
    verdict::{Counter, Series},
};

/// How a suspect grows: the typical increment of every counter that keeps growing.
pub type Signature = BTreeMap<Counter, i64>;

/// Whether three readings, the first from before the warm-up, grow both times as `expected`. Of objects they tell nothing:
/// these are counted from the opening of the window, and their first increment says nothing.
pub fn grows_as(series: &Series, expected: &Signature) -> bool {
    let is_open = |counter: &Counter| counter.is_of_buffers() || *counter == Counter::Objects;
    let mut others = expected.keys().filter(|counter| !is_open(counter));
    others.next().is_some()
        && series
            .iter()
            .filter(|(counter, _)| !is_open(counter))
            .all(|(counter, readings)| {
                let each = expected.get(counter).copied().unwrap_or(0);
                readings.len() == 3 && readings.windows(2).all(|pair| pair[1] - pair[0] == each)
            })
}

/// A kind of growth: each counter with the size of its rise, roughly.
pub type Kind = Vec<(Counter, Option<u32>)>;

/// Which counters grow, each to a power of two: what tests of one cause that do more or less of it share.
pub fn roughly(signature: &Signature) -> Kind {
    let rough = |each: &i64| each.unsigned_abs().checked_ilog2();
    signature
        .iter()
        .map(|(counter, each)| (*counter, rough(each)))
        .collect()
}

/// How a series of readings grows, bytes left out where a better counter says it: sizes of buffers differ between tests that
/// leak alike. Where bytes alone grow, those that are most stay: 16 bytes of heap say nothing beside a gigabyte that is mapped.
pub fn signature(series: &Series) -> Signature {
    let mut found: Signature = series
        .iter()
        .filter_map(|(counter, readings)| {
            let growth = typical_increment(readings);
            (growth > 0).then_some((*counter, growth))
        })
        .collect();
    let mut sizes: Vec<(i64, Counter)> = { found.iter() }
        .filter(|(counter, _)| counter.is_of_buffers())
        .map(|(counter, growth)| (*growth, *counter))
        .collect();
    sizes.sort_unstable();
    for (_, size) in sizes {
        if found.len() > 1 {
            found.remove(&size);
        }
    }
    found
}

/// `blocks +2, objects +1` of a signature.
pub fn describe(signature: &Signature) -> String {
    if signature.is_empty() {
        return "now and then".to_owned();
    }
    signature
        .iter()
        .map(|(counter, growth)| format!("{} +{growth}", counter.name()))
        .collect::<Vec<_>>()
        .join(", ")
}

/// The median increment of the last half of the readings: the first ones hold one-off steps.
fn typical_increment(readings: &[i64]) -> i64 {
    let mut increments: Vec<i64> = readings.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let half = increments.len() / 2;
    increments.drain(..half);
    increments.sort_unstable();
    increments.get(increments.len() / 2).copied().unwrap_or(0)
}

/// By how much a series ends above its lowest reading, single releases left out.
pub fn rise(readings: &[i64]) -> i64 {
    let readings = fit::rebased(readings);
    let lowest = readings.iter().copied().min().unwrap_or(0);
    readings.last().copied().unwrap_or(0) - lowest
}

/// Whether what rose in `first` is no more than what `second`, of another process, rises and falls by without growing:
/// the newest of something that is of another size each time, say. A chance of some readings is then all there was.
pub fn is_chance(first: &Series, second: &Series) -> bool {
    let span = |readings: &[i64]| match (readings.iter().min(), readings.iter().max()) {
        (Some(lowest), Some(highest)) => highest - lowest,
        _ => 0,
    };
    let falls = |readings: &[i64]| readings.windows(2).filter(|pair| pair[1] < pair[0]).count();
    let deepest = |readings: &[i64]| {
        let falls = readings.windows(2).map(|pair| pair[0] - pair[1]);
        falls.max().unwrap_or(0)
    };
    let mut risen = first
        .iter()
        .filter(|(counter, _)| counter.decides(first))
        // What is left out as a single release in a short look is a tooth of a saw in a long one: it rose by no more than it spans.
        .map(|(counter, readings)| (counter, readings, rise(readings).min(span(readings))))
        .filter(|(_, _, rise)| *rise > 0)
        .peekable();
    risen.peek().is_some()
        && risen.all(|(counter, readings, rise)| {
            let other = second.get(counter).map_or(&[][..], Vec::as_slice);
            // A tooth of the first that began with something made once is as deep all the same.
            let as_deep = (span(other)..=4 * span(other)).contains(&(2 * deepest(readings)));
            falls(other) > 1 && (span(other) >= rise || as_deep)
        })
}

/// The same positive increment in every iteration but the first for each counter that moves at all; none if any wavers.
pub fn plain_signature(series: &Series) -> Option<Signature> {
    let mut found = Signature::new();
    for (counter, readings) in series {
        if *counter == Counter::Heap || counter.comes_in_pieces() {
            continue;
        }
        let readings = readings.get(1..)?;
        let first = readings.get(1)? - readings.first()?;
        if readings.windows(2).any(|pair| pair[1] - pair[0] != first) || first < 0 {
            return None;
        }
        if first > 0 {
            found.insert(*counter, first);
        }
    }
    (!found.is_empty()).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_falls_as_far_in_another_process_is_chance() {
        let blocks = |readings: &[i64]| Series::from([(Counter::Blocks, readings.to_vec())]);
        let saw = |most: i64| -> Vec<i64> { (0..97).map(|at| at % most).collect() };
        let teeth = blocks(&[&[1, 2, 3, 4][..], &saw(5)[..4]].concat());
        assert!(rise(&teeth[&Counter::Blocks]) > 4, "a fall was left out");
        assert!(is_chance(&teeth, &blocks(&saw(5))));
        assert!(is_chance(
            &blocks(&[0, 3, 4, 5, 6, 1, 2, 3, 4]),
            &blocks(&saw(5))
        ));
        let much_larger: Vec<i64> = saw(97).iter().map(|at| at % 20).collect();
        assert!(!is_chance(
            &blocks(&[0, 30, 60, 58, 90]),
            &blocks(&much_larger)
        ));
        let rising = blocks(&[80, 350, 144, 58, 342]);
        assert!(is_chance(&rising, &blocks(&[12, 488, 30, 506, 208])));
        // A step, and what falls once.
        assert!(!is_chance(&rising, &blocks(&[0, 500, 500, 500, 500])));
        assert!(!is_chance(&rising, &blocks(&[0, 500, 10, 10, 10])));
        // It falls, and not as far as the other one rose.
        assert!(!is_chance(&rising, &blocks(&[0, 90, 5, 90, 5])));
        assert!(!is_chance(&rising, &blocks(&[7; 5])));
        assert!(!is_chance(&blocks(&[7; 5]), &blocks(&[1, 9, 1, 9])));
        // Another counter that rose has to be explained too.
        let mut both = rising.clone();
        both.insert(Counter::Fds, vec![1, 2, 3]);
        let mut second = blocks(&[12, 488, 30, 506, 208]);
        second.insert(Counter::Fds, vec![1, 1, 1]);
        assert!(!is_chance(&both, &second));
    }

    #[test]
    fn what_grows_roughly_alike_differs_by_less_than_a_factor_of_two() {
        let of = |blocks, objects| {
            roughly(&Signature::from([
                (Counter::Blocks, blocks),
                (Counter::Objects, objects),
            ]))
        };
        assert_eq!(of(43, 24), of(57, 26));
        assert_ne!(of(43, 24), of(7, 1));
        assert_ne!(of(43, 24), of(43, 0));
        assert_ne!(
            of(43, 24),
            roughly(&Signature::from([(Counter::Blocks, 43)]))
        );
    }

    fn series(blocks: &[i64], heap: &[i64]) -> Series {
        Series::from([
            (Counter::Blocks, blocks.to_vec()),
            (Counter::Heap, heap.to_vec()),
        ])
    }

    #[test]
    fn a_signature_leaves_out_heap_where_blocks_say_it() {
        let both = series(&[0, 2, 4, 6, 8], &[0, 64, 64, 196, 260]);
        assert_eq!(signature(&both), Signature::from([(Counter::Blocks, 2)]));
        let heap = series(&[5, 5, 5, 5, 5], &[0, 64, 128, 192, 256]);
        assert_eq!(signature(&heap), Signature::from([(Counter::Heap, 64)]));
        let mut mapped = series(&[5, 5, 5, 5, 5], &[0, 16, 32, 48, 64]);
        mapped.insert(Counter::Maps, (0..5).map(|at| at << 30).collect());
        assert_eq!(
            signature(&mapped),
            Signature::from([(Counter::Maps, 1 << 30)])
        );
    }

    #[test]
    fn any_other_increment_is_not_what_was_expected() {
        let expected = Signature::from([(Counter::Blocks, 2), (Counter::Objects, 1)]);
        let with = |blocks: &[i64], fds: &[i64]| {
            let mut found = series(blocks, &[0, 64, 160]);
            found.insert(Counter::Objects, vec![0; 3]);
            found.insert(Counter::Fds, fds.to_vec());
            grows_as(&found, &expected)
        };
        assert!(with(&[0, 2, 4], &[5; 3]));
        assert!(!with(&[0, 3, 5], &[5; 3]));
        assert!(!with(&[0, 2, 5], &[5; 3]));
        assert!(!with(&[0, 2, 4], &[5, 5, 6]));
        assert!(!with(&[0, 2], &[5; 2]));
        // Nothing of it could be seen.
        let objects = Signature::from([(Counter::Objects, 1)]);
        assert!(!grows_as(&series(&[0; 3], &[0; 3]), &objects));
    }

    #[test]
    fn only_even_growth_is_a_plain_signature() {
        assert_eq!(
            plain_signature(&series(&[0, 9, 11, 13], &[0, 9, 9, 9])),
            Some(Signature::from([(Counter::Blocks, 2)]))
        );
        assert_eq!(plain_signature(&series(&[0, 2, 4, 7], &[0; 4])), None);
        assert_eq!(plain_signature(&series(&[3; 4], &[0; 4])), None);
        assert_eq!(plain_signature(&series(&[3], &[0])), None);
    }
}
