//! Which tests a change can reach, for runs that look at no others: by what their files import, since nothing is known of the
//! functions that they run.

use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
};

use super::{
    closure::Closures,
    evidence::SETTINGS,
    now::{Now, conftests_above},
};
use crate::files::read;

/// What is compiled, or says what is installed: nothing says which test it may reach.
const BUILT: [&str; 16] = [
    "c", "cc", "cpp", "cu", "cxx", "go", "h", "hpp", "in", "lock", "pxd", "pyx", "rs", "so",
    "toml", "zig",
];
/// Beginnings of names of files that say what is installed.
const INSTALLED: [&str; 3] = ["requirements", "constraints", "setup."];

/// What differs from a commit.
#[derive(Debug, Clone, Default)]
pub struct Changed {
    /// Paths in the project, and whether each is still there.
    pub files: Vec<(String, bool)>,
}

/// Says which tests it reaches.
pub(super) struct Reach<'a> {
    now: &'a Now<'a>,
    closures: Closures<'a>,
    /// Whether it reaches every test.
    all: bool,
    /// Changed modules, by their paths as kept.
    modules: BTreeSet<&'a str>,
    /// Other files that have changed.
    others: Vec<&'a str>,
    /// By file with tests.
    known: HashMap<String, bool>,
    /// By file as kept: whether it may read one of `others`.
    reads: HashMap<String, bool>,
}

impl<'a> Reach<'a> {
    pub(super) fn new(changed: &'a Changed, now: &'a Now<'a>) -> Reach<'a> {
        let mut closures = Closures::new(now);
        // What acts on others when it is imported, and what reads between iterations.
        let mut shared = now.files_of_counters();
        shared.extend(now.acting().into_iter().filter(|file| !is_conftest(file)));
        let shared = closures.of(&shared).files;
        let is_for_all = |(file, is_there): &(String, bool)| {
            shared.contains(file) || !is_there && is_module(file) || is_of_build(file)
        };
        let (modules, others): (Vec<&str>, Vec<&str>) = { changed.files.iter() }
            .map(|(file, _)| &**file)
            .partition(|file| is_module(file));
        Reach {
            now,
            closures,
            all: changed.files.iter().any(is_for_all),
            modules: modules.into_iter().collect(),
            others,
            known: HashMap::new(),
            reads: HashMap::new(),
        }
    }

    /// Whether it reaches the tests of a file, which is as it came from the runner.
    pub(super) fn reaches(&mut self, file: &str) -> bool {
        if self.all {
            return true;
        }
        let file = self.now.shown(file);
        if let Some(known) = self.known.get(&file) {
            return *known;
        }
        let mut start = BTreeSet::from([file.clone()]);
        start.extend(conftests_above(&file).filter(|file| self.now.source(file).is_some()));
        let files = self.closures.of(&start).files;
        let reached =
            { files.iter() }.any(|file| self.modules.contains(&**file) || self.may_read(file));
        self.known.insert(file, reached);
        reached
    }

    /// Whether a module may read one of the changed files that are no modules: it lies below the module's folder, or the
    /// module has its name or ending somewhere.
    fn may_read(&mut self, module: &str) -> bool {
        if self.others.is_empty() {
            return false;
        }
        if let Some(known) = self.reads.get(module) {
            return *known;
        }
        let folder = Path::new(module).parent().unwrap_or(Path::new(""));
        let text = read::text(&self.now.path(module), read::SOURCE).unwrap_or_default();
        let is_named = |file: &str| {
            let path = Path::new(file);
            let name = path.file_name().map(|name| name.to_string_lossy());
            let ending = path
                .extension()
                .map(|ending| format!(".{}", ending.to_string_lossy()));
            let has = |wanted: &str| text.contains(wanted);
            name.as_deref().is_some_and(has) || ending.as_deref().is_some_and(has)
        };
        // Everything lies below the project's own folder.
        let is_below = |file: &str| folder != Path::new("") && Path::new(file).starts_with(folder);
        let reads = { self.others.iter() }.any(|file| is_below(file) || is_named(file));
        self.reads.insert(module.to_owned(), reads);
        reads
    }
}

fn is_module(file: &str) -> bool {
    file.ends_with(".py")
}

fn is_conftest(file: &str) -> bool {
    Path::new(file)
        .file_name()
        .is_some_and(|name| name == "conftest.py")
}

fn is_of_build(file: &str) -> bool {
    let path = Path::new(file);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let ending = path.extension().unwrap_or_default().to_string_lossy();
    SETTINGS.contains(&&*name)
        || BUILT.contains(&&*ending)
        || INSTALLED.iter().any(|begin| name.starts_with(begin))
}
