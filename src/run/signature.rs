//! How a suspect grows, in figures that tests with one cause share.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Mutex,
};

use crate::verdict::{Counter, Series};

/// So many tests that grow alike make further looks at their like unnecessary: a leaking autouse fixture
/// makes every test a suspect, and their judgement comes from tracing a few of them anyway.
const FAMILIAR: usize = 3;

/// How a suspect grows: the typical increment of every counter that keeps growing.
pub type Signature = BTreeMap<Counter, i64>;

/// Signatures seen so far, with how many tests showed each.
#[derive(Debug, Default)]
pub struct Familiar(Mutex<HashMap<Signature, usize>>);

impl Familiar {
    /// Notes that another test grows so.
    pub fn add(&self, signature: Signature) {
        if let Ok(mut seen) = self.0.lock() {
            *seen.entry(signature).or_default() += 1;
        }
    }

    /// Whether enough tests grow so.
    pub fn knows(&self, signature: &Signature) -> bool {
        self.0
            .lock()
            .is_ok_and(|seen| seen.get(signature).is_some_and(|count| *count >= FAMILIAR))
    }
}

/// How a series of readings grows, heap left out where a better counter says it: sizes of buffers differ
/// between tests that leak alike.
pub fn signature(series: &Series) -> Signature {
    let mut found: Signature = series
        .iter()
        .filter_map(|(counter, readings)| {
            let growth = typical_increment(readings);
            (growth > 0).then_some((*counter, growth))
        })
        .collect();
    if found.len() > 1 {
        found.remove(&Counter::Heap);
    }
    found
}

/// The median increment of the last half of the readings: the first ones hold one-off steps.
fn typical_increment(readings: &[i64]) -> i64 {
    let mut increments: Vec<i64> = readings.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let half = increments.len() / 2;
    increments.drain(..half);
    increments.sort_unstable();
    increments.get(increments.len() / 2).copied().unwrap_or(0)
}

/// The same positive increment in every iteration but the first for each counter that moves at all; none if any wavers.
pub fn plain_signature(series: &Series) -> Option<Signature> {
    let mut found = Signature::new();
    for (counter, readings) in series {
        if *counter == Counter::Heap {
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
