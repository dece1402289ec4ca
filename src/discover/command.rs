//! Which program runs the tests where it is neither pytest nor unittest: the one that is typed, or Django's `manage.py`.

use std::{
    ffi::OsStr,
    path::{Component, Path},
};

use super::suite::{Project, file_of};
use crate::{
    config::{Choice, Runner, text},
    files::{
        name,
        read::{self, SETTINGS},
    },
};

/// Paths where a program was named.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} is not for a command, which chooses its tests by its own arguments: name them after --, as the command takes them"
)]
pub struct PathForCommand(String);

/// Django's entry point.
const MANAGE: &str = "manage.py";

/// Whether arguments for a runner are a program to run: `python manage.py test`.
pub(super) fn names_program(args: &[String]) -> bool {
    args.first().is_some_and(|word| {
        let name = Path::new(word).file_name().and_then(OsStr::to_str);
        name.is_some_and(|name| is_python(name) || name == MANAGE)
    })
}

/// `python`, `python3`, `python3.12`.
fn is_python(name: &str) -> bool {
    name.strip_prefix("python").is_some_and(|rest| {
        rest.chars()
            .all(|letter| letter.is_ascii_digit() || letter == '.')
    })
}

/// Whether the project is Django's, so that its tests need what `manage.py` sets up.
pub fn has_manage(root: &Path) -> bool {
    read::text(&root.join(MANAGE), SETTINGS).is_ok_and(|text| text.contains("django"))
}

/// The words of the program that runs the tests, its arguments included.
///
/// What was typed is taken as it is. Where `manage.py` was found, arguments are added to its own.
pub fn words(
    choice: Choice<Runner>,
    args: &[String],
    project: &Project,
) -> Result<Vec<String>, PathForCommand> {
    if choice == Choice::Given(Runner::Command) || names_program(args) {
        return match project.paths.first() {
            Some(path) => Err(PathForCommand(text::show(path))),
            None => Ok(args.to_vec()),
        };
    }
    let mut words = vec![MANAGE.to_owned(), "test".to_owned()];
    words.extend(project.paths.iter().map(|path| label(path, &project.root)));
    words.extend(args.iter().cloned());
    Ok(words)
}

/// A path as Django takes it: a folder as it is, a file by the name of its module.
fn label(path: &Path, root: &Path) -> String {
    let inside = path.strip_prefix(root).unwrap_or(path);
    let stem = inside.with_extension("");
    let mut parts = stem.components().filter(|part| *part != Component::CurDir);
    let is_module = file_of(path, root).is_file() && inside.extension() == Some(OsStr::new("py"));
    if is_module
        && parts
            .clone()
            .all(|part| matches!(part, Component::Normal(_)))
    {
        let names: Vec<String> = parts
            .by_ref()
            .map(|part| part.as_os_str().to_string_lossy().into_owned())
            .collect();
        return names.join(".");
    }
    name::to_text(path)
}

#[cfg(test)]
mod tests {
    use super::super::suite::tests::tree;
    use super::*;

    #[test]
    fn what_is_typed_is_taken_and_what_is_found_is_added_to() {
        let folder = tree(&[("manage.py", "import django"), ("shop/tests.py", "")]);
        let words = |choice, args: &[&str], paths: &[&str]| {
            let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
            let project = Project {
                root: folder.path().to_owned(),
                paths: paths.iter().map(Into::into).collect(),
            };
            words(choice, &args, &project).map(|words| words.join(" "))
        };
        let given = Choice::Given(Runner::Command);
        for (choice, args, paths, expected) in [
            (given, vec!["-m", "nose2"], vec![], "-m nose2"),
            (
                Choice::Auto,
                vec!["python3.12", "a.py"],
                vec![],
                "python3.12 a.py",
            ),
            (
                Choice::Auto,
                vec!["./manage.py", "test"],
                vec![],
                "./manage.py test",
            ),
            (Choice::Auto, vec![], vec![], "manage.py test"),
            (
                Choice::Auto,
                vec!["--tag", "x"],
                vec![],
                "manage.py test --tag x",
            ),
            (
                Choice::Auto,
                vec!["-k", "y"],
                vec!["shop", "./shop/tests.py"],
                "manage.py test shop shop.tests -k y",
            ),
        ] {
            assert_eq!(words(choice, &args, &paths).as_deref(), Ok(expected));
        }
        for choice in [given, Choice::Auto] {
            let error = words(choice, &["python", "x.py"], &["shop"]).unwrap_err();
            assert!(error.to_string().starts_with("shop is not for a command"));
        }
        assert!(!names_program(&["pythonic".to_owned()]) && !names_program(&[]));
    }
}
