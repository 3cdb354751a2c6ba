# SPDX-License-Identifier: Apache-2.0
# cJSON: one source file. The nesting limit is what its own parser enforces; base/json.c has a stricter one.
recipe() {
    # shellcheck disable=SC2086 # the flags are a list
    "$CC" $CFLAGS -c cJSON.c -o cJSON.o
    "$AR" rc libcjson.a cJSON.o
    mkdir -p "$PREFIX/include/cjson"
    cp cJSON.h "$PREFIX/include/cjson/"
    cp libcjson.a "$PREFIX/lib/"
    write_pc libcjson "$(upstream_version)" 'JSON parser' '-lcjson -lm'
    sed -i 's/^Cflags:.*/& -I${includedir}\/cjson/' "$PREFIX/lib/pkgconfig/libcjson.pc"
}
