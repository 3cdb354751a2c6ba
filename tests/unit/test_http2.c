/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/http over HTTP/2: by prior knowledge on a unix socket, as gRPC wants it,
 * and by ALPN. The server writes its frames by hand (RFC 9113, and RFC 7541 without
 * compression), so that each can be wrong; it does not read the client's headers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>
#include <stdio.h>
#include <unistd.h>

#include "base/http_internal.h"
#include "base/wipe.h"
#include "http_peer.h"

enum { DATA = 0, HEADERS = 1, RST_STREAM = 3, SETTINGS = 4, PING = 6, GOAWAY = 7 };
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4 };

static bool put_frame(struct peer_conn *conn, int type, int flags, uint32_t stream, struct bytes payload)
{
	uint8_t head[9] = { (uint8_t)(payload.len >> 16),
			    (uint8_t)(payload.len >> 8),
			    (uint8_t)payload.len,
			    (uint8_t)type,
			    (uint8_t)flags,
			    (uint8_t)(stream >> 24),
			    (uint8_t)(stream >> 16),
			    (uint8_t)(stream >> 8),
			    (uint8_t)stream };
	return peer_write(conn, head, sizeof(head)) &&
	       (payload.len == 0 || peer_write(conn, payload.data, payload.len));
}

/* A literal field without indexing; names and values are short here. */
static void add_field(struct buf *block, const char *name, const char *value)
{
	assert_true(strlen(name) < 127 && strlen(value) < 127);
	if (buf_printf(block, NULL, "%c%c%s%c%s", 0, (int)strlen(name), name, (int)strlen(value), value) < 0)
		abort();
}

static bool put_headers(struct peer_conn *conn, uint32_t stream, int flags, const struct buf *block)
{
	return put_frame(conn, HEADERS, flags | END_HEADERS, stream, buf_bytes(block));
}

static bool put_start(struct peer_conn *conn, uint32_t stream)
{
	OWNED_BUF struct buf block = BUF_INIT(1024);
	add_field(&block, ":status", "200");
	add_field(&block, "content-type", "application/grpc");
	return put_headers(conn, stream, 0, &block);
}

static bool put_trailers(struct peer_conn *conn, uint32_t stream, const char *status, const char *message)
{
	OWNED_BUF struct buf block = BUF_INIT(1024);
	add_field(&block, "grpc-status", status);
	add_field(&block, "grpc-message", message);
	return put_headers(conn, stream, END_STREAM, &block);
}

/* Reads frames until a request is complete; returns its stream, 0 at the end. The
 * request's body is added to `body`. */
static uint32_t read_request(struct peer_conn *conn, struct buf *body)
{
	uint8_t head[9], payload[16384];
	while (peer_read(conn, head, sizeof(head))) {
		size_t len = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
		if (len > sizeof(payload) || !peer_read(conn, payload, len))
			return 0;
		if (head[3] == SETTINGS && !(head[4] & ACK) && !put_frame(conn, SETTINGS, ACK, 0, bytes_of(NULL, 0)))
			return 0;
		if (head[3] == DATA && buf_append(body, bytes_of(payload, len), NULL) < 0)
			return 0;
		if ((head[3] == HEADERS || head[3] == DATA) && (head[4] & END_STREAM))
			return (uint32_t)(head[7] << 8 | head[8]);
	}
	return 0;
}

static bool start(struct peer_conn *conn)
{
	char preface[24];
	return peer_read(conn, preface, sizeof(preface)) && memcmp(preface, "PRI * HTTP/2.0\r\n", 16) == 0 &&
	       put_frame(conn, SETTINGS, 0, 0, bytes_of(NULL, 0));
}

#define LARGE_FIRST 16384
#define LARGE_SECOND 9000

static void add_frame(struct buf *out, int type, int flags, uint32_t stream, struct bytes payload)
{
	const uint8_t head[9] = { (uint8_t)(payload.len >> 16),
				  (uint8_t)(payload.len >> 8),
				  (uint8_t)payload.len,
				  (uint8_t)type,
				  (uint8_t)flags,
				  0,
				  0,
				  (uint8_t)(stream >> 8),
				  (uint8_t)stream };
	if (buf_append(out, bytes_of(head, sizeof(head)), NULL) < 0 || buf_append(out, payload, NULL) < 0)
		abort();
}

