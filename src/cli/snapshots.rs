//! What the verbs that deal with snapshots share: where these are, whether this is CI, and what a run says of them.

use std::{
    env,
    path::{Path, PathBuf},
};

use clap::Args;
use jiff::{Timestamp, civil::Date, tz::TimeZone};

use super::RunArgs;
use crate::{
    baseline::{
        compare::Outcome,
        files::{File, Folder, Unusable},
        format::Waiting,
        pending,
    },
    config::text,
    discover::Project,
    explain::fingerprint,
    judgement::Baseline,
    report::Report,
};

/// More than this many fingerprints nobody wants in one command.
const NAMED: usize = 8;

/// Whether this is CI.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct Ci {
    /// Behave as in continuous integration: accepted snapshots are never written.
    #[arg(long, conflicts_with = "no_ci")]
    ci: bool,
    /// Behave as on a person's machine, whatever the variable CI says.
    #[arg(long)]
    no_ci: bool,
}

impl Ci {
    /// What was asked for, else whether the variable `CI` is set to anything that does not say no.
    pub fn is_on(self) -> bool {
        if self.ci || self.no_ci {
            return self.ci;
        }
        env::var_os("CI").is_some_and(|value| says_yes(&value.to_string_lossy()))
    }
}

fn says_yes(value: &str) -> bool {
    !matches!(
        value.trim().to_ascii_lowercase().as_str(),
        "" | "0" | "false" | "no" | "off"
    )
}

/// Which project's snapshots are meant, and whether this is CI.
#[derive(Debug, Clone, Args)]
pub struct Where {
    /// The project's directory, where `.leakcheck` is.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub project: PathBuf,
    #[command(flatten)]
    pub ci: Ci,
}

impl Where {
    /// The project's snapshots.
    pub fn folder(&self) -> Folder {
        Folder::of(&self.project)
    }

    /// Why nothing may be decided here: a machine decides nothing, people do.
    pub fn refusal(&self, verb: &str) -> Option<String> {
        if !self.project.is_dir() {
            return Some(format!("no such directory: {}", text::show(&self.project)));
        }
        self.ci.is_on().then(|| {
            format!(
                "this is CI, where nothing is decided; run `leakcheck {verb}` on your machine and commit .leakcheck (--no-ci if this is no CI)"
            )
        })
    }
}

/// Today, in UTC: a snapshot must not expire at different times in different places.
pub fn today() -> Date {
    Timestamp::now().to_zoned(TimeZone::UTC).date()
}

/// One line for each file that cannot be used.
pub fn lines(unusable: &[Unusable]) -> String {
    let lines: Vec<String> = unusable.iter().map(ToString::to_string).collect();
    lines.join("\nleakcheck: ")
}

/// Whether all of the suite is asked for. The runner takes arguments from the environment, too: `-k name` is a part.
pub fn asks_for_all(args: &RunArgs, project: &Project) -> bool {
    project.paths.is_empty()
        && args.runner_args.is_empty()
        && env::var_os("PYTEST_ADDOPTS").is_none_or(|value| value.is_empty())
}

/// The snapshots that a run is compared with.
pub struct Accepted {
    folder: Folder,
    files: Vec<File>,
    deny_stale: bool,
    ci: bool,
    /// ` --project DIR` where the project is not where the user is.
    elsewhere: String,
}

impl Accepted {
    /// Reads them; fails with a line for each file that cannot be used.
    pub fn load(
        project: &Path,
        current: &Path,
        deny_stale: bool,
        ci: Ci,
    ) -> Result<Accepted, String> {
        let folder = Folder::of(project);
        let files = folder.accepted().map_err(|unusable| lines(&unusable))?;
        let elsewhere = match project.strip_prefix(current) {
            Ok(inside) if inside.as_os_str().is_empty() => String::new(),
            Ok(inside) => format!(" --project {}", quoted(inside)),
            Err(_) => format!(" --project {}", quoted(project)),
        };
        Ok(Accepted {
            folder,
            files,
            deny_stale,
            ci: ci.is_on(),
            elsewhere,
        })
    }

    /// What to compare with; `whole` where all of the suite was asked for.
    pub fn baseline<'a>(&'a self, build: &'a str, whole: bool) -> Baseline<'a> {
        Baseline {
            accepted: &self.files,
            whole,
            build,
            today: today(),
            deny_stale: self.deny_stale,
        }
    }

    /// Writes what waits for a decision, and tells in `report` how to decide.
    pub fn record(&self, outcome: &Outcome, report: &mut Report) {
        if let Err(error) = pending::record(&self.folder, outcome) {
            report.notes.push(format!(
                "what waits for a decision could not be written to .leakcheck/snapshots: {error}"
            ));
            return;
        }
        report.snapshots.advice = self.advice(outcome);
    }

    fn advice(&self, outcome: &Outcome) -> Vec<String> {
        let of = |wanted: &[Waiting]| -> Vec<&str> {
            outcome
                .pending
                .iter()
                .filter(|(_, one)| one.pending.is_some_and(|waiting| wanted.contains(&waiting)))
                .map(|(_, one)| &*one.fingerprint)
                .collect()
        };
        let command = |fingerprints: &[&str]| {
            let mut command = format!("leakcheck accept{}", self.elsewhere);
            if fingerprints.len() <= NAMED {
                for fingerprint in fingerprints {
                    command.push(' ');
                    command.push_str(fingerprint::short(fingerprint));
                }
            }
            command
        };
        let failing = of(&[Waiting::New, Waiting::Worse, Waiting::Expired]);
        let mut advice = Vec::new();
        if !failing.is_empty() && self.ci {
            advice.push(format!(
                "fix it, or accept it on your machine: put this run's {}/*.snap.new into the same folder there, then `{}`",
                self.shown(),
                command(&failing)
            ));
        } else if !failing.is_empty() {
            advice.push(format!(
                "fix it, or look at it with `leakcheck review{}`, or accept it with `{}`",
                self.elsewhere,
                command(&failing)
            ));
        }
        for (waiting, what) in [
            (Waiting::Fixed, "removes the snapshots of what is gone"),
            (Waiting::Better, "holds what is better to its new rate"),
            (
                Waiting::Rates,
                "adds the rates on this Python to known ones",
            ),
        ] {
            let found = of(&[waiting]);
            if !found.is_empty() {
                advice.push(format!("`{}` {what}", command(&found)));
            }
        }
        advice
    }

    fn shown(&self) -> String {
        match self.elsewhere.strip_prefix(" --project ") {
            Some(project) => format!("{project}/.leakcheck/snapshots"),
            None => ".leakcheck/snapshots".to_owned(),
        }
    }
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let path = text::show(path);
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@%:,".contains(c);
    if !path.is_empty() && path.chars().all(plain) && !path.starts_with('-') {
        path
    } else {
        format!("'{}'", path.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ci_is_on_unless_it_says_no() {
        for (value, expected) in [
            ("true", true),
            ("1", true),
            ("woodpecker", true),
            ("", false),
            ("0", false),
            ("False", false),
        ] {
            assert_eq!(says_yes(value), expected, "{value}");
        }
    }

    #[test]
    fn a_path_cannot_run_anything() {
        for (path, expected) in [
            ("services/api", "services/api"),
            ("my project", "'my project'"),
            ("$(reboot)", "'$(reboot)'"),
            ("it's", "'it'\\''s'"),
            ("--no-ci", "'--no-ci'"),
        ] {
            assert_eq!(quoted(Path::new(path)), expected);
        }
    }
}
