//! What waits for a decision: written by every run, taken into the baseline or thrown away by a person.

use std::{collections::BTreeSet, io};

use super::{
    acceptance::{Acceptance, Package},
    compare::Outcome,
    files::{self, File, Folder, Unusable},
    format::{Entry, Snapshot, Waiting, Whole},
};
use crate::explain::fingerprint::{self, LEAST_DIGITS};

/// Why a decision could not be carried out; nothing was lost.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// A file is in the way.
    #[error("{0}")]
    Unusable(Unusable),
    /// Nothing has that fingerprint.
    #[error("nothing that waits has the fingerprint `{0}`{1}")]
    Unknown(String, String),
    /// More than one thing has.
    #[error("`{0}` is the beginning of several fingerprints: {1}; give more digits")]
    Ambiguous(String, String),
    /// No package has that name.
    #[error("no finding that waits is in the package `{0}`{1}")]
    NoPackage(String, String),
    /// Writing failed.
    #[error("{0}: {1}")]
    Failed(String, io::Error),
}

/// A pending file that could be read.
#[derive(Debug, Clone, PartialEq)]
pub struct Pending {
    /// Its name in the folder.
    pub name: String,
    /// What it is about.
    pub snapshot: Snapshot,
    /// Why it waits.
    pub waiting: Waiting,
}

/// What a decision did, for the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// It is in the baseline: title and file.
    Accepted(String, String),
    /// Its snapshot is gone from the baseline.
    Removed(String, String),
    /// It waits no longer.
    Rejected(String, String),
}

/// Everything that waits and can be read, and what cannot.
pub fn all(folder: &Folder) -> (Vec<Pending>, Vec<Unusable>) {
    let (files, unusable) = folder.pending();
    let mut all: Vec<Pending> = files
        .into_iter()
        .filter_map(|file| match file.entry {
            Entry::One(snapshot) => Some(Pending {
                name: file.name,
                waiting: snapshot.pending?,
                snapshot: *snapshot,
            }),
            Entry::Whole(_) => None,
        })
        .collect();
    all.sort_by(|a, b| (a.waiting, &a.name).cmp(&(b.waiting, &b.name)));
    (all, unusable)
}

/// Writes what waits after a run, and takes away what waits no longer. Never touches an accepted file.
pub fn record(folder: &Folder, outcome: &Outcome) -> io::Result<()> {
    let (before, _) = all(folder);
    let mut written = BTreeSet::new();
    for (replaces, snapshot) in &outcome.pending {
        let same = before
            .iter()
            .find(|one| one.snapshot.fingerprint == snapshot.fingerprint);
        let mut text = snapshot.clone();
        let name = match (replaces, same) {
            (Some(name), _) => files::pending_name(name),
            // Another Python may have measured it, perhaps at the same time.
            (None, Some(same)) if same.waiting == Waiting::New => {
                text = same.snapshot.updated(snapshot);
                same.name.clone()
            }
            _ => files::pending_name(&free_name(folder, snapshot)),
        };
        folder.write(&name, &text.to_text())?;
        written.insert(name);
    }
    for one in before {
        let fingerprint = &one.snapshot.fingerprint;
        let elsewhere = outcome
            .pending
            .iter()
            .any(|(_, other)| other.fingerprint == *fingerprint);
        let tests = &one.snapshot.tests;
        let gone = !tests.is_empty()
            && !one.snapshot.more_tests
            && tests.iter().all(|test| outcome.judged.contains(test));
        if !written.contains(&one.name)
            && (elsewhere || outcome.settled.contains(fingerprint) || gone)
        {
            folder.remove(&one.name)?;
        }
    }
    Ok(())
}

/// The readable name, or the long one where another finding has that.
fn free_name(folder: &Folder, snapshot: &Snapshot) -> String {
    let name = files::name_of(snapshot);
    let taken = [name.clone(), files::pending_name(&name)]
        .iter()
        .any(|name| match folder.one_accepted(name) {
            Ok(Some(Entry::One(other))) => other.fingerprint != snapshot.fingerprint,
            Ok(None) => false,
            Ok(Some(Entry::Whole(_))) | Err(_) => true,
        });
    if taken {
        files::long_name_of(snapshot)
    } else {
        name
    }
}

