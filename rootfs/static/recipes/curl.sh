# SPDX-License-Identifier: Apache-2.0
# libcurl: http and https over TCP and unix sockets, HTTP/2, threaded resolver. No cookies, no proxy, no CA bundle of its own,
# nothing read from the environment: the caller pins its CA, or TLS fails.
recipe() {
    # The only way to switch off the TLS key log: no configure option reaches it, and the host may write our environment.
    grep -q 'curl_getenv("SSLKEYLOGFILE")' lib/vtls/keylog.c
    sed -i 's/curl_getenv("SSLKEYLOGFILE")/NULL/' lib/vtls/keylog.c

    local off=(
        dict file ftp gopher imap ipfs ldap ldaps mqtt pop3 rtsp smb smtp telnet tftp websockets
        alt-svc aws basic-auth bearer-auth digest-auth kerberos-auth negotiate-auth ntlm tls-srp hsts cookies netrc proxy doh ech httpsrr
        ca-search dnsshuffle form-api mime sha512-256 ssls-export get-easy-options libcurl-option progress-meter verbose
        openssl-auto-load-config manual docs shared debug curldebug dependency-tracking
    )
    local without=(
        ca-bundle ca-path ca-fallback ca-embed brotli zlib zstd libpsl libidn2 libgsasl librtmp libssh libssh2 libuv nghttp3 ngtcp2
        openssl-quic quiche
    )
    autoreconf -fi
    ./configure --host="$(uname -m)-linux-musl" --prefix="$PREFIX" --enable-static --enable-http --enable-ipv6 --enable-unix-sockets \
        --enable-threaded-resolver --with-openssl --with-nghttp2 "${off[@]/#/--disable-}" "${without[@]/#/--without-}" CPPFLAGS=-DNGHTTP2_STATICLIB
    make -C lib -j"$JOBS" V=1
    make -C include install
    cp lib/.libs/libcurl.a "$PREFIX/lib/"
    write_pc libcurl "$(upstream_version)" 'HTTP client library' -lcurl 'libssl libcrypto libnghttp2'
    sed -i 's/^Cflags:.*/& -DCURL_STATICLIB/' "$PREFIX/lib/pkgconfig/libcurl.pc"
}
