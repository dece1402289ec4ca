//! The text of a snapshot: YAML front matter, which is compared, above the finding as a reviewer reads it.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

pub use super::snapshot::{Place, Snapshot, Waiting, Whole};
use super::{
    acceptance::{Acceptance, Package},
    rates, render, scrub,
    snapshot::{NAME, VERSION},
};
use crate::{config::text, finding::Finding};

/// Tests, sites and types that are kept. More would be churn without being evidence.
const TESTS_KEPT: usize = 20;
const SITES_KEPT: usize = 4;
const TYPES_KEPT: usize = 4;
/// Characters of a text from the project that are kept.
const TEXT_KEPT: usize = 400;
/// Bytes of front matter there may be: a hundred times what any has.
const FRONT_MATTER_LIMIT: usize = 64 << 10;

/// A file of the baseline.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// One finding.
    One(Box<Snapshot>),
    /// All of a package.
    Whole(Whole),
}

/// What is wrong with a file's text, in one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// Not even the outline is right.
    #[error(
        "it does not begin with a `---` line, front matter and another `---` line; take it back from version control, or delete it and accept the finding again"
    )]
    NoFrontMatter,
    /// Version control left both sides of a conflict.
    #[error("it has conflict markers of a merge; keep one side")]
    Conflict,
    /// Written by a newer leakcheck.
    #[error(
        "it has version {0} of the format and this leakcheck knows version {VERSION}; update leakcheck"
    )]
    Future(u32),
    /// No format of ours.
    #[error("`format` is `{0}`, not `{NAME}{VERSION}`")]
    Foreign(String),
    /// More front matter than there can be.
    #[error("its front matter is longer than {} kB", FRONT_MATTER_LIMIT >> 10)]
    Long,
    /// The YAML is wrong.
    #[error("{0}")]
    Yaml(String),
    /// A value is wrong.
    #[error("{0}")]
    Value(String),
}

#[derive(Deserialize)]
struct Header {
    format: String,
    #[serde(default)]
    accepts: Option<serde::de::IgnoredAny>,
}

impl Snapshot {
    /// The snapshot of `finding` as measured on `build`.
    pub fn of(finding: &Finding, build: &str, package: Option<Package>) -> Snapshot {
        let mut places: Vec<Place> = Vec::new();
        for site in &finding.sites {
            let file = scrub::machine(&site.file);
            let function = scrub::addresses(&site.function);
            if !places.iter().any(|place| place.is_at(&file, &function)) {
                places.push(Place {
                    file,
                    function,
                    source: site.source.as_deref().map(clipped),
                });
            }
        }
        let mut places = places.into_iter().take(SITES_KEPT);
        let site = places.next();
        let mut also: Vec<Place> = places
            .map(|place| Place {
                source: None,
                ..place
            })
            .collect();
        also.sort();
        let mut tests: Vec<String> = finding
            .tests
            .iter()
            .map(|id| scrub::addresses(id))
            .collect();
        tests.sort();
        tests.dedup();
        let more_tests = tests.len() > TESTS_KEPT;
        tests.truncate(TESTS_KEPT);
        let mut types: Vec<String> = finding
            .types
            .iter()
            .take(TYPES_KEPT)
            .map(|of| clipped(&of.name))
            .collect();
        // Their order is that of their sizes, which are close together often enough.
        types.sort();
        let rates = rates::of(finding, build);
        Snapshot {
            format: format!("{NAME}{VERSION}"),
            pending: None,
            fingerprint: finding.fingerprint.clone(),
            code: finding.code.clone(),
            kind: finding.kind,
            owner: finding.owner,
            package,
            holder: holder(finding),
            what: (site.is_none() && rates.is_empty())
                .then(|| clipped(&scrub::chance(&finding.summary))),
            site,
            also,
            types,
            tests,
            more_tests,
            measured: finding
                .measured
                .as_ref()
                .filter(|_| !rates.is_empty())
                .map(|by| scrub::addresses(&by.test)),
            rates,
            accepted: Acceptance::default(),
        }
    }

