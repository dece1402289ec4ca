//! What a kind of leak is, how to confirm it and how to fix it: the page in `docs/leaks.md`, by code.

/// The whole page.
const PAGE: &str = include_str!("../../docs/leaks.md");

/// The section about a code, its heading included; letters may be small.
pub fn section(code: &str) -> Option<&'static str> {
    let code = code.to_uppercase();
    sections().find(|section| {
        section
            .strip_prefix(&*code)
            .is_some_and(|rest| rest.starts_with(':'))
    })
}

/// How to fix a leak of that code, in one line.
pub fn fix(code: &str) -> Option<String> {
    let (_, after) = section(code)?.split_once("**Fix.** ")?;
    let paragraph = after.split("\n\n").next()?;
    Some(paragraph.lines().collect::<Vec<_>>().join(" "))
}

/// Codes and titles, in the order of the page.
pub fn codes() -> impl Iterator<Item = (&'static str, &'static str)> {
    sections().filter_map(|section| section.lines().next()?.split_once(": "))
}

fn sections() -> impl Iterator<Item = &'static str> {
    PAGE.split("\n## ").skip(1).map(str::trim_end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Kind;

    #[test]
    fn every_code_that_a_finding_can_carry_is_explained_whole() {
        let source = include_str!("code.rs");
        let mut used: Vec<&str> = source
            .match_indices("\"LK")
            .map(|(at, _)| &source[at + 1..at + 6])
            .chain(Kind::ALL.map(|kind| kind.facts().code))
            .collect();
        used.sort_unstable();
        used.dedup();
        assert!(used.len() > 20, "{used:?}");
        for code in used {
            let section = section(code).unwrap_or_else(|| {
                panic!(
                    "docs/leaks.md has no section `## {code}: …` (CONTRIBUTING.md, To add a code)"
                )
            });
            for part in [
                "**Cause.**",
                "**How it looks.**",
                "**Confirm.**",
                "**Fix.**",
                "before",
                "after",
            ] {
                assert!(section.contains(part), "{code} has no {part}");
            }
            let fix = fix(code).unwrap_or_default();
            assert!(
                fix.ends_with('.') && !fix.contains('\n'),
                "{code}: the paragraph after **Fix.** is to be followed by an empty line and to end in a full stop: {fix}"
            );
        }
    }

    #[test]
    fn a_code_is_found_in_any_case_and_only_whole() {
        assert!(section("lk101").unwrap().starts_with("LK101: "));
        assert_eq!(section("LK10"), None);
        assert_eq!(section(""), None);
        assert_eq!(codes().next().unwrap().0, "LK100");
    }
}
