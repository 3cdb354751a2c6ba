/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Servers for the HTTP tests: forked children on loopback (or a unix socket) that
 * do exactly what a test wants, rules or no rules. Anything that fails here aborts
 * the test program.
 */
#ifndef SEALPOD_TESTS_HTTP_PEER_H
#define SEALPOD_TESTS_HTTP_PEER_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/http.h"
#include "pki.h"

/* pki_issue() with times relative to the real clock, as OpenSSL judges by it.
 * `san` NULL: a CA. `issuer` NULL: self-signed. */
struct pki_node peer_certificate(const char *cn, const char *san, const struct pki_node *issuer, long from, long until);

struct peer_conn {
	int fd;
	SSL *ssl; /* NULL: plain */
	unsigned number;
	const struct peer_setup *setup;
};

struct peer_setup {
	void (*serve)(struct peer_conn *conn); /* one connection; it is closed afterwards */
	const struct pki_node *identity;       /* with TLS */
	const struct pki_node *client_ca;      /* ask for a client certificate of this CA */
	const char *unix_path;
	bool http2;   /* choose "h2" by ALPN */
	void *shared; /* for serve() */
};

struct peer {
	pid_t pid;
	int port;
	char url[64]; /* http(s)://127.0.0.1:port, or http://localhost with a unix socket */
};

struct peer peer_start(const struct peer_setup *setup);
void peer_stop(struct peer *peer);

/* Reads until `size` bytes are there; false at the end of the connection. */
bool peer_read(struct peer_conn *conn, void *data, size_t size);
bool peer_write(struct peer_conn *conn, const void *data, size_t size);
bool peer_say(struct peer_conn *conn, const char *text);

/* Waits until the client closes. */
void peer_hang(struct peer_conn *conn);

/* Ends TLS without its closing message, as a cut line would. */
void peer_cut(struct peer_conn *conn);

/* Head of one HTTP/1.1 request, and its body by Content-Length; false at the end. */
struct peer_request {
	char head[32768];
	char path[8300];
	char body[1200000];
	size_t body_len;
};
bool peer_read_request(struct peer_conn *conn, struct peer_request *request);

/* Memory that a server and its test both see. */
void *peer_shared(size_t size);

/* The routes of http_routes.c. */
void serve_routes(struct peer_conn *conn);

#endif