    /// This one, brought up to date by `newer` and keeping what only it knows: its identity, rates on other builds, and
    /// what was said when it was accepted.
    pub fn updated(&self, newer: &Snapshot) -> Snapshot {
        Snapshot {
            fingerprint: self.fingerprint.clone(),
            rates: rates::merged(&self.rates, &newer.rates),
            accepted: newer.accepted.over(&self.accepted),
            ..newer.clone()
        }
    }

    /// The whole file.
    pub fn to_text(&self) -> String {
        join(self, &render::snapshot(self))
    }

    /// The part for the reader.
    pub fn body(&self) -> String {
        render::snapshot(self)
    }

    fn check(&self) -> Result<(), Damage> {
        let wrong = |message: String| Err(Damage::Value(message));
        if !is_fingerprint(&self.fingerprint) {
            return wrong("`fingerprint` is not 8 to 64 hexadecimal digits".to_owned());
        }
        for rates in &self.rates {
            for (counter, figure) in &rates.figures {
                if !figure.0.is_finite() || figure.0 < 0.0 {
                    return wrong(format!(
                        "the rate of `{}` is not a number of at least 0",
                        text::excerpt(counter, 40)
                    ));
                }
                let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
                if counter.is_empty() || !counter.chars().all(is_name) {
                    return wrong(format!("`{}` is no counter", text::excerpt(counter, 40)));
                }
            }
        }
        Ok(())
    }
}

impl Entry {
    /// Reads a file's text.
    pub fn parse(text: &str) -> Result<Entry, Damage> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        // Version control may have turned the ends of lines.
        let text = text.replace("\r\n", "\n");
        let marked = |line: &str| line.starts_with("<<<<<<< ") || line.starts_with(">>>>>>> ");
        if text.lines().any(marked) {
            return Err(Damage::Conflict);
        }
        let rest = text.strip_prefix("---\n").ok_or(Damage::NoFrontMatter)?;
        let end = rest
            .find("\n---\n")
            .or_else(|| rest.ends_with("\n---").then(|| rest.len() - 4))
            .ok_or(Damage::NoFrontMatter)?;
        let front = &rest[..=end];
        if front.len() > FRONT_MATTER_LIMIT {
            return Err(Damage::Long);
        }
        let header: Header = yaml(front)?;
        match header.format.strip_prefix(NAME).map(str::parse) {
            Some(Ok(VERSION)) => {}
            Some(Ok(version)) if version > VERSION => return Err(Damage::Future(version)),
            _ => return Err(Damage::Foreign(text::excerpt(&header.format, 40))),
        }
        if header.accepts.is_some() {
            return Ok(Entry::Whole(yaml(front)?));
        }
        let snapshot: Snapshot = yaml(front)?;
        snapshot.check()?;
        Ok(Entry::One(Box::new(snapshot)))
    }

    /// The whole file.
    pub fn to_text(&self) -> String {
        match self {
            Entry::One(snapshot) => snapshot.to_text(),
            Entry::Whole(whole) => join(whole, &render::whole(whole)),
        }
    }

    /// What was said when it was accepted.
    pub fn accepted(&self) -> &Acceptance {
        match self {
            Entry::One(snapshot) => &snapshot.accepted,
            Entry::Whole(whole) => &whole.accepted,
        }
    }
}

fn is_fingerprint(text: &str) -> bool {
    (8..=64).contains(&text.len())
        && text
            .chars()
            .all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c))
}

fn yaml<T: DeserializeOwned>(front: &str) -> Result<T, Damage> {
    serde_yaml::from_str(front).map_err(|error| {
        // The line of the file, not of its front matter; the message itself counts from there.
        let message = error.to_string();
        let place = error.location().map(|at| at.line() + 1);
        let message = match message.rfind(" at line ") {
            Some(end) if place.is_some() => message[..end].to_owned(),
            _ => message,
        };
        let message = text::excerpt(&message, 160);
        Damage::Yaml(match place {
            Some(line) => format!("line {line}: {message}"),
            None => message,
        })
    })
}

