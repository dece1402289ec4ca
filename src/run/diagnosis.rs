//! What a look at the heap found out about a case.

use std::collections::BTreeSet;

use crate::{
    explain::lost::Call,
    finding::{Kind, TypeGrowth},
    heap::{
        graph::{Dump, Graph},
        holder::Decision,
        ring::Ring,
        route::Route,
    },
};

/// A cycle that the collector never frees.
#[derive(Debug, Clone, PartialEq)]
pub struct Hidden {
    /// The way round.
    pub ring: Ring,
    /// The type of the object that the collector cannot look into.
    pub through: String,
    /// A class in it that the collector knows; none where all are types of Python's own.
    pub class: Option<String>,
}

/// What a look at the heap found out.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagnosis {
    /// The causes (see [`Case::causes`]) that it explains.
    pub covers: BTreeSet<String>,
    /// The holder first (it says what holds the same objects besides), then those of other objects.
    pub routes: Vec<Route>,
    /// Whether something else would keep the objects without the first holder.
    pub alone: bool,
    /// Whether nothing that stays can have memory with it that Python knows nothing of, as far as all of it is known.
    pub plain: bool,
    /// Growth by type.
    pub types: Vec<TypeGrowth>,
    /// Objects that nothing in Python leads to: type and count per iteration.
    pub lost: Vec<(String, f64)>,
    /// The type through which these may be a cycle that the collector cannot see.
    pub opaque: Option<String>,
    /// The cycle that keeps them, where the collector does not see it.
    pub hidden: Option<Hidden>,
    /// Whether blocks stay that are in no object the collector knows of, nor in what these refer to.
    pub unseen: bool,
    /// Of a lost reference: what was called, with what it did to the counts of its caller's variables.
    pub calls: Vec<Call>,
    /// `atexit` callbacks registered per iteration.
    pub exits: f64,
    /// Descriptors, threads, tasks and child processes that came: kind and words of each.
    pub resources: Vec<(Kind, String)>,
    /// Growth by type in child processes.
    pub elsewhere: Vec<TypeGrowth>,
    /// File and line of the frames that open the descriptors, start the processes, or allocate the lost objects that stay,
    /// from the reader's code on outwards.
    pub made: Vec<Place>,
    /// CPU seconds of the look, and objects in the heap.
    pub cost: (f64, usize),
}

impl Diagnosis {
    /// Puts the first holder that is wanted in front, if there is one.
    pub fn prefer(&mut self, wanted: impl Fn(&Route) -> bool) {
        if let Some(at) = self.routes.iter().position(wanted) {
            self.routes[..=at].rotate_right(1);
        }
    }

    /// The same without its objects: for what leaks beside them and has nothing to do with them.
    pub fn without_objects(&self) -> Diagnosis {
        Diagnosis {
            covers: BTreeSet::new(),
            routes: Vec::new(),
            types: Vec::new(),
            lost: Vec::new(),
            hidden: None,
            unseen: false,
            ..self.clone()
        }
    }

    /// Whether what is retained is retained from outside Python: no object refers to it.
    pub fn is_lost(&self) -> bool {
        self.is_without_holder() && (self.unseen || !self.lost.is_empty())
    }

    /// Whether nothing was found that retains it.
    pub fn is_without_holder(&self) -> bool {
        self.routes.is_empty() && self.exits <= 0.5 && self.hidden.is_none()
    }

    /// The holder as code names it.
    pub fn name(&self) -> Option<&str> {
        self.routes.first().map(|route| route.holder.name.as_str())
    }
}

/// File and line.
pub type Place = (String, u32);

/// A heap that was written down, and what was decided from it.
pub(super) struct Heap {
    pub graph: Graph,
    pub dump: Dump,
    pub decision: Decision,
    pub resources: Vec<(Kind, String)>,
    pub cpu: f64,
}

/// Frames of a growing site that are shown, and so have to be named.
pub const FRAMES_SHOWN: usize = 6;
