//! Finds the one test that a name means: its id, or an end of it that no other test has.

use crate::worker::protocol::Collectable;

/// Candidates that are named.
const NAMED: usize = 5;
/// Names that share less than this with what was asked for are no help.
const ALIKE: f32 = 0.5;
/// And those that share much less than the best one.
const NEARLY: f32 = 0.85;

/// The index of the test that `wanted` means, or one line that says why there is none.
pub(super) fn choose(tests: &[Collectable], wanted: &str) -> Result<usize, String> {
    let wanted = wanted.strip_prefix("./").unwrap_or(wanted);
    if let Some(exact) = tests.iter().position(|test| test.id == wanted) {
        return Ok(exact);
    }
    let ends = |id: &str| {
        id.strip_suffix(wanted).is_some_and(|before| {
            !wanted.is_empty() && (before.is_empty() || before.ends_with(['/', ':', '.']))
        })
    };
    // A test with parameters is also known without them.
    for is in [&ends as &dyn Fn(&str) -> bool, &|id| {
        id.split_once('[').is_some_and(|(bare, _)| ends(bare))
    }] {
        let found: Vec<usize> = (0..tests.len()).filter(|at| is(&tests[*at].id)).collect();
        match found[..] {
            [] => {}
            // Some runners give one id to several tests, and none of them has another.
            [first, ..] if found.iter().all(|at| tests[*at].id == tests[first].id) => {
                return Ok(first);
            }
            _ => {
                return Err(format!(
                    "{} tests end in `{wanted}`: {}",
                    found.len(),
                    listed(found.iter().map(|at| tests[*at].id.as_str()), found.len())
                ));
            }
        }
    }
    let near = nearest(tests, wanted);
    Err(if tests.is_empty() {
        format!("no test is called `{wanted}`: no tests were found")
    } else if near.is_empty() {
        format!(
            "no test is called `{wanted}`, and none of the {} is like it",
            tests.len()
        )
    } else {
        format!(
            "no test is called `{wanted}`; the closest: {}",
            listed(near.iter().copied(), near.len())
        )
    })
}

fn listed<'a>(ids: impl Iterator<Item = &'a str>, all: usize) -> String {
    let mut text = ids.take(NAMED).collect::<Vec<_>>().join(", ");
    if all > NAMED {
        text.push_str(&format!(" and {} more", all - NAMED));
    }
    text
}

/// The ids most like what was asked for: those that contain it, then those that share most of it.
fn nearest<'a>(tests: &'a [Collectable], wanted: &str) -> Vec<&'a str> {
    /// Longer names are not compared letter by letter.
    const LONGEST: usize = 300;
    let lower = wanted.to_lowercase();
    const BORDERS: [char; 3] = ['/', ':', '.'];
    // An id is compared as a whole, and as far from its end as what was asked for goes.
    let parts = lower.split(BORDERS).count();
    let end = |id: &str| -> String {
        let start = id.rmatch_indices(BORDERS).nth(parts - 1);
        start.map_or(id, |(at, _)| &id[at + 1..]).to_owned()
    };
    let ratio = |id: &str| similar::TextDiff::from_chars(id, lower.as_str()).ratio();
    let mut found: Vec<(f32, &str)> = tests
        .iter()
        .filter(|test| test.id.len() <= LONGEST && lower.len() <= LONGEST)
        .filter_map(|test| {
            let id = test.id.to_lowercase();
            let likeness = if !lower.is_empty() && id.contains(&lower) {
                1.0
            } else {
                ratio(&id).max(ratio(&end(&id)))
            };
            (likeness >= ALIKE).then_some((likeness, test.id.as_str()))
        })
        .collect();
    found.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    let best = found.first().map_or(0.0, |(likeness, _)| *likeness);
    found.retain(|(likeness, _)| *likeness >= best * NEARLY);
    found.into_iter().map(|(_, id)| id).take(NAMED).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tests() -> Vec<Collectable> {
        [
            "tests/test_app.py::TestScreen::test_draw",
            "tests/test_app.py::TestMenu::test_draw",
            "tests/test_app.py::test_sizes[1]",
            "tests/test_app.py::test_sizes[2]",
            "tests/test_app.py::test_names[a]",
            "app.tests.TestCase.test_old",
        ]
        .map(|id| Collectable {
            id: id.to_owned(),
            file: String::new(),
        })
        .to_vec()
    }

    #[test]
    fn an_id_and_an_unambiguous_end_of_it_are_found() {
        let tests = tests();
        let found = |wanted: &str| choose(&tests, wanted);
        assert_eq!(found("tests/test_app.py::TestMenu::test_draw"), Ok(1));
        assert_eq!(found("./tests/test_app.py::TestMenu::test_draw"), Ok(1));
        assert_eq!(found("TestMenu::test_draw"), Ok(1));
        assert_eq!(found("TestCase.test_old"), Ok(5));
        assert_eq!(found("test_sizes[2]"), Ok(3));
        assert_eq!(found("test_names"), Ok(4));
    }

    #[test]
    fn what_several_end_in_is_told_with_all_of_them() {
        let error = choose(&tests(), "test_draw").unwrap_err();
        assert_eq!(
            error,
            "2 tests end in `test_draw`: tests/test_app.py::TestScreen::test_draw, tests/test_app.py::TestMenu::test_draw"
        );
        assert!(
            choose(&tests(), "test_sizes")
                .unwrap_err()
                .starts_with("2 tests end in")
        );
        // No end at a border of the name.
        assert!(choose(&tests(), "draw").unwrap_err().contains("closest"));
    }

    #[test]
    fn what_is_unknown_is_told_with_what_is_close() {
        let error = choose(&tests(), "test_drow").unwrap_err();
        assert!(error.contains("TestScreen::test_draw"), "{error}");
        let error = choose(&tests(), "TestManu::test_draw").unwrap_err();
        assert!(
            error.ends_with("the closest: tests/test_app.py::TestMenu::test_draw"),
            "{error}"
        );
        let error = choose(&tests(), "zzzz").unwrap_err();
        assert_eq!(
            error,
            "no test is called `zzzz`, and none of the 6 is like it"
        );
        assert!(
            choose(&[], "a")
                .unwrap_err()
                .contains("no tests were found")
        );
        assert!(choose(&tests(), "").is_err());
    }
}
