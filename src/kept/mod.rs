//! What earlier runs found out and still holds: verdicts of tests of which nothing has changed that they depend on.

mod book;
mod changed;
mod closure;
mod dependency;
mod evidence;
mod names;
pub mod noted;
mod now;
pub mod reason;
mod source;
mod store;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    path::{Path, PathBuf},
    sync::Mutex,
    time::SystemTime,
};

use book::Book;
pub use book::Evidence;
pub use changed::Changed;
use changed::Reach;
use dependency::Dependency;
use evidence::Writer;
use jiff::Timestamp;
use noted::{Collecting, Ended, Noted};
use now::Now;
pub use now::hash as digest;
use reason::Reason;
pub use store::FOLDER as CACHE;
use store::{Holding, Store};

use crate::finding::Finding;

/// Where the project, its Python and its packages are.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The interpreter.
    pub python: PathBuf,
    /// The project's folder.
    pub project: PathBuf,
    /// Folders of installed packages.
    pub packages: Vec<PathBuf>,
    /// Folders of the standard library.
    pub stdlib: Vec<PathBuf>,
    /// Modules with functions that read what the project counts itself.
    pub counters: Vec<String>,
    /// All that holds for every test of the run: interpreter, settings, leakcheck itself.
    pub terms: String,
}

impl Surroundings {
    /// Beginnings of the paths that are not the project's own code.
    pub fn outside(&self, run: &Path) -> Vec<String> {
        let folders = self.packages.iter().chain(&self.stdlib);
        let mut all = BTreeSet::new();
        for folder in folders.map(PathBuf::as_path).chain([run]) {
            let real = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
            for path in [folder, &*real] {
                all.insert(format!("{}/", path.to_string_lossy()));
            }
        }
        all.into_iter().collect()
    }
}

/// A test as the cache knows it.
pub struct Test<'a> {
    /// The runner's id.
    pub id: &'a str,
    /// Absolute path of its file.
    pub file: &'a str,
}

/// What is wanted of a cache.
#[derive(Debug, Default)]
pub struct Wanted {
    /// Whether anything is kept, and not only looked at what tests import.
    pub keeps: bool,
    /// Verdicts from before are found out anew.
    pub oldest: Option<Timestamp>,
    /// Where only those tests are asked that a change reaches.
    pub changed: Option<Changed>,
}

/// The evidence of a project's earlier runs, and what this one adds.
#[derive(Debug)]
pub struct Cache {
    surroundings: Surroundings,
    store: Store,
    book: Book,
    begun: SystemTime,
    wanted: Wanted,
    gathered: Mutex<Gathered>,
}

/// What the workers of the screen have noted.
#[derive(Debug, Default)]
struct Gathered {
    collecting: Option<Collecting>,
    /// By test, with the number of its process.
    noted: HashMap<usize, (usize, Noted)>,
    /// By the number of the process; missing where that was lost.
    ended: HashMap<usize, Ended>,
    /// See [`Cache::outside`].
    outside: Vec<String>,
    /// In which state files were before the tests ran that changed meanwhile in an earlier run.
    before: HashMap<Dependency, String>,
    /// In which state what is outside of functions was when tests were kept although that had changed.
    judged: HashMap<Dependency, String>,
}

/// What a run makes of the cache.
#[derive(Debug, Default)]
pub struct Choice {
    /// By test: what is known of it, where that still holds.
    pub kept: Vec<Option<Evidence>>,
    /// Why the others are asked, by test.
    pub asked: BTreeMap<usize, Reason>,
    /// By test: the iterations of a look in which it grew in an earlier run, which the screen has too few of.
    pub deep: BTreeMap<usize, u32>,
    /// Those that are neither kept nor asked, since no change reaches them.
    pub left_out: BTreeSet<usize>,
    /// What was found in tests that are kept, and does not fail.
    pub findings: Vec<Finding>,
    /// By test: how often those ran until now that are asked for the age of their verdicts alone.
    pub older: BTreeMap<usize, u32>,
}

/// What a run found out of a test.
pub struct Found<'a> {
    /// The runner's id.
    pub id: &'a str,
    /// Absolute path of its file.
    pub file: &'a str,
    /// What there is to keep, or why nothing is.
    pub found: Result<Evidence, Reason>,
    /// Iterations of the look in which it grew, where it did so only when looked at longer; else 0.
    pub depth: u32,
}

impl Cache {
    /// That of the project. What cannot be read holds nothing; whatever is there is never an error.
    pub fn open(surroundings: Surroundings, wanted: Wanted) -> Cache {
        let store = Store::of(&surroundings);
        let book = if wanted.keeps { store.read() } else { None };
        Cache {
            surroundings,
            store,
            book: book.unwrap_or_default(),
            begun: SystemTime::now(),
            wanted,
            gathered: Mutex::default(),
        }
    }

    /// Whether anything may be kept in it.
    pub fn keeps(&self) -> bool {
        self.wanted.keeps
    }

    /// Beginnings of paths that workers are told are not the project's, where the run has its files in `run`.
    pub fn outside(&self, run: &Path) -> Vec<String> {
        let outside = self.surroundings.outside(run);
        if let Ok(mut gathered) = self.gathered.lock() {
            gathered.outside.clone_from(&outside);
        }
        outside
    }

    /// Takes what was noted of a test in a process of this number.
    pub fn add(&self, process: usize, test: usize, noted: Noted) {
        if let Ok(mut gathered) = self.gathered.lock() {
            gathered.noted.insert(test, (process, noted));
        }
    }

