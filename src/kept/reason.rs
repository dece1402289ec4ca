//! Why a test is asked although there is a cache: rules with names, most of which say what has changed.

use serde::{Deserialize, Serialize};

/// Makes the rules with their names and what each says.
macro_rules! reasons {
    ($($reason:ident: $name:literal, $says:literal;)*) => {
        /// Why a test is asked.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Reason {
            $(#[doc = $says] #[serde(rename = $name)] $reason,)*
        }

        impl Reason {
            /// All of them.
            pub const ALL: &'static [Reason] = &[$(Reason::$reason,)*];

            /// Its name in reports.
            pub fn name(self) -> &'static str {
                match self {
                    $(Reason::$reason => $name,)*
                }
            }

            /// One sentence.
            pub fn says(self) -> &'static str {
                match self {
                    $(Reason::$reason => $says,)*
                }
            }
        }
    };
}

reasons! {
    New: "new-test", "Nothing is known of it: a new test, or one of a file that was moved.";
    Function: "function", "The body of a function has changed that it runs, or that made something it may find in its process.";
    Outside: "outside-functions", "What is outside of functions has changed in a module that it runs or imports, by a name that it mentions or by more than names: a constant, a class, a decorator, a signature, an import.";
    File: "file", "A file that it, or what it imports, reads has changed: data, settings of the runner, a module of a package, source that it looks at.";
    Folder: "folder", "A folder that it lists has other names in it.";
    Names: "names-of-files", "It asks whether files are there, which cannot be seen, and the project has other files than before.";
    Variable: "variable", "A variable of the environment has changed that its code names.";
    Environment: "environment", "Its code reads variables of the environment whose names it makes up, and any of them has changed.";
    Module: "module-elsewhere", "A module that is imported comes from another file than before: a new file shadows the old one, or is found where nothing was.";
    Callers: "called-on-import", "Another set of modules than before calls into a module of its own while it is imported, as what registers itself does.";
    Imported: "import-time", "Another set of files than before acts when it is imported: a conftest.py, a plugin, a module that sets or calls what is not its own.";
    Packages: "packages", "A package was installed, taken away, or is of another build.";
    NotClean: "not-clean", "Only what is clean by the rule `nothing-grew` is kept: what grew, or could not be judged, is looked at in every run.";
    InFinding: "in-a-finding", "It is among the tests of a finding that is made anew: it fails, or something has changed for one of its tests.";
    Old: "old", "Its verdict was found out more than `cache_days` ago.";
    Deeper: "grew-when-looked-at-longer", "It grew in a longer look at it, which saved time is spent on: see `deepen`.";
    Programs: "starts-programs", "It starts programs, and what these depend on cannot be seen.";
    Network: "network", "It asks the network.";
    Interpreters: "interpreters", "It makes interpreters, and what runs in these cannot be seen.";
    Text: "text", "It is no function but a text that is run, such as a doctest.";
    NamedTwice: "named-twice", "Several tests have its name.";
    ProcessLost: "process-lost", "The process in which it ran was lost, and with it what its fixtures depend on.";
    TooMuch: "too-much", "It ran more functions, or opened more files, than are noted.";
    AfterOthers: "after-others", "It fails unless others ran before it: what it depends on is not what it runs.";
    ChangedMeanwhile: "changed-meanwhile", "A file that it depends on changed while the run went on.";
}
