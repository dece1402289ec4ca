//! Which tests a change outside of functions can reach, by names: a constant that nothing which a test runs mentions, in code or
//! in a text, is nothing to it; nor is a new function that nobody calls.
//!
//! Only what binds names and does nothing else is judged so, in modules that no code of others has: a list of settings that a
//! package goes through is used by names that stand nowhere. What is computed from a changed value has changed too.

use std::{
    cell::{OnceCell, RefCell},
    collections::{BTreeSet, HashMap, HashSet},
    path::{Path, PathBuf},
};

use super::{
    book::Book,
    dependency::Dependency,
    now::{Now, words_of},
    source::{self, Import, Mentions, Names, Piece, Source},
};
use crate::files::read;

/// Classes of the standard library whose subclasses do no more than is written in them.
const PLAIN_BASES: [&str; 6] = [
    "object",
    "ABC",
    "Generic",
    "Protocol",
    "TestCase",
    "IsolatedAsyncioTestCase",
];
/// And those that make something of all that is written in them.
const WHOLE_BASES: [&str; 7] = [
    "Enum",
    "IntEnum",
    "StrEnum",
    "Flag",
    "IntFlag",
    "NamedTuple",
    "TypedDict",
];
/// Modules that these come from.
const LIBRARY: [&str; 7] = [
    "abc",
    "builtins",
    "collections",
    "enum",
    "typing",
    "typing_extensions",
    "unittest",
];
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
                    words_of(&bytes).any(|word| self.names.contains(word))
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
    /// Those that are loaded as tests run, by an import in a function.
    lazy: BTreeSet<String>,
    elsewhere: OnceCell<HashSet<String>>,
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
            lazy: now.files_of_lazy(),
            elsewhere: OnceCell::new(),
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
        let keys: BTreeSet<&String> = old.pieces.keys().chain(new.pieces.keys()).collect();
        let differs = |key: &&String| old.pieces.get(*key) != new.pieces.get(*key);
        let keys: BTreeSet<String> = keys.into_iter().filter(differs).cloned().collect();
        let is_fine = |source: &Source, key: &String, is_new: bool| {
            let piece = source.pieces.get(key);
            piece.is_none_or(|piece| self.is_plain(file, source, key, piece, is_new))
        };
        { keys.iter() }
            .all(|key| is_fine(old, key, false) && is_fine(new, key, true))
            .then_some(keys)
    }

    /// Whether nothing happens by a piece being there, but for those who mention it.
    fn is_plain(
        &self,
        file: &str,
        source: &Source,
        key: &str,
        piece: &Piece,
        is_new: bool,
    ) -> bool {
        let name = member(key).map_or(key, |(_, name)| name);
        if piece.acts || is_protocol(name) {
            return false;
        }
        let is_for_loader = |name: &str| {
            self.now.has_tests(file) && (name.starts_with("test") || name.starts_with("Test"))
        };
        if let Some((class, name)) = member(key) {
            return source.pieces.contains_key(class)
                && (self.base_kind(source, class).is_some() || is_for_loader(name));
        }
        if is_dunder(key) && !INERT.contains(&key) {
            return false;
        }
        if let Some(import) = &piece.imports {
            return !is_new || self.was_loaded(file, import);
        }
        piece.bases.is_none() || self.base_kind(source, key).is_some() || is_for_loader(key)
    }

    /// Whether what an import leads to was loaded in an earlier run.
    fn was_loaded(&self, file: &str, (level, module, members): &Import) -> bool {
        let mut whole = module.clone();
        if *level > 0 {
            let names = self.now.names(file);
            let [name] = names[..] else { return false };
            let up = level - usize::from(file.ends_with("__init__.py"));
            let parts: Vec<&str> = name.split('.').collect();
            let Some(end) = parts.len().checked_sub(up) else {
                return false;
            };
            whole = parts[..end].join(".");
            if !module.is_empty() {
                whole = format!("{whole}.{module}");
            }
        }
        let was = |name: String| self.known.contains(&Dependency::Module(name));
        let is_module = |name: &str| self.now.module(name).is_some();
        let mut inner = { members.iter() }
            .map(|name| format!("{whole}.{name}"))
            .filter(|name| is_module(name));
        // What has no file is built in, and always there.
        (was(whole.clone()) || !is_module(&whole)) && inner.all(was)
    }

    /// Whether a module is used by code of the project alone, or by a runner that looks for tests in it.
    fn is_inner(&self, file: &str) -> bool {
        let is_test = self.now.has_tests(file) && !file.ends_with("conftest.py");
        let is_ours = match self.importers.get(file) {
            Some(&"") => is_test,
            Some(importer) => self.now.is_ours(importer),
            // A function of the project's imports it.
            None => self.lazy.contains(file),
        };
        is_ours && !self.escapes(file)
    }

    /// Whether somebody has the module as a value, or all of its names.
    fn escapes(&self, file: &str) -> bool {
        let path = Path::new(file);
        let stem = match path.file_stem().unwrap_or_default().to_string_lossy() {
            stem if stem == "__init__" => {
                let folder = path.parent().and_then(Path::file_name).unwrap_or_default();
                folder.to_string_lossy()
            }
            stem => stem,
        };
        let has = |names: &Names| {
            let is_it = |module: &str| module.rsplit('.').next() == Some(&*stem);
            let is_value =
                |(last, name): &(String, String)| *last == *stem && names.bare.contains(name);
            names
                .stars
                .iter()
                .any(|module| module.is_empty() || is_it(module))
                || names.modules.iter().any(is_value)
        };
        let own = self.names.get(file);
        own.is_some_and(|names| names.bare.iter().any(|name| name == ITSELF))
            || self.names.values().any(has)
    }

    /// Of a class all of whose bases are known to do nothing by themselves: whether one makes something of all that is in it.
    fn base_kind(&self, source: &Source, class: &str) -> Option<bool> {
        self.kind_within(source, class, &mut Vec::new())
    }

    fn kind_within(&self, source: &Source, class: &str, seen: &mut Vec<String>) -> Option<bool> {
        let bases = source.pieces.get(class)?.bases.as_ref()?;
        let own = format!("{class}.__init_subclass__");
        if seen.iter().any(|name| name == class) || source.pieces.contains_key(&own) {
            return None;
        }
        seen.push(class.to_owned());
        let mut is_whole = false;
        for base in bases {
            is_whole |= self.kind_of_base(source, base, seen)?;
        }
        seen.pop();
        Some(is_whole)
    }

    fn kind_of_base(&self, source: &Source, base: &str, seen: &mut Vec<String>) -> Option<bool> {
        let root = base.split('.').next()?;
        let last = base.rsplit('.').next()?;
        let library = || {
            let is_error =
                { ["Error", "Exception", "Warning"].iter() }.any(|end| last.ends_with(end));
            if is_error || PLAIN_BASES.contains(&last) {
                Some(false)
            } else {
                WHOLE_BASES.contains(&last).then_some(true)
            }
        };
        let Some(piece) = source.pieces.get(root) else {
            return library().filter(|_| root == last);
        };
        let Some((level, module, _)) = &piece.imports else {
            return self
                .kind_within(source, root, seen)
                .filter(|_| root == last);
        };
        let first = module.split('.').next().unwrap_or_default();
        if *level == 0 && LIBRARY.contains(&first) {
            return library();
        }
        let file = self.now.module(first);
        if *level == 0 && !file.is_some_and(|file| self.now.is_ours(file)) {
            return None;
        }
        // Whichever class of the project has this name.
        let mut found = None;
        for (_, other) in self.now.files() {
            if other
                .pieces
                .get(last)
                .is_some_and(|piece| piece.bases.is_some())
            {
                found = Some(found.unwrap_or(false) | self.kind_within(other, last, seen)?);
            }
        }
        found
    }

    /// The class of a piece, where what changes may be used by others than those who mention its name: by Python itself, or
    /// by a package, of whatever object they get.
    fn class_of<'k>(&self, file: &str, key: &'k str) -> Option<&'k str> {
        let (class, name) = member(key)?;
        let elsewhere = &self.elsewhere;
        let is_used = || {
            let elsewhere = elsewhere.get_or_init(|| self.now.words_elsewhere());
            is_dunder(name) || elsewhere.contains(name)
        };
        let source = self.now.source(file);
        let kind = source.and_then(|source| self.base_kind(source, class));
        (kind != Some(false) || is_used()).then_some(class)
    }

    /// Follows names from piece to piece, and notes what mentions them.
    fn spread(&self, first: Vec<(String, String)>, touched: &mut Touched) {
        let index = Index::of(&self.names);
        let mut pieces: BTreeSet<(String, String)> = BTreeSet::new();
        let mut open = first;
        while let Some((file, key)) = open.pop() {
            if !pieces.insert((file.clone(), key.clone())) {
                continue;
            }
            // A module that is looked through was handed over, and is not judged by names.
            let is_of_class = self.now.source(&file).is_some_and(|source| {
                let piece = source.pieces.get(&key);
                key.contains('.') || piece.is_none_or(|piece| piece.bases.is_some())
            });
            let looking = { index.looking.iter() }.filter(|_| is_of_class);
            let own = index.globals.iter().filter(|spot| spot.file() == file);
            for spot in looking.chain(own) {
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
            if let Some(class) = self.class_of(&file, &key) {
                open.push((file.clone(), class.to_owned()));
            }
            let name = member(&key).map_or(&*key, |(_, name)| name).to_owned();
            if touched.names.insert(name.clone()) {
                for spot in index.spots(&name) {
                    self.reach(spot, touched, &mut open);
                }
            }
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
                let is_plain = source.is_some_and(|source| {
                    let piece = &source.pieces[key];
                    self.is_plain(file, source, key, piece, false)
                });
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
struct Index<'a> {
    spots: HashMap<&'a str, Vec<Spot<'a>>>,
    /// What looks through all names of a class, and of its own module.
    looking: Vec<Spot<'a>>,
    globals: Vec<Spot<'a>>,
    /// Beginnings and ends of names, `visit_` and `_handler`.
    parts: Vec<&'a str>,
    /// Others of those that make names up.
    made: Vec<(&'a str, Spot<'a>)>,
}

impl<'a> Index<'a> {
    fn of(names: &'a HashMap<&'a str, Names>) -> Index<'a> {
        let mut index = Index {
            spots: HashMap::new(),
            looking: Vec::new(),
            globals: Vec::new(),
            parts: Vec::new(),
            made: Vec::new(),
        };
        for (file, names) in names {
            index.add(&names.rest, Spot::Rest(file));
            for (name, mentions) in &names.units {
                index.add(mentions, Spot::Unit(file, name));
            }
            for (key, mentions) in &names.pieces {
                index.add(mentions, Spot::Piece(file, key));
            }
        }
        let is_part =
            |name: &&str| name.len() > 2 && (name.starts_with('_') || name.ends_with('_'));
        index.parts = index.spots.keys().copied().filter(is_part).collect();
        index
    }

    fn add(&mut self, mentions: &'a Mentions, spot: Spot<'a>) {
        if mentions.looks {
            self.looking.push(spot);
        }
        if mentions.globals {
            self.globals.push(spot);
        }
        for name in &mentions.names {
            self.spots.entry(name).or_default().push(spot);
        }
        self.made
            .extend(mentions.parts.iter().map(|part| (&**part, spot)));
    }

    /// What mentions a name, or may put it together.
    fn spots(&self, name: &str) -> Vec<Spot<'a>> {
        let is_part = |part: &&&str| {
            part.ends_with('_') && name.starts_with(**part)
                || part.starts_with('_') && name.ends_with(**part)
        };
        let parts = self.parts.iter().filter(is_part).copied();
        let all = [name].into_iter().chain(parts.filter(|part| *part != name));
        let mentioned = { all.filter_map(|word| self.spots.get(word)) }.flatten();
        let is_made =
            |(part, _): &&(&str, Spot<'_>)| name.starts_with(part) || name.ends_with(part);
        let made = self.made.iter().filter(is_made).map(|(_, spot)| spot);
        mentioned.chain(made).copied().collect()
    }
}
