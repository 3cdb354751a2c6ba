/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP client: its life, and the loop that drives one request.
 *
 * libcurl's multi interface under a loop of our own, so that one deadline rules
 * name resolution, handshake and answer alike, and so that the sockets can be told
 * to acknowledge at once (http_socket.c). The easy handle lives for one exchange,
 * so that its buffers are wiped after each; the multi handle keeps the connection.
 * A connection on which anything failed is never used again.
 */
#include "base/http_internal.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <string.h>

#include "base/wipe.h"

#define REQUEST_TIMEOUT_MS 60000
#define CA_MAX (1024u * 1024u)

static bool is_set_up;

int http_setup(struct err *err)
{
	if (is_set_up)
		return 0;
	(void)unsetenv("SSLKEYLOGFILE");
	if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1)
		return err_set(err, ERR_SYSTEM, "OpenSSL cannot start");
	CURLcode result = curl_global_init_mem(CURL_GLOBAL_DEFAULT, wipe_malloc, wipe_free, wipe_realloc, wipe_strdup,
					       wipe_calloc);
	if (result != CURLE_OK)
		return err_set(err, ERR_SYSTEM, "libcurl cannot start: %s", curl_easy_strerror(result));
	is_set_up = true;
	return http_tls_setup(err);
}

void http_teardown(void)
{
	if (is_set_up)
		curl_global_cleanup();
	is_set_up = false;
}

/* Copies `text` (NULL stays NULL). */
static int keep_text(char **to, const char *text, struct err *err)
{
	*to = text ? strdup(text) : NULL;
	return text && !*to ? err_set(err, ERR_SYSTEM, "out of memory") : 0;
}

static int keep_peer(struct http_client *client, struct err *err)
{
	if (client->unix_socket)
		return keep_text(&client->peer, client->unix_socket, err);
	OWNED_BUF struct buf peer = BUF_INIT(HTTP_HOST_MAX + 16);
	if (buf_printf(&peer, err, "%s%s%s:%u", client->url.ipv6 ? "[" : "", client->url.host,
		       client->url.ipv6 ? "]" : "", (unsigned)client->url.port) < 0)
		return -1;
	return keep_text(&client->peer, buf_text(&peer), err);
}

static int keep_ca(struct http_client *client, struct bytes pem, struct err *err)
{
	if (!client->url.tls)
		return pem.len == 0 ? 0
				    : err_set(err, ERR_CONFIG,
					      "'%s' is not encrypted, but a CA is pinned for it; write 'https://' or "
					      "leave out "
					      "the CA",
					      client->base_url);
	if (pem.len == 0)
		return err_set(err, ERR_CONFIG, "'%s' needs a pinned CA: no other is trusted", client->base_url);
	client->ca_pem = (struct buf)BUF_INIT(CA_MAX);
	if (buf_append(&client->ca_pem, pem, err) < 0)
		return err_wrap(err, "the pinned CA for '%s'", client->base_url);
	return http_check_ca(pem, err) < 0 ? err_wrap(err, "'%s'", client->base_url) : 0;
}

static int fill(struct http_client *client, const struct http_options *options, struct err *err)
{
	if (http_url_parse(options->base_url, &client->url, err) < 0)
		return -1;
	if (options->unix_socket && options->unix_socket[0] != '/')
		return err_set(err, ERR_CONFIG, "the socket '%s' must be an absolute path", options->unix_socket);
	if (keep_text(&client->base_url, options->base_url, err) < 0 ||
	    keep_text(&client->unix_socket, options->unix_socket, err) < 0 ||
	    keep_text(&client->server_uri, options->server_uri, err) < 0 ||
	    keep_text(&client->user_agent, options->user_agent, err) < 0 || keep_peer(client, err) < 0)
		return -1;
	client->http2_prior_knowledge = options->http2_prior_knowledge;
	client->redirects = options->redirects;
	client->connect_timeout_ms = options->connect_timeout_ms;
	client->request_timeout_ms = options->request_timeout_ms;
	client->stop_fd = options->stop_fd;
	client->client_certificate = options->client_certificate;
	client->client_certificate_arg = options->client_certificate_arg;
	return keep_ca(client, options->ca_pem, err);
}

