//! What is asked of the kernel directly, since the C library's functions may come back here.

use core::{arch::asm, ptr};

#[cfg(target_arch = "x86_64")]
pub mod number {
    pub const MMAP: usize = 9;
    pub const MUNMAP: usize = 11;
    pub const MADVISE: usize = 28;
    pub const SCHED_YIELD: usize = 24;
    pub const FSTAT: usize = 5;
    pub const GETPID: usize = 39;
    pub const GETTID: usize = 186;
    pub const TGKILL: usize = 234;
}

#[cfg(target_arch = "aarch64")]
pub mod number {
    pub const MMAP: usize = 222;
    pub const MUNMAP: usize = 215;
    pub const MADVISE: usize = 233;
    pub const SCHED_YIELD: usize = 124;
    pub const FSTAT: usize = 80;
    pub const GETPID: usize = 172;
    pub const GETTID: usize = 178;
    pub const TGKILL: usize = 131;
}

/// # Safety
/// As the system call.
pub unsafe fn system(number: usize, arguments: [usize; 6]) -> isize {
    let [a, b, c, d, e, f] = arguments;
    let mut result: isize;
    // SAFETY: the kernel keeps all registers but those that are named.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        asm!("syscall", inlateout("rax") number as isize => result, in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d,
            in("r8") e, in("r9") f, lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    #[cfg(target_arch = "aarch64")]
    unsafe {
        asm!("svc 0", in("x8") number, inlateout("x0") a as isize => result, in("x1") b, in("x2") c, in("x3") d, in("x4") e,
            in("x5") f, options(nostack));
    }
    result
}

/// Zeroed pages of our own; null where there are none.
pub fn pages(bytes: usize) -> *mut u8 {
    const READ_WRITE: usize = 3;
    const PRIVATE_ANONYMOUS: usize = 0x22;
    let arguments = [0, bytes, READ_WRITE, PRIVATE_ANONYMOUS, usize::MAX, 0];
    // SAFETY: a new mapping touches no other.
    let at = unsafe { system(number::MMAP, arguments) };
    if (-4095..0).contains(&at) {
        ptr::null_mut()
    } else {
        at as *mut u8
    }
}

pub fn give_back(at: *mut u8, bytes: usize) {
    if !at.is_null() {
        // SAFETY: `pages` gave it.
        unsafe { system(number::MUNMAP, [at as usize, bytes, 0, 0, 0, 0]) };
    }
}

pub fn wait_a_moment() {
    // SAFETY: it has no effect but time.
    unsafe { system(number::SCHED_YIELD, [0; 6]) };
}

/// A number that no other living thread has.
pub fn thread() -> usize {
    let pointer: usize;
    // SAFETY: it reads the thread pointer.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        asm!("mov {}, fs:0", out(reg) pointer, options(nostack, preserves_flags, readonly));
    }
    #[cfg(target_arch = "aarch64")]
    unsafe {
        asm!("mrs {}, tpidr_el0", out(reg) pointer, options(nostack, preserves_flags, nomem));
    }
    pointer
}
