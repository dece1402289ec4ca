//! What is measured of a process, or of several of one kind.

/// One quantity. The order is that of reports: a sum, and what it consists of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Measure {
    /// Bytes that no other process has.
    Memory,
    /// Objects that Python's collector tracks.
    Objects,
    /// Those of a type.
    Type(String),
    /// Open descriptors.
    Descriptors,
    /// Those of a kind.
    Kind(String),
    /// Those that lead to the same: kind, and what.
    Open(String, String),
    /// Threads.
    Threads,
    /// Those of a name.
    Named(String),
    /// Processes of the kind.
    Processes,
}

/// What a measure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sum {
    /// Private memory.
    Memory,
    /// Objects.
    Objects,
    /// Descriptors.
    Descriptors,
    /// Threads.
    Threads,
    /// Processes.
    Processes,
}

impl Sum {
    /// The word for it in reports.
    pub fn word(self) -> &'static str {
        match self {
            Sum::Memory => "private memory",
            Sum::Objects => "objects",
            Sum::Descriptors => "descriptors",
            Sum::Threads => "threads",
            Sum::Processes => "processes",
        }
    }
}

impl Measure {
    /// Of which sum it is, or is a part.
    pub fn sum(&self) -> Sum {
        match self {
            Measure::Memory => Sum::Memory,
            Measure::Objects | Measure::Type(_) => Sum::Objects,
            Measure::Descriptors | Measure::Kind(_) | Measure::Open(..) => Sum::Descriptors,
            Measure::Threads | Measure::Named(_) => Sum::Threads,
            Measure::Processes => Sum::Processes,
        }
    }

    /// Which part of it; empty for the sum itself.
    pub fn part(&self) -> String {
        match self {
            Measure::Kind(kind) => kind.clone(),
            Measure::Open(kind, what) => format!("{kind} {what}"),
            Measure::Named(name) | Measure::Type(name) => name.clone(),
            Measure::Memory
            | Measure::Objects
            | Measure::Descriptors
            | Measure::Threads
            | Measure::Processes => String::new(),
        }
    }

    /// Whether all that it counts is counted by `whole` as well.
    pub fn is_part_of(&self, whole: &Measure) -> bool {
        match (self, whole) {
            (Measure::Open(kind, _), Measure::Kind(of)) => kind == of,
            _ => whole.part().is_empty() && self != whole && self.sum() == whole.sum(),
        }
    }

    /// Whether it counts bytes.
    pub fn is_bytes(&self) -> bool {
        *self == Measure::Memory
    }
}
