//! What a search found, for people and for programs.

use std::{
    fmt,
    io::{self, Write},
};

use serde::Serialize;

use crate::{
    bisect::answer::{self, Answer, Target},
    cli::publish::terminal_width,
    exit_code::ExitCode,
    files::git::Commit,
    finding::Finding,
    report::{self, Report, markdown::code, place, plain, text},
};

/// Commits that are listed where it cannot be told which one it is.
const LISTED: usize = 20;
/// Lines of a commit's statistics that are shown.
const STAT_LINES: usize = 40;
const SCHEMA: &str = "leakcheck.bisect/1";

/// What was said of a commit.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "answer", content = "reason")]
pub(super) enum Said {
    Leaks,
    Clean,
    /// It grows faster than in GOOD, or as fast.
    Worse,
    NoWorse,
    Unjudged(String),
    /// Before it is known what is looked for.
    Told(String),
}

impl Said {
    pub fn of(answer: &Answer, target: &Target) -> Said {
        match (answer, &target.before) {
            (Answer::Shows(_), None) => Said::Leaks,
            (Answer::Clean, None) => Said::Clean,
            (Answer::Shows(_), Some(_)) => Said::Worse,
            (Answer::Clean, Some(_)) => Said::NoWorse,
            (Answer::Unjudged(why), _) => Said::Unjudged(why.clone()),
        }
    }
}

/// A commit that was run.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Step {
    pub commit: Commit,
    #[serde(flatten)]
    pub said: Said,
    pub seconds: f64,
}

impl fmt::Display for Step {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = match &self.said {
            Said::Leaks => "leaks".to_owned(),
            Said::Clean => "clean".to_owned(),
            Said::Worse => "worse".to_owned(),
            Said::NoWorse => "no worse".to_owned(),
            Said::Unjudged(why) => format!("skipped, {}", text::brief(why)),
            Said::Told(headline) => headline.clone(),
        };
        let subject = text::shortened(&self.commit.subject, 50);
        let (id, seconds) = (self.commit.short(), self.seconds);
        write!(out, "{id} {subject}: {said} ({seconds:.1} s)")
    }
}

/// The end of a search.
pub(super) struct Answered {
    pub target: Target,
    /// How many more findings came in the range.
    pub others: usize,
    /// Whether it is the first of `commits`; else it is any of them.
    pub found: bool,
    pub commits: Vec<Commit>,
    /// What the first of them changes, drawn, and the files.
    pub stat: String,
    pub changed: Vec<String>,
    /// How many commits it could have been.
    pub all: usize,
    /// The finding and the report of the commit that brought it, where that was run anew.
    pub shows: Option<(Finding, Report)>,
    pub last_good: Option<Report>,
    pub steps: Vec<Step>,
    pub seconds: f64,
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    found: bool,
    commits: &'a [Commit],
    changed: &'a [String],
    searched: usize,
    seconds: f64,
    steps: &'a [Step],
    finding: &'a Finding,
    before: &'a Option<Finding>,
}

impl Answered {
    fn finding(&self) -> &Finding {
        match &self.shows {
            Some((finding, _)) => finding,
            None => &self.target.finding,
        }
    }

    pub fn json(&self, out: &mut dyn Write) -> io::Result<()> {
        report::json::pretty(
            &Document {
                schema: SCHEMA,
                found: self.found,
                commits: &self.commits,
                changed: if self.found { &self.changed } else { &[] },
                searched: self.all,
                seconds: self.seconds,
                steps: &self.steps,
                finding: self.finding(),
                before: &self.target.before,
            },
            out,
        )
    }

    /// A paragraph for a comment; nothing in it is markup but what is ours.
    pub fn markdown(&self, out: &mut dyn Write) -> io::Result<()> {
        let code = |text: &str| code(&text::brief(text));
        let came = self.came();
        let of = code(&self.finding().summary);
        writeln!(out)?;
        if self.found {
            let commit = &self.commits[0];
            let (id, subject) = (code(commit.short()), code(&commit.subject));
            return writeln!(out, "Commit {id} {subject} {came}: {of}");
        }
        let ids = self.commits.iter().take(LISTED);
        let ids: Vec<String> = ids.map(|commit| code(commit.short())).collect();
        writeln!(
            out,
            "One of {} commits {came} ({}): {of}",
            self.commits.len(),
            ids.join(", ")
        )
    }

