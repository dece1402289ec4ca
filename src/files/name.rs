//! Paths as text, on the wire and back: a path may hold bytes that are no text, and JSON has nothing but text.
//!
//! Each such byte is a character of its own there, from a range that Unicode leaves to private use. The other half does the
//! same (`channel.py`, `probe.py`).

use std::{
    ffi::OsString,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

/// The character for the byte 0; bytes that are no text are all above 0x7f.
const FIRST: u32 = 0x10_fe00;

/// The path as text for the wire.
pub fn to_text(path: &Path) -> String {
    let mut text = String::new();
    for chunk in path.as_os_str().as_bytes().utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|byte| of_byte(*byte)));
    }
    text
}

/// The character that stands for a byte that is no text.
pub fn of_byte(byte: u8) -> char {
    char::from_u32(FIRST + u32::from(byte)).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// The path that a text from the wire stands for.
pub fn to_path(text: &str) -> PathBuf {
    let mut bytes = Vec::with_capacity(text.len());
    for character in text.chars() {
        match byte_of(character) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    OsString::from_vec(bytes).into()
}

/// The same for a reader.
pub fn shown(text: &str) -> String {
    text.chars()
        .map(|character| match byte_of(character) {
            Some(_) => char::REPLACEMENT_CHARACTER,
            None => character,
        })
        .collect()
}

fn byte_of(character: char) -> Option<u8> {
    let byte = u32::from(character).checked_sub(FIRST)?;
    u8::try_from(byte).ok().filter(|byte| *byte > 0x7f)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bytes_that_are_no_text_are_characters_of_their_own() {
        let path = PathBuf::from(OsString::from_vec(b"/tmp/d\xff/\xc3\xbc/a".to_vec()));
        let text = to_text(&path);
        assert_eq!(text, "/tmp/d\u{10feff}/ü/a");
        assert_eq!(to_path(&text), path);
        assert_eq!(shown(&text), "/tmp/d\u{fffd}/ü/a");
        assert_eq!(to_text(Path::new("/a/ü雪")), "/a/ü雪");
    }

    proptest! {
        #[test]
        fn every_path_comes_back(bytes in prop::collection::vec(1..=255_u8, 0..40)) {
            let path = PathBuf::from(OsString::from_vec(bytes));
            prop_assert_eq!(to_path(&to_text(&path)), path);
        }
    }
}