    /// Takes what was noted at the end of a process.
    pub fn end(&self, process: usize, ended: Ended) {
        if let Ok(mut gathered) = self.gathered.lock() {
            gathered.ended.insert(process, ended);
        }
    }

    /// Says of which tests the verdict is known, once they are collected.
    pub fn choose(&self, tests: &[Test<'_>], collecting: Option<Collecting>) -> Choice {
        let mut choice = Choice {
            kept: tests.iter().map(|_| None).collect(),
            ..Choice::default()
        };
        let Ok(mut gathered) = self.gathered.lock() else {
            return choice;
        };
        let Some(collecting) = collecting else {
            return choice;
        };
        let files = tests.iter().map(|test| test.file);
        let mut now = Now::new(&self.surroundings, &gathered.outside, &collecting, files);
        now.read(&self.book);
        if self.wanted.changed.is_some() {
            let conftests = now.conftests();
            now.read_files(conftests.iter().map(|file| &**file));
        }
        let watched = self.book.watched.iter().cloned().map(Dependency::File);
        // A run makes folders of its own in the project, such as the one for pytest's cache.
        let before = watched
            .chain(now.folders_of_code())
            .map(|it| (it.clone(), now.state(&it)));
        let before: HashMap<_, _> = before.collect();
        let mut holding = Holding::new(&self.book, &now);
        let twice = twice(tests);
        for (at, test) in tests.iter().enumerate() {
            let found = match self.book.tests.get(test.id) {
                _ if twice.contains(test.id) => Err(Reason::NamedTwice),
                Some(entry) if entry.file == now.shown(test.file) => holding.evidence(entry),
                _ => Err(Reason::New),
            };
            match found {
                Ok(evidence) if evidence.is_since(self.wanted.oldest) => {
                    choice.kept[at] = Some(evidence)
                }
                Ok(evidence) => {
                    choice.older.insert(at, evidence.iterations);
                    choice.asked.insert(at, Reason::Old);
                }
                Err(reason) => {
                    choice.asked.insert(at, reason);
                    if reason == Reason::Deeper {
                        choice.deep.insert(at, self.book.tests[test.id].depth);
                    }
                }
            }
        }
        choice.keep_findings(&self.book.findings, tests);
        if let Some(changed) = &self.wanted.changed {
            let mut reach = Reach::new(changed, &now);
            for (at, test) in tests.iter().enumerate() {
                if choice.kept[at].is_none() && !reach.reaches(test.file) {
                    choice.asked.remove(&at);
                    choice.left_out.insert(at);
                }
            }
        }
        gathered.judged = holding.judged().collect();
        gathered.before = before;
        gathered.collecting = Some(collecting);
        choice
    }

    /// Keeps what this run found, beside what still holds. An error is one line.
    pub fn write(
        &self,
        tests: &[Found<'_>],
        kept: &[Option<Evidence>],
        findings: Vec<Finding>,
    ) -> Result<(), String> {
        let Ok(mut gathered) = self.gathered.lock() else {
            return Ok(());
        };
        let gathered = std::mem::take(&mut *gathered);
        let Some(collecting) = &gathered.collecting else {
            return Ok(());
        };
        let files = tests.iter().map(|test| test.file);
        let mut now = Now::new(&self.surroundings, &gathered.outside, collecting, files);
        now.read(&self.book);
        let noted = gathered.noted.values();
        let files = noted.flat_map(|(_, noted)| noted.files());
        let files = files.chain(gathered.ended.values().flat_map(Ended::files));
        now.read_files(files);
        let mut writer = Writer::new(&self.book, &now, &gathered, self.begun);
        let mut seen = HashSet::new();
        for (at, test) in tests.iter().enumerate() {
            if !seen.insert(test.id) {
                // Not kept the next time either: see `choose`.
                continue;
            }
            match kept.get(at).and_then(Option::as_ref) {
                Some(evidence) => writer.carry(test.id, evidence),
                None => writer.add(at, test),
            }
        }
        self.store.write(writer.finish(findings))
    }
}

impl Choice {
    /// Takes over the findings of which all tests are kept; what is left of the others is made anew, in all of their tests.
    fn keep_findings(&mut self, findings: &[Finding], tests: &[Test<'_>]) {
        let at: HashMap<&str, usize> = (tests.iter().map(|test| test.id)).zip(0..).collect();
        let mut open: Vec<&Finding> = findings.iter().collect();
        // A test may be of several.
        loop {
            let is_kept = |id: &String| at.get(&**id).is_some_and(|at| self.kept[*at].is_some());
            let (whole, rest): (Vec<&Finding>, Vec<&Finding>) =
                open.iter().partition(|one| one.tests.iter().all(is_kept));
            let anew: Vec<usize> = { rest.iter() }
                .flat_map(|one| one.tests.iter().filter_map(|id| at.get(&**id).copied()))
                .filter(|at| self.kept[*at].is_some())
                .collect();
            open = whole;
            if anew.is_empty() {
                break;
            }
            for at in anew {
                if self.kept[at].take().is_some() {
                    self.asked.insert(at, Reason::InFinding);
                }
            }
        }
        self.findings = open.into_iter().cloned().collect();
    }
}

/// Ids that several tests have.
fn twice<'a>(tests: &[Test<'a>]) -> HashSet<&'a str> {
    let mut seen = HashSet::new();
    let again = tests.iter().filter(|test| !seen.insert(test.id));
    again.map(|test| test.id).collect()
}
