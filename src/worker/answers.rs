//! Whether an answer fits the order: no more iterations than were ordered, no more readings than these make, and no figure
//! that no process of this world has. What is made of it counts on that.

use super::{
    orders::{self, Order},
    protocol::{self, Record},
};
use crate::{
    heap::graph::Dump,
    investigate::{rules::RULES, trial::Levels},
    verdict::Series,
};

/// Largest figure of a reading: 32 TB, or as many objects. Differences and sums of those are figures still.
const LARGEST: i64 = 1 << 45;
/// Readings of an order beside those of its iterations: when the window opens, and around the warm-up.
const BESIDE: u64 = 3;
/// Iterations that are followed line by line.
const FOLLOWED: u64 = 8;
/// C frames of a stack.
const FRAMES: u64 = 64;

impl Order {
    /// Most iterations that it may take to answer it.
    pub(crate) fn iterations(&self) -> u64 {
        match self {
            Order::Run(run) => u64::from(run.warmup) + u64::from(run.iterations),
            Order::SelfCheck(check) => u64::from(check.warmup) + u64::from(check.iterations),
            Order::Trace(trace) => u64::from(trace.settling) + u64::from(trace.iterations),
            Order::Grown(orders::Grown { iterations })
            | Order::References(orders::References { iterations, .. })
            | Order::Unclosed(orders::Unclosed { iterations, .. })
            | Order::Survivors(orders::Survivors { iterations, .. }) => u64::from(*iterations),
            Order::Count(count) => u64::from(count.first) + u64::from(count.then),
            Order::Dump(dump) => u64::from(dump.iterations) + 1,
            Order::Inside(inside) => u64::from(inside.iterations) + 1,
            Order::Calls(calls) => u64::from(calls.iterations) + 2,
            Order::Replay(replay) => u64::from(replay.each) * u64::from(replay.times),
            Order::Fill(fill) => u64::from(fill.warmup) + u64::from(fill.iterations),
            Order::Gain(gain) => u64::from(gain.iterations),
            Order::Beside(_) => 1,
            Order::Lower(lower) => u64::from(lower.iterations),
            Order::Hold(hold) => {
                u64::from(hold.through) + u64::from(hold.warmup) + u64::from(hold.iterations)
            }
            Order::Follow(_) => FOLLOWED,
            Order::Garbage(_) => 1,
            // No test runs between its readings.
            Order::Still(still) => u64::from(still.readings),
            Order::Free(_)
            | Order::Name(_)
            | Order::Describe(_)
            | Order::Population(_)
            | Order::End(_) => 0,
        }
    }
}

