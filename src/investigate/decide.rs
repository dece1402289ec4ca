//! The order of the rules: what comes next with a suspect.

use super::{
    at::{At, Step},
    capacity, containers,
    evidence::Evidence,
    experiment::{Next, Purse},
    known, late, long_run, noise,
    rules::Rules,
    tracing, windows,
};

/// Whoever says something first is right.
const ORDER: [Step; 24] = [
    // Does it grow in this process too?
    windows::open,
    windows::failed,
    noise::listen,
    noise::beside_other_threads,
    windows::look_longer,
    windows::stopped,
    windows::came_by_chance,
    windows::one_process_only,
    // Where does it grow?
    containers::ask,
    tracing::look,
    tracing::beside_interpreters,
    tracing::held_by_runner,
    // Others are known that grow so.
    known::announce,
    known::likely_where_time_is_scarce,
    known::only_to_be_named,
    // It may say itself where its end is.
    capacity::ask,
    capacity::limit_found,
    known::in_place_of_a_long_run,
    // Does it ever stop?
    long_run::failed,
    long_run::stopped,
    long_run::go_on,
    long_run::did_not_come_to_rest,
    long_run::cut_by_the_budget,
    long_run::grew_to_its_end,
];

/// What comes next with a suspect of which so much is known, as long as so much may be spent.
pub fn next(evidence: &Evidence, rules: &Rules, purse: &Purse) -> Next {
    let at = At {
        evidence,
        rules,
        purse,
    };
    let said = ORDER.iter().find_map(|step| step(at));
    let said = said.unwrap_or_else(|| unreachable!("the last one always says something"));
    match &said {
        Next::Conclude(conclusion) => known::teach(at, conclusion)
            .or_else(|| late::look(at, conclusion))
            .unwrap_or(said),
        Next::Do(_) => said,
    }
}
