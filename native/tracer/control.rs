//! What the bridge asks for.

use core::{ffi::c_int, mem, ptr, sync::atomic::Ordering};

use crate::{
    hooks,
    kernel::{self, number},
    real,
    shared::{Inside, SHARED, Shared, mixed, shared},
    stacks::{BACKTRACE, KNOWN, POINTER, Walk, identity, stack},
    tables::{Birth, ITERATION, Rows, double, tables},
};

const RTLD_NOW: c_int = 2;
const EINVAL: c_int = 22;

/// Starts: 0, or why not: 1 without a library that walks stacks, 2 without memory or a kernel that wipes pages at a fork,
/// 3 where the process has an allocator of its own. `known` is where the interpreter's machine code begins and ends, and
/// where this library's does.
///
/// # Safety
/// `known` are four numbers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn leakcheck_trace_start(known: *const usize) -> c_int {
    const WIPE_ON_FORK: usize = 18;
    // SAFETY: names end with a zero.
    let (used, library) = unsafe {
        (
            real::dlsym(ptr::null_mut(), c"malloc".as_ptr()),
            real::dlopen(c"libgcc_s.so.1".as_ptr(), RTLD_NOW),
        )
    };
    if !ptr::eq(used.cast(), hooks::malloc as *const ()) {
        return 3;
    }
    if library.is_null() {
        return 1;
    }
    // SAFETY: as above.
    let (walk, pointer) = unsafe {
        (
            real::dlsym(library, c"_Unwind_Backtrace".as_ptr()),
            real::dlsym(library, c"_Unwind_GetIPInfo".as_ptr()),
        )
    };
    if walk.is_null() || pointer.is_null() {
        return 1;
    }
    POINTER.store(pointer, Ordering::Relaxed);
    BACKTRACE.store(walk, Ordering::Relaxed);
    if shared().is_none() {
        let size = mem::size_of::<Shared>().next_multiple_of(1 << 16);
        let made = kernel::pages(size);
        if made.is_null() {
            return 2;
        }
        let arguments = [made as usize, size, WIPE_ON_FORK, 0, 0, 0];
        // SAFETY: the pages are ours.
        if unsafe { kernel::system(number::MADVISE, arguments) } != 0 {
            kernel::give_back(made, size);
            return 2;
        }
        SHARED.store(made.cast(), Ordering::Release);
    }
    let Some(shared) = shared() else { return 2 };
    for (number, place) in KNOWN.iter().enumerate() {
        // SAFETY: there are four.
        place.store(unsafe { *known.add(number) }, Ordering::Relaxed);
    }
    if let Some(_inside) = Inside::enter(shared) {
        // What it reads once it reads now.
        if stack(&mut Walk::new()).is_empty() {
            return 1;
        }
    }
    shared.on.store(1, Ordering::Release);
    0
}

/// What comes from now on belongs to this iteration; to none where it is 0.
#[unsafe(no_mangle)]
pub extern "C" fn leakcheck_trace_mark(iteration: u32) {
    ITERATION.store(iteration, Ordering::Relaxed);
}

/// With these stacks Python's tracebacks are taken: the handler of `signal` writes them to `file`.
///
/// # Safety
/// `stacks` are `count` numbers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn leakcheck_trace_want(
    stacks: *const u32,
    count: usize,
    file: c_int,
    signal: c_int,
) -> c_int {
    let Some((device, inode, _)) = identity(file) else {
        return EINVAL;
    };
    let Some(shared) = shared() else {
        return EINVAL;
    };
    let Some(_inside) = Inside::enter(shared) else {
        return EINVAL;
    };
    tables(shared, |tables| {
        for number in 0..count {
            // SAFETY: there are so many.
            let number = unsafe { *stacks.add(number) } as usize;
            if let Some(stack) = tables.stacks.all.all().get_mut(number) {
                stack.wanted = true;
            }
        }
        tables.file = Some((file, device, inode, signal));
    });
    0
}

/// Writes what survives: kind (0 a chunk, 1 a mapping, 2 what a chunk gained), iteration, stack, traceback, count and bytes
/// of each group, six numbers each. Returns how many there are, of which at most `room` are written.
///
/// # Safety
/// There is room for six times `room` numbers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn leakcheck_trace_survivors(rows: *mut i64, room: usize) -> usize {
    let Some(shared) = shared() else { return 0 };
    let Some(_inside) = Inside::enter(shared) else {
        return 0;
    };
    tables(shared, |tables| {
        let mut groups = Groups {
            rows: Rows::EMPTY,
            index: Rows::EMPTY,
        };
        for chunk in tables.chunks.rows.all() {
            if chunk.at != 0 {
                tables.missed += u64::from(!groups.add(0, chunk.birth, chunk.size as i64));
            }
        }
        for mapping in tables.mappings.all() {
            tables.missed += u64::from(!groups.add(1, mapping.birth, mapping.size as i64));
        }
        for change in tables.changes.all() {
            tables.missed += u64::from(!groups.add(2, change.birth, change.bytes));
        }
        for (at, group) in groups.rows.all().iter().take(room).enumerate() {
            let Birth {
                iteration,
                stack,
                python,
            } = group.birth;
            let row = [
                group.kind,
                i64::from(iteration),
                i64::from(stack),
                i64::from(python),
                group.count,
                group.bytes,
            ];
            // SAFETY: there is room for it.
            unsafe { rows.add(6 * at).cast::<[i64; 6]>().write_unaligned(row) };
        }
        let count = groups.rows.count;
        groups.rows.clear();
        groups.index.clear();
        count
    })
}

