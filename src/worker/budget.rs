//! CPU time: what a whole run may take, and what all suspects of it share.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::investigate::{experiment::Purse, rules::RULES};

/// CPU time of all processes of a run, in microseconds.
#[derive(Debug, Default)]
pub struct Whole {
    spent: AtomicU64,
    /// What a plain run would have taken until now.
    plain: AtomicU64,
    /// Least seconds that there are for all of it; none where the user says how much time there is.
    least: AtomicU64,
    /// What was taken of the reserve for what takes next to nothing.
    reserve: AtomicU64,
    /// What there was no time for, and how often.
    left: Mutex<BTreeMap<&'static str, usize>>,
}

impl Whole {
    /// Ends what is asked beyond one look at each test once there is no time left, on a build on which looks take `pace`
    /// times as long.
    pub(crate) fn limit(&self, pace: u32) {
        let least = RULES.budget.least * u64::from(pace);
        self.least.store(least, Ordering::Relaxed);
    }

    /// A process has taken so much more.
    pub(crate) fn spend(&self, seconds: f64) {
        add(&self.spent, seconds);
    }

    /// A plain run would have taken so much more.
    pub(crate) fn plain(&self, seconds: f64) {
        add(&self.plain, seconds);
    }

    /// The most that the run is to take.
    fn most(&self) -> Duration {
        let least = self.least.load(Ordering::Relaxed);
        if least == 0 {
            return Duration::MAX;
        }
        let plain = Duration::from_micros(self.plain.load(Ordering::Relaxed));
        Duration::from_secs(least).max(RULES.budget.whole * plain)
    }

    /// What is left of it, and at least what those get whose turn comes last.
    pub(crate) fn left(&self) -> Duration {
        let spent = Duration::from_micros(self.spent.load(Ordering::Relaxed));
        let least = Duration::from_secs(RULES.budget.least_last);
        self.most().saturating_sub(spent).max(least)
    }

    /// Whether only a part is left, for those whose turn comes last.
    pub(crate) fn is_late(&self) -> bool {
        let most = self.most();
        let spent = Duration::from_micros(self.spent.load(Ordering::Relaxed));
        spent > most - most / RULES.budget.last
    }

    /// Whether there is time for a longer look at a test of which one iteration takes so many seconds: for one that takes next
    /// to nothing also when it is late.
    pub(crate) fn affords(&self, each: f64) -> bool {
        let most = self.most().as_secs_f64();
        let spent = Duration::from_micros(self.reserve.load(Ordering::Relaxed));
        !self.is_late()
            || each * RULES.budget.small < most && spent.as_secs_f64() * RULES.budget.reserve < most
    }

    /// A longer look has taken so many seconds.
    pub(crate) fn has_looked(&self, seconds: f64) {
        if self.is_late() {
            add(&self.reserve, seconds);
        }
    }

    /// For `what` there is no time.
    pub(crate) fn leave(&self, what: &'static str) {
        if let Ok(mut left) = self.left.lock() {
            *left.entry(what).or_default() += 1;
        }
    }

    /// What there was no time for, in a sentence.
    pub(crate) fn said(&self) -> Option<String> {
        let least = self.least.load(Ordering::Relaxed);
        let left = self.left.lock().ok()?;
        let all: Vec<String> = { left.iter() }
            .map(|(what, many)| format!("{many} {what}{}", if *many == 1 { "" } else { "s" }))
            .collect();
        (least > 0 && !all.is_empty()).then(|| {
            format!(
                "time was up ({} times the CPU of a plain run, or {least} s) before {} (--budget 10m gives more)",
                RULES.budget.whole,
                all.join(", ")
            )
        })
    }
}

fn add(to: &AtomicU64, seconds: f64) {
    let micros = Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or_default();
    to.fetch_add(
        u64::try_from(micros.as_micros()).unwrap_or(u64::MAX),
        Ordering::Relaxed,
    );
}

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

    pub(crate) fn spend(&self, seconds: f64) {
        add(&self.spent_micros, seconds);
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
    pub(crate) fn is_overspent(&self) -> bool {
        let spent = Duration::from_micros(self.spent_micros.load(Ordering::Relaxed));
        spent > self.total + self.total / 2
    }

    /// Whether what is likely is not looked at once more.
    pub(crate) fn is_scarce(&self) -> bool {
        self.total - self.left() > self.plenty
    }

    /// What the next horizon may cost: a share, so that later suspects get theirs.
    fn for_horizon(&self) -> Duration {
        self.horizon.min(self.left() / RULES.budget.share)
    }

    /// What may still be spent, by a process that may have `memory` bytes.
    pub(crate) fn purse(&self, memory: u64) -> Purse {
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
    fn a_run_may_take_a_minute_or_five_plain_runs_and_says_what_it_left() {
        let seconds = Duration::from_secs;
        let whole = Whole::default();
        whole.spend(50.0);
        assert!(!whole.is_late() && whole.left() > seconds(1000));
        whole.limit(1);
        whole.plain(4.0);
        assert!(!whole.is_late());
        assert_eq!(whole.left(), seconds(30));
        whole.spend(8.0);
        assert!(whole.is_late());
        // Thousands of tests take a millisecond each.
        assert!(whole.affords(0.002) && !whole.affords(0.02));
        whole.has_looked(4.0);
        assert!(!whole.affords(0.002));
        whole.plain(16.0);
        assert!(whole.affords(9.0));
        assert!(!whole.is_late());
        assert_eq!(whole.left(), seconds(42));
        assert_eq!(whole.said(), None);
        whole.leave("longer look");
        whole.leave("suspect");
        whole.leave("suspect");
        let said = whole.said().unwrap();
        assert!(
            said.contains("5 times the CPU of a plain run, or 60 s"),
            "{said}"
        );
        assert!(
            said.contains(" before 1 longer look, 2 suspects (--budget"),
            "{said}"
        );
        // Nothing that a process says of itself overflows.
        whole.spend(f64::MAX);
        whole.spend(f64::NAN);
        whole.spend(-1.0);
        assert_eq!(whole.left(), seconds(42));
    }

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
