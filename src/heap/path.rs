//! The shortest way from what lives for its own sake (modules, threads, fixtures, C) to every object.

use std::{
    collections::{HashMap, VecDeque},
    mem,
};

use super::{
    graph::{Dump, Graph},
    owner::Places,
};
use crate::{files::name, finding::Owner};

const NONE: u32 = u32::MAX;

/// Why an object lives without another one's help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Root {
    /// A module that was imported before the window.
    Module,
    /// A part of the interpreter, by its name.
    Named(String),
    /// A function that runs in a thread, or a variable of it, by its name.
    Frame(String),
    /// pytest's own record of a fixture that is set up.
    Fixture,
    /// The test runner's modules and running frames.
    Runner,
    /// Something of before the window that no object refers to: held by C code.
    Outside,
}

/// How sure it is that what a way begins with is what a reader looks for: later ones are only asked when the earlier
/// ones do not lead there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// The code of the project, of packages and of the standard library.
    Code,
    /// Threads, signal handlers, fixtures.
    State,
    /// What no object refers to.
    Outside,
    /// The runner.
    Runner,
}

/// Shortest ways from the roots.
#[derive(Debug)]
pub struct Ways {
    parent: Vec<u32>,
    phase: Vec<Option<Phase>>,
    /// Objects in the order in which they were reached, each after the one before it on its way.
    pub order: Vec<u32>,
    roots: Vec<(u32, Root)>,
    /// The namespace through which alone an object is reached, for what a module has of its own classes.
    claimed: HashMap<u32, u32>,
}

/// What the search must not go through, and where it begins.
#[derive(Debug)]
pub struct Terrain {
    /// leakcheck's own objects in the process.
    ours: Vec<bool>,
    /// The runner's.
    runners: Vec<bool>,
    /// Modules and their names, the first to have what several have.
    code: Vec<(u32, String)>,
    state: Vec<(u32, Root)>,
    runner: Vec<u32>,
}

impl Terrain {
    /// Tells the runner's objects and ours from the others.
    pub fn new(graph: &Graph, dump: &Dump, places: &Places) -> Terrain {
        let kind_is = |test: &dyn Fn(&str) -> bool| -> Vec<bool> {
            let kinds: Vec<bool> = graph.types.iter().map(|name| test(name)).collect();
            graph
                .kinds
                .iter()
                .map(|kind| kinds.get(*kind as usize).copied().unwrap_or(false))
                .collect()
        };
        let mut ours = kind_is(&|name| name.starts_with("leakcheck_bridge."));
        let mut runners = kind_is(&is_runners_type);
        let mut code = Vec::new();
        let mut runner = Vec::new();
        for (id, name, file) in &dump.modules {
            let Some(node) = graph.find(*id) else {
                continue;
            };
            let owner = file.as_deref().and_then(|file| places.owner(file));
            let inside = file
                .as_deref()
                .is_some_and(|file| name::to_path(file).starts_with(&places.bridge));
            if name.starts_with("leakcheck_bridge") || (inside && name == "__main__") {
                ours[node as usize] = true;
            } else if owner == Some(Owner::Runner) {
                runners[node as usize] = true;
                // Its variables, which every function of it refers to.
                for target in graph.targets(node) {
                    runners[*target as usize] |= graph.type_of(*target) == "dict";
                }
                runner.push(node);
            } else if graph.born(node) == 0 {
                // Imports go one way: what both know belongs to the one that is imported.
                let rank = match owner {
                    Some(Owner::Project) => 2 + u8::from(is_test_module(name)),
                    Some(Owner::Dependency) => 1,
                    _ => 0,
                };
                // The deeper of two modules is where a shared object was made, unless one has its class; the other imports it.
                let depth = name.matches('.').count();
                code.push((rank, std::cmp::Reverse(depth), name.clone(), node));
            }
        }
        code.sort();
        let mut state = Vec::new();
        for (kind, name, ids) in &dump.roots {
            for node in ids.iter().filter_map(|id| graph.find(*id)) {
                match kind.as_str() {
                    "runner" => runner.push(node),
                    "thread" => state.push((node, Root::Frame(name.clone()))),
                    _ => state.push((node, Root::Named(name.clone()))),
                }
            }
        }
        for (node, of_fixture) in kind_is(&|name| name == "_pytest.fixtures.FixtureDef")
            .into_iter()
            .enumerate()
        {
            if of_fixture {
                state.push((node as u32, Root::Fixture));
            }
        }
        Terrain {
            ours,
            runners,
            code: { code.into_iter() }
                .map(|(_, _, name, node)| (node, name))
                .collect(),
            state,
            runner,
        }
    }
}

