//! What Python says of itself to debuggers, and where its version has the collector's lists.

use super::{Absent, memory::Pages};

/// Words of the longest of these tables that is read.
pub const LONGEST: usize = 96;
/// What it begins with.
const COOKIE: &[u8; 8] = b"xdebugpy";
/// No structure of Python's has more bytes.
const LARGEST: u64 = 1 << 24;

/// Where things are, in bytes from the beginning of what they are in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// `3.14`.
    pub version: &'static str,
    /// Of the runtime: the first interpreter.
    pub interpreters: u64,
    /// Of an interpreter: the next one.
    pub next: u64,
    /// Of an interpreter: its collector.
    pub collector: u64,
    /// Of a collector: whether it is at work.
    pub collecting: u64,
    /// Of an object: its type.
    pub ob_type: u64,
    /// Of a type: its name.
    pub tp_name: u64,
    /// Of a type: what kind of type it is.
    pub tp_flags: u64,
    /// Of a dictionary: its keys.
    pub keys: u64,
    /// Of a text: how long it is.
    pub length: u64,
    /// Of a text: where it begins, where it has plain characters only.
    pub text: u64,
    lists: &'static Lists,
}

/// What Python does not say, by version.
#[derive(Debug, PartialEq, Eq)]
struct Lists {
    minor: u64,
    version: &'static str,
    /// Places in the table that Python says, in words: the fields of `Layout` from `interpreters` on.
    places: [usize; 10],
    /// Of a collector: the heads of its lists, the oldest first; and what Python says of `collecting`, by which a
    /// collector that is laid out otherwise is known.
    heads: [u64; 4],
    collecting: u64,
    collections: Collections,
}

/// Where it stands how often all generations were collected.
#[derive(Debug, PartialEq, Eq)]
enum Collections {
    /// In the collector.
    Here(u64),
    /// Behind a pointer in the collector, in one of so many items of so many bytes, and which one is said after them.
    Behind {
        pointer: u64,
        items: u64,
        bytes: u64,
        count: u64,
        field: u64,
    },
}

/// From `Include/internal`: pycore_gc.h, pycore_runtime.h, pycore_debug_offsets.h and pycore_interp_structs.h.
const LISTS: [Lists; 3] = [
    Lists {
        minor: 13,
        version: "3.13",
        places: [5, 8, 10, 72, 45, 47, 49, 57, 69, 70],
        heads: [104, 72, 48, 24],
        collecting: 200,
        collections: Collections::Here(176),
    },
    // The same up to 3.14.4, which has other generations in the same places.
    Lists {
        minor: 14,
        version: "3.14",
        places: [5, 8, 11, 82, 51, 53, 55, 67, 79, 80],
        heads: [96, 72, 48, 24],
        collecting: 192,
        collections: Collections::Here(168),
    },
    Lists {
        minor: 15,
        version: "3.15",
        places: [5, 8, 11, 95, 59, 61, 63, 79, 91, 92],
        heads: [80, 56, 32, 8],
        collecting: 112,
        collections: Collections::Behind {
            pointer: 104,
            // Eleven of the young generation with a word, and three of the middle one with a word.
            items: 11 * 64 + 8 + 3 * 64 + 8,
            bytes: 64,
            count: 3,
            field: 16,
        },
    },
];

impl Layout {
    /// Reads the table.
    pub fn read(table: &[u8]) -> Result<Layout, Absent> {
        let word = |at: usize| -> Option<u64> {
            let bytes = table.get(8 * at..8 * at + 8)?;
            Some(u64::from_ne_bytes(bytes.try_into().ok()?))
        };
        if table.get(..8) != Some(COOKIE) {
            return Err(Absent::Silent);
        }
        let (Some(version), Some(free_threaded)) = (word(1), word(2)) else {
            return Err(Absent::Silent);
        };
        let (major, minor) = (version >> 24, version >> 16 & 0xff);
        let lists = { LISTS.iter() }.find(|lists| major == 3 && lists.minor == minor);
        let Some(lists) = lists else {
            return Err(Absent::Unknown(format!("{major}.{minor}")));
        };
        if free_threaded != 0 {
            return Err(Absent::FreeThreaded);
        }
        let elsewhere = Absent::Elsewhere(lists.version);
        let mut values = [0; 10];
        for (value, place) in values.iter_mut().zip(lists.places) {
            match word(place).filter(|value| *value < LARGEST) {
                Some(found) => *value = found,
                None => return Err(elsewhere),
            }
        }
        let [
            interpreters,
            next,
            collector,
            collecting,
            ob_type,
            tp_name,
            tp_flags,
            keys,
            length,
            text,
        ] = values;
        if collecting != lists.collecting {
            return Err(elsewhere);
        }
        Ok(Layout {
            version: lists.version,
            interpreters,
            next,
            collector,
            collecting,
            ob_type,
            tp_name,
            tp_flags,
            keys,
            length,
            text,
            lists,
        })
    }

    /// The heads of a collector's lists, the oldest first.
    pub fn heads(&self, collector: u64) -> [u64; 4] {
        self.lists.heads.map(|head| collector.wrapping_add(head))
    }

    /// How often a collector has collected all there is.
    pub fn collections(&self, pages: &mut Pages<'_>, collector: u64) -> Option<u64> {
        match self.lists.collections {
            Collections::Here(at) => pages.word(collector.wrapping_add(at)),
            Collections::Behind {
                pointer,
                items,
                bytes,
                count,
                field,
            } => {
                let items = pages
                    .word(collector.wrapping_add(pointer))?
                    .wrapping_add(items);
                let nth = u64::from(pages.byte(items.wrapping_add(bytes * count))?);
                let item = items.wrapping_add(bytes * (nth < count).then_some(nth)?);
                pages.word(item.wrapping_add(field))
            }
        }
    }
}
