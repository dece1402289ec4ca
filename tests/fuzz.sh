#!/usr/bin/env bash
# Looks for inputs that a reader does not get over, with libFuzzer.
#
#   tests/fuzz.sh [SECONDS] [TARGET…]    for so long each, 25 by default, from where the last search ended
#   tests/fuzz.sh same [TARGET…]         the same 50,000 inputs each time, for CI: a change fails by what it changed, not by luck
#
# Stable Rust will do: what libFuzzer needs of the compiler are plain code generation flags. It needs a C++ compiler, without
# which this is skipped, and says so. What was tried stays in target/fuzz/corpus, and is where the next run begins. An
# input that is too much is put into fuzz/crashes, where `cargo test --test fuzz` finds it: commit it with the fix.
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_TERM_COLOR=never

seconds=${1:-25}
[ $# -eq 0 ] || shift
targets=("$@")
[ "${#targets[@]}" -gt 0 ] || targets=(wire snapshot config report heap memory)

host=$(rustc -vV | sed -n 's/^host: //p')
case $host in
*-linux-gnu) ;;
*)
    echo "fuzzing is skipped: it is set up for Linux with glibc, and this is $host"
    exit 0
    ;;
esac
if ! command -v "${CXX:-c++}" >/dev/null; then
    echo "fuzzing is skipped: there is no C++ compiler here to build libFuzzer with"
    exit 0
fi

limits=(-max_total_time="$seconds")
[ "$seconds" != same ] || limits=(-runs=50000 -seed=1)
flags=(--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4)
flags+=(-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table)
flags+=(-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1)
# With a target named, the flags are not for what runs while building.
RUSTFLAGS="${flags[*]}" nice cargo build --quiet --release --manifest-path fuzz/Cargo.toml \
    --target "$host" --target-dir target/fuzz

failed=0
for target in "${targets[@]}"; do
    corpus=target/fuzz/corpus/$target
    if [ "$seconds" = same ]; then
        corpus=target/fuzz/same/$target
        rm -rf "$corpus"
    fi
    mkdir -p "$corpus" "fuzz/crashes/$target"
    log=target/fuzz/$target.log
    printf 'fuzzing %s (%s): ' "$target" "${limits[*]}"
    if nice "target/fuzz/$host/release/$target" "$corpus" "fuzz/seeds/$target" "fuzz/crashes/$target" \
        "${limits[@]}" -timeout=10 -rss_limit_mb=2048 -max_len=65536 -print_final_stats=1 \
        -artifact_prefix="fuzz/crashes/$target/" >"$log" 2>&1; then
        sed -n 's/^stat::number_of_executed_units: *\([0-9]*\)/\1 inputs tried/p' "$log"
    else
        echo "an input was too much"
        # What went wrong and where in our own code, then what libFuzzer says of it.
        grep -A 1 'panicked at' "$log" | tail -n 2 || true
        grep -A 1 -E '^ +[0-9]+: ' "$log" | grep -B 1 -E ' at \./src/' | head -n 20 || true
        tail -n 12 "$log"
        failed=1
    fi
done
exit "$failed"
