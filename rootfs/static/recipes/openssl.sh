# SPDX-License-Identifier: Apache-2.0
# OpenSSL: TLS 1.2 and 1.3, X.509, PEM, PKCS#8, EC (P-256, P-384, P-521), RSA, X25519, Ed25519, AES-GCM, AES key wrap,
# ChaCha20-Poly1305, SHA-1/2/3, HMAC, HKDF. The assembler stays: without it AES reads tables at secret indices.
# Its AVX and AVX-512 variants go, 0.8 MB for a program that moves kilobytes (one AES-GCM file alone is 700 KB): the generators ask
# the compiler for the assembler's version, and no answer means an old assembler. AES-NI, PCLMULQDQ and SSE variants remain.
# no-filenames keeps source paths out of the binary; OPENSSLDIR points nowhere, so that no host file adds a CA or a setting.
recipe() {
    local off=(
        apps tests docs shared pic dso module engine autoload-config async ui-console legacy afalgeng comp
        ssl3 tls1 tls1_1 dtls dgram quic srtp sctp srp psk nextprotoneg ssl-trace tls-deprecated-ec integrity-only-ciphers ktls multiblock
        ct cmp cms ts ocsp http rfc3779 filenames thread-pool
        ml-kem ml-dsa slh-dsa argon2 blake2 aria bf camellia cast des dh dsa ec2m gost idea md4 mdc2 ocb rc2 rc4 rmd160
        scrypt seed siphash siv cmac sm2 sm3 sm4 whirlpool
    )
    grep -rlF '`$ENV{CC} -Wa,-v' crypto --include='*-x86_64.pl' --include='*avx*.pl' --exclude-dir=perlasm >asm-generators
    xargs sed -i 's/`$ENV{CC} -Wa,-v/`false -Wa,-v/' <asm-generators
    # shellcheck disable=SC2086 # the flags are a list
    perl Configure "linux-$(uname -m)" "${off[@]/#/no-}" --prefix=/usr --openssldir=/nonexistent/ssl \
        -DOPENSSL_SMALL_FOOTPRINT $CFLAGS
    make -j"$JOBS" build_libs
    mkdir -p "$PREFIX/include/openssl"
    cp include/openssl/*.h "$PREFIX/include/openssl/"
    cp libcrypto.a libssl.a "$PREFIX/lib/"
    local version
    version=$(upstream_version)
    write_pc libcrypto "$version" 'OpenSSL, cryptography' -lcrypto
    write_pc libssl "$version" 'OpenSSL, TLS' -lssl libcrypto
    write_pc openssl "$version" 'OpenSSL' '' 'libssl libcrypto'
}