/* A whole answer in one write, after libcurl's timer for a second address has passed. */
static void serve_large(struct peer_conn *conn, uint32_t stream)
{
	static const uint8_t zeros[LARGE_FIRST];
	OWNED_BUF struct buf answer = BUF_INIT(65536);
	OWNED_BUF struct buf block = BUF_INIT(1024);
	OWNED_BUF struct buf end = BUF_INIT(1024);
	add_field(&block, ":status", "200");
	add_field(&end, "grpc-status", "0");
	add_frame(&answer, HEADERS, END_HEADERS, stream, buf_bytes(&block));
	add_frame(&answer, DATA, 0, stream, bytes_of(zeros, LARGE_FIRST));
	add_frame(&answer, DATA, 0, stream, bytes_of(zeros, LARGE_SECOND));
	add_frame(&answer, HEADERS, END_HEADERS | END_STREAM, stream, buf_bytes(&end));
	(void)usleep(400000);
	(void)peer_write(conn, answer.data, answer.len);
}

/* What the client's request body asks for. */
static void serve_wish(struct peer_conn *conn, uint32_t stream, const char *wish)
{
	static const char piece[] = "0123456789";
	struct bytes data = bytes_of(piece, 10);
	if (strcmp(wish, "echo") == 0) {
		(void)(put_start(conn, stream) && put_frame(conn, DATA, END_STREAM, stream, bytes_of_text(wish)));
	} else if (strcmp(wish, "stream") == 0) {
		(void)(put_start(conn, stream) && put_frame(conn, DATA, 0, stream, data) &&
		       put_frame(conn, PING, 0, 0, bytes_of(piece, 8)) && put_frame(conn, DATA, 0, stream, data) &&
		       put_trailers(conn, stream, "7", "no identity issued"));
	} else if (strcmp(wish, "large") == 0) {
		serve_large(conn, stream);
	} else if (strcmp(wish, "trailers only") == 0) {
		OWNED_BUF struct buf block = BUF_INIT(1024);
		add_field(&block, ":status", "200");
		add_field(&block, "grpc-status", "12");
		(void)put_headers(conn, stream, END_STREAM, &block);
	} else if (strcmp(wish, "open") == 0) {
		(void)(put_start(conn, stream) && put_frame(conn, DATA, 0, stream, data));
	} else if (strcmp(wish, "cut") == 0) {
		(void)(put_start(conn, stream) && put_frame(conn, DATA, 0, stream, data));
		peer_cut(conn);
	} else if (strcmp(wish, "reset") == 0) {
		(void)(put_start(conn, stream) && put_frame(conn, RST_STREAM, 0, stream, bytes_of("\0\0\0\2", 4)));
	} else if (strcmp(wish, "go away") == 0) {
		(void)put_frame(conn, GOAWAY, 0, 0, bytes_of("\0\0\0\0\0\0\0\0", 8));
		peer_cut(conn);
	} else if (strcmp(wish, "many trailers") == 0) {
		OWNED_BUF struct buf block = BUF_INIT(16384);
		for (int i = 0; i < HTTP_MAX_HEADERS; i++)
			add_field(&block, "x", "y");
		(void)(put_start(conn, stream) && put_frame(conn, DATA, 0, stream, data) &&
		       put_headers(conn, stream, END_STREAM, &block));
	} else if (strcmp(wish, "garbage") == 0) {
		(void)put_frame(conn, HEADERS, END_HEADERS, stream, bytes_of("\xff\xff\xff\xff\xff", 5));
	}
}

static void serve(struct peer_conn *conn)
{
	if (!start(conn))
		return;
	for (;;) {
		OWNED_BUF struct buf wish = BUF_INIT(100);
		uint32_t stream = read_request(conn, &wish);
		if (stream == 0)
			return;
		serve_wish(conn, stream, buf_text(&wish));
	}
}

static struct {
	char dir[32], path[64];
	struct peer peer;
} lab;

static struct http_client *new_client(void)
{
	const struct http_options options = { .base_url = "http://localhost",
					      .unix_socket = lab.path,
					      .http2_prior_knowledge = true,
					      .request_timeout_ms = -1 };
	struct http_client *client = NULL;
	struct err err = { 0 };
	if (http_client_new(&options, &client, &err) < 0)
		fail_msg("%s", err.message);
	return client;
}

static const struct http_header grpc_headers[] = { { "content-type", "application/grpc" }, { "te", "trailers" } };

