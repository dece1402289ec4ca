//! What can grow, in one table: what it is called, the code of its findings, which counters show it, and what to do.

use serde::{Deserialize, Serialize};

use crate::verdict::Counter;

/// What grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Memory allocated by Python.
    Python,
    /// Entries of a container that was there before, without any new block.
    Items,
    /// Memory that no Python allocation explains.
    Native,
    /// Memory that is mapped past malloc.
    Map,
    /// Memory of a child process that lives on.
    #[serde(rename = "child_memory")]
    ChildMemory,
    /// Threads in such a process.
    #[serde(rename = "child_thread")]
    ChildThread,
    /// File descriptors in such a process.
    #[serde(rename = "child_fd")]
    ChildFd,
    /// File descriptors.
    Fd,
    /// Threads.
    Thread,
    /// Pending asyncio tasks.
    Task,
    /// Child processes.
    Child,
    /// Subinterpreters.
    Interpreter,
    /// Files that nobody takes away.
    File,
    /// Objects that only the cycle collector frees.
    Cycle,
    /// References that C code loses, or gives back once too often, to what was there before.
    Reference,
    /// What is let go of without being closed.
    Unclosed,
    /// What a library or the project counts itself.
    Library,
}

/// How the first line of a finding says what stays.
#[derive(Debug)]
pub struct Words {
    /// One of them, `stays open` after it,
    pub one: &'static str,
    /// and several, `stay open`.
    pub many: &'static str,
    /// What is done at its line: `opened`.
    pub made: &'static str,
}

/// What is to be known of a kind.
#[derive(Debug)]
pub struct Facts {
    /// Which one.
    pub kind: Kind,
    /// The word used in output and in the JSON report.
    pub word: &'static str,
    /// What it is called in tables and filters.
    pub label: &'static str,
    /// The code of its findings where no finer one is known (`leakcheck explain CODE`).
    pub code: &'static str,
    /// One sentence on how to fix it, where no more is known.
    pub advice: &'static str,
    /// The counter that it is by itself, a resource mostly.
    pub counter: Option<Counter>,
    /// How a resource is told.
    pub words: Option<Words>,
    /// The rates that say most of it, the best first,
    pub rates: &'static [&'static str],
    /// and the curves.
    pub curves: &'static [Counter],
    /// The rates that snapshots keep,
    pub own: &'static [&'static str],
    /// and those of what comes beside it, where nothing else grows.
    pub beside: &'static [&'static str],
    /// Whether something in Python must hold it.
    pub is_held: bool,
}

const MEMORY: &[Counter] = &[Counter::Blocks, Counter::Objects, Counter::Heap];

const fn facts(kind: Kind, word: &'static str, code: &'static str) -> Facts {
    Facts {
        kind,
        word,
        label: word,
        code,
        advice: "",
        counter: None,
        words: None,
        rates: &[],
        curves: MEMORY,
        own: &[],
        beside: &[],
        is_held: false,
    }
}

