//! Second stage: judges the suspects in fresh processes, as few of each kind as it takes.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use super::{
    again,
    case::Case,
    conclusions::{Known, Turn},
    diagnose,
    diagnosis::FRAMES_SHOWN,
    driver::Bench,
    event::Event,
    inside, isolation, native, noise, once, plan, predecessors,
    screen::{Look, Screened},
    shared::{Shared, absorb, fault, finish, next, spend},
    slot::Slot,
    state::{Alike, Run, Settings, files_without},
};
use crate::{
    fit::Exactness,
    investigate::{
        rules::RULES,
        signature::{Signature, roughly, signature},
        unasked::{self, Why},
    },
    verdict::{Counter, Verdict, conclusion::Conclusion, rule::Rule},
    worker::{
        budget::Budget,
        loss::{Loss, StartError},
        orders::Wider,
        protocol::Collectable,
    },
};

/// So many tests more of which only a descriptor or a file tells are judged themselves: they have nothing in common by that. Of
/// more, a fixture is the cause.
const FEW: usize = 12;

/// Tests by how they grow.
type Groups = BTreeMap<(Signature, Wider), Vec<usize>>;

/// Judges every suspect of the screen within the budget.
pub(super) fn judge_all(settings: &Settings, run: &mut Run, tell: &(dyn Fn(Event) + Sync)) {
    let mut groups = Groups::new();
    for look in run.looks.iter().flatten() {
        if look.screened == Screened::Suspect {
            groups
                .entry((signature(&look.series), look.wider))
                .or_default()
                .push(look.test);
        }
    }
    if groups.is_empty() {
        return;
    }
    let plain = Duration::try_from_secs_f64(run.plain_cpu).unwrap_or_default();
    let (numbers, seconds) = (&RULES.budget, Duration::from_secs);
    let (budget, plenty) = match settings.budget {
        Some(given) => (given, given / 2),
        None => {
            let whole = &settings.setup.whole;
            let most = (2 * plain).max(seconds(numbers.least) * settings.pace);
            let plenty = plain.max(seconds(numbers.least_plenty) * settings.pace);
            (most.min(whole.left()), plenty.min(whole.left() / 2))
        }
    };
    run.budget = budget;
    tell(Event::Tracing {
        suspects: groups.values().map(Vec::len).sum(),
        budget,
    });
    let budget = Budget::new(
        budget,
        plenty,
        seconds(if settings.thorough {
            numbers.thorough_long_run
        } else {
            numbers.long_run
        }),
    );
    let known = Known::default();
    let exactness = exactness(run);
    let bench = Bench {
        places: &settings.places,
        budget: &budget,
        memory: settings.setup.memory,
        warmup: settings.policy.warmup,
        exactness: &exactness,
        known: &known,
    };

    let mut chosen = in_turn(&groups);
    // Wider fixtures that are set up anew come last: they may disturb the tests around them.
    chosen.sort_by_key(|test| wider_of(run, *test));
    let skip = files_without(run, groups.values().flatten());
    let names: Vec<String> = (0..settings.jobs.min(chosen.len()).max(1))
        .map(|number| format!("b{number}"))
        .collect();
    let mut slots: Vec<Slot<'_>> = names
        .iter()
        .map(|name| Slot::new(&settings.setup, name, settings.hash_seeds.1, skip.clone()))
        .collect();
    judge_some(run, &bench, &chosen, &mut slots, tell, false);

    // A group whose representatives agree is confirmed by the screen; one whose do not is judged member by member.
    let mut rest = Vec::new();
    let mut first = Vec::new();
    let mut bounded: BTreeMap<usize, usize> = BTreeMap::new();
    for members in groups.values() {
        let traced: Vec<usize> = run
            .cases
            .iter()
            .enumerate()
            .filter(|(_, case)| members.contains(&case.test))
            .map(|(at, _)| at)
            .collect();
        let others: Vec<usize> = members
            .iter()
            .copied()
            .filter(|test| !traced.iter().any(|at| run.cases[*at].test == *test))
            .collect();
        if others.is_empty() {
            continue;
        }
        let cases: Vec<&Case> = traced.iter().map(|at| &run.cases[*at]).collect();
        // A file or a descriptor more has nothing in common with another one: of a few tests each shows its own.
        let are_few = others.len() <= FEW && cases.iter().all(|case| is_bare(case));
        if agree(&cases) && !are_few {
            let leader = run.cases[traced[0]].test;
            for at in &traced {
                // Without a place only the group tells that they belong together.
                run.cases[*at].leader = leader;
            }
            let judged = &run.cases[traced[0]].judged;
            if judged.is(Verdict::Bounded) || judged.is_slowing() {
                bounded.extend(others.into_iter().map(|test| (test, traced[0])));
                continue;
            }
            let others = others.into_iter().map(|test| (test, traced[0]));
            confirm_alike(run, others, Rule::LikeTest, tell);
        } else {
            // Of many, what some of all files show tells most of the others.
            let (some, others) = plan::spread(others, RULES.solid);
            first.extend(some);
            rest.extend(others);
        }
    }
    first.sort_unstable_by_key(|test| (wider_of(run, *test), *test));
    let mut left = judge_some(run, &bench, &first, &mut slots, tell, false);
    rest.sort_unstable_by_key(|test| (wider_of(run, *test), *test));
    left.extend(judge_some(run, &bench, &rest, &mut slots, tell, false));
    if budget.is_spent() {
        left.iter()
            .for_each(|_| settings.setup.whole.leave("suspect"));
        give_up(run, &budget, left, tell);
    }
    // A leak that grows like a cache would be hidden behind it: as long as there is time, each shows an end itself.
    let others: Vec<usize> = bounded.keys().copied().collect();
    let left = judge_some(run, &bench, &others, &mut slots, tell, true);
    let left = left.into_iter().map(|test| (test, bounded[&test]));
    confirm_alike(run, left, Rule::LikeTestBudget, tell);
    isolation::confirm(run, &bench, &mut slots[0]);
    // What is run again is in files without suspects as well.
    let elsewhere = run.elsewhere.clone();
    let mut whole = Slot::new(&settings.setup, "b", settings.hash_seeds.1, elsewhere);
    predecessors::explain(run, &bench, &mut whole);
    drop(whole);
    diagnose::all(run, &bench, &mut slots[0], &settings.setup.directory);
    inside::look_at_all(settings, run, &bench);
    once::settle(run);
    native::all(settings, run, &bench, &mut slots[0]);
    let shared = Mutex::new(Shared::default());
    for slot in slots {
        finish(slot, &shared);
    }
    absorb(run, shared);
}