int http_client_new(const struct http_options *options, struct http_client **ret_client, struct err *err)
{
	if (http_setup(err) < 0)
		return -1;
	OWNED_HTTP struct http_client *client = calloc(1, sizeof(*client));
	if (!client)
		return err_set(err, ERR_SYSTEM, "out of memory");
	http_socket_init(client);
	if (fill(client, options, err) < 0)
		return -1;
	*ret_client = TAKE_PTR(client);
	return 0;
}

static void drop_connection(struct http_client *client)
{
	(void)curl_multi_cleanup(client->multi);
	client->multi = NULL;
	/* libcurl leaves things in OpenSSL's queue that the next reader would take for its own. */
	ERR_clear_error();
}

void http_client_free(struct http_client *client)
{
	if (!client)
		return;
	drop_connection(client);
	buf_done(&client->ca_pem);
	free(client->base_url);
	free(client->server_uri);
	free(client->peer);
	free(client->unix_socket);
	free(client->user_agent);
	free(client);
}

void http_client_cleanup(struct http_client **client)
{
	http_client_free(*client);
	*client = NULL;
}

unsigned http_connections(const struct http_client *client)
{
	return client->connections;
}

static int need_multi(struct http_client *client, struct err *err)
{
	if (client->multi)
		return 0;
	client->multi = curl_multi_init();
	if (!client->multi)
		return err_set(err, ERR_SYSTEM, "out of memory");
	(void)curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, 1L);
	return 0;
}

static int multi_failed(CURLMcode code, struct err *err)
{
	return err_set(err, ERR_SYSTEM, "libcurl stumbled: %s", curl_multi_strerror(code));
}

/* The one transfer is over: what became of it? */
static int conclude(struct http_transfer *transfer, struct err *err)
{
	int left;
	const CURLMsg *message = curl_multi_info_read(transfer->client->multi, &left);
	CURLcode result = message ? message->data.result : CURLE_FAILED_INIT;
	if (transfer->enough)
		return 0;
	/* libcurl calls it a success when the line is cut within the headers. */
	if (result == CURLE_OK && (transfer->blocks == 0 || transfer->in_block))
		result = CURLE_PARTIAL_FILE;
	return result == CURLE_OK ? 0 : http_error_explain(transfer, result, err);
}

/* When to give up waiting as things stand. */
static int64_t end_of_wait(const struct http_transfer *transfer)
{
	int64_t first = transfer->request->first_piece_ms;
	if (first <= 0 || transfer->body_bytes > 0 || first > transfer->end_ms - transfer->started_ms)
		return transfer->end_ms;
	return transfer->started_ms + first;
}

static int drive(struct http_transfer *transfer, struct err *err)
{
	CURLM *multi = transfer->client->multi;
	const int *stop_fd = transfer->client->stop_fd;
	struct curl_waitfd stop = { .fd = stop_fd ? *stop_fd : -1, .events = CURL_WAIT_POLLIN };
	for (;;) {
		int running = 0;
		CURLMcode code = curl_multi_perform(multi, &running);
		if (code != CURLM_OK)
			return multi_failed(code, err);
		if (running == 0)
			return conclude(transfer, err);
		int64_t left = end_of_wait(transfer) - clock_now_ms();
		if (left <= 0)
			return http_error_timeout(transfer, err);
		http_socket_quick_ack(transfer->client);
		/* Wakes earlier for libcurl's own timers. */
		code = curl_multi_poll(multi, &stop, stop_fd ? 1 : 0, left < INT_MAX ? (int)left : INT_MAX, NULL);
		if (code != CURLM_OK)
			return multi_failed(code, err);
		if (stop.revents)
			return http_error_stopped(transfer, err);
	}
}

