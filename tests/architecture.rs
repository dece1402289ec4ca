//! Keeps the arrows between modules pointing one way, and the files small and named for one thing.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Lines of the longest file there may be.
const LONGEST: usize = 620;

/// Lines of the longest function of what decides.
const LONGEST_RULE: usize = 60;

/// One file of `src`: where, and its text.
struct Source {
    /// Relative to `src`.
    path: PathBuf,
    text: String,
}

impl Source {
    fn all() -> Vec<Source> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut found = Vec::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    found.push(Source {
                        path: path.strip_prefix(&root).unwrap().to_owned(),
                        text: fs::read_to_string(&path).unwrap(),
                    });
                }
            }
        }
        found.sort_by(|a, b| a.path.cmp(&b.path));
        assert!(found.len() > 20, "src is elsewhere");
        found
    }

    /// The path of its module: `["run", "screen"]` for `run/screen.rs`.
    fn module(&self) -> Vec<String> {
        let mut parts: Vec<String> = self
            .path
            .with_extension("")
            .components()
            .map(|part| part.as_os_str().to_string_lossy().into_owned())
            .collect();
        let last = parts.last().unwrap();
        if last == "mod" || (parts.len() == 1 && (last == "lib" || last == "main")) {
            parts.pop();
        }
        parts
    }

    /// The module of the crate's root that it belongs to; `main` and `lib` for the roots themselves.
    fn top(&self) -> String {
        match self.module().first() {
            Some(name) => name.clone(),
            None => self.path.with_extension("").to_string_lossy().into_owned(),
        }
    }

    /// The code that is built into the program: without comments, and without the tests at its bottom.
    fn code(&self) -> String {
        let mut text = &*self.text;
        for start in ["#[cfg(test)]\nmod ", "#[cfg(test)]\npub"] {
            text = text.split(start).next().unwrap();
        }
        text.lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// Every path into this crate that it names, whole: `["worker", "loss", "Loss"]`.
    fn uses(&self) -> BTreeSet<Vec<String>> {
        let code = self.code();
        let mut found = BTreeSet::new();
        for root in ["crate", "leakcheck"] {
            paths_after(&code, root, &[], &mut found);
        }
        let mut parent = self.module();
        parent.pop();
        paths_after(&code, "super", &parent, &mut found);
        found
    }

    /// Whether it uses the module `path`, or anything in it.
    fn uses_module(&self, path: &[&str]) -> bool {
        self.uses().iter().any(|used| {
            used.len() >= path.len() && used.iter().zip(path).all(|(used, part)| used == part)
        })
    }
}

/// Collects what follows `ROOT::` everywhere in `code`, groups taken apart, with `base` before it.
fn paths_after(code: &str, root: &str, base: &[String], found: &mut BTreeSet<Vec<String>>) {
    let start = format!("{root}::");
    for (at, _) in code.match_indices(&start) {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|character| character.is_alphanumeric() || "_:".contains(character)) {
            continue;
        }
        tree(&code[at + start.len()..], base, found);
    }
}

/// Reads one use tree at the start of `text` and returns what follows it.
fn tree<'a>(text: &'a str, base: &[String], found: &mut BTreeSet<Vec<String>>) -> &'a str {
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('{') {
        loop {
            rest = rest.trim_start().trim_start_matches(',').trim_start();
            if rest.is_empty() {
                return rest;
            }
            if let Some(after) = rest.strip_prefix('}') {
                return after;
            }
            let after = tree(rest, base, found);
            if after.len() == rest.len() {
                return rest;
            }
            rest = after;
        }
    }
    let end = text
        .find(|character: char| {
            !(character.is_alphanumeric() || character == '_' || character == '*')
        })
        .unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let mut path = base.to_vec();
    match name {
        "" => return rest,
        "self" | "*" => {}
        "super" => {
            path.pop();
        }
        name => path.push(name.to_owned()),
    }
    if let Some(rest) = rest.strip_prefix("::") {
        return tree(rest, &path, found);
    }
    found.insert(path);
    // A renamed import.
    let rest = rest.trim_start();
    match rest.strip_prefix("as ") {
        Some(name) => name
            .trim_start_matches(|character: char| character.is_alphanumeric() || character == '_'),
        None => rest,
    }
}

