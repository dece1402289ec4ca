//! What the hooks note: a chunk that comes, goes, or becomes another one.

use core::ffi::{c_int, c_void};

use crate::{
    real::{self, FAILED},
    shared::{Inside, Shared, tracing},
    stacks::birth,
    tables::{Change, Chunk, tables},
};

unsafe extern "C" {
    fn __errno_location() -> *mut c_int;
}

#[inline]
pub fn born(at: *mut c_void, size: usize) -> *mut c_void {
    if let Some(shared) = tracing()
        && !at.is_null()
    {
        note(shared, at as usize, size);
    }
    at
}

#[inline(never)]
fn note(shared: &'static Shared, at: usize, size: usize) {
    let errno = errno();
    if let Some(_inside) = Inside::enter(shared)
        && let Some(birth) = birth(shared)
    {
        tables(shared, |tables| {
            let noted = tables.chunks.add(Chunk { at, size, birth });
            tables.missed += u64::from(!noted);
        });
    }
    set_errno(errno);
}

/// Before it is given back: from then on another thread may have the address.
#[inline]
pub fn gone(at: *mut c_void) -> Option<Chunk> {
    let shared = tracing()?;
    if at.is_null() {
        return None;
    }
    let _inside = Inside::enter(shared)?;
    tables(shared, |tables| tables.chunks.take(at as usize))
}

fn errno() -> c_int {
    // SAFETY: it is the thread's own.
    unsafe { *__errno_location() }
}

pub fn set_errno(number: c_int) {
    // SAFETY: it is the thread's own.
    unsafe { *__errno_location() = number };
}

/// A chunk that was there before this iteration stays what it is, and what it gained counts for now.
fn moved(old: Option<Chunk>, was: usize, at: *mut c_void, size: usize) {
    let Some(shared) = tracing() else { return };
    let Some(_inside) = Inside::enter(shared) else {
        return;
    };
    let Some(now) = birth(shared) else { return };
    tables(shared, |tables| {
        let known = old.filter(|old| old.birth.iteration == now.iteration);
        let noted = match (known, old) {
            (Some(_), _) => tables.chunks.add(Chunk {
                at: at as usize,
                size,
                birth: now,
            }),
            (None, older) => {
                let was = older.map_or(was, |old| old.size);
                let bytes = size as i64 - was as i64;
                let kept = older.is_none_or(|old| {
                    tables.chunks.add(Chunk {
                        at: at as usize,
                        size,
                        ..old
                    })
                });
                let change = Change { birth: now, bytes };
                kept && (bytes == 0 || tables.changes.push(change))
            }
        };
        tables.missed += u64::from(!noted);
    });
}

pub fn resized(at: *mut c_void, size: usize, again: impl FnOnce() -> *mut c_void) -> *mut c_void {
    if at.is_null() {
        return born(again(), size);
    }
    if tracing().is_none() {
        return again();
    }
    let was = real::usable(at);
    let old = gone(at);
    let new = again();
    let errno = errno();
    if !new.is_null() {
        let now = if old.is_some() {
            size
        } else {
            real::usable(new)
        };
        moved(old, was, new, now);
    } else if let Some(old) = old
        && size > 0
        && let Some(shared) = tracing()
        && let Some(_inside) = Inside::enter(shared)
    {
        // It is where it was.
        tables(shared, |tables| tables.chunks.add(old));
    }
    set_errno(errno);
    new
}

/// A part of the address space is not what it was.
pub fn unmapped(shared: &'static Shared, from: usize, size: usize) {
    let until = from.saturating_add(size);
    tables(shared, |tables| {
        let mut at = 0;
        while at < tables.mappings.count {
            let row = tables.mappings.all()[at];
            let end = row.at + row.size;
            if row.at >= until || end <= from {
                at += 1;
                continue;
            }
            tables.mappings.count -= 1;
            let last = tables.mappings.count;
            // SAFETY: both are rows.
            unsafe { *tables.mappings.at.add(at) = *tables.mappings.at.add(last) };
            for (from, until) in [(row.at, from.min(end)), (until.max(row.at), end)] {
                if from < until {
                    let part = Chunk {
                        at: from,
                        size: until - from,
                        birth: row.birth,
                    };
                    tables.missed += u64::from(!tables.mappings.push(part));
                }
            }
            // What was cut lies outside, and is not looked at again.
        }
    });
}

pub fn mapped(at: *mut c_void, size: usize) -> *mut c_void {
    let errno = errno();
    if at != FAILED
        && let Some(shared) = tracing()
        && let Some(_inside) = Inside::enter(shared)
        && let Some(birth) = birth(shared)
    {
        // The kernel may have put it over another one.
        unmapped(shared, at as usize, size);
        let (at, size) = (at as usize, size.next_multiple_of(4096));
        tables(shared, |tables| {
            let noted = tables.mappings.push(Chunk { at, size, birth });
            tables.missed += u64::from(!noted);
        });
    }
    set_errno(errno);
    at
}
