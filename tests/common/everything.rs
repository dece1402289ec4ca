//! A report that has every verdict, status, kind, level and owner in it, as the JSON that a run writes.

use leakcheck::{
    explain::code,
    finding::{Kind, Status},
    report::{Detail, Format, Report, Style, read, write},
    verdict::{Verdict, rule::Rule},
};
use serde_json::{Map, Value, json};

/// Readings that grow by `step` in each of `count` iterations.
fn line(start: i64, step: i64, count: i64) -> Vec<i64> {
    (1..=count).map(|at| start + step * at).collect()
}

fn rate(value: f64) -> Value {
    json!({"value": value, "interval": [value, value], "exact": true})
}

/// A finding of `kind` with everything that one can have.
pub fn finding(kind: &str, number: usize) -> Value {
    let (counter, noun) = match kind {
        "fd" => ("fds", "file descriptor"),
        "thread" => ("threads", "thread"),
        "native" => ("heap", "block"),
        _ => ("blocks", "block"),
    };
    let step = 1 + number as i64 % 4;
    let mut rates = Map::new();
    rates.insert(counter.to_owned(), rate(step as f64));
    rates.insert(
        "bytes".to_owned(),
        json!({"value": 412.0 * step as f64, "interval": [400.0, 424.5 * step as f64], "exact": false}),
    );
    let code = Kind::ALL
        .into_iter()
        .find(|of| of.word() == kind)
        .map(code::of)
        .unwrap();
    let mut finding = json!({
        "fingerprint": format!("{:016x}", 0x4fb1_d19d_050d_3ef2_u64.wrapping_mul(number as u64 + 1)),
        "code": code,
        "status": "new",
        "verdict": "leak",
        "rule": Rule::GrewToTimeEnd,
        "level": "error",
        "fails": true,
        "kind": kind,
        "owner": "project",
        "summary": format!("{step} {noun}s stay after each iteration, allocated at shop/registry{number}.py:15 in Registry.record"),
        "shape": "linear",
        "rate": rates,
        "holder": {
            "path": ["module shop.registry", ".events", "list (1,204 items)", "[…]", "dict", "['order']", "shop.order.Order"],
            "text": "shop.registry.events, a list that nothing empties, holds shop.order.Order",
            "name": "shop.registry.events",
            "process": "process python -m shop.worker",
            "reason": "it is longer after each iteration",
            "steps": [
                {"text": "module shop.registry", "role": "unknown", "reason": ""},
                {"text": ".events", "role": "unknown", "reason": ""},
                {"text": "list (1,204 items)", "role": "holds", "reason": "it is longer after each iteration"},
                {"text": "[…]", "role": "held", "reason": ""},
                {"text": "dict", "role": "held", "reason": ""},
                {"text": "['order']", "role": "held", "reason": ""},
                {"text": "shop.order.Order", "role": "held", "reason": ""},
            ],
            "also": ["shop.audit.log"],
        },
        "types": [
            {"name": "shop.order.Order", "count": 1.0, "bytes": 320.0, "retained": 412.0, "example": "Order(1)"},
            {"name": "dict", "count": 1.5, "bytes": 92.0},
        ],
        "sites": [
            {
                "file": format!("shop/registry{number}.py"), "line": 15, "function": "Registry.record",
                "count": 2.0, "bytes": 320.0, "owner": "project",
                "source": "events.append({\"kind\": kind, \"order\": Order(kind)})",
                "excerpt": {"first": 13, "text": "def record(self, kind):\n    \"\"\"Notes what happened, for the audit that reads the whole list at the end of a day and never ends here.\"\"\"\n    events.append({\"kind\": kind, \"order\": Order(kind)})\n    return len(events)"},
                "callers": [
                    {"file": "shop/cart.py", "line": 40, "function": "Cart.add", "owner": "project"},
                    {"file": "tests/test_leak.py", "line": 7, "function": "TestShop.test_leak", "owner": "project"},
                ],
            },
            {
                "file": format!("shop/registry{number}.py"), "line": 16, "function": "Registry.record",
                "count": 0.5, "bytes": 92.0, "owner": "project", "source": "return len(events)",
            },
        ],
        "tests": ["tests/test_leak.py::TestShop::test_leak[1]", format!("tests/test_leak.py::TestShop::test_{kind}")],
        "evidence": "seen in 2 processes, 72 iterations, the same amount each time",
        "advice": code::advice(code),
        "measured": {"test": "tests/test_leak.py::TestShop::test_leak[1]", "alone": true},
        "curves": [
            {"counter": "blocks", "readings": line(5, step, 64), "rate": {"value": step as f64, "interval": [step as f64 - 0.4, step as f64 + 0.4], "exact": false}},
            {"counter": "objects", "readings": line(2, 1, 64), "rate": rate(1.0)},
            {"counter": "heap", "readings": line(100_000, 412 * step, 64), "rate": rate(412.0 * step as f64)},
            {"counter": "fds", "readings": line(3, i64::from(kind == "fd"), 64)},
            {"counter": "threads", "readings": line(1, i64::from(kind == "thread"), 64)},
        ],
    });
    if kind == "fd" {
        finding["resources"] = json!([
            "/srv/shop/orders.db (x3)",
            "IPv4 stream socket at 127.0.0.1:4000"
        ]);
    }
    if kind == "native" {
        finding["c_stack"] = json!(["+0x17a718 (libc.so.6)", "read_header (_fast.so)"]);
    }
    finding
}

