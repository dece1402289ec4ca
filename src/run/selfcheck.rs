//! Whether a worker can see at all: leaks that are planted in it must show, and a pseudo-test that does nothing must not.

use std::{collections::BTreeMap, fs, time::Instant};

use super::{screen, still};
use crate::{
    bridge,
    config::Runner,
    fit::{self, Look as Glance},
    investigate::{noise::has_threads, rules::RULES, screening::glance},
    supervise::Folder,
    verdict::{
        Series,
        counter::{Counter, PLANTED},
    },
    worker::{
        Setup, Worker,
        loss::{Loss, StartError},
        orders,
        protocol::{Hello, Status},
    },
};

/// As many as it takes the screen to call constant growth suspect, and a clean test clean.
const PLANTED_ITERATIONS: u32 = 9;
const CLEAN_ITERATIONS: u32 = 4;
/// A thread that a plugin started may still be at work when a worker starts; noise that stays spoils every test alike.
const ATTEMPTS: u32 = 3;

/// Free-threaded builds of CPython 3.13.
const KEPT: &str = "on this build of Python classes and functions that are dropped stay for good once a thread has run, and cannot be told from a leak: use the \
     free-threaded build of 3.14 or newer, or one with the lock";

/// What a self-check found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Findings {
    /// Counters that showed what was planted.
    pub seen: Vec<Counter>,
    /// What is wrong, one line each; empty if nothing is.
    pub faults: Vec<String>,
}

/// Checks `worker`, before its first test.
pub fn check(worker: &mut Worker) -> Result<Findings, Loss> {
    let mut found = Findings::default();
    if worker.hello.keeps_classes {
        found.faults.push(KEPT.to_owned());
        return Ok(found);
    }
    for attempt in 1..=ATTEMPTS {
        let planted = ask(worker, true, PLANTED_ITERATIONS)?;
        let clean = ask(worker, false, CLEAN_ITERATIONS)?;
        let (planted, clean) = match (planted, clean) {
            (Ok(planted), Ok(clean)) => (planted, clean),
            (Err(why), _) | (_, Err(why)) => {
                found.faults = vec![why];
                break;
            }
        };
        found = judge(&worker.hello.counters, &planted, &clean, false);
        if attempt == ATTEMPTS
            && !found.faults.is_empty()
            && has_threads(&clean)
            && still::listen(worker, 0.0)?.is_some()
        {
            // Each test will be asked so as well, and none is clean beside it.
            found = judge(&worker.hello.counters, &planted, &clean, true);
        }
        if found.faults.is_empty() || attempt == ATTEMPTS {
            break;
        }
    }
    Ok(found)
}

/// The same, with what is wrong as the reason why the worker cannot be used.
pub fn require(worker: &mut Worker) -> Result<(), StartError> {
    let found = check(worker).map_err(unusable)?;
    match found.faults.first() {
        None => Ok(()),
        Some(fault) => Err(StartError::Blind(fault.clone())),
    }
}

fn unusable(loss: Loss) -> StartError {
    match loss {
        Loss::Interrupted => StartError::Interrupted,
        Loss::Bridge(message) => StartError::Internal(message),
        Loss::Disturbed { .. } => StartError::Blind(loss.to_string()),
        loss => StartError::Lost(loss.to_string()),
    }
}

/// What one worker said of itself, and its self-check.
#[derive(Debug)]
pub struct Examined {
    /// Its first message.
    pub hello: Hello,
    /// What was found.
    pub found: Findings,
    /// Wall seconds that the self-check took.
    pub seconds: f64,
}

