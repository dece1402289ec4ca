//! The function of machine code that a finding names: which shared object it is in, and whose that is.

use std::collections::BTreeSet;

use super::{
    folders::Folders,
    machine::{self, Machine},
};
use crate::{
    explain::{
        lost::{self, Born, Call, Sought, Stays},
        native::{Function, Passage},
        sites::Growth,
    },
    finding::{NativeFrame, NativeFunction, Owner},
    heap::owner::Places,
    run::{case::Case, diagnosis::Diagnosis},
    verdict::{Counter, LARGEST_BLOCK},
};

/// Where shared objects belong.
pub(super) struct Homes<'a> {
    pub places: &'a Places,
    folders: Folders<'a>,
    /// What stands in their files.
    machine: Machine,
}

impl<'a> Homes<'a> {
    pub fn new(places: &'a Places) -> Homes<'a> {
        Homes {
            places,
            folders: Folders::of(places),
            machine: Machine::default(),
        }
    }

    /// Why the project's own crates are not known, where they were asked for.
    pub fn trouble(&self) -> Option<&String> {
        self.folders.trouble()
    }

    /// The function that a passage goes through, if one was found.
    pub fn function(&self, passage: &Passage) -> Option<NativeFunction> {
        if !passage.stack.is_empty() {
            return self.machine.asks(&self.folders, passage);
        }
        let function = passage.function.as_ref()?;
        Some(self.folders.home(function, passage.certain))
    }

    /// The file with debug information of the code that asks for what a passage leaves, if it was split off and is not to
    /// be had.
    pub fn missing(&self, passage: &Passage) -> Option<String> {
        self.machine.missing(&self.folders, passage)
    }

    /// Where blocks that are in no object of Python's are asked for.
    pub fn bare<'c>(&self, case: &'c Case) -> Vec<&'c Passage> {
        // What asks beside objects that nothing refers to may be what these hold.
        let lost = { case.diagnosis.iter() }.any(|diagnosis| !diagnosis.lost.is_empty());
        { case.outside.iter() }
            .filter(|passage| !lost && self.machine.is_bare(passage))
            .collect()
    }

    /// The function of machine code that made the objects that nothing refers to, and how it came there: called at one of
    /// `lines` of Python.
    pub fn maker<'c>(
        &self,
        case: &'c Case,
        lines: &[&(String, u32)],
    ) -> Option<(NativeFunction, &'c Passage)> {
        let called = |passage: &&Passage| {
            { passage.frames.first() }.is_some_and(|line| lines.contains(&line))
        };
        { case.outside.iter().filter(called) }
            .filter(|passage| !self.machine.is_bare(passage))
            .filter_map(|passage| Some((self.function(passage)?, passage)))
            .find(|(function, _)| function.is_named())
            .map(|(function, passage)| (from_own_source(self.places, function), passage))
    }

    /// The function that lost a reference to what stays, and the call of it.
    pub fn culprit<'c>(
        &self,
        case: &Case,
        diagnosis: &'c Diagnosis,
    ) -> Option<(NativeFunction, &'c Call)> {
        let born = |growth: &Growth| Born {
            places: [growth.frames.first(), Some(growth.place())]
                .map(|place| place.unwrap_or(growth.place()).clone()),
            blocks: growth.count.rate.value,
        };
        let born = case.growths.iter().map(born).collect();
        let sought = Sought {
            born,
            types: { diagnosis.lost.iter() }
                .map(|(name, _)| name.as_str())
                .collect(),
            stays: stays(case),
        };
        self.suspect(&diagnosis.calls, &sought)
    }

    /// The function by which the references to one object change, and the call of it.
    pub fn of_calls<'c>(&self, calls: &'c [Call]) -> Option<(NativeFunction, &'c Call)> {
        let sought = Sought {
            born: Vec::new(),
            types: BTreeSet::new(),
            stays: Stays {
                blocks: f64::INFINITY,
                bytes: f64::INFINITY,
            },
        };
        self.suspect(calls, &sought)
    }

    fn suspect<'c>(
        &self,
        calls: &'c [Call],
        sought: &Sought<'_>,
    ) -> Option<(NativeFunction, &'c Call)> {
        let (function, call) = lost::suspect(calls, sought, self)?;
        let mut home = self.folders.home(&function, false);
        home.enters = self.machine.enters(&self.folders, &home, &function, call);
        if function.0.is_empty()
            && let Some(package) = &home.package
        {
            // Perhaps of several libraries: what they came with says no more than is known.
            home.library = package.split(' ').next().unwrap_or(package).to_owned();
        }
        Some((home, call))
    }
}

