//! How many tests grow alike in the screen, so that the next one of them is looked at less.

use std::{collections::HashMap, sync::Mutex};

use crate::investigate::signature::Signature;

/// Signatures seen so far, with how many tests showed each.
#[derive(Debug, Default)]
pub struct Familiar(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    counts: HashMap<Signature, usize>,
    last: Option<Signature>,
}

impl Familiar {
    /// Notes how another test grows, if it does.
    pub fn add(&self, signature: Option<Signature>) {
        if let Ok(mut seen) = self.0.lock() {
            if let Some(signature) = &signature {
                *seen.counts.entry(signature.clone()).or_default() += 1;
            }
            seen.last = signature;
        }
    }

    /// How many tests grow so.
    pub fn alike(&self, signature: &Signature) -> usize {
        self.0.lock().map_or(0, |seen| seen.count(signature))
    }

    /// How the last of them grew, and how many did so.
    pub fn last(&self) -> Option<(Signature, usize)> {
        let seen = self.0.lock().ok()?;
        let last = seen.last.as_ref()?;
        Some((last.clone(), seen.count(last)))
    }
}

impl Seen {
    fn count(&self, signature: &Signature) -> usize {
        self.counts.get(signature).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Counter;

    #[test]
    fn the_last_test_is_told_with_its_like_and_nothing_of_one_that_does_not_grow() {
        let familiar = Familiar::default();
        let two = Signature::from([(Counter::Blocks, 2)]);
        for count in 1..4 {
            familiar.add(Some(two.clone()));
            assert_eq!(familiar.last(), Some((two.clone(), count)));
        }
        familiar.add(None);
        assert_eq!(familiar.last(), None);
        let three = Signature::from([(Counter::Blocks, 3)]);
        familiar.add(Some(three.clone()));
        assert_eq!(familiar.last(), Some((three, 1)));
        assert_eq!(familiar.alike(&two), 3);
    }
}
