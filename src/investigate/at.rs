//! What a rule looks at, and what it says.

use super::{
    evidence::Evidence,
    experiment::{Next, Purse},
    rules::Rules,
};

/// What is known as a rule looks at it.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub evidence: &'a Evidence,
    pub rules: &'a Rules,
    pub purse: &'a Purse,
}

/// Says what comes next, or nothing where that is for a later one to say.
pub(super) type Step = fn(At<'_>) -> Option<Next>;