impl lost::Home for Homes<'_> {
    fn innocent(&self, function: &Function) -> bool {
        // Python's own functions keep what they are given in objects that can be seen.
        !self.folders.home(function, false).is_suspect()
    }

    fn package(&self, function: &Function) -> Option<String> {
        self.folders.home(function, false).package
    }
}

/// A function of the project's library from the innermost frame on that is in its own source, where one is, and of those
/// that call it the ones that are: around them is what makes objects, or calls C code, for everybody (pyo3, pybind11).
fn from_own_source(places: &Places, mut function: NativeFunction) -> NativeFunction {
    let is_own = |frame: &NativeFrame| {
        { frame.file.as_ref() }.is_some_and(|file| machine::is_own(places, file))
    };
    if function.owner == Some(Owner::Project) && function.stack.iter().any(is_own) {
        function.stack.retain(is_own);
        function.name.clone_from(&function.stack[0].function);
    }
    function
}

/// What stays of an iteration. What is too large for pymalloc is in `heap`, where that is counted.
pub(super) fn stays(case: &Case) -> Stays {
    let rate = |counter| case.fits.get(&counter).map(|fit| fit.rate.value);
    let blocks = rate(Counter::Blocks).map_or(f64::INFINITY, f64::ceil);
    let heap = match case.series.contains_key(&Counter::Heap) {
        true => rate(Counter::Heap).unwrap_or(0.0),
        false => f64::INFINITY,
    };
    Stays {
        blocks,
        bytes: blocks * LARGEST_BLOCK + heap,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with these files.
    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let file = root.path().join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        root
    }

    fn passage(name: &str, path: &str) -> Passage {
        Passage {
            frames: Vec::new(),
            function: Some(Function(name.to_owned(), path.to_owned())),
            certain: true,
            bytes: 1.0,
            chunks: 0.0,
            stack: Vec::new(),
        }
    }

    #[test]
    fn a_library_is_told_with_its_owner() {
        let root = tree(&[
            ("venv/site/ujson-5.1.0.dist-info/RECORD", "ujson.so,,\n"),
            ("venv/site/mine.so", ""),
            (
                "Cargo.toml",
                "[package]\nname = \"mine\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[lib]\ncrate-type = [\"cdylib\"]\n",
            ),
            ("src/lib.rs", ""),
        ]);
        let at = |inside: &str| root.path().join(inside).to_string_lossy().into_owned();
        let places = Places {
            project: root.path().to_owned(),
            packages: vec![root.path().join("venv/site")],
            stdlib: vec!["/std".into()],
            bridge: std::path::PathBuf::new(),
        };
        let homes = Homes::new(&places);
        for (path, text, owner) in [
            (
                at("venv/site/mine.so"),
                "`f` in `mine` (mine, yours)",
                Some(Owner::Project),
            ),
            (
                at("venv/site/ujson.so"),
                "`f` in `ujson` (ujson 5.1.0)",
                Some(Owner::Dependency),
            ),
            (
                at("venv/site/dep/mine.so"),
                "`f` in `dep.mine`",
                Some(Owner::Dependency),
            ),
            (at("fast.so"), "`f` in `fast` (yours)", Some(Owner::Project)),
            (
                "/std/lib-dynload/_sqlite3.cpython-312-x86_64-linux-gnu.so".to_owned(),
                "`f` in `_sqlite3` (Python's own)",
                Some(Owner::Interpreter),
            ),
            (
                "/build/libshop.so".to_owned(),
                "`f` in `libshop`",
                Some(Owner::Dependency),
            ),
            ("/lib/libc.so.6".to_owned(), "`f` in `libc.so.6`", None),
            ("/usr/bin/python3.12".to_owned(), "`f`", None),
            ("/usr/lib/libpython3.12.so.1.0".to_owned(), "`f`", None),
        ] {
            let function = homes.function(&passage("f", &path)).unwrap();
            assert_eq!(function.text(), text, "{path}");
            assert_eq!(function.owner, owner, "{path}");
        }
    }
}
