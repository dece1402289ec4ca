//! A suspect as the report knows it: what is said of it, and what there is to show.

use std::collections::{BTreeMap, BTreeSet};

use super::diagnosis::Diagnosis;
use crate::{
    explain::{native::Passage, sites::Growth},
    fit::Fit,
    investigate::{
        afterwards::{Found, reconsider},
        evidence::Evidence,
        growth,
        picture::Picture,
        rules::RULES,
        unasked::{self, Why},
    },
    verdict::{Counter, Series, Verdict, conclusion::Conclusion},
    worker::orders::Wider,
};

/// An object that the collector does not know has hardly more blocks of its own: itself, and the two of a dictionary.
const BLOCKS_AN_OBJECT: f64 = 4.0;

/// A suspect with its evidence.
#[derive(Debug, Clone)]
pub struct Case {
    /// Index of the test.
    pub test: usize,
    /// Index of the test that stands for all that grow like this one; itself where there are none.
    pub leader: usize,
    /// Which fixtures were set up anew in each iteration.
    pub wider: Wider,
    /// Watched containers that gained entries: name, and how many per iteration.
    pub containers: Vec<(String, f64)>,
    /// What is said.
    pub judged: Conclusion,
    /// What it fills that has an end to read: kind and name of each.
    pub ends: BTreeSet<(String, String)>,
    /// How often it ran here.
    pub iterations: u32,
    /// The longest window's readings.
    pub series: Series,
    /// Shape and rate of each counter that grew.
    pub fits: BTreeMap<Counter, Fit>,
    /// Growing sites, the runner's own left out unless there are no others.
    pub growths: Vec<Growth>,
    /// Survivors by type: name, objects and bytes per iteration.
    pub types: Vec<(String, f64, f64)>,
    /// Who holds what grew, where that was looked at.
    pub diagnosis: Option<Diagnosis>,
    /// Where native memory that stays is allocated, where that was looked at.
    pub passages: Vec<Passage>,
    /// Where blocks of objects that nothing refers to, or that are in no object, are asked for, where that was looked at.
    pub outside: Vec<Passage>,
    /// How malloc's heap grows by what Python does not account for, where Python's memory grows as well.
    pub native: Option<Fit>,
    /// Whether it ends tracemalloc, or may where it finds that it is not running.
    pub ends_tracing: bool,
    /// Where that is allocated, where no object that stays can hold it: then it is a leak of its own.
    pub beside: Option<Vec<Passage>>,
    /// Whether its process is unfit for other tests.
    pub spoiled: bool,
    /// Whether objects came at first, and no more in the longest window, where something else went on growing.
    pub settled: bool,
    /// What moved in its process by itself.
    pub noise: Option<String>,
    /// Whether nobody waited for its end: all that grow like it, and were looked at for long, went on.
    pub brief: bool,
}

impl Case {
    /// A suspect of which nothing is said yet.
    pub fn open(test: usize) -> Case {
        Case::without_evidence(test, unasked::say(Why::Interrupted("while it was judged")))
    }

    /// A suspect about which nothing could be measured.
    pub fn without_evidence(test: usize, judged: Conclusion) -> Case {
        Case {
            test,
            leader: test,
            wider: Wider::Stay,
            containers: Vec::new(),
            judged,
            ends: BTreeSet::new(),
            iterations: 0,
            series: Series::new(),
            fits: BTreeMap::new(),
            growths: Vec::new(),
            types: Vec::new(),
            diagnosis: None,
            passages: Vec::new(),
            outside: Vec::new(),
            native: None,
            ends_tracing: false,
            beside: None,
            spoiled: false,
            settled: false,
            noise: None,
            brief: false,
        }
    }

    /// What Python keeps and what C code keeps beside it, where that is a leak of its own.
    pub fn parts(&self) -> Option<(Case, Case)> {
        let passages = self.beside.as_ref()?;
        let mut native = Case {
            native: self.native,
            beside: Some(Vec::new()),
            passages: passages.clone(),
            ..self.part()
        };
        let mapped = self.fits.get(&Counter::Maps);
        // The line that was followed is the one that maps.
        if mapped.is_some() {
            native.diagnosis = self.diagnosis.as_ref().map(Diagnosis::without_objects);
        }
        for (counter, fit) in [
            (Counter::Heap, self.native),
            (Counter::Maps, mapped.copied()),
        ] {
            if let Some(fit) = fit {
                native.fits.insert(counter, fit);
                let readings = self.series.get(&counter);
                let readings = readings.map(|readings| (counter, readings.clone()));
                native.series.extend(readings);
            }
        }
        let mut python = self.without_native();
        python.fits.remove(&Counter::Maps);
        if let Some(diagnosis) = python.diagnosis.as_mut().filter(|_| mapped.is_some()) {
            diagnosis.made.clear();
        }
        (!native.fits.is_empty()).then_some((python, native))
    }

    /// The same test with nothing that grows: for what is a cause of its own.
    pub fn part(&self) -> Case {
        Case {
            leader: self.leader,
            wider: self.wider,
            iterations: self.iterations,
            brief: self.brief,
            ends_tracing: self.ends_tracing,
            ..Case::without_evidence(self.test, self.judged.clone())
        }
    }

