//! Every counter there is, in one table: what it is called, what it counts, and what growth of it means.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{Series, pieces};

/// A quantity read at a boundary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Counter {
    /// Live pymalloc blocks.
    Blocks,
    /// Objects tracked by the cycle collector that were born in the window and survive.
    Objects,
    /// Bytes in use in malloc, its mmapped chunks included.
    Heap,
    /// Bytes that are mapped past malloc.
    Maps,
    /// Pages of child processes that live on, in bytes.
    ChildMemory,
    /// Threads in child processes that live on.
    ChildThreads,
    /// Open file descriptors in child processes that live on.
    ChildFds,
    /// Files in the folders that tests leave them in.
    Files,
    /// Open file descriptors.
    Fds,
    /// Threads of the process.
    Threads,
    /// Entries of long-lived containers that were there before the window.
    Items,
    /// Pending asyncio tasks.
    Tasks,
    /// Child processes of the main thread.
    Children,
    /// Subinterpreters.
    Interpreters,
    /// Objects that only the cycle collector freed, counted up. It rises in a test that leaks nothing.
    Garbage,
    /// References to what was there before the window. They rise where something new refers to it, too.
    Refs,
    /// Warnings of something that nobody closed, counted up.
    Unclosed,
    /// What a library or the project counts itself.
    Library(Name),
}

/// The name of a counter that is in no table of ours: letters, digits and `_`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(&'static str);

/// In what a counter counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Things: one of them, and several.
    Things(&'static str, &'static str),
    /// Bytes, and of what.
    Bytes(&'static str),
}

/// What growth of a counter means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Memory, or entries that take some.
    Memory,
    /// Something that says more of a leak than the memory beside it, and has no place of its own. A process may have few of it.
    Resource {
        /// Whether it has.
        scarce: bool,
    },
    /// Nothing by itself: it changes in healthy tests and beside ordinary leaks too, and is looked at apart from what grows.
    Apart,
}

