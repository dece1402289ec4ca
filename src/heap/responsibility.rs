//! Whose doing an object of a cycle is: the project's, a dependency's, the tests', the runner's, or nobody's in particular.

use std::collections::BTreeSet;

use super::{owner::Places, path::is_test_module, route::Step};
use crate::finding::Owner;

/// Whose doing an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Maker {
    /// Code, or an instance of a class, of the project outside its tests; a container that such code made.
    Project,
    /// The same of an installed package.
    Dependency,
    /// Of the tests themselves, or of a mock: who takes it away takes the test away.
    Test,
    /// Of the runner.
    Runner,
    /// A plain object, or one of the standard library's.
    Nobody,
}

/// What is needed to tell.
pub struct Makers<'a> {
    places: &'a Places,
    /// Files that hold tests.
    tests: &'a BTreeSet<String>,
}

impl<'a> Makers<'a> {
    /// `tests` are as [`files_of_tests`] finds them.
    pub fn new(places: &'a Places, tests: &'a BTreeSet<String>) -> Makers<'a> {
        Makers { places, tests }
    }

    /// Whose doing an object is that is described by `step`, and was allocated by the frames of `born`.
    pub fn of(&self, step: &Step, born: &[(String, u32)]) -> Maker {
        let file = match &*step.what {
            "function" | "suspended" | "frame" | "module" => step.file.as_ref(),
            _ => step.origins.first().map(|(_, file)| file),
        };
        match file.map(|file| self.of_file(file)) {
            // A test's own class that is derived from the project's does what the project's code does.
            Some(Maker::Test) if step.what != "class" && self.derives_from_project(step) => {
                Maker::Nobody
            }
            // Whoever raises it, the frame that keeps it makes the cycle.
            Some(Maker::Project | Maker::Dependency) if step.what == "exception" => Maker::Nobody,
            Some(maker) => maker,
            None if is_container(&step.kind) => {
                match born.first().map(|(file, _)| self.of_file(file)) {
                    Some(maker @ (Maker::Project | Maker::Dependency)) => maker,
                    // What a test makes and hands over is the project's to use.
                    _ => Maker::Nobody,
                }
            }
            None => Maker::Nobody,
        }
    }

    /// A file as it is shown.
    pub fn show(&self, file: &str) -> String {
        self.places.show(file)
    }

    fn derives_from_project(&self, step: &Step) -> bool {
        step.origins
            .iter()
            .any(|(_, file)| self.of_file(file) == Maker::Project)
    }

    /// The class that others of its kind are derived from as well: of the project's or dependency's ones the most basic. What
    /// it does, all of them do.
    pub fn root(&self, step: &Step) -> Option<String> {
        let theirs = |file: &str| matches!(self.of_file(file), Maker::Project | Maker::Dependency);
        let mut roots = step.origins.iter().rev();
        roots
            .find(|(_, file)| theirs(file))
            .map(|(name, _)| name.clone())
    }

    /// Of code in a file.
    pub fn of_file(&self, file: &str) -> Maker {
        match self.places.owner(file) {
            Some(Owner::Project) if self.is_test(file) => Maker::Test,
            Some(Owner::Project) => Maker::Project,
            Some(Owner::Dependency) => Maker::Dependency,
            Some(Owner::Runner) => Maker::Runner,
            // A mock remembers what it is called with, for the test that made it.
            Some(Owner::Interpreter) if file.ends_with("/unittest/mock.py") => Maker::Test,
            Some(Owner::Interpreter) | None => Maker::Nobody,
        }
    }

    fn is_test(&self, file: &str) -> bool {
        let shown = self.places.show(file);
        let module = shown.strip_suffix(".py").unwrap_or(&shown);
        self.tests.contains(file) || is_test_module(&module.replace('/', "."))
    }
}

/// Files that hold tests: those of the collected ones, doctests left out, which stand in the project's own modules.
pub fn files_of_tests<'t>(tests: impl Iterator<Item = (&'t str, &'t str)>) -> BTreeSet<String> {
    tests
        .filter(|(id, _)| {
            let name = id.split_once("::").map_or("", |(_, name)| name);
            !name.split('[').next().unwrap_or_default().contains('.')
        })
        .map(|(_, file)| file.to_owned())
        .collect()
}

fn is_container(kind: &str) -> bool {
    matches!(kind, "dict" | "list" | "set" | "tuple" | "frozenset")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_doing_an_object_is() {
        let places = Places {
            project: "/p".into(),
            packages: vec!["/site".into()],
            stdlib: vec!["/std".into()],
            bridge: "/b".into(),
        };
        let files = files_of_tests(
            [
                ("odd.py::check", "/p/odd.py"),
                ("app/core.py::app.core.f", "/p/app/core.py"),
            ]
            .into_iter(),
        );
        let makers = Makers::new(&places, &files);
        let object = |kind: &str, origins: &[&str]| Step {
            what: "object".to_owned(),
            kind: kind.to_owned(),
            origins: origins
                .iter()
                .map(|file| ("C".to_owned(), (*file).to_owned()))
                .collect(),
            ..Step::default()
        };
        let of = |file: &str| makers.of(&object("x.Y", &[file]), &[]);
        assert_eq!(of("/p/app/core.py"), Maker::Project);
        assert_eq!(of("/site/lib.py"), Maker::Dependency);
        assert_eq!(of("/p/tests/test_core.py"), Maker::Test);
        assert_eq!(of("/p/odd.py"), Maker::Test);
        assert_eq!(of("/std/unittest/mock.py"), Maker::Test);
        assert_eq!(of("/site/_pytest/python.py"), Maker::Runner);
        assert_eq!(of("/std/argparse.py"), Maker::Nobody);
        let mut derived = object("x.Y", &["/p/tests/test_core.py", "/p/app/core.py"]);
        assert_eq!(makers.of(&derived, &[]), Maker::Nobody);
        let mut error = object("app.core.Error", &["/p/app/core.py"]);
        error.what = "exception".to_owned();
        assert_eq!(makers.of(&error, &[]), Maker::Nobody);
        derived.what = "class".to_owned();
        assert_eq!(makers.of(&derived, &[]), Maker::Test);

        let born = |file: &str| vec![(file.to_owned(), 3)];
        let list = object("list", &[]);
        assert_eq!(makers.of(&list, &born("/p/app/core.py")), Maker::Project);
        assert_eq!(
            makers.of(&list, &born("/p/tests/test_core.py")),
            Maker::Nobody
        );
        assert_eq!(makers.of(&list, &[]), Maker::Nobody);
        assert_eq!(
            makers.of(&object("cell", &[]), &born("/p/app/core.py")),
            Maker::Nobody
        );

        let mut frame = object("frame", &[]);
        frame.what = "frame".to_owned();
        frame.file = Some("/p/app/core.py".to_owned());
        assert_eq!(makers.of(&frame, &[]), Maker::Project);
        frame.file = Some("/p/tests/conftest.py".to_owned());
        assert_eq!(makers.of(&frame, &[]), Maker::Test);
    }
}