/// Those of `pending` whose fingerprint begins with one of `wanted`; all where nothing is asked for.
pub fn select(pending: Vec<Pending>, wanted: &[String]) -> Result<Vec<Pending>, Refusal> {
    if wanted.is_empty() {
        return Ok(pending);
    }
    let mut chosen = BTreeSet::new();
    for prefix in wanted {
        let found: Vec<usize> = (0..pending.len())
            .filter(|at| fingerprint::is_meant(&pending[*at].snapshot.fingerprint, prefix))
            .collect();
        let fingerprints: BTreeSet<&str> = found
            .iter()
            .map(|at| &*pending[*at].snapshot.fingerprint)
            .collect();
        match fingerprints.len() {
            0 => {
                let hint = if prefix.len() < LEAST_DIGITS {
                    format!("; give at least {LEAST_DIGITS} digits")
                } else {
                    list(
                        "; there are ",
                        pending.iter().map(|one| one.snapshot.fingerprint.clone()),
                    )
                };
                return Err(Refusal::Unknown(
                    crate::config::text::excerpt(prefix, 70),
                    hint,
                ));
            }
            1 => chosen.extend(found),
            _ => {
                let all: Vec<&str> = fingerprints.into_iter().collect();
                return Err(Refusal::Ambiguous(prefix.clone(), all.join(", ")));
            }
        }
    }
    Ok(pending
        .into_iter()
        .enumerate()
        .filter(|(at, _)| chosen.contains(at))
        .map(|(_, one)| one)
        .collect())
}

fn list(before: &str, items: impl Iterator<Item = String>) -> String {
    const LISTED: usize = 8;
    let items: BTreeSet<String> = items.collect();
    if items.is_empty() {
        return String::new();
    }
    let more = if items.len() > LISTED { ", …" } else { "" };
    let items: Vec<String> = items.into_iter().take(LISTED).collect();
    format!("{before}{}{more}", items.join(", "))
}

/// Takes one into the baseline, or its snapshot out of it where it is fixed. What `said` leaves open stays as it was.
pub fn accept(folder: &Folder, one: &Pending, said: &Acceptance) -> Result<Done, Refusal> {
    let mut name = files::accepted_name(&one.name).to_owned();
    let failed = |name: &str, error| Refusal::Failed(crate::config::text::escape(name), error);
    let file = |name: &str, entry| File {
        name: name.to_owned(),
        entry,
    };
    if one.waiting == Waiting::Fixed {
        folder.remove(&name).map_err(|error| failed(&name, error))?;
        folder
            .remove(&one.name)
            .map_err(|error| failed(&one.name, error))?;
        let shown = file(&name, Entry::One(Box::new(one.snapshot.clone()))).shown();
        return Ok(Done::Removed(one.snapshot.title(), shown));
    }
    let mut text = one.snapshot.clone();
    match folder.one_accepted(&name).map_err(Refusal::Unusable)? {
        Some(Entry::One(older)) if older.fingerprint == text.fingerprint => {
            // As it is now, not as it was when the run looked.
            let mut older = *older;
            if one.waiting == Waiting::Expired {
                older.accepted.until = None;
                text.accepted.until = None;
            }
            text = older.updated(&text);
        }
        Some(_) => name = files::long_name_of(&text),
        None => {}
    }
    text.accepted = said.over(&text.accepted);
    text.pending = None;
    folder
        .write(&name, &text.to_text())
        .map_err(|error| failed(&name, error))?;
    folder
        .remove(&one.name)
        .map_err(|error| failed(&one.name, error))?;
    let title = text.title();
    Ok(Done::Accepted(
        title,
        file(&name, Entry::One(Box::new(text))).shown(),
    ))
}

/// Throws one away. The next run that sees the leak brings it back.
pub fn reject(folder: &Folder, one: &Pending) -> Result<Done, Refusal> {
    folder
        .remove(&one.name)
        .map_err(|error| Refusal::Failed(crate::config::text::escape(&one.name), error))?;
    Ok(Done::Rejected(
        one.snapshot.title(),
        one.snapshot.fingerprint.clone(),
    ))
}

