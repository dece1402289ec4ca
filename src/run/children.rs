//! Of which types there are more objects in child processes after some iterations, counted from outside.

use std::collections::BTreeMap;

use super::{case::Case, driver::Bench, screen};
use crate::{
    finding::TypeGrowth,
    verdict::Counter,
    worker::{Worker, loss::Loss, orders, protocol::Populated},
};

/// Iterations between the two countings.
const ITERATIONS: u32 = 8;
/// Least objects of a type per iteration, and most types that are told.
const LEAST: f64 = 0.9;
const MOST: usize = 8;

/// What child processes have more of after each iteration of the open test of `case`; nothing where none of their memory
/// grows, or none can be looked into.
pub(super) fn grown(
    worker: &mut Worker,
    bench: &Bench<'_>,
    case: &Case,
) -> Result<Vec<TypeGrowth>, Loss> {
    if !case.fits.contains_key(&Counter::ChildMemory) {
        return Ok(Vec::new());
    }
    let before = worker.ask(orders::Population {})?;
    if before.processes.is_empty() {
        return Ok(Vec::new());
    }
    let ran = screen::run(worker, orders::Run::on(ITERATIONS))?;
    bench.budget.spend(ran.cpu);
    Ok(more(&before, &worker.ask(orders::Population {})?))
}

/// Objects of each type that all processes which are in both have more, per iteration, the most first.
fn more(before: &Populated, after: &Populated) -> Vec<TypeGrowth> {
    let mut gained: BTreeMap<&str, i64> = BTreeMap::new();
    for (pid, types) in &after.processes {
        let Some((_, were)) = before.processes.iter().find(|(other, _)| other == pid) else {
            continue;
        };
        for (of, sign) in [(types, 1), (were, -1)] {
            for (name, count) in of {
                let gain = gained.entry(name).or_default();
                *gain = gain.saturating_add(sign * count);
            }
        }
    }
    let mut found: Vec<TypeGrowth> = { gained.into_iter() }
        .map(|(name, gain)| (name.to_owned(), gain as f64 / f64::from(ITERATIONS), 0.0))
        .filter(|(_, each, _)| *each >= LEAST)
        .map(|growth| TypeGrowth::traced(&growth))
        .collect();
    found.sort_by(|one, other| other.count.total_cmp(&one.count));
    found.truncate(MOST);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn populated(processes: &[(i32, &[(&str, i64)])]) -> Populated {
        let types = |types: &[(&str, i64)]| {
            { types.iter() }
                .map(|(name, count)| ((*name).to_owned(), *count))
                .collect()
        };
        Populated {
            processes: { processes.iter() }
                .map(|(pid, of)| (*pid, types(of)))
                .collect(),
        }
    }

    #[test]
    fn what_processes_have_more_is_summed_up_by_type() {
        let before = populated(&[
            (7, &[("app.Row", 10), ("list", 90)]),
            (8, &[("list", 50), ("set", 9)]),
        ]);
        let after = populated(&[
            (7, &[("app.Row", 26), ("list", 94)]),
            (8, &[("list", 54), ("dict", 3)]),
            (9, &[("app.Row", 1000)]),
        ]);
        let found = more(&before, &after);
        let told: Vec<_> = { found.iter() }.map(|of| (&*of.name, of.count)).collect();
        assert_eq!(told, [("app.Row", 2.0), ("list", 1.0)]);
    }
}
