//! Reads what faulthandler writes: the Python stack of a crash or of a hang.

use std::{path::Path, sync::LazyLock};

use regex::Regex;

use crate::files::name;

static FRAME: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"^\s+File "(?P<file>[^"]*)", line (?P<line>\d+|\?\?\?),? in (?P<function>.+)$"#)
        .expect("a constant pattern")
});
static MOST_RECENT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^(?:Current thread|Thread) 0x[0-9a-f]+.*\(most recent call first\):")
        .expect("a constant pattern")
});

static C_FRAME: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r#"^\s+Binary file "(?P<file>[^"]*)"(?:, at (?P<symbol>[^+\s]*)\+(?P<offset>0x[0-9a-f]+))? \[0x[0-9a-f]+\]$"#,
    )
    .expect("a constant pattern")
});

/// How the C stack begins that Python 3.14 and later add to a crash.
const C_STACK: &str = "Current thread's C stack trace (most recent call first):";
/// Frames shown of it.
const SHOWN_OF_C: usize = 8;

/// Frames shown of a hang.
const SHOWN: usize = 6;

#[derive(Clone)]
struct Frame {
    file: String,
    /// As shown: function, and file without its folders.
    text: String,
}

/// The frames of each thread in a dump, innermost first, and whether it is the current one.
fn threads(text: &str) -> Vec<(bool, Vec<Frame>)> {
    let mut found: Vec<(bool, Vec<Frame>)> = Vec::new();
    for line in text.lines() {
        if MOST_RECENT.is_match(line) {
            found.push((line.starts_with("Current"), Vec::new()));
        } else if let (Some(frame), Some((_, frames))) = (FRAME.captures(line), found.last_mut()) {
            let path = unescaped(&frame["file"]);
            let file = name::shown(path.rsplit('/').next().unwrap_or_default());
            let function = name::shown(&unescaped(&frame["function"]));
            frames.push(Frame {
                text: format!("{function} ({file}:{})", &frame["line"]),
                file: path,
            });
        }
    }
    found
}

/// faulthandler writes what is not ASCII as escapes of Python's.
fn unescaped(text: &str) -> String {
    static ESCAPE: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8}))")
            .expect("a constant pattern")
    });
    let character = |found: &regex::Captures<'_>| {
        let digits = found
            .iter()
            .skip(1)
            .flatten()
            .next()
            .map(|digits| digits.as_str());
        let number = u32::from_str_radix(digits.unwrap_or_default(), 16).unwrap_or_default();
        let character = match number {
            // Half of a pair, which stands for a byte that is no text.
            0xdc80..=0xdcff => name::of_byte((number & 0xff) as u8),
            _ => char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER),
        };
        character.to_string()
    };
    ESCAPE.replace_all(text, character).into_owned()
}

/// The stack of the main thread in a dump of all threads: innermost first, the runner's own frames cut off.
pub fn main_thread(text: &str) -> Vec<String> {
    // faulthandler writes the main thread, which started first, last; a signal is handled there as well.
    let all = threads(text);
    let frames = all
        .iter()
        .rev()
        .find(|(current, _)| *current)
        .or(all.last())
        .map(|(_, frames)| frames.clone())
        .unwrap_or_default();
    until_runner(frames.into_iter().map(|frame| frame.text))
}

/// Of frames, innermost first, those of a hang that are shown: the runner's own are cut off.
pub fn until_runner(frames: impl IntoIterator<Item = String>) -> Vec<String> {
    { frames.into_iter() }
        .take_while(|frame| !is_machinery(frame))
        .take(SHOWN)
        .collect()
}

/// Where a fatal error in a worker's log happened: the innermost frame of the project, or of anybody.
pub fn crash_place(log: &str, project: &Path) -> Option<String> {
    let fatal = log.rfind("Fatal Python error")?;
    let all = threads(&log[fatal..]);
    let (_, frames) = all.iter().find(|(current, _)| *current).or(all.first())?;
    let of_project = |frame: &&Frame| {
        name::to_path(&frame.file).starts_with(project) && !frame.file.contains("/site-packages/")
    };
    frames
        .iter()
        .find(of_project)
        .or(frames.iter().find(|frame| !is_machinery(&frame.text)))
        .map(|frame| frame.text.clone())
}

/// The C functions of a crash, innermost first, as `function (library)`: from where the signal came to where the
/// interpreter begins. Empty where the log has no such stack, as before Python 3.14.
pub fn c_stack(log: &str) -> Vec<String> {
    let Some(begin) = log
        .rfind("Fatal Python error")
        .and_then(|fatal| Some(fatal + log[fatal..].find(C_STACK)?))
    else {
        return Vec::new();
    };
    let frames: Vec<_> = log[begin..]
        .lines()
        .skip(1)
        .map_while(|line| C_FRAME.captures(line))
        .collect();
    let Some(interpreter) = frames.first().map(|frame| frame["file"].to_owned()) else {
        return Vec::new();
    };
    // The first ones are faulthandler's own, and what calls a handler of signals.
    let own = frames
        .iter()
        .take_while(|frame| frame["file"] == interpreter)
        .count();
    let crashed = frames.get(own + 1..).unwrap_or_default();
    // A crash in the interpreter itself has nothing before it.
    let foreign = crashed
        .iter()
        .take_while(|frame| frame["file"] != interpreter)
        .count();
    crashed
        .iter()
        .take(if foreign == 0 { SHOWN_OF_C } else { foreign })
        .take(SHOWN_OF_C)
        .map(|frame| {
            let file = frame["file"].rsplit('/').next().unwrap_or_default();
            let place = match (frame.name("symbol"), frame.name("offset")) {
                (Some(symbol), _) if !symbol.is_empty() => symbol.as_str().to_owned(),
                (_, Some(offset)) => format!("+{}", offset.as_str()),
                _ => "?".to_owned(),
            };
            format!("{place} ({file})")
        })
        .collect()
}

