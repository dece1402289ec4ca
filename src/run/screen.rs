//! The screen: repeats every test, reads exact counters, and stops as soon as a test is plainly clean.

use std::collections::HashSet;

use super::{
    conclusion::{Conclusion, not_passed},
    end::{emptied, end_of},
    familiar::Familiar,
    loss::Loss,
    noise,
    orders::{self, Ask, Order, Wider},
    protocol::{Ran, Status, Trouble},
    worker::{MOST_READ, Worker},
};
use crate::{
    config::terms::Terms,
    fit::{self, Look as Glance},
    investigate::{
        readings::{extend, fill_in, join, mend_opening},
        signature::{Kind, grows_as, plain_signature, rise, roughly, signature},
    },
    verdict::{Counter, Series, Verdict, rule::Rule},
};

/// How the screen looks at each test.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Iterations before the window opens.
    pub warmup: u32,
    /// Judged iterations of every test; adaptive where not set.
    pub iterations: Option<u32>,
    /// Whether to look for growth as rare as every 11th iteration, and at fixtures of the session.
    pub thorough: bool,
}

impl Policy {
    /// What of it holds for a test with `terms` of its own.
    fn under(&self, terms: &Terms) -> Policy {
        Policy {
            warmup: terms.warmup.unwrap_or(self.warmup),
            iterations: match terms.iterations {
                Some(iterations) => iterations.given().copied(),
                None => self.iterations,
            },
            thorough: self.thorough,
        }
    }
}

/// Readings after which a test is looked at until it is decided; the first of them is taken before the warm-up.
const LOOKS: [u32; 4] = [5, 10, 18, 34];
/// With `--thorough`: any eleven iterations in a row hold what comes every 11th.
const PATIENT_LOOKS: [u32; 2] = [13, 35];
/// Readings of a test that is expected to grow as those before it: two increments, the first of them the warm-up's.
const EXPECTED: u32 = 3;

/// What the screen found out about one test.
#[derive(Debug, Clone, PartialEq)]
pub enum Screened {
    /// Something kept growing, and is to be judged.
    Suspect,
    /// There is nothing more to find out.
    Concluded(Conclusion),
}

/// One test after the screen.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    /// Index of the test.
    pub test: usize,
    /// What was found.
    pub screened: Screened,
    /// How often it ran.
    pub iterations: u32,
    /// Wall seconds of its first iteration.
    pub seconds: f64,
    /// CPU seconds of its warm-up: what a plain run would spend on it, per warm-up iteration.
    pub cpu_plain: f64,
    /// The readings.
    pub series: Series,
    /// Which fixtures were set up anew in each iteration.
    pub wider: Wider,
    /// Objects that the collector had freed at each reading, where it freed some in every iteration.
    pub garbage: Vec<i64>,
    /// What moved in the process by itself.
    pub noise: Option<String>,
}

impl Screened {
    /// What was concluded.
    pub fn concluded(&self) -> Option<&Conclusion> {
        match self {
            Screened::Suspect => None,
            Screened::Concluded(conclusion) => Some(conclusion),
        }
    }

    /// Whether that is the verdict.
    pub fn is(&self, verdict: Verdict) -> bool {
        self.concluded()
            .is_some_and(|conclusion| conclusion.is(verdict))
    }

    /// Whether the test passed in every iteration.
    pub fn is_repeatable(&self) -> bool {
        self.concluded().is_none_or(|conclusion| {
            matches!(conclusion.verdict(), Verdict::Clean | Verdict::Bounded)
        })
    }

    /// Whether its process is no more, or there was none.
    pub fn is_lost(&self) -> bool {
        self.concluded()
            .is_some_and(|conclusion| conclusion.loss().is_some())
    }
}

impl Look {
    /// What kind of growth it showed.
    pub(super) fn kind(&self) -> Kind {
        roughly(&signature(&self.series))
    }

    /// One that has not begun yet.
    pub(super) fn new(test: usize, screened: Screened, wider: Wider) -> Look {
        Look {
            test,
            screened,
            iterations: 0,
            seconds: 0.0,
            cpu_plain: 0.0,
            series: Series::new(),
            wider,
            garbage: Vec::new(),
            noise: None,
        }
    }
}

/// malloc's smallest chunk on 64-bit systems. A rise of less is no chunk more: it is the remainder, too small to be
/// split off, of a chunk that was reused for a smaller request.
pub(super) const SMALLEST_CHUNK: i64 = 32;

/// How many further readings would settle that a test is clean, if none of them rose.
fn until_settled(series: &Series) -> u32 {
    let rests = |counter: Counter, readings: &[i64]| {
        counter == Counter::Heap && rise(readings) < SMALLEST_CHUNK
    };
    series
        .iter()
        .filter(|(counter, readings)| counter.decides(series) && !rests(**counter, readings))
        .map(|(_, readings)| fit::until_settled(readings))
        .fold(1, u32::max)
}