/// Fails with what is wrong with `record` as the answer to `order`.
pub fn check(order: &Order, record: &Record) -> Result<(), String> {
    let most = order.iterations();
    match (order, record) {
        (Order::Run(_) | Order::SelfCheck(_) | Order::Replay(_), Record::Ran(ran)) => {
            few("iterations", u64::from(ran.iterations), most)?;
            times(&[ran.seconds, ran.cpu_warm, ran.cpu])?;
            series(&ran.series, most)?;
            if let Some(opened) = ran.opened {
                few("readings", opened as u64, most + BESIDE)?;
            }
            Ok(())
        }
        (Order::Still(_), Record::Still(still)) => series(&still.series, most),
        (Order::Fill(_), Record::Filled(filling)) => times(&[filling.cpu]),
        (Order::Gain(order), Record::Gained(gained)) => {
            times(&[gained.cpu])?;
            few(
                "containers",
                gained.containers.len() as u64,
                order.most as u64,
            )?;
            numbers(gained.containers.iter().map(|(.., gain)| gain))?;
            levels(&gained.now)
        }
        (Order::Beside(order), Record::Beside(beside)) => {
            times(&[beside.cpu, beside.seconds])?;
            few(
                "walks",
                u64::from(beside.walks),
                u64::from(order.reach.walks),
            )?;
            numbers(beside.numbers.iter().map(|(.., value)| value))?;
            levels(&beside.now)
        }
        (Order::Lower(_), Record::Lowered(lowered)) => {
            times(&[lowered.cpu])?;
            few("iterations", lowered.each.len() as u64, most)?;
            numbers(&lowered.each)?;
            levels(&lowered.now)
        }
        (Order::Hold(order), Record::Held(held)) => {
            times(&[held.cpu, held.window.cpu])?;
            let most = u64::from(order.warmup) + u64::from(order.iterations);
            few("iterations", u64::from(held.window.iterations), most)?;
            lengths(&held.lengths)?;
            series(&held.window.series, most)
        }
        (Order::Trace(_), Record::Traced(traced)) => {
            times(&[traced.cpu])?;
            sites(&traced.boundaries, most + 1, traced.tracebacks.len())?;
            few("readings", traced.malloced.len() as u64, most + 1)?;
            numbers(
                traced
                    .malloced
                    .iter()
                    .flat_map(|(large, small)| [large, small]),
            )?;
            traced
                .types
                .iter()
                .try_for_each(|(_, count, bytes)| figures(&[*count, *bytes]))
        }
        (Order::Follow(_), Record::Followed(followed)) => {
            times(&[followed.cpu])?;
            numbers([followed.stood].iter().chain(&followed.top))?;
            sites(&followed.boundaries, most, followed.tracebacks.len())?;
            for function in &followed.functions {
                let lines = function.lines.iter();
                numbers(lines.flat_map(|line| [&line.2, &line.3]))?;
            }
            let standing = followed.standing.iter().flat_map(|it| &it.types);
            for (_, traceback, _, bytes) in standing {
                below("traceback", *traceback, followed.tracebacks.len())?;
                numbers([bytes])?;
            }
            Ok(())
        }
        (Order::Dump(_) | Order::Garbage(_), Record::Dumped(dumped)) => {
            times(&[dumped.cpu, dumped.cpu_dump])?;
            cohorts(dumped.graph.as_ref(), most)
        }
        (Order::Inside(_), Record::Inside(inside)) => {
            times(&[inside.cpu])?;
            cohorts(inside.graph.as_ref(), most)
        }
        (Order::Calls(_), Record::Called(called)) => {
            times(&[called.cpu])?;
            few("iterations", called.totals.len() as u64, most)?;
            numbers(&called.totals)?;
            for (at, node) in called.nodes.iter().enumerate() {
                few("iterations", node.nets.len() as u64, most)?;
                numbers(&node.nets)?;
                // What a node is part of comes before it.
                if let Ok(parent) = usize::try_from(node.parent) {
                    below("node", parent, at)?;
                }
            }
            Ok(())
        }
        (Order::References(_), Record::Referred(referred)) => {
            times(&[referred.cpu])?;
            for call in &referred.calls {
                few("iterations", call.rises.len() as u64, most)?;
                numbers(&call.rises)?;
            }
            Ok(())
        }
        (Order::Unclosed(_), Record::Unclosed(unclosed)) => {
            times(&[unclosed.cpu])?;
            let mut warned = unclosed.warned.iter();
            warned.try_for_each(|one| few("iterations", u64::from(one.iteration) + 1, most))
        }
        (Order::Survivors(_), Record::Survived(survived)) => {
            times(&[survived.cpu])?;
            let found = &survived.found;
            for row in &found.rows {
                numbers([&row.count, &row.bytes])?;
            }
            // What a stack leads to is looked up by number.
            for (_, frames) in &found.stacks {
                few("frames", frames.len() as u64, FRAMES)?;
                for (library, _) in frames {
                    if let Ok(library) = usize::try_from(*library) {
                        below("library", library, found.libraries.len())?;
                    }
                }
            }
            Ok(())
        }
        (Order::Count(count), Record::Counted(counted)) => {
            times(&[counted.cpu])?;
            for object in &counted.objects {
                few(
                    "iterations",
                    object.changes.len() as u64,
                    u64::from(count.then),
                )?;
                numbers(object.changes.iter().chain([&object.seen]))?;
            }
            let beside = &counted.beside;
            numbers([&beside.blocks, &beside.heap, &beside.born, &beside.threads])
        }
        (
            Order::Grown(_),
            Record::Grown(protocol::Grown {
                iterations,
                containers,
                cpu,
            }),
        ) => {
            few("iterations", u64::from(*iterations), most)?;
            times(&[*cpu])?;
            numbers(containers.iter().map(|(_, gained)| gained))
        }
        (Order::Name(orders::Name { paths: asked }), Record::Named(named)) => {
            let protocol::Named { paths, places } = named;
            same("ways", paths.len(), asked.len())?;
            same("ways", places.len(), asked.len())?;
            for (steps, way) in paths.iter().zip(asked) {
                for step in steps.iter().flatten() {
                    below("object", step.at, way.len())?;
                }
            }
            Ok(())
        }
        (Order::Population(_), Record::Populated(populated)) => {
            let types = populated.processes.iter().flat_map(|(_, types)| types);
            numbers(types.map(|(_, count)| count))
        }
        (Order::Describe(order), Record::Described(described)) => {
            same("places", described.answers.len(), order.places.len())
        }
        (Order::Free(_), Record::Freed(_)) | (Order::End(_), Record::Ended(_)) => Ok(()),
        // The bridge could not do it.
        (_, Record::Error(_)) => Ok(()),
        _ => Err("an answer to another order".to_owned()),
    }
}

