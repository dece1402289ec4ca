//! The terms under which one test is judged: what the marks in the suite and the overrides of the configuration say of it.

use std::{collections::BTreeMap, fmt, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    Choice,
    value::{self, Mismatch, Scalar},
};
use crate::verdict::{Counter, LARGEST_BLOCK};

/// The fields that a mark or an override can have.
pub const FIELDS: [&str; 7] = [
    "skip",
    "allow",
    "reason",
    "warmup",
    "iterations",
    "min_rate",
    "timeout",
];

/// Rates are means; an allowance of 2 is not to fail for the last bit of 2.
const EPSILON: f64 = 1e-9;

/// Growth per iteration, by counter.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Limits(BTreeMap<Counter, f64>);

impl Limits {
    /// What a table such as `{ blocks = 2 }` says.
    pub fn read(table: &[(&str, Scalar<'_>)]) -> Result<Limits, Mismatch> {
        let limits = table
            .iter()
            .map(|(name, value)| {
                let counter = Counter::named(name).ok_or_else(|| {
                    let names = Counter::ALL.map(Counter::name).join(", ");
                    wrong(format!(
                        "`{}` is no counter; there are {names}",
                        super::text::excerpt(name, 40)
                    ))
                })?;
                let rate = match value {
                    Scalar::Whole(whole) => *whole as f64,
                    Scalar::Real(real) => *real,
                    _ => f64::NAN,
                };
                if rate.is_finite() && rate >= 0.0 {
                    Ok((counter, rate))
                } else {
                    Err(wrong(format!("`{name}` must be a number of at least 0")))
                }
            })
            .collect::<Result<BTreeMap<_, _>, _>>()?;
        Ok(Limits(limits))
    }

    /// Whether no counter has a limit.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes over what `other` says.
    pub fn extend(&mut self, other: &Limits) {
        self.0.extend(&other.0);
    }

    /// Whether all of `growth` is at most at its limit. Nothing known to grow is within no limit.
    pub fn cover(&self, growth: &BTreeMap<Counter, f64>) -> bool {
        self.holds(growth, |rate, limit| rate <= limit + EPSILON)
    }

    /// Whether all of `growth` is below its limit.
    pub fn exceed(&self, growth: &BTreeMap<Counter, f64>) -> bool {
        self.holds(growth, |rate, limit| rate < limit - EPSILON)
    }

    fn holds(&self, growth: &BTreeMap<Counter, f64>, within: fn(f64, f64) -> bool) -> bool {
        !growth.is_empty()
            && growth
                .iter()
                .all(|(counter, rate)| self.of(*counter).is_some_and(|limit| within(*rate, limit)))
    }

    /// The limit of a counter. One block is at most one object, one item of a container and 512 bytes, so that a
    /// limit for blocks, which is what people know, need not be written four times.
    fn of(&self, counter: Counter) -> Option<f64> {
        self.0.get(&counter).copied().or_else(|| {
            let blocks = self.0.get(&Counter::Blocks)?;
            match counter {
                Counter::Objects | Counter::Items => Some(*blocks),
                Counter::Heap => Some(blocks * LARGEST_BLOCK),
                _ => None,
            }
        })
    }
}

/// `blocks 2, heap 100`.
impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (counter, rate)) in self.0.iter().enumerate() {
            let comma = if at > 0 { ", " } else { "" };
            write!(f, "{comma}{} {rate}", counter.name())?;
        }
        Ok(())
    }
}

/// The terms under which one test is judged. What is not set is as for every other test.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    /// Why it is not to be run.
    pub skip: Option<String>,
    /// Growth that does not fail, and why it need not.
    pub allow: Option<(Limits, String)>,
    /// Iterations that are not judged.
    pub warmup: Option<u32>,
    /// Judged iterations in the screen.
    pub iterations: Option<Choice<u32>>,
    /// Growth below which nothing fails.
    pub min_rate: Limits,
    /// Longest time for one iteration.
    pub timeout: Option<Duration>,
}

impl Terms {
    /// Takes over what `closer` terms say.
    pub fn apply(&mut self, closer: &Terms) {
        fn set<T: Clone>(term: &mut Option<T>, closer: &Option<T>) {
            if closer.is_some() {
                term.clone_from(closer);
            }
        }
        set(&mut self.skip, &closer.skip);
        set(&mut self.allow, &closer.allow);
        set(&mut self.warmup, &closer.warmup);
        set(&mut self.iterations, &closer.iterations);
        self.min_rate.extend(&closer.min_rate);
        set(&mut self.timeout, &closer.timeout);
    }
}

