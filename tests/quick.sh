#!/usr/bin/env bash
# What says within two minutes, from a warm build, whether a change is on its way; `cargo test` and `.ci/run` say the rest.
set -euo pipefail
cd "$(dirname "$0")/.."
bash tests/lints.sh
cargo test --locked --no-fail-fast --lib --test architecture --test documentation --test replay
