#!/usr/bin/env bash
# Formats and lints of all code, for tests/quick.sh and .ci/run.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo fmt --check
cargo clippy --locked --all-targets -- -D warnings
# What the build script compiles by itself.
rustfmt --edition 2024 --check native/tracer/tracer.rs
clippy-driver --edition 2024 --crate-name leakcheck_tracer --crate-type cdylib -C panic=abort -D warnings \
    --emit=metadata --out-dir target native/tracer/tracer.rs
lint=target/ci-lint
[ -x "$lint/bin/ruff" ] || { python3 -m venv "$lint" && "$lint/bin/pip" install --quiet --disable-pip-version-check ruff==0.14.5; }
"$lint/bin/ruff" check src/bridge/python src/bisect src/kept plugin tests/bridge tests/browser tests/common tests/shipping benches site
