//! What the suite holds once each of its tests has run, and which of them left it: a small machine runs out of memory with that,
//! leak or not.

use std::collections::BTreeMap;

use crate::{report::Retained, run::Run};

/// Tests and types that a report keeps.
const KEPT: usize = 10;
/// Fewer objects than these say nothing.
const FEW: u64 = 100;

pub(super) fn of(run: &Run) -> Retained {
    // Where one test of many is inspected, the others are not there.
    let tests = { run.looks.iter().flatten() }
        .filter_map(|look| Some((run.tests.get(look.test)?.id.clone(), look.retained)));
    retained(tests.collect(), run.grown.clone())
}

/// Of what was seen in several shards.
pub(super) fn joined<'a>(ones: impl Iterator<Item = &'a Retained>) -> Retained {
    let (mut bytes, mut tests, mut objects) = (0.0, Vec::new(), BTreeMap::new());
    for one in ones {
        bytes += one.bytes;
        tests.extend(one.tests.iter().cloned());
        for (name, count) in &one.objects {
            *objects.entry(name.clone()).or_default() += count;
        }
    }
    Retained {
        bytes,
        ..retained(tests, objects)
    }
}

fn retained(mut tests: Vec<(String, f64)>, objects: BTreeMap<String, u64>) -> Retained {
    let bytes = tests.iter().map(|(_, bytes)| bytes).sum();
    tests.retain(|(_, bytes)| *bytes > 0.0);
    tests.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    tests.truncate(KEPT);
    // Lists and dictionaries are whose the rest is; what the measuring makes is nobody's.
    let says = |(name, count): &(String, u64)| {
        name.contains('.') && !name.starts_with("leakcheck_bridge.") && *count >= FEW
    };
    let mut objects: Vec<(String, u64)> = objects.into_iter().filter(says).collect();
    objects.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    objects.truncate(KEPT);
    Retained {
        bytes,
        tests,
        objects,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_come_first_and_shards_add_up() {
        let tests = [("a", 1e6), ("b", 5e6), ("c", -2e6), ("d", 0.0)];
        let objects = [
            ("list", 900),
            ("app.Row", 500),
            ("app.Cell", 700),
            ("app.Few", 3),
        ];
        let one = retained(
            tests.map(|(id, bytes)| (id.to_owned(), bytes)).into(),
            objects.map(|(name, count)| (name.to_owned(), count)).into(),
        );
        assert_eq!(one.bytes, 4e6);
        assert_eq!(
            one.text().unwrap(),
            "4.0 MB, 5.0 MB by b, 1.0 MB by a; 700 app.Cell, 500 app.Row"
        );
        let two = joined([&one, &one].into_iter());
        assert_eq!((two.bytes, two.objects[0].1), (8e6, 1400));
        assert_eq!(Retained::default().text(), None);
    }
}
