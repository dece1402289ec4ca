//! `action.yml` under a runner that executes workflows: `act`, in its own container-free mode.
//!
//! Actions of others are replaced by stand-ins that do what matters here: the runner has no network.

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use common::{Packages, Project, python};
use serde_json::Value;

/// What an upload does, into a folder of the test.
const UPLOAD: &str = r#"name: upload
description: keeps files
inputs: {path: {required: true}, name: {required: true}}
runs:
  using: composite
  steps:
    - shell: bash
      env: {NAME: "${{ inputs.name }}", FROM: "${{ inputs.path }}"}
      run: |
        shopt -s nullglob
        mkdir -p "$UPLOADED/$NAME"
        while IFS= read -r path; do
          for file in $path; do cp -r "$file" "$UPLOADED/$NAME/"; done
        done <<<"$FROM"
"#;

/// What a cache does: notes that it was asked, and keeps files in a folder of the test.
const RESTORE: &str = r#"name: restore
description: takes files
inputs: {path: {required: true}, key: {required: true}, restore-keys: {required: false}}
runs:
  using: composite
  steps:
    - {shell: bash, run: 'echo restore >>"$UPLOADED.calls"'}
"#;
const SAVE: &str = r#"name: save
description: keeps files
inputs: {path: {required: true}, key: {required: true}}
runs:
  using: composite
  steps:
    - shell: bash
      env: {FROM: "${{ inputs.path }}"}
      run: 'echo save >>"$UPLOADED.calls"; cp -r "$FROM" "$UPLOADED.verdicts"'
"#;

/// What needs nothing done: the runner has the project already, and no cache.
const NOTHING: &str = "name: nothing\ndescription: does nothing\nruns:\n  using: composite\n  steps:\n    - {run: 'true', shell: bash}\n";

/// A repository with a workflow that uses the Action, and what its run came to.
struct Run {
    project: Project,
    lines: Vec<Value>,
    green: bool,
    text: String,
}

impl Run {
    /// Runs the Action in `project` with `with`, lines of YAML; the Action's folder is a copy of what `parts` name.
    fn of(project: Project, parts: &[&str], with: &str, event: &Value) -> Run {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let action = project.beside("action-source");
        fs::create_dir_all(&action).unwrap();
        for part in parts {
            let from = here.join(part);
            let status = Command::new("cp").arg("-r").arg(from).arg(&action).status();
            assert!(status.unwrap().success(), "{part}");
        }
        let mut replaced = vec![format!("acme/leakcheck@v1={}", action.display())];
        let definition = fs::read_to_string(here.join("action.yml")).unwrap();
        for (name, text) in [
            ("actions/upload-artifact@", UPLOAD),
            ("actions/cache@", NOTHING),
        ] {
            let at = definition.find(name).unwrap() + name.len();
            let folder = project.beside(name.trim_end_matches('@'));
            for (part, text) in [("", text), ("restore", RESTORE), ("save", SAVE)] {
                fs::create_dir_all(folder.join(part)).unwrap();
                fs::write(folder.join(part).join("action.yml"), text).unwrap();
            }
            replaced.push(format!(
                "{name}{}={}",
                &definition[at..at + 40],
                folder.display()
            ));
        }
        // The runner copies the project for a step of this name only.
        project.write(
            ".github/workflows/leaks.yml",
            &format!(
                r"on: [push, pull_request]
jobs:
  leaks:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v6
      - id: leaks
        uses: acme/leakcheck@v1
        with:
{}
      - if: always()
        run: echo later steps run
",
                with.lines()
                    .map(|line| format!("          {line}"))
                    .collect::<Vec<_>>()
                    .join("\n")
            ),
        );
        let root = project.root();
        common::git(&root, &["init", "-q"]);
        common::git(&root, &["add", "-A"]);
        common::git(&root, &["commit", "-qm", "a"]);
        let commands = project.beside("commands");
        fs::create_dir_all(&commands).unwrap();
        let link = commands.join("leakcheck");
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_leakcheck"), link).unwrap();
        // What the comment is written with: keeps what it is called with and what it is given.
        let gh = commands.join("gh");
        fs::write(&gh, "#!/bin/sh\necho \"$@\" >>\"$UPLOADED.gh\"\n").unwrap();
        let status = Command::new("chmod").arg("+x").arg(&gh).status();
        assert!(status.unwrap().success());
        let payload = project.beside("event.json");
        fs::write(&payload, event.to_string()).unwrap();

        let act = python(Packages::Reports).with_file_name("act");
        let path = format!(
            "{}:{}",
            commands.display(),
            std::env::var("PATH").unwrap_or_default()
        );
        let mut command = common::scrubbed(Command::new(act));
        let name = if event["pull_request"].is_null() {
            "push"
        } else {
            "pull_request"
        };
        command
            .args([name, "--json", "-P", "ubuntu-latest=-self-hosted"])
            .arg("--eventpath")
            .arg(payload)
            .arg("--env")
            .arg(format!("UPLOADED={}", project.beside("uploaded").display()));
        for replaced in &replaced {
            command.args(["--local-repository", replaced]);
        }
        let output = command
            .current_dir(&root)
            .env("HOME", project.beside("home"))
            .env("XDG_CACHE_HOME", project.beside("home/cache"))
            .env("PATH", path)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let lines: Vec<Value> = text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        assert!(
            lines.len() > 5,
            "{text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Run {
            project,
            lines,
            green: output.status.success(),
            text,
        }
    }

