//! Which tests a change outside of functions can reach, by names: a constant that nothing which a test runs mentions, in code or
//! in a text, is nothing to it; nor is a new function that nobody calls.
//!
//! Only what binds names and does nothing else is judged so, in modules that no code of others has: a list of settings that a
//! package goes through is used by names that stand nowhere. Classes are not judged: Python and packages use what is in them
//! without naming it. What is computed from a changed value has changed too.

use std::{
    cell::{OnceCell, RefCell},
    collections::{BTreeSet, HashMap, HashSet},
    path::PathBuf,
};

use super::{
    book::Book,
    closure::absolute,
    dependency::Dependency,
    evidence::MODULE,
    now::{Now, words_of},
    source::{self, Import, Mentions, Names, Piece, Source},
};
use crate::files::read;

/// Beginnings of names that runners look for.
const PROTOCOL: [&str; 10] = [
    "pytest",
    "setup",
    "setUp",
    "teardown",
    "tearDown",
    "asyncSetUp",
    "asyncTearDown",
    "load_tests",
    "collect_ignore",
    "run",
];
/// Names that Python gives a meaning in a module, and which only those use who mention them.
const INERT: [&str; 4] = ["__all__", "__author__", "__version__", "__version_info__"];
/// By which a module gets at itself.
const ITSELF: &str = "sys.modules[__name__]";
/// Bytes of the largest file of data that is looked through.
const LARGEST: u64 = 16 << 20;

/// What changes outside of functions touch.
#[derive(Debug, Default)]
pub(super) struct Touched {
    /// Files that have changed so, with the state in which their outside was.
    judged: HashSet<(String, String)>,
    /// Functions, by file and name.
    units: HashSet<(String, String)>,
    /// Files of which more than pieces is touched.
    rests: HashSet<String>,
    /// Names of what has changed, or is computed from it.
    names: BTreeSet<String>,
    /// By file of data, as kept: whether it mentions one of these.
    texts: RefCell<HashMap<String, bool>>,
}

impl Touched {
    /// By all that has changed since what is in `book` was found out.
    pub(super) fn new(book: &Book, now: &Now<'_>) -> Touched {
        let changed: Vec<(&str, &str)> = { book.dependencies.iter() }
            .filter(|(of, state)| matches!(of, Dependency::Outside(_)) && !now.is(of, state))
            .filter_map(|(of, state)| Some((of.source()?, &**state)))
            .collect();
        if changed.is_empty() {
            return Touched::default();
        }
        let search = Search::new(book, now);
        let mut touched = Touched::default();
        let mut first = Vec::new();
        for (file, state) in changed {
            let Some(old) = book.sources.values().find(|old| is_outside(old, state)) else {
                continue;
            };
            if let Some(keys) = search.difference(file, old) {
                touched.judged.insert((file.to_owned(), state.to_owned()));
                first.extend(keys.into_iter().map(|key| (file.to_owned(), key)));
            }
        }
        if !first.is_empty() {
            search.spread(first, &mut touched);
        }
        touched
    }

    /// Whether all that has changed of the outside of a file since that state is known by its names.
    pub(super) fn has_judged(&self, file: &str, state: &str) -> bool {
        !self.judged.is_empty() && self.judged.contains(&(file.to_owned(), state.to_owned()))
    }

    /// Files of which that is known.
    pub(super) fn files(&self) -> impl Iterator<Item = &str> {
        self.judged.iter().map(|(file, _)| &**file)
    }

    /// Whether it touches something that a test depends on.
    pub(super) fn is_in(&self, of: &Dependency, now: &Now<'_>) -> bool {
        match of {
            Dependency::Function(file, name) => self.units.contains(&(file.clone(), name.clone())),
            Dependency::Outside(file) => self.rests.contains(file),
            Dependency::File(file) => self.is_in_text(file, now),
            _ => false,
        }
    }

    fn is_in_text(&self, file: &str, now: &Now<'_>) -> bool {
        // What others have in their code is asked of each name, and what the project has is known part by part.
        if self.names.is_empty() || !now.is_ours(file) || now.source(file).is_some() {
            return false;
        }
        let mut texts = self.texts.borrow_mut();
        *texts.entry(file.to_owned()).or_insert_with(|| {
            let path = now.path(file);
            // What is not there mentions nothing.
            path.is_file()
                && read::bytes(&path, LARGEST).map_or(true, |bytes| {
                    words_of(&bytes).any(|word| self.names.contains(&folded(word)))
                })
        })
    }
}

