//! The one table of exit codes, and which of them applies.

/// What the process exits with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitCode {
    /// No new or worse leak.
    Success,
    /// A finding that fails the build.
    Leak,
    /// Usage or configuration.
    Usage,
    /// Too little was judged to call this evidence.
    NoEvidence,
    /// Tests that failed, crashed or hung on their first run, or collection errors.
    TestsFailed,
    /// A bug in leakcheck.
    Internal,
    /// Interrupted by the user.
    Interrupted,
}

impl ExitCode {
    /// In the order in which they take precedence.
    pub const PRECEDENCE: [ExitCode; 7] = [
        ExitCode::Internal,
        ExitCode::Interrupted,
        ExitCode::Usage,
        ExitCode::Leak,
        ExitCode::TestsFailed,
        ExitCode::NoEvidence,
        ExitCode::Success,
    ];

    /// The number given to the operating system.
    pub fn number(self) -> u8 {
        match self {
            ExitCode::Success => 0,
            ExitCode::Leak => 1,
            ExitCode::Usage => 2,
            ExitCode::NoEvidence => 3,
            ExitCode::TestsFailed => 4,
            ExitCode::Internal => 70,
            ExitCode::Interrupted => 130,
        }
    }

    /// The exit code with that number, if there is one.
    pub fn of_number(number: u8) -> Option<ExitCode> {
        Self::PRECEDENCE
            .into_iter()
            .find(|code| code.number() == number)
    }

    /// The one of `candidates` that takes precedence; success if there is none.
    pub fn first(candidates: &[ExitCode]) -> ExitCode {
        Self::PRECEDENCE
            .into_iter()
            .find(|code| candidates.contains(code))
            .unwrap_or(ExitCode::Success)
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        std::process::ExitCode::from(code.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leak_outranks_a_failed_test_and_an_interrupt_outranks_both() {
        use ExitCode::*;
        assert_eq!(ExitCode::first(&[TestsFailed, Leak, NoEvidence]), Leak);
        assert_eq!(ExitCode::first(&[Leak, Interrupted]), Interrupted);
        assert_eq!(ExitCode::first(&[NoEvidence, TestsFailed]), TestsFailed);
        assert_eq!(ExitCode::first(&[]), Success);
    }
}