/// A value as a mark or a file gives it.
#[derive(Debug, Clone, PartialEq)]
pub enum Given<'a> {
    /// Anything but a table.
    One(Scalar<'a>),
    /// A table of plain values.
    Table(Vec<(&'a str, Scalar<'a>)>),
}

/// Terms while they are read, field by field.
#[derive(Debug, Default)]
pub struct Draft {
    terms: Terms,
    skip: bool,
    allow: Option<Limits>,
    reason: Option<String>,
    fields: usize,
}

impl Draft {
    /// Reads one of [`FIELDS`].
    pub fn set(&mut self, field: &str, given: &Given<'_>) -> Result<(), Mismatch> {
        let scalar = match given {
            Given::One(scalar) => *scalar,
            Given::Table(_) => Scalar::Other,
        };
        self.fields += 1;
        match field {
            "skip" => {
                self.skip = true;
                match scalar {
                    // The reason stands beside it.
                    Scalar::Flag(true) => {}
                    scalar => self.terms.skip = Some(reason(scalar, REASON_TO_SKIP)?),
                }
            }
            "allow" => self.allow = Some(limits(given)?),
            "reason" => {
                self.reason = Some(reason(scalar, "a reason in words")?);
                self.fields -= 1;
            }
            "warmup" => self.terms.warmup = Some(value::warmup(scalar)?),
            "iterations" => self.terms.iterations = Some(value::iterations(scalar)?),
            "min_rate" => self.terms.min_rate = limits(given)?,
            "timeout" => self.terms.timeout = value::duration(scalar)?.given().copied(),
            _ => return Err(wrong(format!("`{field}` is no field"))),
        }
        Ok(())
    }

    /// The terms, if they are complete; else what is wrong with them as a whole.
    pub fn finish(self) -> Result<Terms, &'static str> {
        let Draft {
            mut terms,
            skip,
            allow,
            reason,
            fields,
        } = self;
        if fields == 0 {
            return Err("says nothing of how the tests are to be judged");
        }
        if skip && terms.skip.is_none() {
            terms.skip = Some(
                reason
                    .clone()
                    .ok_or("`skip` needs a reason: skip = \"why\"")?,
            );
        }
        if let Some(limits) = allow {
            let reason = reason.ok_or("`allow` needs a reason: reason = \"why\"")?;
            terms.allow = Some((limits, reason));
        }
        Ok(terms)
    }
}

const REASON_TO_SKIP: &str = "the reason in words, or true with a `reason` beside it";

fn reason(scalar: Scalar<'_>, expected: &'static str) -> Result<String, Mismatch> {
    match scalar {
        Scalar::Text(text) if !text.trim().is_empty() => Ok(text.trim().to_owned()),
        _ => Err(Mismatch {
            expected,
            detail: None,
        }),
    }
}

/// What tables of growth look like.
const LIMITS: &str = "growth per iteration by counter, such as { blocks = 2 }";

fn limits(given: &Given<'_>) -> Result<Limits, Mismatch> {
    match given {
        Given::Table(table) if !table.is_empty() => Limits::read(table),
        _ => Err(Mismatch {
            expected: LIMITS,
            detail: None,
        }),
    }
}