    /// The case without the native memory that Python does not account for.
    pub fn without_native(&self) -> Case {
        let mut python = Case {
            native: None,
            beside: None,
            ..self.clone()
        };
        if let Some(fit) = self.native
            && let Some(heap) = python.fits.get_mut(&Counter::Heap)
        {
            let rate = &mut heap.rate;
            rate.value = (rate.value - fit.rate.value).max(0.0);
            rate.interval.0 = (rate.interval.0 - fit.rate.interval.1).clamp(0.0, rate.value);
            rate.interval.1 = (rate.interval.1 - fit.rate.interval.0).max(rate.value);
            if rate.value < RULES.beside.least {
                python.fits.remove(&Counter::Heap);
            }
        }
        python
    }

    /// Names of the watched containers that gained entries.
    pub fn filled(&self) -> BTreeSet<&str> {
        self.containers
            .iter()
            .map(|(name, _)| name.as_str())
            .collect()
    }

    /// Which of the resources it gains.
    pub fn resources(&self) -> Vec<Counter> {
        Counter::resources_of(&self.fits).collect()
    }
    /// Whether the places account for all that grows: a container that takes its memory from a free list stands at none,
    /// and two with the same entries cannot be told apart.
    pub fn is_explained(&self) -> bool {
        growth::is_explained(&self.growths, &self.fits, &RULES)
    }

    /// Whether it is called a leak.
    pub fn is_leak(&self) -> bool {
        self.judged.is(Verdict::Leak)
    }

    /// What makes suspects one cause: the places that grow. Empty where none is known.
    pub fn causes(&self) -> BTreeSet<String> {
        growth::causes(&self.growths)
    }

    /// Takes in what was found out about it besides, where that changes what is said of it.
    pub(super) fn learn(&mut self, found: Found<'_>) {
        if let Some(said) = reconsider(&self.judged, found) {
            self.judged = said;
        }
    }

    /// Blocks that stay of each iteration.
    pub fn blocks(&self) -> f64 {
        let fit = self.fits.get(&Counter::Blocks);
        fit.map_or(0.0, |fit| fit.rate.value)
    }

    /// Whether blocks come, and neither objects that the collector knows nor entries.
    pub fn is_of_blocks_alone(&self) -> bool {
        self.fits.contains_key(&Counter::Blocks)
            && is_flat(self.series.get(&Counter::Objects))
            && !self.fits.contains_key(&Counter::Items)
    }

    /// Whether `found` objects, to which Python leads, are next to nothing of what is retained: a name that is encoded for each
    /// attribute and lost in C, 448 times, and beside it the newest entries of a log that keeps twenty. Who holds these is
    /// not asked.
    pub fn is_next_to_nothing(&self, found: f64) -> bool {
        self.is_of_blocks_alone() && found * BLOCKS_AN_OBJECT < self.blocks()
    }

    /// Takes over what `evidence` shows of it.
    pub(super) fn show(&mut self, evidence: &Evidence, conclusion: Conclusion) {
        let picture = Picture::of(evidence, &conclusion, &RULES);
        self.judged = conclusion;
        self.noise = evidence.noise.clone().flatten();
        self.iterations = evidence.iterations;
        self.series = picture.series;
        self.fits = picture.fits;
        self.growths = picture.growths;
        self.types = picture.types;
        self.containers = picture.containers;
        self.ends = picture.ends;
        self.native = picture.native;
        self.ends_tracing = picture.ends_tracing;
        self.settled = picture.settled;
        self.spoiled = picture.spoiled;
        self.brief = picture.brief;
    }
}

/// Growth that comes rarely may be there without having been seen to go on.
fn is_flat(readings: Option<&Vec<i64>>) -> bool {
    readings.is_none_or(|readings| readings.iter().max() <= readings.first().max(readings.get(1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fit::{self, Exactness},
        verdict::rule::Rule,
    };

    #[test]
    fn a_log_that_keeps_twenty_is_next_to_nothing_of_what_is_lost() {
        let grows = |counters: &[(Counter, i64)]| {
            let mut case = Case::without_evidence(0, Conclusion::by(Rule::GrewToTimeEnd));
            for (counter, each) in counters {
                let readings: Vec<i64> = (0..9).map(|at| at * each).collect();
                let fit = fit::fit(&readings, Exactness::Exact);
                case.fits.insert(*counter, fit);
                case.series.insert(*counter, readings);
            }
            case
        };
        let lost = grows(&[(Counter::Blocks, 448)]);
        assert!(lost.is_next_to_nothing(1.8));
        // A dictionary takes three blocks, and its keys are counted.
        assert!(!lost.is_next_to_nothing(150.0));
        // What has a part of its own is no text alone.
        for counter in [Counter::Objects, Counter::Items] {
            let held = grows(&[(Counter::Blocks, 448), (counter, 1)]);
            assert!(!held.is_next_to_nothing(1.8));
        }
    }
}