/// How pytest marks the lines of a traceback that ended it.
const INTERNAL: &str = "INTERNALERROR> ";

/// The line of a runner's output that says why it ended.
pub fn last_words(log: &str) -> String {
    let lines = log.lines();
    let internal: Vec<&str> = { lines.filter_map(|line| line.strip_prefix(INTERNAL)) }.collect();
    // What is raised stands after its frames, and may have several lines: the first says what it is.
    let frames = internal.iter().rposition(|line| line.starts_with(' '));
    let raised = frames.and_then(|at| internal.get(at + 1));
    { raised.or(internal.last()).copied() }
        .or_else(|| log.lines().rev().find_map(|line| line.strip_prefix("E   ")))
        .or_else(|| {
            log.lines()
                .find_map(|line| Some(line.split_once(": error: ")?.1))
        })
        .or_else(|| log.lines().find_map(|line| line.strip_prefix("ERROR: ")))
        .or_else(|| log.lines().rev().find(|line| !line.trim().is_empty()))
        .unwrap_or("no message")
        .trim()
        .to_owned()
}

/// File and line of the innermost frame of such a traceback.
pub fn last_place(log: &str) -> Option<String> {
    let frame = log
        .lines()
        .filter_map(|line| FRAME.captures(line.strip_prefix(INTERNAL)?))
        .next_back()?;
    let file = frame["file"]
        .rsplit('/')
        .next()
        .unwrap_or_default()
        .to_owned();
    Some(format!("{file}:{}", &frame["line"]))
}

/// Frames of the runners and of the bridge tell a reader nothing.
fn is_machinery(frame: &str) -> bool {
    [
        "(python.py:",
        "(case.py:",
        "(_callers.py:",
        "(repeat.py:",
        "(run_command.py:",
        "(run_pytest.py:",
        "(run_unittest.py:",
    ]
    .iter()
    .any(|name| frame.contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUMP: &str = r#"Thread 0x00007f0a (most recent call first):
  File "/usr/lib/python3.12/threading.py", line 359 in wait
Current thread 0x00007f0b (most recent call first):
  File "/p/tests/test_a.py", line 12 in helper
  File "/p/tests/test_a.py", line 20 in test_hang
  File "/x/_pytest/python.py", line 159 in pytest_pyfunc_call
"#;

    #[test]
    fn a_hang_shows_the_tests_own_frames() {
        assert_eq!(
            main_thread(DUMP),
            ["helper (test_a.py:12)", "test_hang (test_a.py:20)"]
        );
    }

    #[test]
    fn a_crash_has_the_c_functions_from_the_signal_to_the_interpreter() {
        let log = r#"Fatal Python error: Segmentation fault

Current thread 0x00007f0b [python] (most recent call first):
  File "/p/tests/test_a.py", line 12 in helper

Current thread's C stack trace (most recent call first):
  Binary file "/v/bin/python", at _Py_DumpStack+0x4a [0x49b2f9]
  Binary file "/v/bin/python" [0x53d28e]
  Binary file "/lib/libc.so.6", at +0x406b0 [0x7f7ccfd636b0]
  Binary file "/lib/libc.so.6", at +0x17a718 [0x7f7ccfe9d718]
  Binary file "/v/lib/_fast.so", at read_header+0x1d [0x7f7ccf9114ad]
  Binary file "/v/bin/python", at PyEval_EvalCode+0x9d [0x592ead]
  Binary file "/v/bin/python" [0x749444]

Extension modules: _fast (total: 1)
"#;
        assert_eq!(
            c_stack(log),
            ["+0x17a718 (libc.so.6)", "read_header (_fast.so)"]
        );
        // In the interpreter itself.
        let inside = log
            .lines()
            .filter(|line| !line.contains("0x17a718") && !line.contains("_fast.so"))
            .collect::<Vec<_>>()
            .join("\n");
        assert_eq!(c_stack(&inside), ["PyEval_EvalCode (python)", "? (python)"]);
        assert_eq!(c_stack(DUMP), [""; 0]);
    }

    #[test]
    fn the_cause_of_an_early_end_is_found_in_the_log() {
        let exit = "INTERNALERROR>   File \"/p/test_b.py\", line 2, in <module>\n\
            INTERNALERROR> SystemExit: not here\nmainloop: caught unexpected SystemExit!\n";
        assert_eq!(last_words(exit), "SystemExit: not here");
        assert_eq!(last_place(exit).as_deref(), Some("test_b.py:2"));
        let long = exit.replace(
            "not here",
            "not here\nINTERNALERROR> Set it in the configuration.",
        );
        assert_eq!(last_words(&long), "SystemExit: not here");
        let usage = "ERROR: usage: pytest [options]\npytest: error: unrecognized arguments: --x\n";
        assert_eq!(last_words(usage), "unrecognized arguments: --x");
        assert_eq!(last_words(""), "no message");
    }

    #[test]
    fn a_crash_names_its_innermost_frame() {
        let log = format!("noise\nFatal Python error: Segmentation fault\n\n{DUMP}");
        let place = |project: &str| crash_place(&log, Path::new(project));
        assert_eq!(
            place("/elsewhere").as_deref(),
            Some("helper (test_a.py:12)")
        );
        let log = log.replace(
            "/p/tests/test_a.py\", line 12",
            "/usr/lib/ctypes.py\", line 12",
        );
        let place = crash_place(&log, Path::new("/p"));
        assert_eq!(place.as_deref(), Some("test_hang (test_a.py:20)"));
        assert_eq!(crash_place("all is well", Path::new("/p")), None);
    }
}
