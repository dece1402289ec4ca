#!/usr/bin/env bash
# Records parts of the labelled corpus anew and packs them for `cargo test --test replay`.
#
#     tests/recordings/make.sh                      with the Python that LEAKCHECK_TEST_PYTHON names, or python3
#
# Made anew where the conversation with a test process changes, or a rule does on purpose: what the new recordings say of
# each test is what the labels of the corpus say, which the run that makes them checks. Needs tar and xz.
set -euo pipefail
cd "$(dirname "$0")/../.."
parts=(bounded containers contamination cycles healthy limits maps odd rare releases seldom unclosed)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export LEAKCHECK_CORPUS_RECORD=$folder
LEAKCHECK_CORPUS=$(IFS=,; echo "${parts[*]/%//unittest}")
export LEAKCHECK_CORPUS
cargo test --locked --test corpus -- --ignored --nocapture
# Of paths the home of whoever makes them is left; it is nobody's here.
grep -rlZ "$HOME/" "$folder" --include='*.json*' | xargs -0 -r sed -i "s#$HOME/#/home/#g"
# Sorted and without times and owners.
tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C "$folder" -cf - . | xz -9e >tests/recordings/corpus.tar.xz
ls -l tests/recordings/corpus.tar.xz
