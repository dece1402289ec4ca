//! Which function of machine code lost the reference to objects that nothing in Python refers to any more.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::native::Function;

/// A builtin that was called at a place, or a line with what it may have called without being seen to.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Call {
    /// File and line.
    pub place: (String, u32),
    /// What is called: one that was seen, or any of several.
    pub functions: Vec<Function>,
    /// Whether it was seen.
    pub seen: bool,
    /// Of one that was: where its machine code begins in its file.
    #[serde(default)]
    pub entry: Option<u64>,
    /// By how much the counts of the caller's variables had risen after it, in each iteration.
    pub rises: Vec<i64>,
    /// Type and bytes of each of the variables whose count rose when it last did.
    #[serde(default)]
    pub kept: Vec<(String, u64)>,
}

/// What stays of an iteration.
#[derive(Debug)]
pub struct Stays {
    /// Blocks of pymalloc's.
    pub blocks: f64,
    /// Bytes that they and what came from malloc have room for.
    pub bytes: f64,
}

impl Stays {
    /// Whether objects of these types and bytes can be what stays.
    pub fn have_room_for(&self, kept: &[(String, u64)]) -> bool {
        let bytes: f64 = kept.iter().map(|(_, bytes)| *bytes as f64).sum();
        fewest_blocks(kept) <= self.blocks && bytes <= self.bytes
    }
}

/// What stays, and where that was made.
#[derive(Debug)]
pub struct Sought<'a> {
    /// File and line of the frames that allocated it, and how many blocks.
    pub born: Vec<Born>,
    /// Types of the objects that nothing refers to; empty where these are in no list of objects.
    pub types: BTreeSet<&'a str>,
    /// What stays of an iteration.
    pub stays: Stays,
}

/// Blocks that were allocated at one place.
#[derive(Debug)]
pub struct Born {
    /// File and line: of the innermost frame, and of the one that the place is told by.
    pub places: [(String, u32); 2],
    /// Blocks of an iteration.
    pub blocks: f64,
}

/// What is known of a function's home.
pub trait Home {
    /// Whether it rightly keeps what it gets.
    fn innocent(&self, function: &Function) -> bool;
    /// The distribution that it came with.
    fn package(&self, function: &Function) -> Option<String>;
}

/// The function to be suspected and the call of it, where there is just one; without a name where there are
/// several in one shared object, or in those of one distribution. It made the objects at one of the
/// places where they were born, or left the count of one like them higher. One that keeps more than what stays is none: an
/// object that holds it goes again.
pub fn suspect<'c>(
    calls: &'c [Call],
    sought: &Sought<'_>,
    home: &dyn Home,
) -> Option<(Function, &'c Call)> {
    let innocent = |function: &Function| home.innocent(function);
    let alike = |call: &Call| {
        let mut kept = call.kept.iter().map(|(name, _)| name.as_str());
        sought.types.is_empty()
            || call.kept.is_empty()
            || kept.any(|name| sought.types.contains(name))
    };
    let all = || {
        calls
            .iter()
            .flat_map(|call| call.functions.iter().map(move |function| (call, function)))
    };
    // In the first iteration more may be kept, once.
    let raises = |call: &Call| {
        call.rises.len() > 1
            && call.rises[1..].iter().all(|rise| *rise > 0)
            && alike(call)
            && sought.stays.have_room_for(&call.kept)
    };
    // A foreign function that a line names is called by nobody else, even if it is one of Python's.
    let raising: Vec<_> = all()
        .filter(|(call, function)| raises(call) && (!call.seen || !innocent(function)))
        .collect();
    let making: Vec<_> = all()
        .filter(|(call, function)| {
            let made = |born: &Born| born.places.contains(&call.place);
            sought.born.iter().any(made) && !innocent(function)
        })
        .collect();
    only(&raising, home).or_else(|| {
        let places: Vec<_> = making.iter().map(|(call, _)| &call.place).collect();
        accounts_for(&places, sought)
            .then(|| only(&making, home))
            .flatten()
    })
}

/// Whether calls at these places can have lost all that is retained. Objects that are in no list of objects, such as `bytes`, hold no
/// others: each of them was lost where it was made, and where a good part was made without a call, by the attributes of a
/// proxy say, no call that made the rest is the reason.
fn accounts_for(places: &[&(String, u32)], sought: &Sought<'_>) -> bool {
    let blocks = |born: &Born| born.blocks.max(0.0);
    let made = |born: &&Born| born.places.iter().any(|place| places.contains(&place));
    let by_calls: f64 = sought.born.iter().filter(made).map(blocks).sum();
    let all: f64 = sought.born.iter().map(blocks).sum();
    !sought.types.is_empty() || by_calls >= all * BY_CALLS
}

/// The share of what is retained that has to be made by the calls that are suspected of having lost it.
const BY_CALLS: f64 = 0.75;

/// Objects take a block each, and dictionaries and lists that are not empty another one.
fn fewest_blocks(kept: &[(String, u64)]) -> f64 {
    const EMPTY: [(&str, u64); 2] = [("dict", 64), ("list", 56)];
    let fewest = |(name, bytes): &(String, u64)| {
        let filled = EMPTY
            .iter()
            .any(|(kind, empty)| name == kind && bytes > empty);
        if filled { 2.0 } else { 1.0 }
    };
    kept.iter().map(fewest).sum()
}

