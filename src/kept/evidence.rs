//! How the evidence of a run is put together.

use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
    time::SystemTime,
};

use super::{
    Found as Test, Gathered,
    book::{Book, Entry, Evidence, Found},
    closure::{Closures, of_part},
    dependency::Dependency,
    noted::{Noted, Opened},
    now::{Now, conftests_above, is_written},
    reason::Reason,
    source::Place,
};
use crate::finding::Finding;

/// The function that a module's body is.
pub(super) const MODULE: &str = "<module>";

/// Files of settings that runners read in a project's folder.
pub(super) const SETTINGS: [&str; 6] = [
    "pytest.ini",
    ".pytest.ini",
    "pytest.toml",
    "pyproject.toml",
    "tox.ini",
    "setup.cfg",
];

/// Puts the evidence of a run together.
pub(super) struct Writer<'a> {
    old: &'a Book,
    now: &'a Now<'a>,
    gathered: &'a Gathered,
    begun: SystemTime,
    closures: Closures<'a>,
    new: Book,
    numbers: HashMap<(Dependency, String), u32>,
    sets: HashMap<Vec<u32>, u32>,
    /// The set of what all tests depend on.
    shared: u32,
    /// Why no test of a process is kept, by the number of the process.
    refused: HashMap<usize, Reason>,
    /// Why none at all is.
    refused_all: Option<Reason>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(
        old: &'a Book,
        now: &'a Now<'a>,
        gathered: &'a Gathered,
        begun: SystemTime,
    ) -> Writer<'a> {
        let mut writer = Writer {
            old,
            now,
            gathered,
            begun,
            closures: Closures::new(now),
            new: Book::default(),
            numbers: HashMap::new(),
            sets: HashMap::new(),
            shared: 0,
            refused: HashMap::new(),
            refused_all: None,
        };
        let shared = writer.shared();
        let changed = shared.iter().filter(|it| writer.changed_meanwhile(it));
        let changed: Vec<_> = changed.cloned().collect();
        writer.watch(&changed);
        if !changed.is_empty() {
            writer.refused_all = Some(Reason::ChangedMeanwhile);
        }
        let shared = writer.numbers(shared);
        writer.shared = writer.set(shared);
        writer
    }

    /// What all tests depend on.
    fn shared(&mut self) -> BTreeSet<Dependency> {
        let now = self.now;
        let mut all = BTreeSet::from([Dependency::Packages, Dependency::Imported]);
        all.extend(SETTINGS.map(|name| Dependency::File(name.to_owned())));
        all.extend(now.named().map(|name| Dependency::Module(name.to_owned())));
        all.extend(now.files_of_packages().into_iter().map(Dependency::File));
        all.extend(self.folders_of_tests());
        for file in now.imported() {
            all.extend(self.outside(&file));
            let source = now.source(&file);
            let through = source.and_then(|source| source.acts.as_ref());
            let through = through.map(|acts| self.closures.through(&file, acts));
            if let Some(through) = through {
                all.extend(self.closures.of(&through).dependencies(now));
            }
        }
        if !now.collecting.functions {
            for file in now.files_of_modules() {
                all.extend(self.whole(&file));
            }
        }
        // They run between iterations, where nothing is noted.
        let counting = self.closures.of(&now.files_of_counters());
        all.extend(counting.files.into_iter().map(Dependency::File));
        for (file, name) in &now.collecting.units {
            self.function(file, name, &mut all);
        }
        self.refused_all = now.collecting.full.then_some(Reason::TooMuch);
        let opened: Vec<_> = Opened::all(&now.collecting.opened).collect();
        if let Some(reason) = self.opened(opened.iter(), &mut all) {
            self.refused_all = Some(reason);
        }
        for (process, noted) in self.gathered.noted.values() {
            self.made_for_good(*process, noted, &mut all);
        }
        let ended = self.gathered.ended.values();
        let wider: Vec<_> = ended
            .flat_map(|ended| ended.wide.values().flatten())
            .collect();
        for (file, name) in wider {
            self.loaded(file, name, &mut all);
        }
        for (process, ended) in &self.gathered.ended {
            for (file, name) in &ended.shared {
                self.function(file, name, &mut all);
                self.loaded(file, name, &mut all);
            }
            let opened: Vec<_> = Opened::all(&ended.opened).collect();
            if let Some(reason) = self.opened(opened.iter(), &mut all) {
                self.refused.insert(*process, reason);
            }
        }
        all
    }

    /// What a test made that others may find in its process: by what only its first iteration did, and in wider fixtures.
    fn made_for_good(&mut self, process: usize, noted: &Noted, all: &mut BTreeSet<Dependency>) {
        for (file, name, again) in &noted.units {
            if *again == 0 {
                self.function(file, name, all);
                self.loaded(file, name, all);
            }
        }
        let is_again = |first: &Opened<'_>| {
            Opened::all(&noted.opened)
                .any(|it| it.when == '2' && (it.what, it.path) == (first.what, first.path))
        };
        let opened = Opened::all(&noted.opened);
        let once: Vec<_> = opened
            .filter(|it| it.when == 'w' || it.when == '1' && !is_again(it))
            .collect();
        if let Some(reason) = self.opened(once.iter(), all) {
            self.refused.insert(process, reason);
        }
        for (_, file) in &noted.modules {
            if !self.now.collecting.functions && self.now.is_ours(file) {
                all.extend(self.whole(&self.now.shown(file)));
            }
        }
    }

    /// What hangs on a module having been loaded while tests ran: it stays for those that come later.
    fn loaded(&mut self, file: &str, name: &str, all: &mut BTreeSet<Dependency>) {
        if name == MODULE && self.now.is_ours(file) {
            let file = self.now.shown(file);
            all.insert(Dependency::Function(file.clone(), MODULE.to_owned()));
            let file = BTreeSet::from([file]);
            all.extend(self.closures.of(&file).dependencies(self.now));
        }
    }

    /// All that a file may hang on: which of its functions run cannot be seen.
    fn whole(&self, file: &str) -> Vec<Dependency> {
        let mut all = vec![Dependency::File(file.to_owned())];
        if let Some(source) = self.now.source(file) {
            all.extend(of_part(&source.outside));
            all.extend(source.units.values().flat_map(of_part));
        }
        all
    }

    /// Each `conftest.py` that is not there in the folders above a test: a new one is seen.
    fn folders_of_tests(&self) -> BTreeSet<Dependency> {
        let all = self.now.files_of_tests().flat_map(conftests_above);
        all.filter(|file| Path::new(file).is_relative() && self.now.source(file).is_none())
            .map(Dependency::File)
            .collect()
    }

    fn outside(&self, file: &str) -> Vec<Dependency> {
        match self.now.source(file) {
            None => vec![Dependency::File(file.to_owned())],
            Some(source) => {
                let mut all = vec![Dependency::Outside(file.to_owned())];
                all.extend(of_part(&source.outside));
                all
            }
        }
    }

    /// What hangs on a function having run. What is outside of functions is for `closure` to say.
    fn function(&self, file: &str, name: &str, all: &mut BTreeSet<Dependency>) {
        if !self.now.is_ours(file) {
            return;
        }
        let file = self.now.shown(file);
        let Some(source) = self.now.source(&file) else {
            all.insert(Dependency::File(file));
            return;
        };
        match source.place(name) {
            Place::Outside => {}
            Place::Unknown => {
                all.insert(Dependency::File(file));
            }
            Place::Unit(name) => {
                all.extend(of_part(&source.units[&name]));
                all.insert(Dependency::Function(file, name));
            }
        }
    }

    /// What hangs on files having been opened, or why nothing can be said of it.
    fn opened<'b>(
        &self,
        opened: impl Iterator<Item = &'b Opened<'b>>,
        all: &mut BTreeSet<Dependency>,
    ) -> Option<Reason> {
        let mut reason = None;
        for each in opened {
            match each.what {
                'f' | 'd' if is_written(Path::new(each.path)) => {}
                'f' => {
                    all.insert(Dependency::File(self.now.shown(each.path)));
                }
                'd' => {
                    all.insert(Dependency::Folder(self.now.shown(each.path)));
                }
                'p' => reason = Some(Reason::Programs),
                'n' => reason = Some(Reason::Network),
                _ => reason = Some(Reason::Interpreters),
            }
        }
        reason
    }

    /// Takes over what still holds, with what was added to the evidence.
    pub(super) fn carry(&mut self, id: &str, evidence: &Evidence) {
        let Some(entry) = self.old.tests.get(id) else {
            return;
        };
        let taken = |indices: &[u32]| {
            let known = indices
                .iter()
                .filter_map(|at| self.old.dependencies.get(*at as usize));
            // What has changed and is nothing to it is as good as what was there before.
            let judged = known.map(|(of, state)| {
                let state = self.gathered.judged.get(of).unwrap_or(state);
                (of.clone(), state.clone())
            });
            judged.collect::<Vec<_>>()
        };
        let sets = entry
            .sets
            .iter()
            .filter_map(|set| self.old.sets.get(*set as usize));
        let sets: Vec<_> = sets.map(|set| taken(set)).collect();
        let own = taken(&entry.own);
        let entry = Entry {
            file: entry.file.clone(),
            found: Found::Kept(evidence.clone()),
            depth: 0,
            sets: { sets.into_iter() }
                .map(|set| {
                    let set = self.numbered(set);
                    self.set(set)
                })
                .collect(),
            own: self.numbered(own),
        };
        self.new.tests.insert(id.to_owned(), entry);
    }

    /// Adds what was found out of a test.
    pub(super) fn add(&mut self, index: usize, test: &Test<'_>) {
        let (found, sets, own) = match self.evidence(index, test) {
            Ok((evidence, set, own)) => (Found::Kept(evidence), vec![self.shared, set], own),
            Err(reason) => (Found::Asked(reason), Vec::new(), Vec::new()),
        };
        let file = self.now.shown(test.file);
        let entry = Entry {
            file,
            found,
            depth: test.depth,
            sets,
            own,
        };
        self.new.tests.insert(test.id.to_owned(), entry);
    }

    fn evidence(
        &mut self,
        index: usize,
        test: &Test<'_>,
    ) -> Result<(Evidence, u32, Vec<u32>), Reason> {
        let evidence = match &test.found {
            Ok(evidence) => evidence.clone(),
            Err(reason) => return Err(*reason),
        };
        let (process, noted) = self.gathered.noted.get(&index).ok_or(Reason::ProcessLost)?;
        let ended = self
            .gathered
            .ended
            .get(process)
            .ok_or(Reason::ProcessLost)?;
        let refused = self.refused_all.or(self.refused.get(process).copied());
        if let Some(reason) = refused {
            return Err(reason);
        }
        if noted.full {
            return Err(Reason::TooMuch);
        }
        if noted.passes < 2 {
            return Err(Reason::ProcessLost);
        }
        if !noted.function {
            return Err(Reason::Text);
        }
        let mut own = BTreeSet::new();
        let opened: Vec<_> = Opened::all(&noted.opened).collect();
        if let Some(reason) = self.opened(opened.iter(), &mut own) {
            return Err(reason);
        }
        let mut ran: Vec<(&str, &str)> = { noted.units.iter() }
            .map(|(file, name, _)| (&**file, &**name))
            .collect();
        for key in &noted.wide {
            let set = ended.wide.get(&key.to_string()).into_iter().flatten();
            ran.extend(set.map(|(file, name)| (&**file, &**name)));
        }
        let mut files = BTreeSet::from([self.now.shown(test.file)]);
        for (file, name) in ran {
            self.function(file, name, &mut own);
            if self.now.is_ours(file) {
                let file = self.now.shown(file);
                if name == MODULE {
                    own.insert(Dependency::Function(file.clone(), MODULE.to_owned()));
                }
                files.insert(file);
            }
        }
        let closure: BTreeSet<_> = if self.now.collecting.functions {
            let closure = self.closures.of(&files);
            closure.dependencies(self.now).into_iter().collect()
        } else {
            // All files are among what is shared.
            let all = files.iter().flat_map(|file| self.outside(file));
            all.collect()
        };
        let changed: Vec<_> = { own.iter().chain(&closure) }
            .filter(|it| self.changed_meanwhile(it))
            .cloned()
            .collect();
        self.watch(&changed);
        if !changed.is_empty() {
            return Err(Reason::ChangedMeanwhile);
        }
        let closure = self.numbers(closure);
        Ok((evidence, self.set(closure), self.numbers(own)))
    }

    /// Whether something was written since the run began, and is not known to be what it was then.
    fn changed_meanwhile(&self, it: &Dependency) -> bool {
        let before = self.gathered.before.get(it);
        self.now.is_newer(it, self.begun) && before.is_none_or(|state| *state != self.now.state(it))
    }

    /// Has what is in files be taken note of before the next run.
    fn watch(&mut self, all: &[Dependency]) {
        let files = all.iter().filter_map(|it| match it {
            Dependency::File(file) => Some(file.clone()),
            _ => None,
        });
        self.new.watched.extend(files);
    }

    fn set(&mut self, numbers: Vec<u32>) -> u32 {
        if let Some(known) = self.sets.get(&numbers) {
            return *known;
        }
        let number = u32::try_from(self.new.sets.len()).unwrap_or(u32::MAX);
        self.new.sets.push(numbers.clone());
        self.sets.insert(numbers, number);
        number
    }

    /// In the state in which they are now.
    fn numbers(&mut self, all: BTreeSet<Dependency>) -> Vec<u32> {
        let now = self.now;
        let all = all.into_iter().map(|it| {
            let state = now.state(&it);
            (it, state)
        });
        self.numbered(all.collect())
    }

    fn numbered(&mut self, all: Vec<(Dependency, String)>) -> Vec<u32> {
        let mut numbers: Vec<u32> = all.into_iter().map(|it| self.number(it)).collect();
        numbers.sort_unstable();
        numbers
    }

    fn number(&mut self, of: (Dependency, String)) -> u32 {
        if let Some(known) = self.numbers.get(&of) {
            return *known;
        }
        let number = u32::try_from(self.new.dependencies.len()).unwrap_or(u32::MAX);
        self.new.dependencies.push(of.clone());
        self.numbers.insert(of, number);
        number
    }

    /// All of it, with findings of these tests.
    pub(super) fn finish(mut self, findings: Vec<Finding>) -> Book {
        self.new.findings = findings;
        // They will be written again.
        let watched = self.gathered.before.keys();
        let watched = watched.filter(|it| self.now.is_newer(it, self.begun));
        self.watch(&watched.cloned().collect::<Vec<_>>());
        let sources = self.now.sources();
        self.new.sources = sources.map(|it| (it.content.clone(), it.clone())).collect();
        self.new
    }
}