fn is_outside(source: &Source, state: &str) -> bool {
    !state.is_empty() && source.outside.hash.starts_with(state)
}

fn is_dunder(name: &str) -> bool {
    name.starts_with("__") && name.ends_with("__")
}

fn is_protocol(name: &str) -> bool {
    PROTOCOL.iter().any(|begin| name.starts_with(begin))
}

/// The class and the name in it, of `Shelf.size`.
fn member(key: &str) -> Option<(&str, &str)> {
    key.split_once('.')
}

/// Where something is mentioned: in which file, and there in a function's body, a piece or the rest.
#[derive(Debug, Clone, Copy)]
enum Spot<'a> {
    Unit(&'a str, &'a str),
    Piece(&'a str, &'a str),
    Rest(&'a str),
}

impl Spot<'_> {
    fn file(&self) -> &str {
        match self {
            Spot::Unit(file, _) | Spot::Piece(file, _) | Spot::Rest(file) => file,
        }
    }
}

struct Search<'a> {
    now: &'a Now<'a>,
    /// Files and modules that earlier runs have known.
    known: HashSet<&'a Dependency>,
    /// By path as kept.
    names: HashMap<&'a str, Names>,
    /// Who had each file run first, by path as kept.
    importers: HashMap<String, &'a str>,
    /// Names in the code of others.
    elsewhere: OnceCell<HashSet<String>>,
    /// By path as kept: whether code of the project alone uses a module. All files are gone through for each.
    inner: RefCell<HashMap<String, bool>>,
}