    fn came(&self) -> &'static str {
        if self.target.before.is_some() {
            "made this leak worse"
        } else {
            "brought this leak"
        }
    }

    /// Prints it, and says what the process exits with.
    pub fn print(&self) -> ExitCode {
        let mut out = anstream::AutoStream::auto(io::stdout().lock());
        match self.write(&mut out).and_then(|()| out.flush()) {
            // A reader such as `head` that has seen enough is no failure.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                super::super::complain(format_args!(
                    "leakcheck: cannot write to the standard output: {error}"
                ));
                ExitCode::Internal
            }
            _ if self.found => ExitCode::Success,
            _ => ExitCode::NoEvidence,
        }
    }

    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let came = self.came();
        let effort = format!(
            "{}, {}, {:.1} s",
            text::counted(self.all, "commit"),
            text::counted(self.steps.len(), "run"),
            self.seconds
        );
        if self.found {
            let commit = &self.commits[0];
            writeln!(out, "leakcheck: {} {came} ({effort})", commit.short())?;
            writeln!(out)?;
            self.commit(commit, out)?;
        } else {
            let many = text::counted(self.commits.len(), "commit");
            writeln!(
                out,
                "leakcheck: one of {many} {came}; which one cannot be told ({effort})"
            )?;
            writeln!(out)?;
            for commit in self.commits.iter().take(LISTED) {
                let skipped = self.steps.iter().find(|step| step.commit.id == commit.id);
                let why = match skipped.map(|step| &step.said) {
                    Some(Said::Unjudged(why)) => format!(": {}", text::brief(why)),
                    _ => String::new(),
                };
                let subject = text::shortened(&commit.subject, 60);
                writeln!(out, "  {} {subject}{why}", commit.short())?;
            }
            if self.commits.len() > LISTED {
                writeln!(out, "  and {} more", self.commits.len() - LISTED)?;
            }
        }
        writeln!(out)?;
        // The report that the finding is of says where its project is, and with what it was run.
        let shown = self.shows.as_ref().map(|(_, report)| report);
        if let Some(report) = shown.or(self.last_good.as_ref()) {
            plain::one(report, self.finding(), terminal_width(), out)?;
        }
        for line in self.remarks() {
            writeln!(out, "{line}")?;
        }
        Ok(())
    }

    fn commit(&self, commit: &Commit, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "commit {}", commit.id)?;
        writeln!(out, "Author: {}", text::brief(&commit.author))?;
        writeln!(out, "Date:   {}", text::brief(&commit.date))?;
        writeln!(out, "\n    {}\n", text::brief(&commit.subject))?;
        let lines: Vec<&str> = self.stat.lines().collect();
        let shown = lines.len().min(STAT_LINES);
        for line in &lines[..shown] {
            writeln!(out, "{}", text::brief(line))?;
        }
        match lines.len() - shown {
            0 => Ok(()),
            more => writeln!(out, " and {more} lines more"),
        }
    }

    /// What else a reader should know, one line each.
    fn remarks(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let root =
            { self.shows.as_ref() }.map_or("", |(_, report)| &*report.environment.source_root);
        let touched = self.finding().sites.iter().find(|site| {
            place::in_repository(root, &site.file).is_some_and(|path| self.changed.contains(&path))
        });
        if let (true, Some(site)) = (self.found, touched) {
            let file = text::brief(&site.file);
            lines.push(format!("The commit changes {file}, where the finding is."));
        }
        let moved = self
            .last_good
            .as_ref()
            .into_iter()
            .flat_map(answer::present);
        let moved = moved.into_iter().find(|other| {
            other
                .tests
                .iter()
                .any(|test| self.finding().tests.contains(test))
        });
        if let (true, None, Some(other)) = (self.found, &self.target.before, moved) {
            lines.push(format!(
                "Before it the same test leaked elsewhere ({}): it may have moved.",
                text::brief(&other.summary)
            ));
        }
        if self.others > 0 {
            lines.push(format!(
                "{} more came in these commits; --finding ID looks for another one.",
                text::counted(self.others, "finding")
            ));
        }
        lines
    }
}