/// What is to be known of a counter.
#[derive(Debug)]
pub struct Facts {
    /// Which one.
    pub counter: Counter,
    /// The name used in the wire protocol, the report and the output.
    pub name: &'static str,
    /// Its unit.
    pub unit: Unit,
    /// What it counts, for a reader who meets it for the first time.
    pub meaning: &'static str,
    /// What growth of it means.
    pub part: Part,
    /// What one iteration of the self-check plants: by how much it must show, and in words.
    pub plant: Option<(i64, &'static str)>,
    /// Whether it counts things that are the same on every Python: a descriptor is one everywhere.
    pub universal: bool,
    /// Whether the line that adds to it is found by reading it around every line and call.
    pub followed: bool,
    /// Why it is not exact, where there is one reason.
    pub unread: &'static str,
}

const fn things(
    counter: Counter,
    name: &'static str,
    one: &'static str,
    many: &'static str,
) -> Facts {
    Facts {
        counter,
        name,
        unit: Unit::Things(one, many),
        meaning: "",
        part: Part::Memory,
        plant: None,
        universal: true,
        followed: false,
        unread: "it cannot be read here",
    }
}

const NO_PROC: &str = "/proc is not there to be counted in";

const NO_CHILD: &str =
    "a child process cannot be started here to try it, or /proc does not tell what it has";

/// One entry for each counter, in the order of [`Counter`]: of resources that grow together the last one here is named.
/// What else a counter needs is a table in CONTRIBUTING.md.
const TABLE: [Facts; 17] = [
    Facts {
        meaning: "live blocks of Python's allocator (up to 512 bytes each)",
        plant: Some((1, "Python object")),
        universal: false,
        unread: "objects that were made and dropped to try it did not show one by one",
        ..things(Counter::Blocks, "blocks", "block", "blocks")
    },
    Facts {
        meaning: "live objects that the cycle collector tracks",
        plant: Some((1, "Python object")),
        universal: false,
        ..things(Counter::Objects, "objects", "object", "objects")
    },
    Facts {
        unit: Unit::Bytes("heap"),
        meaning: "bytes in use in malloc",
        plant: Some((96, "native allocation")),
        universal: false,
        ..things(Counter::Heap, "heap", "", "")
    },
    Facts {
        unit: Unit::Bytes("mapped memory"),
        meaning: "bytes that are mapped past malloc",
        plant: Some((4096, "mapping")),
        followed: true,
        unread: "the size of the process does not show here what is mapped past malloc",
        ..things(Counter::Maps, "maps", "", "")
    },
    Facts {
        unit: Unit::Bytes("memory in a child process"),
        meaning: "memory of child processes that live on, in pages",
        part: Part::Resource { scarce: false },
        plant: Some((32_768, "piece of memory in a child process")),
        unread: NO_CHILD,
        ..things(Counter::ChildMemory, "child_memory", "", "")
    },
    Facts {
        meaning: "threads in child processes that live on",
        part: Part::Resource { scarce: true },
        plant: Some((1, "thread in a child process")),
        unread: NO_CHILD,
        ..things(
            Counter::ChildThreads,
            "child_threads",
            "thread in a child process",
            "threads in child processes",
        )
    },
    Facts {
        meaning: "open file descriptors in child processes that live on",
        part: Part::Resource { scarce: true },
        plant: Some((1, "descriptor in a child process")),
        unread: NO_CHILD,
        ..things(
            Counter::ChildFds,
            "child_fds",
            "descriptor in a child process",
            "descriptors in child processes",
        )
    },
    Facts {
        meaning: "files in the temporary folder, the project's, and shared memory",
        part: Part::Resource { scarce: true },
        plant: Some((1, "file")),
        followed: true,
        unread: "the kernel does not tell which folders change (has the user no inotify instance left?)",
        ..things(Counter::Files, "files", "file", "files")
    },
    Facts {
        meaning: "open file descriptors",
        part: Part::Resource { scarce: true },
        plant: Some((1, "descriptor")),
        followed: true,
        unread: NO_PROC,
        ..things(Counter::Fds, "fds", "descriptor", "descriptors")
    },
    Facts {
        meaning: "threads of the process",
        part: Part::Resource { scarce: true },
        unread: NO_PROC,
        ..things(Counter::Threads, "threads", "thread", "threads")
    },
    Facts {
        meaning: "entries of long-lived containers",
        ..things(Counter::Items, "items", "item", "items")
    },
    Facts {
        meaning: "pending asyncio tasks",
        part: Part::Resource { scarce: false },
        ..things(Counter::Tasks, "tasks", "task", "tasks")
    },
    Facts {
        meaning: "child processes",
        part: Part::Resource { scarce: true },
        followed: true,
        ..things(
            Counter::Children,
            "children",
            "child process",
            "child processes",
        )
    },
    Facts {
        meaning: "interpreters besides the main one",
        part: Part::Resource { scarce: true },
        followed: true,
        ..things(
            Counter::Interpreters,
            "interpreters",
            "interpreter",
            "interpreters",
        )
    },
    Facts {
        meaning: "objects that the cycle collector has freed so far",
        part: Part::Apart,
        universal: false,
        ..things(
            Counter::Garbage,
            "garbage",
            "collected object",
            "collected objects",
        )
    },
    Facts {
        meaning: "references to objects that were there before",
        part: Part::Apart,
        plant: Some((1, "reference")),
        unread: "this Python splits the counts of references between threads",
        ..things(Counter::Refs, "refs", "reference", "references")
    },
    Facts {
        meaning: "what was let go of without being closed, so far",
        part: Part::Apart,
        plant: Some((1, "warning of something left open")),
        unread: "this Python has filters of warnings for each context, and asks none of ours about them",
        ..things(
            Counter::Unclosed,
            "unclosed",
            "unclosed resource",
            "unclosed resources",
        )
    },
];

/// Names of those that are read of libraries, wherever their module is loaded; those that a project has are its own.
pub const LIBRARIES: [&str; 6] = [
    "arrow_bytes",
    "cuda_bytes",
    "mps_bytes",
    "cupy_bytes",
    "jax_arrays",
    "tensorflow_bytes",
];
/// What the self-check plants as one of these.
pub const PLANTED: &str = "planted";
/// Most names of libraries' counters there can be: those of a worker that makes them up have an end.
const MOST_NAMES: usize = 64;
/// Characters of the longest.
const LONGEST_NAME: usize = 40;
/// What the name of a counter of bytes ends with.
const OF_BYTES: &str = "_bytes";

static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());

impl Counter {
    /// Every counter of ours, in the order of the table.
    pub const ALL: [Counter; TABLE.len()] = {
        let mut all = [Counter::Blocks; TABLE.len()];
        let mut at = 0;
        while at < all.len() {
            all[at] = TABLE[at].counter;
            at += 1;
        }
        all
    };

