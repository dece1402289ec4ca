//! Where the documentation is on the web, for reports to lead there. Who builds leakcheck says it, as the release workflow
//! does (`LEAKCHECK_DOCS=https://… cargo build`); what is built without leads nowhere, and `leakcheck explain` has the same text.

use crate::{explain::pages, verdict::rule::Rule};

/// The folder of its pages.
pub const SITE: Option<&str> = option_env!("LEAKCHECK_DOCS");

/// For what is read from a file: the file has no say in where links lead.
pub(super) fn site() -> Option<&'static str> {
    SITE
}

/// What the page of leaks says of a code; nothing for one that it does not know.
pub fn of_code(site: Option<&str>, code: &str) -> Option<String> {
    let (code, _) = pages::codes().find(|(known, _)| *known == code)?;
    Some(format!("{}/leaks.html#{code}", base(site)?))
}

/// What the page of rules says of one.
pub fn of_rule(site: Option<&str>, rule: Rule) -> Option<String> {
    Some(format!("{}/rules.html#{}", base(site)?, rule.name()))
}

fn base(site: Option<&str>) -> Option<&str> {
    site.map(|site| site.trim_end_matches('/'))
}

/// What prints more about a code, and where that is on the web.
pub(super) fn more(site: Option<&str>, code: &str) -> String {
    let command = format!("leakcheck explain {code}");
    match of_code(site, code) {
        Some(address) => format!("{command}, or {address}"),
        None => command,
    }
}
