//! What comes by whole pages, or by larger pieces: whether its readings say that something grows.

use super::{Counter, Series};

/// What a block of pymalloc's takes of an arena, at most: of those of 512 bytes seven are in a page.
const BLOCK: i64 = 640;
/// An arena of pymalloc's, from Python 3.10 on; before, a quarter of it.
const ARENA: i64 = 1 << 20;
/// Parts of a window in each of which something has to be mapped, at most.
const MAPPED_PARTS: usize = 8;

/// Whether memory is mapped in each part of the readings, and about as much, beyond what Python's allocator takes for blocks, an
/// arena more or less, and what a thread brings: both are told by other counters.
pub(super) fn rises_past_malloc(series: &Series) -> bool {
    let readings = |counter| series.get(&counter).map_or(&[][..], Vec::as_slice);
    let maps = readings(Counter::Maps);
    // What the first iteration loads, it loads once.
    let increments = maps.len().saturating_sub(2);
    let threads = readings(Counter::Threads);
    if increments < 2 || threads.iter().skip(1).max() > threads.get(1) {
        return false;
    }
    let parts = increments.min(MAPPED_PARTS);
    let each = increments / parts;
    let end = |nth: usize| maps.len() - 1 - (parts - nth) * each;
    let rise = |nth: usize| maps[end(nth + 1)].saturating_sub(maps[end(nth)]);
    let rises: Vec<i64> = (0..parts).map(rise).collect();
    // In a long window a cache, of blocks of any size, may be filled at first.
    let late = if parts < MAPPED_PARTS { 0 } else { parts / 2 };
    // An arena that was taken once may become free, and is taken for the same number of blocks again.
    let most = peaks(readings(Counter::Blocks));
    let blocks = |at: usize| most.get(at).or(most.last()).copied().unwrap_or(0);
    let taken = |nth: usize| (blocks(end(nth + 1)) - blocks(end(nth))).saturating_mul(BLOCK);
    rises.iter().all(|rise| *rise >= PAGE)
        && (late..parts).all(|nth| rises[nth] > taken(nth))
        && are_alike(&rises[late..], each, ARENA)
}

/// The highest of the readings so far, at each of them.
fn peaks(readings: &[i64]) -> Vec<i64> {
    let peak = |peak: &mut i64, reading: &i64| {
        *peak = (*peak).max(*reading);
        Some(*peak)
    };
    readings.iter().scan(i64::MIN, peak).collect()
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
    let steps = readings[1..].windows(2);
    let mut steps: Vec<i64> = steps.map(|pair| pair[1].saturating_sub(pair[0])).collect();
    shorten_largest(&mut steps);
    let parts = (increments / PART).clamp(1, 4);
    let steps_of = |nth: usize| &steps[nth * increments / parts..(nth + 1) * increments / parts];
    let rises: Vec<i64> = (0..parts)
        .map(|nth| steps_of(nth).iter().copied().fold(0, i64::saturating_add))
        .collect();
    // A page more or less is chance.
    are_alike(&rises, increments / parts, PAGE)
}

/// Makes the largest step as long as the next one, where all others together are longer: the table of a dictionary that has to
/// have twice the room takes that in one, and less than what it refers to.
fn shorten_largest(steps: &mut [i64]) {
    let Some(at) = (0..steps.len()).max_by_key(|nth| steps[*nth]) else {
        return;
    };
    let others = || steps[..at].iter().chain(&steps[at + 1..]).copied();
    let rest = others().fold(0, i64::saturating_add);
    if let Some(next) = others().max().filter(|_| rest > steps[at]) {
        steps[at] = next;
    }
}

