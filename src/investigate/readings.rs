//! Readings of several answers as one series, and of an answer that left some out; what they leave room for.

use std::borrow::Cow;

use crate::{
    explain::sites::Growth,
    fit,
    verdict::{Counter, LARGEST_BLOCK, Series},
};

/// Appends the readings of a further answer. Its first boundary is the last one of the answer before; whatever differs
/// between the two is our own, and the readings go on from there.
pub fn extend(series: &mut Series, more: &Series) {
    for (counter, readings) in more {
        join(series.entry(*counter).or_default(), readings);
    }
}

/// [`extend`] for one counter.
pub fn join(joined: &mut Vec<i64>, readings: &[i64]) {
    match (joined.last(), readings.first()) {
        (Some(last), Some(first)) => {
            let apart = last - first;
            joined.extend(readings[1..].iter().map(|reading| reading + apart));
        }
        _ => joined.extend(readings),
    }
}

/// Objects are counted from the opening of a window, where there are none by definition. What every iteration
/// leaves until the next one replaces it (a log handler's stream, say) shows at the first boundary and is no
/// growth: the first increment tells nothing, and is taken to be like the second.
pub fn mend_opening(objects: &mut [i64]) {
    if let [first, second, third, ..] = objects {
        *first = 2 * *second - *third;
    } else if let [first, second] = objects {
        *first = *second;
    }
}

/// Puts readings where none were taken: between the last two, with `iterations` from one to the other. Where nothing grew
/// from end to end nothing did in between either; else as evenly as can be, so that the growth counts as going on to the
/// end, and is looked at further.
pub fn fill_in(readings: &mut Vec<i64>, iterations: u32) {
    if let [.., first, last] = readings[..] {
        let (rise, count) = (last - first, i64::from(iterations.max(1)));
        readings.pop();
        readings.extend((1..=count).map(|nth| first + rise * nth / count));
    }
}

/// Whether the blocks in use leave room for what grows at a place, to a quarter at least. Where small objects take the
/// place of others from before tracing began, as in a full cache, their line grows and the process does not.
pub fn has_room(growth: &Growth, series: &Series) -> bool {
    let count = growth.count.rate.value;
    let is_small = count > 0.0 && growth.bytes.rate.value <= count * LARGEST_BLOCK;
    // The first iteration may bring more, once.
    let readings = series.get(&Counter::Blocks);
    match readings.and_then(|readings| readings.get(1..)) {
        Some(readings @ [first, .., last]) if is_small => {
            let iterations = readings.len() - 1;
            (last - first) as f64 >= count * iterations as f64 / 4.0
        }
        _ => true,
    }
}

/// The counters that cost memory.
pub fn costly(series: &Series) -> impl Iterator<Item = (Counter, &Vec<i64>)> {
    [Counter::Blocks, Counter::Heap]
        .into_iter()
        .filter_map(|counter| Some((counter, series.get(&counter)?)))
}

/// Whether memory is higher at the end of a series than anywhere in its first half, or would be but for what was let go
/// of once. What else fell once goes on being looked at as well.
pub fn rises_late(series: &Series) -> bool {
    let late = |readings: &[i64]| readings.last() > readings[..readings.len() / 2].iter().max();
    let fell_once = |readings: &[i64]| match fit::rebased(readings) {
        Cow::Owned(readings) => late(&readings),
        Cow::Borrowed(_) => false,
    };
    costly(series).any(|(_, readings)| late(readings)) || { series.iter() }
        .any(|(counter, readings)| counter.decides(series) && fell_once(readings))
}

