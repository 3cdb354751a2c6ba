# SPDX-License-Identifier: Apache-2.0
# Builds probe.c against the prefix, checks the form of the ELF file, and runs it where nothing else is.

# Prints what is wrong with the form of a static-pie binary, and fails if anything is.
check_elf_form() {
    local file=$1 wrong=0 headers
    headers=$(readelf -W -h -l -d "$file")
    flaw() { say "'$file': $1"; wrong=1; }
    grep -q 'Type: *DYN' <<<"$headers" || flaw 'is not position independent'
    grep -q 'INTERP' <<<"$headers" && flaw 'has an interpreter'
    grep -q 'NEEDED' <<<"$headers" && flaw 'needs shared libraries'
    grep -q 'TEXTREL' <<<"$headers" && flaw 'has text relocations'
    grep -q 'GNU_RELRO' <<<"$headers" || flaw 'has no RELRO segment'
    grep -q 'BIND_NOW\|FLAGS.*NOW' <<<"$headers" || flaw 'does not bind at start'
    grep 'GNU_STACK' <<<"$headers" | grep -q ' RW ' || flaw 'has an executable stack'
    grep -q 'LOAD.* RWE' <<<"$headers" && flaw 'has a segment that is writable and executable'
    grep -q SSLKEYLOGFILE "$file" && flaw 'can log TLS keys'
    return $wrong
}

# An empty root directory: as root by chroot, otherwise in a user namespace.
run_in_empty_root() {
    if [ "$(id -u)" -eq 0 ]; then chroot "$1" "$2"; else unshare -r chroot "$1" "$2"; fi
}

probe() {
    local flags status=0
    # Not local: the trap runs after this function.
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    flags=$(PKG_CONFIG_LIBDIR=$prefix/lib/pkgconfig pkg-config --static --cflags --libs libcurl openssl libnghttp2 libsodium libcjson)
    # shellcheck disable=SC2086 # the flags are lists
    "$prefix/bin/sealpod-cc" $dep_cflags -Wall -Wextra -o "$scratch/probe" "$here/probe.c" -static-pie -Wl,--gc-sections $flags >&2
    mkdir "$scratch/root"
    strip -o "$scratch/root/probe" "$scratch/probe"
    check_elf_form "$scratch/root/probe" || die 'the probe is not the static-pie file that it should be'
    say "stripped size: $(stat -c %s "$scratch/root/probe") bytes, $(file -b "$scratch/root/probe" 2>/dev/null | cut -d, -f1-5)"
    run_in_empty_root "$scratch/root" /probe >&2 || status=$?
    [ $status -eq 0 ] || die "probe: $status checks failed"
    say 'probe: all checks passed in an empty root directory'
}