    /// What is to be known of it; of what a library counts nothing but its name is.
    fn facts(self) -> Option<&'static Facts> {
        static FACTS: [Facts; TABLE.len()] = TABLE;
        FACTS.iter().find(|facts| facts.counter == self)
    }

    /// The name used in the wire protocol, the report and the output.
    pub fn name(self) -> &'static str {
        match (self, self.facts()) {
            (Counter::Library(Name(name)), _) => name,
            (_, Some(facts)) => facts.name,
            (_, None) => "",
        }
    }

    /// The counter of that name, where there is one.
    pub fn named(name: &str) -> Option<Counter> {
        let own = Counter::ALL
            .into_iter()
            .find(|counter| counter.name() == name);
        own.or_else(|| {
            if LIBRARIES.contains(&name) {
                return Counter::library(name);
            }
            let names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
            let name = names.get(name)?;
            Some(Counter::Library(Name(name)))
        })
    }

    /// What a library or the project counts itself, under a name that no counter of ours has; `None` where that can be none.
    pub fn library(name: &str) -> Option<Counter> {
        let letter = |character: char| character.is_ascii_alphanumeric() || character == '_';
        let is_name = name.starts_with(|first: char| first.is_ascii_lowercase())
            && name.len() <= LONGEST_NAME
            && name.chars().all(letter);
        if !is_name || name == "bytes" || Counter::ALL.iter().any(|counter| counter.name() == name)
        {
            return None;
        }
        let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = names.get(name) {
            return Some(Counter::Library(Name(known)));
        }
        (names.len() < MOST_NAMES).then(|| {
            let name: &'static str = Box::leak(name.to_owned().into_boxed_str());
            names.insert(name);
            Counter::Library(Name(name))
        })
    }

    /// Its unit. What a library counts is called by it, `connections`, and `arena_bytes` are bytes.
    pub fn unit(self) -> Unit {
        match (self, self.facts()) {
            (_, Some(facts)) => facts.unit,
            (Counter::Library(Name(name)), None) => match name.strip_suffix(OF_BYTES) {
                Some(of) => Unit::Bytes(of),
                None => Unit::Things(name.strip_suffix('s').unwrap_or(name), name),
            },
            (_, None) => Unit::Things("", ""),
        }
    }

    /// What it counts, in words.
    pub fn meaning(self) -> &'static str {
        { self.facts() }.map_or("what the library, or the project, says itself", |facts| {
            facts.meaning
        })
    }

    /// What growth of it means.
    pub fn part(self) -> Part {
        { self.facts() }.map_or(Part::Resource { scarce: false }, |facts| facts.part)
    }

    /// What the self-check plants for it.
    pub fn plant(self) -> Option<(i64, &'static str)> {
        self.facts().and_then(|facts| facts.plant)
    }

    /// Whether it counts things that are the same on every Python.
    pub fn is_universal(self) -> bool {
        self.facts().is_none_or(|facts| facts.universal)
    }

    /// Whether it counts bytes.
    pub fn is_size(self) -> bool {
        matches!(self.unit(), Unit::Bytes(_))
    }

    /// Whether the line that adds to it is found by reading it around every line and call.
    pub fn is_followed(self) -> bool {
        self.facts().is_none_or(|facts| facts.followed)
    }

    /// Why it is not exact, where there is one reason.
    pub fn unread(self) -> &'static str {
        { self.facts() }.map_or("it cannot be read here", |facts| facts.unread)
    }

    /// Whether it says more of a leak than the memory beside it.
    pub fn is_resource(self) -> bool {
        matches!(self.part(), Part::Resource { .. })
    }

    /// Whether a process has few of it.
    pub fn is_scarce(self) -> bool {
        self.part() == Part::Resource { scarce: true }
    }

    /// The resources among those that grow, the most telling first: ours begin with the last of the table.
    pub fn resources_of<T>(growing: &BTreeMap<Counter, T>) -> impl Iterator<Item = Counter> {
        let is_library = |counter: &Counter| matches!(counter, Counter::Library(_));
        let all = || {
            growing
                .keys()
                .copied()
                .filter(|counter| counter.is_resource())
        };
        let own = all().rev().filter(move |counter| !is_library(counter));
        own.chain(all().filter(is_library))
    }

    /// Whether growth of this counter is growth by itself. Objects are counted from the opening of a window on: a full
    /// ring that replaces what was there before gains one at every boundary and no memory. An object costs at
    /// least a block or some heap, so where both are counted exactly it says nothing that they do not.
    pub fn decides(self, series: &Series) -> bool {
        match self {
            Counter::Objects => {
                !(series.contains_key(&Counter::Blocks) && series.contains_key(&Counter::Heap))
            }
            Counter::Maps => pieces::rises_past_malloc(series),
            Counter::ChildMemory => pieces::rises_by_pages(series),
            other => !other.is_apart(),
        }
    }

    /// Whether it changes by whole pages, or by larger pieces: growth of it says something only where [`Counter::decides`] says so.
    pub fn comes_in_pieces(self) -> bool {
        matches!(self, Counter::Maps | Counter::ChildMemory)
    }

    /// Whether it counts bytes of whole buffers: these differ between tests that leak alike, and a list has none of malloc's
    /// before its 65th entry.
    pub fn is_of_buffers(self) -> bool {
        self == Counter::Heap || self.comes_in_pieces()
    }

    /// Whether it tells of child processes that live on.
    pub fn is_of_children(self) -> bool {
        matches!(
            self,
            Counter::ChildMemory | Counter::ChildThreads | Counter::ChildFds
        )
    }

    /// Whether it is looked at apart from what grows, since it changes in healthy tests and beside ordinary leaks too.
    pub fn is_apart(self) -> bool {
        self.part() == Part::Apart
    }
}

