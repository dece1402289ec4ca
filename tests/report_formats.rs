//! Every format of one run that has every verdict and status in it, read by what its consumer reads it with.

mod common;

use std::{fs, path::Path, process::Command};

use common::{
    Packages,
    everything::{document, hostile_document, large, rendered, report, styled},
    leakcheck, python,
    workflow::{self, commands},
};
use leakcheck::{
    explain::pages,
    finding::{Kind, Level, Owner, Status},
    report::{Detail, Format, Report, Standing, is_accepted, markdown, read},
    verdict::{Counter, Verdict},
};
use serde_json::{Value, json};

fn everything() -> Report {
    report(&document())
}

fn schema(path: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let text = fs::read_to_string(path).unwrap();
    // SARIF's own schema has one pattern with a bracket that stands for itself, which strict engines refuse.
    let text = text.replace("{2}-[a-zA-Z]{2}]?$", r"{2}-[a-zA-Z]{2}\\]?$");
    serde_json::from_str(&text).unwrap()
}

/// Fails with every violation of `schema` in `value`.
#[track_caller]
fn assert_valid(schema: &Value, value: &Value) {
    let validator = jsonschema::options()
        .should_validate_formats(true)
        .build(schema)
        .unwrap();
    let errors: Vec<String> = validator
        .iter_errors(value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

fn parsed(report: &Report, format: Format) -> Value {
    serde_json::from_str(&rendered(report, format)).unwrap()
}

#[test]
fn the_run_has_everything_in_it() {
    let report = everything();
    for verdict in Verdict::ALL {
        assert!(report.count(verdict) > 0, "no test is {}", verdict.word());
    }
    let any = |of: &dyn Fn(&leakcheck::finding::Finding) -> bool| report.findings.iter().any(of);
    for status in Status::ALL {
        assert!(any(&|finding| finding.status == status), "{status:?}");
    }
    for kind in Kind::ALL {
        assert!(any(&|finding| finding.kind == kind), "{kind:?}");
    }
    for level in [Level::Error, Level::Warning, Level::Note] {
        assert!(any(&|finding| finding.level == level), "{level:?}");
    }
    for owner in [
        Owner::Project,
        Owner::Dependency,
        Owner::Runner,
        Owner::Interpreter,
    ] {
        assert!(any(&|finding| finding.owner == owner), "{owner:?}");
    }
    for part in [Standing::Present, Standing::Discounted, Standing::Gone] {
        assert!(report.standing(part).next().is_some(), "{part:?}");
    }
}

/// The schema with no field allowed that it does not name.
fn closed(mut schema: Value) -> Value {
    fn walk(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                let is_object = fields
                    .get("type")
                    .is_some_and(|of| *of == json!("object") || *of == json!(["object", "null"]));
                if is_object && !fields.contains_key("additionalProperties") {
                    fields.insert("additionalProperties".to_owned(), json!(false));
                }
                fields.values_mut().for_each(walk);
            }
            Value::Array(items) => items.iter_mut().for_each(walk),
            _ => {}
        }
    }
    walk(&mut schema);
    schema
}

#[test]
fn json_is_what_the_published_schema_says_and_nothing_else() {
    let schema = schema("docs/report.schema.json");
    // The words before the report, which only tells that one of them is unknown.
    let words = |name: &str| schema["$defs"][name]["enum"].clone();
    assert_eq!(words("verdict"), json!(Verdict::ALL.map(Verdict::word)));
    assert_eq!(words("status"), json!(Status::ALL.map(Status::word)));
    // Besides those of libraries, which have names of their own.
    let own = &schema["$defs"]["counter"]["anyOf"][0]["enum"];
    assert_eq!(
        *own,
        json!(Counter::ALL.map(Counter::name)),
        "`counter` in docs/report.schema.json, and TABLE in src/verdict/counter.rs"
    );
    assert_eq!(
        schema["$defs"]["finding"]["properties"]["kind"]["enum"],
        json!(Kind::ALL.map(Kind::word)),
        "`kind` in docs/report.schema.json, and TABLE in src/finding/kind.rs"
    );

    let written = parsed(&everything(), Format::Json);
    assert_valid(&schema, &written);
    assert_valid(&closed(schema.clone()), &written);
    assert!(jsonschema::meta::is_valid(&schema));

    assert_eq!(written["summary"]["findings"]["fixed"], 1);
    assert_eq!(written["summary"]["findings"]["worse"], 1);
}

