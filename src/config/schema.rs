//! The keys of the configuration file: their names, and what each value must be.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::given::{Fault, given, list, misfit, scalar};
use super::terms::{Given, Limits};
use super::value::{self, Mismatch, Reader, Scalar};
use super::{Choice, Overrides, Subject, rule, text};
use crate::verdict::Counter;

/// One key of the file.
struct Key {
    name: &'static str,
    /// Puts the value into its place; paths are relative to the given directory.
    read: fn(&mut Overrides, &DeValue<'_>, &Path) -> Result<(), Mismatch>,
}

/// The key whose value names what others have limits for.
const COUNTERS: &str = "counters";

/// The key whose value is a list of tables with keys of their own.
const OVERRIDE: &str = "override";

/// All keys there are. A key that is missing here is unknown, whatever the defaults say.
const KEYS: [Key; 19] = [
    Key {
        name: "python",
        read: |to, value, directory| {
            to.python = Some(python(value, directory)?);
            Ok(())
        },
    },
    Key {
        name: "runner",
        read: |to, value, _| put(&mut to.runner, value, value::runner),
    },
    Key {
        name: "paths",
        read: |to, value, directory| {
            let paths = list(value)?.into_iter().map(|path| directory.join(path));
            to.paths = Some(paths.collect());
            Ok(())
        },
    },
    Key {
        name: "args",
        read: |to, value, _| {
            to.args = Some(list(value)?);
            Ok(())
        },
    },
    Key {
        name: "jobs",
        read: |to, value, _| put(&mut to.jobs, value, value::jobs),
    },
    Key {
        name: "budget",
        read: |to, value, _| put(&mut to.budget, value, value::duration),
    },
    Key {
        name: "timeout",
        read: |to, value, _| put(&mut to.timeout, value, value::duration),
    },
    Key {
        name: "thorough",
        read: |to, value, _| put(&mut to.thorough, value, value::flag),
    },
    Key {
        name: "jit",
        read: |to, value, _| put(&mut to.jit, value, value::flag),
    },
    Key {
        name: "warmup",
        read: |to, value, _| put(&mut to.warmup, value, value::warmup),
    },
    Key {
        name: "iterations",
        read: |to, value, _| put(&mut to.iterations, value, value::iterations),
    },
    Key {
        name: "memory",
        read: |to, value, _| put(&mut to.memory, value, value::size),
    },
    Key {
        name: "min_judged",
        read: |to, value, _| put(&mut to.min_judged, value, value::share),
    },
    Key {
        name: "min_rate",
        read: |to, value, _| match given(value) {
            Given::Table(table) => {
                to.min_rate = Some(Limits::read(&table)?);
                Ok(())
            }
            Given::One(_) => Err(Mismatch {
                expected: "growth per iteration by counter, such as { blocks = 1 }",
                detail: None,
            }),
        },
    },
    Key {
        name: COUNTERS,
        // Before all others: see `read`.
        read: |_, _, _| Ok(()),
    },
    Key {
        name: "cache",
        read: |to, value, _| put(&mut to.cache, value, value::flag_or_auto),
    },
    Key {
        name: "cache_days",
        read: |to, value, _| put(&mut to.cache_days, value, value::days),
    },
    Key {
        name: "deepen",
        read: |to, value, _| put(&mut to.deepen, value, value::share),
    },
    Key {
        name: OVERRIDE,
        // Its faults lie deeper than its own value: see `read`.
        read: |_, _, _| Ok(()),
    },
];

/// Reads a table of settings that stands in `content`. `table_name` is how messages call it, empty for a whole file.
pub(super) fn read(
    table: &DeTable<'_>,
    table_name: &str,
    content: &str,
    directory: &Path,
) -> Result<Overrides, Fault> {
    let mut overrides = Overrides::default();
    if let Some(value) = table.get(COUNTERS) {
        overrides.counters = Some(counters(value.get_ref()).map_err(|mismatch| Fault {
            span: value.span(),
            message: misfit(COUNTERS, value, content, &mismatch),
        })?);
    }
    for (key, value) in table {
        let name = key.get_ref().as_ref();
        if let Some(subject) = Subject::named(name) {
            let stance = value::stance(scalar(value.get_ref())).map_err(|mismatch| Fault {
                span: value.span(),
                message: misfit(name, value, content, &mismatch),
            })?;
            overrides.stances.take(subject, stance);
            continue;
        }
        let Some(known) = KEYS.iter().find(|known| known.name == name) else {
            return Err(Fault {
                span: key.span(),
                message: unknown(name, table_name),
            });
        };
        if known.name == OVERRIDE {
            overrides.rules = Some(rule::read(value, content)?);
        }
        (known.read)(&mut overrides, value.get_ref(), directory).map_err(|mismatch| Fault {
            span: value.span(),
            message: misfit(known.name, value, content, &mismatch),
        })?;
    }
    Ok(overrides)
}

/// The name of every key.
fn names() -> impl Iterator<Item = &'static str> {
    { KEYS.iter() }
        .map(|key| key.name)
        .chain(Subject::ALL.map(Subject::name))
}

