//! `--shard`: which part of the suite runs here, as the user says or as the CI system's variables do.

use std::env;

use crate::{config::Choice, report::Shard, run::shard::MOST};

/// Variables in which a CI system tells each of several equal jobs its number and how many there are.
struct Variables {
    index: &'static str,
    total: &'static str,
    /// The number of the first job.
    first: usize,
}

const KNOWN: [Variables; 6] = [
    // GitLab, and others that took the names over.
    Variables {
        index: "CI_NODE_INDEX",
        total: "CI_NODE_TOTAL",
        first: 1,
    },
    Variables {
        index: "CIRCLE_NODE_INDEX",
        total: "CIRCLE_NODE_TOTAL",
        first: 0,
    },
    Variables {
        index: "BUILDKITE_PARALLEL_JOB",
        total: "BUILDKITE_PARALLEL_JOB_COUNT",
        first: 0,
    },
    Variables {
        index: "SEMAPHORE_JOB_INDEX",
        total: "SEMAPHORE_JOB_COUNT",
        first: 1,
    },
    // Azure Pipelines.
    Variables {
        index: "SYSTEM_JOBPOSITIONINPHASE",
        total: "SYSTEM_TOTALJOBSINPHASE",
        first: 1,
    },
    Variables {
        index: "BITBUCKET_PARALLEL_STEP",
        total: "BITBUCKET_PARALLEL_STEP_COUNT",
        first: 0,
    },
];

/// Reads the option's value.
pub fn parse(argument: &str) -> Result<Choice<(usize, usize)>, String> {
    if argument == "auto" {
        return Ok(Choice::Auto);
    }
    argument
        .split_once('/')
        .and_then(|(index, total)| Some((number(index)?, number(total)?)))
        .filter(|(index, total)| (1..=*total).contains(index) && *total <= MOST)
        .map(Choice::Given)
        .ok_or_else(|| {
            format!("must be the shard and how many there are, such as 2/8, from 1/1 to {MOST}/{MOST}, or auto")
        })
}

/// Digits and nothing else.
fn number(text: &str) -> Option<usize> {
    text.chars()
        .all(|c| c.is_ascii_digit())
        .then(|| text.parse().ok())?
}

/// The shard and how many there are.
pub fn resolve(asked: Choice<(usize, usize)>) -> Result<(usize, usize), String> {
    match asked {
        Choice::Given(shard) => Ok(shard),
        Choice::Auto => of_variables(&|name| env::var(name).ok().filter(|value| !value.is_empty())),
    }
}

fn of_variables(variable: &dyn Fn(&str) -> Option<String>) -> Result<(usize, usize), String> {
    for known in &KNOWN {
        let Some(total) = variable(known.total) else {
            continue;
        };
        let index = match variable(known.index) {
            Some(index) => index,
            // A job of its own has no number.
            None if total == "1" => known.first.to_string(),
            None => {
                return Err(format!(
                    "--shard auto: {} is {total:?} and {} is not set",
                    known.total, known.index
                ));
            }
        };
        let shard = number(&index)
            .zip(number(&total))
            .and_then(|(index, total)| {
                let index = (index + 1).checked_sub(known.first)?;
                ((1..=total).contains(&index) && total <= MOST).then_some((index, total))
            });
        return shard.ok_or_else(|| {
            format!(
                "--shard auto: {}={index:?} and {}={total:?} name no shard; the first is {}",
                known.index, known.total, known.first
            )
        });
    }
    let names: Vec<&str> = KNOWN.iter().map(|known| known.total).collect();
    Err(format!(
        "--shard auto: none of {} is set; say --shard I/N",
        names.join(", ")
    ))
}

/// What to do with the report of a shard.
pub fn advice(shard: &Shard, tests: usize) -> String {
    let files = shard.files.len();
    let empty = match tests {
        0 => format!(
            "there are more shards than files with tests ({files}), and this one has none; "
        ),
        _ => String::new(),
    };
    format!(
        "{empty}`leakcheck merge` joins the JSON reports of all {} shards into one verdict",
        shard.total
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_is_one_of_those_that_there_are() {
        assert_eq!(parse("2/8"), Ok(Choice::Given((2, 8))));
        assert_eq!(parse("1/1"), Ok(Choice::Given((1, 1))));
        assert_eq!(parse("auto"), Ok(Choice::Auto));
        for wrong in [
            "",
            "2",
            "/",
            "0/8",
            "9/8",
            "-1/8",
            "+1/8",
            "1/0",
            "1/8/2",
            " 1/8",
            "a/b",
            "1/20000",
            "1/99999999999999999999999",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_ci_system_counts_from_its_own_first_number() {
        let of = |set: &[(&str, &str)]| {
            of_variables(&|name| {
                let found = set.iter().find(|(key, _)| *key == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        for (index, total, first) in [
            ("CI_NODE_INDEX", "CI_NODE_TOTAL", 1),
            ("CIRCLE_NODE_INDEX", "CIRCLE_NODE_TOTAL", 0),
            ("BUILDKITE_PARALLEL_JOB", "BUILDKITE_PARALLEL_JOB_COUNT", 0),
            ("SEMAPHORE_JOB_INDEX", "SEMAPHORE_JOB_COUNT", 1),
            ("SYSTEM_JOBPOSITIONINPHASE", "SYSTEM_TOTALJOBSINPHASE", 1),
            (
                "BITBUCKET_PARALLEL_STEP",
                "BITBUCKET_PARALLEL_STEP_COUNT",
                0,
            ),
        ] {
            let at = |number: usize| of(&[(index, &number.to_string()), (total, "4")]);
            assert_eq!(at(first), Ok((1, 4)), "{index}");
            assert_eq!(at(first + 3), Ok((4, 4)), "{index}");
            assert!(at(first + 4).unwrap_err().contains(total), "{index}");
            if let Some(before) = first.checked_sub(1) {
                assert!(at(before).unwrap_err().contains(index), "{index}");
            }
        }
        assert_eq!(of(&[("CI_NODE_TOTAL", "1")]), Ok((1, 1)));
        assert!(
            of(&[("CI_NODE_TOTAL", "3")])
                .unwrap_err()
                .contains("not set")
        );
        assert!(of(&[("CI_NODE_TOTAL", "x"), ("CI_NODE_INDEX", "\u{1b}[2J")]).is_err());
        assert!(of(&[]).unwrap_err().contains("--shard I/N"));
    }
}
