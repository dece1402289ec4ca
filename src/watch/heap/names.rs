//! Names of types, `shop.orders.Order`, as far as another process's memory says them.

use super::{memory::Pages, offsets::Layout};

/// Of types beyond those that are told apart.
pub const OTHERS: &str = "(other types)";
/// Of what has no name that can be read.
const NAMELESS: &str = "(a type without a name)";

/// Bytes of a name.
const LONGEST: usize = 200;
/// Entries of a class's dictionary.
const ENTRIES: u64 = 4096;
/// A class that was made at run time, as all of Python's own code are.
const HEAP_TYPE: u64 = 1 << 9;
/// Of such a type: its dictionary. It has been there since types have what `tp_flags` is checked against.
const TP_DICT: u64 = 264;
const TP_FLAGS: u64 = 168;

/// The name of the type at `address`.
pub fn of(pages: &mut Pages<'_>, layout: &Layout, address: u64) -> String {
    let at = |offset: u64| address.wrapping_add(offset);
    let name = { pages.word(at(layout.tp_name)) }.and_then(|name| text(pages, name, LONGEST));
    let Some(name) = name else {
        return NAMELESS.to_owned();
    };
    let flags = pages.word(at(layout.tp_flags)).unwrap_or(0);
    if flags & HEAP_TYPE == 0 || layout.tp_flags != TP_FLAGS || name.contains('.') {
        return name;
    }
    let module = pages
        .word(at(TP_DICT))
        .and_then(|dict| module(pages, layout, dict));
    match module {
        Some(module) if module != "builtins" => format!("{module}.{name}"),
        _ => name,
    }
}

/// What `__module__` is in a class's dictionary.
fn module(pages: &mut Pages<'_>, layout: &Layout, dict: u64) -> Option<String> {
    const NAME: &str = "__module__";
    // Of a table of keys: sizes, entries, and where the entries begin, which has been so since 3.11.
    let keys = pages.word(dict.wrapping_add(layout.keys))?;
    let index = pages.byte(keys.wrapping_add(9))?;
    let (step, key, value) = match pages.byte(keys.wrapping_add(10))? {
        0 => (24, 8, 16),
        1 => (16, 0, 8),
        _ => return None,
    };
    let entries = pages.word(keys.wrapping_add(24))?.min(ENTRIES);
    let first = keys
        .wrapping_add(32)
        .wrapping_add(1_u64.checked_shl(index.into())?);
    for nth in 0..entries {
        let entry = first.wrapping_add(nth * step);
        let named = pages.word(entry.wrapping_add(key))?;
        // Removed ones have none.
        if named == 0 || pages.word(named.wrapping_add(layout.length))? != NAME.len() as u64 {
            continue;
        }
        if text(pages, named.wrapping_add(layout.text), NAME.len()).as_deref() == Some(NAME) {
            let value = pages.word(entry.wrapping_add(value))?;
            let length = pages.word(value.wrapping_add(layout.length))?;
            let length = usize::try_from(length)
                .ok()
                .filter(|length| *length <= LONGEST)?;
            return text(pages, value.wrapping_add(layout.text), length);
        }
    }
    None
}

/// At most `length` bytes, up to the first that is 0, where they are a name.
fn text(pages: &mut Pages<'_>, at: u64, length: usize) -> Option<String> {
    let bytes = pages.bytes(at, length)?;
    let bytes = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    let name = String::from_utf8(bytes.to_vec()).ok()?;
    let is_name = !name.is_empty() && !name.chars().any(char::is_control);
    is_name.then_some(name)
}