/// Whether something ends lower than it was after the warm-up: what is lost in every iteration may lie beneath what was let
/// go of in one of them, and shows in readings in between.
fn fell(series: &Series) -> bool {
    series
        .iter()
        .filter(|(counter, _)| counter.decides(series))
        .any(|(counter, readings)| {
            let least = if *counter == Counter::Heap {
                SMALLEST_CHUNK
            } else {
                1
            };
            let after = readings.get(1).zip(readings.last());
            after.is_some_and(|(warm, last)| warm - last >= least)
        })
}

/// What all counters together say.
pub(super) fn glance(series: &Series, thorough: bool) -> Glance {
    let looks: Vec<Glance> = series
        .iter()
        .filter(|(counter, _)| counter.decides(series))
        .map(|(counter, readings)| {
            if *counter == Counter::Heap && readings.len() > 4 && rise(readings) < SMALLEST_CHUNK {
                return Glance::Clean;
            }
            if thorough {
                fit::patient_look(readings)
            } else {
                fit::first_look(readings)
            }
        })
        .collect();
    if looks.contains(&Glance::Suspect) {
        Glance::Suspect
    } else if looks.contains(&Glance::More) {
        Glance::More
    } else {
        Glance::Clean
    }
}

/// Whether the collector freed something in every iteration. The first one may replace what was frozen before it, which
/// it does not see.
fn is_steady(garbage: &[i64]) -> bool {
    garbage.len() > 3 && garbage[1..].windows(2).all(|pair| pair[1] > pair[0])
}

/// Sends a run order and takes its answer.
pub fn run<O: Ask<Answer = Ran> + Clone>(worker: &mut Worker, order: O) -> Result<Ran, Loss> {
    let mut ran = worker.ask(order.clone())?;
    if let (Some(objects), Some(opened)) = (ran.series.get_mut(&Counter::Objects), ran.opened)
        && let Some((before, after)) = objects.split_at_mut_checked(opened)
    {
        mend_opening(after);
        // Counted from the opening of another window.
        before.fill(after.first().copied().unwrap_or(0));
    }
    let mut before = false;
    if let Order::Run(order) = order.into() {
        before = order.before;
        if !order.between && ran.outcome.status == Status::Passed {
            let inner = ran.iterations.saturating_sub(order.warmup);
            ran.series
                .values_mut()
                .for_each(|readings| fill_in(readings, inner));
        }
    }
    ran.garbage = ran.series.remove(&Counter::Garbage).unwrap_or_default();
    let before = usize::from(before);
    ran.garbage.drain(..before.min(ran.garbage.len()));
    Ok(ran)
}

/// What is done before the first iteration of a test.
#[derive(Debug, Clone, Copy)]
pub struct Opening {
    /// See [`orders::Run`].
    pub thaw: bool,
    /// See [`orders::Run`].
    pub survey: bool,
}

/// What a first look leaves to be done.
#[derive(Debug)]
pub struct Looked {
    /// What was found.
    pub look: Look,
    /// Fixtures to set up anew in each iteration of another look, once no other test can be disturbed by it.
    pub again: Option<Wider>,
    /// Teardown errors of wider fixtures.
    pub troubles: Vec<Trouble>,
}

/// Looks at one test. Where it is the first to use a fixture of class, module or package, it is worth another look with
/// that set up anew in each iteration: what such a fixture leaks by itself shows nowhere else. The same look is the
/// second chance of a test that cannot be repeated without. `seen` holds the fixtures met so far.
pub fn look_at(
    worker: &mut Worker,
    test: usize,
    opening: Opening,
    policy: &Policy,
    familiar: &Familiar,
    seen: &mut HashSet<String>,
) -> Result<Looked, Loss> {
    let terms = worker.terms.get(test).cloned().unwrap_or_default();
    let policy = &policy.under(&terms);
    if let Some(reason) = terms.skip {
        let look = Look::new(
            test,
            Screened::Concluded(Conclusion::because(Rule::SkippedByTerms, reason)),
            Wider::Stay,
        );
        return Ok(Looked {
            look,
            again: None,
            troubles: Vec::new(),
        });
    }
    let (look, fixtures, troubles) =
        look_with(worker, test, opening, policy, familiar, Wider::Stay)?;
    let session = |fixture: &str| fixture.starts_with("session:");
    let fixtures: Vec<String> = fixtures
        .into_iter()
        .filter(|fixture| policy.thorough || !session(fixture))
        .collect();
    let verdict = look.screened.concluded().map(Conclusion::verdict);
    let again = match verdict {
        Some(Verdict::Clean) => fixtures
            .iter()
            .filter(|fixture| seen.insert((*fixture).clone()))
            .map(|fixture| {
                if session(fixture) {
                    Wider::Session
                } else {
                    Wider::Module
                }
            })
            .max(),
        Some(Verdict::Unrepeatable) if !fixtures.is_empty() => Some(Wider::Module),
        _ => None,
    };
    Ok(Looked {
        look,
        again,
        troubles,
    })
}