fn wrong(detail: String) -> Mismatch {
    Mismatch {
        expected: LIMITS,
        detail: Some(detail),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(table: &[(&str, f64)]) -> Limits {
        let table: Vec<_> = table
            .iter()
            .map(|(name, rate)| (*name, Scalar::Real(*rate)))
            .collect();
        Limits::read(&table).unwrap()
    }

    fn growth(table: &[(Counter, f64)]) -> BTreeMap<Counter, f64> {
        table.iter().copied().collect()
    }

    #[test]
    fn a_block_brings_an_object_and_its_bytes_and_nothing_else() {
        use Counter::*;
        let two = limits(&[("blocks", 2.0)]);
        let table: [(&[(Counter, f64)], bool); 8] = [
            (&[(Blocks, 2.0)], true),
            (&[(Blocks, 2.0), (Objects, 2.0), (Heap, 1024.0)], true),
            (&[(Blocks, 2.1)], false),
            (&[(Blocks, 1.0), (Objects, 3.0)], false),
            (&[(Blocks, 1.0), (Heap, 1025.0)], false),
            (&[(Blocks, 1.0), (Fds, 1.0)], false),
            (&[(Threads, 1.0)], false),
            (&[], false),
        ];
        for (grown, within) in table {
            assert_eq!(two.cover(&growth(grown)), within, "{grown:?}");
        }
        let explicit = limits(&[("blocks", 2.0), ("heap", 8.0), ("fds", 1.0)]);
        assert!(explicit.cover(&growth(&[(Blocks, 1.0), (Heap, 8.0), (Fds, 1.0)])));
        assert!(!explicit.cover(&growth(&[(Blocks, 1.0), (Heap, 9.0)])));
    }

    #[test]
    fn an_allowance_includes_its_limit_and_a_threshold_does_not() {
        let one = limits(&[("blocks", 1.0)]);
        assert!(one.cover(&growth(&[(Counter::Blocks, 1.0)])));
        assert!(!one.exceed(&growth(&[(Counter::Blocks, 1.0)])));
        assert!(one.exceed(&growth(&[(Counter::Blocks, 0.25)])));
        assert!(!Limits::default().exceed(&growth(&[(Counter::Blocks, 0.25)])));
    }

    #[test]
    fn closer_terms_win_field_by_field() {
        let mut terms = Terms {
            skip: Some("wide".to_owned()),
            warmup: Some(5),
            min_rate: limits(&[("blocks", 1.0), ("heap", 100.0)]),
            ..Terms::default()
        };
        terms.apply(&Terms {
            skip: Some("close".to_owned()),
            min_rate: limits(&[("blocks", 3.0)]),
            ..Terms::default()
        });
        assert_eq!(terms.skip.as_deref(), Some("close"));
        assert_eq!(terms.warmup, Some(5));
        assert_eq!(terms.min_rate.to_string(), "blocks 3, heap 100");
    }

    /// What reading these fields says.
    fn draft(fields: &[(&str, Given<'_>)]) -> Result<Terms, String> {
        let mut draft = Draft::default();
        for (field, given) in fields {
            draft
                .set(field, given)
                .map_err(|mismatch| mismatch.to_string())?;
        }
        draft.finish().map_err(str::to_owned)
    }

    #[test]
    fn a_skip_or_an_allowance_without_a_reason_is_refused() {
        let one = |scalar| Given::One(scalar);
        let two = || Given::Table(vec![("blocks", Scalar::Whole(2))]);
        let text = |text| one(Scalar::Text(text));
        assert_eq!(
            draft(&[("skip", text("it costs"))])
                .unwrap()
                .skip
                .as_deref(),
            Some("it costs")
        );
        let both = draft(&[
            ("skip", one(Scalar::Flag(true))),
            ("reason", text("it costs")),
        ]);
        assert_eq!(both.unwrap().skip.as_deref(), Some("it costs"));
        let allowed = draft(&[("reason", text("old")), ("allow", two())]).unwrap();
        assert_eq!(
            allowed.allow,
            Some((limits(&[("blocks", 2.0)]), "old".to_owned()))
        );
        let refused: [(&[(&str, Given<'_>)], &str); 8] = [
            (
                &[("skip", one(Scalar::Flag(true)))],
                "`skip` needs a reason",
            ),
            (&[("skip", one(Scalar::Flag(false)))], "the reason in words"),
            (&[("skip", text("  "))], "the reason in words"),
            (&[("allow", two())], "`allow` needs a reason"),
            (
                &[("allow", two()), ("reason", text(""))],
                "a reason in words",
            ),
            (
                &[("allow", one(Scalar::Whole(2))), ("reason", text("x"))],
                "growth per iteration",
            ),
            (
                &[
                    ("allow", Given::Table(vec![("block", Scalar::Whole(2))])),
                    ("reason", text("x")),
                ],
                "`block` is no counter; there are blocks, objects,",
            ),
            (&[("reason", text("alone"))], "says nothing"),
        ];
        for (fields, expected) in refused {
            let error = draft(fields).expect_err(expected);
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_limit_is_a_number_that_is_not_negative() {
        for value in [
            Scalar::Real(f64::NAN),
            Scalar::Real(f64::INFINITY),
            Scalar::Whole(-1),
            Scalar::Text("2"),
            Scalar::Flag(true),
        ] {
            let error = Limits::read(&[("blocks", value)]).expect_err("refused");
            assert!(error.to_string().contains("at least 0"), "{error}");
        }
    }
}