/// Fails with every file of the module `from` that uses one of `forbidden`.
#[track_caller]
fn assert_unused(from: &str, forbidden: &[&str]) {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for source in Source::all() {
        if source.top() != from {
            continue;
        }
        seen += 1;
        for module in forbidden {
            let path: Vec<&str> = module.split("::").collect();
            if source.uses_module(&path) {
                wrong.push(format!("{} uses {module}", source.path.display()));
            }
        }
    }
    assert!(seen > 0, "there is no module {from}");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn groups_of_imports_are_taken_apart() {
    let source = Source {
        path: "worker/live.rs".into(),
        text: "//! x\nuse super::{protocol::{Order, Ran as R}, stack};\nuse crate::{bridge,\n    \
               report::{self, text::*},\n};\nfn f() { crate::judgement::bytes(1.0) }\n#[cfg(test)]\nmod tests {\n    \
               use crate::cli;\n}\n"
            .into(),
    };
    let uses: Vec<String> = source.uses().iter().map(|path| path.join("::")).collect();
    assert_eq!(
        uses,
        [
            "bridge",
            "judgement::bytes",
            "report",
            "report::text",
            "worker::protocol::Order",
            "worker::protocol::Ran",
            "worker::stack",
        ]
    );
    assert!(source.uses_module(&["report"]) && !source.uses_module(&["cli"]));
    assert_eq!(source.top(), "worker");
}

#[test]
fn fit_knows_numbers_only() {
    let manifest =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let packages: Vec<String> = manifest["dependencies"]
        .as_table()
        .unwrap()
        .keys()
        // Its numbers can be written down.
        .filter(|name| *name != "serde")
        .map(|name| format!("{}::", name.replace('-', "_")))
        .collect();
    let mut wrong = Vec::new();
    for source in Source::all() {
        if source.top() != "fit" {
            continue;
        }
        let path = source.path.display().to_string();
        for used in source.uses() {
            if used.first().is_some_and(|top| top != "fit") {
                wrong.push(format!("{path} uses {}", used.join("::")));
            }
        }
        let code = source.code();
        let outside = [
            "std::fs",
            "std::io",
            "std::env",
            "std::net",
            "std::process",
            "println!",
        ];
        for word in packages.iter().map(|name| &**name).chain(outside) {
            if code.contains(word) {
                wrong.push(format!("{path} uses {word}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_report_sees_data_only() {
    assert_unused(
        "report",
        &[
            "worker::Worker",
            "worker::conversation",
            "worker::live",
            "worker::player",
            "worker::process",
            "worker::record",
            "worker::setup",
            "worker::tape",
            "run::slot",
            "run::driver",
            "run::screen",
            "cli",
            "discover",
        ],
    );
}

#[test]
fn the_engine_knows_no_report() {
    assert_unused("run", &["report", "judgement", "cli"]);
    assert_unused("worker", &["run", "report", "judgement", "cli"]);
}

#[test]
fn what_decides_knows_neither_worker_nor_clock_nor_lock() {
    assert_unused(
        "investigate",
        &[
            "run",
            "worker",
            "bridge",
            "files",
            "supervise",
            "config",
            "discover",
        ],
    );
    let words = ["std::time", "Instant", "Mutex", "Atomic", "std::fs"];
    let mut wrong = Vec::new();
    for source in Source::all() {
        for word in words {
            if source.top() == "investigate" && source.code().contains(word) {
                wrong.push(format!("{} has {word}", source.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_is_said_of_a_test_is_decided_in_one_place() {
    // How the loss of a process reads is for `verdict` to say, wherever it is met.
    let makes =
        ["by(", "because(", "filling(", "lost_by("].map(|maker| format!("Conclusion::{maker}"));
    let mut wrong = Vec::new();
    for source in Source::all() {
        if ["investigate", "verdict"].contains(&&*source.top()) {
            continue;
        }
        let code = source.code();
        for maker in { makes.iter() }.filter(|maker| code.contains(*maker)) {
            wrong.push(format!("{} has {maker}", source.path.display()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_decides_is_read_a_function_at_a_time() {
    let mut long = Vec::new();
    let mut seen = 0;
    for source in Source::all() {
        if source.top() != "investigate" {
            continue;
        }
        let code = source.code();
        let lines: Vec<&str> = code.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let start = line.trim_start();
            if !start.contains("fn ") || !(start.starts_with("fn ") || start.starts_with("pub")) {
                continue;
            }
            let indent = &line[..line.len() - start.len()];
            let end = format!("{indent}}}");
            let length = lines[at..].iter().position(|line| *line == end);
            seen += 1;
            if length.is_none_or(|length| length >= LONGEST_RULE) {
                long.push(format!("{}: {start}", source.path.display()));
            }
        }
    }
    assert!(seen > 40, "{seen}");
    assert!(long.is_empty(), "{long:#?}");
}

#[test]
fn the_command_line_is_used_by_main_only() {
    let users: Vec<PathBuf> = Source::all()
        .into_iter()
        .filter(|source| source.top() != "cli" && source.uses_module(&["cli"]))
        .map(|source| source.path)
        .collect();
    assert_eq!(users, [PathBuf::from("main.rs")]);
}

#[test]
fn modules_do_not_go_in_circles() {
    let sources = Source::all();
    let tops: BTreeSet<String> = sources.iter().map(Source::top).collect();
    let mut arrows: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in &sources {
        let from = source.top();
        for used in source.uses() {
            if let Some(to) = used.first()
                && *to != from
                && tops.contains(to)
            {
                arrows.entry(from.clone()).or_default().insert(to.clone());
            }
        }
    }
    only_circles(&mut arrows);
    assert!(arrows.is_empty(), "in circles: {arrows:#?}");
}

#[test]
fn files_do_not_go_in_circles() {
    let sources = Source::all();
    let modules: BTreeSet<Vec<String>> = sources.iter().map(Source::module).collect();
    let mut arrows: BTreeMap<Vec<String>, BTreeSet<Vec<String>>> = BTreeMap::new();
    for source in &sources {
        let from = source.module();
        for mut used in source.uses() {
            while !modules.contains(&used) && used.pop().is_some() {}
            // What a file is a part of has it whatever it uses.
            if !used.is_empty() && !from.starts_with(&used) {
                arrows.entry(from.clone()).or_default().insert(used);
            }
        }
    }
    only_circles(&mut arrows);
    assert!(arrows.is_empty(), "in circles: {arrows:#?}");
}

/// Takes away what is in no circle.
fn only_circles<T: Ord + Clone>(arrows: &mut BTreeMap<T, BTreeSet<T>>) {
    // What uses nothing that is left, and what only leads into a circle, is in none itself.
    loop {
        let left: BTreeSet<T> = arrows.keys().cloned().collect();
        let used: BTreeSet<T> = arrows.values().flatten().cloned().collect();
        let before = arrows.len();
        arrows.retain(|from, to| used.contains(from) && to.iter().any(|to| left.contains(to)));
        if arrows.len() == before {
            break;
        }
    }
    let left: BTreeSet<T> = arrows.keys().cloned().collect();
    for to in arrows.values_mut() {
        to.retain(|to| left.contains(to));
    }
}

#[test]
fn files_are_opened_in_one_place() {
    // What a worker is started with is made by us, in a folder that is ours alone.
    const OURS: [&str; 5] = [
        "worker/layout.rs",
        "worker/log.rs",
        "run/selfcheck.rs",
        "bridge/mod.rs",
        "supervise/folder.rs",
    ];
    // Files that a project, a test or a report has put at a path: a pipe hangs, a device has no end, a link leads out.
    let opening = [
        "File::open",
        "File::create",
        "OpenOptions",
        "fs::read(",
        "fs::read_to_string",
        "fs::write(",
        "fs::copy(",
        "fs::create_dir",
    ];
    let mut wrong = Vec::new();
    for source in Source::all() {
        let path = source.path.display().to_string();
        let code = source.code();
        let reads_only = OURS.contains(&&*path);
        for word in opening {
            let allowed = source.top() == "files"
                || (reads_only && !word.contains("read") && word != "File::open")
                || path == "cli/man.rs";
            if !allowed && code.contains(word) {
                wrong.push(format!("{path} has {word}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn nothing_speaks_to_a_network() {
    let words = [
        "TcpStream",
        "TcpListener",
        "UdpSocket",
        "ToSocketAddrs",
        "reqwest",
        "ureq",
        "hyper",
    ];
    let manifest =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    for word in words {
        assert!(!manifest.contains(word), "Cargo.toml has {word}");
        for source in Source::all() {
            let path = source.path.display();
            assert!(!source.code().contains(word), "{path} has {word}");
        }
    }
}

#[test]
fn every_file_says_its_job_first() {
    let silent: Vec<PathBuf> = Source::all()
        .into_iter()
        .filter(|source| !source.text.starts_with("//! "))
        .map(|source| source.path)
        .collect();
    assert!(silent.is_empty(), "{silent:?}");
}

#[test]
fn no_file_is_too_long() {
    let long: Vec<String> = Source::all()
        .into_iter()
        .filter(|source| source.text.lines().count() > LONGEST)
        .map(|source| format!("{}: {}", source.path.display(), source.text.lines().count()))
        .collect();
    assert!(long.is_empty(), "over {LONGEST} lines: {long:?}");
}
