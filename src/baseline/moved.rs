//! Finds the snapshot of a cause that goes by another fingerprint now: its code was moved, or another of its sites leads.

use super::{
    format::{Place, Snapshot},
    rates, scrub,
};
use crate::finding::Finding;

/// Pairs findings without a snapshot with snapshots without a finding, by their positions; `untested` says of which
/// snapshots the run cannot tell that they are not where they were. A pair is made only where neither could be paired
/// with another one: a wrong pair would hide a new leak.
pub fn pairs(
    findings: &[&Finding],
    snapshots: &[&Snapshot],
    untested: &dyn Fn(&Snapshot) -> bool,
    build: &str,
) -> Vec<(usize, usize)> {
    let akin: Vec<(usize, usize)> = findings
        .iter()
        .enumerate()
        .flat_map(|(at, finding)| {
            snapshots
                .iter()
                .enumerate()
                .filter(|(_, snapshot)| is_kin(snapshot, finding, build))
                .filter(|(_, snapshot)| !untested(snapshot) || share_a_test(snapshot, finding))
                .map(move |(of, _)| (at, of))
        })
        .collect();
    akin.iter()
        .copied()
        .filter(|(at, of)| {
            akin.iter()
                .filter(|(other_at, other_of)| at == other_at || of == other_of)
                .count()
                == 1
        })
        .collect()
}

fn share_a_test(snapshot: &Snapshot, finding: &Finding) -> bool {
    finding
        .tests
        .iter()
        .any(|id| snapshot.tests.contains(&scrub::addresses(id)))
}

fn is_kin(snapshot: &Snapshot, finding: &Finding, build: &str) -> bool {
    if snapshot.code != finding.code
        || snapshot.kind != finding.kind
        || snapshot.owner != finding.owner
    {
        return false;
    }
    match (&snapshot.site, finding.sites.first()) {
        (Some(old), Some(new)) => {
            let function = scrub::addresses(&new.function);
            let moved = old.function == function
                && old.source.is_some()
                && old.source
                    == Snapshot::of(finding, build, None)
                        .site
                        .and_then(|at| at.source);
            moved || swapped(old, &snapshot.also, finding) || is_called_there(old, finding)
        }
        // Without any place there is only how it grows; for what does not grow there is nothing.
        (None, None) => {
            rates::compare(&snapshot.rates, finding, build) == Some(std::cmp::Ordering::Equal)
        }
        _ => false,
    }
}

/// Whether each one's leading site is a lesser one of the other: on another Python other objects are the larger ones.
fn swapped(lead: &Place, also: &[Place], finding: &Finding) -> bool {
    let Some(new) = finding.sites.first() else {
        return false;
    };
    let (file, function) = (scrub::machine(&new.file), scrub::addresses(&new.function));
    also.iter().any(|place| place.is_at(&file, &function))
        && finding.sites.iter().any(|site| {
            lead.is_at(
                &scrub::machine(&site.file),
                &scrub::addresses(&site.function),
            )
        })
}

