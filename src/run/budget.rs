//! CPU time that all suspects of a run share.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use crate::investigate::{experiment::Purse, rules::RULES};

/// CPU time that all suspects share.
#[derive(Debug)]
pub struct Budget {
    total: Duration,
    spent_micros: AtomicU64,
    /// So much is spent before it is scarce.
    plenty: Duration,
    /// Most for one horizon.
    horizon: Duration,
}

impl Budget {
    /// A budget of `total`, scarce once `plenty` of it is spent. One suspect's horizon gets at most `horizon`.
    pub fn new(total: Duration, plenty: Duration, horizon: Duration) -> Budget {
        Budget {
            total,
            spent_micros: AtomicU64::new(0),
            plenty,
            horizon,
        }
    }

    pub(super) fn spend(&self, seconds: f64) {
        let micros = Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or_default();
        self.spent_micros.fetch_add(
            u64::try_from(micros.as_micros()).unwrap_or(u64::MAX),
            Ordering::Relaxed,
        );
    }

    fn left(&self) -> Duration {
        self.total.saturating_sub(Duration::from_micros(
            self.spent_micros.load(Ordering::Relaxed),
        ))
    }

    /// Whether nothing is left.
    pub fn is_spent(&self) -> bool {
        self.left().is_zero()
    }

    /// Whether half of it was spent on top of it.
    pub(super) fn is_overspent(&self) -> bool {
        let spent = Duration::from_micros(self.spent_micros.load(Ordering::Relaxed));
        spent > self.total + self.total / 2
    }

    /// Whether what is likely is not looked at once more.
    pub(super) fn is_scarce(&self) -> bool {
        self.total - self.left() > self.plenty
    }

    /// What the next horizon may cost: a share, so that later suspects get theirs.
    fn for_horizon(&self) -> Duration {
        self.horizon.min(self.left() / RULES.budget.share)
    }

    /// What may still be spent, by a process that may have `memory` bytes.
    pub(super) fn purse(&self, memory: u64) -> Purse {
        Purse {
            total: self.total.as_secs_f64(),
            spent: self.is_spent(),
            scarce: self.is_scarce(),
            long_run: self.for_horizon().as_secs_f64(),
            whole_long_run: self.horizon.as_secs_f64(),
            memory,
        }
    }

    /// All of it.
    pub fn total(&self) -> Duration {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_gives_each_horizon_a_share_and_ends() {
        let seconds = Duration::from_secs;
        let budget = Budget::new(seconds(8), seconds(4), seconds(2));
        assert_eq!(budget.for_horizon(), Duration::from_secs(2));
        assert!(!budget.is_scarce());
        budget.spend(6.0);
        assert!(budget.is_scarce());
        assert_eq!(budget.for_horizon(), Duration::from_millis(500));
        let purse = budget.purse(9);
        assert_eq!((purse.long_run, purse.whole_long_run), (0.5, 2.0));
        assert!(purse.scarce && purse.memory == 9);
        budget.spend(3.0);
        assert!(budget.is_spent() && !budget.is_overspent());
        budget.spend(4.0);
        assert!(budget.is_overspent());
    }
}
