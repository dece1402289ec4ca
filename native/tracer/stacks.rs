//! Where a thread is: its C frames, and on demand those of Python.

use core::{
    ffi::{c_int, c_void},
    mem, ptr,
    sync::atomic::{AtomicPtr, AtomicUsize, Ordering},
};

use crate::{
    kernel,
    shared::{Locked, Shared},
    tables::{Birth, ITERATION, tables},
};

/// Frames of a stack that are kept.
pub const FRAMES: usize = 48;
/// Of these, the interpreter's own where it asks for itself.
const OWN: usize = 8;
/// Tracebacks of Python that are taken in one look, and with one stack in one iteration. Each takes a millisecond; what
/// comes after them is taken to come by the last one's way.
const TRACEBACKS: usize = 2000;
const AT_ONCE: u32 = 16;

type Backtrace = unsafe extern "C" fn(
    unsafe extern "C" fn(*mut c_void, *mut c_void) -> c_int,
    *mut c_void,
) -> c_int;
type Pointer = unsafe extern "C" fn(*mut c_void, *mut c_int) -> usize;

pub static BACKTRACE: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());
pub static POINTER: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());

/// Where the interpreter's machine code begins and ends, and where this library's does.
pub static KNOWN: [AtomicUsize; 4] = [const { AtomicUsize::new(0) }; 4];

fn is_between(at: usize, first: usize) -> bool {
    let end = |number: usize| KNOWN[number].load(Ordering::Relaxed);
    at >= end(first) && at < end(first + 1)
}

pub struct Walk {
    frames: [usize; FRAMES],
    count: usize,
    /// Whether code was met that is neither the interpreter's nor ours.
    foreign: bool,
}

impl Walk {
    pub fn new() -> Walk {
        Walk {
            frames: [0; FRAMES],
            count: 0,
            foreign: false,
        }
    }
}

unsafe extern "C" fn step(context: *mut c_void, walk: *mut c_void) -> c_int {
    const GO_ON: c_int = 0;
    const STOP: c_int = 5;
    // SAFETY: the unwinder gives back what `stack` gave it, and `start` found the function.
    let (walk, pointer) = unsafe {
        let pointer = POINTER.load(Ordering::Relaxed);
        (
            &mut *walk.cast::<Walk>(),
            mem::transmute::<*mut c_void, Pointer>(pointer),
        )
    };
    let mut before = 0;
    // SAFETY: as above.
    let at = unsafe { pointer(context, &raw mut before) };
    if at == 0 || walk.count == FRAMES {
        return STOP;
    }
    // A return address may be that of the next function.
    let at = at - usize::from(before == 0);
    if is_between(at, 2) {
        return GO_ON;
    }
    if !is_between(at, 0) {
        walk.foreign = true;
    } else if walk.foreign || walk.count == OWN {
        // From here on the lines of Python say more: one C function runs many of them, and which of its instructions
        // calls changes as it warms up.
        return STOP;
    }
    walk.frames[walk.count] = at;
    walk.count += 1;
    GO_ON
}

/// Where the thread is, innermost first. No lock of ours may be held: the unwinder takes the loader's.
#[inline(never)]
pub fn stack(walk: &mut Walk) -> &[usize] {
    let backtrace = BACKTRACE.load(Ordering::Relaxed);
    if !backtrace.is_null() {
        // SAFETY: `start` found the function.
        unsafe {
            mem::transmute::<*mut c_void, Backtrace>(backtrace)(step, (&raw mut *walk).cast());
        }
    }
    &walk.frames[..walk.count]
}

/// Device, file and size of a descriptor.
pub fn identity(descriptor: c_int) -> Option<(u64, u64, u64)> {
    let mut record = [0_u64; 32];
    let at = record.as_mut_ptr() as usize;
    // SAFETY: the record is larger than what the kernel writes.
    let failed =
        unsafe { kernel::system(kernel::number::FSTAT, [descriptor as usize, at, 0, 0, 0, 0]) };
    (failed == 0).then_some((record[0], record[1], record[6]))
}

/// Has faulthandler, in the handler of the signal, write where Python is; the number of what it wrote.
fn traceback(shared: &'static Shared, file: (c_int, u64, u64, c_int)) -> u32 {
    let (descriptor, device, inode, signal) = file;
    let _alone = Locked::take(&shared.telling);
    let size = || {
        // A test may have closed it, and have a file of its own by its number.
        identity(descriptor)
            .filter(|found| (found.0, found.1) == (device, inode))
            .map(|found| found.2)
    };
    let Some(before) = size() else { return 0 };
    // SAFETY: the bridge has put a handler there that does no more than that.
    unsafe {
        let process = kernel::system(kernel::number::GETPID, [0; 6]) as usize;
        let thread = kernel::system(kernel::number::GETTID, [0; 6]) as usize;
        kernel::system(
            kernel::number::TGKILL,
            [process, thread, signal as usize, 0, 0, 0],
        );
    }
    let after = size().unwrap_or(before);
    if after <= before {
        return 0;
    }
    tables(shared, |tables| {
        if tables.tracebacks.push((before, after)) {
            tables.tracebacks.count as u32
        } else {
            0
        }
    })
}

/// Who asks, now.
#[inline(never)]
pub fn birth(shared: &'static Shared) -> Option<Birth> {
    let mut walk = Walk::new();
    let frames = stack(&mut walk);
    let iteration = ITERATION.load(Ordering::Relaxed);
    let (number, file, last) = tables(shared, |tables| {
        let Some(number) = tables.stacks.number(frames) else {
            tables.missed += 1;
            return (None, None, 0);
        };
        let stack = &mut tables.stacks.all.all()[number as usize];
        if stack.told.1 != iteration {
            stack.told = (0, iteration, 0);
        }
        let (times, _, last) = stack.told;
        let more = stack.wanted && times < AT_ONCE && tables.tracebacks.count < TRACEBACKS;
        stack.told.0 += u32::from(more);
        (Some(number), tables.file.filter(|_| more), last)
    });
    let number = number?;
    let mut python = last;
    if let Some(file) = file {
        python = traceback(shared, file);
        tables(shared, |tables| {
            let stack = &mut tables.stacks.all.all()[number as usize];
            if stack.told.1 == iteration {
                stack.told.2 = python;
            }
        });
    }
    Some(Birth {
        iteration,
        stack: number,
        python,
    })
}