/// Whether native memory was accepted where Python calls what is known now to ask for it.
fn is_called_there(old: &Place, finding: &Finding) -> bool {
    let is_traced = { finding.native.iter() }.any(|native| !native.stack.is_empty());
    let callers = finding.sites.iter().flat_map(|site| &site.callers);
    is_traced
        && callers.into_iter().any(|frame| {
            old.is_at(
                &scrub::machine(&frame.file),
                &scrub::addresses(&frame.function),
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        baseline::{compare::tests::finding, format::tests::snapshot},
        finding::{Frame, Kind, NativeFrame, NativeFunction},
    };

    fn paired(findings: &[&Finding], snapshots: &[&Snapshot], build: &str) -> Vec<(usize, usize)> {
        pairs(findings, snapshots, &|_| false, build)
    }

    #[test]
    fn a_snapshot_that_was_not_tested_is_met_in_its_own_tests_only() {
        let old = snapshot("f", &[("blocks", 2.0)]);
        let mut new = finding("f", &[("blocks", 2.0)]);
        assert_eq!(pairs(&[&new], &[&old], &|_| true, "3.12"), [(0, 0)]);
        new.tests = vec!["elsewhere".to_owned()];
        assert_eq!(pairs(&[&new], &[&old], &|_| true, "3.12"), []);
        assert_eq!(paired(&[&new], &[&old], "3.12"), [(0, 0)]);
    }

    #[test]
    fn code_that_moved_to_another_file_is_found_again() {
        let old = snapshot("Registry.record", &[("blocks", 2.0)]);
        let mut new = finding("Registry.record", &[("blocks", 2.0)]);
        new.sites[0].file = "app/elsewhere.py".to_owned();
        assert_eq!(paired(&[&new], &[&old], "3.12"), [(0, 0)]);
        new.sites[0].source = Some("something.else()".to_owned());
        assert_eq!(paired(&[&new], &[&old], "3.12"), []);
        new.sites[0].source = None;
        assert_eq!(
            paired(&[&new], &[&old], "3.12"),
            [],
            "no text is no likeness"
        );
        let mut other_kind = finding("Registry.record", &[("blocks", 2.0)]);
        other_kind.kind = Kind::Fd;
        assert_eq!(paired(&[&other_kind], &[&old], "3.12"), []);
    }

    #[test]
    fn what_could_be_either_of_two_is_neither() {
        let old = snapshot("f", &[("blocks", 2.0)]);
        let (one, two) = (finding("f", &[]), finding("f", &[]));
        assert_eq!(paired(&[&one, &two], &[&old], "3.12"), []);
        assert_eq!(paired(&[&one], &[&old, &old.clone()], "3.12"), []);
    }

    #[test]
    fn sites_that_changed_places_are_the_same_cause() {
        let mut on_one = finding("a", &[("blocks", 2.0)]);
        let second = finding("b", &[]).sites.remove(0);
        on_one.sites.push(second);
        let mut on_other = on_one.clone();
        on_other.sites.reverse();
        // Their text is not what they are told by here.
        on_other.sites[0].source = None;
        let old = Snapshot::of(&on_one, "3.9", None);
        assert_eq!(paired(&[&on_other], &[&old], "3.13"), [(0, 0)]);
        on_other.sites.truncate(1);
        assert_eq!(paired(&[&on_other], &[&old], "3.13"), []);
    }

    #[test]
    fn native_memory_whose_code_is_known_now_is_what_was_accepted_at_its_call() {
        let mut before = finding("Reader.open", &[("heap", 160.0)]);
        before.kind = Kind::Native;
        let old = Snapshot::of(&before, "3.12", None);
        let mut now = before.clone();
        let call = now.sites[0].clone();
        now.sites[0].file = "src/reader.c".to_owned();
        now.sites[0].function = "read_header".to_owned();
        now.sites[0].source = Some("char *copy = malloc(144);".to_owned());
        now.sites[0].callers = vec![Frame {
            file: call.file,
            line: 31,
            function: call.function,
            owner: None,
        }];
        assert_eq!(paired(&[&now], &[&old], "3.12"), [], "nobody looked at it");
        now.native = Some(NativeFunction {
            stack: vec![NativeFrame::default()],
            ..NativeFunction::default()
        });
        assert_eq!(paired(&[&now], &[&old], "3.12"), [(0, 0)]);
        now.sites[0].callers[0].function = "Reader.close".to_owned();
        assert_eq!(paired(&[&now], &[&old], "3.12"), []);
    }

    #[test]
    fn without_a_place_the_rate_must_agree() {
        let mut one = finding("f", &[("heap", 5000.0)]);
        one.kind = Kind::Native;
        one.sites.clear();
        let old = Snapshot::of(&one, "3.12", None);
        assert_eq!(paired(&[&one], &[&old], "3.12"), [(0, 0)]);
        assert_eq!(paired(&[&one], &[&old], "3.9"), [], "cannot be told");
        one.rate.get_mut("heap").unwrap().interval = [20_000.0, 20_000.0];
        assert_eq!(paired(&[&one], &[&old], "3.12"), []);
    }
}
