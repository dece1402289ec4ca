//! What the lines of a history tell: which leaks came and went, and how fast they grow. Pure.

use std::collections::BTreeMap;

use super::Line;

/// The runs of one Python, from old to new.
pub struct Story<'a> {
    /// Which Python.
    pub build: &'a str,
    /// Its runs.
    pub runs: Vec<&'a Line>,
    /// What leaked in any of them: what is open first, then what is gone, each the newest first.
    pub lives: Vec<Life<'a>>,
    /// How many leaks are open after each run.
    pub open: Vec<usize>,
    /// The other Pythons, with how many runs they have.
    pub others: BTreeMap<&'a str, usize>,
}

/// One leak from its first run to its last.
pub struct Life<'a> {
    pub id: &'a str,
    pub code: &'a str,
    pub about: &'a str,
    pub place: &'a str,
    pub accepted: bool,
    /// The counter of `rates`.
    pub counter: &'a str,
    /// Its rate in each run, where it was seen there.
    pub rates: Vec<Option<f64>>,
    /// Times at which it was there: the run in which it came, and the one in which it was gone.
    pub spans: Vec<(usize, Option<usize>)>,
}

impl Life<'_> {
    /// Whether it is there still.
    pub fn is_open(&self) -> bool {
        self.spans.last().is_some_and(|(_, gone)| gone.is_none())
    }

    /// When it came the last time.
    pub fn came(&self) -> usize {
        self.spans.last().map_or(0, |(came, _)| *came)
    }

    /// When it went the last time.
    pub fn gone(&self) -> Option<usize> {
        self.spans.last().and_then(|(_, gone)| *gone)
    }

    /// Its last known rate.
    pub fn rate(&self) -> Option<f64> {
        self.rates.iter().rev().find_map(|rate| *rate)
    }
}

/// What a run is called: its commit, or its number.
pub struct Place(String);

impl Place {
    /// That of a line, which is the `at`th.
    pub fn of(line: &Line, at: usize) -> Place {
        let day = line.date.get(..10).unwrap_or_default();
        let commit = line.commit.as_ref().and_then(|id| id.get(..10));
        Place(match (commit, day) {
            (Some(commit), "") => commit.to_owned(),
            (Some(commit), day) => format!("{day} {commit}"),
            (None, "") => format!("run {}", at + 1),
            (None, day) => format!("{day} run {}", at + 1),
        })
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.0)
    }
}

impl<'a> Story<'a> {
    /// That of the runs whose Python has `wanted` in its name, of the last run's Python where nothing is wanted; at most the
    /// last `most`. `None` where there are none.
    pub fn of(lines: &'a [Line], wanted: Option<&str>, most: usize) -> Option<Story<'a>> {
        let fits = |line: &&Line| wanted.is_none_or(|word| line.build.contains(word));
        let build = &*lines.iter().rev().find(fits)?.build;
        let mut others: BTreeMap<&str, usize> = BTreeMap::new();
        for line in lines {
            *others.entry(&line.build).or_default() += 1;
        }
        others.remove(build);
        let mut runs: Vec<&Line> = lines.iter().filter(|line| line.build == build).collect();
        runs.drain(..runs.len().saturating_sub(most));
        let (lives, open) = lives(&runs);
        Some(Story {
            build,
            runs,
            lives,
            open,
            others,
        })
    }

    /// What came in a run that was not there before, and what was gone in it. In the first, nothing comes.
    pub fn changed(&self, at: usize) -> (Vec<&Life<'a>>, Vec<&Life<'a>>) {
        let came = |life: &&Life<'_>| at > 0 && life.spans.iter().any(|(came, _)| *came == at);
        let gone = |life: &&Life<'_>| life.spans.iter().any(|(_, gone)| *gone == Some(at));
        (
            self.lives.iter().filter(came).collect(),
            self.lives.iter().filter(gone).collect(),
        )
    }
}

fn lives<'a>(runs: &[&'a Line]) -> (Vec<Life<'a>>, Vec<usize>) {
    let mut lives: BTreeMap<&str, Life<'a>> = BTreeMap::new();
    let mut open = Vec::with_capacity(runs.len());
    for (at, run) in runs.iter().enumerate() {
        for seen in &run.findings {
            let life = lives.entry(&seen.id).or_insert_with(|| Life {
                id: &seen.id,
                code: &seen.code,
                about: &seen.about,
                place: &seen.place,
                accepted: seen.accepted,
                counter: seen.main.as_deref().unwrap_or_default(),
                rates: vec![None; runs.len()],
                spans: Vec::new(),
            });
            (life.place, life.accepted) = (&seen.place, seen.accepted);
            life.rates[at] = seen.rates.get(life.counter).copied();
            if !life.is_open() {
                life.spans.push((at, None));
            }
        }
        for life in lives.values_mut() {
            // A run of a part, or one that judged too little, does not show that something is gone.
            let is_there = run.findings.iter().any(|seen| seen.id == life.id);
            if let (true, false, Some((_, gone @ None))) =
                (run.complete, is_there, life.spans.last_mut())
            {
                *gone = Some(at);
            }
        }
        open.push(lives.values().filter(|life| life.is_open()).count());
    }
    let mut lives: Vec<Life<'a>> = lives.into_values().collect();
    lives.sort_by_key(|life| {
        std::cmp::Reverse((life.is_open(), life.gone().unwrap_or(life.came())))
    });
    (lives, open)
}

