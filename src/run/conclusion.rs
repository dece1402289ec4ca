//! What an iteration that did not pass says of a test.

use super::{
    loss::Loss,
    protocol::{Outcome, Status},
};
pub use crate::verdict::conclusion::Conclusion;
use crate::verdict::rule::Rule;

/// What to say of an iteration that did not pass; `None` if it passed.
pub fn not_passed(outcome: &Outcome, iteration: u32) -> Option<Conclusion> {
    let first = iteration <= 1;
    let reason = if outcome.phase.is_empty() || outcome.phase == "call" {
        outcome.message.clone()
    } else {
        format!("in {}: {}", outcome.phase, outcome.message)
    };
    match outcome.status {
        Status::Passed => None,
        // A test that raises it does so at once; later it was somebody outside, who would have ended any runner.
        Status::Failed if !first && outcome.message.starts_with("KeyboardInterrupt") => {
            Some(Conclusion::lost_by(
                Rule::InterruptedFromOutside,
                Loss::broken(&reason),
                u64::from(iteration),
            ))
        }
        Status::Broken => Some(Conclusion::lost_by(
            Rule::RunnerDamaged,
            Loss::broken(&reason),
            u64::from(iteration),
        )),
        Status::Skipped if first => Some(Conclusion::because(
            Rule::SkippedByRunner,
            outcome.message.clone(),
        )),
        Status::Failed if first => Some(Conclusion::because(Rule::FailedFirst, reason)),
        Status::Skipped => Some(Conclusion::because(
            Rule::SkippedWhenRepeated,
            format!("skipped in iteration {iteration}: {reason}"),
        )),
        Status::Failed => Some(Conclusion::because(
            Rule::FailedWhenRepeated,
            format!("failed in iteration {iteration}: {reason}"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupt_is_no_failure_of_a_repeat() {
        let outcome = Outcome {
            status: Status::Failed,
            phase: "call".to_owned(),
            message: "KeyboardInterrupt".to_owned(),
        };
        let told = |iteration| not_passed(&outcome, iteration).unwrap();
        assert_eq!(told(1).rule(), Rule::FailedFirst);
        assert_eq!(told(3).rule(), Rule::InterruptedFromOutside);
        let loss = Loss::broken("KeyboardInterrupt");
        assert_eq!(told(3).loss(), Some((&loss, 3)));
    }

    #[test]
    fn what_fails_only_when_repeated_is_unrepeatable() {
        let outcome = Outcome {
            status: Status::Failed,
            phase: "setup".to_owned(),
            message: "no".to_owned(),
        };
        assert_eq!(
            not_passed(&outcome, 1),
            Some(Conclusion::because(Rule::FailedFirst, "in setup: no"))
        );
        assert_eq!(
            not_passed(&outcome, 2),
            Some(Conclusion::because(
                Rule::FailedWhenRepeated,
                "failed in iteration 2: in setup: no"
            ))
        );
    }
}