/// A snapshot with everything that one can have.
fn accepted(change: &Value) -> Value {
    json!({
        "file": ".leakcheck/snapshots/LK101-registry.snap", "reason": "the audit will end it", "until": "2027-03-01",
        "issue": "https://example.org/issues/7", "expired": false, "change": change,
    })
}

/// `finding` with other values for some fields.
fn with(mut finding: Value, changes: &Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        finding[name] = value.clone();
    }
    finding
}

/// The run.
pub fn document() -> Value {
    let mut findings: Vec<Value> = Kind::ALL
        .into_iter()
        .enumerate()
        .map(|(number, kind)| finding(kind.word(), number))
        .collect();
    let mut number = findings.len();
    let mut more = |kind: &str, changes: Value| {
        findings.push(with(finding(kind, number), &changes));
        number += 1;
    };
    for status in Status::ALL {
        match status {
            Status::New => {}
            Status::Worse => more(
                "python",
                json!({"status": "worse", "accepted": accepted(&json!({
                    "before": "grows by 1 block\nheld by shop.registry.events\n",
                    "after": "grows by 2 blocks\nheld by shop.registry.events\n",
                }))}),
            ),
            Status::Known | Status::Better => more(
                "python",
                json!({"status": status.word(), "fails": false, "accepted": accepted(&Value::Null)}),
            ),
            Status::Fixed => more(
                "fd",
                json!({"status": "fixed", "rule": null, "fails": false, "level": "note", "curves": [], "sites": [], "types": [], "holder": null}),
            ),
        }
    }
    more(
        "python",
        json!({"level": "warning", "fails": false, "owner": "dependency", "shape": "noisy"}),
    );
    for (verdict, owner, shape, rule) in [
        (
            "bounded",
            "interpreter",
            "saturating",
            Rule::StoppedInLongRun,
        ),
        ("harness", "runner", "linear", Rule::HeldByRunner),
    ] {
        more(
            "python",
            json!({"verdict": verdict, "rule": rule, "owner": owner, "level": "note", "fails": false, "shape": shape, "tests": [format!("tests/test_{verdict}.py::TestShop::test_{verdict}[1]")]}),
        );
    }
    for (verdict, code, rule) in [
        ("crashed", code::CRASH, Rule::ProcessEnded),
        ("timed-out", code::HANG, Rule::ProcessHung),
    ] {
        more(
            "native",
            json!({"verdict": verdict, "rule": rule, "code": code, "shape": "flat", "rate": {}, "holder": null, "types": [], "sites": [], "curves": [],
                "summary": "passes once, and in iteration 2 the test process was killed by SIGSEGV",
                "tests": [format!("tests/test_{verdict}.py::TestShop::test_{verdict}[1]")], "advice": code::advice(code)}),
        );
    }
    let mut tests: Vec<Value> = Verdict::ALL
        .into_iter()
        .map(|verdict| {
            let word = verdict.word();
            let reason = match verdict {
                Verdict::Clean | Verdict::Leak => Value::Null,
                _ => json!(format!("the reason why it is {word}\nand a second line")),
            };
            json!({
                "id": format!("tests/test_{word}.py::TestShop::test_{word}[1]"),
                "file": format!("tests/test_{word}.py"),
                "verdict": word,
                "rule": Rule::ALL.iter().find(|rule| rule.verdict() == Some(verdict)),
                "reason": reason,
                "iterations": 12,
                "seconds": 0.0125,
            })
        })
        .collect();
    tests[1]["series"] = json!({"blocks": line(5, 2, 16), "heap": line(100, 824, 16)});
    for kind in Kind::ALL {
        tests.push(json!({
            "id": format!("tests/test_leak.py::TestShop::test_{}", kind.word()), "file": "tests/test_leak.py",
            "verdict": "leak", "rule": Rule::GrewToTimeEnd, "reason": null, "iterations": 80, "seconds": 1.5,
        }));
    }
    json!({
        "schema": "leakcheck.report/1",
        "tool": {"name": "leakcheck", "version": "0.1.0"},
        "environment": {
            "python": "3.12.1", "implementation": "CPython", "platform": "linux-x86_64", "libc": "glibc 2.36",
            "runner": "pytest", "runner_version": "8.4.2",
            "counters": {"blocks": "exact", "objects": "exact", "heap": "estimate", "fds": "exact", "threads": "absent"},
            "jobs": 2, "source_root": "services/api", "date": "2026-01-02T03:04:05Z", "per_hour": 3600.0,
        },
        // What is derived is left to the writer, which makes it from the tests and findings.
        "summary": {"exit_code": 1, "judged": 0.75, "min_judged": 0.9,
            "timing": {"screen_seconds": 1.5, "judge_seconds": 2.25, "plain_cpu_seconds": 0.75}},
        "errors": [{"where": "tests/test_broken.py", "message": "Traceback\n  File \"tests/test_broken.py\"\nImportError: no module named shop"}],
        "notes": ["pytest-xdist is turned off: every test runs in one process"],
        "retained": {"bytes": 12_500_000.0, "tests": [["tests/test_app.py::test_orders", 8_000_000.0]], "objects": [["shop.Order", 5000]]},
        "findings": findings,
        "snapshots": {"accepted": 5, "untested": 1, "advice": ["leakcheck review: decide about 11 findings"]},
        "tests": tests,
    })
}

