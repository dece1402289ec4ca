//! Keeps the documentation true where it lists what the program has, and its links whole.

use std::{collections::BTreeSet, fs, path::Path};

use leakcheck::{
    config,
    exit_code::ExitCode,
    explain::pages,
    kept::reason::Reason,
    report::address,
    verdict::{Verdict, rule::Rule},
};

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The rows of the tables below a heading, or of all of a page, cell by cell.
fn rows(page: &str, heading: &str) -> Vec<Vec<String>> {
    let text = read(page);
    let from = if heading.is_empty() {
        0
    } else {
        text.find(heading)
            .unwrap_or_else(|| panic!("{page} has no {heading}"))
    };
    text[from..]
        .lines()
        .filter_map(|line| line.strip_prefix('|')?.strip_suffix('|'))
        .map(|line| line.split('|').map(|cell| cell.trim().to_owned()).collect())
        .collect()
}

/// What stands in code in the first cells of the rows.
fn first(page: &str, heading: &str) -> BTreeSet<String> {
    rows(page, heading)
        .iter()
        .flat_map(|row| row[0].split(", ").map(str::to_owned).collect::<Vec<_>>())
        .filter_map(|cell| Some(cell.strip_prefix('`')?.strip_suffix('`')?.to_owned()))
        .collect()
}

#[test]
fn every_setting_is_listed_with_its_default() {
    let defaults: toml::Table = config::DEFAULTS.parse().unwrap();
    let rows = rows("docs/configuration.md", "## Settings");
    for (key, default) in &defaults {
        let row = rows
            .iter()
            .find(|row| row[0] == format!("`{key}`"))
            .unwrap_or_else(|| panic!("{key} is not in docs/configuration.md"));
        assert_eq!(row[1], format!("`{default}`"), "{key}");
    }
}

#[test]
fn every_reason_to_ask_a_test_is_listed_as_the_program_has_it() {
    let rows = rows("docs/cache.md", "## Why a test is asked");
    for reason in Reason::ALL {
        let row = [format!("`{}`", reason.name()), reason.says().to_owned()];
        assert!(rows.iter().any(|it| **it == row), "{row:?}");
    }
}

#[test]
fn every_verdict_is_explained() {
    for page in ["README.md", "docs/verdicts.md"] {
        let listed = first(page, "");
        for verdict in Verdict::ALL {
            assert!(
                listed.contains(verdict.word()),
                "{} in {page}",
                verdict.word()
            );
        }
    }
}

/// `UPDATE=1 cargo test --test documentation` writes the page.
#[test]
fn every_rule_is_in_the_page_that_is_made_of_their_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rules.md");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(path, Rule::page()).unwrap();
        return;
    }
    let page = read("docs/rules.md");
    for rule in Rule::ALL {
        let heading = format!("\n## {}\n", rule.name());
        assert!(
            page.contains(&heading),
            "docs/rules.md has no {}: UPDATE=1 cargo test --test documentation",
            rule.name()
        );
    }
    assert!(
        page == Rule::page(),
        "docs/rules.md is another page than that of the table: UPDATE=1 cargo test --test documentation"
    );
}

#[test]
fn every_exit_code_is_listed() {
    for page in ["README.md", "docs/exit-codes.md"] {
        let rows = rows(page, "# Exit codes");
        for code in ExitCode::PRECEDENCE {
            let number = code.number().to_string();
            assert!(
                rows.iter().any(|row| row[0] == number),
                "{number} in {page}"
            );
        }
    }
}

#[test]
fn every_input_and_output_of_the_action_is_listed() {
    let action: serde_yaml::Value = serde_yaml::from_str(&read("action.yml")).unwrap();
    let names = |part: &str| -> Vec<String> {
        action[part]
            .as_mapping()
            .unwrap()
            .keys()
            .map(|key| key.as_str().unwrap().to_owned())
            .collect()
    };
    let listed = first("docs/ci.md", "| input |");
    for name in names("inputs") {
        assert!(listed.contains(&name), "{name}");
    }
    let page = read("docs/ci.md");
    let outputs = page.split("\nOutputs: ").nth(1).unwrap();
    let outputs = outputs.split("\n\n").next().unwrap();
    for name in names("outputs") {
        assert!(outputs.contains(&format!("`{name}`")), "{name}");
    }
}

/// `benches/peers/compare.py --write` writes both.
#[test]
fn the_comparison_says_what_was_measured() {
    let results: serde_json::Value =
        serde_json::from_str(&read("benches/peers/results.json")).unwrap();
    let page = read("docs/comparison.md");
    let rows = results["rows"].as_array().unwrap();
    for row in rows {
        let name = row["name"].as_str().unwrap();
        let line = format!("| {name} | {} | {} | ", row["found"], row["false"]);
        assert!(page.contains(&line), "{line}");
    }
    assert_eq!(rows[0]["key"], "leakcheck");
    assert!(page.contains(&format!("Made on {}", results["date"].as_str().unwrap())));
}

