//! The HTML report in a headless browser: seen, filtered, opened by keyboard, attacked, and large.
//!
//! Needs Chromium on PATH, or where `LEAKCHECK_TEST_BROWSER` says; skipped, and says so, where there is none.

mod common;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use common::{
    Packages,
    everything::{document, hostile_document, large, rendered, report},
    python,
};
use leakcheck::report::{Format, Standing, history};
use serde_json::{Value, json};

/// The browser, if there is one.
fn browser() -> Option<PathBuf> {
    if let Some(path) = env::var_os("LEAKCHECK_TEST_BROWSER") {
        return Some(path.into());
    }
    let names = ["chromium", "chromium-browser", "google-chrome"];
    env::split_paths(&env::var_os("PATH")?)
        .flat_map(|folder| names.map(|name| folder.join(name)))
        .find(|path| path.is_file())
}

#[test]
fn the_page_is_seen_filtered_opened_attacked_and_large() {
    let Some(browser) = browser() else {
        eprintln!("skipped: no Chromium on PATH (Debian: apt-get install chromium)");
        return;
    };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("browser");
    fs::create_dir_all(&folder).unwrap();
    let calm = report(&document());
    let pages = [
        ("everything", &calm),
        ("hostile", &report(&hostile_document())),
        ("large", &large(500, 10_000)),
    ];
    for (name, report) in pages {
        let page = rendered(report, Format::Html);
        fs::write(folder.join(format!("{name}.html")), page).unwrap();
    }
    let made = history::read(&common::history::made(200)).unwrap();
    let story = history::Story::of(&made.lines, None, 200).unwrap();
    let mut page = fs::File::create(folder.join("history.html")).unwrap();
    history::html(&made, &story, &mut page).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/check.py");
    let output = Command::new(python(Packages::Reports))
        .arg(script)
        .arg(browser)
        .arg(&folder)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let seen: Value = serde_json::from_slice(&output.stdout).unwrap();
    println!("{seen:#}");

    assert_eq!(seen["trouble"], json!([]));
    for (picture, violations) in seen["violations"].as_object().unwrap() {
        assert_eq!(*violations, json!([]), "accessibility rules, {picture}");
    }

    let used = &seen["use"];
    let present = calm.standing(Standing::Present).count();
    assert_eq!(used["before"], present);
    assert_eq!(
        used["after"], 1,
        "the filter leaves the one with both words"
    );
    assert!(
        used["said"]
            .as_str()
            .unwrap()
            .starts_with(&format!("1 of {present} findings")),
        "{used}"
    );
    assert_eq!(
        (&used["skip"], &used["focused"]),
        (&json!("skip"), &json!("text"))
    );
    let opened = &used["opened"];
    assert!(opened["chart"][0].as_f64().unwrap() > 200.0, "{opened}");
    assert!(
        opened["name"]
            .as_str()
            .unwrap()
            .starts_with("blocks: live blocks")
    );
    // Five counters were read, three grow, one of them with an interval that has a width.
    assert_eq!(opened["parts"], json!([5, 3, 1]));
    assert_eq!(opened["chain"], 7);
    assert_eq!(opened["marked"], 2);
    assert_eq!((&used["known"], &used["crashed"]), (&json!(1), &json!(1)));
    assert_eq!(used["trouble"], json!([]));

    let hostile = &seen["hostile"];
    assert_eq!(hostile["trouble"], json!([]));
    assert_eq!(hostile["same"], true, "{hostile}");
    assert!(
        hostile["title"]
            .as_str()
            .unwrap()
            .starts_with("leakcheck: ")
    );

    let large = &seen["large"];
    assert_eq!(large["trouble"], json!([]));
    assert!(large["bytes"].as_u64().unwrap() < 12_000_000, "{large}");
    assert_eq!(large["rows"], json!([1000, 10_000]));
    // Generous: this machine may be busy with other tests.
    assert!(large["load_seconds"].as_f64().unwrap() < 15.0, "{large}");
    assert!(large["filter_ms"].as_f64().unwrap() < 3000.0, "{large}");
}
