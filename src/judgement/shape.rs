//! The word for how a test grows, over all counters that do.

use crate::{
    explain::native::WOBBLE,
    fit::{Fit, Shape},
    run::case::Case,
    verdict::Counter,
};

/// How a test grows, in the word of its shape.
pub(super) fn word(case: &Case) -> String {
    let name = |shape: Shape| match shape {
        Shape::Flat => "flat",
        Shape::Step => "step",
        Shape::Linear => "linear",
        Shape::Periodic { .. } => "periodic",
        Shape::Saturating => "saturating",
        Shape::Accelerating => "accelerating",
        Shape::Noisy => "noisy",
    };
    let shape = |(counter, fit): (&Counter, &Fit)| match fit.shape {
        Shape::Periodic { .. } if *counter == Counter::Heap && is_even(case) => Shape::Linear,
        shape => shape,
    };
    let shapes: Vec<Shape> = case.fits.iter().map(shape).collect();
    // Growth of growth is the worst of what is there; after it a plain line says most.
    let preferred = [Shape::Accelerating, Shape::Linear];
    let chosen = preferred
        .into_iter()
        .find(|shape| shapes.contains(shape))
        .or(shapes.first().copied())
        .unwrap_or(Shape::Saturating);
    name(chosen).to_owned()
}

/// Whether malloc's heap grows in each iteration, by the same but for what the rest of a chunk makes of it.
fn is_even(case: &Case) -> bool {
    let readings = case
        .series
        .get(&Counter::Heap)
        .map_or(&[][..], Vec::as_slice);
    let added = || readings.windows(2).map(|pair| pair[1] - pair[0]);
    match (added().min(), added().max()) {
        (Some(least), Some(most)) => least > 0 && most - least <= WOBBLE,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fit::{self, Exactness};

    #[test]
    fn what_malloc_rounds_is_no_pattern() {
        let mut case = Case::open(0);
        let heap = |added: &[i64]| -> Vec<i64> {
            let mut stands = 0;
            (0..30)
                .map(|at| {
                    stands += added[at % added.len()];
                    stands
                })
                .collect()
        };
        for (added, word) in [(&[64, 80][..], "linear"), (&[0, 144], "periodic")] {
            let readings = heap(added);
            case.fits
                .insert(Counter::Heap, fit::fit(&readings, Exactness::Exact));
            case.series.insert(Counter::Heap, readings);
            assert_eq!(super::word(&case), word, "{added:?}");
        }
    }
}
