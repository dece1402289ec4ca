#!/usr/bin/env bash
# Builds the wheel and the source distribution, and uses the wheel as users do: with pip on the Pythons given, by a tool
# runner, and through tox, nox and pre-commit after the recipes; the project's Python is always another one.
# $1: a folder for tools. $2…: Pythons.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
work=$(mkdir -p "$1" && cd "$1" && pwd)
shift
tools="$work/tools"
[ -x "$tools/bin/tox" ] || {
    python3 -m venv "$tools"
    "$tools/bin/pip" install --quiet --disable-pip-version-check \
        maturin==1.16.0 tox==4.67.15 nox==2026.10.20 pre-commit==4.7.0 uv==0.13.9
}
export PATH="$tools/bin:$PATH" PIP_DISABLE_PIP_VERSION_CHECK=1

rm -rf "$work/dist"
CARGO_TARGET_DIR="$root/target" maturin build --quiet --release --compatibility linux --out "$work/dist"
maturin sdist --out "$work/dist"
ls "$work/dist"
wheel=$(echo "$work"/dist/*.whl)
# Nothing needed to build is left out.
tar tzf "$work"/dist/*.tar.gz >"$work/listed"
grep -q '/src/bridge/python/leakcheck_bridge/counters.py$' "$work/listed"
grep -q '/native/tracer/tracer.rs$' "$work/listed"
# What is preloaded into a worker runs on as old a system as the wheel promises, whatever this one is.
tracer=$(find "$root"/target/release/build/leakcheck-*/out -name tracer.so -printf '%T@ %p\n' | sort -n | tail -n 1 | cut -d ' ' -f 2)
newest=$(objdump -T "$tracer" | grep -o 'GLIBC_[0-9.]*' | sort -Vu | tail -n 1)
[ "$(printf '%s\nGLIBC_2.17\n' "$newest" | sort -V | tail -n 1)" = GLIBC_2.17 ] || {
    echo "$tracer asks for $newest"
    exit 1
}
export PIP_FIND_LINKS="$work/dist"

# As the Action installs a published version.
mkdir -p "$work/runner"
version=$(basename "$wheel" | cut -d - -f 2)
GITHUB_OUTPUT="$work/runner/output" RUNNER_TEMP="$work/runner" VERSION="$version" PIP_NO_INDEX=1 action/install.sh

# The one leak of this project, found with exit code 1, whoever calls.
project="$work/project"
fresh() {
    rm -rf "$project"
    cp -r "$root/fixtures/adoption" "$project"
    python3 "$root/tests/shipping/recipes.py" "$root/docs/ci.md" "$project"
    echo pytest==8.3.5 >"$project/requirements-test.txt"
    cd "$project"
}
finds() {
    local output status=0
    output=$("$@" 2>&1) || status=$?
    if [ "$status" -eq 0 ] || ! grep -q 'leak\[LK101\]: 4 dicts' <<<"$output"; then
        printf '%s\n' "$output" "$*: exit code $status, and the leak is not there"
        exit 1
    fi
    echo "found by: ${*//$work\//}"
}

python3 -m venv "$work/other"
for python in "$@"; do
    environment="$work/pip-$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
    rm -rf "$environment"
    "$python" -m venv "$environment"
    "$environment/bin/python" -m pip install --quiet "$wheel"
    fresh
    finds "$environment/bin/leakcheck" run --python "$work/other"
    "$environment/bin/python" -m pip install --quiet pytest==8.3.5
    finds "$environment/bin/python" -m pytest --leakcheck
done
fresh
finds uvx --quiet --from "$wheel" leakcheck run --python "$work/other"
fresh
finds tox --quiet run -e leakcheck
finds nox --session leakcheck
git init --quiet
git add -A
pre-commit validate-manifest "$root/.pre-commit-hooks.yaml"
PATH="$environment/bin:$PATH" VIRTUAL_ENV="$work/other" finds pre-commit run --hook-stage pre-push leakcheck