/// Starts a worker for no test at all, and checks it. The suite need not be in a state to be collected.
pub fn examine(setup: &Setup) -> Result<Examined, StartError> {
    let directory = Folder::make().map_err(StartError::Usage)?;
    let unusable_folder = |error: std::io::Error| StartError::Usage(directory.unusable(&error));
    let empty = directory.path().join("empty");
    fs::create_dir(&empty).map_err(unusable_folder)?;
    let mut setup = setup.clone();
    setup.start_script = bridge::lay_out(&directory.path().join("b")).map_err(unusable_folder)?;
    setup.directory = directory.path().to_owned();
    setup.paths = vec![empty.to_string_lossy().into_owned()];
    // They choose tests, or are options of the suite's own.
    setup.args = Vec::new();
    if setup.runner == Runner::Command.name() {
        // What is seen is the same, and no program has to run for it.
        setup.runner = Runner::Unittest.name();
    }
    let (mut worker, _) = Worker::start(&setup, "d", 1, &[])?;
    let begun = Instant::now();
    let found = check(&mut worker).map_err(unusable)?;
    let seconds = begun.elapsed().as_secs_f64();
    let hello = worker.hello.clone();
    // It is of no more use, however it ends.
    let _ = worker.end(false);
    Ok(Examined {
        hello,
        found,
        seconds,
    })
}

/// The readings, or why it could not be planted.
fn ask(worker: &mut Worker, plant: bool, iterations: u32) -> Result<Result<Series, String>, Loss> {
    let ran = screen::run(
        worker,
        orders::SelfCheck {
            plant,
            warmup: 1,
            iterations,
        },
    )?;
    Ok(match ran.outcome.status {
        // What nothing is planted for, as garbage, changes in healthy tests as well.
        Status::Passed => Ok({ ran.series.into_iter().chain(ran.apart) }
            .filter(|(counter, _)| !counter.is_apart() || counter.plant().is_some())
            .collect()),
        _ => Err(ran.outcome.message),
    })
}

/// Judges the readings of both pseudo-tests as the screen would; where a thread is at work beside them, only what was planted
/// has to show.
fn judge(
    counters: &BTreeMap<Counter, String>,
    planted: &Series,
    clean: &Series,
    noisy: bool,
) -> Findings {
    let mut found = Findings::default();
    let own = { Counter::ALL.into_iter() }
        .filter(|counter| counters.get(counter).is_some_and(|word| word != "absent"))
        .filter_map(|counter| Some((counter, counter.plant()?)));
    // What nobody reads by itself shows that what a project counts is read.
    let counted =
        Counter::library(PLANTED).map(|counter| (counter, (1, "number of a project's own")));
    for (counter, (least, what)) in own.chain(counted) {
        let readings = planted.get(&counter).map_or(&[][..], Vec::as_slice);
        let grew = match (readings.first(), readings.last()) {
            (Some(first), Some(last)) => last - first,
            _ => 0,
        };
        let enough = grew >= least * i64::from(PLANTED_ITERATIONS);
        if enough && look(counter, readings) == Glance::Suspect {
            found
                .seen
                .extend(Some(counter).filter(|counter| Counter::ALL.contains(counter)));
        } else {
            found.faults.push(format!(
                "a {what} was leaked {PLANTED_ITERATIONS} times on purpose, and `{}` did not show it (it read {})",
                counter.name(),
                shown(readings)
            ));
        }
    }
    if found.seen.is_empty() && found.faults.is_empty() {
        found.faults.push("no counter can be read here".to_owned());
    }
    let unread = found.seen.iter().any(|counter| {
        let readings = clean.get(counter).map_or(0, Vec::len);
        readings <= usize::try_from(CLEAN_ITERATIONS).unwrap_or(0)
    });
    let moves = clean
        .iter()
        .any(|(counter, readings)| counter.is_apart() && look(*counter, readings) != Glance::Clean);
    if unread || !noisy && (moves || glance(clean, false, &RULES) != Glance::Clean) {
        let grown: Vec<String> = clean
            .iter()
            .filter(|(_, readings)| readings.last() > readings.first())
            .map(|(counter, readings)| format!("`{}` read {}", counter.name(), shown(readings)))
            .collect();
        found.faults.push(if unread {
            "a test that does nothing was not read to its end".to_owned()
        } else {
            format!(
                "a test that does nothing was not clean: {}",
                grown.join(", ")
            )
        });
    }
    found
}