/// A heap that was written down tells of no more iterations than ran.
fn cohorts(graph: Option<&Dump>, most: u64) -> Result<(), String> {
    let graph = graph.map(|graph| [graph.cohorts.len(), graph.mentions.len()]);
    { graph.into_iter().flatten() }.try_for_each(|count| few("iterations", count as u64, most))
}

fn few(what: &str, count: u64, most: u64) -> Result<(), String> {
    if count > most {
        return Err(format!("{count} {what} where there can be {most}"));
    }
    Ok(())
}

fn same(what: &str, count: usize, asked: usize) -> Result<(), String> {
    if count != asked {
        return Err(format!("{count} {what} where {asked} were asked for"));
    }
    Ok(())
}

fn below(what: &str, index: usize, count: usize) -> Result<(), String> {
    if index >= count {
        return Err(format!("{what} {index} of {count}"));
    }
    Ok(())
}

fn times(seconds: &[f64]) -> Result<(), String> {
    // Clocks may go back a little.
    match seconds.iter().find(|time| !(-1.0..1e9).contains(*time)) {
        Some(time) => Err(format!("a time of {time} s")),
        None => Ok(()),
    }
}

fn figures(values: &[f64]) -> Result<(), String> {
    match values.iter().find(|value| value.abs() > LARGEST as f64) {
        Some(value) => Err(format!("a figure of {value}")),
        None => Ok(()),
    }
}

fn numbers<'a>(values: impl IntoIterator<Item = &'a i64>) -> Result<(), String> {
    let range = -LARGEST..=LARGEST;
    match values.into_iter().find(|value| !range.contains(*value)) {
        Some(value) => Err(format!("a reading of {value}")),
        None => Ok(()),
    }
}

fn series(series: &Series, iterations: u64) -> Result<(), String> {
    let length = series.values().next().map_or(0, Vec::len);
    for readings in series.values() {
        // All counters are read at once.
        if readings.len() != length {
            return Err("not as many readings of one counter as of another".to_owned());
        }
        few("readings", readings.len() as u64, iterations + BESIDE)?;
        numbers(readings)?;
    }
    Ok(())
}

fn levels(levels: &Levels) -> Result<(), String> {
    lengths(&levels.lengths)?;
    numbers(levels.values.iter().flatten())
}

/// Of the containers that grew, of which so many were asked for.
fn lengths(lengths: &[i64]) -> Result<(), String> {
    few(
        "containers",
        lengths.len() as u64,
        RULES.limits.grown as u64,
    )?;
    numbers(lengths)
}