fn is_runners_type(name: &str) -> bool {
    const PREFIXES: [&str; 12] = [
        "_pytest.",
        "pluggy.",
        "xdist.",
        "pytest_",
        "unittest.case.",
        "unittest.suite.",
        "unittest.result.",
        "unittest.runner.",
        "unittest.loader.",
        "unittest.main.",
        "unittest.async_case.",
        "pytest.",
    ];
    PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Whether a module is a test's rather than the project's own.
pub fn is_test_module(name: &str) -> bool {
    name.split('.').any(|part| {
        part.starts_with("test_")
            || part.ends_with("_test")
            || matches!(part, "tests" | "test" | "conftest")
    })
}

impl Ways {
    /// Searches from every root; `without` is taken to be gone.
    pub fn search(graph: &Graph, terrain: &Terrain, without: &[u32]) -> Ways {
        let mut ways = Ways {
            parent: vec![NONE; graph.len()],
            phase: vec![None; graph.len()],
            order: Vec::new(),
            roots: Vec::new(),
            claimed: HashMap::new(),
        };
        let mut closed = terrain.ours.clone();
        for node in without {
            closed[*node as usize] = true;
        }
        let open: Vec<bool> = closed.clone();
        for (at, runner) in terrain.runners.iter().enumerate() {
            closed[at] |= runner;
        }
        let modules = terrain.code.iter().map(|(node, _)| (*node, Root::Module));
        for (module, name) in &terrain.code {
            ways.claim(graph, &closed, *module, name);
        }
        ways.spread(graph, &closed, Phase::Code, modules.collect());
        ways.claimed.clear();
        let mut for_fixtures = closed.clone();
        for (node, root) in &terrain.state {
            if *root == Root::Fixture {
                for_fixtures[*node as usize] = open[*node as usize];
            }
        }
        ways.spread(graph, &for_fixtures, Phase::State, terrain.state.clone());
        let unreferred = |ways: &Ways| -> Vec<(u32, Root)> {
            (0..graph.len() as u32)
                .filter(|node| {
                    graph.born(*node) == 0
                        && graph.referrers[*node as usize] == 0
                        && ways.phase[*node as usize].is_none()
                        && graph.type_of(*node) != "frame"
                })
                .map(|node| (node, Root::Outside))
                .collect()
        };
        let roots = unreferred(&ways);
        ways.spread(graph, &closed, Phase::Outside, roots);
        let runner = terrain.runner.iter().map(|node| (*node, Root::Runner));
        ways.spread(graph, &open, Phase::Runner, runner.collect());
        ways
    }

    /// Notes that a module has what is of its own classes, and not one that imports it: `apps` of Django is an `Apps` of
    /// `django.apps.registry`, and eighty modules know it.
    fn claim(&mut self, graph: &Graph, closed: &[bool], module: u32, name: &str) {
        let Some(namespace) = graph.targets(module).last() else {
            return;
        };
        if closed[module as usize] || closed[*namespace as usize] {
            return;
        }
        for target in graph.targets(*namespace) {
            let class = graph.type_of(*target).strip_prefix(name);
            if class.is_some_and(|class| class.starts_with('.')) {
                self.claimed.entry(*target).or_insert(*namespace);
            }
        }
    }

    fn spread(&mut self, graph: &Graph, closed: &[bool], phase: Phase, roots: Vec<(u32, Root)>) {
        let mut queue = VecDeque::new();
        for (node, root) in roots {
            if self.phase[node as usize].is_none() && !closed[node as usize] {
                self.phase[node as usize] = Some(phase);
                self.order.push(node);
                self.roots.push((node, root));
                queue.push_back(node);
            }
        }
        // What C code keeps for a module stands before its variables and has no name there, so it comes after all that has:
        // a dictionary of a package's that its extension knows as well is known by its name.
        let mut unnamed: Vec<(u32, u32)> = Vec::new();
        loop {
            while let Some(node) = queue.pop_front() {
                let targets = graph.targets(node);
                let is_module = phase == Phase::Code && self.parent(node).is_none();
                let nameless = targets.len().saturating_sub(1) * usize::from(is_module);
                unnamed.extend(targets[..nameless].iter().map(|target| (node, *target)));
                for target in &targets[nameless..] {
                    if self.reach(*target, node, closed, phase) {
                        queue.push_back(*target);
                    }
                }
            }
            if unnamed.is_empty() {
                return;
            }
            for (node, target) in mem::take(&mut unnamed) {
                if self.reach(target, node, closed, phase) {
                    queue.push_back(target);
                }
            }
        }
    }

    /// Whether an object is reached from another one for the first time.
    fn reach(&mut self, target: u32, from: u32, closed: &[bool], phase: Phase) -> bool {
        let at = target as usize;
        let has_another_owner = || {
            self.claimed
                .get(&target)
                .is_some_and(|owner| *owner != from)
        };
        let is_new = self.phase[at].is_none() && !closed[at] && !has_another_owner();
        if is_new {
            self.phase[at] = Some(phase);
            self.parent[at] = from;
            self.order.push(target);
        }
        is_new
    }

    /// In which phase an object was reached; `None` for one that nothing leads to.
    pub fn phase(&self, node: u32) -> Option<Phase> {
        self.phase[node as usize]
    }

    /// The object before this one on its way.
    pub fn parent(&self, node: u32) -> Option<u32> {
        let parent = self.parent[node as usize];
        (parent != NONE).then_some(parent)
    }

    /// The way to an object, from its root, both included.
    pub fn to(&self, node: u32) -> Vec<u32> {
        let mut way = vec![node];
        while let Some(parent) = self.parent(way[way.len() - 1]) {
            way.push(parent);
        }
        way.reverse();
        way
    }

    /// Why the first object of a way lives.
    pub fn root(&self, first: u32) -> Option<&Root> {
        self.roots
            .iter()
            .find(|(node, _)| *node == first)
            .map(|(_, root)| root)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::heap::graph::tests::graph;

    fn dump(modules: &[(u64, &str, &str)]) -> Dump {
        Dump {
            modules: modules
                .iter()
                .map(|(id, name, file)| (*id, (*name).to_owned(), Some((*file).to_owned())))
                .collect(),
            ..Dump::default()
        }
    }

    fn places() -> Places {
        Places {
            project: "/p".into(),
            packages: vec!["/site".into()],
            stdlib: vec!["/std".into()],
            bridge: "/b".into(),
        }
    }

    #[test]
    fn the_projects_way_goes_before_the_runners_and_ours_is_none() {
        // 0 our module, 1 pytest's, 2 the project's; all of them lead to 5, ours and pytest's at once.
        let graph = graph(
            &[
                ("module", 0, &[5]),
                ("module", 0, &[5]),
                ("module", 0, &[3]),
                ("dict", 0, &[4]),
                ("list", 0, &[5]),
                ("Session", 1, &[]),
            ],
            1,
        );
        let dump = dump(&[
            (0, "leakcheck_bridge.repeat", "/b/x.py"),
            (16, "_pytest.python", "/site/_pytest/python.py"),
            (32, "app", "/p/app.py"),
        ]);
        let terrain = Terrain::new(&graph, &dump, &places());
        let ways = Ways::search(&graph, &terrain, &[]);
        assert_eq!(ways.to(5), [2, 3, 4, 5]);
        assert_eq!(ways.phase(5), Some(Phase::Code));
        let without = Ways::search(&graph, &terrain, &[4]);
        assert_eq!(without.to(5), [1, 5]);
        assert_eq!(without.root(1), Some(&Root::Runner));
        let without = Ways::search(&graph, &terrain, &[1, 4]);
        assert_eq!(without.phase(5), None);
    }

    #[test]
    fn what_a_module_of_c_code_keeps_is_known_by_the_name_that_another_one_has_for_it() {
        // 0 an extension with its state 2 and 3, and its variables 4; 1 a package's module with 3 in its variables 5.
        let graph = graph(
            &[
                ("module", 0, &[2, 3, 4]),
                ("module", 0, &[5]),
                ("list", 0, &[]),
                ("dict", 0, &[6]),
                ("dict", 0, &[]),
                ("dict", 0, &[3]),
                ("Session", 1, &[]),
            ],
            1,
        );
        let dump = dump(&[(0, "fast", "/p/fast.so"), (16, "app", "/p/app.py")]);
        let terrain = Terrain::new(&graph, &dump, &places());
        let ways = Ways::search(&graph, &terrain, &[]);
        assert_eq!(ways.to(6), [1, 5, 3, 6]);
        // Where nobody else has it, C code has.
        assert_eq!(ways.to(2), [0, 2]);
        assert_eq!(Ways::search(&graph, &terrain, &[5]).to(6), [0, 3, 6]);
    }

    #[test]
    fn an_object_is_known_by_the_module_that_has_its_class() {
        // 0 the module with the class, 1 a deeper one that imports 4; both have 5 too, of another class.
        let graph = graph(
            &[
                ("module", 0, &[2]),
                ("module", 0, &[3]),
                ("dict", 0, &[4, 5]),
                ("dict", 0, &[4, 5]),
                ("app.registry.Apps", 0, &[6]),
                ("list", 0, &[7]),
                ("Row", 1, &[]),
                ("Row", 1, &[]),
            ],
            1,
        );
        let dump = dump(&[
            (0, "app.registry", "/p/app/registry.py"),
            (16, "app.web.views.list", "/p/app/web/views/list.py"),
        ]);
        let terrain = Terrain::new(&graph, &dump, &places());
        let ways = Ways::search(&graph, &terrain, &[]);
        assert_eq!(ways.to(6), [0, 2, 4, 6]);
        assert_eq!(ways.to(7), [1, 3, 5, 7]);
        // Where it is not there, the other one has it.
        let without = Ways::search(&graph, &terrain, &[2]);
        assert_eq!(without.to(6), [1, 3, 4, 6]);
    }

    proptest! {
        #[test]
        fn each_object_comes_after_the_one_before_it_on_its_way(
            edges in prop::collection::vec((0..9_usize, 0..9_u32), 0..24),
            kinds in prop::collection::vec((0..4_usize, 0..3_u16), 9)
        ) {
            let kind = |at: usize| ["module", "dict", "app.Shop", "web.View"][at];
            let mut targets: Vec<Vec<u32>> = vec![Vec::new(); 9];
            for (from, to) in edges {
                targets[from].push(to);
            }
            let objects: Vec<(&str, u16, &[u32])> = kinds
                .iter()
                .zip(&targets)
                .map(|((of, born), targets)| (kind(*of), *born, &**targets))
                .collect();
            let graph = graph(&objects, 2);
            let dump = dump(&[(0, "app", "/p/app.py"), (16, "web", "/p/web.py"), (32, "sys", "/std/sys.py")]);
            let terrain = Terrain::new(&graph, &dump, &places());
            let ways = Ways::search(&graph, &terrain, &[]);
            for (at, node) in ways.order.iter().enumerate() {
                let root = ways.to(*node)[0];
                prop_assert!(ways.root(root).is_some());
                if let Some(parent) = ways.parent(*node) {
                    prop_assert!(ways.order[..at].contains(&parent));
                }
            }
            let reached = (0..9).filter(|node| ways.phase(*node).is_some()).count();
            prop_assert_eq!(reached, ways.order.len());
        }
    }

    #[test]
    fn what_no_object_refers_to_is_held_from_outside() {
        let graph = graph(&[("list", 0, &[1]), ("function", 1, &[])], 1);
        let terrain = Terrain::new(&graph, &dump(&[]), &places());
        let ways = Ways::search(&graph, &terrain, &[]);
        assert_eq!(ways.phase(1), Some(Phase::Outside));
        assert_eq!(ways.root(0), Some(&Root::Outside));
    }
}
