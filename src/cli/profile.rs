//! `leakcheck run --profile`: where the time went, on the standard error.

use std::collections::BTreeMap;

use crate::{
    report::{Report, text},
    run::Run,
};

/// Files and tests that are listed.
const LISTED: usize = 15;
/// Characters of a test's id.
const WIDTH: usize = 90;

/// What was spent on a file or a test.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Spent {
    /// Wall seconds, over all processes and looks.
    seconds: f64,
    /// CPU seconds of one plain iteration.
    plain: f64,
    iterations: u32,
}

/// Says it.
pub(super) fn write(run: &Run, report: &Report) {
    for line in lines(run, report) {
        super::complain(format_args!("{line}"));
    }
}

fn lines(run: &Run, report: &Report) -> Vec<String> {
    let all: f64 = { run.phases.ended.iter() }
        .map(|(_, time)| time.as_secs_f64())
        .sum();
    let mut lines = vec![format!(
        "time: {all:.1} s, a plain run takes about {:.1} s of CPU",
        run.plain_cpu
    )];
    let phases = run.phases.ended.iter();
    lines.extend(phases.map(|(name, time)| format!("  {:8.2} s  {name}", time.as_secs_f64())));
    let tests: BTreeMap<&str, Spent> = { run.spent.iter() }
        .map(|(at, seconds)| {
            let result = &report.tests[*at];
            let plain = run.looks[*at].as_ref().map_or(0.0, |look| look.cpu_plain);
            let spent = Spent {
                seconds: *seconds,
                plain,
                iterations: result.iterations,
            };
            (&*result.id, spent)
        })
        .collect();
    let mut files: BTreeMap<&str, Spent> = BTreeMap::new();
    for result in &report.tests {
        let Some(spent) = tests.get(&*result.id) else {
            continue;
        };
        let file = files.entry(&result.file).or_default();
        file.seconds += spent.seconds;
        file.plain += spent.plain;
        file.iterations += spent.iterations;
    }
    lines.extend(table("file", files));
    lines.extend(table("test", tests));
    lines
}

/// Those on which most was spent.
fn table(of: &str, spent: BTreeMap<&str, Spent>) -> Vec<String> {
    let mut rows: Vec<(&str, Spent)> = spent.into_iter().collect();
    rows.sort_by(|(_, a), (_, b)| b.seconds.total_cmp(&a.seconds));
    let more = rows.len().saturating_sub(LISTED);
    rows.truncate(LISTED);
    let mut lines = vec![format!(
        "  seconds   one plain iteration   iterations   {of}"
    )];
    lines.extend(rows.into_iter().map(|(name, spent)| {
        format!(
            "  {:7.2}   {:17.4} s   {:10}   {}",
            spent.seconds,
            spent.plain,
            spent.iterations,
            text::brief(&text::shortened(name, WIDTH))
        )
    }));
    if more > 0 {
        lines.push(format!("  and {more} more"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_took_longest_comes_first_and_what_is_hostile_is_made_safe() {
        let spent = |seconds| Spent {
            seconds,
            plain: 0.001,
            iterations: 4,
        };
        let few = BTreeMap::from([("a", spent(1.0)), ("b\u{1b}[2J", spent(2.5))]);
        let lines = table("test", few);
        assert_eq!(lines.len(), 3);
        assert!(
            lines[1].contains("2.50") && !lines[1].contains('\u{1b}'),
            "{lines:?}"
        );
        assert!(lines[2].ends_with("   a"), "{lines:?}");
        let names: Vec<String> = (0..20).map(|at| at.to_string()).collect();
        let many = names.iter().map(|name| (&**name, spent(1.0))).collect();
        assert_eq!(table("test", many).last().unwrap(), "  and 5 more");
    }
}
