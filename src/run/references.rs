//! Looks at tests in which the number of references to what was there before changes in every iteration: to which objects,
//! and by which call. In a process of its own, since one look changes what the next one sees.

use super::{
    apart::{self, Sought},
    diagnosis::Place,
    finds::{Lost, References},
    rounds::Found,
    screen::{self, Look},
    state::{Run, Settings},
};
use crate::{
    finding::stance::Subject,
    investigate::{
        references::{Beside, Count, unaccounted},
        rules::RULES,
    },
    verdict::Counter,
    worker::{
        Worker,
        loss::Loss,
        orders::{self, Wider},
        protocol::Status,
    },
};

/// Looks at one test of each kind, then at another one of each, as far as the time for it lasts.
pub(super) fn look_at_all(settings: &Settings, run: &mut Run) {
    let sought = Sought {
        counter: Counter::Refs,
        subject: Subject::References,
        process: "r",
        alike: true,
        seconds: RULES.references.least + RULES.references.share * run.plain_cpu,
        what: "references change",
        done: "references were not counted",
    };
    // What stays besides mostly refers to what was there, and objects of C code do so without telling: each open
    // connection of sqlite3 keeps its statements' texts. Of such a test nothing can be said until that is fixed.
    let is_asked = |look: &Look| look.series.is_empty();
    run.references = apart::look_at_all(settings, run, &sought, is_asked, look_at);
}

impl Found for References {
    type Shows = Vec<(String, String, bool)>;

    fn test(&self) -> usize {
        self.test
    }

    fn shows(&self) -> Self::Shows {
        { self.objects.iter() }
            .map(|lost| (lost.name.clone(), lost.kind.clone(), lost.each < 0.0))
            .collect()
    }

    fn speak_for(&mut self, rest: Vec<usize>) {
        self.alike = rest;
    }

    fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    fn places(&self) -> Vec<Place> {
        { self.objects.iter().flat_map(|lost| &lost.calls) }
            .filter(|call| call.rises.iter().any(|rise| *rise > 0))
            .map(|call| call.place.clone())
            .collect()
    }
}

/// Looks at one test; nothing is known of one that does not pass. And the CPU seconds that it took.
fn look_at(
    worker: &mut Worker,
    index: usize,
    look: &Look,
) -> Result<(Option<References>, f64), Loss> {
    let numbers = &RULES.references;
    let opened = screen::run(
        worker,
        orders::Run {
            thaw: true,
            survey: true,
            wider: look.wider,
            iterations: numbers.again,
            ..orders::Run::open(index)
        },
    )?;
    // What came once in the screen is not looked for in all that there is.
    let readings = opened.apart.get(&Counter::Refs).into_iter().flatten();
    let last: Vec<&i64> = { readings.rev() }
        .take(1 + numbers.rarest as usize)
        .collect();
    let goes_on = last.first() != last.last();
    if opened.outcome.status != Status::Passed || !goes_on {
        return Ok((None, opened.cpu));
    }
    let counted = worker.ask(orders::Count {
        first: numbers.first,
        then: numbers.then,
    })?;
    let mut cpu = opened.cpu + counted.cpu;
    if counted.outcome.status != Status::Passed {
        return Ok((None, cpu));
    }
    let mut objects = Vec::new();
    for count in &counted.objects {
        let Some(mut lost) = lost(count, counted.beside) else {
            continue;
        };
        if objects.len() < numbers.most && look.wider == Wider::Stay {
            let referred = worker.ask(orders::References {
                iterations: numbers.watched,
                target: Some(count.object),
                falls: lost.each < 0.0,
            })?;
            cpu += referred.cpu;
            lost.calls = referred.calls;
        }
        objects.push(lost);
    }
    let found = References {
        test: look.test,
        alike: Vec::new(),
        readings: look.apart[&Counter::Refs].clone(),
        iterations: opened.iterations + numbers.first + numbers.then,
        objects,
    };
    Ok((Some(found), cpu))
}

fn lost(count: &Count, beside: Beside) -> Option<Lost> {
    let each = unaccounted(count, beside, &RULES)?;
    Some(Lost {
        name: count.name.clone(),
        kind: count.kind.clone(),
        each,
        even: count.changes.iter().all(|change| *change as f64 == each),
        calls: Vec::new(),
    })
}
