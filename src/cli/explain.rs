//! `leakcheck explain CODE` or `RULE`: what a kind of leak is and how to fix it, or what a rule says of a test.

use std::io::{self, Write};

use crate::{
    exit_code::ExitCode,
    explain::pages,
    report::address::{self, SITE},
    verdict::rule::Rule,
};

/// Prints the page about a code or a rule, or all of them in a line each where nothing is named.
pub(super) fn explain(name: Option<&str>) -> ExitCode {
    let mut out = anstream::stdout();
    let written = match name {
        None => list(&mut out),
        Some(name) => match (pages::section(name), Rule::of_name(name)) {
            (Some(section), _) => writeln!(out, "{section}")
                .and_then(|()| more(address::of_code(SITE, &name.to_uppercase()), &mut out)),
            (None, Some(rule)) => write!(out, "{}: {}", rule.name(), rule.section())
                .and_then(|()| more(address::of_rule(SITE, rule), &mut out)),
            (None, None) => {
                super::complain(format_args!(
                    "leakcheck: there is no code or rule `{}`; `leakcheck explain` lists them all",
                    crate::report::text::shown(name)
                ));
                return ExitCode::Usage;
            }
        },
    };
    // A reader that went away is no error of ours.
    let _ = written;
    ExitCode::Success
}

/// Where the same can be read on the web.
fn more(address: Option<String>, out: &mut dyn Write) -> io::Result<()> {
    address.map_or(Ok(()), |address| writeln!(out, "\n{address}"))
}

fn list(out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "Kinds of leaks:")?;
    for (code, title) in pages::codes() {
        writeln!(out, "  {code}  {title}")?;
    }
    writeln!(out, "\nRules by which a test has its verdict:")?;
    let widest = Rule::ALL.iter().map(|rule| rule.name().len()).max();
    let width = widest.unwrap_or_default();
    for rule in Rule::ALL {
        writeln!(out, "  {:width$}  {}", rule.name(), rule.says())?;
    }
    Ok(())
}
