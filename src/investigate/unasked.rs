//! What is said of a test that was not asked, or not to the end.

use crate::verdict::{conclusion::Conclusion, loss::Loss, rule::Rule};

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Why<'a> {
    /// Nothing has changed since nothing grew.
    Unchanged,
    /// No change reaches it, and only those that one reaches are run.
    NotReached,
    /// The run ended first: when, in words.
    Interrupted(&'a str),
    /// The budget for suspects, of so many seconds, ended before its turn.
    Budget(f64),
    /// Another process did not collect it.
    NotCollected,
    /// No process could be started.
    NoProcess(&'a str),
}

/// What is said of it.
pub fn say(why: Why<'_>) -> Conclusion {
    let absent = |text: &str| Loss::Absent(text.to_owned());
    match why {
        Why::Unchanged => Conclusion::by(Rule::NothingGrew),
        Why::NotReached => Conclusion::because(Rule::NotReached, "no change reaches it"),
        Why::Interrupted(when) => Conclusion::because(
            Rule::RunInterrupted,
            format!("the run was interrupted {when}"),
        ),
        Why::Budget(seconds) => Conclusion::because(
            Rule::BudgetEnded,
            format!(
                "grew in the first process; the budget of {seconds:.0} s for suspects was spent before it was judged (--budget gives more)"
            ),
        ),
        Why::NotCollected => {
            let loss = absent("not collected again in another process");
            Conclusion::lost_by(Rule::NotCollectedAgain, loss, 0)
        }
        Why::NoProcess(error) => Conclusion::lost(absent(error), 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Verdict;

    #[test]
    fn what_was_not_asked_is_not_clean() {
        for (why, verdict) in [
            (Why::NotReached, Verdict::Skipped),
            (Why::Interrupted("before it"), Verdict::Undecided),
            (Why::Budget(60.0), Verdict::Undecided),
            (Why::NotCollected, Verdict::Undecided),
            (Why::NoProcess("no memory"), Verdict::Undecided),
        ] {
            assert_eq!(say(why).verdict(), verdict, "{why:?}");
        }
        assert_eq!(say(Why::Unchanged).verdict(), Verdict::Clean);
    }
}
