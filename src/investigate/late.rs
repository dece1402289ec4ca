//! What the long run alone showed is traced as well.

use super::{
    at::At, experiment::Next, growth::grows_memory, picture::Picture, tracing::look_deeper,
};
use crate::verdict::{Verdict, conclusion::Conclusion};

/// A leak of memory that comes rarely showed in the long run only, and its places are not known yet.
pub(super) fn look(at: At<'_>, conclusion: &Conclusion) -> Option<Next> {
    if !conclusion.is(Verdict::Leak) || grows_memory(&at.evidence.windows.fits) {
        return None;
    }
    let shown = Picture::of(at.evidence, conclusion, at.rules);
    if !grows_memory(&shown.fits) {
        return None;
    }
    look_deeper(
        at,
        &shown.fits,
        &shown.series,
        &shown.containers,
        shown.brief,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        investigate::{
            evidence::{Answer, Evidence, Window},
            experiment::{Experiment, Tracing},
            rules::RULES,
            samples::{FIRST_STRETCH, PURSE, blocks, endless, growth, traces},
            tracing::of_windows,
        },
        verdict::{Counter, Series, rule::Rule},
    };

    #[test]
    fn what_came_late_is_traced_once_it_is_called_a_leak() {
        let fds = || Series::from([(Counter::Fds, (0..=16).collect::<Vec<i64>>())]);
        let mut evidence = endless(fds());
        let mut series = fds();
        series.extend(blocks((0..=16).map(|at| at * 3)));
        let window = Window {
            iterations: 17,
            series,
            ..Window::default()
        };
        evidence.add(Answer::Stretch(FIRST_STRETCH, window));
        let asked = |evidence: &Evidence, rule| {
            let at = At {
                evidence,
                rules: &RULES,
                purse: &PURSE,
            };
            look(at, &Conclusion::by(rule))
        };
        let first = Some(Next::Do(Experiment::Trace(Tracing {
            iterations: 6,
            frames: 1,
            last_only: false,
            settling: 0,
        })));
        assert_eq!(asked(&evidence, Rule::GrewToSizeEnd), first);
        assert_eq!(asked(&evidence, Rule::StoppedInLongRun), None);
        evidence.traces = traces(vec![growth("app.py", 1, 3, 90)]);
        evidence.traces[0].cpu = 1.0;
        assert_eq!(asked(&evidence, Rule::GrewToSizeEnd), None);
        // What the windows showed was traced then.
        assert_eq!(of_windows(&evidence).growths, []);
        assert_eq!(asked(&endless(blocks(0..=8)), Rule::GrewToSizeEnd), None);
    }
}
