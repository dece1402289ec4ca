//! A history of many runs, made up: leaks that come, grow faster, go and come again, some with names that mean harm.

use serde_json::json;

/// How many leaks there are in it.
pub const LEAKS: usize = 24;

/// The text of its file.
pub fn made(runs: usize) -> String {
    let mut text = String::new();
    for run in 0..runs {
        let findings: Vec<_> = (0..LEAKS)
            .filter_map(|leak| {
                let (came, stays) = (leak * 37 % runs, 8 + leak * 11 % 60);
                let is_there = (came..came + stays).contains(&run)
                    || (leak % 5 == 0 && (came + 90..came + 120).contains(&run));
                let faster = if run > came + stays / 2 { 2.0 } else { 1.0 };
                is_there.then(|| {
                    json!({
                        "id": format!("{leak:08x}{:08x}", leak * 7919),
                        "code": (["LK101", "LK108", "LK301"][leak % 3]),
                        "about": match leak % 4 {
                            0 => format!("shop.<img src=x onerror=alert({leak})>\u{202e}\u{1b}[2J"),
                            _ => format!("shop.registry{leak}.entries"),
                        },
                        "place": format!("shop/registry{leak}.py:{}", 10 + leak),
                        "accepted": leak % 6 == 1,
                        "fails": leak % 6 != 1,
                        "main": "blocks",
                        "rates": {"blocks": (leak + 1) as f64 * faster},
                    })
                })
            })
            .collect();
        let line = json!({
            "schema": "leakcheck.history/1",
            "version": "0.1.0",
            "date": format!("2026-{:02}-{:02}T09:00:00Z", 1 + run / 28 % 12, 1 + run % 28),
            "commit": format!("{:040x}", run * 104_729 + 1),
            "complete": run % 31 != 7,
            "build": "CPython 3.12.1 linux-x86_64",
            "exit_code": u8::from(!findings.is_empty()),
            "tests": 380 + run / 4,
            "leaking": findings.len(),
            "judged": 0.97 + (run % 7) as f64 / 250.0,
            "iterations": 2000 + 500 * findings.len(),
            "seconds": 30.0 + 3.0 * findings.len() as f64 + (run % 5) as f64,
            "plain_cpu_seconds": 9.0,
            "findings": findings,
        });
        text.push_str(&line.to_string());
        text.push('\n');
    }
    text
}