#[cfg(test)]
mod tests {
    use super::super::tests::line;
    use super::*;

    #[test]
    fn leaks_come_go_and_come_again() {
        let lines = [
            line(0, true, &[("a", 1.0)]),
            line(1, true, &[("a", 1.0), ("b", 2.0)]),
            line(2, false, &[]),
            line(3, true, &[("b", 3.0)]),
            line(4, true, &[]),
            line(5, true, &[("b", 9.0)]),
        ];
        let story = Story::of(&lines, None, 99).unwrap();
        assert_eq!(story.open, [1, 2, 2, 1, 0, 1]);
        let ids: Vec<&str> = story.lives.iter().map(|life| life.about).collect();
        assert_eq!(ids, ["depot.b", "depot.a"]);
        assert_eq!(story.lives[0].spans, [(1, Some(4)), (5, None)]);
        assert_eq!(story.lives[1].spans, [(0, Some(3))]);
        assert_eq!(
            story.lives[0].rates,
            [None, Some(2.0), None, Some(3.0), None, Some(9.0)]
        );
        let names = |lives: Vec<&Life<'_>>| -> Vec<String> {
            lives.iter().map(|life| life.about.to_owned()).collect()
        };
        let changed = |at| {
            let (came, gone) = story.changed(at);
            (names(came).join(" "), names(gone).join(" "))
        };
        assert_eq!(changed(0), (String::new(), String::new()));
        assert_eq!(changed(1), ("depot.b".to_owned(), String::new()));
        assert_eq!(changed(2), (String::new(), String::new()));
        assert_eq!(changed(3), (String::new(), "depot.a".to_owned()));
        assert_eq!(changed(5), ("depot.b".to_owned(), String::new()));
    }

    #[test]
    fn runs_of_another_python_are_another_story() {
        let mut lines = vec![line(0, true, &[("a", 1.0)]), line(1, true, &[])];
        lines[0].build = "CPython 3.9.1 linux-x86_64".to_owned();
        let story = Story::of(&lines, None, 99).unwrap();
        assert_eq!((story.runs.len(), story.lives.len()), (1, 0));
        assert_eq!(story.others, [("CPython 3.9.1 linux-x86_64", 1)].into());
        assert_eq!(Story::of(&lines, Some("3.9"), 99).unwrap().lives.len(), 1);
        assert!(Story::of(&lines, Some("3.15"), 99).is_none());
        assert!(Story::of(&[], None, 99).is_none());
    }

    #[test]
    fn only_the_last_are_told_where_that_is_asked_for() {
        let lines: Vec<Line> = (0..50).map(|at| line(at, true, &[])).collect();
        let story = Story::of(&lines, None, 10).unwrap();
        assert_eq!(story.runs.len(), 10);
        assert_eq!(story.runs[9], &lines[49]);
    }
}
