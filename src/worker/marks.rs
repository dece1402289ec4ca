//! Terms out of the marks that tests carry and the overrides of the configuration: one set for each test.

use std::path::Path;

use serde_json::Value;

use super::{
    loss::StartError,
    protocol::{Collectable, Mark},
};
use crate::{
    config::{
        rule::Rule,
        terms::{Draft, FIELDS, Given, Terms},
        text,
        value::Scalar,
    },
    files::name,
};

/// Mistakes that are named at once; more would not be read.
const NAMED: usize = 10;

/// The terms of each of `tests`: first `base`, which is for all of them, then what `rules` say, the last one most, then the marks on it, the closest one most. `marks`
/// of one test come closest first.
pub fn terms(
    tests: &[Collectable],
    marks: &[Mark],
    base: &Terms,
    rules: &[Rule],
    project: &Path,
) -> Result<Vec<Terms>, StartError> {
    let mut terms: Vec<Terms> = tests
        .iter()
        .map(|test| {
            let mut terms = base.clone();
            for rule in rules.iter().filter(|rule| rule.is_for(&test.id)) {
                terms.apply(&rule.terms);
            }
            terms
        })
        .collect();
    let mut mistakes: Vec<String> = Vec::new();
    for mark in marks.iter().rev() {
        match read(mark) {
            Ok(closer) => {
                if let Some(terms) = terms.get_mut(mark.test) {
                    terms.apply(&closer);
                }
            }
            Err(wrong) => {
                let mistake = format!("{}: {wrong}", place(mark, project));
                // A mark on a class or module is on each of its tests.
                if !mistakes.contains(&mistake) {
                    mistakes.push(mistake);
                }
            }
        }
    }
    if mistakes.is_empty() {
        return Ok(terms);
    }
    mistakes.reverse();
    let more = mistakes.len().saturating_sub(NAMED);
    mistakes.truncate(NAMED);
    if more > 0 {
        mistakes.push(format!("and {more} more"));
    }
    Err(StartError::Usage(mistakes.join("\n")))
}

/// One line for every rule that is for none of `tests`.
pub fn unmatched(tests: &[Collectable], rules: &[Rule]) -> Vec<String> {
    rules
        .iter()
        .filter(|rule| !tests.iter().any(|test| rule.is_for(&test.id)))
        .map(|rule| {
            format!(
                "{}: this override is for no test: {}",
                rule.place,
                text::excerpt(&rule.patterns.join(", "), 120)
            )
        })
        .collect()
}

fn place(mark: &Mark, project: &Path) -> String {
    let file = name::to_path(&mark.file);
    let file = text::show(file.strip_prefix(project).unwrap_or(&file));
    if mark.line > 0 {
        format!("{file}:{}", mark.line)
    } else {
        file
    }
}

fn read(mark: &Mark) -> Result<Terms, String> {
    if mark.unnamed > 0 {
        return Err(
            "the marker leakcheck takes its arguments by name, such as skip=\"why\"".to_owned(),
        );
    }
    let mut draft = Draft::default();
    for name in mark
        .fields
        .keys()
        .chain(mark.odd.iter().map(|(name, _)| name))
    {
        if !FIELDS.contains(&name.as_str()) {
            return Err(format!(
                "the marker leakcheck has no argument `{}`; there are {}",
                text::excerpt(name, 60),
                FIELDS.join(", ")
            ));
        }
    }
    for (name, value) in &mark.fields {
        draft.set(name, &given(value)).map_err(|mismatch| {
            let found = text::excerpt(&value.to_string(), 40);
            format!("`{name}`: {mismatch}, found {found}")
        })?;
    }
    if let Some((name, kind)) = mark.odd.first() {
        return Err(format!(
            "`{name}`: expected a plain value, found one of type {}",
            text::excerpt(kind, 60)
        ));
    }
    draft
        .finish()
        .map_err(|wrong| format!("the marker leakcheck: {wrong}"))
}

fn given(value: &Value) -> Given<'_> {
    match value {
        Value::Object(table) => Given::Table(
            table
                .iter()
                .map(|(name, value)| (name.as_str(), scalar(value)))
                .collect(),
        ),
        value => Given::One(scalar(value)),
    }
}

