//! The project's git repository: its commits, and worktrees of them. The user's checkout and index are never touched, and
//! neither hooks nor a pager of the project or its user are run.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::name;

/// Variables that would have git work on something else than the folder it is called in: hooks of git set them.
pub const REDIRECTING: [&str; 8] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_PREFIX",
    "GIT_NAMESPACE",
];

/// What git said of something that it could not do.
#[derive(Debug)]
pub struct Refused(String);

impl fmt::Display for Refused {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Refused(format!("cannot start git: {error}"))
    }
}

/// A repository.
#[derive(Debug)]
pub struct Repository {
    top: PathBuf,
}

/// What a reader wants to know of a commit. Text of the project: to be made safe before it is shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Commit {
    /// All 40 digits of it.
    pub id: String,
    /// `Ada Lovelace <ada@example.org>`.
    pub author: String,
    /// `2026-11-29T10:00:00+01:00`.
    pub date: String,
    /// The first line of its message.
    pub subject: String,
}

impl Commit {
    /// The digits that people use.
    pub fn short(&self) -> &str {
        short(&self.id)
    }
}

/// The digits of a commit that people use.
pub fn short(id: &str) -> &str {
    id.get(..10).unwrap_or(id)
}

impl Repository {
    /// The one that `folder` is in.
    pub fn of(folder: &Path) -> Result<Repository, Refused> {
        let top = ask(folder, &["rev-parse", "--show-toplevel"])?;
        Ok(Repository {
            top: name::to_path(line(&top)),
        })
    }

    /// Its folder.
    pub fn top(&self) -> &Path {
        &self.top
    }

    /// The commit that a user calls so.
    pub fn commit(&self, called: &str) -> Option<String> {
        let name = format!("{called}^{{commit}}");
        let arguments = [
            "rev-parse",
            "--verify",
            "--quiet",
            "--end-of-options",
            &name,
        ];
        // Older gits repeat the option that ends options.
        let said = self.git(&arguments).ok()?;
        said.lines().last().map(str::to_owned)
    }

    /// Whether `later` is `earlier` or comes after it.
    pub fn comes_after(&self, earlier: &str, later: &str) -> bool {
        self.git(&["merge-base", "--is-ancestor", earlier, later])
            .is_ok()
    }

    /// The commits that lead to `late` and to none of `early`, in the order that `how` asks of `git rev-list`.
    pub fn between(
        &self,
        how: &[&str],
        late: &str,
        early: &[String],
    ) -> Result<Vec<String>, Refused> {
        let mut arguments = vec!["rev-list"];
        arguments.extend(how);
        arguments.extend([late, "--not"]);
        arguments.extend(early.iter().map(|id| &**id));
        let said = self.git(&arguments)?;
        let ids = said
            .lines()
            .filter_map(|line| line.split_whitespace().next());
        Ok(ids.map(str::to_owned).collect())
    }

    /// What there is to know of a commit.
    pub fn about(&self, id: &str) -> Result<Commit, Refused> {
        let format = "--format=%H%x00%an <%ae>%x00%aI%x00%s";
        let said = self.git(&["show", "--no-patch", "--no-show-signature", format, id])?;
        let mut parts = line(&said).split('\0').map(str::to_owned);
        let mut part = || parts.next().unwrap_or_default();
        Ok(Commit {
            id: part(),
            author: part(),
            date: part(),
            subject: part(),
        })
    }

    /// Which files a commit changes, and by how much, drawn; those of a merge against its first parent.
    pub fn stat(&self, id: &str) -> Result<String, Refused> {
        self.changes(id, &["--stat=100", "--no-color"])
    }

    /// The files that it changes, by their paths in the repository.
    pub fn changed(&self, id: &str) -> Result<Vec<String>, Refused> {
        let said = self.changes(id, &["--name-only", "-z"])?;
        let names = said.split('\0').filter(|name| !name.is_empty());
        Ok(names.map(str::to_owned).collect())
    }

    /// The commit that both come from.
    pub fn common(&self, one: &str, other: &str) -> Result<String, Refused> {
        let said = self.git(&["merge-base", one, other])?;
        Ok(line(&said).to_owned())
    }

    /// What the files in its folder differ in from a commit, those that git does not know and does not ignore among them:
    /// paths in the repository, and whether each is still there.
    pub fn differing(&self, id: &str) -> Result<Vec<(String, bool)>, Refused> {
        let how = [
            "diff",
            "--name-status",
            "-z",
            "--no-renames",
            "--no-ext-diff",
            id,
        ];
        let said = self.git(&how)?;
        let mut parts = said.split('\0');
        let mut found = Vec::new();
        while let (Some(status), Some(path)) = (parts.next(), parts.next()) {
            found.push((path.to_owned(), status != "D"));
        }
        let new = self.git(&["ls-files", "--others", "--exclude-standard", "-z"])?;
        let new = new.split('\0').filter(|path| !path.is_empty());
        found.extend(new.map(|path| (path.to_owned(), true)));
        Ok(found)
    }

    fn changes(&self, id: &str, how: &[&str]) -> Result<String, Refused> {
        let mut arguments = vec!["diff-tree", "--no-commit-id", "--no-ext-diff", "--root"];
        arguments.extend(["-r", "-m", "--first-parent"]);
        arguments.extend(how);
        arguments.push(id);
        self.git(&arguments)
    }

    /// Puts a commit's files into a new folder.
    pub fn check_out(&self, id: &str, folder: &Path) -> Result<(), Refused> {
        let folder = folder.to_string_lossy();
        self.git(&[
            "worktree", "add", "--quiet", "--detach", "--force", &folder, id,
        ])?;
        Ok(())
    }

    /// Takes such a folder away again.
    pub fn remove(&self, folder: &Path) -> Result<(), Refused> {
        // Twice: it is locked where git was ended while it made it.
        let folder = folder.to_string_lossy();
        self.git(&["worktree", "remove", "--force", "--force", &folder])?;
        Ok(())
    }

    fn git(&self, arguments: &[&str]) -> Result<String, Refused> {
        ask(&self.top, arguments)
    }
}

/// Whether git has anything in `folder` under version control that `path` there names. Whose folder it is is no matter.
pub fn has_committed(folder: &Path, path: &str) -> bool {
    let arguments = ["-c", "safe.directory=*", "ls-files", "-z", "--", path];
    ask(folder, &arguments).is_ok_and(|listed| !listed.is_empty())
}

/// What git says in `folder` when it is called with `arguments`.
fn ask(folder: &Path, arguments: &[&str]) -> Result<String, Refused> {
    let mut command = Command::new("git");
    command
        .args([
            "--no-pager",
            "-c",
            "core.hooksPath=/dev/null",
            "-c",
            "core.fsmonitor=false",
        ])
        .args(arguments)
        .current_dir(folder)
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("LC_ALL", "C")
        .stdin(Stdio::null());
    for variable in REDIRECTING {
        command.env_remove(variable);
    }
    let output = command.output()?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().rfind(|line| !line.trim().is_empty());
    let said = said.unwrap_or("git ended without a word");
    Err(Refused(said.trim_start_matches("fatal: ").to_owned()))
}

fn line(said: &str) -> &str {
    said.strip_suffix('\n').unwrap_or(said)
}
