//! What comes by whole pages, or by larger pieces: whether its readings say that something grows.

use super::{Counter, Series};

/// Whether as much is mapped in each iteration. Python's allocator takes a large piece now and then, and a thread brings its
/// stack: both are told by other counters.
pub(super) fn is_even(series: &Series) -> bool {
    let readings = |counter| series.get(&counter).map_or(&[][..], Vec::as_slice);
    let maps = readings(Counter::Maps);
    // The first iteration loads what is loaded once.
    let mut added = maps.windows(2).skip(1).map(|pair| pair[1] - pair[0]);
    let threads = readings(Counter::Threads);
    let are_as_before = threads.iter().skip(1).max() <= threads.get(1);
    match added.next() {
        Some(first) => {
            first > 0 && maps.len() > 3 && added.all(|other| other == first) && are_as_before
        }
        None => false,
    }
}

/// The least page there is.
const PAGE: i64 = 4096;
/// Iterations in which a page has to come at first, and in which it has to on the whole.
const PART: usize = 4;
const LONG_PART: usize = 8;

/// Whether memory of children comes in each part of the readings, of which there are four in a long series, and about as much: what
/// a process touches for the first time, or fills, it does at first, and so does one whose garbage waits for the collector. A server
/// of `multiprocessing.Manager` rose by 510, 192, 63 and 90 pages in four hundred iterations, and no more after a thousand.
pub(super) fn rises_by_pages(series: &Series) -> bool {
    let readings = { series.get(&Counter::ChildMemory) }.map_or(&[][..], Vec::as_slice);
    // What the first iteration takes, it may take once.
    let increments = readings.len().saturating_sub(2);
    if increments < 3 {
        return false;
    }
    let parts = (increments / PART).clamp(1, 4);
    let at = |nth: usize| readings[1 + nth * increments / parts];
    let pages = (increments / parts / LONG_PART).max(1);
    let least = PAGE.saturating_mul(i64::try_from(pages).unwrap_or(i64::MAX));
    let rises = (0..parts).map(|nth| at(nth + 1).saturating_sub(at(nth)));
    let (fewest, most) = (rises.clone().min(), rises.max());
    // A page more or less is chance.
    let is_even = |(fewest, most): (i64, i64)| {
        fewest >= least && fewest.saturating_add(PAGE).saturating_mul(3) >= most.saturating_mul(2)
    };
    fewest.zip(most).is_some_and(is_even)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_mapped_says_something_where_it_is_as_much_each_time() {
        let decides = |maps: &[i64], threads: &[i64]| {
            let all = [
                (Counter::Maps, maps.to_vec()),
                (Counter::Threads, threads.to_vec()),
            ];
            Counter::Maps.decides(&Series::from(all))
        };
        let still = [1; 5];
        assert!(decides(&[0, 9, 13, 17, 21], &still));
        assert!(!decides(&[0, 9, 13, 13, 17], &still));
        assert!(!decides(&[0, 9, 9, 9, 9], &still));
        assert!(!decides(&[0, 9, 13], &[1; 3]));
        assert!(!decides(&[0, 8, 16, 24, 32], &[1, 2, 3, 4, 5]));
    }

    #[test]
    fn memory_of_children_says_something_where_it_rises_to_the_end() {
        let decides = |pages: &[i64]| {
            let bytes = pages.iter().map(|pages| pages * PAGE).collect();
            Counter::ChildMemory.decides(&Series::from([(Counter::ChildMemory, bytes)]))
        };
        assert!(decides(&[0, 30, 31, 33, 34]));
        // A kilobyte in each iteration, and a tenth of that.
        let slowly = |every: i64| (0..100).map(|at| at / every).collect::<Vec<_>>();
        assert!(decides(&slowly(4)) && decides(&slowly(4)[..10]));
        assert!(!decides(&slowly(10)));
        assert!(!decides(&[
            0, 0, 130, 260, 390, 510, 560, 610, 660, 700, 710, 720, 730, 740, 765, 775, 790, 800
        ]));
        // Touched once, filled, or trimmed; and too few to tell.
        assert!(!decides(&[0, 30, 30, 30, 30]));
        assert!(!decides(&[0, 30, 31, 32, 33, 33, 33, 33, 33, 33]));
        let filled: Vec<i64> = (0..100).map(|at| at.min(70)).collect();
        assert!(!decides(&filled));
        let trimmed: Vec<i64> = (0..100).map(|at| at % 40).collect();
        assert!(!decides(&trimmed));
        assert!(!decides(&[0, 30, 31, 32]) && !decides(&[]));
    }
}
