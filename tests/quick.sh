#!/usr/bin/env bash
# What says within two minutes, from a warm build, whether a change is on its way; `cargo test` and `.ci/run` say the rest.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo fmt --check
cargo clippy --locked --all-targets -- -D warnings
lint=target/ci-lint
[ -x "$lint/bin/ruff" ] || { python3 -m venv "$lint" && "$lint/bin/pip" install --quiet --disable-pip-version-check ruff==0.14.5; }
"$lint/bin/ruff" check src/bridge/python tests/bridge tests/browser tests/common tests/shipping benches
cargo test --locked --lib --test architecture --test documentation --test replay