impl<'a> Search<'a> {
    fn new(book: &'a Book, now: &'a Now<'a>) -> Search<'a> {
        let files: Vec<(&str, PathBuf)> = now
            .files()
            .map(|(file, _)| (file, now.path(file)))
            .collect();
        let paths: Vec<PathBuf> = files.iter().map(|(_, path)| path.clone()).collect();
        let mut found = source::names(&now.surroundings.python, &paths);
        let names = { files.into_iter() }
            .filter_map(|(file, path)| Some((file, found.remove(&path)?)))
            .filter(|(file, names)| {
                let read = now.source(file);
                read.is_some_and(|source| names.content.starts_with(&source.content))
            })
            .collect();
        Search {
            now,
            known: book.dependencies().collect(),
            names,
            importers: now.started().collect(),
            elsewhere: OnceCell::new(),
            inner: RefCell::default(),
        }
    }

    /// What the names of pieces are that differ, where no more than such pieces does and who uses them mentions them.
    fn difference(&self, file: &str, old: &Source) -> Option<BTreeSet<String>> {
        let new = self.now.source(file)?;
        // Each part of all files has to be known.
        if old.rest != new.rest
            || !self.is_inner(file)
            || self.names.len() != self.now.files().count()
        {
            return None;
        }
        let has_both = |key: &&String| {
            key.starts_with('#') || old.pieces.contains_key(*key) && new.pieces.contains_key(*key)
        };
        if !{ old.order.iter().filter(has_both) }.eq(new.order.iter().filter(has_both)) {
            return None;
        }
        let keys: BTreeSet<&String> = old.pieces.keys().chain(new.pieces.keys()).collect();
        let differs = |key: &&String| old.pieces.get(*key) != new.pieces.get(*key);
        let keys: BTreeSet<String> = keys.into_iter().filter(differs).cloned().collect();
        let is_plain = |key: &String| {
            let pieces = [old, new].map(|source| source.pieces.get(key));
            let imports = pieces[1].and_then(|piece| piece.imports.as_ref());
            imports.is_none_or(|import| self.is_known(file, old, import)) && {
                pieces.iter().flatten()
            }
            .all(|piece| self.is_plain(file, key, piece))
        };
        keys.iter().all(is_plain).then_some(keys)
    }

    /// Whether nothing happens by a piece being there, but for those who mention it.
    fn is_plain(&self, file: &str, key: &str, piece: &Piece) -> bool {
        let has_tests = self.now.has_tests(file);
        let name = member(key).map_or(key, |(_, name)| name);
        if piece.acts || is_protocol(name) || is_dunder(name) && !INERT.contains(&name) {
            return false;
        }
        // A plugin may look for any other name in a file with tests.
        let is_for_loader = name.starts_with("test") && has_tests;
        match member(key) {
            Some(_) => is_for_loader,
            None => is_for_loader || !has_tests || !self.is_elsewhere(name),
        }
    }

    /// Whether the code of others has a name.
    fn is_elsewhere(&self, name: &str) -> bool {
        let words = self.elsewhere.get_or_init(|| self.now.words_elsewhere());
        words.contains(name)
    }

    /// Whether an import leads to what was loaded in an earlier run, in the same order: to another package, or to a module of
    /// the project that the file imports already.
    fn is_known(&self, file: &str, old: &Source, import: &Import) -> bool {
        let (level, module, _) = import;
        let first = module.split('.').next().unwrap_or_default();
        let is_ours = *level > 0
            || self
                .now
                .module(first)
                .is_some_and(|file| self.now.is_ours(file));
        let is_same = |piece: &Piece| {
            let known = piece.imports.as_ref();
            known.is_some_and(|(at, name, _)| at == level && name == module)
        };
        (!is_ours || !module.is_empty() && old.pieces.values().any(is_same))
            && self.was_loaded(file, import)
    }

    /// Whether what an import leads to was loaded in an earlier run.
    fn was_loaded(&self, file: &str, import: &Import) -> bool {
        let [whole] = &absolute(self.now, file, import)[..] else {
            return false;
        };
        let was = |name: String| self.known.contains(&Dependency::Module(name));
        let is_module = |name: &str| self.now.module(name).is_some();
        let mut inner = { import.2.iter() }
            .map(|name| format!("{whole}.{name}"))
            .filter(|name| is_module(name));
        // What has no file is built in, and always there.
        (was(whole.clone()) || !is_module(whole)) && inner.all(was)
    }

    /// Whether a module is used by code of the project alone, or by a runner that looks for tests in it.
    fn is_inner(&self, file: &str) -> bool {
        let is_test = self.now.has_tests(file) && !file.ends_with("conftest.py");
        let is_ours = match self.importers.get(file) {
            Some(&"") => is_test,
            Some(importer) => self.now.is_ours(importer),
            None => false,
        };
        let mut inner = self.inner.borrow_mut();
        *{ inner.entry(file.to_owned()) }.or_insert_with(|| is_ours && !self.escapes(file))
    }

    /// Whether somebody has the module as a value, or all of its names.
    fn escapes(&self, file: &str) -> bool {
        let modules = self.now.names(file);
        let last = |module: &str| module.rsplit('.').next().unwrap_or_default().to_owned();
        // What the module is called in any file: `from app import settings as config`.
        let mut called: HashSet<String> = modules.iter().map(|module| last(module)).collect();
        loop {
            let imports = self.names.values().flat_map(|names| &names.modules);
            let further =
                imports.filter(|(module, name)| called.contains(module) && !called.contains(name));
            let further: Vec<String> = further.map(|(_, name)| name.clone()).collect();
            if further.is_empty() {
                break;
            }
            called.extend(further);
        }
        let has = |names: &Names| {
            let mut stars = names.stars.iter();
            stars.any(|module| module.is_empty() || called.contains(&last(module)))
                || names.bare.iter().any(|name| called.contains(name))
                || names.texts.iter().any(|text| modules.contains(&&**text))
        };
        let own = self.names.get(file);
        own.is_some_and(|names| names.bare.iter().any(|name| name == ITSELF))
            || self.names.values().any(has)
    }

    /// Follows names from piece to piece, and notes what mentions them.
    fn spread(&self, first: Vec<(String, String)>, touched: &mut Touched) {
        let index = Index::of(&self.names);
        let mut pieces: BTreeSet<(String, String)> = BTreeSet::new();
        // A test that has its module's body run anew finds whatever has changed there.
        let bodies = first
            .iter()
            .map(|(file, _)| (file.clone(), MODULE.to_owned()));
        touched.units.extend(bodies);
        let mut open = first;
        for spot in &index.modules {
            self.reach(*spot, touched, &mut open);
        }
        while let Some((file, key)) = open.pop() {
            if !pieces.insert((file.clone(), key.clone())) {
                continue;
            }
            for spot in index.globals.iter().filter(|spot| spot.file() == file) {
                self.reach(*spot, touched, &mut open);
            }
            // Its line is a part of the function, or of all that a class has.
            let is_its = |unit: &&String| {
                let rest = unit.strip_prefix(&*key);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            };
            let units = { self.names.get(&*file) }
                .into_iter()
                .flat_map(|names| names.units.keys());
            let its = units
                .filter(is_its)
                .map(|unit| (file.clone(), unit.clone()));
            touched.units.extend(its);
            let name = member(&key).map_or(&*key, |(_, name)| name);
            for spot in index.spots(name) {
                self.reach(spot, touched, &mut open);
            }
            touched.names.insert(folded(name));
        }
    }

    fn reach(&self, spot: Spot<'_>, touched: &mut Touched, open: &mut Vec<(String, String)>) {
        match spot {
            Spot::Unit(file, name) => {
                touched.units.insert((file.to_owned(), name.to_owned()));
            }
            Spot::Rest(file) => {
                touched.rests.insert(file.to_owned());
            }
            Spot::Piece(file, key) => {
                let source = self.now.source(file);
                let is_plain =
                    source.is_some_and(|source| self.is_plain(file, key, &source.pieces[key]));
                // Others may use it, or it does something with what has changed.
                if !is_plain || !self.is_inner(file) {
                    touched.rests.insert(file.to_owned());
                }
                open.push((file.to_owned(), key.to_owned()));
            }
        }
    }
}

/// Where names are mentioned.
#[derive(Default)]
struct Index<'a> {
    spots: HashMap<String, Vec<Spot<'a>>>,
    /// What has all names of its own module, and what may have any module.
    globals: Vec<Spot<'a>>,
    modules: Vec<Spot<'a>>,
    /// What makes names up that begin, or end, so: `visit_` and `_handler`.
    begins: Vec<(String, Spot<'a>)>,
    ends: Vec<(String, Spot<'a>)>,
    /// Folded words of functions that make names up.
    made: Vec<(String, Spot<'a>)>,
}

impl<'a> Index<'a> {
    fn of(names: &'a HashMap<&'a str, Names>) -> Index<'a> {
        let mut index = Index::default();
        for (file, names) in names {
            index.add(&names.rest, Spot::Rest(file));
            for (name, mentions) in &names.units {
                index.add(mentions, Spot::Unit(file, name));
            }
            for (key, mentions) in &names.pieces {
                index.add(mentions, Spot::Piece(file, key));
            }
        }
        index
    }

    fn add(&mut self, mentions: &'a Mentions, spot: Spot<'a>) {
        if mentions.modules {
            self.modules.push(spot);
        }
        if mentions.globals {
            self.globals.push(spot);
        }
        for name in &mentions.names {
            let part = name.to_lowercase();
            let is_part = part.len() > 2;
            if is_part && part.ends_with('_') {
                self.begins.push((part.clone(), spot));
            }
            if is_part && part.starts_with('_') {
                self.ends.push((part, spot));
            }
            self.spots.entry(folded(name)).or_default().push(spot);
        }
        let made = mentions.parts.iter().map(|part| (folded(part), spot));
        self.made
            .extend(made.filter(|(part, _)| part.chars().count() > 2));
    }

    /// What mentions a name, or may put it together.
    fn spots(&self, name: &str) -> Vec<Spot<'a>> {
        let (folded, lower) = (folded(name), name.to_lowercase());
        let begins = { self.begins.iter() }.filter(|(part, _)| lower.starts_with(&**part));
        let ends = { self.ends.iter() }.filter(|(part, _)| lower.ends_with(&**part));
        let is_made = |(part, _): &&(String, Spot<'_>)| {
            folded.starts_with(&**part) || folded.ends_with(&**part)
        };
        let parts = begins.chain(ends).chain(self.made.iter().filter(is_made));
        let mentioned = self.spots.get(&folded).into_iter().flatten();
        { mentioned.chain(parts.map(|(_, spot)| spot)) }
            .copied()
            .collect()
    }
}

/// A name as it is however somebody writes it: `limit_x` stands for `LIMIT_X` where code has `key.upper()`.
fn folded(name: &str) -> String {
    name.replace('_', "").to_lowercase()
}