static void count_connections(struct http_transfer *transfer)
{
	long opened = 0;
	(void)curl_easy_getinfo(transfer->easy, CURLINFO_NUM_CONNECTS, &opened);
	transfer->client->connections += opened > 0 ? (unsigned)opened : 0;
}

static int exchange(struct http_transfer *transfer, struct err *err)
{
	if (http_request_prepare(transfer, err) < 0)
		return -1;
	CURLMcode code = curl_multi_add_handle(transfer->client->multi, transfer->easy);
	if (code != CURLM_OK)
		return multi_failed(code, err);
	int rc = drive(transfer, err);
	count_connections(transfer);
	(void)curl_multi_remove_handle(transfer->client->multi, transfer->easy);
	return rc;
}

static int one_hop(struct http_transfer *transfer, struct err *err)
{
	struct http_client *client = transfer->client;
	client->verify = (struct http_verify){ .code = 0 };
	client->alert = 0;
	if (need_multi(client, err) < 0)
		return -1;
	transfer->easy = curl_easy_init();
	if (!transfer->easy)
		return err_set(err, ERR_SYSTEM, "out of memory");
	int rc = exchange(transfer, err);
	curl_easy_cleanup(transfer->easy);
	curl_slist_free_all(transfer->headers);
	if (rc < 0 || transfer->enough)
		drop_connection(client);
	ERR_clear_error();
	return rc;
}

static int64_t end_of_request(const struct http_client *client, const struct deadline *deadline, int64_t now)
{
	int64_t most = client->request_timeout_ms ? client->request_timeout_ms : REQUEST_TIMEOUT_MS;
	int64_t end = most < 0 || most > INT64_MAX - now ? INT64_MAX : now + most;
	return deadline && deadline->at_ms < end ? deadline->at_ms : end;
}

/* Replaces `path` by where the redirect in `response` leads. */
static int next_path(const struct http_transfer *transfer, unsigned hop, struct buf *path, struct err *err)
{
	if (hop >= transfer->client->redirects)
		return err_set(err, ERR_PROTOCOL, "more than %u redirects", transfer->client->redirects);
	OWNED_BUF struct buf location = BUF_INIT(HTTP_MAX_HEADER_BYTES);
	(void)http_header_get(transfer->response, "location", &location);
	buf_done(path);
	return http_url_redirect(&transfer->client->url, buf_text(&location), path, err);
}

static int follow(struct http_transfer *transfer, struct err *err)
{
	OWNED_BUF struct buf path = BUF_INIT(HTTP_MAX_PATH);
	if (buf_append_text(&path, transfer->request->path, err) < 0)
		return -1;
	const struct http_transfer fresh = *transfer;
	for (unsigned hop = 0;; hop++) {
		*transfer = fresh;
		transfer->path = buf_text(&path);
		http_response_clear(transfer->response);
		if (one_hop(transfer, err) < 0)
			return -1;
		if (!transfer->follow)
			return 0;
		if (next_path(transfer, hop, &path, err) < 0)
			return err_wrap(err, "the answer of '%s' to %s '%s'", transfer->client->peer,
					transfer->request->method, transfer->request->path);
	}
}

int http_perform(struct http_client *client, const struct http_request *request, const struct deadline *deadline,
		 struct http_response *response, struct err *err)
{
	http_response_clear(response);
	if (http_request_check(request, err) < 0)
		return -1;
	if (response->secret_body && !response->secret_body->data)
		return err_set(err, ERR_SYSTEM, "no memory was allocated for a secret body");
	int64_t now = clock_now_ms();
	struct http_transfer transfer = {
		.client = client,
		.request = request,
		.response = response,
		.started_ms = now,
		.end_ms = end_of_request(client, deadline, now),
	};
	int rc = follow(&transfer, err);
	if (rc < 0)
		http_response_clear(response);
	return rc;
}
