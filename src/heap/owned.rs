//! Whose the types and modules of a heap are, and which object near an entry tells a reader most.

use std::collections::HashMap;

use super::{
    graph::{Dump, Graph},
    owner::Places,
};
use crate::finding::Owner;

/// Objects looked at below an entry for one that tells more.
pub(crate) const NEARBY: usize = 64;

/// Whose the types and modules are.
pub(crate) struct Owned<'a> {
    owners: HashMap<&'a str, Owner>,
    modules: HashMap<u32, Owner>,
}

impl<'a> Owned<'a> {
    pub fn new(graph: &Graph, dump: &'a Dump, places: &Places) -> Owned<'a> {
        let mut owners = HashMap::new();
        let mut modules = HashMap::new();
        for (id, name, file) in &dump.modules {
            if let Some(owner) = file.as_deref().and_then(|file| places.owner(file)) {
                owners.insert(name.as_str(), owner);
                if let Some(node) = graph.find(*id) {
                    modules.insert(node, owner);
                }
            }
        }
        Owned { owners, modules }
    }

    pub fn is_users(&self, module: u32) -> bool {
        self.modules
            .get(&module)
            .is_some_and(|owner| owner.is_users())
    }

    /// Whether a class is the project's or a dependency's.
    pub fn is_users_type(&self, name: &str) -> bool {
        name.rmatch_indices('.').any(|(at, _)| {
            self.owners
                .get(&name[..at])
                .is_some_and(|owner| owner.is_users())
        })
    }

    /// From an object on to the nearest one of a class that a reader knows, through what merely passes on; and
    /// whether there was one.
    pub fn telling(&self, graph: &Graph, start: u32) -> (Vec<u32>, bool) {
        let mut before: HashMap<u32, u32> = HashMap::new();
        let mut queue = std::collections::VecDeque::from([start]);
        let mut looked_at = 0;
        while let Some(node) = queue.pop_front() {
            let name = graph.type_of(node);
            if self.is_users_type(name) || is_task(name) {
                let mut way = vec![node];
                let mut at = node;
                while at != start {
                    at = before[&at];
                    way.push(at);
                }
                way.reverse();
                return (way, true);
            }
            looked_at += 1;
            if looked_at > NEARBY || !passes_on(graph.type_of(node)) {
                continue;
            }
            for target in graph.targets(node) {
                if graph.born(*target) > 0 && *target != start && !before.contains_key(target) {
                    before.insert(*target, node);
                    queue.push_back(*target);
                }
            }
        }
        (vec![start], false)
    }
}

/// What a reader started, however it is held.
fn is_task(name: &str) -> bool {
    matches!(name, "_asyncio.Task" | "asyncio.tasks.Task")
}

fn passes_on(name: &str) -> bool {
    matches!(
        name,
        "dict"
            | "list"
            | "tuple"
            | "set"
            | "frozenset"
            | "method"
            | "builtin_function_or_method"
            | "cell"
            | "function"
            | "functools.partial"
            | "collections.deque"
            | "collections.OrderedDict"
            | "collections.defaultdict"
            | "weakref.finalize._Info"
            | "functools._HashedSeq"
    )
}
