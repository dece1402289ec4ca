//! Which files of a project what is in a file hangs on: those that it imports, and those that register with it.

use std::collections::{BTreeSet, HashMap};

use super::{
    dependency::Dependency,
    now::Now,
    source::{Import, Part},
};

/// The ways from file to file.
pub(super) struct Closures<'a> {
    now: &'a Now<'a>,
    /// What a module's body had run first, by file.
    first: HashMap<String, BTreeSet<String>>,
    ways: HashMap<String, Way>,
}

/// What one file leads to.
#[derive(Debug, Clone, Default)]
struct Way {
    files: BTreeSet<String>,
    /// Modules that there are not.
    absent: BTreeSet<String>,
    /// Files that there are not, which would take the place of others.
    missing: BTreeSet<String>,
    /// Whether it may lead to any module that is loaded.
    finds: bool,
}

/// What some files lead to, themselves included.
#[derive(Debug, Clone, Default)]
pub(super) struct Closure {
    /// Files, as kept.
    pub files: BTreeSet<String>,
    /// Modules that they hang on not being there.
    absent: BTreeSet<String>,
    /// Files of that kind.
    missing: BTreeSet<String>,
}

impl<'a> Closures<'a> {
    /// Of none yet.
    pub(super) fn new(now: &'a Now<'a>) -> Closures<'a> {
        let mut first: HashMap<String, BTreeSet<String>> = HashMap::new();
        for (file, importer) in now.started() {
            if !importer.is_empty() {
                first.entry(now.shown(importer)).or_default().insert(file);
            }
        }
        Closures {
            now,
            first,
            ways: HashMap::new(),
        }
    }

    /// What these files lead to.
    pub(super) fn of(&mut self, files: &BTreeSet<String>) -> Closure {
        let mut closure = Closure::default();
        let mut open: Vec<String> = files.iter().cloned().collect();
        let mut finds = false;
        loop {
            while let Some(file) = open.pop() {
                if !closure.files.insert(file.clone()) {
                    continue;
                }
                let way = self.way(&file).clone();
                open.extend(way.files);
                closure.absent.extend(way.absent);
                closure.missing.extend(way.missing);
                finds |= way.finds;
            }
            if !finds {
                return closure;
            }
            finds = false;
            // Whatever is loaded may be found, but what only has tests: nobody imports that by a name made up.
            let loaded = self.now.started().map(|(file, _)| file);
            open.extend(loaded.filter(|file| !self.now.has_tests(file)));
        }
    }

    fn way(&mut self, file: &str) -> &Way {
        if !self.ways.contains_key(file) {
            let way = self.look(file);
            self.ways.insert(file.to_owned(), way);
        }
        &self.ways[file]
    }

    fn look(&self, file: &str) -> Way {
        let mut way = Way::default();
        way.files
            .extend(self.first.get(file).into_iter().flatten().cloned());
        way.files.extend(self.now.callers(file).map(str::to_owned));
        let Some(source) = self.now.source(file) else {
            return way;
        };
        way.finds = source.parts().any(|part| part.finds);
        self.follow(file, &source.imports, &mut way);
        way
    }

    /// The files that imports in `file` lead to.
    pub(super) fn through(&self, file: &str, imports: &[Import]) -> BTreeSet<String> {
        let mut way = Way::default();
        self.follow(file, imports, &mut way);
        way.files
    }

    fn follow(&self, file: &str, imports: &[Import], way: &mut Way) {
        for import in imports {
            let lazy = self.now.lazy(file, import);
            way.files.extend(lazy.files);
            way.missing.extend(lazy.missing);
            for module in absolute(self.now, file, import) {
                self.import(module.trim_start_matches('.'), &import.2, way);
            }
        }
    }

    /// Follows one import: all packages on the way, and members that are modules.
    fn import(&self, module: &str, members: &[String], way: &mut Way) {
        let mut whole = String::new();
        for part in module.split('.').filter(|part| !part.is_empty()) {
            if !whole.is_empty() {
                whole.push('.');
            }
            whole.push_str(part);
            match self.now.module(&whole) {
                Some(file) if self.now.is_ours(file) => {
                    way.files.insert(self.now.shown(file));
                }
                Some(_) => {}
                None => {
                    way.absent.insert(whole.clone());
                }
            }
        }
        for member in members {
            if let Some(file) = self.now.module(&format!("{module}.{member}"))
                && self.now.is_ours(file)
            {
                way.files.insert(self.now.shown(file));
            }
        }
    }
}

/// The name of the module that an import in `file` leads to, for each that the file is; none where it leads too far up.
pub(super) fn absolute(now: &Now<'_>, file: &str, (level, module, _): &Import) -> Vec<String> {
    if *level == 0 {
        return vec![module.clone()];
    }
    let up = level - usize::from(file.ends_with("__init__.py"));
    let whole = |name: &&str| {
        let parts: Vec<&str> = name.split('.').collect();
        let package = parts[..parts.len().checked_sub(up)?].join(".");
        Some(match &**module {
            "" => package,
            module => format!("{package}.{module}"),
        })
    };
    now.names(file).iter().filter_map(whole).collect()
}

impl Closure {
    /// The dependencies that come of it.
    pub(super) fn dependencies(&self, now: &Now<'_>) -> Vec<Dependency> {
        let mut all = Vec::new();
        for file in &self.files {
            let Some(source) = now.source(file) else {
                all.push(Dependency::File(file.clone()));
                continue;
            };
            all.push(Dependency::Outside(file.clone()));
            all.push(Dependency::Callers(file.clone()));
            all.extend(of_part(&source.outside));
        }
        all.extend(self.absent.iter().cloned().map(Dependency::Absent));
        all.extend(self.missing.iter().cloned().map(Dependency::File));
        all
    }
}

/// What a part of a source hangs on that cannot be seen while it runs.
pub(super) fn of_part(part: &Part) -> Vec<Dependency> {
    let mut all = Vec::new();
    if part.asks {
        all.push(Dependency::Names);
    }
    if let Some(names) = &part.environment {
        if names.is_empty() {
            all.push(Dependency::Environment);
        }
        all.extend(names.iter().cloned().map(Dependency::Variable));
    }
    all
}
