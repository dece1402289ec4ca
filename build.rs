//! Builds the library that is preloaded into the one worker in which native memory is traced, for the bridge to carry.

use std::{env, fs, path::PathBuf, process::Command};

const SOURCE: &str = "native/tracer/tracer.rs";

/// Where preloading works, and the library knows registers and system calls.
const TARGETS: [&str; 2] = ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"];

fn main() {
    println!("cargo::rerun-if-changed=native/tracer");
    println!("cargo::rerun-if-env-changed=RUSTC_LINKER");
    let target = env::var("TARGET").unwrap_or_default();
    let made = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("tracer.so");
    if !TARGETS.contains(&&*target) {
        fs::write(&made, []).unwrap_or_else(|error| panic!("{}: {error}", made.display()));
        return;
    }
    // The one that builds all the rest, and its linker: nothing else has to be there.
    let mut command = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    command
        .args(["--edition", "2024", "--crate-name", "leakcheck_tracer"])
        .args(["--crate-type", "cdylib", "--target", &target])
        // Whole and in one piece, whatever the profile: it has no runtime and must not panic.
        .args(["-C", "panic=abort", "-C", "opt-level=3", "-C", "lto=fat"])
        .args(["-C", "codegen-units=1", "-C", "strip=symbols"])
        .args(["-C", "default-linker-libraries=yes", "--cap-lints", "allow"])
        .arg(SOURCE)
        .arg("-o")
        .arg(&made);
    if let Some(linker) = env::var_os("RUSTC_LINKER") {
        let mut option = std::ffi::OsString::from("linker=");
        option.push(linker);
        command.arg("-C").arg(option);
    }
    let status = command.status();
    assert!(
        status.as_ref().is_ok_and(std::process::ExitStatus::success),
        "{SOURCE} could not be built: {status:?}"
    );
}
