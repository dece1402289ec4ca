//! `leakcheck review`: one finding after the other, one key each.

use std::io::{self, IsTerminal};

use console::{Key, Term};

use super::{
    decide,
    snapshots::{self, Where},
};
use crate::{
    baseline::{
        acceptance::Acceptance,
        files,
        format::{Entry, Waiting},
        pending::{self, Pending, Refusal},
    },
    config::text,
    exit_code::ExitCode,
    report,
};

const KEYS: &str = "a accept · r reject · s skip · w show the whole file · q quit";

/// What the user wants done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    Accept,
    Reject,
    Skip,
    Show,
    Quit,
    Interrupt,
}

fn choice(key: &Key) -> Option<Choice> {
    match key {
        Key::Char('a' | 'A') => Some(Choice::Accept),
        Key::Char('r' | 'R') => Some(Choice::Reject),
        Key::Char('s' | 'S' | ' ') => Some(Choice::Skip),
        Key::Char('w' | 'W') => Some(Choice::Show),
        Key::Char('q' | 'Q') | Key::Escape => Some(Choice::Quit),
        Key::CtrlC => Some(Choice::Interrupt),
        _ => None,
    }
}

/// Goes through what waits.
pub fn review(args: &Where) -> ExitCode {
    let fail = |message: &str| {
        super::complain(format_args!("leakcheck: {message}"));
        ExitCode::Usage
    };
    if let Some(refusal) = args.refusal("review") {
        return fail(&refusal);
    }
    let (waiting, unusable) = pending::all(&args.folder());
    if !unusable.is_empty() {
        return fail(&snapshots::lines(&unusable));
    }
    if waiting.is_empty() {
        anstream::println!("nothing waits in {}", text::show(&args.folder().path()));
        return ExitCode::Success;
    }
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        return fail(
            "review asks for keys, and this is no terminal; use `leakcheck accept` or `leakcheck reject`",
        );
    }
    match ask(args, &waiting) {
        Ok(code) => code,
        Err(Trouble::Refused(refusal)) => fail(&refusal.to_string()),
        Err(Trouble::Terminal(error)) => fail(&format!("cannot read from the terminal: {error}")),
    }
}

enum Trouble {
    Refused(Refusal),
    Terminal(io::Error),
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        Trouble::Refused(refusal)
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Trouble::Terminal(error)
    }
}

fn ask(args: &Where, waiting: &[Pending]) -> Result<ExitCode, Trouble> {
    let term = Term::stdout();
    let folder = args.folder();
    for (at, one) in waiting.iter().enumerate() {
        anstream::println!("\n[{}/{}] {}", at + 1, waiting.len(), heading(one));
        show(args, one)?;
        anstream::println!("{KEYS}");
        loop {
            match choice(&term.read_key_raw()?) {
                Some(Choice::Accept) => {
                    let done = pending::accept(&folder, one, &Acceptance::default())?;
                    anstream::println!("{}", decide::told(&done));
                    break;
                }
                Some(Choice::Reject) => {
                    anstream::println!("{}", decide::told(&pending::reject(&folder, one)?));
                    break;
                }
                Some(Choice::Skip) => {
                    anstream::println!("skipped");
                    break;
                }
                Some(Choice::Show) => {
                    for line in one.snapshot.to_text().lines() {
                        anstream::println!("  {}", text::escape(line));
                    }
                    anstream::println!("{KEYS}");
                }
                Some(Choice::Quit) => {
                    anstream::println!("{} left", waiting.len() - at);
                    return Ok(ExitCode::Success);
                }
                Some(Choice::Interrupt) => return Ok(ExitCode::Interrupted),
                None => {}
            }
        }
    }
    Ok(ExitCode::Success)
}

fn heading(one: &Pending) -> String {
    let what = match one.waiting {
        Waiting::New => "new",
        Waiting::Worse => "grows faster than accepted",
        Waiting::Expired => "its acceptance ran out",
        Waiting::Better => "grows slower than accepted",
        Waiting::Rates => "known; adds the rates on another Python",
        Waiting::Fixed => "gone; accepting removes its snapshot",
    };
    let fingerprint = &one.snapshot.fingerprint;
    format!(
        "{what}: {} ({fingerprint})",
        text::escape(&one.snapshot.title())
    )
}

/// The finding, or what would change in its snapshot.
fn show(args: &Where, one: &Pending) -> Result<(), Trouble> {
    let after = one.snapshot.body();
    let older = args
        .folder()
        .one_accepted(files::accepted_name(&one.name))
        .map_err(Refusal::Unusable)?;
    let mut out = anstream::AutoStream::auto(io::stdout().lock());
    match (older, one.waiting) {
        (
            Some(Entry::One(older)),
            Waiting::Worse | Waiting::Better | Waiting::Rates | Waiting::Expired,
        ) => {
            report::difference(&older.body(), &after, "  ", &mut out)?;
        }
        (Some(_), Waiting::Fixed) => report::difference(&after, "", "  ", &mut out)?,
        _ => {
            for line in after.lines() {
                io::Write::write_fmt(&mut out, format_args!("  {}\n", text::escape(line)))?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_means_nothing_does_nothing() {
        assert_eq!(choice(&Key::Char('a')), Some(Choice::Accept));
        assert_eq!(choice(&Key::Char('R')), Some(Choice::Reject));
        assert_eq!(choice(&Key::Escape), Some(Choice::Quit));
        for key in [Key::Enter, Key::Char('y'), Key::Char('n'), Key::ArrowDown] {
            assert_eq!(choice(&key), None, "{key:?}");
        }
    }
}
