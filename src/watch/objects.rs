//! The objects of all processes of a watch, by kind of process and type.

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant},
};

use nix::{
    time::{ClockId, clock_gettime},
    unistd::Pid,
};

use super::{
    heap::{Absent, Heap, memory::Remote, place},
    look::{ROOT, Values},
    measure::Measure,
    process::{Identity, Proc},
};

/// Looks that may fail until a process is opened anew: it may have become another program.
const FAILURES: u32 = 5;
/// Looks after which a process is tried again in which no lists were found: Python may not have begun, or may come.
const SOON: u32 = 5;
const LATER: u32 = 30;
/// No more of a processor than this part is spent on looks.
const SHARE: u32 = 20;

/// Processes that are looked into at once.
const PROCESSES: usize = 64;

/// Number of each process below `parent` whose objects can be counted, with how many there are of each type.
pub fn below(parent: i32) -> Vec<(i32, Vec<(String, i64)>)> {
    let proc = Proc::default();
    let of = |identity: Identity| {
        let counts = open(&proc, identity).heap.ok()?.count()?;
        Some((identity.pid, counts.types.into_iter().collect()))
    };
    { proc.below(parent).into_iter().take(PROCESSES) }
        .filter_map(|stat| of(stat.identity))
        .collect()
}

/// What is known of one process.
struct Opened {
    heap: Result<Heap<Remote>, Absent>,
    /// Looks since then that came to nothing.
    failed: u32,
}

/// All of them.
#[derive(Default)]
pub struct Objects {
    opened: HashMap<Identity, Opened>,
    /// When the next look may be.
    due: Option<Instant>,
    collections: Option<u64>,
    collected: bool,
}

impl Objects {
    /// Counts the objects of `processes`; `None` where it is too early again, or they could not be counted this time.
    pub fn look(&mut self, proc: &Proc, processes: &[(Identity, usize)]) -> Option<Values> {
        let begun = spent();
        if self.due.is_some_and(|due| Instant::now() < due) {
            return None;
        }
        self.opened
            .retain(|identity, _| processes.iter().any(|(of, _)| of == identity));
        let mut values = Values::new();
        let mut collections = 0;
        let mut is_whole = true;
        for (identity, group) in processes {
            let opened = { self.opened.entry(*identity) }.or_insert_with(|| open(proc, *identity));
            let is_stale = match &opened.heap {
                Ok(_) => opened.failed >= FAILURES,
                Err(_) => opened.failed < SOON || opened.failed.is_multiple_of(LATER),
            };
            if is_stale && opened.failed > 0 {
                let failed = opened.failed;
                *opened = open(proc, *identity);
                if opened.heap.is_err() {
                    opened.failed = failed.max(opened.failed);
                }
            }
            let Ok(heap) = &opened.heap else {
                opened.failed += 1;
                continue;
            };
            let Some(counts) = heap.count() else {
                opened.failed += 1;
                is_whole = false;
                continue;
            };
            opened.failed = 0;
            collections += counts.collections;
            let mut add = |measure, count| *values.entry((*group, measure)).or_default() += count;
            for (name, count) in counts.types {
                add(Measure::Objects, count);
                add(Measure::Type(name), count);
            }
        }
        self.due = Some(Instant::now() + spent().saturating_sub(begun) * SHARE);
        if !is_whole || values.is_empty() {
            return None;
        }
        self.collected |= self.collections.is_some_and(|before| collections > before);
        self.collections = Some(collections);
        Some(values)
    }

    /// Whether all garbage was collected at some time between two looks.
    pub fn collected(&self) -> bool {
        self.collected
    }

    /// The version of the Python that runs in the process itself.
    pub fn version(&self, processes: &[(Identity, usize)]) -> Option<&'static str> {
        let (root, _) = processes.iter().find(|(_, group)| *group == ROOT)?;
        let opened = self.opened.get(root)?;
        opened.heap.as_ref().ok().map(Heap::version)
    }

    /// Why there are none of some processes, once that is sure: a line for each reason.
    pub fn absent(&self) -> Vec<String> {
        let mut reasons: BTreeMap<String, Vec<i32>> = BTreeMap::new();
        for (identity, opened) in &self.opened {
            match &opened.heap {
                Ok(_) | Err(Absent::NoPython | Absent::Gone) => {}
                Err(_) if opened.failed < SOON => {}
                Err(reason) => {
                    let of = reasons.entry(reason.to_string()).or_default();
                    of.push(identity.pid);
                }
            }
        }
        { reasons.iter() }
            .map(|(reason, of)| {
                let first = of.iter().min().copied().unwrap_or_default();
                let others = match of.len() {
                    1 => String::new(),
                    count => format!(" and {} others", count - 1),
                };
                format!("no objects by type of process {first}{others}: {reason}")
            })
            .collect()
    }
}

/// Time of a processor that this thread has taken: on a busy machine a clock on the wall tells of others.
fn spent() -> Duration {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID);
    time.map_or(Duration::ZERO, Duration::from)
}

fn open(proc: &Proc, identity: Identity) -> Opened {
    let pid = Pid::from_raw(identity.pid);
    let heap =
        place::runtime(proc, identity.pid).and_then(|runtime| Heap::open(Remote(pid), runtime));
    let failed = match &heap {
        // Python may not have begun yet.
        Ok(_) | Err(Absent::NoPython | Absent::Elsewhere(_) | Absent::Gone) => 0,
        // Nothing of this changes while it runs.
        Err(_) => SOON,
    };
    Opened { heap, failed }
}
