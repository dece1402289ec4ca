//! What is known of each chunk and each stack, in memory that comes from the kernel.

use core::{cell::UnsafeCell, ffi::c_int, mem, ptr, slice, sync::atomic::AtomicU32};

use crate::{
    kernel,
    shared::{Locked, Shared, mixed},
};

/// Rows in memory of our own, which may move when another one comes.
pub struct Rows<T> {
    pub at: *mut T,
    pub count: usize,
    pub room: usize,
}

impl<T: Copy> Rows<T> {
    pub const EMPTY: Rows<T> = Rows {
        at: ptr::null_mut(),
        count: 0,
        room: 0,
    };

    pub fn all(&mut self) -> &mut [T] {
        if self.at.is_null() {
            return &mut [];
        }
        // SAFETY: so many were written.
        unsafe { slice::from_raw_parts_mut(self.at, self.count) }
    }

    /// Whether there is room for `more`.
    pub fn reserve(&mut self, more: usize) -> bool {
        let wanted = self.count + more;
        if wanted <= self.room {
            return true;
        }
        let size = mem::size_of::<T>();
        let room = (2 * self.room).max(wanted).max(4096 / size);
        let at = kernel::pages(room * size).cast::<T>();
        if at.is_null() {
            return false;
        }
        if !self.at.is_null() {
            // SAFETY: the new rows are as many at least.
            unsafe { ptr::copy_nonoverlapping(self.at, at, self.count) };
            kernel::give_back(self.at.cast(), self.room * size);
        }
        (self.at, self.room) = (at, room);
        true
    }

    pub fn push(&mut self, row: T) -> bool {
        if !self.reserve(1) {
            return false;
        }
        // SAFETY: there is room for it.
        unsafe { self.at.add(self.count).write(row) };
        self.count += 1;
        true
    }

    pub fn clear(&mut self) {
        kernel::give_back(self.at.cast(), self.room * mem::size_of::<T>());
        *self = Rows::EMPTY;
    }
}

/// Who asked for something, and when.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Birth {
    pub iteration: u32,
    pub stack: u32,
    /// Number of the traceback of Python, from 1; 0 where none was taken.
    pub python: u32,
}

#[derive(Clone, Copy)]
pub struct Chunk {
    /// 0 where there is none.
    pub at: usize,
    pub size: usize,
    pub birth: Birth,
}

/// Chunks by their address.
pub struct Chunks {
    pub rows: Rows<Chunk>,
    pub used: usize,
}

impl Chunks {
    const NONE: Chunk = Chunk {
        at: 0,
        size: 0,
        birth: Birth {
            iteration: 0,
            stack: 0,
            python: 0,
        },
    };

    fn home(at: usize, count: usize) -> usize {
        mixed(at as u64 >> 4) as usize & (count - 1)
    }

    fn grow(&mut self) -> bool {
        let wanted = (2 * self.rows.count).max(1 << 12);
        let mut rows = Rows::EMPTY;
        if !rows.reserve(wanted) {
            return false;
        }
        // Pages are zeros, and so is what is none.
        rows.count = wanted;
        for chunk in self.rows.all() {
            if chunk.at != 0 {
                let slot = Self::free_slot(&mut rows, chunk.at);
                rows.all()[slot] = *chunk;
            }
        }
        self.rows.clear();
        self.rows = rows;
        true
    }

    fn free_slot(rows: &mut Rows<Chunk>, at: usize) -> usize {
        let mut slot = Self::home(at, rows.count);
        let rows = rows.all();
        while rows[slot].at != 0 && rows[slot].at != at {
            slot = (slot + 1) & (rows.len() - 1);
        }
        slot
    }

    pub fn add(&mut self, chunk: Chunk) -> bool {
        if 2 * (self.used + 1) > self.rows.count && !self.grow() {
            return false;
        }
        let slot = Self::free_slot(&mut self.rows, chunk.at);
        let row = &mut self.rows.all()[slot];
        self.used += usize::from(row.at == 0);
        *row = chunk;
        true
    }

    pub fn take(&mut self, at: usize) -> Option<Chunk> {
        if self.rows.count == 0 {
            return None;
        }
        let mut hole = Self::free_slot(&mut self.rows, at);
        let mask = self.rows.count - 1;
        let rows = self.rows.all();
        let found = rows[hole];
        if found.at == 0 {
            return None;
        }
        // Those behind it that would not be found any more move up.
        let mut next = hole;
        loop {
            next = (next + 1) & mask;
            if rows[next].at == 0 {
                break;
            }
            let home = Self::home(rows[next].at, mask + 1);
            if (next.wrapping_sub(home) & mask) >= (next.wrapping_sub(hole) & mask) {
                rows[hole] = rows[next];
                hole = next;
            }
        }
        rows[hole] = Self::NONE;
        self.used -= 1;
        Some(found)
    }
}