fn sites(
    boundaries: &[Vec<(usize, i64, i64)>],
    most: u64,
    tracebacks: usize,
) -> Result<(), String> {
    few("boundaries", boundaries.len() as u64, most)?;
    for (traceback, blocks, bytes) in boundaries.iter().flatten() {
        below("traceback", *traceback, tracebacks)?;
        numbers([blocks, bytes])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: orders::Run = orders::Run {
        test: Some(0),
        thaw: false,
        survey: false,
        wider: orders::Wider::Stay,
        warmup: 1,
        before: true,
        between: true,
        iterations: 3,
        note: false,
    };

    fn said(order: impl Into<Order>, json: &str) -> Result<(), String> {
        check(&order.into(), &serde_json::from_str(json).unwrap())
    }

    fn ran(iterations: u64, seconds: f64, readings: &str) -> String {
        format!(
            r#"{{"re":"ran","iterations":{iterations},"outcome":{{"status":"passed","phase":"","message":""}},"seconds":{seconds},
            "cpu_warm":0.1,"cpu":0.2,"resident":4096,"series":{{"blocks":[{readings}]}},"emptied":false,"filling":false,"errors":[]}}"#
        )
    }

    #[test]
    fn no_more_is_believed_than_was_ordered() {
        assert_eq!(said(RUN, &ran(4, 0.5, "1,2,3,4,5")), Ok(()));
        for (answer, cause) in [
            (ran(4_000_000_000, 0.5, "1"), "4000000000 iterations"),
            (ran(4, -3.0, "1"), "a time of -3 s"),
            (ran(4, 1e300, "1"), "a time"),
            (
                ran(4, 0.5, "1,2,3,4,5,6,7,8"),
                "8 readings where there can be 7",
            ),
            (ran(4, 0.5, "9223372036854775807"), "a reading of"),
            (r#"{"re":"ended","errors":[]}"#.to_owned(), "another order"),
            (
                ran(4, 0.5, "1,2").replace("{\"blocks\"", "{\"fds\":[1],\"blocks\""),
                "as of another",
            ),
        ] {
            let error = said(RUN, &answer).unwrap_err();
            assert!(error.contains(cause), "{error}");
        }
    }

    #[test]
    fn what_is_asked_one_by_one_is_answered_one_by_one() {
        let places = orders::Describe {
            places: vec![("a.py".to_owned(), 1)],
        };
        let answer =
            |answers: &str| format!(r#"{{"re":"described","answers":[{answers}],"errors":[]}}"#);
        assert_eq!(said(places.clone(), &answer(r#"["f",null]"#)), Ok(()));
        assert!(said(places.clone(), &answer("")).is_err());
        let names = orders::Name {
            paths: vec![vec![1, 2]],
        };
        let named = |at: usize| {
            format!(
                r#"{{"re":"named","places":[[]],"paths":[[{{"at":{at},"type":"t","text":"t","what":"t","origins":[],
                "name":null,"file":null,"line":null,"edge":["a","b"],"length":null,"capacity":null,"method":false}}]]}}"#
            )
        };
        let good = said(names.clone(), &named(1));
        assert_eq!(good, Ok(()));
        assert_eq!(
            said(names.clone(), &named(2)),
            Err("object 2 of 2".to_owned())
        );
    }

    #[test]
    fn numbers_of_tracebacks_and_of_nodes_are_of_those_there_are() {
        let trace = orders::Trace {
            iterations: 1,
            frames: 1,
            last_only: false,
            settling: 0,
        };
        let traced = |number: usize| {
            format!(
                r#"{{"re":"traced","interpreters":false,"outcome":{{"status":"passed","phase":"","message":""}},"lost":false,"cpu":0.1,"resident":1,
                "boundaries":[[[{number},1,1]]],"tracebacks":[[["a.py",1]]],"types":[],"errors":[]}}"#
            )
        };
        assert_eq!(said(trace.clone(), &traced(0)), Ok(()));
        assert_eq!(
            said(trace.clone(), &traced(1)),
            Err("traceback 1 of 1".to_owned())
        );
        let calls = orders::Calls {
            iterations: 1,
            readings: 1,
            counter: crate::verdict::Counter::Heap,
            container: None,
        };
        let called = |parent: i64| {
            format!(
                r#"{{"re":"called","outcome":{{"status":"passed","phase":"","message":""}},"cpu":0.1,"lost":false,"cut":false,
                "totals":[1],"nodes":[{{"in":{parent},"nets":[1],"frame":null,"line":null,"call":null,"silent":[]}}],"errors":[]}}"#
            )
        };
        assert_eq!(said(calls.clone(), &called(-1)), Ok(()));
        assert_eq!(
            said(calls.clone(), &called(0)),
            Err("node 0 of 0".to_owned())
        );
    }
}