static int ask(struct http_client *client, const char *wish, struct http_response *response, struct err *err)
{
	struct http_request request = { .method = "POST",
					.path = "/Service/Method",
					.headers = grpc_headers,
					.header_count = ARRAY_LEN(grpc_headers),
					.body = bytes_of_text(wish) };
	struct deadline deadline = deadline_in(20000);
	return http_perform(client, &request, &deadline, response, err);
}

static void must_ask(struct http_client *client, const char *wish, struct http_response *response)
{
	struct err err = { 0 };
	if (ask(client, wish, response, &err) < 0)
		fail_msg("%s: %s", wish, err.message);
}

static void trailers_follow_the_headers(void **state)
{
	(void)state;
	OWNED_HTTP struct http_client *client = new_client();
	OWNED_RESPONSE struct http_response response = HTTP_RESPONSE_INIT(20);
	must_ask(client, "stream", &response);
	assert_int_equal(response.status, 200);
	assert_string_equal(buf_text(&response.body), "01234567890123456789");
	assert_string_equal(buf_text(&response.headers),
			    "content-type: application/grpc\ngrpc-status: 7\ngrpc-message: no identity issued\n");
	must_ask(client, "trailers only", &response);
	assert_string_equal(buf_text(&response.headers), "grpc-status: 12\n");
	assert_int_equal(response.body.len, 0);
	must_ask(client, "echo", &response);
	assert_string_equal(buf_text(&response.body), "echo");
	bool keeps = curl_version_info(CURLVERSION_NOW)->version_num >= 0x080000;
	assert_int_equal(http_connections(client), keeps ? 1 : 3);
}

/* libcurl 7.88 with its own buffer of 16 KiB sees this answer's end 10 s later, by its next timer. */
static void large_answer_ends_when_it_has_come(void **state)
{
	(void)state;
	OWNED_HTTP struct http_client *client = new_client();
	OWNED_RESPONSE struct http_response response = HTTP_RESPONSE_INIT(65536);
	int64_t started = clock_now_ms();
	must_ask(client, "large", &response);
	assert_int_equal(response.body.len, LARGE_FIRST + LARGE_SECOND);
	assert_true(clock_now_ms() - started < 5000);
}

static void failures_are_told_apart(void **state)
{
	(void)state;
	static const struct {
		const char *wish;
		enum err_code code;
		const char *words;
	} rows[] = {
		{ "cut", ERR_NETWORK, "broke within the answer, after 10 bytes" },
		{ "reset", ERR_NETWORK, "broke" },
		{ "go away", ERR_NETWORK, "broke" },
		{ "garbage", ERR_NETWORK, "broke" },
		{ "many trailers", ERR_PROTOCOL, "more than 64 header lines" },
		{ "stream", ERR_PROTOCOL, "larger than 19 bytes" },
	};
	OWNED_HTTP struct http_client *client = new_client();
	OWNED_RESPONSE struct http_response response = HTTP_RESPONSE_INIT(19);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = { 0 };
		assert_int_equal(ask(client, rows[i].wish, &response, &err), -1);
		if (err.code != rows[i].code || !strstr(err.message, rows[i].words))
			fail_msg("%s: code %d, '%s' lacks '%s'", rows[i].wish, (int)err.code, err.message,
				 rows[i].words);
	}
	must_ask(client, "echo", &response);
}

struct reader {
	const struct http_response *response;
	size_t bytes;
	int64_t first_ms;
	int verdict;
};

static int read_piece(struct bytes piece, void *arg, struct err *err)
{
	struct reader *reader = arg;
	assert_int_equal(reader->response->status, 200);
	if (reader->bytes == 0)
		reader->first_ms = clock_now_ms();
	reader->bytes += piece.len;
	return reader->verdict < 0 ? err_set(err, ERR_DENIED, "no more") : reader->verdict;
}

static int open_stream(struct http_client *client, int64_t ms, struct reader *reader, struct err *err)
{
	OWNED_RESPONSE struct http_response response = HTTP_RESPONSE_INIT(0);
	struct http_request request = { .method = "POST",
					.path = "/Service/Method",
					.headers = grpc_headers,
					.header_count = ARRAY_LEN(grpc_headers),
					.body = bytes_of_text("open"),
					.on_data = read_piece,
					.on_data_arg = reader };
	reader->response = &response;
	struct deadline deadline = deadline_in(ms);
	return http_perform(client, &request, &deadline, &response, err);
}

