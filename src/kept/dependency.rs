//! Something that a verdict depends on, and the state in which that was.

use serde::{Deserialize, Serialize};

use super::reason::Reason;

/// Something that a verdict depends on. Files of the project are relative to it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Dependency {
    /// The body of a function: file and name.
    Function(String, String),
    /// What is outside of functions.
    Outside(String),
    /// All of a file, or that it is not there.
    File(String),
    /// Names in a folder.
    Folder(String),
    /// Names of all files of the project.
    Names,
    /// A variable of the environment.
    Variable(String),
    /// All of them.
    Environment,
    /// Which file a module comes from.
    Module(String),
    /// That there is no such module in the project.
    Absent(String),
    /// Which modules call into a file while they are imported.
    Callers(String),
    /// Which files act when they are imported, or are loaded by the runner.
    Imported,
    /// What is installed.
    Packages,
}

impl Dependency {
    /// Why a test is asked of which this has changed.
    pub(super) fn reason(&self) -> Reason {
        match self {
            Dependency::Function(..) => Reason::Function,
            Dependency::Outside(_) => Reason::Outside,
            Dependency::File(_) => Reason::File,
            Dependency::Folder(_) => Reason::Folder,
            Dependency::Names => Reason::Names,
            Dependency::Variable(_) => Reason::Variable,
            Dependency::Environment => Reason::Environment,
            Dependency::Module(_) | Dependency::Absent(_) => Reason::Module,
            Dependency::Callers(_) => Reason::Callers,
            Dependency::Imported => Reason::Imported,
            Dependency::Packages => Reason::Packages,
        }
    }

    /// The file of the project that it is about.
    pub(super) fn source(&self) -> Option<&str> {
        match self {
            Dependency::Function(file, _) | Dependency::Outside(file) => Some(file),
            _ => None,
        }
    }
}
