//! How long a worker may take for what it does.

use std::time::Duration;

/// Time-outs of one worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For import and collection.
    pub loading: Duration,
    /// For the first iteration of a test, and for wider fixtures.
    pub first: Duration,
    /// Never less than this for a repeat.
    pub floor: Duration,
    /// For a repeat, as a multiple of the first iteration.
    pub factor: u32,
}

impl Limits {
    /// The limit of a repeat of a test whose first iteration took `first`.
    pub(crate) fn repeat(&self, first: Duration) -> Duration {
        (first * self.factor).clamp(self.floor.min(self.first), self.first)
    }
    /// These limits, with `timeout` for an iteration where it is given.
    pub(crate) fn within(self, timeout: Option<Duration>) -> Limits {
        match timeout {
            Some(timeout) => Limits {
                first: timeout,
                floor: timeout,
                ..self
            },
            None => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_given_time_is_the_limit_of_first_runs_and_repeats_alike() {
        let seconds = Duration::from_secs;
        let limits = Limits {
            loading: seconds(900),
            first: seconds(300),
            floor: seconds(10),
            factor: 10,
        };
        assert_eq!(limits.repeat(seconds(2)), seconds(20));
        assert_eq!(limits.repeat(seconds(100)), seconds(300));
        let given = limits.within(Some(seconds(3)));
        assert_eq!((given.loading, given.first), (seconds(900), seconds(3)));
        assert_eq!(given.repeat(seconds(1)), seconds(3));
        assert_eq!(limits.within(None), limits);
    }
}