/// The name under which GitHub links to a heading.
fn anchor(heading: &str) -> String {
    heading
        .to_lowercase()
        .chars()
        .filter(|character| character.is_alphanumeric() || " -_".contains(*character))
        .map(|character| if character == ' ' { '-' } else { character })
        .collect()
}

#[test]
fn every_page_is_in_the_book_once() {
    let summary = read("site/SUMMARY.md");
    let link = regex::Regex::new(r"\]\(([^)]+)\)").unwrap();
    let mut listed: Vec<&str> = link
        .captures_iter(&summary)
        .map(|found| found.extract::<1>().1[0])
        .collect();
    listed.sort_unstable();
    // What lies elsewhere, and the page whose name would make it a second first page, as site/build.py has them.
    let build = read("site/build.py");
    let renamed = regex::Regex::new(r#"    "([\w./]+)": "([\w.]+)","#).unwrap();
    let renamed: Vec<[&str; 2]> = renamed
        .captures_iter(&build)
        .map(|found| found.extract().1)
        .collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages: Vec<String> = fs::read_dir(root.join("docs"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".md") && name != "README.md")
        .chain(renamed.iter().map(|[_, name]| (*name).to_owned()))
        .collect();
    pages.sort_unstable();
    assert!(
        renamed.len() > 5 && pages == listed,
        "{pages:#?}, {listed:#?}"
    );
    for [path, _] in renamed {
        assert!(root.join(path).exists(), "{path}");
    }
}

/// `site/build.py` gives the headings of codes these names, and asks the built site for all of them.
#[test]
fn each_code_and_rule_has_an_address() {
    let site = Some("https://example.org/docs/");
    for (code, _) in pages::codes() {
        let address = format!("https://example.org/docs/leaks.html#{code}");
        assert_eq!(address::of_code(site, code), Some(address));
    }
    // Not the file: with `UPDATE` another test writes that meanwhile.
    let rules = Rule::page();
    for rule in Rule::ALL {
        let address = address::of_rule(site, *rule).unwrap();
        let name = address
            .strip_prefix("https://example.org/docs/rules.html#")
            .unwrap();
        let heading = |line: &str| {
            line.strip_prefix("## ")
                .is_some_and(|it| anchor(it) == name)
        };
        assert!(rules.lines().any(heading), "{address}");
    }
    assert_eq!(address::of_code(site, "LK999"), None);
    assert_eq!(address::of_code(site, "../x"), None);
    assert_eq!(address::of_code(None, "LK101"), None);
}

#[test]
fn the_tests_that_hold_a_claim_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("docs/security.md")).unwrap();
    let named: Vec<(&str, &str)> = text
        .split('`')
        .filter_map(|code| code.split_once("::"))
        .collect();
    assert!(named.len() > 25, "{named:?}");
    for (file, test) in named {
        let source = fs::read_to_string(root.join(file)).unwrap_or_default();
        let start = format!("fn {test}(");
        assert!(source.contains(&start), "there is no {file}::{test}");
    }
}

#[test]
fn the_version_has_its_section_in_the_changelog() {
    let heading = format!("\n## {} - 20", env!("CARGO_PKG_VERSION"));
    assert!(read("CHANGELOG.md").contains(&heading), "{heading}");
}

#[test]
fn links_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let link = regex::Regex::new(r"\]\(([^)\s]+)\)").unwrap();
    let mut pages = [
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "SECURITY.md",
        "fixtures/README.md",
        "site/example.md",
    ]
    .map(|page| root.join(page))
    .to_vec();
    pages.extend(
        fs::read_dir(root.join("docs"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "md")),
    );
    let mut broken = Vec::new();
    let mut seen = 0;
    for page in &pages {
        let text = fs::read_to_string(page).unwrap();
        for (_, [target]) in link.captures_iter(&text).map(|found| found.extract()) {
            if target.starts_with("https://") {
                continue;
            }
            seen += 1;
            let (path, place) = target.split_once('#').unwrap_or((target, ""));
            let to = if path.is_empty() {
                page.clone()
            } else {
                page.parent().unwrap().join(path)
            };
            // It is made with the site.
            if target == "report.html" {
                continue;
            }
            let there = if place.is_empty() {
                to.exists()
            } else {
                fs::read_to_string(&to).is_ok_and(|text| {
                    text.lines()
                        .filter(|line| line.starts_with('#'))
                        .any(|line| anchor(line.trim_start_matches('#').trim()) == place)
                })
            };
            if !there {
                broken.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert!(seen > 30 && broken.is_empty(), "{seen} seen, {broken:#?}");
}
