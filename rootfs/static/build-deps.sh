#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Builds the libraries that the static sealpod is made of, with musl, from Debian's signed source packages.
# Input: deps.lock (trusted, ours), source packages from a mirror (trusted only as far as the pinned hash or, for an announced
# replacement, Debian's signature over the suite's index). Prints the prefix on stdout and everything else on stderr.
# Must never leave a prefix behind that is not complete: work goes on in NAME.partial, and the rename is the last step.
set -euo pipefail
export LC_ALL=C TZ=UTC
umask 022
unset CFLAGS CPPFLAGS LDFLAGS LIBS CPATH C_INCLUDE_PATH LIBRARY_PATH PKG_CONFIG_PATH MAKEFLAGS CONFIG_SITE

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
lock=$here/deps.lock
cache=${XDG_CACHE_HOME:-$HOME/.cache}/sealpod
sources=$cache/sources
jobs=${SEALPOD_JOBS:-$(nproc)}

say() { printf 'static: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

. "$here/fetch.sh"
. "$here/toolchain.sh"

usage() {
    cat <<'END'
usage: build-deps.sh            build what is missing, print the prefix
       build-deps.sh --key      print the cache key only
       build-deps.sh --probe    build, then build probe.c, check its ELF form, run it in an empty chroot
       build-deps.sh --bump     print deps.lock with the newest revisions that the mirror serves
Environment: XDG_CACHE_HOME (where the prefix and the sources are kept), SEALPOD_JOBS (parallel jobs).
END
}

# Installs what is missing of the given Debian packages.
need_packages() {
    local missing=() p as_root=()
    for p in "$@"; do
        dpkg-query -W -f '${db:Status-Status}\n' "$p" 2>/dev/null | grep -qx installed || missing+=("$p")
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || die "these packages are missing: '${missing[*]}'; install them as root (apt-get install ${missing[*]})"
        as_root=(sudo)
    fi
    say "installing ${missing[*]}"
    local get=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=600)
    "${get[@]}" install --no-install-recommends "${missing[@]}" >&2 && return 0
    # A machine that never fetched the lists, or whose lists are old.
    "${get[@]}" update >&2 || die "apt-get update failed: see above"
    "${get[@]}" install --no-install-recommends "${missing[@]}" >&2 || die "cannot install '${missing[*]}': see above"
}

# What decides the bytes of the result: these scripts, the lock, the compiler, the assembler and the C library.
cache_key() {
    {
        cd "$here"
        sha256sum build-deps.sh fetch.sh toolchain.sh deps.lock recipes/*.sh
        gcc -dumpmachine
        dpkg-query -W -f '${Package} ${Version}\n' "$(basename "$(readlink -f "$(command -v gcc)")" | sed 's/^.*gnu-//')" binutils musl-dev
    } | sha256sum | cut -c1-16
}

lock_field() { awk -v p="$1" -v f="$2" '$1 == p { print $f }' "$lock"; }
lock_names() { awk '!/^#/ && NF { print $1 }' "$lock"; }

# One library: unpack, build by its recipe in a subshell, stamp. The map keeps the build directory out of the archives.
build_library() {
    local name=$1 stamp=$partial/.stamp-$1 dsc began=$SECONDS
    [ -e "$stamp" ] && return 0
    dsc=$(fetch_source "$name") || die "no source for '$name'"
    rm -rf "${work:?}/$name"
    dpkg-source -x "$dsc" "$work/$name" >"$work/$name.log" 2>&1 || { tail -20 "$work/$name.log" >&2; die "cannot unpack '$dsc'"; }
    say "building $(basename "$dsc" .dsc)"
    # Not in an "if": there the shell would ignore set -e within.
    local status
    set +e
    (build_in "$name") >>"$work/$name.log" 2>&1
    status=$?
    set -e
    if [ $status -ne 0 ]; then
        tail -40 "$work/$name.log" >&2
        die "building '$name' failed; the whole log is '$work/$name.log'"
    fi
    printf '%s %s\n' "$(basename "$dsc" .dsc)" "$(sha256sum "$dsc" | cut -d' ' -f1)" >"$stamp"
    rm -rf "${work:?}/$name"
    say "built $name in $((SECONDS - began)) s"
}

build_in() {
    set -e
    cd "$work/$1"
    SOURCE_DATE_EPOCH=$(dpkg-parsechangelog -S Timestamp)
    export SOURCE_DATE_EPOCH
    export SEALPOD_MAP_FROM=$work/$1 SEALPOD_MAP_TO=/usr/src/$1
    export PATH=$partial/bin:$PATH
    export CC=sealpod-cc AR=$partial/bin/sealpod-ar RANLIB=$partial/bin/sealpod-ranlib
    export CFLAGS=$dep_cflags ARFLAGS=rcD
    export PKG_CONFIG_LIBDIR=$partial/lib/pkgconfig PKG_CONFIG="pkg-config --static"
    PREFIX=$partial JOBS=$jobs
    . "$here/recipes/$1.sh"
    recipe
}

build_all() {
    local name
    partial=$prefix.partial work=$prefix.partial/.work
    mkdir -p "$work" "$partial/bin" "$partial/include" "$partial/lib/pkgconfig"
    write_toolchain "$partial" "$partial"
    for name in $(lock_names); do build_library "$name"; done
    for name in $(lock_names); do cat "$partial/.stamp-$name"; done >"$partial/sources.txt"
    write_toolchain "$partial" "$prefix"
    rm -rf "$work" "$partial/.apt" "$partial"/.stamp-*
    mv -T "$partial" "$prefix"
}

main() {
    local key
    need_packages gcc libc6-dev binutils musl-tools linux-libc-dev
    command -v pkg-config >/dev/null || need_packages pkg-config
    key=$(cache_key) prefix=$cache/static-$key
    case ${1:-} in
    --key) echo "$key"; return ;;
    '' | --probe | --bump) ;;
    *) usage >&2; return 100 ;;
    esac
    mkdir -p "$cache"
    [ "${1:-}" = --bump ] && { bump_lock; return; }
    if [ ! -d "$prefix" ]; then
        exec 9>"$prefix.lock"
        flock 9
        # Another build may have finished while this one waited.
        if [ ! -d "$prefix" ]; then
            need_packages make perl dpkg-dev xz-utils patch autoconf automake libtool debian-archive-keyring
            build_all
        fi
    fi
    if [ "${1:-}" = --probe ]; then . "$here/probe.sh"; probe; fi
    echo "$prefix"
}

main "$@"
