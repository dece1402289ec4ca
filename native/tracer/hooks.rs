//! The functions that stand in front of the C library's. Each is as that one to its caller.

use core::{
    ffi::{c_int, c_long, c_void},
    ptr,
};

use crate::{
    note::{born, gone, mapped, resized, set_errno, unmapped},
    real::{self, FAILED},
    shared::{Inside, tracing},
};

const ENOMEM: c_int = 12;

/// Declares them.
macro_rules! hooks {
    ($($name:ident($($argument:ident: $kind:ty),*) -> $result:ty $body:block)*) => {
        $(
            /// # Safety
            /// As the C library's.
            #[unsafe(no_mangle)]
            pub unsafe extern "C" fn $name($($argument: $kind),*) -> $result $body
        )*
    };
}

hooks! {
    malloc(size: usize) -> *mut c_void {
        born(real::malloc(size), size)
    }

    calloc(count: usize, size: usize) -> *mut c_void {
        born(real::calloc(count, size), count.saturating_mul(size))
    }

    realloc(at: *mut c_void, size: usize) -> *mut c_void {
        resized(at, size, || real::resize(at, size))
    }

    reallocarray(at: *mut c_void, count: usize, size: usize) -> *mut c_void {
        match count.checked_mul(size) {
            Some(size) => resized(at, size, || real::resize(at, size)),
            None => {
                set_errno(ENOMEM);
                ptr::null_mut()
            }
        }
    }

    free(at: *mut c_void) -> () {
        gone(at);
        real::give_back(at);
    }

    free_sized(at: *mut c_void, _size: usize) -> () {
        gone(at);
        real::give_back(at);
    }

    free_aligned_sized(at: *mut c_void, _alignment: usize, _size: usize) -> () {
        gone(at);
        real::give_back(at);
    }

    posix_memalign(place: *mut *mut c_void, alignment: usize, size: usize) -> c_int {
        let failed = real::posix_memalign(place, alignment, size);
        if failed == 0 {
            // SAFETY: it was written just now.
            born(unsafe { *place }, size);
        }
        failed
    }

    aligned_alloc(alignment: usize, size: usize) -> *mut c_void {
        born(real::aligned_alloc(alignment, size), size)
    }

    memalign(alignment: usize, size: usize) -> *mut c_void {
        born(real::memalign(alignment, size), size)
    }

    valloc(size: usize) -> *mut c_void {
        born(real::valloc(size), size)
    }

    pvalloc(size: usize) -> *mut c_void {
        born(real::pvalloc(size), size.next_multiple_of(4096))
    }

    mmap(at: *mut c_void, size: usize, rights: c_int, flags: c_int, file: c_int, offset: c_long) -> *mut c_void {
        mapped(real::mmap(at, size, rights, flags, file, offset), size)
    }

    mmap64(at: *mut c_void, size: usize, rights: c_int, flags: c_int, file: c_int, offset: c_long) -> *mut c_void {
        // With 64 bits it is the same.
        mapped(real::mmap(at, size, rights, flags, file, offset), size)
    }

    // The last argument is there with some flags only, and passed on in any case.
    mremap(at: *mut c_void, was: usize, size: usize, flags: c_int, to: *mut c_void) -> *mut c_void {
        // Before: from then on another thread may have the place.
        forget(at, was);
        let found = real::mremap(at, was, size, flags, to);
        if found == FAILED {
            mapped(at, was);
            return FAILED;
        }
        mapped(found, size)
    }

    munmap(at: *mut c_void, size: usize) -> c_int {
        forget(at, size);
        real::munmap(at, size)
    }
}

fn forget(at: *mut c_void, size: usize) {
    if let Some(shared) = tracing()
        && let Some(_inside) = Inside::enter(shared)
    {
        unmapped(shared, at as usize, size);
    }
}
