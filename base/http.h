/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.1 and HTTP/2 over libcurl, which nothing else here may call.
 *
 * One client is one server and at most one kept connection. TLS trusts the
 * pinned CA alone, never the system's; there is no proxy, no redirect unless
 * asked, no cookie engine, no netrc, no decompression; sizes and times are
 * limited. The request's bytes are the caller's; the response is hostile.
 */
#ifndef SEALPOD_BASE_HTTP_H
#define SEALPOD_BASE_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/secret.h"

struct http_client;

struct http_options {
	/* "http://host[:port]" or "https://…", without path, query, user or fragment. */
	const char *base_url;
	/* PEM of the CA certificates that may sign the server's; required for https,
	 * must be empty for http. */
	struct bytes ca_pem;
	/* Instead of by the host's name the server is known by this URI ("spiffe://…"): its certificate must have it as
	 * its only URI SAN. NULL: by the name. */
	const char *server_uri;
	/* Absolute path of a unix socket to talk to instead of TCP; NULL for none. The
	 * base URL's host is then only what the Host header says. */
	const char *unix_socket;
	const char *user_agent;
	/* h2c, as gRPC on unix sockets wants. With libcurl before 8.0 no such connection
	 * is kept: each request opens one. */
	bool http2_prior_knowledge;
	/* How many redirects to follow, for GET and HEAD, to the same scheme, host and
	 * port only (ERR_PROTOCOL otherwise); 0: a redirect is an answer like any other. */
	unsigned redirects;
	int64_t connect_timeout_ms; /* 0: 10 s */
	int64_t request_timeout_ms; /* one request in all; 0: 60 s; < 0: none but the deadline */
	/* A descriptor that ends each request (ERR_TIMEOUT) while it is readable, for a thread that
	 * others must be able to end; must stay. NULL for none. */
	const int *stop_fd;
	/* Called with OpenSSL's SSL_CTX of each new connection, to set a client certificate
	 * and key. Returns 0, or -1 with err filled, which http_perform() hands on. It must
	 * leave the verification alone. NULL for none. */
	int (*client_certificate)(void *ssl_ctx, void *arg, struct err *err);
	void *client_certificate_arg;
};

struct http_header {
	const char *name;
	const char *value;
};

/* Limits on an answer's headers and trailers together: lines, and bytes as they
 * stand in http_response.headers. */
#define HTTP_MAX_HEADERS 64
#define HTTP_MAX_HEADER_BYTES 16384
/* Longest value of a request's header: tokens that carry evidence are long. */
#define HTTP_MAX_VALUE (256u * 1024u)
/* Longest request path, query included. */
#define HTTP_MAX_PATH 8192

struct http_request {
	const char *method; /* "GET", "POST", … */
	const char *path;   /* begins with '/'; sent as it is: printable ASCII without '#' */
	/* A value may be secret (a token): no message quotes it. */
	const struct http_header *headers;
	size_t header_count;
	struct bytes body; /* not copied; no content type is made up for it */
	/* Streaming: called for each piece of the body as it arrives, when the response's
	 * status and headers are there already; the body is not kept and may be of any
	 * length. 0: go on. Negative: stop, http_perform() fails with the err that the
	 * callback filled. Positive: enough, http_perform() returns 0 with what came so
	 * far. Either stop closes the connection. */
	int (*on_data)(struct bytes piece, void *arg, struct err *err);
	void *on_data_arg;
	/* How long the first piece of the body may take, or the whole answer if it has none;
	 * 0: no limit beside the others. For streams, which afterwards may be silent for days. */
	int64_t first_piece_ms;
};

struct http_response {
	int status;
	/* How many seconds this machine's clock (CLOCK_REALTIME) was behind the server's when the headers came, by
	 * their Date, whose unit is the second; negative: ahead. */
	bool clock_known;
	int64_t clock_behind;
	struct buf headers; /* "name: value\n" lines, names in lower case; trailers (gRPC) appended */
	struct buf body;    /* set .max before the call */
	/* If set (and allocated by the caller, whose it stays), the body goes there and
	 * nowhere else, and its capacity is the limit. */
	struct secret *secret_body;
};

#define HTTP_RESPONSE_INIT(max_body)                                                                                   \
	{                                                                                                              \
		.status = 0, .headers = BUF_INIT(HTTP_MAX_HEADER_BYTES), .body = BUF_INIT(max_body),                   \
		.secret_body = NULL                                                                                    \
	}
#define OWNED_RESPONSE CLEANUP(http_response_done)
void http_response_done(struct http_response *response);

int http_client_new(const struct http_options *options, struct http_client **ret_client, struct err *err) WARN_UNUSED;
void http_client_free(struct http_client *client);
void http_client_cleanup(struct http_client **client);
#define OWNED_HTTP CLEANUP(http_client_cleanup)

/* One request. 0 whenever a whole response arrived, whatever its status. Otherwise:
 * ERR_NETWORK (refused, DNS, reset, cut), ERR_TIMEOUT, ERR_TLS (not the pinned
 * CA, wrong name), ERR_CLOCK (the server's certificate is expired or not yet
 * valid), ERR_PROTOCOL (not HTTP, too large, a TLS alert), ERR_CONFIG (a path or
 * header that cannot be sent). What the response held before is gone in any case,
 * and after a failure it is empty (secret_body: wiped). A connection on which a
 * transfer failed is never used again. A `deadline` of NULL: none. A request on a kept connection which
 * the server closes unanswered is sent once more on a new one. */
int http_perform(struct http_client *client, const struct http_request *request, const struct deadline *deadline,
		 struct http_response *response, struct err *err) WARN_UNUSED;

/* The first value of a header (name in lower case) becomes the content of `out`;
 * false, and `out` empty, if it is absent or longer than out->max. */
bool http_header_get(const struct http_response *response, const char *name, struct buf *out);

/* A Date header's value (IMF-fixdate) as seconds since 1970; false if it is anything else. */
bool http_date_parse(struct bytes text, int64_t *ret_seconds);

/* How many connections this client has opened so far. */
unsigned http_connections(const struct http_client *client);

/* Is this an acceptable base URL? For checking configuration before any packet. */
int http_check_url(const char *url, bool *ret_tls, struct err *err) WARN_UNUSED;

/* The server that a base URL names. */
struct http_host {
	char name[254]; /* an IPv6 address stands without its brackets */
	uint16_t port;
};

int http_split_url(const char *url, struct http_host *ret_host, struct err *err) WARN_UNUSED;

/* Is this a pinned CA as http_options wants it? One CERTIFICATE block or more, nothing else. */
int http_check_ca(struct bytes pem, struct err *err) WARN_UNUSED;

/* Once per process, after wipe_install() and before threads; more often does
 * nothing. Takes SSLKEYLOGFILE out of the environment: libcurl would write the
 * session keys there. */
int http_setup(struct err *err) WARN_UNUSED;

/* Gives back what http_setup() took, when all clients are freed. */
void http_teardown(void);

#endif
