//! What is said of a test: a verdict that can only be had from a rule, and what there is to say beside it.

use super::{Verdict, loss::Loss, rule::Rule};

/// A container with an end: its kind, name (may be empty), size where its end is one of entries, and the end.
pub type Filled = (String, String, Option<u64>, u64);

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

/// A container with an end in words: `app.parse (lru_cache)`, or `a deque` where it has no name.
pub fn called(kind: &str, name: &str) -> String {
    if name.is_empty() {
        format!("a {kind}")
    } else {
        format!("{name} ({kind})")
    }
}

/// `fills app.parse (lru_cache): 57 of 128`.
pub fn filled(what: &[Filled]) -> String {
    let mut parts: Vec<String> = what
        .iter()
        .map(|(kind, name, size, most)| {
            let whose = called(kind, name);
            match size {
                Some(size) => format!("{whose}: {size} of {most}"),
                None => format!("{whose}: part of {most}"),
            }
        })
        .collect();
    parts.sort();
    parts.dedup();
    const SHOWN: usize = 3;
    let more = parts.len().saturating_sub(SHOWN);
    parts.truncate(SHOWN);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    format!("fills what has an end: {}{more} filled", parts.join(", "))
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
            c_stack: Vec::new(),
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
    fn what_is_filled_is_named_with_its_end() {
        let lru = |name: &str, size| ("lru_cache".to_owned(), name.to_owned(), Some(size), 128);
        assert_eq!(
            filled(&[lru("app.parse", 57), lru("", 3)]),
            "fills what has an end: a lru_cache: 3 of 128, app.parse (lru_cache): 57 of 128 filled"
        );
        let bytes = ("dict".to_owned(), "app.most".to_owned(), None, 4096);
        assert!(filled(&[bytes]).ends_with("app.most (dict): part of 4096 filled"));
        let many: Vec<_> = (0..5).map(|at| lru(&format!("c{at}"), 1)).collect();
        assert!(filled(&many).ends_with("c2 (lru_cache): 1 of 128 and 2 more filled"));
    }
}
