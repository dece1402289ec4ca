//! Tells a cache inside an extension from what is lost: it keeps each text once, however often the same one comes.

use std::{collections::BTreeSet, sync::atomic::Ordering};

use super::{
    case::Case,
    closer::{self, look_at},
    diagnose,
    driver::Bench,
    screen,
    slot::Slot,
    state::Run,
};
use crate::{
    investigate::{afterwards::Found, randomness::is_kept_once, rules::RULES},
    verdict::Counter,
    worker::{INTERRUPTED, Worker, loss::Loss, orders, protocol::Status},
};

/// Asks each test in which only what nothing in Python is seen to hold grows, as far as the time for it lasts. Those whose
/// growth comes with new random numbers only are `bounded`. Returns the CPU seconds that it took.
pub(super) fn all(run: &mut Run, bench: &Bench<'_>, slot: &mut Slot<'_>, allowance: f64) -> f64 {
    let mut spent = 0.0;
    let asked = without_holder(&run.cases);
    if !asked.is_empty() {
        // A cache that a long look filled takes hardly anything in.
        slot.discard();
    }
    for at in asked {
        let mut is_kept_once = |run: &Run, case: &Case| {
            if spent > allowance || INTERRUPTED.load(Ordering::SeqCst) {
                return None;
            }
            let (kept, cpu) = look_at(run, bench, slot, case, ask).unwrap_or_default();
            spent += cpu;
            Some(kept)
        };
        match is_kept_once(run, &run.cases[at]) {
            None => return spent,
            Some(false) => continue,
            Some(true) => {}
        }
        let judged = run.cases[at].judged.clone();
        run.cases[at].learn(Found::KeptOnce);
        // One that loses something would be hidden among those that were taken to be alike.
        let alike = run.alike.iter().filter(|alike| alike.case == at);
        for test in alike.map(|alike| alike.test).collect::<Vec<_>>() {
            let mut case = Case {
                test,
                judged: judged.clone(),
                diagnosis: None,
                ..run.cases[at].clone()
            };
            case.learn(Found::Unlike(&run.tests[run.cases[at].test].id));
            match is_kept_once(run, &case) {
                None => break,
                Some(true) => {}
                Some(false) => {
                    run.alike.retain(|alike| alike.test != test);
                    run.cases.push(case);
                }
            }
        }
        hand_over(&mut run.cases, at);
    }
    spent
}

/// Tests in which nothing grows but memory that nothing in Python is seen to hold. Of leaks a look at one of them told that of
/// its causes; a place is not asked for, since what fills by chance may have stood at none while it was traced. At what grows
/// more and more slowly nobody looked, but objects that the collector tracks and entries of containers would have been counted.
fn without_holder(cases: &[Case]) -> Vec<usize> {
    let unheld: BTreeSet<&str> = cases
        .iter()
        .filter(|case| case.is_leak() && grows_unseen(case))
        .filter_map(|case| case.diagnosis.as_ref())
        .filter(|diagnosis| diagnosis.is_without_holder())
        .flat_map(|diagnosis| diagnosis.covers.iter().map(String::as_str))
        .collect();
    let grows_so = |case: &Case| {
        let causes = diagnose::causes(case);
        let is_unheld = || causes.iter().all(|cause| unheld.contains(cause.as_str()));
        case.judged.is_slowing() || case.is_leak() && is_unheld()
    };
    (0..cases.len())
        .filter(|at| grows_unseen(&cases[*at]) && grows_so(&cases[*at]))
        .collect()
}

/// Whether only memory grows, and no other thread may be what makes it.
fn grows_unseen(case: &Case) -> bool {
    let memory = [Counter::Blocks, Counter::Heap];
    case.fits.contains_key(&Counter::Blocks)
        && case.fits.keys().all(|counter| memory.contains(counter))
        && case.noise.is_none()
}

/// What the look at a case told is of use to those for which it was taken, where it is no leak itself.
fn hand_over(cases: &mut [Case], from: usize) {
    let Some(diagnosis) = cases[from].diagnosis.take() else {
        return;
    };
    let heir = cases.iter_mut().find(|case| {
        let covered = |cause: &String| diagnosis.covers.contains(cause);
        case.is_leak() && case.diagnosis.is_none() && diagnose::causes(case).iter().any(covered)
    });
    if let Some(heir) = heir {
        heir.diagnosis = Some(diagnosis);
    }
}