/// The other look of [`Looked::again`]. It takes the place of the first one where it found growth, or could repeat what
/// that could not.
pub fn look_again(
    worker: &mut Worker,
    test: usize,
    first: &Look,
    wider: Wider,
    policy: &Policy,
    familiar: &Familiar,
) -> Result<(Look, Vec<Trouble>), Loss> {
    let terms = worker.terms.get(test).cloned().unwrap_or_default();
    let opening = Opening {
        thaw: false,
        survey: true,
    };
    let (second, _, troubles) = look_with(
        worker,
        test,
        opening,
        &policy.under(&terms),
        familiar,
        wider,
    )?;
    let iterations = first.iterations + second.iterations;
    let takes_over = match second.screened {
        Screened::Suspect => true,
        Screened::Concluded(_) => {
            second.screened.is(Verdict::Clean) && !first.screened.is(Verdict::Clean)
        }
    };
    if takes_over {
        let look = Look {
            test: first.test,
            iterations,
            seconds: first.seconds,
            cpu_plain: first.cpu_plain,
            ..second
        };
        Ok((look, troubles))
    } else {
        // Fixtures that cannot be set up twice are nothing to report: nobody does it.
        let look = Look {
            iterations,
            ..first.clone()
        };
        Ok((look, troubles))
    }
}

/// Looks at one test until it is plainly clean, plainly a suspect, or has used up its looks. Also returns the wider
/// fixtures that it set up.
fn look_with(
    worker: &mut Worker,
    test: usize,
    opening: Opening,
    policy: &Policy,
    familiar: &Familiar,
    wider: Wider,
) -> Result<(Look, Vec<String>, Vec<Trouble>), Loss> {
    // What the warm-up leaves is read as well: where it leaves nothing it is as good as any other iteration, and where
    // it does, one iteration more tells whether that was all.
    let looks: Vec<u32> = match policy.iterations {
        // Where that leaves it open, the looks that follow decide as always.
        Some(count) => std::iter::once(count + 2)
            .chain(LOOKS.into_iter().filter(|readings| *readings > count + 2))
            .collect(),
        None if policy.thorough => PATIENT_LOOKS.to_vec(),
        None => LOOKS.to_vec(),
    };
    let mut fixtures;
    let mut look = Look::new(test, Screened::Suspect, wider);
    let mut troubles = Vec::new();
    let mut readings = 2; // before the warm-up, and after it
    let (mut next, last) = (looks[0], looks[looks.len() - 1]);
    // A leaking autouse fixture makes a suspect of every test: there the next one is only seen to be no exception.
    let expected = (policy.iterations.is_none() && !policy.thorough && wider == Wider::Stay)
        .then(|| familiar.expected())
        .flatten();
    if expected.is_some() {
        next = EXPECTED;
    }
    // Most tests are clean after the first look; what is not read in it takes no time.
    let sparing = policy.iterations.is_none() && !policy.thorough;
    // Whether what seems to fill was too new to be watched, and now is.
    let (mut anew, mut watched) = (false, false);
    loop {
        let first = look.iterations == 0;
        // Where more are asked for than one answer holds, several make up a look.
        let asked = (next - readings).min(MOST_READ);
        let ran = run(
            worker,
            orders::Run {
                test: first.then_some(test),
                thaw: opening.thaw && first,
                survey: opening.survey && first || anew,
                wider,
                warmup: if first { policy.warmup } else { 0 },
                before: first,
                between: !(first && sparing),
                iterations: asked,
            },
        )?;
        if first {
            look.seconds = ran.seconds;
            look.cpu_plain = ran.cpu_warm / f64::from(policy.warmup);
        }
        look.iterations += ran.iterations;
        readings += asked;
        troubles.extend(ran.errors);
        fixtures = ran.wider;
        extend(&mut look.series, &ran.series);
        join(&mut look.garbage, &ran.garbage);
        if let Some(mut conclusion) = not_passed(&ran.outcome, look.iterations) {
            if conclusion.is(Verdict::Failed) {
                conclusion = second_try(worker, test, &mut look, conclusion)?;
            }
            look.screened = Screened::Concluded(conclusion);
            return Ok((look, fixtures, troubles));
        }
        if readings < next {
            continue;
        }
        if let Some(expected) = expected.as_ref().filter(|_| first)
            && grows_as(&look.series, expected)
        {
            look.screened = Screened::Suspect;
            for readings in look.series.values_mut() {
                readings.remove(0);
            }
            if let Some(each) = expected.get(&Counter::Objects) {
                look.series.insert(Counter::Objects, vec![0, *each]);
            }
            familiar.add(Some(expected.clone()));
            break;
        }
        let known =
            |series| plain_signature(series).is_some_and(|signature| familiar.knows(&signature));
        let mut glance = glance(&look.series, policy.thorough);
        if glance == Glance::Clean && first && sparing && fell(&look.series) {
            glance = Glance::More;
        }
        anew = glance == Glance::Clean && ran.filling && !watched;
        if anew {
            watched = true;
            look.series.clear();
            (readings, next) = (1, LOOKS[1]);
            continue;
        }
        match glance {
            Glance::Clean => {
                familiar.add(None);
                let ends = if ran.emptied {
                    emptied(worker, &look)?
                } else {
                    None
                };
                look.screened = Screened::Concluded(match ends {
                    Some(ends) => Conclusion::filling(Rule::DeclaredLimitEmptied, ends),
                    None => Conclusion::by(Rule::NothingGrew),
                });
                break;
            }
            // With a fixed number of iterations there is no further look to wait for.
            Glance::More if readings < last && !(readings == looks[0] && known(&look.series)) => {
                next = looks
                    .iter()
                    .copied()
                    .find(|planned| *planned > readings)
                    .unwrap_or(last);
                if !policy.thorough && readings < LOOKS[1] {
                    next = next.min(readings + until_settled(&look.series));
                }
            }
            _ => {
                look.screened = Screened::Suspect;
                // What the first iteration leaves once is no part of the growth.
                for readings in look.series.values_mut() {
                    readings.remove(0);
                }
                match end_of(worker, &mut look, readings.min(MOST_READ), policy.thorough)? {
                    Some(ends) => {
                        let conclusion = Conclusion::filling(Rule::DeclaredLimit, ends);
                        look.screened = Screened::Concluded(conclusion);
                    }
                    None => familiar.add(Some(signature(&look.series))),
                }
                break;
            }
        }
    }
    look.noise = noise::heard(worker, &look.series, look.seconds)?;
    if look.screened != Screened::Suspect {
        look.series.clear();
    }
    if !is_steady(&look.garbage) {
        look.garbage.clear();
    }
    Ok((look, fixtures, troubles))
}

