//! An accepted or pending finding, and a package that was accepted whole.

use serde::{Deserialize, Serialize};

use super::{
    acceptance::{Acceptance, Package},
    rates::Rates,
};
use crate::finding::{Kind, Owner};

/// Name of the format, and the version that is written and read.
pub(super) const NAME: &str = "leakcheck.snapshot/";
pub(super) const VERSION: u32 = 1;

/// One accepted or pending finding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    pub(super) format: String,
    /// What it waits for; only in pending files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<Waiting>,
    /// Identity of the finding.
    pub fingerprint: String,
    /// Kind of leak, as `leakcheck explain` takes it.
    pub code: String,
    /// What grows.
    pub kind: Kind,
    /// Whose code it is.
    pub owner: Owner,
    /// The package it is in, where it is a dependency's or the runner's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<Package>,
    /// What holds on to it, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<String>,
    /// Where most of it is allocated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<Place>,
    /// Where more of it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<Place>,
    /// What is kept; for the reader.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<String>,
    /// What happens, where it is nothing that grows; for the reader.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub what: Option<String>,
    /// Tests that show it, in order.
    #[serde(default)]
    pub tests: Vec<String>,
    /// Whether there are more than are listed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more_tests: bool,
    /// The one whose iterations the rates are of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured: Option<String>,
    /// Growth per iteration, by builds of Python.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rates: Vec<Rates>,
    /// What was said when it was accepted.
    #[serde(default, skip_serializing_if = "Acceptance::is_empty")]
    pub accepted: Acceptance,
}

impl Snapshot {
    /// A line that says which one it is: `LK101 app.registry.events`.
    pub fn title(&self) -> String {
        format!("{} {}", self.code, self.subject())
    }

    /// What a reader would call it.
    pub fn subject(&self) -> String {
        match (&self.holder, &self.site, self.tests.first()) {
            (Some(holder), _, _) => holder.clone(),
            (None, Some(site), _) => format!("{} in {}", site.function, site.file),
            (None, None, Some(test)) => test.clone(),
            (None, None, None) => self.fingerprint.clone(),
        }
    }
}

/// Why a file waits for a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Waiting {
    /// Nobody accepted it yet.
    New,
    /// It grows faster than what was accepted.
    Worse,
    /// Its acceptance ran out.
    Expired,
    /// It grows slower than what was accepted.
    Better,
    /// It is known, and its rates on this Python are not.
    Rates,
    /// It is gone; accepting this removes the snapshot.
    Fixed,
}

impl Waiting {
    /// The word in files and output.
    pub fn word(self) -> &'static str {
        match self {
            Waiting::New => "new",
            Waiting::Worse => "worse",
            Waiting::Expired => "expired",
            Waiting::Better => "better",
            Waiting::Rates => "rates",
            Waiting::Fixed => "fixed",
        }
    }
}

/// A place in the source, without the line number, which every edit above moves.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// File, relative to the project, site-packages or the standard library.
    pub file: String,
    /// Qualified name of the function.
    pub function: String,
    /// Text of the line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

impl Place {
    /// Whether it is the same function of the same file.
    pub fn is_at(&self, file: &str, function: &str) -> bool {
        self.file == file && self.function == function
    }
}

/// Every leak of one version of a package, accepted at once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Whole {
    pub(super) format: String,
    /// Which package.
    pub accepts: Package,
    /// What was said.
    #[serde(default, skip_serializing_if = "Acceptance::is_empty")]
    pub accepted: Acceptance,
}

impl Whole {
    /// Accepts `package` as it is.
    pub fn of(accepts: Package, accepted: Acceptance) -> Whole {
        Whole {
            format: format!("{NAME}{VERSION}"),
            accepts,
            accepted,
        }
    }
}