/// Repeats the open test with the same random numbers, and then with others.
fn ask(worker: &mut Worker, case: &Case) -> Result<(bool, f64), Loss> {
    let each = closer::iterations(case).max(RULES.randomness.each);
    let ran = screen::run(
        worker,
        orders::Replay {
            each,
            times: RULES.randomness.times,
        },
    )?;
    let passed = ran.outcome.status == Status::Passed;
    let is_kept = passed && is_kept_once(&ran.series, each as usize, &RULES);
    Ok((is_kept, ran.cpu))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::diagnosis::Diagnosis;
    use crate::{
        explain::sites::Growth,
        finding::Owner,
        fit::{self, Exactness},
        verdict::{conclusion::Conclusion, rule::Rule},
    };
    use std::collections::BTreeMap;

    fn leak(line: u32, diagnosis: Option<Diagnosis>) -> Case {
        let fit = fit::fit(&[0, 1, 2, 3, 4, 5], Exactness::Exact);
        let mut case = Case::without_evidence(0, Conclusion::by(Rule::GrewToTimeEnd));
        case.growths = vec![Growth {
            frames: vec![("app.py".to_owned(), line)],
            chosen: 0,
            owner: Owner::Project,
            too_shallow: false,
            count: fit,
            bytes: fit,
        }];
        case.fits = BTreeMap::from([(Counter::Blocks, fit)]);
        case.diagnosis = diagnosis;
        case
    }

    fn lost(line: u32) -> Diagnosis {
        Diagnosis {
            plain: false,
            opaque: None,
            hidden: None,
            covers: BTreeSet::from([format!("app.py:{line}")]),
            routes: Vec::new(),
            alone: true,
            types: Vec::new(),
            lost: Vec::new(),
            unseen: true,
            calls: Vec::new(),
            exits: 0.0,
            resources: Vec::new(),
            elsewhere: Vec::new(),
            made: Vec::new(),
            cost: (0.0, 0),
        }
    }

    #[test]
    fn all_that_grow_at_the_places_of_what_has_no_holder_are_asked_themselves() {
        let mut cases = vec![
            leak(7, None),
            leak(7, Some(lost(7))),
            leak(8, None),
            leak(7, None),
        ];
        assert_eq!(without_holder(&cases), [0, 1, 3]);
        cases[0].judged = Conclusion::by(Rule::RisesAndFalls);
        assert_eq!(without_holder(&cases), [1, 3]);
        let held = &mut cases[1].diagnosis.as_mut().unwrap();
        held.exits = 1.0;
        assert!(without_holder(&cases).is_empty());
    }

    #[test]
    fn what_stood_at_no_place_while_it_was_traced_is_asked_as_well() {
        let mut case = leak(7, Some(lost(7)));
        case.growths.clear();
        case.diagnosis.as_mut().unwrap().covers = diagnose::causes(&case);
        assert_eq!(without_holder(std::slice::from_ref(&case)), [0]);
        let fit = case.fits[&Counter::Blocks];
        for seen in [Counter::Items, Counter::Objects, Counter::Fds] {
            case.fits.insert(seen, fit);
            assert!(without_holder(std::slice::from_ref(&case)).is_empty());
            case.fits.remove(&seen);
        }
        case.fits = BTreeMap::from([(Counter::Heap, fit)]);
        assert!(without_holder(&[case]).is_empty());
    }

    #[test]
    fn what_a_look_told_goes_to_one_for_which_it_was_taken_and_that_is_a_leak() {
        let mut cases = vec![
            leak(8, None),
            leak(7, Some(lost(7))),
            leak(7, None),
            leak(7, None),
        ];
        cases[1].judged = Conclusion::by(Rule::SameRandomness);
        cases[2].judged = Conclusion::by(Rule::SameRandomness);
        hand_over(&mut cases, 1);
        let with: Vec<bool> = cases.iter().map(|case| case.diagnosis.is_some()).collect();
        assert_eq!(with, [false, false, false, true]);
    }

    #[test]
    fn what_grows_more_and_more_slowly_is_asked_where_only_memory_grows() {
        let mut case = leak(7, None);
        assert!(without_holder(std::slice::from_ref(&case)).is_empty());
        case.judged = Conclusion::by(Rule::GrowsEverSlower);
        assert_eq!(without_holder(std::slice::from_ref(&case)), [0]);
        case.noise = Some(String::new());
        assert!(without_holder(std::slice::from_ref(&case)).is_empty());
        case.noise = None;
        case.judged = Conclusion::by(Rule::FallsAndGrowsAgain);
        assert!(without_holder(&[case]).is_empty());
    }
}
