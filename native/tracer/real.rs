//! The functions that the hooks stand in front of, and memory for as long as these are not known.

use core::{
    arch::global_asm,
    cell::UnsafeCell,
    ffi::{CStr, c_char, c_int, c_long, c_void},
    mem, ptr,
    sync::atomic::{AtomicPtr, AtomicUsize, Ordering},
};

use crate::kernel;

// They moved into libc.so in glibc 2.34, where the old ones still are: so what is built on a new system runs on an old one.
#[cfg(target_arch = "x86_64")]
global_asm!(
    ".symver dlsym, dlsym@GLIBC_2.2.5",
    ".symver dlopen, dlopen@GLIBC_2.2.5"
);
#[cfg(target_arch = "aarch64")]
global_asm!(
    ".symver dlsym, dlsym@GLIBC_2.17",
    ".symver dlopen, dlopen@GLIBC_2.17"
);

unsafe extern "C" {
    pub fn dlopen(name: *const c_char, flags: c_int) -> *mut c_void;
    pub fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
}

const RTLD_NEXT: *mut c_void = -1_isize as *mut c_void;
const ENOMEM: c_int = 12;
/// What `mmap` and `mremap` return where they fail.
pub const FAILED: *mut c_void = usize::MAX as *mut c_void;

/// One of them: its name, and where it is.
struct Real {
    name: &'static [u8],
    at: AtomicPtr<c_void>,
}

/// The thread that is looking for one.
static RESOLVING: AtomicUsize = AtomicUsize::new(0);

impl Real {
    const fn new(name: &'static [u8]) -> Real {
        Real {
            name,
            at: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// Null while `dlsym` itself asks for memory, and where there is none.
    fn get(&self) -> *mut c_void {
        let known = self.at.load(Ordering::Relaxed);
        if !known.is_null() || RESOLVING.load(Ordering::Relaxed) == kernel::thread() {
            return known;
        }
        let free = || {
            RESOLVING.compare_exchange(0, kernel::thread(), Ordering::Acquire, Ordering::Relaxed)
        };
        while free().is_err() {
            kernel::wait_a_moment();
        }
        let name = CStr::from_bytes_with_nul(self.name).unwrap_or(c"");
        // SAFETY: the name ends with a zero.
        let found = unsafe { dlsym(RTLD_NEXT, name.as_ptr()) };
        self.at.store(found, Ordering::Relaxed);
        RESOLVING.store(0, Ordering::Release);
        found
    }
}

/// Declares them, each with what is done where it is not known.
macro_rules! real {
    ($($name:ident($($argument:ident: $kind:ty),*) -> $result:ty, $otherwise:expr;)*) => {
        #[allow(non_upper_case_globals)]
        mod known {
            $(pub static $name: super::Real = super::Real::new(concat!(stringify!($name), "\0").as_bytes());)*
        }

        $(pub fn $name($($argument: $kind),*) -> $result {
            let at = known::$name.get();
            if at.is_null() {
                return $otherwise;
            }
            // SAFETY: the C library's function has this type.
            unsafe { mem::transmute::<*mut c_void, unsafe extern "C" fn($($kind),*) -> $result>(at)($($argument),*) }
        })*

        /// Looks for all of them while there is one thread only.
        #[used]
        #[unsafe(link_section = ".init_array")]
        static AT_LOAD: extern "C" fn() = {
            extern "C" fn look() {
                $(known::$name.get();)*
            }
            look
        };
    };
}

real! {
    malloc(size: usize) -> *mut c_void, BOOTSTRAP.take(size);
    // What it takes of the bootstrap memory is zeros.
    calloc(count: usize, size: usize) -> *mut c_void, BOOTSTRAP.take(count.saturating_mul(size));
    realloc(at: *mut c_void, size: usize) -> *mut c_void, ptr::null_mut();
    free(at: *mut c_void) -> (), Default::default();
    posix_memalign(place: *mut *mut c_void, alignment: usize, size: usize) -> c_int, ENOMEM;
    memalign(alignment: usize, size: usize) -> *mut c_void, ptr::null_mut();
    aligned_alloc(alignment: usize, size: usize) -> *mut c_void, memalign(alignment, size);
    valloc(size: usize) -> *mut c_void, ptr::null_mut();
    pvalloc(size: usize) -> *mut c_void, ptr::null_mut();
    malloc_usable_size(at: *mut c_void) -> usize, 0;
    mmap(at: *mut c_void, size: usize, rights: c_int, flags: c_int, file: c_int, offset: c_long) -> *mut c_void, FAILED;
    mremap(at: *mut c_void, was: usize, size: usize, flags: c_int, to: *mut c_void) -> *mut c_void, FAILED;
    munmap(at: *mut c_void, size: usize) -> c_int, -1;
}

/// What `dlsym` asks for while it looks for the allocator; never given back.
pub struct Bootstrap {
    memory: UnsafeCell<[u8; Self::SIZE]>,
    used: AtomicUsize,
}

// SAFETY: each part is given out once.
unsafe impl Sync for Bootstrap {}

pub static BOOTSTRAP: Bootstrap = Bootstrap {
    memory: UnsafeCell::new([0; Bootstrap::SIZE]),
    used: AtomicUsize::new(0),
};

impl Bootstrap {
    const SIZE: usize = 1 << 15;

    fn take(&self, size: usize) -> *mut c_void {
        let whole = size.saturating_add(15) & !15;
        // The array itself may begin at any byte.
        let start = self.memory.get() as usize;
        let first = start.next_multiple_of(16) - start;
        let at = self.used.fetch_add(whole, Ordering::Relaxed);
        match first.checked_add(at).and_then(|at| at.checked_add(whole)) {
            Some(end) if end <= Self::SIZE => (start + first + at) as *mut c_void,
            _ => ptr::null_mut(),
        }
    }

    pub fn has(&self, at: *const c_void) -> bool {
        (at as usize).wrapping_sub(self.memory.get() as usize) < Self::SIZE
    }

    /// The rest of what it has from there on.
    fn left(&self, at: *const c_void) -> usize {
        self.memory.get() as usize + Self::SIZE - at as usize
    }
}

/// `free`, of whatever a hook gave out.
pub fn give_back(at: *mut c_void) {
    if !BOOTSTRAP.has(at) {
        free(at);
    }
}

/// `realloc`, of whatever a hook gave out.
pub fn resize(at: *mut c_void, size: usize) -> *mut c_void {
    if !BOOTSTRAP.has(at) {
        return realloc(at, size);
    }
    let new = malloc(size);
    if !new.is_null() {
        // SAFETY: both are as long, and nobody else has the new one.
        unsafe { ptr::copy(at.cast::<u8>(), new.cast(), size.min(BOOTSTRAP.left(at))) };
    }
    new
}

/// Bytes of a chunk that its owner may use.
pub fn usable(at: *mut c_void) -> usize {
    if BOOTSTRAP.has(at) {
        0
    } else {
        malloc_usable_size(at)
    }
}
