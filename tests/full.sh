#!/usr/bin/env bash
# What takes too long to run before each change: the labelled corpus on every Python there is, free-threaded builds among them.
#
#     tests/full.sh            prints a line for each Python; the whole output of each is in target/full
#     tests/full.sh 3.12 3.15  those alone
#
# Python 3.14 and 3.15 come from Debian's unstable suite where they are not installed, and the free-threaded 3.14 is built
# from source (tests/pythons); what cannot be had is left out with a word. Ten to fifteen minutes a version on two idle cores.
set -uo pipefail
cd "$(dirname "$0")/.."
wanted=("$@")
[ "${#wanted[@]}" -gt 0 ] || wanted=(3.8 3.9 3.10 3.11 3.12 3.13 3.14 3.15 3.14t)
debian=$PWD/target/pythons/debian
mkdir -p target/full
failed=0
for version in "${wanted[@]}"; do
    python=
    case $version in
        *t) tests/pythons/free_threaded.sh "${version%t}" "target/pythons/$version" && python=$PWD/target/pythons/$version/bin/python3 ;;
        3.14 | 3.15) command -v "python$version" >/dev/null || tests/pythons/debian.sh "$debian" ;;
    esac
    for candidate in "$python" "python$version" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$version".*/bin/python "$debian/usr/bin/python$version"; do
        if [ -n "$candidate" ] && "$candidate" -c '' 2>/dev/null; then
            python=$candidate
            break
        fi
    done
    [ -n "$python" ] || { echo "$version: left out, there is no such Python here"; continue; }
    log=target/full/corpus-$version
    status=0
    LEAKCHECK_TEST_PYTHON=$python cargo test --locked --test corpus -- --ignored --nocapture >"$log" 2>&1 || status=$?
    [ "$status" -eq 0 ] || failed=1
    figures=$(grep -E '^(.* as labelled|places named|holders named|types named|first lines whole)' "$log" | tr '\n' ';')
    echo "$version: ${figures:-did not run, see $log}"
    grep '^MISS' "$log" | sort -u
done

# Others that take minutes; those that need more than a Python say so in their own text.
for test in "unseen two_thousand" "left_behind nothing_is_left_at_any_moment"; do
    read -r file name <<<"$test"
    cargo test --locked --test "$file" "$name" -- --ignored --nocapture >"target/full/$name" 2>&1 || { failed=1; echo "FAILED: $name, see target/full/$name"; }
done
# The wheel as it is released, linked against the oldest glibc that it promises: what that one lacks shows here alone.
tools=$PWD/target/full/tools
[ -x "$tools/bin/maturin" ] || { python3 -m venv "$tools" && "$tools/bin/pip" install --quiet --disable-pip-version-check maturin==1.16.0 ziglang==0.17.1; }
PATH="$tools/bin:$PATH" maturin build --release --zig --target "$(uname -m)-unknown-linux-gnu" --compatibility manylinux_2_17 \
    --out target/full/dist >target/full/wheel 2>&1 || { failed=1; echo "FAILED: the wheel as it is released, see target/full/wheel"; }
# Inputs that a reader does not get over: another search each time. It has its own build, and one target after the other.
bash tests/fuzz.sh 120 >target/full/fuzz 2>&1 || failed=1
cat target/full/fuzz
exit "$failed"