#[test]
fn json_of_a_shard_is_what_the_published_schema_says() {
    let mut document = document();
    document["shard"] = json!({
        "index": 2,
        "total": 8,
        "whole": true,
        "build": "3.12",
        "alike": [document["tests"][0]["id"]],
        "packages": {"4fb1d19d050d3ef2": {"name": "some-lib", "version": "1.2"}},
        "files": [
            {"file": "tests/test_a.py", "shard": 2, "tests": ["tests/test_a.py::test_a"], "seconds": 1.5},
            {"file": "tests/test_b.py", "shard": 1, "tests": [], "seconds": null},
        ],
    });
    document["merged"] = json!({"shards": 8, "missing": [3, 5]});
    let report = report(&document);
    assert_eq!(report.shard.as_ref().unwrap().files.len(), 2);
    let written = parsed(&report, Format::Json);
    assert_valid(&closed(schema("docs/report.schema.json")), &written);
    assert_eq!(written["shard"], document["shard"]);
    assert_eq!(written["merged"], document["merged"]);
    assert!(report.headline().ends_with("tests, shard 2 of 8"));
}

#[test]
fn json_that_is_read_back_is_the_same_report() {
    let first = everything();
    let text = rendered(&first, Format::Json);
    let second = read::report(&text).unwrap();
    assert_eq!(first, second);
    assert_eq!(text, rendered(&second, Format::Json));
}

#[test]
fn a_real_run_is_what_the_schema_says_and_can_be_rendered_again_in_every_format() {
    let project = common::Project::fixture("seed");
    let (json, events) = (project.beside("run.json"), project.beside("events.jsonl"));
    let output = project
        .command()
        .args([
            "--runner",
            "unittest",
            "tests/test_registry.py",
            "--per-hour",
            "3600",
        ])
        .arg("--report")
        .arg(format!("json={}", json.display()))
        .arg("--events")
        .arg(&events)
        .env("COLUMNS", "100")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = fs::read_to_string(&json).unwrap();
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_valid(&closed(schema("docs/report.schema.json")), &value);
    let finding = &value["findings"][0];
    assert!(finding["curves"][0]["readings"].as_array().unwrap().len() > 8);
    assert!(
        finding["sites"][0]["excerpt"]["text"]
            .as_str()
            .unwrap()
            .contains("append")
    );
    assert_eq!(finding["sites"][0]["owner"], "project");
    assert_eq!(value["tests"][0]["file"], "tests/test_registry.py");

    // Rendered again, the terminal's report is the one of the run, to the letter.
    let again = leakcheck()
        .arg("report")
        .arg(&json)
        .env("COLUMNS", "100")
        .output()
        .unwrap();
    assert_eq!(again.status.code(), Some(0), "{again:?}");
    assert_eq!(
        String::from_utf8_lossy(&again.stdout),
        String::from_utf8_lossy(&output.stdout)
    );
    for format in [
        "plain", "json", "github", "gitlab", "sarif", "junit", "markdown", "html", "short",
        "bencher",
    ] {
        let file = project.beside(&format!("again.{format}"));
        leakcheck()
            .arg("report")
            .arg(&json)
            .args(["-q", "--report", &format!("{format}={}", file.display())])
            .assert()
            .code(0);
        let written = fs::read_to_string(&file).unwrap();
        // A server knows findings by what holds them.
        let word = if format == "bencher" {
            "registry.events"
        } else {
            "registry.py"
        };
        assert!(written.contains(word), "{format}: {written}");
        if format == "json" {
            assert_eq!(written, text);
        }
    }

    let events = fs::read_to_string(&events).unwrap();
    let schema = schema("docs/events.schema.json");
    let lines: Vec<Value> = events
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for line in &lines {
        assert_valid(&schema, line);
    }
    let of = |name: &str| lines.iter().filter(|line| line["event"] == name).count();
    assert_eq!(lines[0]["event"], "start");
    assert_eq!(lines.last().unwrap()["event"], "finish");
    assert_eq!(lines.last().unwrap()["exit_code"], 1);
    let tests = value["tests"].as_array().unwrap().len();
    assert_eq!((of("started"), of("screened")), (tests, tests));
    assert_eq!(of("finding"), value["findings"].as_array().unwrap().len());
    let judged: usize = lines
        .iter()
        .filter(|line| line["event"] == "judged")
        .map(|line| line["ids"].as_array().unwrap().len())
        .sum();
    let suspects = lines
        .iter()
        .find(|line| line["event"] == "tracing")
        .unwrap();
    assert_eq!(json!(judged), suspects["suspects"]);
}