#[derive(Clone, Copy)]
pub struct Stack {
    hash: u64,
    pub first: usize,
    pub count: usize,
    /// Whether Python's traceback is taken with it.
    pub wanted: bool,
    /// How many were taken in which iteration, and the last of them.
    pub told: (u32, u32, u32),
}

/// Each stack once, numbered from 0.
pub struct Stacks {
    pub all: Rows<Stack>,
    pub frames: Rows<usize>,
    /// Numbers plus one, by hash.
    index: Rows<u32>,
}

impl Stacks {
    pub fn number(&mut self, frames: &[usize]) -> Option<u32> {
        let hash = frames
            .iter()
            .fold(0, |hash, frame| mixed(hash ^ *frame as u64));
        if 2 * (self.all.count + 1) > self.index.count && !self.grow() {
            return None;
        }
        let slot = self.slot(hash, frames);
        let known = self.index.all()[slot];
        if known != 0 {
            return Some(known - 1);
        }
        let first = self.frames.count;
        if !self.frames.reserve(frames.len()) {
            return None;
        }
        for frame in frames {
            self.frames.push(*frame);
        }
        let stack = Stack {
            hash,
            first,
            count: frames.len(),
            wanted: false,
            told: (0, 0, 0),
        };
        if !self.all.push(stack) {
            return None;
        }
        let number = u32::try_from(self.all.count).ok()?;
        self.index.all()[slot] = number;
        Some(number - 1)
    }

    fn slot(&mut self, hash: u64, frames: &[usize]) -> usize {
        let mask = self.index.count - 1;
        let mut slot = hash as usize & mask;
        loop {
            let Some(number) = (self.index.all()[slot] as usize).checked_sub(1) else {
                return slot;
            };
            let stack = self.all.all()[number];
            let known = stack.first..stack.first + stack.count;
            if stack.hash == hash && self.frames.all()[known] == *frames {
                return slot;
            }
            slot = (slot + 1) & mask;
        }
    }

    fn grow(&mut self) -> bool {
        let (count, all) = (self.all.count, &mut self.all);
        double(&mut self.index, count, |number| {
            all.all()[number].hash as usize
        })
    }
}

/// Makes an index of `count` rows twice as large: numbers plus one, each at its row's hash or in the next place that is free.
pub fn double(index: &mut Rows<u32>, count: usize, mut hash: impl FnMut(usize) -> usize) -> bool {
    let wanted = (2 * index.count).max(1 << 10);
    let mut larger: Rows<u32> = Rows::EMPTY;
    if !larger.reserve(wanted) {
        return false;
    }
    larger.count = wanted;
    for number in 0..count {
        let mut slot = hash(number) & (wanted - 1);
        while larger.all()[slot] != 0 {
            slot = (slot + 1) & (wanted - 1);
        }
        larger.all()[slot] = number as u32 + 1;
    }
    index.clear();
    *index = larger;
    true
}

/// What an order changed beside new chunks: a chunk that was there became longer, or shorter.
#[derive(Clone, Copy)]
pub struct Change {
    pub birth: Birth,
    pub bytes: i64,
}

pub struct Tables {
    pub chunks: Chunks,
    /// Mappings are few, and may be given back in parts.
    pub mappings: Rows<Chunk>,
    pub stacks: Stacks,
    pub changes: Rows<Change>,
    /// From where to where in the file each traceback of Python is.
    pub tracebacks: Rows<(u64, u64)>,
    /// Where these go: descriptor, device and file, and the signal whose handler writes them.
    pub file: Option<(c_int, u64, u64, c_int)>,
    /// What could not be noted.
    pub missed: u64,
}

struct Store(UnsafeCell<Tables>);

// SAFETY: whoever uses it holds the lock.
unsafe impl Sync for Store {}

static STORE: Store = Store(UnsafeCell::new(Tables {
    chunks: Chunks {
        rows: Rows::EMPTY,
        used: 0,
    },
    mappings: Rows::EMPTY,
    stacks: Stacks {
        all: Rows::EMPTY,
        frames: Rows::EMPTY,
        index: Rows::EMPTY,
    },
    changes: Rows::EMPTY,
    tracebacks: Rows::EMPTY,
    file: None,
    missed: 0,
}));

pub static ITERATION: AtomicU32 = AtomicU32::new(0);

pub fn tables<T>(shared: &'static Shared, work: impl FnOnce(&mut Tables) -> T) -> T {
    let _locked = Locked::take(&shared.lock);
    // SAFETY: one at a time.
    work(unsafe { &mut *STORE.0.get() })
}
