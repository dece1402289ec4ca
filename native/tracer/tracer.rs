//! Preloaded into one worker: notes who asks for each chunk of memory, and which of them are still there.
//!
//! The C library stays the allocator. Until the bridge starts it, each hook only passes on; in a child of the traced process
//! it is off, since the page that says so is wiped by a fork. Nothing here may allocate, panic or go through
//! `__tls_get_addr`: memory of its own comes from the kernel, and a thread is known by its thread pointer.

#![no_std]

mod control;
mod hooks;
mod kernel;
mod note;
mod real;
mod shared;
mod stacks;
mod tables;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    unsafe extern "C" {
        fn abort() -> !;
    }
    // SAFETY: it only ends the process.
    unsafe { abort() }
}