/// A document as a report.
#[track_caller]
pub fn report(document: &Value) -> Report {
    read::report(&document.to_string()).unwrap()
}

/// The report in a format, with its colours.
pub fn styled(report: &Report, format: Format, width: usize, detail: Detail) -> String {
    let mut bytes = Vec::new();
    write(report, format, Style { width, detail }, &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// The report in a format, as it stands in a file.
pub fn rendered(report: &Report, format: Format) -> String {
    use std::io::Write;
    let mut out = anstream::StripStream::new(Vec::new());
    out.write_all(styled(report, format, 120, Detail::Verbose).as_bytes())
        .unwrap();
    String::from_utf8(out.into_inner()).unwrap()
}

/// Each line of the text renamed, and still one line.
fn renamed_lines(text: &str, make: &dyn Fn(&str) -> String) -> String {
    let lines: Vec<String> = text
        .lines()
        .map(|line| make(line).replace(['\n', '\r'], ""))
        .collect();
    lines.join("\n")
}

/// Puts `make(what stood there)` in place of every name that a project gives.
pub fn renamed(document: &Value, make: &dyn Fn(&str) -> String) -> Value {
    const NAMES: [&str; 20] = [
        "example",
        "issue",
        "until",
        "before",
        "after",
        "test",
        "advice",
        "id",
        "file",
        "reason",
        "summary",
        "text",
        "name",
        "function",
        "source",
        "where",
        "message",
        "platform",
        "runner_version",
        "evidence",
    ];
    fn walk(value: &mut Value, named: bool, make: &dyn Fn(&str) -> String) {
        match value {
            Value::String(text) if named => *text = make(text),
            Value::Array(items) => items.iter_mut().for_each(|item| walk(item, named, make)),
            Value::Object(fields) => {
                for (name, value) in fields {
                    if name == "change" && value.is_object() {
                        // A text of several lines, of which only whole ones are taken for changed.
                        for side in ["before", "after"] {
                            let text = value[side].as_str().unwrap();
                            value[side] = json!(renamed_lines(text, make) + "\n");
                        }
                        continue;
                    }
                    if name == "excerpt" {
                        // A file has as many lines as it has, whatever stands in them.
                        let text = value["text"].as_str().unwrap();
                        value["text"] = json!(renamed_lines(text, make));
                        continue;
                    }
                    let lists = [
                        "tests",
                        "path",
                        "notes",
                        "advice",
                        "also",
                        "resources",
                        "c_stack",
                    ]
                    .contains(&&**name)
                        && value.is_array();
                    walk(value, lists || NAMES.contains(&&**name), make);
                }
            }
            _ => {}
        }
    }
    let mut document = document.clone();
    let tool = document["tool"].clone();
    walk(&mut document, false, make);
    document["tool"] = tool;
    document
}

/// A run with that many findings and tests.
pub fn large(findings: usize, tests: usize) -> Report {
    let mut document = document();
    document["findings"] = (0..findings)
        .map(|number| {
            let kind = Kind::ALL[number % Kind::ALL.len()];
            finding(kind.word(), number)
        })
        .collect();
    document["tests"] = (0..tests)
        .map(|number| {
            json!({
                "id": format!("tests/test_module_{}.py::TestCase::test_number_{number}[parameter]", number / 40),
                "file": format!("tests/test_module_{}.py", number / 40),
                "verdict": "clean", "reason": null, "iterations": 4, "seconds": 0.003,
            })
        })
        .collect();
    report(&document)
}

/// Names as an enemy would choose them, each with what stood there before.
pub fn hostile_document() -> Value {
    renamed(&document(), &|name| {
        const ATTACKS: [&str; 12] = [
            "\x1b]0;owned\x07\x1b[2J\x1b[31m",
            "\n::error file=evil.py,line=1::stolen",
            "\n::set-env name=STOLEN::yes\n::add-path::/evil",
            "##[set-env name=STOLEN]yes ##[error]stolen",
            "]]></failure></testcase><testcase name=\"evil\"/><![CDATA[",
            "</code></details><script>document.title='owned'</script><img src=x onerror=alert(1)>",
            "\"><svg onload=\"document.title='owned'\">",
            "`|` ``` | --> @everyone #1 [x](https://evil.example) ![y](https://evil.example/z.png)\n# heading",
            "\u{202e}gnp.exe\u{2066}\u{200f}\u{61c}",
            "{{ 7 * 7 }}{% raw %}{# x #}",
            "\u{0}\u{1}\u{b}\u{9b}31m\u{fffe}\u{ffff}\r\nTotal: 0 leaks",
            "' onmouseover='x' &amp; %0A::error::stolen %25",
        ];
        // The same name is the same everywhere, and a file stays one of the project.
        let at: usize = name.bytes().map(usize::from).sum();
        let before = if name.ends_with(".py") {
            ""
        } else {
            ATTACKS[at % 12]
        };
        format!("{before}{name}{}", ATTACKS[(at + 5) % 12])
    })
}