/// How far each counter of a run is to be trusted.
pub(super) fn exactness(run: &Run) -> BTreeMap<Counter, Exactness> {
    run.counters
        .iter()
        .map(|(counter, word)| {
            let exactness = if word == "exact" {
                Exactness::Exact
            } else {
                Exactness::Estimate
            };
            (*counter, exactness)
        })
        .collect()
}

/// Those of each group that are traced themselves. The most widespread kinds of growth have their turn first and more often,
/// and of a kind the largest groups: where the budget ends early, it is what few tests have that was not looked at.
fn in_turn(groups: &Groups) -> Vec<usize> {
    let mut all: Vec<_> = groups.iter().collect();
    // The suite's own order where nothing else tells, so that each run judges in the same one. What only malloc's heap tells
    // takes by far the longest to judge, and comes after the rest.
    let only_heap =
        |signature: &Signature| signature.keys().all(|counter| *counter == Counter::Heap);
    all.sort_by_key(|((signature, _), members)| (only_heap(signature), members[0]));
    let mut kinds: Vec<(_, Vec<_>)> = Vec::new();
    for ((signature, _), members) in all {
        let rough = roughly(signature);
        let group = (members.len(), plan::representatives(members));
        match kinds.iter_mut().find(|(kind, _)| *kind == rough) {
            Some((_, of_kind)) => of_kind.push(group),
            None => kinds.push((rough, vec![group])),
        }
    }
    let turns = kinds.into_iter().map(|(_, of_kind)| {
        let tests = of_kind.iter().map(|(members, _)| members).sum();
        (tests, plan::in_turn(of_kind))
    });
    plan::in_turn(turns.collect())
}

fn wider_of(run: &Run, test: usize) -> Wider {
    run.looks[test]
        .as_ref()
        .map_or(Wider::Stay, |look| look.wider)
}

/// Whether only such counters grow as have a line that adds to them, or a process, which is looked for later, and no place.
fn is_bare(case: &Case) -> bool {
    let is_followed = |counter: &Counter| counter.is_followed() || counter.is_of_children();
    case.growths.is_empty() && case.fits.keys().all(is_followed)
}

/// Whether what is said of some of a group may be said of all.
fn agree(cases: &[&Case]) -> bool {
    let [first, _, ..] = cases else {
        return false;
    };
    let mut common = first.causes();
    common.retain(|cause| cases.iter().all(|case| case.causes().contains(cause)));
    let placeless = cases.iter().all(|case| case.causes().is_empty());
    let verdict = first.judged.verdict();
    // A function that numbers things serves many containers: those that are known must be the same. A container that the
    // first of some tests to leak made is not watched in that one.
    let mut filled: BTreeSet<_> = cases.iter().map(|case| case.filled()).collect();
    if first.is_leak() {
        filled.remove(&BTreeSet::new());
    }
    (!common.is_empty() || placeless)
        && filled.len() <= 1
        && have_one_end(cases)
        && cases.iter().all(|case| case.judged.is(verdict))
}

