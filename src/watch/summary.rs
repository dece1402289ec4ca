//! What there is to show of a watch: a row for each sum, and for what makes it up and moves.

use std::collections::BTreeMap;

use super::{
    look::ROOT,
    measure::{Measure, Sum},
    series::Series,
    words::{Trend, Word, trend},
};

/// Parts of a sum that are shown: those that have gained most.
const PARTS: usize = 8;

/// Why a watch is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The time that it was given.
    Time,
    /// The user's wish.
    Asked,
    /// The process's end, and how it ended.
    Process(String),
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Note {
    /// Seconds after the beginning.
    pub at: f64,
    /// What.
    pub text: String,
}

/// One series, and what is said of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Of which kind of process: an index of `Summary::groups`.
    pub group: usize,
    /// What was measured.
    pub measure: Measure,
    /// One for each look.
    pub readings: Vec<i64>,
    /// Seconds from one to the next.
    pub period: f64,
    /// What they say.
    pub trend: Trend,
}

impl Row {
    /// The last reading.
    pub fn now(&self) -> i64 {
        self.readings.last().copied().unwrap_or(0)
    }

    /// How far it has come since the first one.
    pub fn change(&self) -> i64 {
        let first = self.readings.first().copied().unwrap_or(0);
        self.now().saturating_sub(first)
    }
}

/// All of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// The process.
    pub pid: i32,
    /// What it runs.
    pub command: String,
    /// The version of its Python, where objects could be counted.
    pub python: Option<&'static str>,
    /// How long it was watched.
    pub seconds: f64,
    /// How often it was to be looked at.
    pub every: f64,
    /// How often it was looked at, as far as looks are kept.
    pub looks: usize,
    /// The process itself, and each kind of process below it.
    pub groups: Vec<String>,
    /// By kind of process, in the order of measures.
    pub rows: Vec<Row>,
    /// What happened.
    pub notes: Vec<Note>,
    /// Why it is over; `None` while it is not.
    pub end: Option<End>,
}

impl Summary {
    /// What certainly grows.
    pub fn growing(&self) -> impl Iterator<Item = &Row> {
        { self.rows.iter() }.filter(|row| row.trend.word == Word::Rises)
    }

    /// The same without sums of which growing parts are most.
    pub fn named(&self) -> Vec<&Row> {
        let growing: Vec<&Row> = self.growing().collect();
        let is_explained = |row: &Row| {
            let parts: f64 = { growing.iter() }
                .filter(|part| part.group == row.group && part.measure.is_part_of(&row.measure))
                .map(|part| part.trend.rate)
                .sum();
            2.0 * parts > row.trend.rate
        };
        let mut named: Vec<&Row> = { growing.iter() }
            .copied()
            .filter(|row| !is_explained(row))
            .collect();
        // Whose own a type is says more than that it has lists.
        let is_builtin =
            |row: &&Row| matches!(&row.measure, Measure::Type(name) if !name.contains('.'));
        named.sort_by_key(is_builtin);
        named
    }

    /// Whether enough was seen to say that nothing grows.
    pub fn is_evidence(&self) -> bool {
        let own = |row: &&Row| row.group == ROOT && row.measure == Measure::Memory;
        { self.rows.iter().find(own) }.is_some_and(|row| row.trend.word != Word::Early)
    }

    /// Seconds until every word that is still to come may have come; 0 where all are said.
    pub fn needs(&self) -> f64 {
        { self.rows.iter() }
            .map(|row| row.trend.needs)
            .fold(0.0, f64::max)
    }
}

/// What makes up a sum, and how much of it has come.
struct Part<'a> {
    gained: i64,
    measure: &'a Measure,
    readings: &'a [i64],
    period: f64,
}

/// A row for each sum, and below it one for each part that moves: what gained most first.
pub(super) fn rows(of: &[&Series], every: f64) -> Vec<Row> {
    let mut parts: BTreeMap<(usize, Sum), Vec<Part<'_>>> = BTreeMap::new();
    let mut rows = Vec::new();
    for series in of {
        // Of one look alone nothing is known but what was asked for.
        let period = if series.looks() > 1 {
            series.period()
        } else {
            every
        };
        for (group, measure, readings) in series.tracks() {
            if measure.part().is_empty() {
                rows.push(row(group, measure, readings, period));
                continue;
            }
            let gained = gained(readings);
            if gained > 0 {
                parts.entry((group, measure.sum())).or_default().push(Part {
                    gained,
                    measure,
                    readings,
                    period,
                });
            }
        }
    }
    for ((group, _), mut of) in parts {
        // Those that gained as much in the order in which they are kept.
        of.sort_by_key(|part| std::cmp::Reverse(part.gained));
        let shown = { of.into_iter().take(PARTS) }
            .map(|part| row(group, part.measure, part.readings, part.period))
            .filter(|row| row.trend.word != Word::Rests);
        rows.extend(shown);
    }
    // Those of a sum stay in their order.
    rows.sort_by_key(|row| (row.group, row.measure.sum()));
    rows
}

fn row(group: usize, measure: &Measure, readings: &[i64], period: f64) -> Row {
    Row {
        group,
        measure: measure.clone(),
        readings: readings.to_vec(),
        period,
        trend: trend(readings, period),
    }
}

/// How much higher a series ends than it begins, by the middle of some readings each: what comes and goes is nothing.
fn gained(readings: &[i64]) -> i64 {
    let count = (readings.len() / 4).clamp(1, 15).min(readings.len());
    let middle = |part: &[i64]| {
        let mut part = part.to_vec();
        part.sort_unstable();
        part.get(part.len() / 2).copied().unwrap_or(0)
    };
    let (first, last) = (&readings[..count], &readings[readings.len() - count..]);
    middle(last).saturating_sub(middle(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(looks: i64, of: &[(Measure, &dyn Fn(i64) -> i64)]) -> Summary {
        let mut series = Series::default();
        for at in 0..looks {
            let values = of
                .iter()
                .map(|(measure, level)| ((ROOT, measure.clone()), level(at)));
            series.add(at as f64 * 2.0, values.collect());
        }
        Summary {
            pid: 7,
            command: "app".into(),
            python: None,
            seconds: 60.0,
            every: 2.0,
            looks: series.looks(),
            groups: vec!["app".into()],
            rows: rows(&[&series], 2.0),
            notes: Vec::new(),
            end: None,
        }
    }

    #[test]
    fn sums_are_always_shown_and_parts_where_they_move() {
        let open = |what: &str| Measure::Open("file".into(), what.into());
        let found = summary(
            30,
            &[
                (Measure::Memory, &|_| 4096),
                (Measure::Descriptors, &|at| 10 + at),
                (open("/srv/leaks"), &|at| at),
                (open("/srv/rests"), &|_| 10),
                (open("/srv/comes"), &|at| at % 3),
            ],
        );
        let shown: Vec<&Measure> = found.rows.iter().map(|row| &row.measure).collect();
        let expected = [&Measure::Memory, &Measure::Descriptors, &open("/srv/leaks")];
        assert_eq!(shown, expected);
        assert_eq!(found.growing().count(), 2);
        assert_eq!(found.named(), [&found.rows[2]]);
        assert!(found.is_evidence());
        assert_eq!(found.rows[1].change(), 29);
    }

    #[test]
    fn too_few_looks_are_no_evidence() {
        let found = summary(14, &[(Measure::Memory, &|at| at)]);
        assert!(!found.is_evidence() && found.growing().next().is_none());
        assert_eq!(found.needs(), 2.0);
        assert!(!summary(0, &[]).is_evidence());
    }
}