/// Whether pages come in each of the parts, of so many iterations each, and in none of them much more than in another; `chance`
/// more in one of them is.
fn are_alike(rises: &[i64], iterations: usize, chance: i64) -> bool {
    let pages = i64::try_from(iterations / LONG_PART)
        .unwrap_or(i64::MAX)
        .max(1);
    let least = PAGE.saturating_mul(pages);
    let is_alike = |(fewest, most): (&i64, &i64)| {
        *fewest >= least
            && fewest.saturating_add(chance).saturating_mul(3) >= most.saturating_mul(2)
    };
    rises
        .iter()
        .min()
        .zip(rises.iter().max())
        .is_some_and(is_alike)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether what is mapped after each iteration, in kB, says something beside so many blocks.
    fn decides(maps: &[i64], blocks: &[i64], threads: &[i64]) -> bool {
        let bytes = maps.iter().map(|kilobytes| kilobytes << 10);
        let all = [
            (Counter::Maps, bytes.collect()),
            (Counter::Blocks, blocks.to_vec()),
            (Counter::Threads, threads.to_vec()),
        ];
        Counter::Maps.decides(&Series::from(all))
    }

    #[test]
    fn what_is_mapped_says_something_where_it_is_about_as_much_each_time() {
        let alone = |maps: &[i64]| decides(maps, &[], &[]);
        assert!(alone(&[0, 9, 13, 17, 21]) && alone(&[0, 9, 13, 17]));
        assert!(alone(&[0, 9, 6153, 12_297, 18_441]));
        assert!(!alone(&[0, 9, 13, 13, 17]) && !alone(&[0, 9, 9, 9, 9]) && !alone(&[0, 9, 13]));
        assert!(!alone(&[0, 9, 5129, 5133, 5137]) && !alone(&[]));
        assert!(!decides(&[0, 8, 16, 24, 32], &[], &[1, 2, 3, 4, 5]));
        assert!(decides(&[0, 8, 16, 24, 32], &[], &[1; 5]));
        // Beside a cache that was filled in the first six iterations: MiB that came in each.
        let mut stands = 0;
        let beside = [0, 1, 1, 2, 2, 2, 2, 1, 1, 1, 2, 1, 1, 1, 1, 1, 1].map(|more| {
            stands += more << 10;
            stands
        });
        let filled: Vec<i64> = (0..17).map(|nth| i64::min(nth, 6) * 17_000).collect();
        assert!(decides(&beside, &filled, &[]));
    }

    #[test]
    fn arenas_of_pythons_allocator_are_not_what_is_mapped_past_it() {
        let series = |of: &dyn Fn(i64) -> i64| (0..257).map(of).collect::<Vec<_>>();
        // 10 kB of objects beside 1 MB, so an arena more in each hundredth iteration; and the arenas alone.
        let kept = series(&|nth| nth * 31);
        assert!(decides(
            &series(&|nth| nth * 1024 + nth / 100 * 1024),
            &kept,
            &[]
        ));
        assert!(!decides(&series(&|nth| nth / 100 * 1024), &kept, &[]));
        // Blocks of 512 bytes, 2,048 in each iteration: their pages are larger by an eighth.
        let many = series(&|nth| nth * 2048);
        assert!(!decides(&series(&|nth| nth * 1170), &many, &[]));
        // A cache that is filled and emptied takes arenas and gives them back.
        let cache = series(&|nth| nth % 7 * 4000);
        let come_and_go = series(&|nth| nth % 7 * 500 / 1024 * 1024);
        assert!(!decides(&come_and_go, &cache, &[]));
        assert!(decides(
            &series(&|nth| nth * 1024 + nth % 7 * 500 / 1024 * 1024),
            &cache,
            &[]
        ));
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
        // A hundred kilobytes in each, as a table is doubled; and nothing but that table.
        let steps = [
            25, 30, 24, 28, 93, 24, 22, 23, 27, 24, 26, 24, 25, 24, 23, 26,
        ];
        let mut stands = 0;
        let doubled: Vec<i64> = { [0].iter().chain(&steps) }
            .map(|more| {
                stands += more;
                stands
            })
            .collect();
        assert!(decides(&doubled));
        assert!(!decides(&[0, 0, 0, 0, 93, 93, 93, 93, 93, 94, 94, 94, 94]));
    }
}