/// Whether cases that stopped fill one and the same thing, as far as can be told.
fn have_one_end(cases: &[&Case]) -> bool {
    let told = |case: &Case| {
        !case.judged.is(Verdict::Bounded) || !case.ends.is_empty() || case.is_explained()
    };
    cases
        .iter()
        .all(|case| case.ends == cases[0].ends && told(case))
}

/// Notes tests that are taken to be like the case at an index, by how they grew in the screen.
fn confirm_alike(
    run: &mut Run,
    alike: impl Iterator<Item = (usize, usize)>,
    rule: Rule,
    tell: &(dyn Fn(Event) + Sync),
) {
    for (test, case) in alike {
        tell(Event::Judged {
            ids: vec![run.tests[test].id.clone()],
            verdict: run.cases[case].judged.verdict(),
            rule,
        });
        run.alike.push(Alike { test, case, rule });
    }
}

/// Notes tests for which no time was left.
fn give_up(run: &mut Run, budget: &Budget, tests: Vec<usize>, tell: &(dyn Fn(Event) + Sync)) {
    for test in tests {
        let why = Why::Budget(budget.total().as_secs_f64());
        let case = Case::without_evidence(test, unasked::say(why));
        tell(Event::Judged {
            ids: vec![run.tests[test].id.clone()],
            verdict: case.judged.verdict(),
            rule: case.judged.rule(),
        });
        run.cases.push(case);
    }
}

