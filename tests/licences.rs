//! What the program is built of may be given away with it, and comes from one place.

use std::{collections::BTreeSet, fs, process::Command};

use cargo_metadata::MetadataCommand;

/// Licences that ask for no more than being named: the list that `cargo deny` has.
fn allowed() -> BTreeSet<String> {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/deny.toml")).unwrap();
    let deny: toml::Table = text.parse().unwrap();
    let list = deny["licenses"]["allow"].as_array().unwrap();
    list.iter()
        .map(|licence| licence.as_str().unwrap().to_owned())
        .collect()
}

/// Whether one of the ways in which it may be used asks for no more. Parentheses are only ever around alternatives.
fn is_allowed(expression: &str) -> bool {
    let allowed = allowed();
    let is_one = |of: &str| {
        of.split(" OR ")
            .flat_map(|part| part.split('/'))
            .any(|licence| allowed.contains(licence.trim()))
    };
    let bare = expression.replace(['(', ')'], "");
    if expression.contains('(') {
        return bare.split(" AND ").all(is_one);
    }
    // Without them AND binds closer.
    bare.split(" OR ").any(|way| way.split(" AND ").all(is_one))
}

#[test]
fn expressions_are_read_as_spdx_has_them() {
    for good in [
        "MIT",
        "MIT OR Apache-2.0",
        "MIT/Apache-2.0",
        "(MIT OR GPL-3.0) AND Unicode-3.0",
        "GPL-2.0 OR MIT AND Zlib",
        "Unlicense OR MIT",
    ] {
        assert!(is_allowed(good), "{good}");
    }
    for bad in [
        "GPL-3.0",
        "MIT AND GPL-3.0",
        "",
        "(MIT OR Zlib) AND MPL-2.0",
        "GPL-2.0 OR MIT AND SSPL-1.0",
    ] {
        assert!(!is_allowed(bad), "{bad}");
    }
}

#[test]
fn everything_that_is_built_in_may_be_given_away_and_comes_from_one_place() {
    // Of other platforms nothing is built, and a new machine has not fetched it.
    let told = Command::new("rustc").arg("-vV").output().unwrap();
    let told = String::from_utf8(told.stdout).unwrap();
    let host = { told.lines() }.find_map(|line| line.strip_prefix("host: "));
    let options = ["--locked", "--offline", "--filter-platform", host.unwrap()];
    let options = options.map(str::to_owned);
    let metadata = MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .other_options(options)
        .exec()
        .unwrap();
    let mut wrong = Vec::new();
    let mut sources = BTreeSet::new();
    for package in &metadata.packages {
        let Some(source) = &package.source else {
            continue;
        };
        sources.insert(source.repr.clone());
        if !package.license.as_deref().is_some_and(is_allowed) {
            wrong.push(format!(
                "{} {}: {:?}",
                package.name, package.version, package.license
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(
        metadata.packages.len() > 50 && sources.len() == 1,
        "{sources:?}"
    );
    assert!(
        sources.iter().all(|source| source.starts_with("registry+")),
        "{sources:?}"
    );
}
