# SPDX-License-Identifier: Apache-2.0
# libsodium, the minimal set without assembler: guarded memory, comparison and wiping are what we use of it, so speed of its
# ciphers is not worth their size. --disable-ssp and --disable-pie: the flags come from us.
recipe() {
    autoreconf -fi
    ./configure --host="$(uname -m)-linux-musl" --prefix="$PREFIX" --enable-minimal --disable-asm --disable-shared --enable-static --disable-pie \
        --disable-ssp --disable-dependency-tracking CFLAGS="$CFLAGS"
    make -C src -j"$JOBS" V=1
    make -C src install
    rm -f "$PREFIX/lib/libsodium.la"
    write_pc libsodium "$(upstream_version)" 'Guarded memory' -lsodium
}