/// Judges `suspects` one by one in the workers of `slots`, as long as the budget lasts; or, where they are `likely` to be
/// what is known, as long as it is not scarce. Returns those that are left then.
fn judge_some(
    run: &mut Run,
    bench: &Bench<'_>,
    suspects: &[usize],
    slots: &mut [Slot<'_>],
    tell: &(dyn Fn(Event) + Sync),
    likely: bool,
) -> Vec<usize> {
    let turns = bench.known.turns(suspects.len());
    let queue = Mutex::new(suspects.iter().copied().zip(turns).collect::<VecDeque<_>>());
    let shared = Mutex::new(Shared::default());
    let cases = Mutex::new(Vec::new());
    let left = Mutex::new(Vec::new());
    let (tests, looks) = (&run.tests, &run.looks);
    thread::scope(|scope| {
        for slot in slots {
            let (queue, shared, cases, left) = (&queue, &shared, &cases, &left);
            scope.spawn(move || {
                let mut file = String::new();
                while !(likely && bench.budget.is_scarce())
                    && let Some((test, turn)) = next(queue)
                {
                    let Some(look) = &looks[test] else { continue };
                    if !bench.has_time_for(look) {
                        if let Ok(mut left) = left.lock() {
                            left.push(test);
                        }
                        continue;
                    }
                    tell(Event::Suspect {
                        id: tests[test].id.clone(),
                    });
                    let thaw = file != tests[test].file;
                    file.clone_from(&tests[test].file);
                    let judged = again::judge(slot, tests, test, shared, |slot| {
                        judge_one(bench, slot, &turn, tests, look, thaw, shared)
                    });
                    let Some(case) = judged else { return };
                    tell(Event::Judged {
                        ids: vec![tests[test].id.clone()],
                        verdict: case.judged.verdict(),
                        rule: case.judged.rule(),
                    });
                    if let Ok(mut cases) = cases.lock() {
                        cases.push(case);
                    }
                }
            });
        }
    });
    let mut cases = cases.into_inner().unwrap_or_default();
    cases.sort_by_key(|case: &Case| case.test);
    run.cases.extend(cases);
    absorb(run, shared);
    let mut left = left.into_inner().unwrap_or_default();
    let waiting = queue.into_inner().unwrap_or_default();
    left.extend(waiting.into_iter().map(|(test, _)| test));
    left.sort_unstable();
    left
}

fn judge_one(
    bench: &Bench<'_>,
    slot: &mut Slot<'_>,
    turn: &Turn<'_>,
    tests: &[Collectable],
    look: &Look,
    thaw: bool,
    shared: &Mutex<Shared>,
) -> Option<Case> {
    let test = look.test;
    let fussy = noise::is_worth_another(slot, test);
    let undecided = |why| Some(Case::without_evidence(test, unasked::say(why)));
    let (worker, index) = match slot.worker_for(tests, test) {
        Ok(Some(found)) => found,
        Ok(None) => return undecided(Why::NotCollected),
        Err(StartError::Interrupted) => return None,
        Err(error) => {
            let error = format!("no second process could be started: {error}");
            return undecided(Why::NoProcess(&error));
        }
    };
    let begun = Instant::now();
    let judged = bench.judge(worker, turn, look, index, thaw, fussy);
    spend(shared, test, begun);
    match judged {
        Ok(case) => {
            if !case.brief {
                bench.known.learn_kind(look.kind(), &case.judged);
            }
            let is_lost = case.judged.loss().is_some();
            if !is_lost {
                describe(slot, &case, shared);
            }
            if case.spoiled || is_lost {
                slot.discard();
            }
            Some(case)
        }
        Err(Loss::Interrupted) => None,
        Err(loss) => {
            let iteration = worker.begun();
            slot.discard();
            fault(shared, &tests[test].id, &loss);
            Some(Case::without_evidence(
                test,
                Conclusion::lost(loss, iteration),
            ))
        }
    }
}

/// Asks for the function and the text of every line that a finding may show.
fn describe(slot: &mut Slot<'_>, case: &Case, shared: &Mutex<Shared>) {
    let mut places: Vec<(String, u32)> = case
        .growths
        .iter()
        .flat_map(|growth| growth.frames.iter().skip(growth.chosen).take(FRAMES_SHOWN))
        .cloned()
        .collect();
    places.sort();
    places.dedup();
    if let Ok(shared) = shared.lock() {
        places.retain(|place| !shared.sources.contains_key(place));
    }
    // Names are a help, not evidence: without them the finding still has file and line.
    let described = slot.describe(places);
    if let Ok(mut shared) = shared.lock() {
        shared.sources.extend(described);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suspects_have_their_turn_by_how_widespread_their_growth_is() {
        let of = |counters: &[(Counter, i64)]| (counters.iter().copied().collect(), Wider::Stay);
        let groups = Groups::from([
            (of(&[(Counter::Heap, 900)]), vec![0]),
            (of(&[(Counter::Fds, 3)]), vec![7]),
            (
                of(&[(Counter::Blocks, 43), (Counter::Items, 1)]),
                vec![5, 6],
            ),
            (
                of(&[(Counter::Blocks, 42), (Counter::Items, 1)]),
                (10..40).collect(),
            ),
        ]);
        assert_eq!(in_turn(&groups), [10, 25, 39, 5, 6, 7, 0]);
    }

    #[test]
    fn a_group_agrees_where_the_same_container_grows() {
        let case = |judged: Conclusion, container: Option<&str>| {
            let mut case = Case::without_evidence(0, judged);
            let names = container.into_iter().map(|name| (name.to_owned(), 1.0));
            case.containers = names.collect();
            case.ends = [("lru_cache".to_owned(), "a.parse".to_owned())].into();
            case
        };
        let alike = |judged: &dyn Fn() -> Conclusion, containers: &[Option<&str>]| {
            let cases: Vec<Case> = { containers.iter() }
                .map(|container| case(judged(), *container))
                .collect();
            agree(&cases.iter().collect::<Vec<_>>())
        };
        let leak = || Conclusion::by(Rule::GrewToTimeEnd);
        let bounded = || Conclusion::because(Rule::LimitFound, "20 of 128");
        assert!(alike(&leak, &[Some("a.rows"), Some("a.rows")]));
        assert!(!alike(&leak, &[Some("a.rows"), Some("b.rows")]));
        assert!(!alike(&leak, &[Some("a.rows")]));
        // Made in the first one, after the containers were looked for.
        assert!(alike(&leak, &[None, Some("a.rows"), Some("a.rows")]));
        assert!(!alike(&bounded, &[None, Some("a.rows")]));
        let (one, other) = (case(leak(), None), case(bounded(), None));
        assert!(!agree(&[&one, &other]));
    }

    #[test]
    fn one_end_is_that_of_one_cache() {
        let case = |name: Option<&str>| {
            let mut case =
                Case::without_evidence(0, Conclusion::because(Rule::LimitFound, "20 of 128"));
            let ends = name.iter();
            case.ends = ends
                .map(|name| ("lru_cache".to_owned(), (*name).to_owned()))
                .collect();
            case
        };
        let alike = |names: [Option<&str>; 2]| {
            let cases = names.map(case);
            have_one_end(&cases.iter().collect::<Vec<_>>())
        };
        assert!(alike([Some("a.parse_8"), Some("a.parse_8")]));
        assert!(!alike([Some("a.parse_8"), Some("a.parse_32")]));
        assert!(!alike([Some("a.parse_8"), None]));
        // Where nobody knows what grew, nor whether the two are one.
        assert!(!alike([None, None]));
        let leak = Case::without_evidence(0, Conclusion::by(Rule::GrewToTimeEnd));
        assert!(have_one_end(&[&leak, &leak]));
    }
}
