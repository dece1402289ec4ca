//! What a fork wipes: whether anything is traced, and who is at it.

use core::{
    ptr,
    sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering},
};

use crate::kernel;

const SLOTS: usize = 1024;
const PROBES: usize = 16;

/// On pages that read as zeros in a child: it traces nothing, and no lock of its parent's other threads is held in it.
#[repr(C)]
pub struct Shared {
    pub on: AtomicU32,
    /// Around the tables.
    pub lock: AtomicU32,
    /// Around the file of Python's tracebacks.
    pub telling: AtomicU32,
    /// Threads that are in a hook.
    inside: [AtomicUsize; SLOTS],
}

pub static SHARED: AtomicPtr<Shared> = AtomicPtr::new(ptr::null_mut());

pub fn shared() -> Option<&'static Shared> {
    // SAFETY: once made, the pages stay.
    unsafe { SHARED.load(Ordering::Acquire).as_ref() }
}

pub fn tracing() -> Option<&'static Shared> {
    shared().filter(|shared| shared.on.load(Ordering::Acquire) != 0)
}

/// While it lives, what the thread does goes unnoticed: the unwinder, and a handler of a signal, may come here again.
pub struct Inside(&'static AtomicUsize);

impl Inside {
    pub fn enter(shared: &'static Shared) -> Option<Inside> {
        let own = kernel::thread();
        let first = mixed(own as u64) as usize;
        let slots = || (0..PROBES).map(|at| &shared.inside[first.wrapping_add(at) % SLOTS]);
        if slots().any(|slot| slot.load(Ordering::Relaxed) == own) {
            return None;
        }
        loop {
            for slot in slots() {
                let taken = slot.compare_exchange(0, own, Ordering::Acquire, Ordering::Relaxed);
                if taken.is_ok() {
                    return Some(Inside(slot));
                }
            }
            kernel::wait_a_moment();
        }
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.store(0, Ordering::Release);
    }
}

pub struct Locked(&'static AtomicU32);

impl Locked {
    pub fn take(lock: &'static AtomicU32) -> Locked {
        let mut tries = 0_u32;
        while lock
            .compare_exchange_weak(0, 1, Ordering::Acquire, Ordering::Relaxed)
            .is_err()
        {
            tries += 1;
            if tries & 63 == 0 {
                kernel::wait_a_moment();
            } else {
                core::hint::spin_loop();
            }
        }
        Locked(lock)
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        self.0.store(0, Ordering::Release);
    }
}

pub fn mixed(mut word: u64) -> u64 {
    word ^= word >> 32;
    word = word.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    word ^ (word >> 29)
}
