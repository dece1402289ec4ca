#!/usr/bin/env bash
# jemalloc and tcmalloc for the tests, out of the packages of the system's own distribution (Debian or Ubuntu).
#
#     tests/pythons/allocators.sh FOLDER        the libraries are FOLDER/libjemalloc.so.2 and FOLDER/libtcmalloc_minimal.so.4
#
# Nothing is installed. A folder that is complete is left as it is. Exit code 75 where the packages cannot be had.
set -euo pipefail

folder=$(mkdir -p "$1" && cd "$1" && pwd)

unavailable() {
    echo "no other allocators here: $1" >&2
    exit 75
}

[ ! -e "$folder/complete" ] || exit 0
command -v apt-get >/dev/null || unavailable "there is no apt-get"
cd "$folder"
# The name of the second one has changed with the size of time_t.
for package in libjemalloc2 "libtcmalloc-minimal4 libtcmalloc-minimal4t64"; do
    found=
    for name in $package; do
        ! apt-get -o APT::Sandbox::User=root download "$name" >>log 2>&1 || found=$name
    done
    [ -n "$found" ] || unavailable "apt-get cannot fetch $package; see $folder/log"
done
for package in *.deb; do
    dpkg-deb -x "$package" unpacked
done
find unpacked -name 'libjemalloc.so.2' -o -name 'libtcmalloc_minimal.so.4*' | while read -r library; do
    cp -P "$library" .
done
rm -rf unpacked ./*.deb
[ -e libjemalloc.so.2 ] && [ -e libtcmalloc_minimal.so.4 ] || unavailable "the packages hold other libraries"
touch complete