/// One entry for each kind, in the order of [`Kind`]. What else a kind of its own needs is a table in CONTRIBUTING.md.
const TABLE: [Facts; 17] = [
    Facts {
        label: "memory",
        advice: "Something that outlives the test keeps these objects: look for a module global, class attribute, registry or cache that this line feeds, and remove the entry when its user is done, give it a bound, or hold it weakly (weakref).",
        rates: &["bytes", "heap", "blocks", "objects"],
        own: &["bytes"],
        is_held: true,
        ..facts(Kind::Python, "python", "LK100")
    },
    Facts {
        advice: "Remove what was added when its user is done, or give the container a bound (collections.deque(maxlen=…)).",
        rates: &["items", "bytes", "heap"],
        own: &["items"],
        beside: &["heap"],
        is_held: true,
        ..facts(Kind::Items, "items", "LK102")
    },
    Facts {
        label: "native memory",
        advice: "No Python allocation explains this: look for a C extension that allocates without freeing, or loses a reference, in the calls this test makes.",
        rates: &["bytes", "heap", "blocks", "objects"],
        curves: &[Counter::Heap],
        own: &["heap"],
        ..facts(Kind::Native, "native", "LK201")
    },
    Facts {
        label: "mapped memory",
        advice: "Unmap it when its user is done (mmap.close(), munmap(2)), or drop what keeps it: a map goes with its last reference, and that of an array or a table with the array.",
        counter: Some(Counter::Maps),
        rates: &["maps"],
        curves: &[Counter::Maps],
        own: &["maps"],
        ..facts(Kind::Map, "map", "LK206")
    },
    Facts {
        label: "memory in a child process",
        advice: "Something in that process keeps what each iteration gives it: look there for a global, registry or cache without a bound, with tracemalloc in its code or a test that calls it in this process; or have the pool start its workers anew (maxtasksperchild, max_tasks_per_child).",
        counter: Some(Counter::ChildMemory),
        words: Some(Words {
            one: "1 byte stays in a child process",
            many: "stay in a child process",
            made: "kept",
        }),
        rates: &["child_memory"],
        curves: &[Counter::ChildMemory],
        own: &["child_memory"],
        ..facts(Kind::ChildMemory, "child_memory", "LK309")
    },
    Facts {
        label: "thread in a child process",
        advice: "End the thread in that process and join it there, where its task ends: what a worker of a pool or a server starts for one request lives as long as the process.",
        counter: Some(Counter::ChildThreads),
        words: Some(Words {
            one: "1 thread stays alive in a child process",
            many: "threads stay alive in a child process",
            made: "started",
        }),
        rates: &["child_threads"],
        curves: &[Counter::ChildThreads],
        own: &["child_threads"],
        beside: &["child_memory"],
        ..facts(Kind::ChildThread, "child_thread", "LK308")
    },
    Facts {
        label: "descriptor in a child process",
        advice: "Close it in that process, where its task ends: what a worker of a pool or a server opens for one request stays open as long as the process lives, and a server that keeps the connections of its clients runs out of them.",
        counter: Some(Counter::ChildFds),
        words: Some(Words {
            one: "1 file descriptor stays open in a child process",
            many: "file descriptors stay open in a child process",
            made: "opened",
        }),
        rates: &["child_fds"],
        curves: &[Counter::ChildFds],
        own: &["child_fds"],
        beside: &["child_threads", "child_memory"],
        ..facts(Kind::ChildFd, "child_fd", "LK307")
    },
    Facts {
        label: "descriptor",
        advice: "Close it where it was opened: a `with` block, contextlib.closing(), or addCleanup/a yield fixture in a test.",
        counter: Some(Counter::Fds),
        words: Some(Words {
            one: "1 file descriptor stays open",
            many: "file descriptors stay open",
            made: "opened",
        }),
        rates: &["fds"],
        curves: &[Counter::Fds],
        own: &["fds"],
        beside: &["blocks"],
        ..facts(Kind::Fd, "fd", "LK301")
    },
    Facts {
        advice: "End the thread and join it: set its stop event, shut its executor down (`with ThreadPoolExecutor(…)`), and wait in the teardown.",
        counter: Some(Counter::Threads),
        words: Some(Words {
            one: "1 thread stays alive",
            many: "threads stay alive",
            made: "started",
        }),
        rates: &["threads"],
        curves: &[Counter::Threads],
        own: &["threads"],
        beside: &["fds", "blocks"],
        is_held: true,
        ..facts(Kind::Thread, "thread", "LK302")
    },
    Facts {
        advice: "Await the task or cancel it before the test ends.",
        counter: Some(Counter::Tasks),
        words: Some(Words {
            one: "1 pending task stays",
            many: "pending tasks stay",
            made: "started",
        }),
        rates: &["tasks", "bytes", "heap"],
        own: &["tasks"],
        beside: &["threads", "fds", "blocks"],
        is_held: true,
        ..facts(Kind::Task, "task", "LK303")
    },
    Facts {
        label: "child process",
        advice: "Wait for the process (subprocess.run, Popen as a context manager) or end it in the teardown.",
        counter: Some(Counter::Children),
        words: Some(Words {
            one: "1 child process is left",
            many: "child processes are left",
            made: "started",
        }),
        rates: &["children"],
        own: &["children"],
        beside: &["tasks", "threads", "fds", "blocks"],
        ..facts(Kind::Child, "child", "LK304")
    },
    Facts {
        advice: "Close the interpreter in the teardown (Interpreter.close(), or `with InterpreterPoolExecutor(…)`).",
        counter: Some(Counter::Interpreters),
        words: Some(Words {
            one: "1 interpreter stays",
            many: "interpreters stay",
            made: "made",
        }),
        rates: &["interpreters"],
        own: &["interpreters"],
        beside: &["children", "tasks", "threads", "fds"],
        ..facts(Kind::Interpreter, "interpreter", "LK305")
    },
    Facts {
        advice: "Take it away where it was made: tempfile.TemporaryDirectory as a context manager, pytest's tmp_path, unlink() in the teardown (SharedMemory.unlink(), os.unlink of a socket's path).",
        counter: Some(Counter::Files),
        words: Some(Words {
            one: "1 file stays on disk",
            many: "files stay on disk",
            made: "made",
        }),
        rates: &["files"],
        curves: &[Counter::Files],
        own: &["files"],
        beside: &["fds", "blocks"],
        ..facts(Kind::File, "file", "LK306")
    },
    Facts {
        advice: "Break the cycle: make the back reference a weakref, or clear it when the objects are done with.",
        rates: &["garbage"],
        curves: &[Counter::Garbage],
        own: &["bytes"],
        ..facts(Kind::Cycle, "cycle", "LK401")
    },
    Facts {
        advice: "No memory grows, but the object can never be freed: look for a C extension that takes a reference and never gives it back (Py_INCREF without Py_DECREF, a new reference that is not released on an error path).",
        rates: &["refs"],
        curves: &[Counter::Refs],
        own: &["refs"],
        ..facts(Kind::Reference, "reference", "LK203")
    },
    Facts {
        label: "unclosed resource",
        advice: "Python closes it when it happens to be collected: close it where it was opened, with a `with` block, contextlib.closing(), or addCleanup/a yield fixture in a test.",
        rates: &["unclosed"],
        curves: &[Counter::Unclosed],
        own: &["unclosed"],
        ..facts(Kind::Unclosed, "unclosed", "LK402")
    },
    Facts {
        label: "counter",
        advice: "Give back what the library counts when its user is done (close the pool, delete the array or tensor, release the buffer), or drop what keeps it.",
        ..facts(Kind::Library, "library", "LK205")
    },
];

