//! How many tests grow alike in the screen, so that the next one of them is looked at less.

use std::{collections::HashMap, sync::Mutex};

use crate::investigate::signature::Signature;

/// So many tests that grow alike make further looks at their like unnecessary: a leaking autouse fixture
/// makes every test a suspect, and their judgement comes from tracing a few of them anyway.
const FAMILIAR: usize = 3;

/// After so many, the next test is expected to grow so as well if the one before it did.
const USUAL: usize = 20;

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

    /// Whether enough tests grow so.
    pub fn knows(&self, signature: &Signature) -> bool {
        self.0
            .lock()
            .is_ok_and(|seen| seen.count(signature) >= FAMILIAR)
    }

    /// How the next test will grow, going by those before it.
    pub fn expected(&self) -> Option<Signature> {
        let seen = self.0.lock().ok()?;
        let last = seen.last.as_ref()?;
        (seen.count(last) >= USUAL).then(|| last.clone())
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
    fn a_test_is_expected_to_grow_like_many_before_it_if_the_last_one_did() {
        let familiar = Familiar::default();
        let two = Signature::from([(Counter::Blocks, 2)]);
        for _ in 0..USUAL {
            assert_eq!(familiar.expected(), None);
            familiar.add(Some(two.clone()));
        }
        assert_eq!(familiar.expected(), Some(two.clone()));
        familiar.add(None);
        assert_eq!(familiar.expected(), None);
        familiar.add(Some(Signature::from([(Counter::Blocks, 3)])));
        assert_eq!(familiar.expected(), None);
        familiar.add(Some(two.clone()));
        assert_eq!(familiar.expected(), Some(two));
    }
}