fn scalar(value: &Value) -> Scalar<'_> {
    match value {
        Value::String(text) => Scalar::Text(text),
        Value::Bool(flag) => Scalar::Flag(*flag),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Scalar::Whole(whole),
            (None, Some(real)) => Scalar::Real(real),
            (None, None) => Scalar::Other,
        },
        _ => Scalar::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Place;

    fn tests(ids: &[&str]) -> Vec<Collectable> {
        ids.iter()
            .map(|id| Collectable {
                id: (*id).to_owned(),
                file: "/p/t.py".to_owned(),
            })
            .collect()
    }

    fn mark(test: usize, fields: &str) -> Mark {
        Mark {
            test,
            file: "/p/tests/t.py".to_owned(),
            line: 7,
            fields: serde_json::from_str(fields).unwrap(),
            ..Mark::default()
        }
    }

    fn rule(pattern: &str, warmup: u32) -> Rule {
        let terms = Terms {
            warmup: Some(warmup),
            ..Terms::default()
        };
        let place = Place {
            file: "leakcheck.toml".into(),
            line: 4,
            column: 1,
        };
        Rule::new(vec![pattern.to_owned()], terms, place).unwrap()
    }

    #[test]
    fn the_closest_mark_wins_over_wider_ones_and_these_over_overrides() {
        let tests = tests(&["a::x", "a::y", "b::z"]);
        let marks = [
            mark(0, r#"{"warmup": 5}"#),
            mark(0, r#"{"warmup": 4, "skip": "wide"}"#),
            mark(1, r#"{"iterations": 9}"#),
        ];
        let rules = [rule("a::*", 2), rule("*", 3)];
        let base = Terms {
            timeout: Some(std::time::Duration::from_secs(9)),
            ..Terms::default()
        };
        let found = terms(&tests, &marks, &base, &rules, Path::new("/p")).unwrap();
        assert_eq!(found[0].warmup, Some(5));
        assert_eq!(found[0].skip.as_deref(), Some("wide"));
        assert_eq!((found[1].warmup, &found[1].skip), (Some(3), &None));
        assert_eq!(found[2].warmup, Some(3));
        assert!(found.iter().all(|terms| terms.timeout == base.timeout));
    }

    #[test]
    fn every_mistake_is_named_once_with_its_place() {
        let tests = tests(&["a", "b"]);
        let mut unnamed = mark(1, "{}");
        unnamed.unnamed = 1;
        let mut odd = mark(1, "{}");
        odd.odd = vec![("skip".to_owned(), "Enum".to_owned())];
        let marks = [
            mark(0, r#"{"allow": {"blocks": 2}}"#),
            mark(1, r#"{"allow": {"blocks": 2}}"#),
            mark(0, r#"{"skip": ""}"#),
            mark(0, r#"{"because": "x"}"#),
            mark(0, r#"{"iterations": 2.5}"#),
            unnamed,
            odd,
            mark(0, "{}"),
        ];
        let error = terms(&tests, &marks, &Terms::default(), &[], Path::new("/p")).unwrap_err();
        let text = error.to_string();
        let lines: Vec<&str> = text.lines().collect();
        let expected = [
            "`allow` needs a reason",
            "`skip`: expected the reason in words",
            "no argument `because`; there are skip, allow",
            "`iterations`: expected a whole number from 3 to 100000, or \"auto\", found 2.5",
            "takes its arguments by name",
            "`skip`: expected a plain value, found one of type Enum",
            "says nothing",
        ];
        assert_eq!(lines.len(), expected.len(), "{text}");
        for (line, expected) in lines.iter().zip(expected) {
            assert!(line.starts_with("tests/t.py:7: "), "{line}");
            assert!(line.contains(expected), "{line}");
        }
    }

    #[test]
    fn an_override_for_no_test_is_told_with_its_place() {
        let notes = unmatched(&tests(&["a::x"]), &[rule("a::*", 2), rule("gone::*", 2)]);
        assert_eq!(
            notes,
            ["leakcheck.toml:4:1: this override is for no test: gone::*"]
        );
    }
}