impl Kind {
    /// Every kind, in the order of the table.
    pub const ALL: [Kind; TABLE.len()] = {
        let mut all = [Kind::Python; TABLE.len()];
        let mut at = 0;
        while at < all.len() {
            all[at] = TABLE[at].kind;
            at += 1;
        }
        all
    };

    /// What is to be known of it.
    pub fn facts(self) -> &'static Facts {
        static FACTS: [Facts; TABLE.len()] = TABLE;
        &FACTS[self as usize]
    }

    /// The word used in output and in the JSON report.
    pub fn word(self) -> &'static str {
        self.facts().word
    }

    /// As what growth of a resource is told.
    pub fn of(resource: Counter) -> Kind {
        let is_it = |kind: &Kind| kind.facts().counter == Some(resource);
        Kind::ALL.into_iter().find(is_it).unwrap_or(Kind::Library)
    }

    /// Whether it is what `counter` counts.
    pub fn is_of(self, counter: Counter) -> bool {
        match counter {
            Counter::Library(_) => self == Kind::Library,
            _ => self.facts().counter == Some(counter),
        }
    }

    /// Whether it grows in a child process.
    pub fn is_in_child(self) -> bool {
        self.facts().counter.is_some_and(Counter::is_of_children)
    }

    /// What is said of a finding of it with this code; empty where that is no code of a kind.
    pub fn advice(code: &str) -> &'static str {
        let mut facts = Kind::ALL.into_iter().map(Kind::facts);
        { facts.find(|facts| facts.code == code) }.map_or("", |facts| facts.advice)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_table_has_every_kind_once_and_in_order() {
        for (at, facts) in TABLE.iter().enumerate() {
            assert_eq!(
                facts.kind as usize, at,
                "TABLE is in another order than Kind"
            );
            assert!(!facts.advice.is_empty(), "{}", facts.word);
            let word = serde_json::to_string(&facts.kind).unwrap();
            assert_eq!(word, format!("\"{}\"", facts.word));
        }
        let codes: BTreeSet<&str> = TABLE.iter().map(|facts| facts.code).collect();
        let texts: BTreeSet<&str> = TABLE.iter().map(|facts| facts.advice).collect();
        assert_eq!((codes.len(), texts.len()), (TABLE.len(), TABLE.len()));
    }

    #[test]
    fn every_resource_is_of_a_kind() {
        let resources = || {
            Counter::ALL
                .into_iter()
                .filter(|counter| counter.is_resource())
        };
        for counter in resources() {
            let facts = Kind::of(counter).facts();
            assert_eq!(facts.counter, Some(counter), "no entry of TABLE is of it");
            assert!(
                facts.words.is_some() && facts.rates.contains(&counter.name()),
                "{counter:?} is a resource: its entry in TABLE needs `words`, and its name in `rates`"
            );
        }
        assert!(resources().count() > 4);
    }
}