    /// With the built command on PATH, for a push.
    fn installed(project: Project, with: &str) -> Run {
        let with = format!(
            "version: installed\npython: {}\n{with}",
            python(Packages::Plain).display()
        );
        Run::of(
            project,
            &["action.yml", "action"],
            &with,
            &serde_json::json!({}),
        )
    }

    fn commands(&self, name: &str) -> Vec<&Value> {
        self.lines
            .iter()
            .filter(|line| line["command"] == name)
            .collect()
    }

    /// An output of the Action, which is the last thing of that name that was set.
    #[track_caller]
    fn output(&self, name: &str) -> String {
        let set = self.commands("set-output");
        let of = |line: &&&Value| line["name"] == name || line["kvPairs"]["name"] == name;
        let last = set.iter().rev().find(of);
        let line = last.unwrap_or_else(|| panic!("no output {name}\n{}", self.text));
        line["arg"].as_str().unwrap().to_owned()
    }

    /// The text of the job summary.
    fn summary(&self) -> String {
        self.commands("summary")
            .iter()
            .map(|line| line["content"].as_str().unwrap_or_default())
            .collect()
    }

    /// Names of all that was uploaded.
    fn uploaded(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders: Vec<PathBuf> = vec![self.project.beside("uploaded")];
        while let Some(folder) = folders.pop() {
            let Ok(entries) = fs::read_dir(folder) else {
                continue;
            };
            for entry in entries {
                let entry = entry.unwrap();
                if entry.path().is_dir() {
                    folders.push(entry.path());
                } else {
                    found.push(entry.file_name().into_string().unwrap());
                }
            }
        }
        found.sort();
        found
    }

    #[track_caller]
    fn is_green(&self, green: bool) {
        assert_eq!(self.green, green, "{}", self.text);
        assert!(self.text.contains("later steps run"), "{}", self.text);
    }
}

#[test]
fn a_clean_project_is_green() {
    let project = Project::fixture("pytest_clean");
    project.write(
        "tests/test_surroundings.py",
        "import os\n\n\ndef test_inputs_are_not_for_tests():\n    \
         assert not {'PYTHON', 'PATHS', 'ARGS', 'FAIL_ON', 'LEAKCHECK'} & set(os.environ)\n",
    );
    let run = Run::installed(project, "");
    run.is_green(true);
    assert_eq!(run.output("result"), "clean");
    assert_eq!(run.output("new"), "0");
    assert!(run.commands("error").is_empty(), "{}", run.text);
    assert!(run.summary().contains("✅"), "{}", run.text);
    assert!(run.uploaded().contains(&"leakcheck.html".to_owned()));
}