#[derive(Clone, Copy)]
struct Group {
    kind: i64,
    birth: Birth,
    count: i64,
    bytes: i64,
}

struct Groups {
    rows: Rows<Group>,
    /// Numbers plus one, by hash.
    index: Rows<u32>,
}

impl Groups {
    fn add(&mut self, kind: i64, birth: Birth, bytes: i64) -> bool {
        // What belongs to no iteration is nobody's.
        if birth.iteration == 0 {
            return true;
        }
        if 2 * (self.rows.count + 1) > self.index.count && !self.grow() {
            return false;
        }
        let mask = self.index.count - 1;
        let mut slot = Self::hash(kind, birth) & mask;
        loop {
            match self.index.all()[slot] {
                0 => break,
                number => {
                    let group = &mut self.rows.all()[number as usize - 1];
                    if group.kind == kind && group.birth == birth {
                        group.count += 1;
                        group.bytes += bytes;
                        return true;
                    }
                }
            }
            slot = (slot + 1) & mask;
        }
        let group = Group {
            kind,
            birth,
            count: 1,
            bytes,
        };
        if !self.rows.push(group) {
            return false;
        }
        self.index.all()[slot] = self.rows.count as u32;
        true
    }

    fn hash(kind: i64, birth: Birth) -> usize {
        let first = u64::from(birth.stack) << 32 | u64::from(birth.iteration);
        mixed(mixed(first) ^ (u64::from(birth.python) << 8) ^ kind as u64) as usize
    }

    fn grow(&mut self) -> bool {
        let (count, rows) = (self.rows.count, &mut self.rows);
        double(&mut self.index, count, |number| {
            let group = rows.all()[number];
            Self::hash(group.kind, group.birth)
        })
    }
}

/// Writes the frames of a stack, innermost first, and returns how many there are.
///
/// # Safety
/// There is room for `room` numbers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn leakcheck_trace_frames(
    stack: u32,
    frames: *mut usize,
    room: usize,
) -> usize {
    let Some(shared) = shared() else { return 0 };
    let Some(_inside) = Inside::enter(shared) else {
        return 0;
    };
    tables(shared, |tables| {
        let Some(stack) = tables.stacks.all.all().get(stack as usize).copied() else {
            return 0;
        };
        let known = &tables.stacks.frames.all()[stack.first..stack.first + stack.count];
        for (at, frame) in known.iter().take(room).enumerate() {
            // SAFETY: there is room for it.
            unsafe { frames.add(at).write(*frame) };
        }
        stack.count
    })
}

/// Tells from where to where in the file a traceback is; 0 where there is none.
///
/// # Safety
/// Both can be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn leakcheck_trace_traceback(
    number: u32,
    from: *mut u64,
    until: *mut u64,
) -> c_int {
    let Some(shared) = shared() else { return 0 };
    let Some(_inside) = Inside::enter(shared) else {
        return 0;
    };
    let found = tables(shared, |tables| {
        let number = (number as usize).checked_sub(1)?;
        tables.tracebacks.all().get(number).copied()
    });
    let Some((first, after)) = found else {
        return 0;
    };
    // SAFETY: they can be written to.
    unsafe {
        *from = first;
        *until = after;
    }
    1
}

/// How much could not be noted since it began.
#[unsafe(no_mangle)]
pub extern "C" fn leakcheck_trace_missed() -> u64 {
    let Some(shared) = shared() else { return 0 };
    let Some(_inside) = Inside::enter(shared) else {
        return 0;
    };
    tables(shared, |tables| tables.missed)
}

/// Ends, and forgets all but the stacks.
#[unsafe(no_mangle)]
pub extern "C" fn leakcheck_trace_stop() {
    let Some(shared) = shared() else { return };
    shared.on.store(0, Ordering::Release);
    let Some(_inside) = Inside::enter(shared) else {
        return;
    };
    ITERATION.store(0, Ordering::Relaxed);
    tables(shared, |tables| {
        tables.chunks.rows.clear();
        tables.chunks.used = 0;
        tables.mappings.clear();
        tables.changes.clear();
        tables.tracebacks.clear();
        tables.file = None;
        tables.missed = 0;
        for stack in tables.stacks.all.all() {
            (stack.wanted, stack.told) = (false, (0, 0, 0));
        }
    });
}
