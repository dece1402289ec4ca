//! `leakcheck accept` and `leakcheck reject`: decisions about findings that wait.

use clap::Args;
use jiff::civil::Date;

use super::snapshots::{self, Where};
use crate::{
    baseline::{
        acceptance::Acceptance,
        format::Entry,
        pending::{self, Done, Pending, Refusal},
    },
    config::text,
    exit_code::ExitCode,
    explain::fingerprint,
};

/// Options of `leakcheck accept`.
#[derive(Debug, Args)]
pub struct AcceptArgs {
    /// Fingerprints, or their first digits; all that waits where none is given.
    fingerprints: Vec<String>,
    /// Accept every leak of a package in the version that is installed, such as jinja2 or jinja2==3.1.6.
    #[arg(long, value_name = "NAME", conflicts_with = "fingerprints")]
    package: Vec<String>,
    /// Why, for whoever reads the snapshot.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: Option<String>,
    /// The last day on which it is accepted, such as 2027-03-01.
    #[arg(long, value_name = "DATE", value_parser = until)]
    until: Option<Date>,
    /// Where it is being worked on.
    #[arg(long, value_name = "URL", value_parser = issue)]
    issue: Option<String>,
    #[command(flatten)]
    at: Where,
}

/// Options of `leakcheck reject`.
#[derive(Debug, Args)]
pub struct RejectArgs {
    /// Fingerprints, or their first digits; all that waits where none is given.
    fingerprints: Vec<String>,
    #[command(flatten)]
    at: Where,
}

fn reason(text: &str) -> Result<String, String> {
    const LONGEST: usize = 1000;
    let text = text.trim();
    match text.chars().count() {
        0 => Err("says nothing".to_owned()),
        1..=LONGEST => Ok(text.to_owned()),
        _ => Err(format!("is longer than {LONGEST} characters")),
    }
}

fn until(text: &str) -> Result<Date, String> {
    let date: Date = text
        .parse()
        .map_err(|_| "is no date such as 2027-03-01".to_owned())?;
    if date < snapshots::today() {
        return Err("is over already".to_owned());
    }
    Ok(date)
}

fn issue(text: &str) -> Result<String, String> {
    let is_link = text.starts_with("https://") || text.starts_with("http://");
    if is_link && text.len() < 2000 && !text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        Ok(text.to_owned())
    } else {
        Err("is no link that begins with https://".to_owned())
    }
}

/// Accepts, and says what was done.
pub fn accept(args: &AcceptArgs) -> ExitCode {
    let said = Acceptance {
        reason: args.reason.clone(),
        until: args.until,
        issue: args.issue.clone(),
    };
    decide("accept", &args.at, |waiting| {
        if !args.package.is_empty() {
            let mut done = Vec::new();
            for package in &args.package {
                let (waiting, _) = pending::all(&args.at.folder());
                done.extend(pending::accept_package(
                    &args.at.folder(),
                    &waiting,
                    package,
                    &said,
                )?);
            }
            return Ok(done);
        }
        // What is accepted already takes a new reason, date or link.
        if !args.fingerprints.is_empty() && !said.is_empty() {
            let (known, others): (Vec<String>, Vec<String>) =
                args.fingerprints.iter().cloned().partition(|prefix| {
                    pending::select(waiting.clone(), std::slice::from_ref(prefix)).is_err()
                });
            if let (false, Some(mut done)) = (known.is_empty(), amend(&args.at, &known, &said)?) {
                if !others.is_empty() {
                    done.extend(each(&pending::select(waiting, &others)?, |one| {
                        pending::accept(&args.at.folder(), one, &said)
                    })?);
                }
                return Ok(done);
            }
        }
        each(&pending::select(waiting, &args.fingerprints)?, |one| {
            pending::accept(&args.at.folder(), one, &said)
        })
    })
}

/// Throws away, and says what was done.
pub fn reject(args: &RejectArgs) -> ExitCode {
    decide("reject", &args.at, |waiting| {
        each(&pending::select(waiting, &args.fingerprints)?, |one| {
            pending::reject(&args.at.folder(), one)
        })
    })
}

fn each(
    all: &[Pending],
    act: impl Fn(&Pending) -> Result<Done, Refusal>,
) -> Result<Vec<Done>, Refusal> {
    all.iter().map(act).collect()
}

/// Says `said` of accepted snapshots; `None` where one of `wanted` is not accepted either.
fn amend(at: &Where, wanted: &[String], said: &Acceptance) -> Result<Option<Vec<Done>>, Refusal> {
    let folder = at.folder();
    let files = folder
        .accepted()
        .map_err(|unusable| Refusal::Unusable(unusable[0].clone()))?;
    let mut chosen = Vec::new();
    for prefix in wanted {
        let found: Vec<_> = files
            .iter()
            .filter_map(|file| match &file.entry {
                Entry::One(one) if fingerprint::is_meant(&one.fingerprint, prefix) => {
                    Some((file, one))
                }
                _ => None,
            })
            .collect();
        match found[..] {
            [one] => chosen.push(one),
            _ => return Ok(None),
        }
    }
    let mut done = Vec::new();
    for (file, one) in chosen {
        let mut one = (**one).clone();
        one.accepted = said.over(&one.accepted);
        folder
            .write(&file.name, &one.to_text())
            .map_err(|error| Refusal::Failed(file.shown(), error))?;
        done.push(Done::Accepted(one.title(), file.shown()));
    }
    Ok(Some(done))
}

fn decide(
    verb: &str,
    at: &Where,
    act: impl FnOnce(Vec<Pending>) -> Result<Vec<Done>, Refusal>,
) -> ExitCode {
    if let Some(refusal) = at.refusal(verb) {
        super::complain(format_args!("leakcheck: {refusal}"));
        return ExitCode::Usage;
    }
    let (waiting, unusable) = pending::all(&at.folder());
    if !unusable.is_empty() {
        super::complain(format_args!("leakcheck: {}", snapshots::lines(&unusable)));
        return ExitCode::Usage;
    }
    match act(waiting) {
        Ok(done) => {
            if done.is_empty() {
                anstream::println!(
                    "nothing waits in {}; `leakcheck run` writes there what it finds",
                    text::show(&at.folder().path())
                );
            }
            for one in &done {
                anstream::println!("{}", told(one));
            }
            ExitCode::Success
        }
        Err(refusal) => {
            super::complain(format_args!("leakcheck: {refusal}"));
            ExitCode::Usage
        }
    }
}

/// One line about what was done.
pub fn told(done: &Done) -> String {
    let (word, what, detail) = match done {
        Done::Accepted(title, file) => ("accepted", title, file),
        Done::Removed(title, file) => ("removed", title, file),
        Done::Rejected(title, fingerprint) => ("rejected", title, fingerprint),
    };
    format!("{word} {} ({detail})", text::escape(what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_must_make_sense() {
        assert_eq!(reason("  why \n"), Ok("why".to_owned()));
        assert!(reason(" ").is_err() && reason(&"x".repeat(1001)).is_err());
        assert!(until("2999-12-31").is_ok());
        assert!(until("2020-01-01").unwrap_err().contains("over"));
        for wrong in ["tomorrow", "2027-02-30", "01.03.2027", ""] {
            assert!(until(wrong).unwrap_err().contains("2027-03-01"), "{wrong}");
        }
        assert!(issue("https://example.org/7").is_ok());
        for wrong in [
            "example.org",
            "javascript:x",
            "https://a b",
            "https://\u{1b}",
        ] {
            assert!(issue(wrong).is_err(), "{wrong}");
        }
    }
}
