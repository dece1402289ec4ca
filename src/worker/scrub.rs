//! Names and texts taken out of what is written down, so that it says nothing of the project and still has its shape.
//!
//! Each word (letters and digits in a row) becomes another one, the same each time and in all files of a recording. What
//! stands between words stays. So paths lie below each other as before, and names that were equal are; and the words that
//! this program itself compares with are left alone.

use std::{
    collections::{HashMap, HashSet},
    sync::{LazyLock, Mutex, PoisonError},
};

use serde_json::Value;

/// Words that decide something: what the interpreter, the runners and the wire have names for. A test holds them against
/// the source.
static PUBLIC: LazyLock<HashSet<&str>> = LazyLock::new(|| WORDS.split_whitespace().collect());
const WORDS: &str = "
    BufferedReader BufferedWriter Connection FileIO FixtureDef HashedSeq Info KeyboardInterrupt OrderedDict ReferenceType Task TextIOWrapper
    WeakKeyDictionary WeakSet WeakValueDictionary absent active and async asyncio atexit attribute auto bridge builtin builtins cache call case cell class
    closure codecs collection collections concurrent conftest container context dangling default defaultdict deque dict edge environ epoll
    estimate exact exception finalize fixtures float frame frozen frozenset function functools futures g garbage gc globals heap in index
    iniconfig init interpreter interpreters io key known leakcheck lib list loader local locals logging main method mmap mock module name next object
    or os package partial pluggy posix py pytest queues register registry result runner select session set signal socket sqlite3 src
    subclasses suite suspended sys tasks tb test tests thread threading threads traceback tuple type unittest variable warnings
    weakref xdist str to owned
    python items native fd task child cycle blocks objects fds children
    shutdown locks ctypes pointer type cache gh 81969 100926 121390 157443 UnraisableHookArgs https github com cpython issues posix putenv os docs org
    3 library html CallSpec mark structures key params default closure function parameter Manager manager RootLogger root
    Logger logging threading deny slice Context unclosed so libpython python3 file files map maps memory usr lib64 nix
";

/// Fields whose values are the wire's own words.
const OURS: [&str; 10] = [
    "do", "re", "status", "phase", "counter", "lost", "start", "worker", "heap", "reach",
];

/// Other words for those of a project.
#[derive(Debug, Default)]
pub(crate) struct Scrub(Mutex<HashMap<String, String>>);

impl Scrub {
    /// `text` with other words.
    pub fn text(&self, text: &str) -> String {
        let mut scrubbed = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(from) = rest.find(char::is_alphanumeric) {
            scrubbed.push_str(&rest[..from]);
            rest = &rest[from..];
            let end = rest.find(|character: char| !character.is_alphanumeric());
            let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
            scrubbed.push_str(&self.word(word));
            rest = after;
        }
        scrubbed + rest
    }

    /// The same of each text in `value`. Names of fields stay.
    pub fn value(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.text(text),
            Value::Array(values) => values.iter_mut().for_each(|value| self.value(value)),
            Value::Object(fields) => {
                let theirs = |field: &&mut (&String, &mut Value)| !OURS.contains(&&**field.0);
                let mut fields: Vec<_> = fields.iter_mut().collect();
                for (_, value) in fields.iter_mut().filter(theirs) {
                    self.value(value);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn word(&self, word: &str) -> String {
        if PUBLIC.contains(word) {
            return word.to_owned();
        }
        let mut words = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let next = words.len() + 1;
        let new = words.entry(word.to_owned());
        new.or_insert_with(|| format!("w{next}")).clone()
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use serde_json::json;

    use super::*;

    #[test]
    fn words_are_replaced_and_all_between_them_stays() {
        let scrub = Scrub::default();
        assert_eq!(
            scrub.text("/home/ann/shop/test_cart.py::test_pay[4111-x]"),
            "/w1/w2/w3/test_w4.py::test_w5[w6-w7]"
        );
        assert_eq!(
            scrub.text("/home/ann/shop/cart.py"),
            "/w1/w2/w3/w4.py",
            "below the same folders"
        );
        assert_eq!(scrub.text("w1"), "w8", "no word is that of another one");
        assert_eq!(
            scrub.text("KeyboardInterrupt: Ann’s"),
            "KeyboardInterrupt: w9’w10"
        );
        assert_eq!(scrub.text("_pytest.fixtures"), "_pytest.fixtures");
    }

    #[test]
    fn fields_of_the_wire_keep_their_words() {
        let scrub = Scrub::default();
        let mut value = json!({"re": "ran", "outcome": {"status": "passed", "message": "no card"},
            "counters": {"heap": "absent", "fds": "estimate"}, "wider": ["session:shop:card"], "seconds": 0.5});
        scrub.value(&mut value);
        assert_eq!(
            value,
            json!({"re": "ran", "outcome": {"status": "passed", "message": "w1 w2"},
            "counters": {"heap": "absent", "fds": "estimate"}, "wider": ["session:w3:w2"], "seconds": 0.5})
        );
    }

    /// The words in texts of a source file that name something. Sentences are for readers.
    fn named(source: &str) -> Vec<&str> {
        let code = source.split("#[cfg(test)]\nmod ").next().unwrap();
        let lines = code
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        let texts = lines.flat_map(|line| line.split('"').skip(1).step_by(2));
        texts
            .filter(|text| !text.contains([' ', '\\', '{']))
            .flat_map(|text| text.split(|character: char| !character.is_alphanumeric()))
            .filter(|word| !word.is_empty() && !word.starts_with("LK"))
            .collect()
    }

    #[test]
    fn what_decides_by_name_is_left_alone() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let (mut seen, mut missing) = (0, Vec::new());
        let mut files: Vec<_> = ["heap", "explain", "investigate", "investigate/screening"]
            .iter()
            .flat_map(|folder| fs::read_dir(root.join(folder)).unwrap())
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_file() && !path.ends_with("samples.rs"))
            // It has texts for readers only.
            .filter(|path| !path.ends_with("pages.rs"))
            .collect();
        for file in [
            "again",
            "isolation",
            "case",
            "familiar",
            "content",
            "diagnose",
            "driver",
            "capacity",
            "garbage",
            "conclusions",
            "cycle_garbage",
            "lines",
            "native",
            "noise",
            "screen",
            "stage",
        ] {
            files.push(root.join("run").join(file).with_extension("rs"));
        }
        for file in files {
            let source = fs::read_to_string(&file).unwrap();
            for word in named(&source) {
                seen += 1;
                if !PUBLIC.contains(word) {
                    missing.push(format!("{}: {word}", file.display()));
                }
            }
        }
        assert!(seen > 100, "{seen}");
        assert!(missing.is_empty(), "not in WORDS: {missing:#?}");
    }
}
