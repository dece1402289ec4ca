//! What moves in a process by itself, and may hide what a test leaks.

use super::{
    at::At,
    experiment::{Experiment, Next},
    rules::Rules,
};
use crate::verdict::{Counter, Series, conclusion::Conclusion, rule::Rule};

/// What threads make and free without a trace in their number.
const AUDIBLE: [Counter; 4] = [Counter::Blocks, Counter::Heap, Counter::Items, Counter::Fds];

/// After the first window, where it may hide something.
pub(super) fn listen(at: At<'_>) -> Option<Next> {
    let evidence = at.evidence;
    let asked = evidence.windows.count != 1 || evidence.noise.is_some();
    if asked || !may_hide(&evidence.windows.series) {
        return None;
    }
    let seconds = evidence.seconds;
    Some(Next::Do(Experiment::Noise { seconds }))
}

/// It is worth another process.
pub(super) fn beside_other_threads(at: At<'_>) -> Option<Next> {
    let noise = at.evidence.noise.as_ref()?.as_ref()?;
    let said = || Conclusion::because(Rule::OtherThreads, noise);
    at.evidence.fussy.then(|| Next::Conclude(said()))
}

/// Whether other threads are there.
pub fn has_threads(series: &Series) -> bool {
    let threads = series
        .get(&Counter::Threads)
        .and_then(|readings| readings.last());
    threads.is_some_and(|threads| *threads > 1)
}

/// Whether other threads are there, and readings that are not all alike.
pub fn may_hide(series: &Series) -> bool {
    has_threads(series)
        && AUDIBLE.iter().any(|counter| {
            // The first iteration may bring something once.
            let readings = series
                .get(counter)
                .map_or(&[][..], |readings| &readings[1..]);
            readings.windows(2).any(|pair| pair[0] != pair[1])
        })
}

/// What moves in readings with no test between them.
pub fn moving(series: &Series, rules: &Rules) -> Option<Counter> {
    AUDIBLE.into_iter().find(|counter| {
        let readings = series.get(counter).map_or(&[][..], Vec::as_slice);
        readings
            .windows(2)
            .filter(|pair| pair[0] != pair[1])
            .count()
            > rules.noise.moves
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::investigate::{
        evidence::{Answer, Evidence, Window},
        rules::RULES,
        samples::{PURSE, concluded, screened, step},
    };

    fn series(threads: i64, blocks: &[i64]) -> Series {
        Series::from([
            (Counter::Threads, vec![threads; blocks.len()]),
            (Counter::Blocks, blocks.to_vec()),
        ])
    }

    #[test]
    fn only_threads_beside_readings_that_move_are_asked_about() {
        assert!(may_hide(&series(2, &[0, 5, 9, 2, 7])));
        assert!(!may_hide(&series(1, &[0, 5, 9, 2, 7])));
        assert!(!may_hide(&series(2, &[0, 5, 5, 5, 5])));
        assert!(!may_hide(&Series::new()));
    }

    #[test]
    fn a_thread_that_ends_is_no_noise() {
        assert_eq!(moving(&series(2, &[9, 9, 5, 5, 5, 5]), &RULES), None);
        assert_eq!(
            moving(&series(2, &[9, 10, 11, 3, 4, 5]), &RULES),
            Some(Counter::Blocks)
        );
    }

    #[test]
    fn it_is_listened_to_once_and_another_process_tried_where_there_may_be_one() {
        let window = |blocks: &[i64]| {
            Answer::Window(Window {
                seconds: 0.25,
                series: series(2, blocks),
                ..Window::default()
            })
        };
        let asked = |evidence: &Evidence| step(evidence, &PURSE, listen);
        let mut quiet = screened(Series::new());
        quiet.add(window(&[0, 5, 5, 5, 5]));
        assert_eq!(asked(&quiet), None);
        // Nor after more windows, when it is known to rise.
        quiet.add(window(&[0, 5, 9, 5, 5]));
        assert_eq!(asked(&quiet), None);
        let mut evidence = screened(Series::new());
        evidence.add(window(&[0, 5, 9, 2, 7]));
        let noise = Next::Do(Experiment::Noise { seconds: 0.25 });
        assert_eq!(asked(&evidence), Some(noise));
        evidence.fussy = true;
        evidence.add(Answer::Noise(None));
        assert_eq!(asked(&evidence), None);
        assert_eq!(step(&evidence, &PURSE, beside_other_threads), None);
        evidence.add(Answer::Noise(Some("a thread".to_owned())));
        let said = concluded(step(&evidence, &PURSE, beside_other_threads));
        assert_eq!(said.rule(), Rule::OtherThreads);
        evidence.fussy = false;
        assert_eq!(step(&evidence, &PURSE, beside_other_threads), None);
    }
}
