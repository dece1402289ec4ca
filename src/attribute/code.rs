//! The codes of leak kinds, and the sentence that says what to do about one.

use crate::finding::Kind;

/// A test whose repeat killed the process: a reference count gone wrong shows so.
pub const CRASH: &str = "LK501";
/// A test whose repeat hangs.
pub const HANG: &str = "LK502";

/// The code of a kind of growth.
pub fn of(kind: Kind) -> &'static str {
    match kind {
        Kind::Python => "LK101",
        Kind::Items => "LK102",
        Kind::Native => "LK201",
        Kind::Fd => "LK301",
        Kind::Thread => "LK302",
        Kind::Task => "LK303",
        Kind::Child => "LK304",
        Kind::Cycle => "LK401",
    }
}

/// One sentence on how to mend it.
pub fn advice(code: &str) -> &'static str {
    match code {
        "LK101" => {
            "Something that outlives the test keeps these objects: look for a module global, class attribute, registry or cache that this line feeds, and remove the entry when its user is done, give it a bound, or hold it weakly (weakref)."
        }
        "LK102" => {
            "Remove what was added when its user is done, or give the container a bound (collections.deque(maxlen=…))."
        }
        "LK201" => {
            "No Python allocation explains this: look for a C extension that allocates without freeing, or loses a reference, in the calls this test makes."
        }
        "LK301" => {
            "Close it where it was opened: a `with` block, contextlib.closing(), or addCleanup/a yield fixture in a test."
        }
        "LK302" => {
            "End the thread and join it: set its stop event, shut its executor down (`with ThreadPoolExecutor(…)`), and wait in the teardown."
        }
        "LK303" => "Await the task or cancel it before the test ends.",
        "LK304" => {
            "Wait for the process (subprocess.run, Popen as a context manager) or end it in the teardown."
        }
        "LK401" => {
            "Break the cycle: make the back reference a weakref, or clear it when the objects are done with."
        }
        CRASH => {
            "It passes once and kills the interpreter when repeated: look for a reference count released too often in a C extension that this test uses."
        }
        HANG => {
            "It passes once and hangs when repeated: look for a lock, a queue or a thread that its first run leaves behind."
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_advice_of_its_own() {
        let kinds = [
            Kind::Python,
            Kind::Items,
            Kind::Native,
            Kind::Fd,
            Kind::Thread,
            Kind::Task,
            Kind::Child,
            Kind::Cycle,
        ];
        let mut codes: Vec<_> = kinds.into_iter().map(of).chain([CRASH, HANG]).collect();
        let mut texts: Vec<_> = codes.iter().map(|code| advice(code)).collect();
        assert!(texts.iter().all(|text| !text.is_empty()));
        codes.sort_unstable();
        codes.dedup();
        texts.sort_unstable();
        texts.dedup();
        assert_eq!((codes.len(), texts.len()), (10, 10));
    }
}
