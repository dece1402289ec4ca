//! Looks at tests that leave something open which warns of it as it goes: what that is, and where it was made.

use std::collections::BTreeMap;

use super::{
    apart::{self, Sought},
    diagnosis::Place,
    finds::{Left, Unclosed},
    rounds::Found,
    screen::{self, Look},
    state::{Run, Settings},
};
use crate::{
    finding::stance::{Stance, Subject},
    investigate::rules::RULES,
    verdict::Counter,
    worker::{
        Worker,
        loss::Loss,
        orders,
        protocol::{Status, Warned},
    },
};

/// Looks at some of them.
pub(super) fn look_at_all(settings: &Settings, run: &mut Run) {
    let sought = Sought {
        counter: Counter::Unclosed,
        subject: Subject::Unclosed,
        process: "u",
        // One is as many as another, whatever it is.
        alike: false,
        seconds: match settings.stances.on(Subject::Unclosed) {
            // What fails a build must not depend on the time there was.
            Stance::Deny => f64::INFINITY,
            _ => RULES.unclosed.least + RULES.unclosed.share * run.plain_cpu,
        },
        what: "something is left open",
        done: "what is left open was not looked for",
    };
    run.unclosed = apart::look_at_all(settings, run, &sought, |_| true, look_at);
}

impl Found for Unclosed {
    type Shows = Vec<(String, Vec<Place>)>;

    fn test(&self) -> usize {
        self.test
    }

    fn shows(&self) -> Self::Shows {
        { self.left.iter() }
            .map(|left| {
                (
                    left.kind.clone(),
                    left.frames.iter().take(1).cloned().collect(),
                )
            })
            .collect()
    }

    fn speak_for(&mut self, rest: Vec<usize>) {
        self.alike = rest;
    }

    fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    fn places(&self) -> Vec<Place> {
        self.left
            .iter()
            .flat_map(|left| left.frames.clone())
            .collect()
    }
}

/// Looks at one test; nothing is known of one that does not pass. And the CPU seconds that it took.
fn look_at(
    worker: &mut Worker,
    index: usize,
    look: &Look,
) -> Result<(Option<Unclosed>, f64), Loss> {
    let opened = screen::run(
        worker,
        orders::Run {
            thaw: true,
            wider: look.wider,
            ..orders::Run::open(index)
        },
    )?;
    if opened.outcome.status != Status::Passed {
        return Ok((None, opened.cpu));
    }
    let iterations = RULES.unclosed.iterations;
    let seen = worker.ask(orders::Unclosed {
        iterations,
        frames: RULES.unclosed.frames,
    })?;
    let cpu = opened.cpu + seen.cpu;
    if seen.outcome.status != Status::Passed {
        return Ok((None, cpu));
    }
    Ok((
        Some(Unclosed {
            test: look.test,
            alike: Vec::new(),
            readings: look.apart[&Counter::Unclosed].clone(),
            left: left(&seen.warned, iterations),
        }),
        cpu,
    ))
}

/// What was left open in every iteration, by type and place.
fn left(warned: &[Warned], iterations: u32) -> Vec<Left> {
    let mut places: BTreeMap<(&str, &[Place]), Vec<&Warned>> = BTreeMap::new();
    for one in warned {
        places
            .entry((&one.kind, &one.frames))
            .or_default()
            .push(one);
    }
    { places.into_values() }
        .filter(|seen| (0..iterations).all(|at| seen.iter().any(|one| one.iteration == at)))
        .filter_map(|seen| {
            let last = seen.last()?;
            Some(Left {
                kind: last.kind.clone(),
                text: last.text.clone(),
                made: last.made,
                frames: last.frames.clone(),
                each: seen.len() as f64 / f64::from(iterations),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warned(iteration: u32, line: u32) -> Warned {
        Warned {
            iteration,
            kind: "_io.FileIO".to_owned(),
            text: format!("unclosed file {iteration}"),
            made: true,
            frames: vec![("/p/a.py".to_owned(), line)],
        }
    }

    #[test]
    fn what_is_left_open_in_every_iteration_is_told_once_a_place() {
        let seen: Vec<Warned> = (0..3)
            .flat_map(|at| [warned(at, 1), warned(at, 1), warned(at, 2)])
            .chain([warned(1, 9)])
            .collect();
        let found = left(&seen, 3);
        let told: Vec<(u32, f64)> = found
            .iter()
            .map(|one| (one.frames[0].1, one.each))
            .collect();
        assert_eq!(told, [(1, 2.0), (2, 1.0)]);
        assert_eq!(found[0].text, "unclosed file 2");
        assert!(left(&seen[..4], 3).is_empty());
    }
}
