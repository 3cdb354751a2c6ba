# SPDX-License-Identifier: Apache-2.0
# tpm2-tss: ESYS and what it stands on, over the device TCTI and no other. Its configure wants autoconf-archive and asks for
# programs that we leave out; the libraries are plain C files and need to know four things. Logging is compiled out (it can
# print session keys, switched by an environment variable), and no TCTI is loaded at run time.
recipe() {
    local version define sources
    version=$(upstream_version)
    define=(-DMAXLOGLEVEL=0 -DOSSL -DTCTI_DEVICE -D_GNU_SOURCE)
    sources=(
        src/tss2-mu/*.c src/tss2-sys/sysapi_util.c src/tss2-sys/api/*.c src/tss2-esys/esys_*.c src/tss2-esys/api/*.c src/tss2-rc/tss2_rc.c
        src/tss2-tcti/tcti-common.c src/tss2-tcti/tcti-device.c src/tss2-tcti/tctildr.c src/tss2-tcti/tctildr-nodl.c src/util-io/io.c
    )
    # shellcheck disable=SC2086 # the flags are a list
    printf '%s\n' "${sources[@]}" | grep -v mbed | xargs -P "$JOBS" -I '{}' "$CC" $CFLAGS "${define[@]}" -w -std=gnu99 \
        -Iinclude/tss2 -Iinclude -Isrc -Isrc/tss2-mu -Isrc/tss2-sys -Isrc/tss2-esys -I"$PREFIX/include" -c '{}' -o '{}.o'
    mkdir -p "$PREFIX/include/tss2"
    cp include/tss2/*.h "$PREFIX/include/tss2/"
    archive mu src/tss2-mu/*.o
    archive sys src/tss2-sys/*.o src/tss2-sys/api/*.o
    archive esys src/tss2-esys/*.o src/tss2-esys/api/*.o
    archive rc src/tss2-rc/*.o
    archive tcti-device src/tss2-tcti/tcti-*.o src/util-io/io.c.o
    archive tctildr src/tss2-tcti/tctildr*.o
    write_pc tss2-mu "$version" 'TPM 2.0, marshalling' -ltss2-mu
    write_pc tss2-sys "$version" 'TPM 2.0, system interface' -ltss2-sys tss2-mu
    write_pc tss2-tcti-device "$version" 'TPM 2.0, device' -ltss2-tcti-device
    write_pc tss2-tctildr "$version" 'TPM 2.0, list of transports' -ltss2-tctildr tss2-tcti-device
    write_pc tss2-rc "$version" 'TPM 2.0, texts of response codes' -ltss2-rc
    write_pc tss2-esys "$version" 'TPM 2.0, enhanced system interface' -ltss2-esys 'tss2-sys tss2-mu tss2-tctildr libcrypto'
}

archive() {
    local name=$1
    shift
    "$AR" rc "$PREFIX/lib/libtss2-$name.a" "$@"
}