#[test]
fn sarif_is_valid_and_carries_rules_flows_fingerprints_and_suppressions() {
    let report = everything();
    let sarif = parsed(&report, Format::Sarif);
    assert_valid(&schema("tests/schemas/sarif-2.1.0.json"), &sarif);
    let run = &sarif["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let results = run["results"].as_array().unwrap();
    for (code, title) in pages::codes() {
        let rule = rules.iter().find(|rule| rule["id"] == code).unwrap();
        let told = rule["shortDescription"]["text"].as_str().unwrap();
        assert_eq!(told.to_lowercase(), title.to_lowercase());
        assert!(rule["help"]["markdown"].as_str().unwrap().contains(code));
    }
    let present: Vec<_> = report.standing(Standing::Present).collect();
    assert_eq!(results.len(), present.len());
    for (result, finding) in results.iter().zip(present) {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert_eq!(
            result["partialFingerprints"]["leakcheck/v1"],
            finding.fingerprint
        );
        let suppressed = !result["suppressions"].as_array().unwrap().is_empty();
        assert_eq!(suppressed, is_accepted(finding));
        let place = &result["locations"][0]["physicalLocation"]["artifactLocation"];
        if let Some(site) = finding
            .sites
            .first()
            .filter(|_| finding.owner == Owner::Project)
        {
            assert_eq!(place["uri"], format!("services/api/{}", site.file));
            assert_eq!(
                result["locations"][0]["physicalLocation"]["region"]["startLine"],
                site.line
            );
        } else {
            assert!(
                place["uri"].as_str().unwrap().starts_with("services/api/"),
                "{place}"
            );
        }
        if let Some(holder) = &finding.holder {
            let flow = result["codeFlows"][0]["threadFlows"][0]["locations"]
                .as_array()
                .unwrap();
            assert_eq!(flow[0]["location"]["message"]["text"], holder.path[0]);
            assert!(flow.len() > holder.path.len());
        }
    }
}

#[test]
fn reports_lead_to_the_documentation_where_the_build_knows_its_address() {
    let formats = [Format::Plain, Format::Sarif, Format::Html, Format::Markdown];
    let mut report = everything();
    report.environment.docs = Some("https://example.org/docs");
    let code = report.findings[0].code.clone();
    let address = format!("https://example.org/docs/leaks.html#{code}");
    for format in formats {
        let text = rendered(&report, format).replace("&#x2f;", "/");
        assert!(text.contains(&address), "{format:?}: {text}");
    }
    let sarif = parsed(&report, Format::Sarif);
    let rules = sarif["runs"][0]["tool"]["driver"]["rules"]
        .as_array()
        .unwrap();
    let with: Vec<&Value> = rules
        .iter()
        .filter(|rule| !rule["helpUri"].is_null())
        .collect();
    assert_eq!(with.len(), pages::codes().count());
    assert_valid(&schema("tests/schemas/sarif-2.1.0.json"), &sarif);
    report.environment.docs = None;
    for format in formats {
        assert!(!rendered(&report, format).contains("example.org/docs"));
    }
}

#[test]
fn gitlab_takes_every_finding_that_is_there() {
    let report = everything();
    let issues = parsed(&report, Format::Gitlab);
    assert_valid(&schema("tests/schemas/gitlab-codequality.json"), &issues);
    let issues = issues.as_array().unwrap();
    assert_eq!(issues.len(), report.standing(Standing::Present).count());
    let mut fingerprints: Vec<_> = issues
        .iter()
        .map(|issue| issue["fingerprint"].to_string())
        .collect();
    fingerprints.sort();
    fingerprints.dedup();
    assert_eq!(
        fingerprints.len(),
        issues.len(),
        "fingerprints are not unique"
    );
    assert_eq!(
        issues[0]["location"]["path"],
        "services/api/shop/registry0.py"
    );
    assert_eq!(issues[0]["location"]["lines"]["begin"], 15);
}

/// The lines of a report that the problem matchers of the Action read, with severity, path, line and column, and code.
fn matched(text: &str) -> Vec<(String, String, String, String)> {
    let matchers = schema("action/problem-matcher.json");
    let matchers = matchers["problemMatcher"].as_array().unwrap();
    let mut found = Vec::new();
    for line in text.lines() {
        for matcher in matchers {
            let pattern = &matcher["pattern"][0];
            // What this engine does not know stands for what the other matcher takes.
            let regexp = pattern["regexp"]
                .as_str()
                .unwrap()
                .replace("(?!warning: )", "");
            let is_error = matcher["severity"] == "error";
            if is_error && line.contains(" warning: ") {
                continue;
            }
            let Some(groups) = regex::Regex::new(&regexp).unwrap().captures(line) else {
                continue;
            };
            let group = |name: &str| {
                let at = usize::try_from(pattern[name].as_u64().unwrap()).unwrap();
                groups[at].to_owned()
            };
            found.push((
                matcher["severity"].as_str().unwrap().to_owned(),
                group("file"),
                format!("{}:{}", group("line"), group("column")),
                group("code"),
            ));
            break;
        }
    }
    found
}

#[test]
fn short_has_a_line_for_each_annotation_which_the_problem_matchers_read() {
    let report = everything();
    let text = rendered(&report, Format::Short);
    let found = matched(&text);
    let count = |level: Level| {
        report
            .findings
            .iter()
            .filter(|one| leakcheck::report::standing(one) == Standing::Present || one.fails)
            .filter(|one| !is_accepted(one) && (one.fails == (level == Level::Error)))
            .filter(|one| one.level != Level::Note)
            .count()
    };
    let of = |severity: &str| found.iter().filter(|one| one.0 == severity).count();
    assert_eq!(
        (of("error"), of("warning")),
        (count(Level::Error), count(Level::Warning)),
        "{text}"
    );
    assert!(of("error") > 0 && of("warning") > 0);
    let lines = text.lines().filter(|line| !line.starts_with("leakcheck: "));
    assert_eq!(found.len(), lines.count(), "{text}");
    // Relative to the project, and where the line's text begins.
    assert_eq!(found[0].1, "shop/registry0.py");
    assert_eq!(found[0].2, "15:5", "{text}");
    assert!(text.lines().last().unwrap().starts_with("leakcheck: "));
}

#[test]
fn a_badge_is_green_only_for_evidence() {
    let mut report = everything();
    let mut said = |code: u8, keep: &dyn Fn(&leakcheck::finding::Finding) -> bool| {
        report.exit_code = leakcheck::exit_code::ExitCode::of_number(code).unwrap();
        report.findings.retain(|finding| keep(finding));
        let badge = parsed(&report, Format::Badge);
        assert_eq!(
            (&badge["schemaVersion"], &badge["label"]),
            (&json!(1), &json!("leakcheck"))
        );
        let of = |key: &str| badge[key].as_str().unwrap().to_owned();
        (of("message"), of("color"))
    };
    let (message, color) = said(1, &|_| true);
    assert!(
        message.ends_with(" findings") && color == "red",
        "{message}"
    );
    for code in [2, 3, 4, 70, 130] {
        assert_eq!(said(code, &|_| true).1, "lightgrey", "{code}");
    }
    let (message, color) = said(0, &|finding| !finding.fails);
    assert!(
        message.starts_with("no new leak, ") && color == "green",
        "{message}"
    );
    let nothing = ("no leak".to_owned(), "brightgreen".to_owned());
    assert_eq!(said(0, &|_| false), nothing);
}

#[test]
fn bencher_gets_rates_with_their_intervals_by_fingerprint() {
    let report = everything();
    let metrics = parsed(&report, Format::Bencher);
    assert_valid(&schema("tests/schemas/bencher-metrics.json"), &metrics);
    assert_eq!(
        metrics["leakcheck"]["tests"]["value"],
        json!(report.tests.len() as f64)
    );
    for finding in report
        .standing(Standing::Present)
        .filter(|one| !one.rate.is_empty())
    {
        let name = metrics
            .as_object()
            .unwrap()
            .keys()
            .find(|name| name.ends_with(&finding.fingerprint));
        let rates = &metrics[name.unwrap()];
        let (counter, rate) = finding.rate.first_key_value().unwrap();
        assert_eq!(
            rates[counter.replace('_', "-")]["upper_value"],
            json!(rate.interval[1])
        );
    }
    assert_valid(
        &schema("tests/schemas/bencher-metrics.json"),
        &parsed(&report_of_hostile(), Format::Bencher),
    );
}

fn report_of_hostile() -> Report {
    report(&hostile_document())
}

/// What the JUnit parser read of a report.
fn junit(report: &Report) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("junit.xml");
    fs::write(&file, rendered(report, Format::Junit)).unwrap();
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let output = Command::new(python(Packages::Reports))
        .arg(tests.join("common/junit.py"))
        .arg(tests.join("schemas/junit-10.xsd"))
        .arg(&file)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stderr),
        fs::read_to_string(&file)
            .unwrap()
            .chars()
            .take(3000)
            .collect::<String>()
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn junit_has_one_case_a_test_for_its_schema_and_a_parser() {
    let report = everything();
    let read = junit(&report);
    let cases = read["cases"].as_array().unwrap();
    assert_eq!(cases.len(), report.tests.len());
    assert_eq!(read["totals"]["tests"], report.tests.len());
    assert_eq!(read["properties"]["python.version"], "3.12.1");
    let case = |word: &str| {
        let name = format!("test_{word}[1]");
        cases
            .iter()
            .find(|case| case["name"] == name.as_str())
            .unwrap()
    };
    for verdict in Verdict::ALL {
        let element = match verdict {
            Verdict::Clean | Verdict::Bounded | Verdict::Harness => None,
            Verdict::Leak | Verdict::Crashed | Verdict::TimedOut => Some("Failure"),
            Verdict::Failed => Some("Error"),
            Verdict::Unstable | Verdict::Undecided | Verdict::Unrepeatable | Verdict::Skipped => {
                Some("Skipped")
            }
        };
        let case = case(verdict.word());
        assert_eq!(
            case["results"][0]["element"].as_str(),
            element,
            "{}",
            verdict.word()
        );
        assert_eq!(
            case["class"],
            format!("tests.test_{}.TestShop", verdict.word())
        );
    }
    let failure = &case("leak")["results"][0];
    assert_eq!(failure["type"], "LK100");
    for word in [
        "retained by: shop.registry.events",
        "registry0.py:15",
        "fix:",
        "LK309",
    ] {
        assert!(
            failure["text"].as_str().unwrap().contains(word),
            "{word}: {failure}"
        );
    }
}

