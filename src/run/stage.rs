//! First stage: screens every test, file by file, and then looks once more at those that were the first to use a fixture.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Mutex, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};

use super::{
    again,
    cycle_garbage::Candidates,
    errand::{Errand, Found, Stage, screen_one},
    event::Event,
    familiar::Familiar,
    longer, order, plan,
    screen::Look,
    shared::{Shared, absorb, end, next},
    slot::Slot,
    state::{Run, Settings},
};
use crate::{
    finding::stance::{Stance, Subject},
    investigate::{rules::RULES, screening::fixtures::worth_another_look},
    verdict::conclusion::Conclusion,
    worker::{INTERRUPTED, orders::Wider},
};

/// How often, between two files, a worker of the screen unfreezes its heap and collects it whole: that takes tens of
/// milliseconds in a large process, and garbage that was frozen alive is rare.
const THAW_EVERY: Duration = Duration::from_secs(2);

/// Screens all tests.
pub(super) fn screen_all(
    settings: &Settings,
    run: &mut Run,
    first: Slot<'_>,
    tell: &(dyn Fn(Event) + Sync),
) {
    let tests = &run.tests;
    let mut units = plan::units(tests);
    for unit in &mut units {
        let is_asked = |test: &usize| run.kept[*test].is_none() && !run.left_out.contains(test);
        unit.tests.retain(is_asked);
    }
    units.retain(|unit| !unit.tests.is_empty());
    let familiar = Familiar::new(plan::teachers(&units, tests, RULES.screen.pilots));
    let shared = Mutex::new(Shared::default());
    let mut grown = BTreeMap::new();
    let stage = Stage {
        settings,
        tests,
        shared: &shared,
    };
    let names: Vec<String> = (1..settings.jobs.min(units.len()))
        .map(|number| format!("a{number}"))
        .collect();
    let others = { names.iter() }.map(|name| {
        let skip = run.elsewhere.clone();
        Slot::new(&settings.setup, name, settings.hash_seeds.0, skip)
    });
    let slots: Vec<Slot<'_>> = [first].into_iter().chain(others).collect();

    let in_turn: Vec<usize> = { units.iter() }
        .flat_map(|unit| unit.tests.clone())
        .collect();
    let mut files = vec![0; tests.len()];
    for (file, unit) in units.iter().enumerate() {
        unit.tests.iter().for_each(|test| files[*test] = file);
    }
    let queue = { units.into_iter().enumerate() }
        .map(|(file, unit)| (familiar.begin(file), unit.tests))
        .collect();
    let queue = Mutex::new(queue);
    let known = run.kept.iter().enumerate().map(|(test, kept)| {
        let look = match kept {
            Some(kept) => Some(Look::kept(test, kept)),
            None if run.left_out.contains(&test) => Some(Look::left_out(test)),
            None => None,
        };
        look.map(|look| (look, Vec::new()))
    });
    let found: Mutex<Vec<_>> = Mutex::new(known.collect());
    let slots = each(slots, |slot| {
        let mut thawed = Instant::now();
        let mut candidates = Candidates::default();
        while let Some((class, tests_of_file)) = next(&queue) {
            let mut thaw = thawed.elapsed() >= THAW_EVERY;
            if thaw {
                thawed = Instant::now();
            }
            for test in tests_of_file {
                if INTERRUPTED.load(Ordering::SeqCst) {
                    return None;
                }
                tell(Event::Started {
                    id: tests[test].id.clone(),
                });
                let looked = again::screen(&stage, slot, &class, test, thaw)?;
                settings.setup.whole.plain(looked.0.cpu_plain);
                thaw = false;
                candidates.add(&looked.0, tests);
                tell(Event::Screened {
                    id: tests[test].id.clone(),
                    concluded: looked.0.screened.concluded().map(Conclusion::short),
                });
                if let Ok(mut found) = found.lock() {
                    found[test] = Some(looked);
                }
            }
        }
        let denied = settings.stances.on(Subject::Cycles) != Stance::Allow
            && !candidates.look_at_all(&stage, slot);
        (!denied).then_some(())
    });

    run.phases.end("first look at each test");
    let mut found = found.into_inner().unwrap_or_default();
    if !INTERRUPTED.load(Ordering::SeqCst) {
        let class_of = |test: usize| familiar.again(files[test]);
        run.after_others = order::look_again(&stage, run, &mut found, class_of);
        run.phases.end("failed ones in their order");
    }

    let deeper = longer::Plan::of(settings, run, &found);
    let slots = each(slots, |slot| deeper.work(&stage, slot));
    run.phases.end("longer looks");
    // Last of all: what a fixture does that is set up twice must disturb no other test.
    let queue = wanted_again(&in_turn, &found, settings.policy.thorough);
    let queue = Mutex::new(queue.into());
    let second = Mutex::new(Vec::new());
    let slots = each(slots, |slot| {
        while let Some((test, wider)) = next(&queue) {
            let (first, _) = found[test].as_ref()?;
            let errand = Errand::Again { first, wider };
            let class = familiar.again(files[test]);
            let (look, _) = screen_one(&stage, slot, &class, test, &errand)?;
            // A worker that is lost by it was not lost by the test.
            if !look.screened.is_lost()
                && let Ok(mut second) = second.lock()
            {
                second.push(look);
            }
        }
        Some(())
    });
    run.phases.end("wider fixtures anew");
    for slot in slots {
        let process = slot.process;
        let ended = end(slot, &shared, true);
        for (name, count) in ended.grown {
            *grown.entry(name).or_default() += count;
        }
        if let (Some(cache), Some(noted)) = (&settings.kept, ended.depends) {
            cache.end(process, noted);
        }
    }
    run.looks = { found.iter_mut() }
        .map(|found| found.take().map(|(look, _)| look))
        .collect();
    for look in second.into_inner().unwrap_or_default() {
        let test = look.test;
        run.looks[test] = Some(look);
    }
    run.phases.end("ends of processes");
    run.grown = grown;
    deeper.take_over(run);
    absorb(run, shared)
}

/// Has each worker do its part at the same time. Returns those that go on; where the run is interrupted, none does.
fn each<'a>(
    slots: Vec<Slot<'a>>,
    work: impl Fn(&mut Slot<'a>) -> Option<()> + Sync,
) -> Vec<Slot<'a>> {
    thread::scope(|scope| {
        let part = |mut slot: Slot<'a>| {
            let work = &work;
            scope.spawn(move || work(&mut slot).map(|()| slot))
        };
        let parts: Vec<_> = slots.into_iter().map(part).collect();
        let ended = parts.into_iter().filter_map(|part| part.join().ok());
        ended.flatten().collect()
    })
}

/// The tests that are worth another look with wider fixtures set up anew: in the order of the suite, the first that uses one.
fn wanted_again(order: &[usize], found: &Found, thorough: bool) -> Vec<(usize, Wider)> {
    let mut seen = HashSet::new();
    let wanted = order.iter().filter_map(|test| {
        let (look, fixtures) = found[*test].as_ref()?;
        let is_new = |fixture: &str| seen.insert(fixture.to_owned());
        let wider = worth_another_look(&look.screened, fixtures, thorough, is_new)?;
        Some((*test, wider))
    });
    wanted.collect()
}
