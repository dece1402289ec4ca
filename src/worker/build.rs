//! What a worker gets otherwise than a plain run, for the build of Python that it has, and what is not seen on it.

use super::protocol::Hello;
use crate::verdict::Counter;

/// What becomes of Python's just-in-time compiler in a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Jit {
    /// A plain run has it off, or none at all.
    Off,
    /// A plain run has it on, a worker not.
    TurnedOff,
    /// It is on.
    On,
}

/// What is set for a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Build {
    /// The allocator for Python, where the one that the user has counts nothing.
    pub malloc: Option<&'static str>,
    /// The compiler.
    pub jit: Jit,
    /// Whether Python can be told to take all its memory from malloc.
    pub plain: bool,
}

impl Build {
    /// Variables of a worker's environment.
    ///
    /// Where native memory is `traced`, what Python has of malloc for itself and cuts up is seen piece by piece.
    pub fn variables(self, traced: bool) -> impl Iterator<Item = (&'static str, &'static str)> {
        let malloc = match (traced, self.plain) {
            (true, true) => Some("malloc"),
            (true, false) => None,
            (false, _) => self.malloc,
        };
        let malloc = malloc.map(|malloc| ("PYTHONMALLOC", malloc));
        let jit = (self.jit != Jit::On).then_some(("PYTHON_JIT", "0"));
        malloc.into_iter().chain(jit)
    }

    /// What is to be said of a run whose workers begin with `hello`, in whole sentences.
    pub(crate) fn notes(self, hello: &Hello) -> Vec<String> {
        let mut found = Vec::new();
        if let Some(name) = self.malloc {
            found.push(format!(
                "PYTHONMALLOC is {name} for the measurement: Python's own allocator counts what it gives out, malloc does not"
            ));
        }
        match self.jit {
            Jit::Off => {}
            Jit::TurnedOff => found.push(
                "Python's just-in-time compiler is turned off for the measurement: what it keeps for code that becomes hot looks like a leak \
                 (jit = true leaves it on)"
                    .to_owned(),
            ),
            Jit::On => found.push(
                "Python's just-in-time compiler stays on (jit = true): what it keeps for code that becomes hot is growth until all of it is compiled"
                    .to_owned(),
            ),
        }
        let heap = hello.counters.get(&Counter::Heap);
        if heap.is_none_or(|word| word == "absent") {
            found.push(
                "nothing tells here how much malloc has given out: native leaks are not seen, nor what only becomes larger"
                    .to_owned(),
            );
        } else if !hello.sizes {
            found.push(
                "this Python does not take its own memory from malloc: `heap` shows what C code asks for, `blocks` how many pieces Python has and \
                 not how large they are. What only becomes longer is seen where a module, a class or an instance refers to it"
                    .to_owned(),
            );
        }
        let refs = hello.counters.get(&Counter::Refs);
        if refs.is_some_and(|word| word == "absent") {
            found.push(
                "references are not counted on this build of Python, which splits their counts between threads: what C code loses of objects that live on \
                 is not seen (LK203, LK204)"
                    .to_owned(),
            );
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn hello(heap: &str, sizes: bool) -> Hello {
        Hello {
            protocol: 1,
            runner: "pytest".to_owned(),
            runner_version: "8".to_owned(),
            counters: BTreeMap::from([(Counter::Heap, heap.to_owned())]),
            sizes,
            keeps_classes: false,
            untraceable: None,
        }
    }

    #[test]
    fn what_is_not_seen_is_said() {
        let said = |malloc, jit, heap, sizes| {
            Build {
                malloc,
                jit,
                plain: true,
            }
            .notes(&hello(heap, sizes))
        };
        assert_eq!(said(None, Jit::Off, "exact", true), Vec::<String>::new());
        assert!(said(None, Jit::Off, "exact", false)[0].contains("not how large"));
        let blind = said(None, Jit::Off, "absent", false);
        assert!(blind.len() == 1 && blind[0].contains("native leaks are not seen"));
        let mut split = hello("exact", true);
        split.counters.insert(Counter::Refs, "absent".to_owned());
        let said_of_split = Build {
            malloc: None,
            jit: Jit::Off,
            plain: false,
        }
        .notes(&split);
        assert!(said_of_split[0].contains("references are not counted"));
        assert!(said(None, Jit::TurnedOff, "exact", true)[0].contains("is turned off"));
        assert!(said(None, Jit::On, "exact", true)[0].contains("stays on"));
        let other = said(Some("pymalloc"), Jit::Off, "exact", true);
        assert!(other[0].contains("PYTHONMALLOC is pymalloc"));
    }

    #[test]
    fn a_compiler_that_was_asked_for_is_left_alone() {
        let set = |malloc, jit| {
            let build = Build {
                malloc,
                jit,
                plain: true,
            };
            build.variables(false).collect::<Vec<_>>()
        };
        assert_eq!(set(None, Jit::Off), [("PYTHON_JIT", "0")]);
        assert_eq!(
            set(Some("pymalloc"), Jit::On),
            [("PYTHONMALLOC", "pymalloc")]
        );
    }
}
