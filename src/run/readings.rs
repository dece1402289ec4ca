//! Readings of several answers as one series, and of an answer that left some out.

use crate::verdict::Series;

/// Appends the readings of a further answer. Its first boundary is the last one of the answer before; whatever differs
/// between the two is our own, and the readings go on from there.
pub fn extend(series: &mut Series, more: &Series) {
    for (counter, readings) in more {
        join(series.entry(*counter).or_default(), readings);
    }
}

pub(super) fn join(joined: &mut Vec<i64>, readings: &[i64]) {
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
pub(super) fn mend_opening(objects: &mut [i64]) {
    if let [first, second, third, ..] = objects {
        *first = 2 * *second - *third;
    } else if let [first, second] = objects {
        *first = *second;
    }
}

/// Puts readings where none were taken: between the last two, with `iterations` from one to the other. Where nothing grew
/// from end to end nothing did in between either; else as evenly as can be, so that the growth counts as going on to the
/// end, and is looked at further.
pub(super) fn fill_in(readings: &mut Vec<i64>, iterations: u32) {
    if let [.., first, last] = readings[..] {
        let (rise, count) = (last - first, i64::from(iterations.max(1)));
        readings.pop();
        readings.extend((1..=count).map(|nth| first + rise * nth / count));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
