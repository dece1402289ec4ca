//! An override: terms for the tests whose ids match a pattern.

use regex::{RegexSet, RegexSetBuilder};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::given::{self, Fault};
use super::terms::{Draft, FIELDS, Terms};
use super::value::Mismatch;
use super::{Place, text};

/// Most bytes of one compiled set of patterns; beyond, it is a mistake or an attack.
const LARGEST: usize = 1 << 20;

/// Terms for some tests.
#[derive(Debug, Clone)]
pub struct Rule {
    /// As written.
    pub patterns: Vec<String>,
    /// What holds for the tests.
    pub terms: Terms,
    /// Where it stands.
    pub place: Place,
    matcher: RegexSet,
}

impl PartialEq for Rule {
    fn eq(&self, other: &Rule) -> bool {
        // The matcher is made of the patterns.
        self.patterns == other.patterns && self.terms == other.terms && self.place == other.place
    }
}

impl Rule {
    /// A rule for `patterns`: `*` stands for any text and `?` for one character of a test's id, all else for itself, brackets
    /// included, since parametrised tests have them in their names.
    pub fn new(patterns: Vec<String>, terms: Terms, place: Place) -> Result<Rule, Mismatch> {
        let expressions = patterns.iter().map(|pattern| {
            let literal = regex::escape(pattern);
            format!("^{}$", literal.replace("\\*", ".*").replace("\\?", "."))
        });
        let matcher = RegexSetBuilder::new(expressions)
            .dot_matches_new_line(true)
            .size_limit(LARGEST)
            .build()
            .map_err(|_| Mismatch {
                expected: "shorter patterns",
                detail: None,
            })?;
        Ok(Rule {
            patterns,
            terms,
            place,
            matcher,
        })
    }

    /// Whether it is for the test with this id.
    pub fn is_for(&self, id: &str) -> bool {
        self.matcher.is_match(id)
    }
}

/// Reads the list of overrides.
pub(super) fn read(value: &Spanned<DeValue<'_>>, content: &str) -> Result<Vec<Rule>, Fault> {
    let fault = |span, message: &str| Fault {
        span,
        message: message.to_owned(),
    };
    let whole = "`override`: expected tables that begin with [[override]] ([[tool.leakcheck.override]] in pyproject.toml)";
    let Some(tables) = value.get_ref().as_array() else {
        return Err(fault(value.span(), whole));
    };
    tables
        .iter()
        .map(|table| match table.get_ref() {
            DeValue::Table(fields) => rule(fields, table, content),
            _ => Err(fault(table.span(), whole)),
        })
        .collect()
}

