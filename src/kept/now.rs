//! In which state everything is that a verdict may depend on.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    env, fs,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use sha2::{Digest, Sha256};

use super::{
    Surroundings,
    book::Book,
    dependency::Dependency,
    noted::Collecting,
    source::{self, Import, Source},
};
use crate::files::{name, read};

/// Bytes of the largest file that is looked at.
const LARGEST: u64 = 256 << 20;
/// Names of files of a project that are gone through.
const MOST_NAMES: usize = 200_000;
/// The clock of a file system goes in steps.
const COARSE: Duration = Duration::from_millis(20);
/// Bytes of a hash that are kept.
const BYTES: usize = 16;
/// What Python, runners and we ourselves write into a project.
const WRITTEN: [&str; 4] = ["__pycache__", ".leakcheck", ".pytest_cache", ".hypothesis"];
/// The state of what is not there.
const NOTHING: &str = "-";
/// Variables that we set ourselves, differently in each process or run.
const OURS: [&str; 4] = [
    "PYTHONHASHSEED",
    "TMPDIR",
    "GLIBC_TUNABLES",
    "PYTHONTRACEMALLOC",
];

/// In which state everything is now.
pub(super) struct Now<'a> {
    pub(super) surroundings: &'a Surroundings,
    /// Beginnings of the paths that are not the project's.
    outside: &'a [String],
    pub(super) collecting: &'a Collecting,
    /// By the path as kept.
    sources: HashMap<String, Option<Source>>,
    modules: HashMap<&'a str, &'a str>,
    callers: BTreeMap<String, BTreeSet<String>>,
    states: RefCell<HashMap<Dependency, String>>,
    /// Whether there is a file, by its path.
    there: RefCell<HashMap<PathBuf, bool>>,
    /// Files of modules that are loaded.
    loaded: HashSet<&'a str>,
    /// Files that have tests, as kept.
    tests: HashSet<String>,
    /// Folders of the project in which modules are looked for.
    roots: Vec<PathBuf>,
}

/// Whether Python, a runner or we have written a file: it is made anew where it is missing, so nothing depends on it.
pub(super) fn is_written(path: &Path) -> bool {
    let mut parts = path.components();
    parts.any(|part| WRITTEN.iter().any(|name| part.as_os_str() == *name))
}

/// What an import leads to that is not loaded yet.
#[derive(Debug, Default)]
pub(super) struct Lazy {
    /// Files of the project, as kept.
    pub files: BTreeSet<String>,
    /// Files that would be loaded in their stead, if they were there.
    pub missing: BTreeSet<String>,
}

/// Where a `conftest.py` for the tests of a file may be, there or not.
pub(super) fn conftests_above(file: &str) -> impl Iterator<Item = String> {
    let folders = Path::new(file).ancestors().skip(1);
    folders.map(|folder| folder.join("conftest.py").to_string_lossy().into_owned())
}

/// Names in a file.
pub(super) fn words_of(bytes: &[u8]) -> impl Iterator<Item = &str> {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || !byte.is_ascii();
    { bytes.split(move |byte| !is_part(byte)) }
        .filter(|word| !word.first().is_none_or(u8::is_ascii_digit))
        .filter_map(|word| std::str::from_utf8(word).ok())
}