/* The stream stays open: what came is passed on at once and not at its end. */
static void open_stream_is_read_as_it_comes(void **state)
{
	(void)state;
	OWNED_HTTP struct http_client *client = new_client();
	struct reader reader = { .verdict = 0 };
	struct err err = { 0 };
	int64_t start = clock_now_ms();
	assert_int_equal(open_stream(client, 1000, &reader, &err), -1);
	int64_t took = clock_now_ms() - start;
	assert_int_equal(err.code, ERR_TIMEOUT);
	assert_non_null(strstr(err.message, "did not end"));
	assert_in_range(took, 1000, 4000);
	assert_int_equal(reader.bytes, 10);
	assert_true(reader.first_ms - start < took - 200);

	reader = (struct reader){ .verdict = -1 };
	assert_int_equal(open_stream(client, 20000, &reader, &err), -1);
	assert_int_equal(err.code, ERR_DENIED);
	assert_string_equal(err.message, "no more");

	reader = (struct reader){ .verdict = 1 };
	assert_int_equal(open_stream(client, 20000, &reader, &err), 0);
	assert_int_equal(reader.bytes, 10);
}

static void server_without_http2_is_refused(void **state)
{
	(void)state;
	struct peer_setup setup = { .serve = serve_routes };
	struct peer old = peer_start(&setup);
	const struct http_options options = { .base_url = old.url, .http2_prior_knowledge = true };
	struct http_client *client = NULL;
	assert_int_equal(http_client_new(&options, &client, NULL), 0);
	OWNED_RESPONSE struct http_response response = HTTP_RESPONSE_INIT(0);
	struct err err = { 0 };
	assert_int_equal(ask(client, "echo", &response, &err), -1);
	assert_int_equal(err.code, ERR_NETWORK);
	http_client_free(client);
	peer_stop(&old);
}

static void alpn_chooses_http2(void **state)
{
	(void)state;
	struct pki_node ca = peer_certificate("ca", NULL, NULL, -60, PKI_DAY);
	struct pki_node server = peer_certificate("server", "IP:127.0.0.1", &ca, -60, PKI_DAY);
	OWNED_BUF struct buf pem = BUF_INIT(65536);
	pki_cert_pem(&ca, &pem);
	struct peer_setup setup = { .serve = serve, .identity = &server, .http2 = true };
	struct peer peer = peer_start(&setup);
	const struct http_options options = { .base_url = peer.url, .ca_pem = buf_bytes(&pem) };
	struct http_client *client = NULL;
	assert_int_equal(http_client_new(&options, &client, NULL), 0);
	OWNED_RESPONSE struct http_response response = HTTP_RESPONSE_INIT(20);
	must_ask(client, "stream", &response);
	assert_int_equal(response.body.len, 20);
	must_ask(client, "echo", &response);
	assert_int_equal(http_connections(client), 1);
	/* A stream that was given up costs the connection, which could serve on. */
	response.body.max = 19;
	assert_int_equal(ask(client, "stream", &response, NULL), -1);
	must_ask(client, "echo", &response);
	assert_int_equal(http_connections(client), 2);
	http_client_free(client);
	peer_stop(&peer);
	pki_node_done(&server);
	pki_node_done(&ca);
}

static int group_setup(void **state)
{
	(void)state;
	wipe_install();
	(void)snprintf(lab.dir, sizeof(lab.dir), "/tmp/test-http2-XXXXXX");
	if (http_setup(NULL) < 0 || !mkdtemp(lab.dir))
		return -1;
	(void)snprintf(lab.path, sizeof(lab.path), "%s/s", lab.dir);
	struct peer_setup setup = { .serve = serve, .unix_path = lab.path };
	lab.peer = peer_start(&setup);
	return 0;
}

static int group_teardown(void **state)
{
	(void)state;
	peer_stop(&lab.peer);
	(void)unlink(lab.path);
	(void)rmdir(lab.dir);
	http_teardown();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trailers_follow_the_headers),	   cmocka_unit_test(large_answer_ends_when_it_has_come),
		cmocka_unit_test(failures_are_told_apart),	   cmocka_unit_test(open_stream_is_read_as_it_comes),
		cmocka_unit_test(server_without_http2_is_refused), cmocka_unit_test(alpn_chooses_http2),
	};
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