/// Bytes by which a process grows between the first two readings, about: what it holds of malloc and what it maps. Python's small
/// objects are in arenas of 1 MiB (256 KiB before 3.10), and a new one may be for a few objects only: no more of what is mapped
/// is laid to them than they have room for, unless it is more than arenas account for. Of that no more counts than became
/// `resident`: for a thread 70 MB are set aside, and next to nothing is used.
pub fn retained(series: &Series, resident: i64) -> f64 {
    const LARGEST_SMALL_OBJECT: i64 = 512;
    const ARENAS: i64 = 2 << 20;
    let risen = |counter| match series.get(&counter).map(Vec::as_slice) {
        Some([before, after, ..]) => after - before,
        _ => 0,
    };
    let room = risen(Counter::Blocks).max(0) * LARGEST_SMALL_OBJECT;
    let maps = risen(Counter::Maps);
    let mapped = if maps - room > ARENAS {
        maps.min(resident.max(room))
    } else {
        maps.min(room)
    };
    (risen(Counter::Heap) + mapped) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{finding::Owner, fit::Exactness};

    #[test]
    fn what_a_process_retains_is_what_it_holds_and_uses() {
        let told = |heap: i64, blocks: i64, maps: i64, resident: i64| {
            let series = Series::from([
                (Counter::Heap, vec![1000, 1000 + heap, 9]),
                (Counter::Blocks, vec![500, 500 + blocks, 9]),
                (Counter::Maps, vec![7, 7 + maps, 9]),
            ]);
            retained(&series, resident)
        };
        let arena = 1 << 20;
        assert_eq!(told(4000, 0, 0, 8192), 4000.0);
        assert_eq!(told(0, 20_000, arena, 0), arena as f64);
        assert_eq!(told(0, 10, arena, arena), 5120.0);
        assert_eq!(told(0, 0, 72 << 20, 100_000), 100_000.0);
        assert_eq!(told(0, 0, 50 << 20, 50 << 20), (50 << 20) as f64);
        assert_eq!(retained(&Series::new(), 9), 0.0);
    }

    #[test]
    fn a_line_whose_objects_take_the_place_of_others_does_not_grow() {
        let grows = |count: i64, bytes: i64| {
            let fit = |each: i64| fit::fit(&[0, each, 2 * each, 3 * each], Exactness::Exact);
            Growth {
                frames: vec![("cache.py".to_owned(), 7)],
                chosen: 0,
                owner: Owner::Project,
                too_shallow: false,
                count: fit(count),
                bytes: fit(bytes),
            }
        };
        let blocks = |readings: &[i64]| Series::from([(Counter::Blocks, readings.to_vec())]);
        let flat = blocks(&[0, 9, 9, 9, 9, 9, 9]);
        assert!(!has_room(&grows(2, 160), &flat));
        assert!(has_room(&grows(2, 4000), &flat) && has_room(&grows(0, 160), &flat));
        assert!(has_room(
            &grows(2, 160),
            &blocks(&[0, 9, 9, 13, 13, 13, 17])
        ));
        assert!(has_room(&grows(2, 160), &Series::new()));
    }

    #[test]
    fn what_ends_above_its_first_half_rises_late() {
        let of = |readings: &[i64]| Series::from([(Counter::Blocks, readings.to_vec())]);
        assert!(rises_late(&of(&[0, 1, 2, 2, 2, 3])));
        assert!(!rises_late(&of(&[0, 1, 3, 2, 1, 3])));
        assert!(!rises_late(&Series::from([(Counter::Items, vec![0, 1])])));
        // What it let go of once does not count, in any counter.
        let fell = [0, 1, 2, 3, 4, -15, -14, -13, -12];
        assert!(rises_late(&of(&fell)));
        assert!(rises_late(&Series::from([(Counter::Fds, fell.to_vec())])));
        assert!(!rises_late(&of(&[0, 1, 2, 3, 0, 1, 2, 3, 0])));
    }

    #[test]
    fn what_each_iteration_replaces_is_no_growth() {
        for (mut read, meant) in [
            (vec![0, 4, 4, 4], vec![4, 4, 4, 4]),
            (vec![0, 6, 8, 10], vec![4, 6, 8, 10]),
            (vec![0, 4], vec![4, 4]),
            (vec![0], vec![0]),
        ] {
            mend_opening(&mut read);
            assert_eq!(read, meant);
        }
    }

    #[test]
    fn what_is_not_read_in_between_is_taken_to_go_on() {
        for (read, iterations, meant) in [
            (vec![0, 5, 5], 3, vec![0, 5, 5, 5, 5]),
            (vec![0, 0, 9], 3, vec![0, 0, 3, 6, 9]),
            (vec![0, 0, 1], 3, vec![0, 0, 0, 0, 1]),
            (vec![0, 4, -2], 3, vec![0, 4, 2, 0, -2]),
            (vec![0, 7], 1, vec![0, 7]),
            (vec![3], 3, vec![3]),
        ] {
            let mut filled = read.clone();
            fill_in(&mut filled, iterations);
            assert_eq!(filled, meant, "{read:?}");
        }
    }
}