#[test]
fn a_regressing_project_is_red_and_leaves_all_that_a_reader_needs() {
    let run = Run::installed(
        Project::fixture("adoption"),
        "args: |\n  --timeout\n  60s\n  --\n  -k\n  store or count\n",
    );
    run.is_green(false);
    assert_eq!(run.output("exit-code"), "1");
    assert_eq!(run.output("result"), "leak");
    assert_eq!(run.output("new"), "1");
    assert_eq!(run.output("worse"), "0");
    let errors = run.commands("error");
    assert_eq!(errors.len(), 1, "{}", run.text);
    assert_eq!(errors[0]["kvPairs"]["file"], "depot.py");
    assert!(run.summary().contains("❌"), "{}", run.text);
    let uploaded = run.uploaded();
    for name in ["json", "sarif", "xml", "html", "md"] {
        let name = format!("leakcheck.{name}");
        assert!(uploaded.contains(&name), "{name} in {uploaded:?}");
    }
    let pending = |name: &String| name.ends_with(".snap.new");
    assert_eq!(uploaded.iter().filter(|name| pending(name)).count(), 1);
    // Checked once, and the runner's arguments reached it whole.
    assert_eq!(run.text.matches("⭐ Run Main Check for leaks").count(), 1);
    let json = fs::read_to_string(run.output("json")).unwrap();
    let report: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(report["summary"]["tests"], 2);
}

#[test]
fn a_misconfigured_project_says_so_and_exits_with_2() {
    let project = Project::fixture("adoption");
    project.write("leakcheck.toml", "buget = \"10m\"\n");
    let run = Run::installed(project, "");
    run.is_green(false);
    assert_eq!(run.output("exit-code"), "2");
    assert_eq!(run.output("result"), "usage");
    let words = "leakcheck.toml:1:1: unknown key `buget`; did you mean `budget`?";
    let errors = run.commands("error");
    assert_eq!(errors.len(), 1, "{}", run.text);
    let said = errors[0]["arg"].as_str().unwrap();
    assert!(said.contains(words), "{said}");
    assert!(run.summary().contains("unknown key"), "{}", run.text);
}

#[test]
fn inputs_are_never_run_and_wrong_ones_are_named() {
    let stolen = "\"$(touch \\\"$UPLOADED.stolen\\\"; id)`id`; exit 0\"";
    for (input, words) in [
        ("python", "no such Python"),
        ("paths", "no such"),
        ("jobs", "jobs"),
        ("budget", "budget"),
        ("fail-on", "fail-on must be"),
        ("cache", "cache must be"),
        ("reports", "reports may name"),
    ] {
        let with = if input == "python" {
            String::new()
        } else {
            format!("python: {}\n", python(Packages::Plain).display())
        };
        let run = Run::of(
            Project::fixture("adoption"),
            &["action.yml", "action"],
            &format!("version: installed\n{with}{input}: {stolen}\n"),
            &serde_json::json!({}),
        );
        run.is_green(false);
        assert!(!run.project.beside("uploaded.stolen").exists(), "{input}");
        let errors = run.commands("error");
        assert_eq!(errors.len(), 1, "{input}: {}", run.text);
        let said = errors[0]["arg"].as_str().unwrap();
        assert!(said.contains(words), "{input}: {said}");
    }
}

#[test]
fn the_comment_goes_to_the_pull_request_and_a_build_may_be_told_not_to_fail() {
    let with = format!(
        "version: installed\npython: {}\ncomment: true\nfail-on: never\nartifact: none\n",
        python(Packages::Plain).display()
    );
    let event = serde_json::json!({"pull_request": {"number": 7}});
    let parts = ["action.yml", "action"];
    let run = Run::of(Project::fixture("adoption"), &parts, &with, &event);
    run.is_green(true);
    assert_eq!(run.output("result"), "leak");
    assert_eq!(run.uploaded(), Vec::<String>::new());
    let called = fs::read_to_string(run.project.beside("uploaded.gh")).unwrap();
    let body = format!("--field body=@{}", run.output("markdown"));
    assert!(called.contains("/issues/7/comments"), "{called}");
    assert!(called.contains(&body), "{called}");
}