/// What one counter says alone.
fn look(counter: Counter, readings: &[i64]) -> Glance {
    if counter.is_apart() {
        fit::first_look(readings)
    } else {
        glance(&Series::from([(counter, readings.to_vec())]), false, &RULES)
    }
}

/// Readings from the first one on: their differences are what says something.
fn shown(readings: &[i64]) -> String {
    let first = readings.first().copied().unwrap_or(0);
    let numbers: Vec<String> = readings
        .iter()
        .map(|reading| format!("{:+}", reading - first))
        .collect();
    if numbers.is_empty() {
        "nothing".to_owned()
    } else {
        numbers.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(names: &[Counter]) -> BTreeMap<Counter, String> {
        names
            .iter()
            .map(|counter| (*counter, "exact".to_owned()))
            .collect()
    }

    fn planted() -> Series {
        let by = |step: i64| (0..10).map(|at| 1000 + at * step).collect::<Vec<_>>();
        Counter::ALL
            .into_iter()
            .map(|counter| {
                (
                    counter,
                    by({ counter.plant() }.map_or(0, |(least, _)| least)),
                )
            })
            .chain([(Counter::library(PLANTED).unwrap(), by(1))])
            .collect()
    }

    fn clean() -> Series {
        Counter::ALL
            .into_iter()
            .map(|counter| (counter, vec![1000; 5]))
            .collect()
    }

    #[test]
    fn what_was_planted_must_show_in_every_counter_there_is() {
        let all = exact(&Counter::ALL);
        let found = judge(&all, &planted(), &clean(), false);
        assert_eq!(found.faults, Vec::<String>::new());
        let plants =
            { Counter::ALL.into_iter() }.filter_map(|counter| Some((counter, counter.plant()?.1)));
        let seen: Vec<Counter> = plants.clone().map(|(counter, _)| counter).collect();
        assert_eq!(found.seen, seen);
        for (counter, what) in plants {
            let mut blind = planted();
            blind.insert(counter, vec![1000; 10]);
            let found = judge(&all, &blind, &clean(), false);
            assert_eq!(found.faults.len(), 1, "{counter:?}");
            assert!(found.faults[0].contains(what), "{}", found.faults[0]);
            assert!(found.faults[0].contains("+0 +0"), "{}", found.faults[0]);
            blind.remove(&counter);
            assert_eq!(judge(&all, &blind, &clean(), false).faults.len(), 1);
        }
        let mut half = planted();
        half.insert(Counter::Heap, (0..10).map(|at| at * 48).collect());
        assert_eq!(judge(&all, &half, &clean(), false).faults.len(), 1);
    }

    #[test]
    fn an_absent_counter_is_not_asked_for() {
        let mut without = exact(&Counter::ALL);
        without.insert(Counter::Heap, "absent".to_owned());
        let mut series = planted();
        series.remove(&Counter::Heap);
        let found = judge(&without, &series, &clean(), false);
        assert!(found.faults.is_empty() && !found.seen.contains(&Counter::Heap));
        assert_eq!(
            judge(&BTreeMap::new(), &Series::new(), &clean(), false)
                .faults
                .len(),
            1
        );
    }

    #[test]
    fn growth_out_of_nothing_is_a_fault() {
        let mut noisy = clean();
        noisy.insert(Counter::Blocks, vec![5, 6, 7, 8, 9]);
        let found = judge(&exact(&Counter::ALL), &planted(), &noisy, false);
        assert_eq!(
            found.faults,
            ["a test that does nothing was not clean: `blocks` read +0 +1 +2 +3 +4"]
        );
        // A thread that is heard explains it.
        let beside = judge(&exact(&Counter::ALL), &planted(), &noisy, true);
        assert_eq!(beside.faults, Vec::<String>::new());
        assert_eq!(
            judge(&exact(&Counter::ALL), &planted(), &Series::new(), true)
                .faults
                .len(),
            1,
            "no readings are no evidence"
        );
    }
}