/// The one function there is; of several in one shared object no name, and of several objects the name of what they came
/// with.
fn only<'c>(found: &[(&'c Call, &Function)], home: &dyn Home) -> Option<(Function, &'c Call)> {
    let (call, first) = found.first()?;
    let functions: BTreeSet<&Function> = found.iter().map(|(_, function)| *function).collect();
    let library = &first.1;
    let name = if functions.len() == 1 {
        first.0.clone()
    } else if !library.is_empty() && functions.iter().all(|function| function.1 == *library) {
        String::new()
    } else {
        let package = home.package(first)?;
        let mut others = functions.iter().map(|function| home.package(function));
        let all = others.all(|other| other.as_ref() == Some(&package));
        return all.then(|| (Function(String::new(), library.clone()), *call));
    };
    Some((Function(name, library.clone()), *call))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(line: u32, name: &str, seen: bool, rise: i64) -> Call {
        Call {
            place: ("app.py".to_owned(), line),
            functions: vec![Function(name.to_owned(), name.to_owned())],
            seen,
            entry: None,
            rises: vec![0, rise, rise],
            kept: Vec::new(),
        }
    }

    struct Fast;

    impl Home for Fast {
        fn innocent(&self, function: &Function) -> bool {
            function.0.starts_with("list.")
        }

        fn package(&self, function: &Function) -> Option<String> {
            function
                .1
                .starts_with("_fast")
                .then(|| "fast 1.0".to_owned())
        }
    }

    fn told(calls: &[Call], born: u32) -> Option<(String, u32)> {
        told_of(calls, born, &[])
    }

    fn told_of(calls: &[Call], born: u32, types: &[&str]) -> Option<(String, u32)> {
        let sought = Sought {
            born: vec![at(born, 1.0)],
            types: types.iter().copied().collect(),
            stays: Stays {
                blocks: 1.0,
                bytes: 512.0,
            },
        };
        let found = suspect(calls, &sought, &Fast);
        found.map(|(function, call)| (function.0, call.place.1))
    }

    fn at(line: u32, blocks: f64) -> Born {
        let place = ("app.py".to_owned(), line);
        Born {
            places: [place.clone(), place],
            blocks,
        }
    }

    #[test]
    fn who_made_half_of_what_no_list_has_did_not_lose_it() {
        let calls = [call(7, "_fast.make", true, 0)];
        let lost = |born: Vec<Born>, types: &[&'static str]| {
            let sought = Sought {
                born,
                types: types.iter().copied().collect(),
                stays: Stays {
                    blocks: 8.0,
                    bytes: 512.0,
                },
            };
            suspect(&calls, &sought, &Fast).map(|(function, _)| function.0)
        };
        let name = Some("_fast.make".to_owned());
        assert_eq!(lost(vec![at(7, 4.0), at(9, 2.0), at(12, 2.0)], &[]), None);
        assert_eq!(lost(vec![at(7, 4.0), at(9, 1.0)], &[]), name);
        // What a lost list holds was made elsewhere.
        assert_eq!(lost(vec![at(7, 1.0), at(9, 3.0)], &["list"]), name);
    }

    #[test]
    fn what_keeps_none_of_the_lost_types_is_not_suspected() {
        let mut count = call(8, "other.count", true, 1);
        count.kept = vec![("int".to_owned(), 28)];
        let mut lend = call(9, "_fast.lend", true, 1);
        lend.kept = vec![("memoryview".to_owned(), 184)];
        let calls = [count, lend];
        assert_eq!(told(&calls, 7), None);
        let lend = Some(("_fast.lend".to_owned(), 9));
        assert_eq!(told_of(&calls, 7, &["memoryview"]), lend);
        assert_eq!(told_of(&calls, 7, &["list"]), None);
    }

    #[test]
    fn the_call_that_leaves_the_count_higher_is_suspected() {
        let calls = [
            call(7, "_fast.make", true, 0),
            call(8, "list.append", true, 1),
            call(9, "_fast.lend", true, 1),
        ];
        assert_eq!(told(&calls, 7), Some(("_fast.lend".to_owned(), 9)));
        assert_eq!(
            told(&[call(9, "Py_IncRef", false, 1)], 7),
            Some(("Py_IncRef".to_owned(), 9))
        );
    }

    #[test]
    fn what_is_more_than_stays_was_not_lost() {
        // An object that is made at 6 keeps a dictionary as long as it lives; one block stays of what is made at 7.
        let mut holder = call(6, "_fast.Reader", true, 1);
        holder.kept = vec![("dict".to_owned(), 184)];
        let calls = [holder, call(7, "_fast.read", true, 0)];
        assert_eq!(told(&calls, 7), Some(("_fast.read".to_owned(), 7)));
        assert_eq!(fewest_blocks(&[("dict".to_owned(), 64)]), 1.0);
        // A class whose instance is being returned.
        let mut class = call(6, "_fast.parse", true, 1);
        class.kept = vec![("app.Meta".to_owned(), 1704)];
        assert_eq!(told(&[class], 9), None);
    }

    #[test]
    fn else_the_one_that_made_the_object_and_none_of_several() {
        let calls = [
            call(7, "_fast.make", true, 0),
            call(8, "_fast.use", true, 0),
        ];
        assert_eq!(told(&calls, 7), Some(("_fast.make".to_owned(), 7)));
        assert_eq!(told(&calls, 9), None);
        let two = [
            call(7, "_fast.make", true, 1),
            call(8, "other.use", true, 1),
        ];
        assert_eq!(told(&two, 9), None);
    }

    #[test]
    fn of_several_libraries_of_one_distribution_no_name_is_told() {
        let two = [
            call(7, "_fast.make", true, 1),
            call(8, "_faster.use", true, 1),
        ];
        assert_eq!(told(&two, 9), Some((String::new(), 7)));
    }
}
