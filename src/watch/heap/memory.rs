//! Another process's memory, read in pieces that are kept while one look lasts.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    io::{self, IoSliceMut},
};

use nix::{
    sys::uio::{RemoteIoVec, process_vm_readv},
    unistd::Pid,
};

/// Bytes of a page, as the smallest are.
const PAGE: usize = 4096;
/// Pages that are read at once: objects that follow each other in a list mostly lie beside each other.
const PAGES: usize = 16;
const CHUNK: usize = PAGE * PAGES;
/// Pieces that are kept at a time, 256 MB.
const MOST: usize = 4096;
/// No process has memory above this.
const HIGHEST: u64 = 1 << 56;

/// What can be read by addresses.
pub trait Memory {
    /// Reads from `at` on, and says how many bytes could be read. The error is of the whole, and not of the address.
    fn read(&self, at: u64, into: &mut [u8]) -> io::Result<usize>;
}

/// The memory of another process. It goes on meanwhile.
#[derive(Debug)]
pub struct Remote(pub Pid);

impl Memory for Remote {
    fn read(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        let (Ok(at), length) = (usize::try_from(at), into.len()) else {
            return Ok(0);
        };
        // In pages, or nothing is read where one of them is missing.
        let mut pages = Vec::with_capacity(PAGES + 1);
        let mut from = at;
        while from < at + length {
            let end = ((from / PAGE + 1) * PAGE).min(at + length);
            pages.push(RemoteIoVec {
                base: from,
                len: end - from,
            });
            from = end;
        }
        match process_vm_readv(self.0, &mut [IoSliceMut::new(into)], &pages) {
            Ok(read) => Ok(read.min(length)),
            Err(nix::errno::Errno::EFAULT) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }
}

/// Makes keys of addresses: millions of them are looked up in each look, and whoever chooses them makes his own look slow.
pub type Addresses = BuildHasherDefault<Mixed>;

/// A product of the address.
#[derive(Default)]
pub struct Mixed(u64);

impl Hasher for Mixed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64((*byte).into());
        }
    }

    fn write_u64(&mut self, word: u64) {
        // The golden ratio; what is mixed best is folded into the lower half, which chooses the place.
        let mixed = (self.0 ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ mixed >> 32;
    }
}

/// The pieces that were read in one look.
pub struct Pages<'m> {
    memory: &'m dyn Memory,
    places: HashMap<u64, usize, Addresses>,
    chunks: Vec<Chunk>,
    /// What was asked for last, mostly the next time as well: its key, and where it is.
    last: (u64, usize),
}

struct Chunk {
    bytes: Box<[u8]>,
    /// A bit for each page that is there.
    there: u32,
}

impl<'m> Pages<'m> {
    /// None so far.
    pub fn new(memory: &'m dyn Memory) -> Pages<'m> {
        Pages {
            memory,
            places: HashMap::default(),
            chunks: Vec::new(),
            last: (u64::MAX, 0),
        }
    }

    /// Has everything read anew.
    pub fn forget_all(&mut self) {
        self.places.clear();
        self.chunks.clear();
        self.last = (u64::MAX, 0);
    }

    /// Has what lies at these addresses read anew.
    pub fn forget(&mut self, addresses: impl Iterator<Item = u64>) {
        for at in addresses {
            // What it held stays until all is forgotten; there is little of it.
            self.places.remove(&(at / CHUNK as u64));
        }
        self.last = (u64::MAX, 0);
    }

    /// Two words that follow each other.
    pub fn pair(&mut self, at: u64) -> Option<[u64; 2]> {
        if !at.is_multiple_of(16) {
            return Some([self.word(at)?, self.word(at.checked_add(8)?)?]);
        }
        let (one, other) = self.slice(at, 16, 16)?.split_at(8);
        let word = |bytes: &[u8]| bytes.try_into().ok().map(u64::from_ne_bytes);
        Some([word(one)?, word(other)?])
    }

    /// Eight bytes as a number; they must lie at a multiple of eight, as pointers do.
    pub fn word(&mut self, at: u64) -> Option<u64> {
        let bytes = self.slice(at, 8, 8)?;
        Some(u64::from_ne_bytes(bytes.try_into().ok()?))
    }

    /// Four bytes as a number.
    pub fn half(&mut self, at: u64) -> Option<u32> {
        let bytes = self.slice(at, 4, 4)?;
        Some(u32::from_ne_bytes(bytes.try_into().ok()?))
    }

    /// One byte.
    pub fn byte(&mut self, at: u64) -> Option<u8> {
        self.slice(at, 1, 1)?.first().copied()
    }

    /// As many bytes as there are from `at` on, `most` at most.
    pub fn bytes(&mut self, at: u64, most: usize) -> Option<Vec<u8>> {
        let mut found = Vec::with_capacity(most);
        while found.len() < most {
            let at = at.checked_add(found.len() as u64)?;
            let left = PAGE - usize::try_from(at % PAGE as u64).ok()?;
            let Some(part) = self.slice(at, left.min(most - found.len()), 1) else {
                break;
            };
            found.extend_from_slice(part);
        }
        Some(found)
    }

    fn slice(&mut self, at: u64, length: usize, aligned: u64) -> Option<&[u8]> {
        if at >= HIGHEST || !at.is_multiple_of(aligned) {
            return None;
        }
        let key = at / CHUNK as u64;
        if self.last.0 != key {
            let known = self.places.get(&key).copied();
            self.last = (key, known.unwrap_or_else(|| self.keep(key)));
        }
        let chunk = self.chunks.get(self.last.1)?;
        let start = usize::try_from(at % CHUNK as u64).ok()?;
        let is_there = chunk.there >> (start / PAGE) & 1 == 1;
        if is_there {
            chunk.bytes.get(start..start + length)
        } else {
            None
        }
    }

    fn keep(&mut self, key: u64) -> usize {
        if self.chunks.len() >= MOST {
            self.forget_all();
        }
        let chunk = self.fetch(key * CHUNK as u64);
        self.chunks.push(chunk);
        self.places.insert(key, self.chunks.len() - 1);
        self.chunks.len() - 1
    }

    fn fetch(&self, base: u64) -> Chunk {
        let mut bytes = vec![0; CHUNK].into_boxed_slice();
        let mut there = 0;
        let mut at = 0;
        while at < CHUNK {
            let read = self
                .memory
                .read(base + at as u64, &mut bytes[at..])
                .unwrap_or(0);
            for page in at / PAGE..(at + read) / PAGE {
                there |= 1 << page;
            }
            // What comes after a page that is missing may be there again.
            at += read / PAGE * PAGE + PAGE;
        }
        Chunk { bytes, there }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_can_be_read_and_holes_are_holes() {
        let own = Remote(nix::unistd::getpid());
        let numbers: Vec<u64> = (0..100_000).collect();
        let mut pages = Pages::new(&own);
        let base = numbers.as_ptr() as u64;
        for nth in [0, 1, 511, 99_999] {
            assert_eq!(pages.word(base + nth * 8), Some(nth));
        }
        assert_eq!(pages.word(base + 1), None, "not aligned");
        for nowhere in [0, 8, 1 << 40, HIGHEST - 8, HIGHEST, u64::MAX - 7] {
            assert_eq!(pages.word(nowhere), None, "{nowhere:x}");
        }
        assert!(
            Remote(Pid::from_raw(i32::MAX))
                .read(base, &mut [0; 8])
                .is_err()
        );
    }
}
