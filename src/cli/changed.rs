//! `leakcheck run --changed`: what differs from the commit that a branch left the default branch at, or from another one.

use std::{env, fmt::Display, path::Path};

use crate::{
    config::text,
    files::git::{Repository, short},
    kept::Changed,
};

/// Variables in which CI systems say what a change is to be merged into: GitHub a branch, GitLab a commit.
const TOLD: [(&str, &str); 2] = [
    ("GITHUB_BASE_REF", "origin/"),
    ("CI_MERGE_REQUEST_DIFF_BASE_SHA", ""),
];
/// What the default branch may be called.
const BRANCHES: [&str; 5] = [
    "origin/HEAD",
    "origin/main",
    "origin/master",
    "main",
    "master",
];

/// What differs from `base` in the project in `root`, and how that commit is called. An empty base is where the branch left
/// the default branch. The error is one line.
pub(super) fn since(base: &str, root: &Path) -> Result<(Changed, String), String> {
    let refused = |error: &dyn Display| format!("--changed: {error}");
    let repository = Repository::of(root).map_err(|error| refused(&error))?;
    let commit = if base.is_empty() {
        let told = TOLD.iter().filter_map(|(name, before)| {
            let value = env::var(name).ok().filter(|value| !value.is_empty())?;
            Some(format!("{before}{value}"))
        });
        let mut all = told.chain(BRANCHES.map(str::to_owned));
        all.find_map(|name| repository.commit(&name)).ok_or(
            "--changed: no default branch is known here; name a commit with --changed=BASE",
        )?
    } else {
        repository.commit(base).ok_or_else(|| {
            let base = text::excerpt(base, 70);
            format!("--changed: git knows no commit {base}")
        })?
    };
    let head = repository
        .commit("HEAD")
        .ok_or("--changed: there is no commit yet")?;
    let from = repository.common(&commit, &head).map_err(|_| {
        let commit = short(&commit);
        format!(
            "--changed: git has no commit that both HEAD and {commit} come from; fetch more of the history (actions/checkout: fetch-depth: 0)"
        )
    })?;
    let differing = repository.differing(&from);
    let differing = differing.map_err(|error| refused(&error))?;
    let real = |path: &Path| path.canonicalize().map_err(|error| refused(&error));
    let (top, root) = (real(repository.top())?, real(root)?);
    let files = differing.into_iter().filter_map(|(path, is_there)| {
        let path = top.join(path);
        // What lies outside of the project is not its own.
        let inside = path.strip_prefix(&root).ok()?;
        Some((inside.to_string_lossy().into_owned(), is_there))
    });
    let changed = Changed {
        files: files.collect(),
    };
    Ok((changed, short(&from).to_owned()))
}
