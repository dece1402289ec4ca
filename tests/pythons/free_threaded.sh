#!/usr/bin/env bash
# A free-threaded CPython, built from the source archive in Debian's pool: some five minutes on two cores.
#
#     tests/pythons/free_threaded.sh VERSION FOLDER     VERSION is 3.13, 3.14 or 3.15; the interpreter is FOLDER/bin/python3
#
# The mirror is the one that apt is configured with, and the archive's hash is checked. A folder that is complete is left as
# it is. Exit code 75 where the source or a compiler cannot be had.
set -euo pipefail

version=$1
folder=$(mkdir -p "$2" && cd "$2" && pwd)

unavailable() {
    echo "no free-threaded Python $version here: $1" >&2
    exit 75
}

[ ! -e "$folder/complete" ] || exit 0
case $version in
    3.13) release=3.13.5 hash=93e583f243454e6e9e4588ca2c2662206ad961659863277afcdb96801647d640 ;;
    3.14) release=3.14.7 hash=3b48dac8fb59f62eaa67ac83c1eb12bda1b7a08406dd286e252c11a66be27f81 ;;
    3.15) release=3.15.0~rc1 hash=f84dad680ab2147417d2739355c2678f0f9acffe4ae8ef77895de1454b384b07 ;;
    *) unavailable "the version is not known to this script" ;;
esac
command -v cc >/dev/null && command -v make >/dev/null || unavailable "there is no C compiler or no make"
mirror=$(apt-get indextargets --format '$(ORIGIN) $(LABEL) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null | sed -n 's/^Debian Debian main //p' | head -n 1)
[ -n "$mirror" ] || unavailable "apt knows no mirror of Debian"

archive=$folder/source.tar.xz
python3 - "${mirror%/}/pool/main/p/python$version/python${version}_$release.orig.tar.xz" "$archive" "$hash" <<'END' || unavailable "its source archive cannot be fetched"
import hashlib, sys, urllib.request
url, path, expected = sys.argv[1:]
try:
    data = urllib.request.urlopen(url, timeout=120).read()
except OSError as error:
    sys.exit(str(error))
if hashlib.sha256(data).hexdigest() != expected:
    sys.exit("the source archive is not the one that is known")
open(path, "wb").write(data)
END
rm -rf "$folder/source"
mkdir "$folder/source"
tar -xf "$archive" -C "$folder/source" --strip-components=1
rm "$archive"
(
    cd "$folder/source"
    ./configure --prefix="$folder" --disable-gil --without-doc-strings --disable-test-modules
    make -j "$(nproc)"
    make install
) >"$folder/log" 2>&1 || unavailable "it does not build; see $folder/log"
rm -rf "$folder/source"
"$folder/bin/python3" -c 'import ctypes, ssl, sqlite3, venv, sys; assert not sys._is_gil_enabled()' || unavailable "it lacks a module; see $folder/log"
touch "$folder/complete"
