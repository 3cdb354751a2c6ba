# SPDX-License-Identifier: Apache-2.0
# The tool chain in the prefix: gcc with specs for musl and static-pie, a deterministic ar, meson's description of both.
# Everything here is written by us from fixed text and the compiler's own answers.
# Must never let a header or library of the machine's glibc into the build: only the kernel's UAPI headers, and those last.

# PIE code is position independent code that is never preloaded over: all that static-pie needs, and smaller than -fPIC.
# The hardening flags are those of the program itself, for the libraries read what the network sends.
dep_cflags='-Os -fPIE -ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables -fno-unwind-tables -fstack-protector-strong -fstack-clash-protection -ftrivial-auto-var-init=zero -g0'

write_specs() {
    local musl=$1 file=$2
    cat >"$file" <<END
%include <$musl/musl-gcc.specs>

*startfile:
$musl/rcrt1.o $musl/crti.o crtbeginS.o%s

*endfile:
crtendS.o%s $musl/crtn.o

*link:
-static -pie --no-dynamic-linker -z text -z relro -z now -z noexecstack -nostdlib
END
}

# The compiler maps its build directory away by environment, not by CFLAGS: OpenSSL and others print CFLAGS into their objects.
write_compiler() {
    local file=$1 root=$2
    cat >"$file" <<END
#!/bin/sh
exec gcc "\$@" -specs "$root/lib/musl-static-pie.specs" -idirafter "$root/include-kernel" \\
    \${SEALPOD_MAP_FROM:+"-ffile-prefix-map=\$SEALPOD_MAP_FROM=\$SEALPOD_MAP_TO"}
END
    chmod +x "$file"
}

write_ar() {
    printf '#!/bin/sh\nmode=$1\nshift\ncase $mode in --*|*D*) ;; *) mode=${mode}D ;; esac\nexec ar "$mode" "$@"\n' >"$1/sealpod-ar"
    printf '#!/bin/sh\nexec ranlib -D "$@"\n' >"$1/sealpod-ranlib"
    chmod +x "$1/sealpod-ar" "$1/sealpod-ranlib"
}

write_meson_file() {
    local file=$1 root=$2 cpu=$3
    cat >"$file" <<END
[binaries]
c = '$root/bin/sealpod-cc'
ar = 'ar'
strip = 'strip'
pkg-config = 'pkg-config'
pkgconfig = 'pkg-config'

[host_machine]
system = 'linux'
cpu_family = '$cpu'
cpu = '$cpu'
endian = 'little'

[properties]
needs_exe_wrapper = false
pkg_config_libdir = '$root/lib/pkgconfig'

[built-in options]
c_args = ['-ffunction-sections', '-fdata-sections']
c_link_args = ['-static-pie', '-Wl,--gc-sections']
b_pie = true
default_library = 'static'
prefer_static = true
END
}

# write_toolchain DIR ROOT: files go to DIR, and name each other as lying in ROOT.
write_toolchain() {
    local dir=$1 root=$2 cpu multiarch musl
    cpu=$(uname -m) multiarch=$(gcc -print-multiarch) musl=/usr/lib/$(uname -m)-linux-musl
    [ -r "$musl/rcrt1.o" ] || die "'$musl/rcrt1.o' is missing: this musl cannot make static-pie"
    mkdir -p "$dir/include-kernel"
    ln -sfn /usr/include/linux "$dir/include-kernel/linux"
    ln -sfn /usr/include/asm-generic "$dir/include-kernel/asm-generic"
    ln -sfn "/usr/include/$multiarch/asm" "$dir/include-kernel/asm"
    write_specs "$musl" "$dir/lib/musl-static-pie.specs"
    write_compiler "$dir/bin/sealpod-cc" "$root"
    write_ar "$dir/bin"
    write_meson_file "$dir/meson-static.ini" "$root" "$cpu"
}

# write_pc NAME VERSION DESCRIPTION LIBS [REQUIRES]: for libraries whose own install step is skipped.
write_pc() {
    cat >"$PREFIX/lib/pkgconfig/$1.pc" <<END
prefix=\${pcfiledir}/../..
libdir=\${prefix}/lib
includedir=\${prefix}/include

Name: $1
Description: $3
Version: $2
Requires: ${5:-}
Libs: -L\${libdir} $4
Cflags: -I\${includedir}
END
}

# The version of the library itself, without Debian's revision.
upstream_version() { dpkg-parsechangelog -S Version | sed 's/^[0-9]*://; s/-[^-]*$//; s/[+~]dfsg.*//'; }
