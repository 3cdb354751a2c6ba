# SPDX-License-Identifier: Apache-2.0
# zlib: reading only. Six files of it know how to inflate.
recipe() {
    local file files=(adler32 crc32 inffast inflate inftrees zutil)
    for file in "${files[@]}"; do
        # shellcheck disable=SC2086 # the flags are a list
        "$CC" $CFLAGS -c "$file.c" -o "$file.o"
    done
    "$AR" rc libz.a "${files[@]/%/.o}"
    cp zlib.h zconf.h "$PREFIX/include/"
    cp libz.a "$PREFIX/lib/"
    write_pc zlib "$(upstream_version | sed 's/.*really//')" 'Reading gzip' -lz
}