/// The message for a key that is not in the schema.
fn unknown(name: &str, table_name: &str) -> String {
    let place = if table_name.is_empty() {
        String::new()
    } else {
        format!(" in {table_name}")
    };
    let near = names()
        .map(|key| (distance(name, key), key))
        .min()
        // Half of a short word changed makes another word.
        .filter(|(distance, near)| *distance <= 1 + near.len() / 4);
    let hint = if table_name.is_empty() && name == "tool" {
        "; in this file the keys stand at the top, without [tool.leakcheck]".to_owned()
    } else {
        near.map_or(String::new(), |(_, near)| {
            format!("; did you mean `{near}`?")
        })
    };
    format!("unknown key `{}`{place}{hint}", text::excerpt(name, 60))
}

fn put<T>(to: &mut Option<T>, value: &DeValue<'_>, read: Reader<T>) -> Result<(), Mismatch> {
    *to = Some(read(scalar(value))?);
    Ok(())
}

/// What the project counts itself: by its name, which others may have limits for from now on, where it is read.
fn counters(value: &DeValue<'_>) -> Result<BTreeMap<String, String>, Mismatch> {
    let wrong = |detail: Option<String>| Mismatch {
        expected: "functions by what they count, such as { connections = \"app.db:pool_size\" }",
        detail,
    };
    let Given::Table(table) = given(value) else {
        return Err(wrong(None));
    };
    let mut found = BTreeMap::new();
    for (name, place) in table {
        if Counter::library(name).is_none() {
            let shown = text::excerpt(name, 40);
            let why = format!(
                "`{shown}` can be no name of a counter: letters, digits and _, and none of leakcheck's own"
            );
            return Err(wrong(Some(why)));
        }
        match place {
            Scalar::Text(place) if is_place(place) => {
                found.insert(name.to_owned(), place.to_owned());
            }
            _ => {
                let why = format!("`{name}` must be \"module:function\"");
                return Err(wrong(Some(why)));
            }
        }
    }
    Ok(found)
}

/// Whether it is `package.module:function`, or a method of a class there.
fn is_place(place: &str) -> bool {
    let is_name = |name: &str| {
        name.starts_with(|first: char| first.is_alphabetic() || first == '_')
            && name
                .chars()
                .all(|other| other.is_alphanumeric() || other == '_')
    };
    let are_names = |path: &str| path.split('.').all(is_name);
    place
        .split_once(':')
        .is_some_and(|(module, function)| are_names(module) && are_names(function))
}

/// An interpreter: a bare name is left for PATH to resolve, unless a folder of that name is there.
fn python(value: &DeValue<'_>, directory: &Path) -> Result<Choice<PathBuf>, Mismatch> {
    match value.as_str() {
        None => Err(Mismatch {
            expected: "a string",
            detail: None,
        }),
        Some("") => Ok(Choice::Auto),
        Some(name) if !name.contains('/') && !directory.join(name).is_dir() => {
            Ok(Choice::Given(name.into()))
        }
        Some(path) => Ok(Choice::Given(directory.join(path))),
    }
}