/// Accepts every leak of a package as it is installed, `NAME` or `NAME==VERSION`, and with it what waits of it.
pub fn accept_package(
    folder: &Folder,
    pending: &[Pending],
    wanted: &str,
    said: &Acceptance,
) -> Result<Vec<Done>, Refusal> {
    let (name, version) = match wanted.split_once("==") {
        Some((name, version)) => (name, Some(version)),
        None => (wanted, None),
    };
    let name = Package::of(name, "").name;
    let fits = |package: &Package| {
        package.name == name && version.is_none_or(|version| package.version == version)
    };
    let there: BTreeSet<&Package> = pending
        .iter()
        .filter_map(|one| one.snapshot.package.as_ref())
        .collect();
    let chosen: Vec<&Package> = there
        .iter()
        .copied()
        .filter(|package| fits(package))
        .collect();
    if chosen.is_empty() {
        let hint = list(
            "; there are ",
            there
                .iter()
                .map(|of| format!("{}=={}", of.name, of.version)),
        );
        return Err(Refusal::NoPackage(
            crate::config::text::excerpt(wanted, 70),
            hint,
        ));
    }
    let mut done = Vec::new();
    for package in chosen {
        let name = files::package_name(&package.name, &package.version);
        let whole = Entry::Whole(Whole::of(package.clone(), said.clone()));
        folder
            .write(&name, &whole.to_text())
            .map_err(|error| Refusal::Failed(name.clone(), error))?;
        let file = File { name, entry: whole };
        done.push(Done::Accepted(
            format!("all of {} {}", package.name, package.version),
            file.shown(),
        ));
        for one in pending
            .iter()
            .filter(|one| one.snapshot.package.as_ref() == Some(package))
        {
            if one.waiting == Waiting::New {
                reject(folder, one)?;
            }
        }
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::format::tests::snapshot;

    fn outcome(pending: Vec<(Option<&str>, Waiting, Snapshot)>) -> Outcome {
        Outcome {
            pending: pending
                .into_iter()
                .map(|(file, waiting, mut snapshot)| {
                    snapshot.pending = Some(waiting);
                    (file.map(str::to_owned), snapshot)
                })
                .collect(),
            ..Outcome::default()
        }
    }

    fn texts(folder: &Folder) -> Vec<String> {
        folder
            .accepted()
            .unwrap()
            .iter()
            .map(|file| file.entry.to_text())
            .collect()
    }

    #[test]
    fn what_waits_is_accepted_and_the_accepted_file_says_nothing_of_waiting() {
        let project = tempfile::tempdir().unwrap();
        let folder = Folder::of(project.path());
        let one = snapshot("f", &[("blocks", 2.0)]);
        record(&folder, &outcome(vec![(None, Waiting::New, one.clone())])).unwrap();
        assert!(folder.accepted().unwrap().is_empty());
        let (waiting, _) = all(&folder);
        let said = Acceptance {
            reason: Some("later".to_owned()),
            ..Acceptance::default()
        };
        accept(&folder, &waiting[0], &said).unwrap();
        assert!(all(&folder).0.is_empty());
        let mut expected = one;
        expected.accepted = said;
        assert_eq!(texts(&folder), [expected.to_text()]);
    }

    #[test]
    fn accepting_what_is_worse_keeps_what_was_said_and_other_rates() {
        let project = tempfile::tempdir().unwrap();
        let folder = Folder::of(project.path());
        let mut before = snapshot("f", &[("blocks", 2.0)]);
        before.rates[0].python = vec!["3.9".to_owned()];
        folder.write("a.snap", &before.to_text()).unwrap();
        let worse = before.updated(&snapshot("f", &[("blocks", 9.0)]));
        record(
            &folder,
            &outcome(vec![(Some("a.snap"), Waiting::Worse, worse)]),
        )
        .unwrap();
        // Meanwhile somebody gave a reason.
        before.accepted.reason = Some("meanwhile".to_owned());
        folder.write("a.snap", &before.to_text()).unwrap();
        accept(&folder, &all(&folder).0[0], &Acceptance::default()).unwrap();
        let text = texts(&folder).remove(0);
        assert!(text.contains("meanwhile") && text.contains("3.9"), "{text}");
        assert!(text.contains("blocks: 9"), "{text}");
    }

    #[test]
    fn an_acceptance_that_ran_out_is_renewed_without_its_date() {
        let project = tempfile::tempdir().unwrap();
        let folder = Folder::of(project.path());
        let mut before = snapshot("f", &[("blocks", 2.0)]);
        before.accepted.until = Some("2020-01-01".parse().unwrap());
        before.accepted.reason = Some("why".to_owned());
        folder.write("a.snap", &before.to_text()).unwrap();
        record(
            &folder,
            &outcome(vec![(Some("a.snap"), Waiting::Expired, before)]),
        )
        .unwrap();
        accept(&folder, &all(&folder).0[0], &Acceptance::default()).unwrap();
        let text = texts(&folder).remove(0);
        assert!(!text.contains("2020") && text.contains("why"), "{text}");
    }

    #[test]
    fn accepting_what_is_fixed_removes_its_snapshot() {
        let project = tempfile::tempdir().unwrap();
        let folder = Folder::of(project.path());
        let one = snapshot("f", &[("blocks", 2.0)]);
        folder.write("a.snap", &one.to_text()).unwrap();
        record(
            &folder,
            &outcome(vec![(Some("a.snap"), Waiting::Fixed, one)]),
        )
        .unwrap();
        let done = accept(&folder, &all(&folder).0[0], &Acceptance::default()).unwrap();
        assert!(matches!(done, Done::Removed(..)));
        assert!(texts(&folder).is_empty() && all(&folder).0.is_empty());
    }

    #[test]
    fn what_was_fixed_before_anybody_decided_waits_no_longer() {
        let project = tempfile::tempdir().unwrap();
        let folder = Folder::of(project.path());
        let one = snapshot("f", &[]);
        record(&folder, &outcome(vec![(None, Waiting::New, one)])).unwrap();
        // A run of other tests says nothing of it.
        record(&folder, &Outcome::default()).unwrap();
        assert_eq!(all(&folder).0.len(), 1);
        let judged = Outcome {
            judged: ["t.py::test".to_owned()].into(),
            ..Outcome::default()
        };
        record(&folder, &judged).unwrap();
        assert_eq!(all(&folder).0.len(), 0);
    }

    #[test]
    fn another_python_adds_its_rates_to_what_waits() {
        let project = tempfile::tempdir().unwrap();
        let folder = Folder::of(project.path());
        let on = |build: &str, blocks| {
            let mut one = snapshot("f", &[("blocks", blocks)]);
            one.rates[0].python = vec![build.to_owned()];
            outcome(vec![(None, Waiting::New, one)])
        };
        record(&folder, &on("3.13", 2.0)).unwrap();
        record(&folder, &on("3.9", 3.0)).unwrap();
        let waiting = all(&folder).0;
        assert_eq!(waiting.len(), 1);
        assert_eq!(waiting[0].snapshot.rates.len(), 2);
    }

    #[test]
    fn a_name_that_another_finding_has_is_not_taken() {
        let project = tempfile::tempdir().unwrap();
        let folder = Folder::of(project.path());
        let one = snapshot("f", &[]);
        let mut other = one.clone();
        other.fingerprint = format!("{}{}", &one.fingerprint[..8], "0".repeat(8));
        folder.write(&files::name_of(&one), &one.to_text()).unwrap();
        record(&folder, &outcome(vec![(None, Waiting::New, other)])).unwrap();
        accept(&folder, &all(&folder).0[0], &Acceptance::default()).unwrap();
        assert_eq!(texts(&folder).len(), 2);
    }

    #[test]
    fn fingerprints_are_given_by_their_first_digits() {
        let project = tempfile::tempdir().unwrap();
        let folder = Folder::of(project.path());
        let (one, mut two) = (snapshot("f", &[]), snapshot("g", &[]));
        two.fingerprint = format!("{}ffffffff", &one.fingerprint[..8]);
        let (first, second) = (one.fingerprint.clone(), two.fingerprint.clone());
        let waiting = vec![(None, Waiting::New, one), (None, Waiting::New, two)];
        record(&folder, &outcome(waiting)).unwrap();
        let chosen = |wanted: &str| {
            select(all(&folder).0, &[wanted.to_owned()])
                .map(|found| {
                    found
                        .iter()
                        .map(|one| one.snapshot.fingerprint.clone())
                        .collect::<Vec<_>>()
                })
                .map_err(|error| error.to_string())
        };
        assert_eq!(chosen(&first), Ok(vec![first.clone()]));
        assert_eq!(
            chosen(&second[..9].to_uppercase()),
            Ok(vec![second.clone()])
        );
        assert!(chosen(&first[..8]).unwrap_err().contains("several"));
        assert!(chosen(&first[..3]).unwrap_err().contains("at least 4"));
        assert!(chosen("00001111").unwrap_err().contains(&first));
        assert_eq!(select(all(&folder).0, &[]).unwrap().len(), 2);
    }

    #[test]
    fn a_package_takes_all_that_waits_of_it() {
        let project = tempfile::tempdir().unwrap();
        let folder = Folder::of(project.path());
        let mut one = snapshot("f", &[]);
        one.package = Some(Package {
            name: "my-lib".to_owned(),
            version: "1.0".to_owned(),
        });
        let mine = snapshot("g", &[]);
        let waiting = vec![(None, Waiting::New, one), (None, Waiting::New, mine)];
        record(&folder, &outcome(waiting)).unwrap();
        let said = Acceptance::default();
        for wrong in ["other", "my-lib==2.0"] {
            let refusal = accept_package(&folder, &all(&folder).0, wrong, &said).unwrap_err();
            assert!(refusal.to_string().contains("my-lib==1.0"), "{refusal}");
        }
        accept_package(&folder, &all(&folder).0, "My_Lib", &said).unwrap();
        assert_eq!(all(&folder).0.len(), 1);
        assert!(texts(&folder)[0].contains("my-lib"));
    }
}
