# SPDX-License-Identifier: Apache-2.0
# nghttp2: the HTTP/2 library only. Its configure wants a C++ compiler for programs that we leave out; the library is plain C
# and needs to know three things about the system.
recipe() {
    local version file major minor patch
    version=$(upstream_version)
    IFS=. read -r major minor patch <<<"$version"
    sed -e "s/@PACKAGE_VERSION@/$version/" -e "s/@PACKAGE_VERSION_NUM@/$(printf '0x%02x%02x%02x' "$major" "$minor" "$patch")/" \
        lib/includes/nghttp2/nghttp2ver.h.in >lib/includes/nghttp2/nghttp2ver.h
    # shellcheck disable=SC2086 # the flags are a list
    printf '%s\n' lib/*.c | xargs -P "$JOBS" -I '{}' "$CC" $CFLAGS -DNGHTTP2_STATICLIB -DHAVE_ARPA_INET_H -DHAVE_NETINET_IN_H -DHAVE_CLOCK_GETTIME \
        -DHAVE_DECL_CLOCK_MONOTONIC=1 -Ilib/includes -Ilib -c '{}' -o '{}.o'
    "$AR" rc libnghttp2.a lib/*.c.o
    mkdir -p "$PREFIX/include/nghttp2"
    cp lib/includes/nghttp2/*.h "$PREFIX/include/nghttp2/"
    cp libnghttp2.a "$PREFIX/lib/"
    write_pc libnghttp2 "$version" 'HTTP/2 library' -lnghttp2
}
