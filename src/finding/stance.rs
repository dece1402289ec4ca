//! What a project says of findings that fail its build or not: one stance on each subject, in one table.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Kind, Level, Owner};

/// What it means that there is something, such as garbage in cycles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stance {
    /// A warning.
    Warn,
    /// A failure.
    Deny,
    /// Nothing.
    Allow,
}

impl Stance {
    /// The name users give it.
    pub fn name(self) -> &'static str {
        match self {
            Stance::Warn => "warn",
            Stance::Deny => "deny",
            Stance::Allow => "allow",
        }
    }

    /// How loudly it is told.
    pub fn level(self) -> Level {
        match self {
            Stance::Warn => Level::Warning,
            Stance::Deny => Level::Error,
            Stance::Allow => Level::Note,
        }
    }
}

/// That on which a project takes a stance. Its name is the key of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Subject {
    /// Objects that only the cycle collector frees.
    Cycles,
    /// Leaks of Python itself, or of the test runner.
    Interpreter,
    /// References that C code loses, or gives back too often.
    References,
    /// What is let go of without being closed.
    Unclosed,
}

/// Each subject: its name, and the stance where nobody took one.
const TABLE: [(Subject, &str, Stance); 4] = [
    (Subject::Cycles, "cycles", Stance::Warn),
    (Subject::Interpreter, "interpreter", Stance::Warn),
    (Subject::References, "references", Stance::Deny),
    (Subject::Unclosed, "unclosed", Stance::Warn),
];

impl Subject {
    /// Every subject.
    pub const ALL: [Subject; TABLE.len()] = {
        let mut all = [Subject::Cycles; TABLE.len()];
        let mut at = 0;
        while at < all.len() {
            all[at] = TABLE[at].0;
            at += 1;
        }
        all
    };

    /// The key of the configuration.
    pub fn name(self) -> &'static str {
        TABLE[self as usize].1
    }

    /// The subject of that name.
    pub fn named(name: &str) -> Option<Subject> {
        Subject::ALL
            .into_iter()
            .find(|subject| subject.name() == name)
    }

    /// On what kind of finding it is a stance, where it is on all of a kind.
    pub fn of(kind: Kind) -> Option<Subject> {
        match kind {
            Kind::Cycle => Some(Subject::Cycles),
            Kind::Reference => Some(Subject::References),
            Kind::Unclosed => Some(Subject::Unclosed),
            _ => None,
        }
    }
}

/// The stances that were taken.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Stances(BTreeMap<Subject, Stance>);

impl Stances {
    /// The stance on a subject: as it was taken, or as it is by itself.
    pub fn on(&self, subject: Subject) -> Stance {
        { self.0.get(&subject) }
            .copied()
            .unwrap_or(TABLE[subject as usize].2)
    }

    /// Takes a stance.
    pub fn take(&mut self, subject: Subject, stance: Stance) {
        self.0.insert(subject, stance);
    }

    /// Takes over those of `other`.
    pub fn extend(&mut self, other: &Stances) {
        self.0.extend(&other.0);
    }

    /// How a finding of what changes apart from growth is told, and whether it fails: `allowed` in all its tests, and in whose
    /// code it is. Whoever only uses a package can do little about what is no more than a warning.
    pub fn weigh(&self, subject: Subject, allowed: bool, owner: Owner) -> (Level, bool) {
        match self.on(subject) {
            _ if allowed => (Level::Note, false),
            Stance::Warn if owner == Owner::Dependency => (Level::Note, false),
            stance => (stance.level(), stance == Stance::Deny),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_every_subject_once_and_in_order() {
        for (at, subject) in Subject::ALL.into_iter().enumerate() {
            assert_eq!(subject as usize, at);
            assert_eq!(Subject::named(subject.name()), Some(subject));
        }
    }

    #[test]
    fn what_is_denied_fails_wherever_it_is() {
        let mut stances = Stances::default();
        let weigh = |stances: &Stances, owner| stances.weigh(Subject::Cycles, false, owner);
        assert_eq!(weigh(&stances, Owner::Project), (Level::Warning, false));
        assert_eq!(weigh(&stances, Owner::Dependency), (Level::Note, false));
        stances.take(Subject::Cycles, Stance::Deny);
        assert_eq!(weigh(&stances, Owner::Dependency), (Level::Error, true));
        assert_eq!(
            stances.weigh(Subject::Cycles, true, Owner::Project),
            (Level::Note, false)
        );
        stances.take(Subject::Cycles, Stance::Allow);
        assert_eq!(weigh(&stances, Owner::Project), (Level::Note, false));
    }
}