/// Whether what is called `name` in a report is bytes: of a counter, or of the places that were traced.
pub fn is_size(name: &str) -> bool {
    name == "bytes" || { Counter::named(name).or_else(|| Counter::library(name)) }
        .is_some_and(Counter::is_size)
}

impl Serialize for Counter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Counter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Counter, D::Error> {
        let name = String::deserialize(deserializer)?;
        let known = Counter::named(&name).or_else(|| Counter::library(&name));
        known.ok_or_else(|| de::Error::custom(format!("`{name}` is no name of a counter")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_every_counter_once_and_in_order() {
        assert!(
            Counter::ALL.is_sorted(),
            "TABLE is in another order than Counter"
        );
        let names: BTreeSet<&str> = Counter::ALL.map(Counter::name).into();
        assert_eq!(names.len(), Counter::ALL.len());
        for counter in Counter::ALL {
            assert_eq!(Counter::named(counter.name()), Some(counter));
            assert!(!counter.meaning().is_empty(), "{counter:?} has no meaning");
        }
    }

    #[test]
    fn what_a_library_counts_is_a_counter_by_its_name() {
        let pool = Counter::library("pool_connections").unwrap();
        assert_eq!(Counter::named("pool_connections"), Some(pool));
        assert_eq!(
            serde_json::to_string(&pool).unwrap(),
            "\"pool_connections\""
        );
        assert_eq!(
            serde_json::from_str::<Counter>("\"pool_connections\"").unwrap(),
            pool
        );
        assert!(pool.is_resource() && pool.decides(&Series::new()) && !pool.is_size());
        assert_eq!(
            Counter::library("arena_bytes").unwrap().unit(),
            Unit::Bytes("arena")
        );
        for other in ["blocks", "bytes", "Pool", "a-b", "", &"x".repeat(41)] {
            assert_eq!(Counter::library(other), None, "{other}");
        }
        assert_eq!(Counter::named("never_heard_of"), None);
    }

    #[test]
    fn the_bridge_reads_the_same_libraries() {
        let source = include_str!("../bridge/python/leakcheck_bridge/gauges.py");
        let (_, table) = source.split_once("LIBRARIES = {\n").unwrap();
        let (table, _) = table.split_once("\n}\n").unwrap();
        let names =
            { table.lines() }.filter_map(|line| line.trim().strip_prefix('"')?.split_once("\": ("));
        let names: Vec<&str> = names.map(|(name, _)| name).collect();
        assert_eq!(names, LIBRARIES);
        assert!(LIBRARIES.iter().all(|name| Counter::named(name).is_some()));
    }

    #[test]
    fn the_most_telling_resource_comes_first() {
        let library = Counter::library("gauge").unwrap();
        let of = [
            library,
            Counter::Fds,
            Counter::Blocks,
            Counter::Interpreters,
            Counter::Threads,
            Counter::Refs,
        ];
        let growing: BTreeMap<Counter, ()> = of.map(|counter| (counter, ())).into();
        let found: Vec<Counter> = Counter::resources_of(&growing).collect();
        assert_eq!(
            found,
            [
                Counter::Interpreters,
                Counter::Threads,
                Counter::Fds,
                library
            ]
        );
    }
}
