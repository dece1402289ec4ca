//! Whether a test passes, and passes again: what does not is said at once.

use super::{
    At,
    experiment::{Experiment, Next},
};
use crate::verdict::{
    Verdict,
    conclusion::Conclusion,
    loss::Loss,
    outcome::{Outcome, Status},
    rule::Rule,
};

/// The user has it left out.
pub(super) fn skipped_by_terms(at: At<'_>) -> Option<Next> {
    let reason = at.evidence.manner.skip.as_ref()?;
    Some(Conclusion::because(Rule::SkippedByTerms, reason).into())
}

/// A test that failed at once gets another chance with nothing frozen: one that watches the collector at work, or asks
/// who refers to what, may fail for our freezing alone.
pub(super) fn second_try(at: At<'_>) -> Option<Next> {
    let failed = not_passed(at)?.is(Verdict::Failed) && at.evidence.second_try.is_none();
    failed.then_some(Next::Do(Experiment::SecondTry))
}

/// An iteration did not pass.
pub(super) fn did_not_pass(at: At<'_>) -> Option<Next> {
    let said = not_passed(at)?;
    let tried = at.evidence.second_try.as_ref();
    if tried.is_none_or(|outcome| outcome.status != Status::Passed) {
        return Some(said.into());
    }
    let reason = said.reason().unwrap_or_default();
    let reason = format!("failed first and passed on a second try: {reason}");
    Some(Conclusion::because(Rule::PassedOnSecondTry, reason).into())
}

/// What the last window says of a test that did not pass.
fn not_passed(at: At<'_>) -> Option<Conclusion> {
    let evidence = at.evidence;
    // There is a second try of what failed in its first iteration only.
    let first = evidence.second_try.is_some();
    let iteration = if first { 1 } else { evidence.iterations };
    said_of(evidence.outcome.as_ref()?, iteration)
}

/// What to say of an iteration that did not pass; `None` if it passed.
fn said_of(outcome: &Outcome, iteration: u32) -> Option<Conclusion> {
    let first = iteration <= 1;
    let reason = if outcome.phase.is_empty() || outcome.phase == "call" {
        outcome.message.clone()
    } else {
        format!("in {}: {}", outcome.phase, outcome.message)
    };
    let lost = |rule| Conclusion::lost_by(rule, Loss::broken(&reason), u64::from(iteration));
    let said = match outcome.status {
        Status::Passed => return None,
        // A test that raises it does so at once; later it was somebody outside, who would have ended any runner.
        Status::Failed if !first && outcome.message.starts_with("KeyboardInterrupt") => {
            lost(Rule::InterruptedFromOutside)
        }
        Status::Broken => lost(Rule::RunnerDamaged),
        Status::Skipped if first => {
            Conclusion::because(Rule::SkippedByRunner, outcome.message.clone())
        }
        Status::Failed if first => Conclusion::because(Rule::FailedFirst, reason),
        Status::Skipped => Conclusion::because(
            Rule::SkippedWhenRepeated,
            format!("skipped in iteration {iteration}: {reason}"),
        ),
        Status::Failed => Conclusion::because(
            Rule::FailedWhenRepeated,
            format!("failed in iteration {iteration}: {reason}"),
        ),
    };
    Some(said)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::investigate::screening::{
        evidence::{Answer, Evidence, Read},
        experiment::Window,
        samples::{asked, concluded, ended, manner, passed, step},
        windows,
    };
    use crate::verdict::Series;

    /// A test whose first window ended so in an iteration.
    fn read(outcome: Outcome, iterations: u32) -> Evidence {
        let mut evidence = Evidence::open(manner());
        let window: Window = asked(step(&evidence, windows::open));
        let read = Read {
            outcome,
            ..passed(iterations, Series::new())
        };
        evidence.add(Answer::Window(window, read));
        evidence
    }

    #[test]
    fn what_the_user_leaves_out_is_not_run() {
        let mut evidence = Evidence::open(manner());
        assert_eq!(step(&evidence, skipped_by_terms), None);
        evidence.manner.skip = Some("slow".to_owned());
        let said = concluded(step(&evidence, skipped_by_terms));
        assert_eq!(said, Conclusion::because(Rule::SkippedByTerms, "slow"));
    }

    #[test]
    fn an_interrupt_is_no_failure_of_a_repeat() {
        let outcome = ended(Status::Failed, "KeyboardInterrupt");
        let told = |iteration| concluded(step(&read(outcome.clone(), iteration), did_not_pass));
        assert_eq!(told(1).rule(), Rule::FailedFirst);
        assert_eq!(told(3).rule(), Rule::InterruptedFromOutside);
        let loss = Loss::broken("KeyboardInterrupt");
        assert_eq!(told(3).loss(), Some((&loss, 3)));
    }

    #[test]
    fn what_fails_only_when_repeated_is_unrepeatable() {
        let outcome = Outcome {
            phase: "setup".to_owned(),
            ..ended(Status::Failed, "no")
        };
        let told = |iteration| concluded(step(&read(outcome.clone(), iteration), did_not_pass));
        let first = Conclusion::because(Rule::FailedFirst, "in setup: no");
        assert_eq!(told(1), first);
        let second = "failed in iteration 2: in setup: no";
        assert_eq!(
            told(2),
            Conclusion::because(Rule::FailedWhenRepeated, second)
        );
        let fine = read(ended(Status::Passed, ""), 4);
        assert_eq!(step(&fine, did_not_pass), None);
    }

    #[test]
    fn what_is_skipped_or_damages_the_runner_says_so() {
        for (status, iteration, rule) in [
            (Status::Skipped, 1, Rule::SkippedByRunner),
            (Status::Skipped, 2, Rule::SkippedWhenRepeated),
            (Status::Broken, 1, Rule::RunnerDamaged),
            (Status::Broken, 2, Rule::RunnerDamaged),
        ] {
            let evidence = read(ended(status, "no"), iteration);
            assert_eq!(step(&evidence, second_try), None);
            assert_eq!(concluded(step(&evidence, did_not_pass)).rule(), rule);
        }
    }

    #[test]
    fn what_failed_at_once_is_tried_once_more_and_no_other() {
        let again = Some(Next::Do(Experiment::SecondTry));
        let failed = || ended(Status::Failed, "no");
        let mut evidence = read(failed(), 1);
        assert_eq!(step(&evidence, second_try), again);
        assert_eq!(step(&read(failed(), 2), second_try), None);
        evidence.add(Answer::SecondTry(1, failed()));
        assert_eq!(step(&evidence, second_try), None);
        let said = concluded(step(&evidence, did_not_pass));
        assert_eq!(said, Conclusion::because(Rule::FailedFirst, "no"));
        evidence.add(Answer::SecondTry(1, ended(Status::Passed, "")));
        let said = concluded(step(&evidence, did_not_pass));
        assert_eq!(said.rule(), Rule::PassedOnSecondTry);
        assert_eq!(evidence.iterations, 3);
    }
}
