/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the base/http*.c files share, and the switch that their test needs. For
 * nobody else.
 */
#ifndef SEALPOD_BASE_HTTP_INTERNAL_H
#define SEALPOD_BASE_HTTP_INTERNAL_H

#include <curl/curl.h>

#include "base/http.h"

#define HTTP_HOST_MAX 253

struct http_url {
	bool tls;
	bool ipv6;
	char host[HTTP_HOST_MAX + 1]; /* an IPv6 address stands without its brackets */
	uint16_t port;
};

int http_url_parse(const char *text, struct http_url *ret_url, struct err *err) WARN_UNUSED;
int http_url_check_path(const char *path, struct err *err) WARN_UNUSED;

/* The path that `location` names on the same server, appended to `path`; any
 * other server is ERR_PROTOCOL. */
int http_url_redirect(const struct http_url *from, const char *location, struct buf *path, struct err *err) WARN_UNUSED;

/* Why OpenSSL refused the server's certificate; `code` 0 (X509_V_OK): it did not. */
struct http_verify {
	int code;
	bool stranger; /* it lacks the URI that the server must have */
	char subject[256];
	char not_before[32], not_after[32]; /* RFC 3339 */
	int64_t outside; /* seconds that our clock is past the end of the window; negative: before its beginning */
};

#define HTTP_MAX_SOCKETS 8

struct http_client {
	CURLM *multi; /* keeps the connection; NULL until needed and after a failure */
	struct http_url url;
	char *base_url;
	char *peer; /* "host:port" or the socket's path, for messages */
	char *unix_socket;
	char *user_agent;
	struct buf ca_pem;
	char *server_uri; /* NULL: the host's name counts */
	bool http2_prior_knowledge;
	unsigned redirects;
	int64_t connect_timeout_ms;
	int64_t request_timeout_ms;
	const int *stop_fd; /* NULL: none */
	int (*client_certificate)(void *ssl_ctx, void *arg, struct err *err);
	void *client_certificate_arg;
	unsigned connections;
	struct http_verify verify;
	int alert;		       /* the TLS alert that the server ended the connection with, 0 for none */
	int sockets[HTTP_MAX_SOCKETS]; /* open ones, -1 in free places */
	bool quick_ack;
};

/* One request and its answer, a redirect's hop being one of its own. Lives on
 * the stack of http_perform(). */
struct http_transfer {
	struct http_client *client;
	const struct http_request *request;
	const char *path;
	struct http_response *response;
	int64_t started_ms;
	int64_t end_ms;
	CURL *easy;
	struct curl_slist *headers;
	char curl_text[CURL_ERROR_SIZE];
	struct err err;	      /* what a callback failed with; code 0 if none did */
	bool err_from_caller; /* … and that callback was the caller's own */
	bool enough;	      /* on_data wants no more */
	bool http1;	      /* the answer is HTTP/1, whose bodies can end unmarked */
	bool in_block;	      /* between a status line and its empty line */
	unsigned blocks;      /* header blocks so far, informational ones included */
	unsigned header_lines;
	bool follow; /* a redirect to follow: its body is dropped */
	uint64_t body_bytes;
};

/* http_request.c: everything that is set on an easy handle. */
int http_request_check(const struct http_request *request, struct err *err) WARN_UNUSED;
int http_request_prepare(struct http_transfer *transfer, struct err *err) WARN_UNUSED;

/* http_body.c: libcurl's callbacks for header lines and pieces of the body. */
size_t http_on_header(char *line, size_t size, size_t count, void *transfer);
size_t http_on_body(char *data, size_t size, size_t count, void *transfer);
void http_response_clear(struct http_response *response);

/* http_date.c: what the Date among the headers says of our clock. */
void http_date_note(struct http_response *response);

/* http_tls.c */
int http_tls_setup(struct err *err) WARN_UNUSED;
CURLcode http_tls_on_context(CURL *easy, void *ssl_ctx, void *transfer);

/* http_socket.c: libcurl's callbacks for sockets, and the cure for the stall. */
void http_socket_init(struct http_client *client);
curl_socket_t http_socket_open(void *client, curlsocktype purpose, struct curl_sockaddr *address);
int http_socket_close(void *client, curl_socket_t fd);
void http_socket_quick_ack(const struct http_client *client);

/* http_error.c: libcurl's verdict in our words; each returns -1. */
int http_error_explain(const struct http_transfer *transfer, CURLcode result, struct err *err);
int http_error_timeout(const struct http_transfer *transfer, struct err *err);
int http_error_stopped(const struct http_transfer *transfer, struct err *err);

/* For the test that shows the stall: off leaves acknowledgements to the kernel. */
void http_client_quick_ack(struct http_client *client, bool on);

#endif
