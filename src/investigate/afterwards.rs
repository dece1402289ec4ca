//! What is said of a test once more is known than it shows by itself: how it does without the tests before it, with the same
//! random numbers again, or in a fresh process.

use crate::verdict::{Verdict, conclusion::Conclusion, rule::Rule};

/// What was found out about a test that has a conclusion.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Found<'a> {
    /// A leak does not grow in a process of its own. It does after these, which leak.
    OnlyAfterLeak(&'a str),
    /// What grew in one process only grows after these tests, each time, and by itself never.
    OnlyAfterTests(&'a str),
    /// It grows when random numbers are new, and with the same ones again not at all.
    KeptOnce,
    /// The test to which it was taken to be alike keeps each text or number once. Of this one that was not seen.
    Unlike(&'a str),
    /// All that grows in it is this, which is made once and not anew for each repeat.
    ChangesItsOwn(&'a str),
    /// Something moved in its process by itself.
    Noise {
        /// What, in words.
        noise: &'a str,
        /// Whether a place, a container or a resource of its own tells what grows in the test.
        is_told: bool,
    },
    /// It ended its process, and in a fresh one it did not.
    EndedOnce(&'a str),
}

/// What is said of it now; `None` where the first conclusion stands.
pub fn reconsider(first: &Conclusion, found: Found<'_>) -> Option<Conclusion> {
    let because = |rule, reason: String| Some(Conclusion::because(rule, reason));
    let is_leak = first.is(Verdict::Leak);
    match found {
        Found::OnlyAfterLeak(tests) => because(Rule::GrowsAfterLeak, only_after(tests)),
        Found::OnlyAfterTests(tests) => because(Rule::GrowsAfterTest, only_after(tests)),
        Found::KeptOnce => because(Rule::SameRandomness, KEPT_ONCE.to_owned()),
        // Only that it grew more and more slowly needs another look.
        Found::Unlike(other) if first.is_slowing() => because(
            Rule::UnlikeTestBudget,
            format!(
                "grew like {other}, which keeps each new text or number once; of this one that was not seen, and there was no time for more (--budget gives more)"
            ),
        ),
        Found::Unlike(_) => None,
        Found::ChangesItsOwn(what) => because(
            Rule::MadeOnce,
            format!("the test changes {what}, which is made once and not anew for each repeat"),
        ),
        // The end of a process is plain, and an open question stays one.
        Found::Noise { .. } if first.loss().is_some() || first.is(Verdict::Undecided) => None,
        Found::Noise { is_told, .. } if is_leak && is_told => None,
        Found::Noise { noise, .. } => because(Rule::OtherThreads, noise.to_owned()),
        Found::EndedOnce(_) if is_leak => None,
        Found::EndedOnce(how) => because(Rule::ProcessEndedOnce, how.to_owned()),
    }
}

const KEPT_ONCE: &str = "keeps each new text or number once, outside Python: with the same random numbers again nothing grows";

fn only_after(tests: &str) -> String {
    format!("grows only after {tests}; by itself it does not")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::loss::Loss;

    fn rule(first: &Conclusion, found: Found<'_>) -> Option<Rule> {
        reconsider(first, found).map(|said| said.rule())
    }

    fn leak() -> Conclusion {
        Conclusion::by(Rule::GrewToTimeEnd)
    }

    #[test]
    fn a_leak_that_needs_others_is_none_of_its_own() {
        let said = reconsider(&leak(), Found::OnlyAfterLeak("a.py::test_a")).unwrap();
        assert_eq!(said.rule(), Rule::GrowsAfterLeak);
        assert_eq!(
            said.reason().unwrap(),
            "grows only after a.py::test_a; by itself it does not"
        );
        let unstable = Conclusion::by(Rule::OneProcessOnly);
        let found = Found::OnlyAfterTests("a.py::test_a");
        assert_eq!(rule(&unstable, found), Some(Rule::GrowsAfterTest));
        let found = Found::ChangesItsOwn("its own parameter 'graph'");
        assert_eq!(rule(&leak(), found), Some(Rule::MadeOnce));
        assert_eq!(rule(&leak(), Found::KeptOnce), Some(Rule::SameRandomness));
    }

    #[test]
    fn what_was_seen_to_grow_on_needs_no_other_test_to_be_a_leak() {
        let slowing = Conclusion::by(Rule::GrowsEverSlower);
        let found = Found::Unlike("a.py::test_a");
        assert_eq!(rule(&slowing, found), Some(Rule::UnlikeTestBudget));
        assert_eq!(rule(&leak(), found), None);
    }

    #[test]
    fn beside_noise_holds_what_tells_what_it_keeps() {
        let noise = |is_told| Found::Noise {
            noise: "a thread is at work",
            is_told,
        };
        assert_eq!(rule(&leak(), noise(true)), None);
        assert_eq!(rule(&leak(), noise(false)), Some(Rule::OtherThreads));
        let clean = Conclusion::by(Rule::NothingGrew);
        assert_eq!(rule(&clean, noise(true)), Some(Rule::OtherThreads));
        let undecided = Conclusion::by(Rule::RunInterrupted);
        assert_eq!(rule(&undecided, noise(false)), None);
        let lost = Conclusion::lost(Loss::Memory { cap: 1 }, 3);
        assert_eq!(rule(&lost, noise(false)), None);
    }

    #[test]
    fn a_process_that_ended_once_leaves_what_was_seen_of_a_leak() {
        let found = Found::EndedOnce("in iteration 3 …");
        assert_eq!(rule(&leak(), found), None);
        let clean = Conclusion::by(Rule::NothingGrew);
        assert_eq!(rule(&clean, found), Some(Rule::ProcessEndedOnce));
    }
}
