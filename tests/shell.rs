//! Completions and manual pages: the shells and `man` themselves take them.

mod common;

use std::{fs, path::Path, process::Command};

use common::leakcheck;

fn printed(args: &[&str]) -> String {
    let output = leakcheck().args(args).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn bash_completes_verbs_and_options() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("leakcheck.bash");
    fs::write(&script, printed(&["completions", "bash"])).unwrap();
    let complete = |words: &[&str]| {
        let output = Command::new("bash")
            .args([
                "--norc",
                "-c",
                "source \"$1\"; shift; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); \
                 _leakcheck leakcheck \"${COMP_WORDS[COMP_CWORD]}\" \"${COMP_WORDS[COMP_CWORD-1]}\"; printf '%s\\n' \"${COMPREPLY[@]}\"",
                "bash",
            ])
            .arg(&script)
            .args(words)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(complete(&["leakcheck", "rev"]), "review\n");
    assert_eq!(complete(&["leakcheck", "run", "--thor"]), "--thorough\n");
    assert!(complete(&["leakcheck", "run", "--format", ""]).contains("sarif"));
}

#[test]
fn there_is_a_script_for_every_usual_shell_and_none_for_others() {
    for shell in ["bash", "zsh", "fish"] {
        assert!(
            printed(&["completions", shell]).contains("thorough"),
            "{shell}"
        );
    }
    leakcheck().args(["completions", "tcsh"]).assert().code(2);
}

#[test]
fn there_is_a_manual_page_for_every_verb() {
    assert!(printed(&["man"]).contains(".TH leakcheck 1"));
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("new/man1");
    printed(&["man", pages.to_str().unwrap()]);
    for name in [
        "leakcheck",
        "leakcheck-run",
        "leakcheck-bisect",
        "leakcheck-history",
        "leakcheck-accept",
        "leakcheck-doctor",
    ] {
        let text = fs::read_to_string(pages.join(format!("{name}.1"))).unwrap();
        assert!(text.contains(".SH NAME"), "{name}");
    }
    let run = fs::read_to_string(pages.join("leakcheck-run.1")).unwrap();
    assert!(run.contains("budget"), "{run}");
    let output = leakcheck().args(["man", "/dev/null/x"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(!Path::new("/dev/null/x").exists());
}