/// A test that failed at once gets another chance with nothing frozen: one that watches the collector at work, or asks
/// who refers to what, may fail for our freezing alone.
fn second_try(
    worker: &mut Worker,
    test: usize,
    look: &mut Look,
    failed: Conclusion,
) -> Result<Conclusion, Loss> {
    let order = orders::Run {
        thaw: true,
        iterations: 0,
        ..orders::Run::open(test)
    };
    let ran = run(worker, order)?;
    look.iterations += ran.iterations;
    if ran.outcome.status != Status::Passed {
        return Ok(failed);
    }
    let reason = failed.reason().unwrap_or_default();
    Ok(Conclusion::because(
        Rule::PassedOnSecondTry,
        format!("failed first and passed on a second try: {reason}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(blocks: &[i64], heap: &[i64]) -> Series {
        Series::from([
            (Counter::Blocks, blocks.to_vec()),
            (Counter::Heap, heap.to_vec()),
        ])
    }

    #[test]
    fn any_growing_counter_makes_a_suspect() {
        let grows: Vec<i64> = (0..10).map(|at| at * 48).collect();
        assert_eq!(glance(&series(&[1; 10], &grows), false), Glance::Suspect);
        assert_eq!(glance(&series(&[1; 10], &[1; 10]), false), Glance::Clean);
    }

    #[test]
    fn a_test_goes_on_until_every_counter_has_rested() {
        assert_eq!(until_settled(&series(&[0, 5, 5, 5, 5], &[0; 5])), 1);
        assert_eq!(
            until_settled(&series(&[0, 5, 5, 5, 5], &[0, 0, 0, 64, 64])),
            3
        );
        assert_eq!(
            until_settled(&series(&[0, 5, 5, 5, 5], &[0, 0, 0, 16, 16])),
            1
        );
    }

    #[test]
    fn a_remainder_in_the_heap_is_nothing() {
        assert_eq!(
            glance(&series(&[1; 5], &[64, 80, 80, 80, 80]), false),
            Glance::Clean
        );
        assert_eq!(
            glance(&series(&[1; 5], &[64, 96, 96, 96, 96]), false),
            Glance::More
        );
        assert_eq!(glance(&series(&[1; 3], &[64; 3]), false), Glance::More);
    }
}
