#!/usr/bin/env bash
# Makes the command `leakcheck` and tells the following steps where it is.
#
# VERSION: `checkout` builds the source that came with the Action, `installed` takes the command on PATH, anything else
# is a version of the package leakcheck-gate.
set -euo pipefail

fail() {
    echo "::error title=leakcheck::$1"
    exit 2
}

# Beside the runner's other temporary files, so that nothing of the project's environment is touched.
home="$RUNNER_TEMP/leakcheck-tool"
case "$VERSION" in
    installed)
        command=$(command -v leakcheck) || fail "version is installed, but there is no command leakcheck on PATH"
        ;;
    checkout)
        command="$home/bin/leakcheck"
        if [ ! -x "$command" ]; then
            command -v cargo >/dev/null || fail "there is no Rust on this runner to build leakcheck with; set version to a published one"
            cargo install --locked --quiet --path "$SOURCE" --root "$home"
        fi
        ;;
    *)
        [[ "$VERSION" =~ ^[0-9][0-9A-Za-z.]*$ ]] || fail "version must be checkout, installed or a version such as 0.9.0"
        python3 -m venv "$home/environment"
        "$home/environment/bin/python" -m pip install --quiet --disable-pip-version-check \
            --only-binary :all: "leakcheck-gate==$VERSION"
        command="$home/environment/bin/leakcheck"
        ;;
esac
"$command" --version
echo "command=$command" >>"$GITHUB_OUTPUT"
