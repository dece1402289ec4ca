//! What a finding is called in a line.

use super::text;
use crate::{
    finding::{Finding, Kind, Status, stance::Subject},
    verdict::Verdict,
};

/// `leak[LK101]`, `worse leak[LK100]`: what a finding begins with.
pub(super) fn label(finding: &Finding) -> String {
    // Where nobody keeps snapshots everything is new, and the word says nothing.
    let status = match finding.status {
        Status::New => String::new(),
        other => format!("{} ", other.word()),
    };
    let code = text::shortened(&finding.code, 20);
    format!("{status}{}[{code}]", noun(finding))
}

/// What a finding is called.
pub(super) fn noun(finding: &Finding) -> &'static str {
    match finding.verdict {
        _ if is_apart(finding) => finding.kind.word(),
        Verdict::Crashed => "crash",
        Verdict::TimedOut => "hang",
        Verdict::Bounded => "bounded",
        Verdict::Harness => "harness",
        Verdict::Clean
        | Verdict::Leak
        | Verdict::Unstable
        | Verdict::Unrepeatable
        | Verdict::Failed
        | Verdict::Skipped
        | Verdict::Undecided => "leak",
    }
}

/// Whether it is no leak by itself, and a cycle whatever is said of it.
pub(super) fn is_apart(finding: &Finding) -> bool {
    finding.kind == Kind::Cycle
        || Subject::of(finding.kind).is_some() && finding.verdict == Verdict::Clean
}
