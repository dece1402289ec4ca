//! What a worker has noted of what tests depend on, as it comes over the wire.

use std::collections::BTreeMap;

use serde::Deserialize;

/// While tests were collected.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Collecting {
    /// Whether it can be seen which functions run.
    pub functions: bool,
    /// Names of modules with their files.
    pub modules: Vec<(String, String)>,
    /// Files of the project whose code ran, each with the module that had it run, empty for the runner.
    pub started: Vec<(String, String)>,
    /// Files with a function that ran, and the module that had it run.
    pub called: Vec<(String, String)>,
    /// File and name of functions that ran.
    pub units: Vec<(String, String)>,
    /// See [`Noted::opened`].
    pub opened: Vec<String>,
    /// Whether there was not room for all.
    pub full: bool,
}

/// Of a test: its first two iterations one by one, and those after them together.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Noted {
    /// How many of the two there were.
    pub passes: u32,
    /// File and name of functions that ran, and whether also, or only, after the first iteration.
    pub units: Vec<(String, String, u8)>,
    /// When, what, and which path: `1f/a/b`. When: `1` and `2` for the iterations, `w` for what is for several tests; what:
    /// a file, a directory, a program, the network, an interpreter.
    pub opened: Vec<String>,
    /// Wider fixtures that stand.
    pub wide: Vec<u64>,
    /// Whether there was not room for all.
    pub full: bool,
    /// Whether the test is a function, and no text that is run.
    pub function: bool,
    /// Where there are more modules than before: all of them.
    #[serde(default)]
    pub modules: Vec<(String, String)>,
}

/// At the end of a process.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Ended {
    /// File and name of functions that wider fixtures ran.
    pub wide: BTreeMap<String, Vec<(String, String)>>,
    /// Those of what ran between two tests for no fixture.
    pub shared: Vec<(String, String)>,
    /// See [`Noted::opened`].
    pub opened: Vec<String>,
}

/// One entry of [`Noted::opened`].
pub(super) struct Opened<'a> {
    pub when: char,
    pub what: char,
    pub path: &'a str,
}

impl<'a> Opened<'a> {
    pub(super) fn all(entries: &'a [String]) -> impl Iterator<Item = Opened<'a>> {
        entries.iter().filter_map(|entry| {
            let mut letters = entry.chars();
            Some(Opened {
                when: letters.next()?,
                what: letters.next()?,
                path: letters.as_str(),
            })
        })
    }
}

impl Noted {
    /// Adds what was noted of the same test in later iterations.
    pub fn add(&mut self, later: Noted) {
        for (file, name, again) in later.units {
            let is_it = |unit: &&mut (String, String, u8)| unit.0 == file && unit.1 == name;
            match self.units.iter_mut().find(is_it) {
                Some(known) => known.2 |= again,
                None => self.units.push((file, name, again)),
            }
        }
        self.opened.extend(later.opened);
        self.opened.sort();
        self.opened.dedup();
        self.wide.extend(later.wide);
        self.wide.sort_unstable();
        self.wide.dedup();
        self.full |= later.full;
        if !later.modules.is_empty() {
            self.modules = later.modules;
        }
    }

    /// Files of functions that ran, and of modules.
    pub(super) fn files(&self) -> impl Iterator<Item = &str> {
        let units = self.units.iter().map(|(file, _, _)| &**file);
        units.chain(self.modules.iter().map(|(_, file)| &**file))
    }
}

impl Ended {
    /// Files of functions that ran.
    pub(super) fn files(&self) -> impl Iterator<Item = &str> {
        let all = self.wide.values().flatten().chain(&self.shared);
        all.map(|(file, _)| &**file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_iterations_add_to_what_is_known() {
        let unit = |name: &str, again| ("app.py".to_owned(), name.to_owned(), again);
        let mut noted = Noted {
            passes: 2,
            units: vec![unit("once", 0), unit("each", 1)],
            opened: vec!["1f/a".to_owned()],
            ..Noted::default()
        };
        noted.add(Noted {
            units: vec![unit("once", 1), unit("late", 1)],
            opened: vec!["2f/b".to_owned(), "1f/a".to_owned()],
            full: true,
            ..Noted::default()
        });
        let expected = [unit("once", 1), unit("each", 1), unit("late", 1)];
        assert_eq!(noted.units, expected);
        assert_eq!(noted.opened, ["1f/a", "2f/b"]);
        assert!(noted.full && noted.passes == 2);
    }
}
