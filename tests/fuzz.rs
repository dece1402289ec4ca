//! Gives what is stored in `fuzz` to the functions that are fuzzed: beginnings, and every input that once was too much.
//!
//! `tests/fuzz.sh` looks for new ones.

#[path = "../fuzz/targets.rs"]
mod targets;

use std::{fs, panic, path::Path};

/// The stored inputs of a target in `folder`, sorted by their names.
fn stored(folder: &str, target: &str) -> Vec<(String, Vec<u8>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz")
        .join(folder)
        .join(target);
    let mut found: Vec<_> = fs::read_dir(&path)
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.display().to_string(), fs::read(&path).unwrap()))
        .collect();
    found.sort();
    found
}

/// Fails with the name of the input that the target does not get over.
#[track_caller]
fn give(target: targets::Target, name: &str, data: &[u8]) {
    let result = panic::catch_unwind(|| target(data));
    assert!(
        result.is_ok(),
        "{name}: {:?}",
        String::from_utf8_lossy(data)
    );
}

#[test]
fn stored_inputs_are_got_over() {
    for (name, target) in targets::ALL {
        let seeds = stored("seeds", name);
        assert!(!seeds.is_empty(), "no beginnings for {name}");
        for (path, data) in seeds.into_iter().chain(stored("crashes", name)) {
            give(target, &path, &data);
        }
    }
}

/// Numbers that look drawn and are the same in each run.
struct Drawn(u64);

impl Drawn {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end.max(1) as u64).unwrap()
    }
}

/// What breaks readers of text, and of numbers.
const PIECES: [&[u8]; 16] = [
    b"-1",
    b"0",
    b"18446744073709551615",
    b"-9223372036854775808",
    b"4294967295",
    b"1e308",
    b"null",
    b"[]",
    b"{}",
    b"\"\"",
    b"\"\\u0000\"",
    b"\xff\xff\xff\xff\xff\xff\xff\x7f",
    b"\0\0\0\0\0\0\0\0",
    b"\x1b[2J",
    "\u{202e}".as_bytes(),
    b"\n---\n",
];

#[test]
fn inputs_with_some_bytes_changed_are_got_over() {
    const EACH: usize = 150;
    let mut drawn = Drawn(0x1eac_c4ec);
    for (name, target) in targets::ALL {
        for (path, seed) in stored("seeds", name) {
            for _ in 0..EACH {
                let mut data = seed.clone();
                for _ in 0..=drawn.below(3) {
                    let at = drawn.below(data.len());
                    match drawn.below(4) {
                        0 => data[at] = u8::try_from(drawn.below(256)).unwrap(),
                        1 => data.truncate(at.max(1)),
                        2 => drop(data.drain(at..(at + 1 + drawn.below(8)).min(data.len()))),
                        _ => {
                            // In the place of a whole number, where there is one.
                            let digits = data[at..].iter().take_while(|b| b.is_ascii_digit());
                            let end = at + digits.count();
                            let piece = PIECES[drawn.below(PIECES.len())];
                            data.splice(at..end, piece.iter().copied());
                        }
                    }
                    if data.is_empty() {
                        data.push(0);
                    }
                }
                give(target, &path, &data);
            }
        }
    }
}
