//! Another look at a test with fixtures set up anew in each iteration that stood around the first: what such a fixture
//! leaks by itself shows nowhere else.

use super::experiment::Screened;
use crate::{investigate::experiment::Wider, verdict::Verdict};

/// Which fixtures are worth another look at a test that was screened so, if any. The first test that uses one is looked at
/// for it; the same look is the second chance of a test that cannot be repeated without.
pub fn worth_another_look(
    screened: &Screened,
    fixtures: &[String],
    thorough: bool,
    mut is_new: impl FnMut(&str) -> bool,
) -> Option<Wider> {
    let is_session = |fixture: &str| fixture.starts_with("session:");
    let mut fixtures = { fixtures.iter() }
        .map(|fixture| &**fixture)
        .filter(|fixture| thorough || !is_session(fixture));
    if screened.is(Verdict::Unrepeatable) {
        return fixtures.next().map(|_| Wider::Module);
    }
    if !screened.is(Verdict::Clean) {
        return None;
    }
    let new = fixtures.filter(|fixture| is_new(fixture));
    new.map(|fixture| match is_session(fixture) {
        true => Wider::Session,
        false => Wider::Module,
    })
    .max()
}

/// Whether the other look takes the place of the first: it found growth, or could repeat what that could not. Fixtures that
/// cannot be set up twice are nothing to report: nobody does it.
pub fn takes_over(second: &Screened, first: &Screened) -> bool {
    match second {
        Screened::Suspect => true,
        Screened::Concluded(_) => second.is(Verdict::Clean) && !first.is(Verdict::Clean),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::{conclusion::Conclusion, rule::Rule};

    fn said(rule: Rule) -> Screened {
        Screened::Concluded(Conclusion::because(rule, ""))
    }

    fn worth(rule: Rule, fixtures: &[&str], thorough: bool) -> Option<Wider> {
        let fixtures: Vec<String> = fixtures.iter().map(|it| (*it).to_owned()).collect();
        let is_new = |fixture: &str| !fixture.ends_with("known");
        worth_another_look(&said(rule), &fixtures, thorough, is_new)
    }

    #[test]
    fn the_first_healthy_test_that_uses_a_fixture_is_looked_at_for_it() {
        let clean = |fixtures, thorough| worth(Rule::NothingGrew, fixtures, thorough);
        assert_eq!(clean(&["module:a:db"], false), Some(Wider::Module));
        assert_eq!(clean(&["module:a:known"], false), None);
        assert_eq!(clean(&[], false), None);
        assert_eq!(clean(&["session::app"], false), None);
        assert_eq!(clean(&["session::app"], true), Some(Wider::Session));
        let both = ["session::known", "module:a:db"];
        assert_eq!(clean(&both, true), Some(Wider::Module));
        let limit = worth(Rule::DeclaredLimit, &["module:a:db"], false);
        assert_eq!(limit, None);
    }

    #[test]
    fn what_cannot_be_repeated_has_a_second_chance() {
        let unrepeatable = |fixtures, thorough| worth(Rule::FailedWhenRepeated, fixtures, thorough);
        assert_eq!(
            unrepeatable(&["module:a:known"], false),
            Some(Wider::Module)
        );
        assert_eq!(unrepeatable(&["session::app"], false), None);
        assert_eq!(unrepeatable(&["session::app"], true), Some(Wider::Module));
        assert_eq!(worth(Rule::FailedFirst, &["module:a:db"], false), None);
    }

    #[test]
    fn the_other_look_counts_where_it_found_more() {
        let clean = || said(Rule::NothingGrew);
        let failed = || said(Rule::FailedWhenRepeated);
        assert!(takes_over(&Screened::Suspect, &clean()));
        assert!(takes_over(&clean(), &failed()));
        assert!(!takes_over(&clean(), &clean()));
        assert!(!takes_over(&failed(), &failed()));
        assert!(!takes_over(&said(Rule::DeclaredLimit), &failed()));
    }
}