/// The hash of some bytes.
pub fn hash(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest[..BYTES]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

impl<'a> Now<'a> {
    pub(super) fn new(
        surroundings: &'a Surroundings,
        outside: &'a [String],
        collecting: &'a Collecting,
        tests: impl Iterator<Item = &'a str>,
    ) -> Now<'a> {
        let mut now = Now {
            surroundings,
            outside,
            collecting,
            sources: HashMap::new(),
            modules: { collecting.modules.iter() }
                .map(|(name, file)| (&**name, &**file))
                .collect(),
            callers: BTreeMap::new(),
            states: RefCell::default(),
            there: RefCell::default(),
            loaded: { collecting.modules.iter() }
                .map(|(_, file)| &**file)
                .collect(),
            tests: HashSet::new(),
            roots: Vec::new(),
        };
        for (file, importer) in &collecting.called {
            let (file, importer) = (now.shown(file), now.shown(importer));
            now.callers.entry(file).or_default().insert(importer);
        }
        now.roots = now.roots();
        now.tests = tests.map(|file| now.shown(file)).collect();
        now
    }

    /// A path as it is kept: relative where it is in the project.
    pub(super) fn shown(&self, path: &str) -> String {
        match path.strip_prefix(&*name::to_text(&self.surroundings.project)) {
            Some("") => String::new(),
            inside => { inside.and_then(|inside| inside.strip_prefix('/')) }
                .unwrap_or(path)
                .to_owned(),
        }
    }

    pub(super) fn path(&self, shown: &str) -> PathBuf {
        self.surroundings.project.join(name::to_path(shown))
    }

    /// Whether a path, as it came or as it is kept, is the project's or at least nobody else's.
    pub(super) fn is_ours(&self, path: &str) -> bool {
        !path.starts_with('<') && !self.outside.iter().any(|begin| path.starts_with(&**begin))
    }

    /// Whether a path is of an installed package.
    fn is_package(&self, path: &str) -> bool {
        let mut packages = self.surroundings.packages.iter();
        packages.any(|folder| Path::new(path).starts_with(folder))
    }

    /// Folders in which the project's modules were found, and the project itself.
    fn roots(&self) -> Vec<PathBuf> {
        let mut roots = BTreeSet::from([self.surroundings.project.clone()]);
        for (name, file) in &self.collecting.modules {
            if !self.is_ours(file) {
                continue;
            }
            let is_package = file.ends_with("/__init__.py");
            let levels = name.split('.').count() + usize::from(is_package);
            if let Some(root) = Path::new(file).ancestors().nth(levels) {
                roots.insert(root.to_owned());
            }
        }
        roots.into_iter().collect()
    }

    /// Reads all sources that are known of, and those that have code which has run.
    pub(super) fn read(&mut self, book: &Book) {
        let known = book.dependencies();
        let mut files: BTreeSet<String> = known
            .filter_map(|it| it.source().map(str::to_owned))
            .collect();
        let started = self.collecting.started.iter().map(|(file, _)| file);
        let modules = self.collecting.modules.iter().map(|(_, file)| file);
        let ran = self.collecting.units.iter().map(|(file, _)| file);
        for file in started.chain(modules).chain(ran) {
            if self.is_ours(file) {
                files.insert(self.shown(file));
            }
        }
        self.take_in(files, book);
        self.take_in_lazy(book);
    }

    /// Reads further ones.
    pub(super) fn read_files<'b>(&mut self, files: impl Iterator<Item = &'b str>) {
        let ours = files.filter(|file| self.is_ours(file));
        let files = ours.map(|file| self.shown(file)).collect();
        self.take_in(files, &Book::default());
        self.take_in_lazy(&Book::default());
    }

    /// Reads those that imports lead to which are not loaded yet.
    fn take_in_lazy(&mut self, book: &Book) {
        loop {
            let mut files = self.files_of_lazy();
            files.retain(|file| !self.sources.contains_key(file));
            if files.is_empty() {
                return;
            }
            self.take_in(files, book);
        }
    }

    /// Those that imports lead to which are not loaded yet.
    fn files_of_lazy(&self) -> BTreeSet<String> {
        let imports = self.files().flat_map(|(file, source)| {
            let all = source.imports.iter();
            all.map(move |import| (file, import))
        });
        imports
            .flat_map(|(file, import)| self.lazy(file, import).files)
            .collect()
    }

    /// The files of the project that an import in `file` leads to and that are not loaded when tests are collected, as one in
    /// a function: whoever runs it first loads them for all.
    pub(super) fn lazy(&self, file: &str, (level, module, members): &Import) -> Lazy {
        let mut lazy = Lazy::default();
        let mut parts = module.split('.').filter(|part| !part.is_empty()).peekable();
        let mut folders = match level {
            0 => {
                let first = parts.peek().and_then(|name| self.module(name));
                if first.is_some_and(|file| !self.is_ours(file)) {
                    return lazy;
                }
                self.roots.clone()
            }
            up => {
                let path = self.path(file);
                let folder = path.ancestors().nth(*up).map(Path::to_owned);
                folder.into_iter().collect()
            }
        };
        for part in parts {
            if !self.step(&folders, part, &mut lazy) {
                return lazy;
            }
            folders = folders.iter().map(|folder| folder.join(part)).collect();
        }
        for member in members {
            self.step(&folders, member, &mut lazy);
        }
        lazy
    }

    /// Whether there is a module of this name in one of the folders. It is added to what is lazy if it is not loaded.
    fn step(&self, folders: &[PathBuf], name: &str, lazy: &mut Lazy) -> bool {
        let all = folders.iter().flat_map(|folder| {
            let at = folder.join(name);
            [at.join("__init__.py"), at.with_extension("py")]
        });
        let (files, missing): (Vec<PathBuf>, Vec<PathBuf>) = all.partition(|path| {
            let mut there = self.there.borrow_mut();
            *{ there.entry(path.clone()) }.or_insert_with(|| path.is_file())
        });
        let text = |path: &PathBuf| path.to_string_lossy().into_owned();
        let is_loaded = |path: &PathBuf| self.loaded.contains(&*text(path));
        if files.is_empty() || files.iter().any(is_loaded) {
            return !files.is_empty() || folders.iter().any(|folder| folder.join(name).is_dir());
        }
        let ours = files.iter().map(text).filter(|path| self.is_ours(path));
        lazy.files.extend(ours.map(|path| self.shown(&path)));
        let missing = missing.iter().map(|path| self.shown(&text(path)));
        lazy.missing.extend(missing);
        true
    }

    fn take_in(&mut self, files: BTreeSet<String>, book: &Book) {
        let mut unknown = Vec::new();
        for file in files {
            if self.sources.contains_key(&file) {
                continue;
            }
            let path = self.path(&file);
            let bytes = if file.ends_with(".py") {
                read::bytes(&path, LARGEST).ok()
            } else {
                None
            };
            let known = bytes.and_then(|bytes| {
                let content = hash(&bytes);
                let known = book.sources.get(&content).cloned();
                if known.is_none() {
                    unknown.push((file.clone(), path, content));
                }
                known
            });
            self.sources.insert(file, known);
        }
        let paths: Vec<PathBuf> = unknown.iter().map(|(_, path, _)| path.clone()).collect();
        let mut taken = if paths.is_empty() {
            HashMap::new()
        } else {
            source::take_apart(&self.surroundings.python, &paths)
        };
        for (file, path, content) in unknown {
            // One that was written between the two readings is read as it is the next time.
            let source = taken
                .remove(&path)
                .filter(|it| it.content.starts_with(&content));
            self.sources
                .insert(file, source.map(|source| Source { content, ..source }));
        }
    }

    /// What is in a file of the project, by its path as kept; none where that is no Python.
    pub(super) fn source(&self, file: &str) -> Option<&Source> {
        self.sources.get(file)?.as_ref()
    }

    /// All that was read, by path as kept.
    pub(super) fn files(&self) -> impl Iterator<Item = (&str, &Source)> {
        let all = self.sources.iter();
        all.filter_map(|(file, source)| Some((&**file, source.as_ref()?)))
    }

    /// Names in the code of others, of modules that are loaded: what that may use of an object that it gets.
    pub(super) fn words_elsewhere(&self) -> HashSet<String> {
        let files = self.collecting.modules.iter().map(|(_, file)| &**file);
        let others: BTreeSet<&str> = files.filter(|file| !self.is_ours(file)).collect();
        let mut words = HashSet::new();
        for file in others {
            let bytes = read::bytes(Path::new(file), LARGEST).unwrap_or_default();
            words.extend(words_of(&bytes).map(str::to_owned));
        }
        words
    }

    /// All that was read, by hash of the whole.
    pub(super) fn sources(&self) -> impl Iterator<Item = &Source> {
        self.sources.values().flatten()
    }

    /// Files of the project of which code ran while tests were collected, as kept.
    pub(super) fn started(&self) -> impl Iterator<Item = (String, &str)> {
        let ours = { self.collecting.started.iter() }.filter(|(file, _)| self.is_ours(file));
        ours.map(|(file, importer)| (self.shown(file), &**importer))
    }

    /// The file that a module comes from.
    pub(super) fn module(&self, name: &str) -> Option<&'a str> {
        self.modules.get(name).copied()
    }

    /// Files of modules that call into one while they are imported.
    pub(super) fn callers(&self, file: &str) -> impl Iterator<Item = &str> {
        self.callers.get(file).into_iter().flatten().map(|it| &**it)
    }

    /// Names of the modules that a file is.
    pub(super) fn names(&self, file: &str) -> Vec<&'a str> {
        let path = self.path(file);
        let modules = self.collecting.modules.iter();
        let same = modules.filter(|(_, at)| Path::new(at) == path);
        same.map(|(name, _)| &**name).collect()
    }

    /// Whether a file only has tests: nobody finds it by a name made up.
    pub(super) fn has_tests(&self, file: &str) -> bool {
        self.tests.contains(file)
    }

    /// Files that have tests, as kept.
    pub(super) fn files_of_tests(&self) -> impl Iterator<Item = &str> {
        self.tests.iter().map(|file| &**file)
    }

    /// Each `conftest.py` that there is in a folder above a test, as kept. Two of one name may be one module, so that not all
    /// of them are among those that are loaded.
    pub(super) fn conftests(&self) -> BTreeSet<String> {
        let all = self.files_of_tests().flat_map(conftests_above);
        all.filter(|file| self.path(file).is_file()).collect()
    }

    /// Files that act when they are imported, or that the runner loads, as kept.
    pub(super) fn imported(&self) -> BTreeSet<String> {
        if !self.collecting.functions {
            return self.files_of_modules();
        }
        self.acting()
    }

    /// Those as far as can be told where nobody notes what ran, too: then what a runner loads by itself is not known.
    pub(super) fn acting(&self) -> BTreeSet<String> {
        if !self.collecting.functions {
            let mut files = self.files_of_modules();
            let acts = |file: &str| {
                self.source(file)
                    .is_some_and(|source| source.acts.is_some())
            };
            files.retain(|file| acts(file));
            return files;
        }
        let acting = self.started().filter(|(file, importer)| {
            let acts = self.source(file).is_none_or(|source| source.acts.is_some());
            acts || (importer.is_empty() && !self.has_tests(file))
        });
        acting.map(|(file, _)| file).collect()
    }

    /// Files of the project's modules that are loaded.
    pub(super) fn files_of_modules(&self) -> BTreeSet<String> {
        let files = self.collecting.modules.iter().map(|(_, file)| file);
        let ours = files.filter(|file| self.is_ours(file));
        ours.map(|file| self.shown(file)).collect()
    }

    /// Folders of the project in which a run makes some of its own: at the top, and beside modules that are imported.
    pub(super) fn folders_of_code(&self) -> BTreeSet<Dependency> {
        let files = self.files_of_modules();
        let inside = files
            .iter()
            .map(Path::new)
            .filter(|file| file.is_relative());
        { inside.flat_map(|file| file.ancestors().skip(1)) }
            .chain([Path::new("")])
            .map(|folder| Dependency::Folder(name::to_text(folder)))
            .collect()
    }

    /// In which state something is.
    pub(super) fn state(&self, of: &Dependency) -> String {
        if let Some(known) = self.states.borrow().get(of) {
            return known.clone();
        }
        let state = self.look(of).unwrap_or_else(|| NOTHING.to_owned());
        self.states.borrow_mut().insert(of.clone(), state.clone());
        state
    }

    fn look(&self, of: &Dependency) -> Option<String> {
        match of {
            Dependency::Function(file, name) => {
                let unit = self.source(file)?.units.get(name)?;
                Some(unit.hash[..2 * BYTES].to_owned())
            }
            Dependency::Outside(file) => {
                Some(self.source(file)?.outside.hash[..2 * BYTES].to_owned())
            }
            Dependency::File(file) => {
                let bytes = read::bytes(&self.path(file), LARGEST).ok()?;
                Some(hash(&bytes))
            }
            Dependency::Folder(folder) => {
                let mut names: Vec<_> = fs::read_dir(self.path(folder)).ok()?.flatten().collect();
                names.retain(|entry| !is_written(Path::new(&entry.file_name())));
                let mut names: Vec<_> = names.iter().map(fs::DirEntry::file_name).collect();
                names.sort();
                let names: Vec<&[u8]> = names.iter().map(|name| name.as_bytes()).collect();
                Some(hash(&names.join(&b"/"[..])))
            }
            Dependency::Names => Some(self.names_of_files()),
            Dependency::Variable(name) => Some(hash(env::var_os(name)?.as_bytes())),
            Dependency::Environment => {
                let all = env::vars_os().filter(|(name, _)| OURS.iter().all(|ours| name != ours));
                let mut all: Vec<_> = all.collect();
                all.sort();
                let mut digest = Vec::new();
                for (name, value) in all {
                    digest.extend([name.as_bytes(), b"=", value.as_bytes(), b"\0"].concat());
                }
                Some(hash(&digest))
            }
            Dependency::Module(name) => Some(self.shown(self.module(name)?)),
            Dependency::Absent(name) => {
                let path = name.replace('.', "/");
                let there = self.roots.iter().any(|root| {
                    let at = root.join(&path);
                    at.with_extension("py").exists() || at.is_dir()
                });
                there.then(|| "there".to_owned())
            }
            Dependency::Callers(file) => {
                let callers: Vec<&str> = self.callers(file).collect();
                (!callers.is_empty()).then(|| hash(callers.join("\n").as_bytes()))
            }
            Dependency::Imported => {
                let files: Vec<String> = self.imported().into_iter().collect();
                Some(hash(files.join("\n").as_bytes()))
            }
            Dependency::Packages => Some(self.packages()),
        }
    }

    /// Whether a dependency is as it was. A module that is not loaded yet may come from where it came.
    pub(super) fn is(&self, of: &Dependency, state: &str) -> bool {
        let now = self.state(of);
        now == state || matches!(of, Dependency::Module(_)) && now == NOTHING
    }

    /// Whether something was written after `begun`: nobody knows whether before or after it was read.
    ///
    /// What was opened as a file and is a folder holds nothing that could be.
    pub(super) fn is_newer(&self, of: &Dependency, begun: SystemTime) -> bool {
        let file = match of {
            Dependency::Function(file, _)
            | Dependency::Outside(file)
            | Dependency::File(file)
            | Dependency::Folder(file) => file,
            _ => return false,
        };
        let begun = begun.duration_since(UNIX_EPOCH).unwrap_or_default();
        let begun = begun.saturating_sub(COARSE).as_nanos();
        let found = fs::metadata(self.path(file));
        let found = found
            .ok()
            .filter(|found| !found.is_dir() || matches!(of, Dependency::Folder(_)));
        let changed = found.map_or(0, |found| {
            i128::from(found.ctime()) * 1_000_000_000 + i128::from(found.ctime_nsec())
        });
        u128::try_from(changed).unwrap_or(0) >= begun
    }

    /// The names of all files of the project but hidden ones and what Python itself writes.
    fn names_of_files(&self) -> String {
        let mut folders = vec![self.surroundings.project.clone()];
        let mut names = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                let path = entry.path();
                let name = entry.file_name();
                if name.as_bytes().starts_with(b".") || name == "__pycache__" {
                    continue;
                }
                let text = path.to_string_lossy().into_owned();
                if !self.is_ours(&format!("{text}/")) {
                    continue;
                }
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    folders.push(path);
                }
                names.push(text);
                if names.len() > MOST_NAMES {
                    // Equal to nothing, not even to itself in the next run.
                    return format!("too many at {:?}", SystemTime::now());
                }
            }
        }
        let mut names: Vec<String> = names.iter().map(|name| self.shown(name)).collect();
        names.sort();
        hash(names.join("\n").as_bytes())
    }

    /// What is installed: names, versions, and the lists of files that belong to each.
    fn packages(&self) -> String {
        let mut all = Vec::new();
        for folder in &self.surroundings.packages {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                let path = entry.path();
                let record = match Path::new(&name).extension().and_then(|it| it.to_str()) {
                    Some("dist-info") => path.join("RECORD"),
                    Some("egg-info") if path.is_dir() => path.join("PKG-INFO"),
                    Some("egg-info" | "pth" | "egg-link") => path,
                    _ => continue,
                };
                let bytes = read::bytes(&record, LARGEST).unwrap_or_default();
                all.push(format!("{name} {}", hash(&bytes)));
            }
        }
        all.sort();
        hash(all.join("\n").as_bytes())
    }

    /// Modules of installed packages that were loaded while tests were collected: the files of all of them.
    pub(super) fn files_of_packages(&self) -> BTreeSet<String> {
        let files = self.collecting.modules.iter().map(|(_, file)| file);
        let packages = files.filter(|file| self.is_package(file));
        packages.cloned().collect()
    }

    /// Files with functions that read what the project counts itself: those of any module, where one is not loaded yet.
    pub(super) fn files_of_counters(&self) -> BTreeSet<String> {
        let files = self
            .surroundings
            .counters
            .iter()
            .map(|name| self.module(name));
        let files: Option<BTreeSet<&str>> = files.collect();
        match files {
            Some(files) => files.into_iter().map(|file| self.shown(file)).collect(),
            None => self.files_of_modules(),
        }
    }

    /// Names of all modules that have a file which is there in every run.
    pub(super) fn named(&self) -> impl Iterator<Item = &str> {
        let modules = self.collecting.modules.iter();
        let lasting = modules.filter(|(name, file)| {
            let lasts = self.is_ours(file) || self.is_package(file) || self.is_library(file);
            lasts && !name.starts_with("__") && !name.starts_with("leakcheck_bridge")
        });
        lasting.map(|(name, _)| &**name)
    }

    fn is_library(&self, path: &str) -> bool {
        let mut stdlib = self.surroundings.stdlib.iter();
        stdlib.any(|folder| Path::new(path).starts_with(folder))
    }
}