#[test]
fn annotations_stand_on_the_lines_that_must_change_and_keep_to_githubs_limits() {
    let report = everything();
    let log = styled(&report, Format::Github, 120, Detail::Normal);
    let found = commands(&log);
    let names: Vec<&str> = found.iter().map(|command| &*command.name).collect();
    // The token that turns commands on again is none itself.
    assert_eq!(names[..3], ["group", "stop-commands", "endgroup"]);
    let errors: Vec<_> = found
        .iter()
        .filter(|command| command.name == "error")
        .collect();
    let warnings = names.iter().filter(|name| **name == "warning").count();
    let failing = report.failing().count();
    assert!(failing > 10);
    assert_eq!((errors.len(), warnings), (10, 1));
    assert_eq!(
        errors[0].property("file"),
        Some("services/api/shop/registry0.py")
    );
    assert_eq!(errors[0].property("line"), Some("15"));
    assert_eq!(errors[0].property("title"), Some("leak LK100"));
    assert!(
        errors[0]
            .data
            .contains("\nRetained by shop.registry.events, a list")
    );
    assert!(
        errors[9].data.starts_with(&format!("{} more", failing - 9)),
        "{:?}",
        errors[9]
    );
}

/// Under a runner that executes workflows: `act`, in its own container-free mode.
#[test]
fn a_runner_of_workflows_takes_the_annotations_and_nothing_of_the_names_for_commands() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let hostile = hostile_document();
    for (name, document) in [("everything", &document()), ("hostile", &hostile)] {
        let log = styled(&report(document), Format::Github, 100, Detail::Verbose);
        fs::write(root.join(format!("{name}.log")), log).unwrap();
    }
    fs::create_dir_all(root.join(".github/workflows")).unwrap();
    fs::write(
        root.join(".github/workflows/ci.yml"),
        format!(
            "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: cat {0}/everything.log\n      - run: cat {0}/hostile.log\n      - run: echo \"stolen=$STOLEN\"\n",
            root.display()
        ),
    )
    .unwrap();
    common::git(root, &["init", "-q"]);
    common::git(root, &["add", "-A"]);
    common::git(root, &["commit", "-qm", "a"]);
    let act = python(Packages::Reports).with_file_name("act");
    let output = Command::new(act)
        .args(["push", "--json", "-P", "ubuntu-latest=-self-hosted"])
        .current_dir(root)
        .env("HOME", root)
        .env("XDG_CACHE_HOME", root.join("cache"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let lines: Vec<Value> = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let of = |command: &str| -> Vec<&Value> {
        lines
            .iter()
            .filter(|line| line["command"] == command)
            .collect()
    };
    let (errors, warnings) = (of("error"), of("warning"));
    assert_eq!((errors.len(), warnings.len()), (20, 2), "{text}");
    assert_eq!(
        errors[0]["kvPairs"]["file"],
        "services/api/shop/registry0.py"
    );
    for stolen in ["set-env", "add-path", "set-output", "add-mask", "notice"] {
        assert!(of(stolen).is_empty(), "{stolen} came through\n{text}");
    }
    assert!(
        text.contains("stolen=\\n") || text.contains("stolen=\""),
        "{text}"
    );
}

#[test]
fn the_comment_is_the_same_whatever_the_order_of_the_findings() {
    let first = everything();
    let text = rendered(&first, Format::Markdown);
    assert!(text.starts_with(markdown::MARKER), "{text}");
    let mut second = first.clone();
    second.findings.reverse();
    for finding in &mut second.findings {
        finding.tests.reverse();
    }
    let order = |text: &str| -> Vec<String> {
        text.lines()
            .filter(|line| line.starts_with("<details"))
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(order(&text), order(&rendered(&second, Format::Markdown)));
    assert!(order(&text).len() >= first.standing(Standing::Present).count());
    for word in [
        "✔️ known",
        "📉 better",
        "📈 worse",
        "fixed",
        "services/api/shop/registry0.py:15",
        "▁",
    ] {
        assert!(text.contains(word), "{word}\n{text}");
    }
}

#[test]
fn what_has_a_limit_keeps_to_it_and_says_what_is_missing() {
    let report = large(500, 10);
    let comment = rendered(&report, Format::Markdown);
    assert!(comment.chars().count() < 65_536, "{}", comment.len());
    assert!(comment.contains("Details of"), "{comment}");
    let mut summary = Vec::new();
    markdown::summary(
        &large(3000, 10),
        Some("https://example.org/x"),
        &mut summary,
    )
    .unwrap();
    assert!(summary.len() < 1 << 20, "{}", summary.len());
    let text = String::from_utf8(summary).unwrap();
    assert!(text.contains("Details of") && text.contains("(https://example.org/x)"));
    let log = styled(&report, Format::Github, 120, Detail::Normal);
    assert_eq!(
        commands(&log)
            .iter()
            .filter(|command| command.name == "error")
            .count(),
        10
    );
}

/// A name of a megabyte in every place.
fn huge_document() -> Value {
    // A finding of each part and a few tests are enough: the whole run would be two hundred megabytes.
    let mut document = document();
    for (part, kept) in [("findings", [0, 11, 13, 14]), ("tests", [0, 1, 6, 9])] {
        document[part] = kept.iter().map(|at| document[part][*at].clone()).collect();
    }
    common::everything::renamed(&document, &|name| {
        format!("{name}{}", "<é\u{202e}".repeat(1 << 17))
    })
}

/// The characters that steer a terminal or turn the reading direction.
fn steering(text: &str) -> Option<char> {
    text.chars()
        .find(|character| *character != '\n' && leakcheck::report::text::is_unsafe(*character))
}

#[test]
fn hostile_names_leak_out_of_their_place_in_no_format() {
    let calm = everything();
    let hostile = report(&hostile_document());
    for format in [
        Format::Plain,
        Format::Json,
        Format::Github,
        Format::Gitlab,
        Format::Sarif,
        Format::Junit,
        Format::Markdown,
        Format::Html,
        Format::Short,
        Format::Badge,
        Format::Bencher,
    ] {
        let text = rendered(&hostile, format);
        assert_eq!(steering(&text), None, "{format:?}");
    }
    // With colours, the only escape sequences are those of the styles.
    let sequences = regex::Regex::new("\x1b\\[[0-9;]*m").unwrap();
    for width in [80, 160] {
        let text = styled(&hostile, Format::Plain, width, Detail::Verbose);
        assert_eq!(steering(&sequences.replace_all(&text, "")), None);
    }

    let sarif = parsed(&hostile, Format::Sarif);
    assert_valid(&schema("tests/schemas/sarif-2.1.0.json"), &sarif);
    assert_valid(
        &schema("tests/schemas/gitlab-codequality.json"),
        &parsed(&hostile, Format::Gitlab),
    );
    let back = read::report(&rendered(&hostile, Format::Json)).unwrap();
    assert_eq!(back, hostile, "JSON keeps every name as it is");

    let log = |report: &Report| styled(report, Format::Github, 100, Detail::Verbose);
    let names = |log: &str| -> Vec<String> {
        commands(log)
            .into_iter()
            .map(|command| command.name)
            .collect()
    };
    assert_eq!(names(&log(&hostile)), names(&log(&calm)));
    for command in commands(&log(&hostile)) {
        let known = ["file", "line", "endLine", "title"];
        assert!(
            command
                .properties
                .iter()
                .all(|(name, _)| known.contains(&&**name)),
            "{command:?}"
        );
        assert_ne!(command.property("file"), Some("evil.py"));
    }

    let (before, after) = (junit(&calm), junit(&hostile));
    let count = |read: &Value| read["cases"].as_array().unwrap().len();
    assert_eq!(count(&before), count(&after));

    let html = rendered(&hostile, Format::Html);
    assert_eq!(
        html.matches("<script").count(),
        1,
        "more scripts than the page's own"
    );
    for tag in ["<img", "<svg onload"] {
        assert!(!html.contains(tag), "{tag}");
    }
    assert!(html.contains("{{ 7 * 7 }}"), "a name ran as a template");

    // All of them would be longer than a comment may be, with names that are.
    const FINDINGS: usize = 8;
    for from in (0..hostile.findings.len()).step_by(FINDINGS) {
        let markdown = |report: &Report| {
            let part = report.findings.iter().skip(from).take(FINDINGS);
            let part = Report {
                findings: part.cloned().collect(),
                ..report.clone()
            };
            skeleton(&rendered(&part, Format::Markdown))
        };
        let (hostile, calm) = (markdown(&hostile), markdown(&calm));
        for (at, (one, other)) in hostile.iter().zip(&calm).enumerate() {
            let before = &hostile[at.saturating_sub(4)..at];
            assert_eq!(one, other, "after {before:?}");
        }
        assert_eq!(hostile.len(), calm.len());
    }
}

/// A Markdown document as a parser of GitHub's dialect sees it, with what stands in code left out: names stand nowhere
/// else, so they change nothing in it.
fn skeleton(text: &str) -> Vec<String> {
    use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
    let code = regex::Regex::new("<code>[^<]*</code>").unwrap();
    let mut inside = false;
    let mut found = Vec::new();
    for event in Parser::new_ext(text, Options::all()) {
        match event {
            Event::Start(Tag::CodeBlock(_)) => inside = true,
            Event::End(TagEnd::CodeBlock) => inside = false,
            Event::Text(_) if inside => continue,
            Event::Code(_) => found.push("code".to_owned()),
            Event::Html(html) | Event::InlineHtml(html) => {
                found.push(code.replace_all(&html, "<code>").into_owned());
            }
            other => found.push(format!("{other:?}")),
        }
    }
    found
}

#[test]
fn names_of_a_megabyte_make_no_report_of_megabytes() {
    let document = huge_document();
    assert!(document.to_string().len() > 20 << 20);
    let huge = report(&document);
    let begun = std::time::Instant::now();
    for format in [
        Format::Plain,
        Format::Github,
        Format::Gitlab,
        Format::Sarif,
        Format::Junit,
        Format::Markdown,
        Format::Html,
        Format::Short,
        Format::Badge,
        Format::Bencher,
    ] {
        let text = rendered(&huge, format);
        assert!(text.len() < 1 << 20, "{format:?}: {} bytes", text.len());
        assert_eq!(steering(&text), None, "{format:?}");
    }
    assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
    junit(&huge);
    workflow::commands(&styled(&huge, Format::Github, 80, Detail::Normal));
}

#[test]
fn a_report_that_cannot_be_read_is_one_clear_line_and_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    let good = rendered(&everything(), Format::Json);
    let cases: [(&str, String, &str); 8] = [
        ("cut.json", good[..good.len() / 2].to_owned(), "cut off"),
        ("empty.json", String::new(), "cut off"),
        ("list.json", "[1, 2]".to_owned(), "no leakcheck report"),
        (
            "other.json",
            "{\"schema\": \"pytest/1\"}".to_owned(),
            "no leakcheck report",
        ),
        (
            "future.json",
            good.replace("leakcheck.report/1", "leakcheck.report/2"),
            "leakcheck.report/2",
        ),
        (
            "damaged.json",
            good.replacen("\"findings\": [", "\"findings\": [7,", 1),
            "damaged",
        ),
        (
            "kind.json",
            good.replacen("\"kind\": \"python\"", "\"kind\": \"gpu\"", 1),
            "newer leakcheck",
        ),
        (
            "exit.json",
            good.replacen("\"exit_code\": 1", "\"exit_code\": 9", 1),
            "exit code 9",
        ),
    ];
    for (name, text, words) in cases {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        let output = leakcheck().arg("report").arg(&path).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{name}: {error}");
        assert_eq!(error.lines().count(), 1, "{name}: {error}");
        assert!(
            error.contains(words) && error.contains(name),
            "{name}: {error}"
        );
        assert!(output.stdout.is_empty());
    }
    let output = leakcheck()
        .args(["report", "/nowhere/run.json"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    fs::write(folder.path().join("latin.json"), b"\xff\xfe{").unwrap();
    let output = leakcheck()
        .arg("report")
        .arg(folder.path().join("latin.json"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn under_github_actions_annotations_and_the_job_summary_come_by_themselves() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run.json");
    fs::write(&run, rendered(&everything(), Format::Json)).unwrap();
    let summary = folder.path().join("summary.md");
    fs::write(&summary, "before\n").unwrap();
    let output = leakcheck()
        .arg("report")
        .arg(&run)
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_STEP_SUMMARY", &summary)
        .env("GITHUB_SERVER_URL", "https://github.com")
        .env("GITHUB_REPOSITORY", "a/b")
        .env("GITHUB_RUN_ID", "77")
        .output()
        .unwrap();
    let log = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        commands(&log)
            .iter()
            .filter(|command| command.name == "error")
            .count(),
        10
    );
    let text = fs::read_to_string(&summary).unwrap();
    assert!(text.starts_with("before\n### ❌ leakcheck:"), "{text}");
    assert!(text.contains("https://github.com/a/b/actions/runs/77#artifacts"));
    assert!(!text.contains(markdown::MARKER));

    // Asked for another format, it keeps to it.
    let output = leakcheck()
        .arg("report")
        .arg(&run)
        .args(["--format", "plain"])
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_STEP_SUMMARY", &summary)
        .output()
        .unwrap();
    assert!(
        !String::from_utf8(output.stdout)
            .unwrap()
            .contains("::error")
    );
    assert_eq!(fs::read_to_string(&summary).unwrap(), text);
}
