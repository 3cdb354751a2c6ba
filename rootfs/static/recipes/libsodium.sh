# SPDX-License-Identifier: Apache-2.0
# libsodium, the minimal set: guarded memory is what we use of it.
recipe() {
    autoreconf -fi
    ./configure --host="$(uname -m)-linux-musl" --prefix="$PREFIX" --enable-minimal --disable-shared --enable-static --disable-pie \
        --disable-ssp --disable-dependency-tracking CFLAGS="$CFLAGS"
    make -C src -j"$JOBS" V=1
    make -C src install
    rm -f "$PREFIX/lib/libsodium.la"
    write_pc libsodium "$(upstream_version)" 'Guarded memory' -lsodium
}