fn rule(fields: &DeTable<'_>, table: &Spanned<DeValue<'_>>, content: &str) -> Result<Rule, Fault> {
    let mut draft = Draft::default();
    let mut tests = None;
    for (key, value) in fields {
        let name = key.get_ref().as_ref();
        let read = if name == "tests" {
            given::list(value.get_ref()).and_then(|patterns| {
                if patterns.is_empty() {
                    return Err(Mismatch {
                        expected: "at least one pattern",
                        detail: None,
                    });
                }
                tests = Some(patterns);
                Ok(())
            })
        } else if FIELDS.contains(&name) {
            draft.set(name, &given::given(value.get_ref()))
        } else {
            return Err(Fault {
                span: key.span(),
                message: format!(
                    "unknown key `{}` in an override; there are tests, {}",
                    text::excerpt(name, 60),
                    FIELDS.join(", ")
                ),
            });
        };
        read.map_err(|mismatch| Fault {
            span: value.span(),
            message: given::misfit(name, value, content, &mismatch),
        })?;
    }
    let at_table = |message: String| Fault {
        span: table.span(),
        message,
    };
    let patterns = tests.ok_or_else(|| {
        at_table("an override needs `tests`, a list of patterns of test ids".to_owned())
    })?;
    let terms = draft
        .finish()
        .map_err(|wrong| at_table(format!("this override: {wrong}")))?;
    // The file is filled in by who knows it.
    let place = Place::at(std::path::PathBuf::new(), content, table.span().start);
    Rule::new(patterns, terms, place).map_err(|mismatch| at_table(format!("`tests`: {mismatch}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(content: &str) -> Result<Vec<Rule>, Fault> {
        let table = DeTable::parse(content).expect("the test's TOML is well formed");
        read(&table.get_ref()["override"], content)
    }

    #[test]
    fn patterns_are_globs_over_whole_ids() {
        let rule = |pattern: &str| {
            let place = Place::at("f".into(), "", 0);
            Rule::new(vec![pattern.to_owned()], Terms::default(), place).unwrap()
        };
        let table = [
            ("tests/test_a.py::test_x", "tests/test_a.py::test_x", true),
            ("tests/test_a.py::test_x", "tests/test_a.py::test_xy", false),
            ("tests/test_a.py", "tests/test_a.py::test_x", false),
            ("tests/*", "tests/deep/test_a.py::T::test_x[a/b]", true),
            ("*::test_x[1-*]", "a.py::test_x[1-two\nlines]", true),
            ("*::test_x[1-*]", "a.py::test_x1", false),
            ("pkg.tests.T?.test_x", "pkg.tests.T1.test_x", true),
            ("pkg.tests.T?.test_x", "pkg-tests.T1.test_x", false),
            ("*.test_ü", "a.test_ü", true),
            ("a+(b)", "a+(b)", true),
        ];
        for (pattern, id, matches) in table {
            assert_eq!(rule(pattern).is_for(id), matches, "{pattern} {id}");
        }
    }

    #[test]
    fn an_override_knows_its_line_and_its_terms() {
        let rules = parse(
            "jobs = 1\n\n[[override]]\ntests = [\"a*\", \"b\"]\nskip = \"it costs\"\n\n[[override]]\ntests = [\"c\"]\n\
             allow = { blocks = 2 }\nreason = \"old\"\nwarmup = 3\niterations = 9\ntimeout = \"5s\"\nmin_rate = { heap = 9.5 }\n",
        )
        .unwrap();
        assert_eq!(rules[0].place.line, 3);
        assert!(rules[0].is_for("abc") && rules[0].is_for("b") && !rules[0].is_for("bc"));
        assert_eq!(rules[0].terms.skip.as_deref(), Some("it costs"));
        let terms = &rules[1].terms;
        assert_eq!(rules[1].place.line, 7);
        let (limits, reason) = terms.allow.as_ref().unwrap();
        assert_eq!(
            (limits.to_string().as_str(), reason.as_str()),
            ("blocks 2", "old")
        );
        assert_eq!(terms.warmup, Some(3));
        assert_eq!(terms.iterations, Some(crate::config::Choice::Given(9)));
        assert_eq!(terms.timeout, Some(std::time::Duration::from_secs(5)));
        assert_eq!(terms.min_rate.to_string(), "heap 9.5");
    }

    #[test]
    fn what_is_wrong_is_pointed_at() {
        let table = [
            ("override = 1", "1", "expected tables"),
            ("override = [1]", "1", "expected tables"),
            (
                "[override]\ntests = [\"a\"]",
                "[override]",
                "expected tables",
            ),
            (
                "[[override]]\nskip = \"x\"",
                "[[override]]",
                "needs `tests`",
            ),
            (
                "[[override]]\ntests = []\nskip = \"x\"",
                "[]",
                "at least one pattern",
            ),
            (
                "[[override]]\ntests = \"a\"",
                "\"a\"",
                "`tests`: expected a list",
            ),
            (
                "[[override]]\ntests = [\"a\"]",
                "[[override]]",
                "says nothing",
            ),
            (
                "[[override]]\ntests = [\"a\"]\nskip = true",
                "[[override]]",
                "`skip` needs a reason",
            ),
            (
                "[[override]]\ntests = [\"a\"]\nskip = \"\"",
                "\"\"",
                "`skip`: expected the reason in words",
            ),
            (
                "[[override]]\ntests = [\"a\"]\nallow = { blocks = 1 }",
                "[[override]]",
                "`allow` needs a reason",
            ),
            (
                "[[override]]\ntests = [\"a\"]\nallow = { blok = 1 }",
                "{ blok = 1 }",
                "`blok` is no counter; there are blocks",
            ),
            (
                "[[override]]\ntests = [\"a\"]\nwarmup = 0",
                "0",
                "`warmup`: expected a whole number",
            ),
            (
                "[[override]]\ntests = [\"a\"]\nskipp = \"x\"",
                "skipp",
                "unknown key `skipp` in an override",
            ),
        ];
        for (content, at, expected) in table {
            let fault = parse(content).expect_err(content);
            assert!(
                fault.message.contains(expected),
                "{content}: {}",
                fault.message
            );
            assert_eq!(&content[fault.span], at, "{content}");
        }
    }
}