fn join(front: &impl Serialize, body: &str) -> String {
    // Strings, numbers and lists of them: nothing that YAML could not say.
    let front = serde_yaml::to_string(front).unwrap_or_default();
    format!("---\n{front}---\n{body}")
}

/// What holds on to it, in a few words.
fn holder(finding: &Finding) -> Option<String> {
    let holder = finding.holder.as_ref()?;
    Some(clipped(&holder.text)).filter(|text| !text.is_empty())
}

/// A text of the project in one line without what differs between machines, and no longer than a reader reads.
fn clipped(text: &str) -> String {
    let text = scrub::machine(text);
    let mut line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((at, _)) = line.char_indices().nth(TEXT_KEPT) {
        line.truncate(at);
        line.push('…');
    }
    line
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::baseline::compare::tests::finding;

    pub fn snapshot(function: &str, rates: &[(&str, f64)]) -> Snapshot {
        Snapshot::of(&finding(function, rates), "3.12", None)
    }

    fn parsed(text: &str) -> Snapshot {
        match Entry::parse(text) {
            Ok(Entry::One(snapshot)) => *snapshot,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_file_as_a_whole() {
        let mut one = snapshot("Registry.record", &[("blocks", 40.0), ("bytes", 3872.0)]);
        one.rates = rates::merged(
            &one.rates,
            &rates::of(&finding("x", &[("blocks", 40.0), ("bytes", 4676.0)]), "3.9"),
        );
        one.holder = Some("app.registry.events".to_owned());
        one.types = vec!["dict".to_owned()];
        one.accepted = Acceptance {
            reason: Some("the archive is emptied once a day".to_owned()),
            until: Some("2027-03-01".parse().unwrap()),
            issue: Some("https://example.org/issues/7".to_owned()),
        };
        insta::assert_snapshot!(one.to_text());
    }

    #[test]
    fn a_whole_package() {
        let whole = Whole::of(
            Package {
                name: "jinja2".to_owned(),
                version: "3.1.6".to_owned(),
            },
            Acceptance {
                reason: Some("their issue 12".to_owned()),
                ..Acceptance::default()
            },
        );
        let text = Entry::Whole(whole.clone()).to_text();
        assert_eq!(Entry::parse(&text), Ok(Entry::Whole(whole)));
        insta::assert_snapshot!(text);
    }

    #[test]
    fn turned_line_ends_and_a_byte_order_mark_do_no_harm() {
        let one = snapshot("f", &[("blocks", 2.0)]);
        let turned = format!("\u{feff}{}", one.to_text().replace('\n', "\r\n"));
        assert_eq!(parsed(&turned), one);
        // Nothing below the front matter is read.
        let front = one.to_text();
        let end = front[4..].find("\n---\n").unwrap() + 4;
        assert_eq!(parsed(&front[..end + 4]), one);
    }

    #[test]
    fn what_cannot_be_read_says_why_in_one_line() {
        let good = snapshot("f", &[("blocks", 2.0)]).to_text();
        let bomb = format!(
            "---\na: &a [x,x,x,x,x,x,x,x,x]\n{}format: leakcheck.snapshot/1\n---\n",
            ["b", "c", "d", "e", "f", "g", "h", "i"]
                .iter()
                .zip(["a", "b", "c", "d", "e", "f", "g", "h"])
                .map(|(to, from)| format!(
                    "{to}: &{to} [{}]\n",
                    vec![format!("*{from}"); 9].join(",")
                ))
                .collect::<String>()
        );
        let table: Vec<(String, &str)> = vec![
            (String::new(), "does not begin with"),
            ("---\nformat: x\n".to_owned(), "does not begin with"),
            (good.replacen("/1", "/2", 1), "update leakcheck"),
            (
                good.replacen("leakcheck.snapshot/1", "x/1", 1),
                "`x/1`, not",
            ),
            (good.replacen("code:", "cod:", 1), "unknown field `cod`"),
            (
                good.replacen("kind: python", "kind: ruby", 1),
                "unknown variant `ruby`",
            ),
            (
                good.replacen("blocks: 2", "blocks: .nan", 1),
                "`blocks` is not",
            ),
            (
                good.replacen("blocks: 2", "blocks: -1", 1),
                "`blocks` is not",
            ),
            (good.replacen("blocks: 2", "blocks: many", 1), "line "),
            (good.replacen("blocks: 2", "Blocks!: 2", 1), "is no counter"),
            (good.replacen("code:", "code: LK101\ncode:", 1), "duplicate"),
            (
                good.replacen("fingerprint: ", "fingerprint: ../", 1),
                "hexadecimal",
            ),
            (format!("<<<<<<< ours\n{good}"), "conflict"),
            (
                good.replacen(
                    "tests:",
                    &format!("types: [{}]\ntests:", "x,".repeat(40_000)),
                    1,
                ),
                "longer than 64 kB",
            ),
            (
                good.replacen("tests:", "accepted:\n  until: 2027-02-30\ntests:", 1),
                "line ",
            ),
            (
                format!("---\n{}---\n", "[".repeat(10_000)),
                "does not begin",
            ),
            (
                format!("---\nformat: {}\n---\n", "[".repeat(10_000)),
                "line ",
            ),
            (bomb, "unknown field `a`"),
        ];
        for (text, expected) in table {
            let message = Entry::parse(&text)
                .expect_err(&text.chars().take(200).collect::<String>())
                .to_string();
            assert!(message.contains(expected), "{message} lacks {expected}");
            assert!(!message.contains('\n') && message.len() < 400, "{message}");
        }
    }

    #[test]
    fn nothing_of_the_machine_is_kept() {
        let mut one = finding("f", &[("blocks", 2.0)]);
        one.sites[0].file = "/home/me/elsewhere/lib/a.py".to_owned();
        one.sites[0].source = Some("x = '/home/me/x/y/z.db'".to_owned());
        one.tests = vec!["t.py::test[<X object at 0x7f3a5c0d2e10>]".to_owned()];
        one.measured.as_mut().unwrap().test = one.tests[0].clone();
        let text = Snapshot::of(&one, "3.12", None).to_text();
        assert!(!text.contains("/home") && !text.contains("0x7f"), "{text}");
    }

    #[test]
    fn the_order_in_which_tests_and_sites_were_met_does_not_matter() {
        let mut one = finding("f", &[("blocks", 2.0)]);
        one.tests = vec!["b".to_owned(), "a".to_owned(), "a".to_owned()];
        let mut other = one.clone();
        other.tests.reverse();
        other.sites[0].line = 99;
        assert_eq!(
            Snapshot::of(&one, "3.12", None).to_text(),
            Snapshot::of(&other, "3.12", None).to_text()
        );
    }

    proptest! {
        #[test]
        fn whatever_a_project_calls_things_comes_back(
            name in any::<String>(), reason in any::<String>(), test in any::<String>(), value in 0.0..1e12_f64,
        ) {
            let mut one = finding("f", &[("blocks", value)]);
            one.sites[0].function.clone_from(&name);
            one.sites[0].source = Some(reason.clone());
            one.tests = vec![test];
            let mut one = Snapshot::of(&one, "3.12", None);
            one.holder = Some(name);
            one.accepted.reason = Some(reason);
            let text = one.to_text();
            prop_assert_eq!(Entry::parse(&text), Ok(Entry::One(Box::new(one))), "{}", text);
        }

        #[test]
        fn no_text_makes_it_panic(text in "(?s)---\n.{0,200}\n---\n.{0,20}") {
            let _ = Entry::parse(&text);
        }
    }
}
