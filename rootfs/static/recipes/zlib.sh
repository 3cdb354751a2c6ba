# SPDX-License-Identifier: Apache-2.0
# zlib: what reads and writes gzip in memory, without its functions for files.
recipe() {
    local file files=(adler32 crc32 deflate inffast inflate inftrees trees zutil)
    for file in "${files[@]}"; do
        # shellcheck disable=SC2086 # the flags are a list
        "$CC" $CFLAGS -c "$file.c" -o "$file.o"
    done
    "$AR" rc libz.a "${files[@]/%/.o}"
    cp zlib.h zconf.h "$PREFIX/include/"
    cp libz.a "$PREFIX/lib/"
    write_pc zlib "$(upstream_version | sed 's/.*really//')" 'gzip in memory' -lz
}
