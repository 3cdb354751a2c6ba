# SPDX-License-Identifier: Apache-2.0
# protobuf-c: its library is one C file. The compiler of messages, protoc-c, runs on the build machine and comes from its packages.
recipe() {
    # shellcheck disable=SC2086 # the flags are a list
    "$CC" $CFLAGS -I. -c protobuf-c/protobuf-c.c -o protobuf-c.o
    "$AR" rc libprotobuf-c.a protobuf-c.o
    mkdir -p "$PREFIX/include/protobuf-c"
    cp protobuf-c/protobuf-c.h "$PREFIX/include/protobuf-c/"
    cp libprotobuf-c.a "$PREFIX/lib/"
    write_pc libprotobuf-c "$(upstream_version)" 'Protocol buffers in C' -lprotobuf-c
}