#[test]
fn the_commit_of_the_branch_is_named_in_the_summary_and_the_comment() {
    let project = Project::of(&[
        (
            "depot.py",
            "import os\n\n\ndef store():\n    os.close(os.dup(0))\n",
        ),
        (
            "test_depot.py",
            "from depot import store\n\n\ndef test_store():\n    store()\n",
        ),
    ]);
    let root = project.root();
    common::git(&root, &["init", "-q"]);
    common::git(&root, &["add", "-A"]);
    common::git(&root, &["commit", "-qm", "before"]);
    let base = common::git(&root, &["rev-parse", "HEAD"]);
    project.write(
        "depot.py",
        "import os\n\nshelf = []\n\n\ndef store():\n    shelf.append(os.dup(0))\n",
    );
    common::git(&root, &["add", "-A"]);
    common::git(&root, &["commit", "-qm", "Keep ::error::it"]);
    let brought = common::git(&root, &["rev-parse", "--short=10", "HEAD"]);
    let with = format!(
        "version: installed\npython: {}\ncomment: true\nbisect: true\n",
        python(Packages::Plain).display()
    );
    let event = serde_json::json!({"pull_request": {"number": 7, "base": {"sha": base.trim()}}});
    let run = Run::of(project, &["action.yml", "action"], &with, &event);
    run.is_green(false);
    assert_eq!(run.output("result"), "leak");
    let line = format!(
        "Commit `{}` `Keep ::error::it` brought this leak: ",
        brought.trim()
    );
    let comment = fs::read_to_string(run.output("markdown")).unwrap();
    assert!(comment.contains(&line), "{comment}");
    assert!(run.summary().contains(&line), "{}", run.text);
    assert!(run.uploaded().contains(&"bisect.json".to_owned()));
    assert_eq!(
        run.commands("error").len(),
        1,
        "that of the leak: {}",
        run.text
    );
}

#[test]
fn verdicts_are_saved_on_the_default_branch_and_restored_everywhere() {
    let with = format!(
        "version: installed\npython: {}\ncache: true\n",
        python(Packages::Plain).display()
    );
    let of_main =
        serde_json::json!({"ref": "refs/heads/main", "repository": {"default_branch": "main"}});
    let of_branch =
        serde_json::json!({"ref": "refs/heads/topic", "repository": {"default_branch": "main"}});
    let of_request = serde_json::json!({"pull_request": {"number": 7}, "repository": {"default_branch": "main"}});
    for (event, calls) in [
        (of_main, "restore\nsave\n"),
        (of_branch, "restore\n"),
        (of_request, "restore\n"),
    ] {
        let parts = ["action.yml", "action"];
        let run = Run::of(Project::fixture("pytest_clean"), &parts, &with, &event);
        run.is_green(true);
        let called = fs::read_to_string(run.project.beside("uploaded.calls")).unwrap();
        assert_eq!(called, calls, "{event}");
        let saved = fs::read_dir(run.project.beside("uploaded.verdicts"));
        assert_eq!(
            saved.is_ok_and(|files| files.count() > 1),
            calls.contains("save")
        );
    }
}

#[test]
fn the_comment_of_the_run_before_is_replaced_and_no_one_elses() {
    let folder = tempfile::tempdir().unwrap();
    let gh = folder.path().join("gh");
    // A stranger has written one that begins as ours do, before the first of ours.
    let script = "#!/bin/sh\necho \"$@\" | tr '\\n' ' ' >>\"$CALLS\"; echo >>\"$CALLS\"
case \"$*\" in
*paginate*\"select(.viewerDidAuthor and \"*) printf 'IC_41\\nIC_99\\n' ;;
*paginate*) printf 'IC_13\\nIC_41\\nIC_99\\n' ;;
esac
";
    fs::write(&gh, script).unwrap();
    let status = Command::new("chmod").arg("+x").arg(&gh).status();
    assert!(status.unwrap().success());
    let calls = folder.path().join("calls");
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("action/comment.sh"))
        .env("PATH", format!("{}:{path}", folder.path().display()))
        .env("CALLS", &calls)
        .env("REPOSITORY", "a/b")
        .env("NUMBER", "7")
        .env("BODY", "/x/leaks.md")
        .output()
        .unwrap();
    assert!(
        output.status.success() && output.stdout.is_empty(),
        "{output:?}"
    );
    let calls = fs::read_to_string(calls).unwrap();
    let calls: Vec<&str> = calls.lines().collect();
    assert_eq!(calls.len(), 2, "{calls:?}");
    for wanted in ["owner=a ", "name=b ", "number=7 "] {
        assert!(calls[0].contains(wanted), "{calls:?}");
    }
    assert!(calls[1].contains("updateIssueComment"), "{calls:?}");
    assert!(
        calls[1].ends_with("id=IC_41 --field body=@/x/leaks.md "),
        "{calls:?}"
    );
}
