//! What is said of a test: a verdict that can only be had from a rule, and what there is to say beside it.

use super::{
    horizon::filled,
    loss::Loss,
    protocol::{Filled, Outcome, Status},
};
use crate::verdict::{Verdict, rule::Rule};

/// A verdict with the rule that made it.
#[derive(Debug, Clone, PartialEq)]
pub struct Conclusion {
    rule: Rule,
    /// By which rule it was taken over from another test, where it was.
    taken_over: Option<Rule>,
    facts: Facts,
}

#[derive(Debug, Clone, PartialEq)]
enum Facts {
    None,
    /// Why, in words.
    Reason(String),
    /// What the test fills.
    Filled(Vec<Filled>),
    /// What became of the process, and in which iteration, from 1.
    Lost {
        loss: Loss,
        iteration: u64,
    },
}

impl Conclusion {
    /// What `rule` says, where nothing needs to be added.
    pub fn by(rule: Rule) -> Conclusion {
        Conclusion::of(rule, Facts::None)
    }

    /// The same with a reason.
    pub fn because(rule: Rule, reason: impl Into<String>) -> Conclusion {
        Conclusion::of(rule, Facts::Reason(reason.into()))
    }

    /// The same of a test that fills something with an end.
    pub fn filling(rule: Rule, filled: Vec<Filled>) -> Conclusion {
        Conclusion::of(rule, Facts::Filled(filled))
    }

    /// What the loss of a process says.
    pub fn lost(loss: Loss, iteration: u64) -> Conclusion {
        let rule = match &loss {
            Loss::Died { .. } => Rule::ProcessEnded,
            Loss::Hung { .. } => Rule::ProcessHung,
            Loss::Memory { .. } => Rule::MemoryCap,
            Loss::Strange(_) => Rule::StrangeAnswer,
            Loss::Interrupted => Rule::RunInterrupted,
            Loss::Disturbed { .. } => Rule::NotReadable,
            Loss::Absent(_) => Rule::NoProcess,
            Loss::OffTheRecord => Rule::OffTheRecord,
            Loss::Bridge(_) => Rule::OwnFault,
        };
        Conclusion::lost_by(rule, loss, iteration)
    }

    /// The same where a finer rule says why.
    pub fn lost_by(rule: Rule, loss: Loss, iteration: u64) -> Conclusion {
        Conclusion::of(rule, Facts::Lost { loss, iteration })
    }

    fn of(rule: Rule, facts: Facts) -> Conclusion {
        debug_assert!(rule.verdict().is_some(), "{} makes none", rule.name());
        Conclusion {
            rule,
            taken_over: None,
            facts,
        }
    }

    /// The same said of another test, by a rule that takes verdicts over.
    #[must_use]
    pub fn taken_over(&self, rule: Rule) -> Conclusion {
        debug_assert!(rule.verdict().is_none(), "{} takes none over", rule.name());
        Conclusion {
            taken_over: Some(rule),
            ..self.clone()
        }
    }

    /// The verdict.
    pub fn verdict(&self) -> Verdict {
        self.rule.verdict().unwrap_or(Verdict::Undecided)
    }

    /// Whether that is the verdict.
    pub fn is(&self, verdict: Verdict) -> bool {
        self.verdict() == verdict
    }

    /// Whether it grew more and more slowly, here or in the test that it was taken over from, and was not seen to stop.
    pub fn is_slowing(&self) -> bool {
        self.rule == Rule::GrowsEverSlower
    }

    /// The rule by which it holds.
    pub fn rule(&self) -> Rule {
        self.taken_over.unwrap_or(self.rule)
    }

    /// Verdict and rule.
    pub fn short(&self) -> (Verdict, Rule) {
        (self.verdict(), self.rule())
    }

    /// What the test fills.
    pub fn ends(&self) -> &[Filled] {
        match &self.facts {
            Facts::Filled(filled) => filled,
            _ => &[],
        }
    }

    /// What became of the process, and in which iteration, from 1.
    pub fn loss(&self) -> Option<(&Loss, u64)> {
        match &self.facts {
            Facts::Lost { loss, iteration } => Some((loss, *iteration)),
            _ => None,
        }
    }

    /// Why, where the verdict alone does not say it.
    pub fn reason(&self) -> Option<String> {
        match &self.facts {
            Facts::None => None,
            Facts::Reason(reason) => Some(reason.clone()),
            Facts::Filled(ends) => Some(filled(ends)),
            Facts::Lost {
                loss: Loss::Bridge(message),
                ..
            } => {
                // All of it is among the errors.
                let first = message.lines().next().unwrap_or_default();
                Some(format!("leakcheck's own fault in it: {first}"))
            }
            Facts::Lost { loss, iteration } if *iteration > 1 => {
                Some(format!("in iteration {iteration}: {loss}"))
            }
            Facts::Lost { loss, .. } => Some(loss.to_string()),
        }
    }
}

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
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_became_of_a_process_is_the_verdict() {
        let hung = Loss::Hung {
            limit: Duration::from_secs(1),
            stack: Vec::new(),
        };
        for (loss, verdict) in [
            (Loss::broken("no"), Verdict::Crashed),
            (Loss::Memory { cap: 1 }, Verdict::Crashed),
            (hung, Verdict::TimedOut),
            (Loss::Bridge("no\nmore".to_owned()), Verdict::Undecided),
            (Loss::Absent("no".to_owned()), Verdict::Undecided),
            (Loss::Strange("no".to_owned()), Verdict::Undecided),
        ] {
            let is_the_tests = loss.is_the_tests();
            let said = Conclusion::lost(loss, 3);
            assert_eq!(said.verdict(), verdict, "{said:?}");
            assert_eq!(is_the_tests, verdict != Verdict::Undecided);
            assert!(!said.reason().unwrap().contains('\n'));
        }
    }

    #[test]
    fn what_is_taken_over_keeps_all_but_the_rule() {
        let first = Conclusion::because(Rule::StoppedInLongRun, "stopped");
        let other = first.taken_over(Rule::KnownCause);
        assert_eq!(other.rule(), Rule::KnownCause);
        assert_eq!(other.verdict(), Verdict::Bounded);
        assert_eq!(other.reason(), first.reason());
        assert_eq!(other.taken_over(Rule::LikeTest).rule(), Rule::LikeTest);
    }

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
