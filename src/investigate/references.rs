//! Which objects a test loses references to, or gives back more references to than it took.

use serde::Deserialize;

use super::rules::Rules;

/// How the references to one object changed.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Count {
    /// Its identity.
    pub object: u64,
    /// What code calls it; empty where nothing leads to it.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// By how much in each iteration,
    pub changes: Vec<i64>,
    /// and in all of them by references that are seen.
    pub seen: i64,
}

/// What came in the iterations in which references were counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
pub struct Beside {
    /// Blocks.
    pub blocks: i64,
    /// Bytes of malloc's heap.
    pub heap: i64,
    /// Objects that the collector knows.
    pub born: i64,
    /// Threads.
    pub threads: i64,
}

/// By how much the references to an object change in each iteration, which nothing accounts for. Below zero where more are given
/// back than were taken.
pub fn unaccounted(count: &Count, beside: Beside, rules: &Rules) -> Option<f64> {
    let iterations = i64::try_from(count.changes.len())
        .ok()
        .filter(|many| *many > 0)?;
    let lost = count.changes.iter().sum::<i64>() - count.seen;
    let every = |nth: i64| lost.abs() * nth >= iterations;
    // What fills a few places in C code and rests then is not lost.
    let goes_on = || {
        let mut parts = (count.changes).chunks_exact(rules.references.rarest as usize);
        parts.all(|part| part.iter().any(|change| *change != 0))
    };
    let is_often = every(rules.references.often) || every(rules.references.rarest) && goes_on();
    // Few of the objects that stay tell of the texts that are names in them: a dictionary of none of its keys, a class not of
    // its own, an attribute's descriptor neither. A cache of wrapped functions has a dozen of these for each entry.
    let is_name = count.kind == "str" && beside.born >= iterations;
    // Whatever stays and is in no list of objects may refer to anything, and so may a thread that waits in a function.
    let is_hidden = is_name
        || beside.threads > 0
        || beside.blocks > beside.born * rules.references.blocks
        || beside.born <= 0 && beside.heap >= rules.chunk;
    // And what goes may have been all that referred to it.
    let goes = beside.blocks <= -iterations;
    (is_often && if lost < 0 { !goes } else { !is_hidden })
        .then_some(lost as f64 / iterations as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::investigate::rules::RULES;

    const NOTHING: Beside = Beside {
        blocks: 0,
        heap: 0,
        born: 0,
        threads: 0,
    };

    fn of(changes: &[i64], seen: i64, beside: Beside) -> Option<f64> {
        of_kind("type", changes, seen, beside)
    }

    fn of_kind(kind: &str, changes: &[i64], seen: i64, beside: Beside) -> Option<f64> {
        let count = Count {
            object: 1,
            name: "app.NAME".to_owned(),
            kind: kind.to_owned(),
            changes: changes.to_vec(),
            seen,
        };
        unaccounted(&count, beside, &RULES)
    }

    #[test]
    fn what_nothing_refers_to_is_lost() {
        assert_eq!(of(&[1; 8], 0, NOTHING), Some(1.0));
        assert_eq!(of(&[0, 1, 0, 1, 0, 1, 0, 1], 0, NOTHING), Some(0.5));
        assert_eq!(of(&[-2; 8], 0, NOTHING), Some(-2.0));
        // A list that is emptied beside.
        assert_eq!(of(&[-2; 8], -8, NOTHING), Some(-1.0));
        assert_eq!(of(&[1; 8], 8, NOTHING), None);
        assert_eq!(of(&[1, 0, 0, 0, 0, 0, 0, 0], 0, NOTHING), None);
        assert_eq!(of(&[0, 0, 1, 0, 0, 1, 0, 0], 0, NOTHING), Some(0.25));
        // Four places that were filled.
        let mut filled = [0; 16];
        filled[..4].fill(1);
        assert_eq!(of(&filled, 0, NOTHING), None);
        assert_eq!(of(&[], 0, NOTHING), None);
    }

    #[test]
    fn objects_that_stay_do_not_tell_of_texts_that_are_their_names() {
        let entries = Beside {
            blocks: 96,
            born: 40,
            ..NOTHING
        };
        let text = |changes, beside| of_kind("str", changes, 0, beside);
        assert_eq!(text(&[10; 8], entries), None);
        // One that came once has its names once.
        let one = Beside {
            born: 1,
            blocks: 4,
            ..NOTHING
        };
        assert_eq!(text(&[1; 8], one), Some(1.0));
        assert_eq!(text(&[-1; 8], entries), Some(-1.0));
        assert_eq!(of(&[1; 8], 0, entries), Some(1.0));
    }

    #[test]
    fn what_stays_and_is_not_seen_may_refer_to_it() {
        let lost = |beside| of(&[1; 8], 0, beside).is_some();
        assert!(!lost(Beside {
            blocks: 8,
            ..NOTHING
        }));
        assert!(!lost(Beside {
            heap: 640,
            ..NOTHING
        }));
        assert!(!lost(Beside {
            threads: 8,
            ..NOTHING
        }));
        // An ordinary leak, of which all objects are seen.
        assert!(lost(Beside {
            blocks: 16,
            born: 8,
            ..NOTHING
        }));
        let back = |blocks| of(&[-1; 8], 0, Beside { blocks, ..NOTHING });
        assert_eq!(back(8), Some(-1.0));
        // What went may have been all that referred to it.
        assert_eq!(back(-8), None);
    }
}
