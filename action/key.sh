#!/usr/bin/env bash
# Tells under which key the built program is cached: what it is built from, and the C library it is built against.
set -euo pipefail
cd "$SOURCE"
sources=$(find Cargo.toml Cargo.lock build.rs native src docs -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum)
libc=$(getconf GNU_LIBC_VERSION 2>/dev/null || echo other)
echo "key=leakcheck-$(uname -sm | tr ' ' -)-${libc// /-}-${sources%% *}" >>"$GITHUB_OUTPUT"