/// The Levenshtein distance: insertions, deletions and replacements that make `a` into `b`.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(content: &str) -> Result<Overrides, Fault> {
        let table = DeTable::parse(content).expect("the test's TOML is well formed");
        read(table.get_ref(), "", content, Path::new("/home/project"))
    }

    #[test]
    fn the_schema_and_the_embedded_defaults_have_the_same_keys() {
        let defaults = DeTable::parse(super::super::DEFAULTS).unwrap();
        let mut documented: Vec<&str> = defaults
            .get_ref()
            .keys()
            .map(|key| key.get_ref().as_ref())
            .collect();
        let mut known: Vec<&str> = names().collect();
        documented.sort_unstable();
        known.sort_unstable();
        assert_eq!(documented, known);
    }

    #[test]
    fn every_default_has_a_comment() {
        let lines: Vec<&str> = super::super::DEFAULTS.lines().collect();
        for key in names() {
            let at = lines
                .iter()
                .position(|line| line.starts_with(&format!("{key} = ")));
            let above = lines[at.expect(key) - 1];
            assert!(above.starts_with("# "), "{key}: {above}");
        }
    }

    #[test]
    fn a_fault_names_the_key_what_it_takes_and_what_was_found() {
        let table = [
            (
                "jobs = 0",
                "0",
                "`jobs`: expected a whole number of at least 1, or \"auto\", found 0",
            ),
            ("jobs = \"2\"", "\"2\"", "or \"auto\", found \"2\""),
            (
                "jobs = 99999999999999999999",
                "99999999999999999999",
                "found 99999999999999999999",
            ),
            (
                "warmup = 101",
                "101",
                "`warmup`: expected a whole number from 1 to 100, found 101",
            ),
            (
                "iterations = 2.5",
                "2.5",
                "from 3 to 100000, or \"auto\", found 2.5",
            ),
            (
                "thorough = \"yes\"",
                "\"yes\"",
                "`thorough`: expected true or false, found \"yes\"",
            ),
            (
                "min_judged = nan",
                "nan",
                "`min_judged`: expected a number from 0 to 1, found nan",
            ),
            (
                "budget = \"10x\"",
                "\"10x\"",
                "found \"10x\": unknown unit `x`; there are h, m, s and ms",
            ),
            ("timeout = true", "true", "or \"auto\", found true"),
            ("memory = 2", "2", "found 2: it must be at least 64MiB"),
            (
                "runner = \"nose\"",
                "\"nose\"",
                "\"unittest\" or \"command\", found \"nose\"",
            ),
            (
                "paths = \"tests\"",
                "\"tests\"",
                "`paths`: expected a list of strings",
            ),
            (
                "paths = [\"\"]",
                "[\"\"]",
                "`paths`: expected a list of strings",
            ),
            ("args = [1]", "[1]", "`args`: expected a list of strings"),
            (
                "python = 3.12",
                "3.12",
                "`python`: expected a string, found 3.12",
            ),
            ("jobs = { a = 1 }", "{ a = 1 }", "found a table"),
            (
                "min_rate = { fd = 1 }",
                "{ fd = 1 }",
                "`fd` is no counter; there are blocks, objects, heap, maps, child_memory, child_threads, child_fds, files, fds",
            ),
            ("min_rate = 1", "1", "such as { blocks = 1 }, found 1"),
            (
                "counters = 3",
                "3",
                "`counters`: expected functions by what they count, such as { connections = \"app.db:pool_size\" }, found 3",
            ),
            (
                "counters = { Pool = \"a:b\" }",
                "{ Pool = \"a:b\" }",
                "`Pool` can be no name of a counter",
            ),
            (
                "counters = { blocks = \"a:b\" }",
                "{ blocks = \"a:b\" }",
                "none of leakcheck's own",
            ),
            (
                "counters = { pool = \"a.b\" }",
                "{ pool = \"a.b\" }",
                "`pool` must be \"module:function\"",
            ),
            (
                "cycles = \"no\"",
                "\"no\"",
                "`cycles`: expected \"warn\", \"deny\" or \"allow\", found \"no\"",
            ),
            ("runner = \"\u{9b}x\"", "\"\u{9b}x\"", "found \"\\u{9b}x\""),
        ];
        for (content, at, expected) in table {
            let fault = parse(content).expect_err(content);
            assert_eq!(&content[fault.span], at);
            assert!(
                fault.message.contains(expected),
                "{content}: {}",
                fault.message
            );
        }
    }

    #[test]
    fn what_is_counted_may_have_a_limit() {
        let content = "counters = { sprockets = \"shop:sprockets\" }\nmin_rate = { sprockets = 2, arrow_bytes = 64 }";
        let overrides = parse(content).unwrap();
        assert_eq!(overrides.counters.unwrap()["sprockets"], "shop:sprockets");
        let limits = overrides.min_rate.unwrap().to_string();
        assert_eq!(limits, "arrow_bytes 64, sprockets 2");
    }

    #[test]
    fn an_unknown_key_is_told_from_a_known_one_and_the_nearest_is_offered() {
        let table = [
            ("buget = 1", "unknown key `buget`; did you mean `budget`?"),
            (
                "min-judged = 1",
                "unknown key `min-judged`; did you mean `min_judged`?",
            ),
            (
                "warm_up = 1",
                "unknown key `warm_up`; did you mean `warmup`?",
            ),
            (
                "iteration = 4",
                "unknown key `iteration`; did you mean `iterations`?",
            ),
            ("Jobs = 1", "unknown key `Jobs`; did you mean `jobs`?"),
            ("path = []", "unknown key `path`; did you mean `paths`?"),
            ("baseline = 1", "unknown key `baseline`"),
            (
                "overrides = []",
                "unknown key `overrides`; did you mean `override`?",
            ),
            (
                "[tool.leakcheck]",
                "unknown key `tool`; in this file the keys stand at the top, without [tool.leakcheck]",
            ),
            ("\"\\u001b[2J\" = 1", "unknown key `\\u{1b}[2J`"),
        ];
        for (content, expected) in table {
            assert_eq!(parse(content).expect_err(content).message, expected);
        }
    }

    #[test]
    fn paths_are_relative_to_the_file_and_names_of_an_interpreter_are_not() {
        let table = [
            ("", Choice::Auto),
            ("python3.12", Choice::Given("python3.12".into())),
            ("/usr/bin/python3", Choice::Given("/usr/bin/python3".into())),
            (
                "env/bin/python",
                Choice::Given("/home/project/env/bin/python".into()),
            ),
        ];
        for (python, expected) in table {
            let overrides = parse(&format!(
                "python = {python:?}\npaths = [\"tests\", \"/abs\"]"
            ))
            .unwrap();
            assert_eq!(overrides.python, Some(expected));
            assert_eq!(
                overrides.paths,
                Some(vec!["/home/project/tests".into(), "/abs".into()])
            );
        }
    }

    #[test]
    fn a_folder_beside_the_file_is_an_environment_and_not_a_name() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("venv")).unwrap();
        let table = DeTable::parse("python = \"venv\"").unwrap();
        let overrides = read(table.get_ref(), "", "python = \"venv\"", directory.path()).unwrap();
        assert_eq!(
            overrides.python,
            Some(Choice::Given(directory.path().join("venv")))
        );
    }

    #[test]
    fn distances_count_insertions_deletions_and_replacements() {
        let table = [
            ("", "abc", 3),
            ("abc", "abc", 0),
            ("kitten", "sitting", 3),
            ("ab", "ba", 2),
            ("ü", "u", 1),
        ];
        for (a, b, expected) in table {
            assert_eq!(
                (distance(a, b), distance(b, a)),
                (expected, expected),
                "{a} {b}"
            );
        }
    }
}
