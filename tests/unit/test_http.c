/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/http over plain TCP and unix sockets: answers right and wrong, limits,
 * times, redirects, kept connections. (TLS: test_http_tls.c; HTTP/2: test_http2.c.)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/wipe.h"
#include "http_peer.h"

static struct peer peer;

static struct http_options options_for(const char *url)
{
	return (struct http_options){ .base_url = url, .user_agent = "sealpod-test/1", .request_timeout_ms = 20000 };
}

static struct http_client *client_for(const struct http_options *options)
{
	struct http_client *client = NULL;
	struct err err = { 0 };
	if (http_client_new(options, &client, &err) < 0)
		fail_msg("%s", err.message);
	return client;
}

static struct http_client *new_client(void)
{
	struct http_options options = options_for(peer.url);
	return client_for(&options);
}

static int get(struct http_client *client, const char *path, struct http_response *response, struct err *err)
{
	struct http_request request = { .method = "GET", .path = path };
	return http_perform(client, &request, NULL, response, err);
}

static void must_get(struct http_client *client, const char *path, struct http_response *response)
{
	struct err err = { 0 };
	if (get(client, path, response, &err) < 0)
		fail_msg("%s: %s", path, err.message);
}

/* A fresh client must fail at `path` with this code and these words. */
static void must_fail(const char *path, size_t max, enum err_code code, const char *words)
{
	OWNED_HTTP struct http_client *client = new_client();
	OWNED_RESPONSE struct http_response response = HTTP_RESPONSE_INIT(max);
	struct err err = { 0 };
	assert_int_equal(get(client, path, &response, &err), -1);
	if (err.code != code || !strstr(err.message, words))
		fail_msg("%s: code %d, '%s' lacks '%s'", path, (int)err.code, err.message, words);
	assert_int_equal(response.status, 0);
	assert_int_equal(response.headers.len, 0);
	assert_int_equal(response.body.len, 0);
}

static void assert_header(const struct http_response *response, const char *name, const char *value)
{
	OWNED_BUF struct buf out = BUF_INIT(1024);
	assert_true(http_header_get(response, name, &out));
	assert_string_equal(buf_text(&out), value);
}

static void answer_arrives_whole(void **state)
{
	(void)state;
	OWNED_HTTP struct http_client *client = new_client();
	OWNED_RESPONSE struct http_response response = HTTP_RESPONSE_INIT(100);
	must_get(client, "/hello", &response);
	assert_int_equal(response.status, 200);
	assert_string_equal(buf_text(&response.body), "hello");
	assert_string_equal(buf_text(&response.headers), "content-length: 5\nx-empty: \nx-odd: a: b\nx-odd: second\n");
	assert_header(&response, "x-odd", "a: b");
	assert_header(&response, "x-empty", "");
	OWNED_BUF struct buf out = BUF_INIT(3);
	assert_false(http_header_get(&response, "x-od", &out));
	assert_false(http_header_get(&response, "x-odd", &out)); /* does not fit */
	assert_int_equal(out.len, 0);
}

static void connection_is_kept(void **state)
{
	(void)state;
	OWNED_HTTP struct http_client *client = new_client();
	OWNED_RESPONSE struct http_response response = HTTP_RESPONSE_INIT(100);
	assert_int_equal(http_connections(client), 0);
	must_get(client, "/hello", &response);
	must_get(client, "/status?401", &response);
	assert_int_equal(response.status, 401);
	assert_string_equal(buf_text(&response.body), "why");
	must_get(client, "/chunks?5", &response);
	assert_string_equal(buf_text(&response.body), "xxxxx");
	assert_header(&response, "x-trailer", "t");
	assert_int_equal(http_connections(client), 1);
}

static void closed_connection_is_replaced(void **state)
{
	(void)state;
	OWNED_HTTP struct http_client *client = new_client();
	OWNED_RESPONSE struct http_response response = HTTP_RESPONSE_INIT(100);
	struct http_request post = { .method = "POST", .path = "/once", .body = bytes_of_text("{}") };
	for (unsigned i = 1; i <= 3; i++) {
		struct err err = { 0 };
		assert_int_equal(http_perform(client, &post, NULL, &response, &err), 0);
		assert_string_equal(buf_text(&response.body), "hello");
		assert_int_equal(http_connections(client), i);
	}
}

static void request_is_sent_as_given(void **state)
{
	(void)state;
	OWNED_HTTP struct http_client *client = new_client();
	OWNED_RESPONSE struct http_response response = HTTP_RESPONSE_INIT(4096);
	const struct http_header headers[] = { { "Cookie", "a=b" },
					       { "X-None", "" },
					       { "content-type", "application/json" } };
	struct http_request request = { .method = "PUT",
					.path = "/echo?a=../%2f/./x%zz",
					.headers = headers,
					.header_count = 3,
					.body = bytes_of_text("{\"a\":1}") };
	struct err err = { 0 };
	assert_int_equal(http_perform(client, &request, NULL, &response, &err), 0);
	char wanted[512];
	(void)snprintf(wanted, sizeof(wanted),
		       "PUT /echo?a=../%%2f/./x%%zz HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUser-Agent: sealpod-test/1\r\n"
		       "Accept: */*\r\nCookie: a=b\r\nX-None:\r\ncontent-type: application/json\r\n"
		       "Content-Length: 7\r\n\r\n{\"a\":1}",
		       peer.port);
	assert_string_equal(buf_text(&response.body), wanted);
	/* Neither a content type nor "Expect" is made up, and an empty body has a length. */
	request = (struct http_request){ .method = "POST", .path = "/echo" };
	assert_int_equal(http_perform(client, &request, NULL, &response, &err), 0);
	assert_null(strcasestr(buf_text(&response.body), "content-type"));
	assert_non_null(strstr(buf_text(&response.body), "Content-Length: 0\r\n"));
	static char large[1100000]; /* libcurl asks first from 1 MiB on */
	memset(large, 'l', sizeof(large));
	request.body = bytes_of(large, sizeof(large));
	response.body.max = 1200000;
	assert_int_equal(http_perform(client, &request, NULL, &response, &err), 0);
	assert_null(strcasestr(buf_text(&response.body), "expect"));
}

static void methods_are_what_they_say(void **state)
{
	(void)state;
	OWNED_HTTP struct http_client *client = new_client();
	OWNED_RESPONSE struct http_response response = HTTP_RESPONSE_INIT(4096);
	struct err err = { 0 };
	struct http_request request = { .method = "HEAD", .path = "/hello" };
	assert_int_equal(http_perform(client, &request, NULL, &response, &err), 0);
	assert_int_equal(response.body.len, 0);
	assert_header(&response, "content-length", "5");
	request = (struct http_request){ .method = "DELETE", .path = "/echo" };
	assert_int_equal(http_perform(client, &request, NULL, &response, &err), 0);
	assert_memory_equal(buf_text(&response.body), "DELETE /echo HTTP/1.1\r\n", 23);
	assert_int_equal(http_connections(client), 1);
}

static void bad_requests_are_not_sent(void **state)
{
	(void)state;
	OWNED_HTTP struct http_client *client = new_client();
	OWNED_RESPONSE struct http_response response = HTTP_RESPONSE_INIT(100);
	const struct http_header split = { "Cookie", "a\r\nX: y" }, named = { "A B", "c" }, ended = { "a:", "b" };
	static char longest[HTTP_MAX_PATH + 2];
	memset(longest, '/', HTTP_MAX_PATH + 1);
	const struct http_request bad[] = {
		{ .method = "GET", .path = "hello" },
		{ .method = "GET", .path = "/a b" },
		{ .method = "GET", .path = "/a\r\nX: y" },
		{ .method = "GET", .path = "/a#b" },
		{ .method = "GET", .path = "/\xc3\xa9" },
		{ .method = "GET", .path = longest },
		{ .method = "GET", .path = NULL },
		{ .method = "get", .path = "/" },
		{ .method = "", .path = "/" },
		{ .method = "GET /", .path = "/" },
		{ .method = "GET", .path = "/", .headers = &split, .header_count = 1 },
		{ .method = "GET", .path = "/", .headers = &named, .header_count = 1 },
		{ .method = "GET", .path = "/", .headers = &ended, .header_count = 1 },
		{ .method = "GET", .path = "/", .headers = &split, .header_count = HTTP_MAX_HEADERS + 1 },
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err err = { 0 };
		assert_int_equal(http_perform(client, &bad[i], NULL, &response, &err), -1);
		assert_int_equal(err.code, ERR_CONFIG);
	}
	assert_int_equal(http_connections(client), 0);
}

static void limits_are_exact(void **state)
{
	(void)state;
	OWNED_HTTP struct http_client *client = new_client();
	OWNED_RESPONSE struct http_response response = HTTP_RESPONSE_INIT(50000);
	must_get(client, "/big?50000", &response);
	assert_int_equal(response.body.len, 50000);
	must_get(client, "/chunks?50000", &response);
	assert_int_equal(response.body.len, 50000);
	must_fail("/big?50001", 50000, ERR_PROTOCOL, "larger than 50000 bytes");
	must_fail("/chunks?50001", 50000, ERR_PROTOCOL, "larger than 50000 bytes");
	must_fail("/big?1", 0, ERR_PROTOCOL, "larger than 0 bytes");
	must_fail("/endless", 1000, ERR_PROTOCOL, "larger than 1000 bytes");
	must_get(client, "/flood?64", &response);
	must_fail("/flood?65", 10, ERR_PROTOCOL, "more than 64 header lines");
	must_fail("/flood?100000", 10, ERR_PROTOCOL, "more than 64 header lines");
	must_get(client, "/wide?16384", &response);
	assert_int_equal(response.headers.len, HTTP_MAX_HEADER_BYTES);
	must_fail("/wide?16385", 10, ERR_PROTOCOL, "headers are larger than 16384 bytes");
	must_get(client, "/early?7", &response);
	assert_string_equal(buf_text(&response.body), "hello");
	assert_null(strstr(buf_text(&response.headers), "x-early"));
	must_fail("/early?8", 10, ERR_PROTOCOL, "more than 8 answers");
	must_fail("/early?100000", 10, ERR_PROTOCOL, "more than 8 answers");
}

static void failed_transfer_costs_its_connection(void **state)
{
	(void)state;
	OWNED_HTTP struct http_client *client = new_client();
	OWNED_RESPONSE struct http_response response = HTTP_RESPONSE_INIT(5);
	struct err err = { 0 };
	must_get(client, "/hello", &response);
	assert_int_equal(get(client, "/big?6", &response, &err), -1);
	must_get(client, "/hello", &response);
	assert_int_equal(http_connections(client), 2);
}

static void broken_answers_are_told_apart(void **state)
{
	(void)state;
	must_fail("/cut?0", 100, ERR_NETWORK, "within the answer, after 4 bytes");
	must_fail("/cut?1", 100, ERR_NETWORK, "within the answer, after 4 bytes");
	must_fail("/cut?2", 100, ERR_NETWORK, "broke");
	must_fail("/cut?3", 100, ERR_NETWORK, "before an answer came");
	must_fail("/cut?4", 100, ERR_PROTOCOL, "a cut would go unseen");
	must_fail("/cut?5", 100, ERR_PROTOCOL, "not HTTP");
	must_fail("/cut?6", 100, ERR_PROTOCOL, "'gzip'");
	must_fail("/cut?7", 100, ERR_PROTOCOL, "encod");
	must_fail("/cut?8", 100, ERR_PROTOCOL, "");
	must_fail("/cut?9", 100, ERR_PROTOCOL, "");
	must_fail("/cut?10", 100, ERR_PROTOCOL, "name: value");
	must_fail("/cut?11", 100, ERR_PROTOCOL, "name: value");
}

/* A port that is bound, so that nobody else gets it, and that nobody listens to. */
static int bound_socket(int *ret_port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_return_code(bind(fd, (struct sockaddr *)&address, size), errno);
	assert_return_code(getsockname(fd, (struct sockaddr *)&address, &size), errno);
	*ret_port = ntohs(address.sin_port);
	return fd;
}

static void unreachable_servers_are_network_errors(void **state)
{
	(void)state;
	int port;
	OWNED_FD int fd = bound_socket(&port); /* so that nobody listens there */
	assert_true(fd >= 0);
	char url[64];
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%d", port);
	struct http_options options = options_for(url);
	OWNED_HTTP struct http_client *client = client_for(&options);
	OWNED_RESPONSE struct http_response response = HTTP_RESPONSE_INIT(5);
	struct err err = { 0 };
	assert_int_equal(get(client, "/", &response, &err), -1);
	assert_int_equal(err.code, ERR_NETWORK);
	assert_int_equal(err.sys_errno, ECONNREFUSED);
	assert_non_null(strstr(err.message, url + 7));
	assert_non_null(strstr(err.message, "refused"));

	/* RFC 6761 keeps this name from ever existing. */
	options = options_for("http://no-such-host.invalid:8080");
	OWNED_HTTP struct http_client *lost = client_for(&options);
	assert_int_equal(get(lost, "/", &response, &err), -1);
	assert_int_equal(err.code, ERR_NETWORK);
	assert_non_null(strstr(err.message, "'no-such-host.invalid' cannot be resolved"));
}

static void assert_times_out(struct http_client *client, const char *path, const struct deadline *deadline,
			     const char *words)
{
	OWNED_RESPONSE struct http_response response = HTTP_RESPONSE_INIT(100);
	struct http_request request = { .method = "GET", .path = path };
	struct err err = { 0 };
	int64_t start = clock_now_ms();
	assert_int_equal(http_perform(client, &request, deadline, &response, &err), -1);
	int64_t took = clock_now_ms() - start;
	if (err.code != ERR_TIMEOUT || !strstr(err.message, words))
		fail_msg("code %d, '%s' lacks '%s'", (int)err.code, err.message, words);
	assert_in_range(took, 200, 3000);
	assert_int_equal(response.status, 0);
}

static void times_are_kept(void **state)
{
	(void)state;
	struct http_options options = options_for(peer.url);
	options.request_timeout_ms = 200;
	OWNED_HTTP struct http_client *hasty = client_for(&options);
	assert_times_out(hasty, "/silent", NULL, "sent no answer to GET '/silent' within 2");
	assert_times_out(hasty, "/stuck", NULL, "did not end within 2");
	options.request_timeout_ms = -1;
	OWNED_HTTP struct http_client *patient = client_for(&options);
	struct deadline deadline = deadline_in(200);
	assert_times_out(patient, "/silent", &deadline, "sent no answer");
	OWNED_RESPONSE struct http_response response = HTTP_RESPONSE_INIT(100);
	must_get(patient, "/hello", &response);
}

static void a_request_can_be_called_off(void **state)
{
	(void)state;
	const struct itimerspec soon = { .it_value = { .tv_nsec = 200000000 } };
	OWNED_FD int stop_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	uint64_t ticks;
	struct http_options options = options_for(peer.url);
	options.stop_fd = &stop_fd;
	OWNED_HTTP struct http_client *client = client_for(&options);
	OWNED_RESPONSE struct http_response response = HTTP_RESPONSE_INIT(100);
	must_get(client, "/hello", &response);
	for (int i = 0; i < 2; i++) {
		assert_return_code(timerfd_settime(stop_fd, 0, &soon, NULL), errno);
		assert_times_out(client, i == 0 ? "/silent" : "/stuck", NULL, "was called off");
		/* It stays so until the descriptor is read. */
		struct http_request request = { .method = "GET", .path = "/silent" };
		assert_int_equal(http_perform(client, &request, NULL, &response, NULL), -1);
		assert_int_equal(read(stop_fd, &ticks, sizeof(ticks)), sizeof(ticks));
	}
	must_get(client, "/hello", &response);
}

/* The clock runs even before the connection is there: a full backlog takes no more. */
static void connecting_has_a_time_too(void **state)
{
	(void)state;
	int port;
	OWNED_FD int fd = bound_socket(&port);
	assert_return_code(listen(fd, 0), errno);
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				       .sin_port = htons((uint16_t)port) };
	int fillers[2];
	for (size_t i = 0; i < ARRAY_LEN(fillers); i++) {
		fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		(void)connect(fillers[i], (struct sockaddr *)&address, sizeof(address));
	}
	char url[64];
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%d", port);
	struct http_options options = options_for(url);
	options.connect_timeout_ms = 250;
	OWNED_HTTP struct http_client *client = client_for(&options);
	assert_times_out(client, "/", NULL, "no connection to '127.0.0.1:");
	options.connect_timeout_ms = 0;
	options.request_timeout_ms = 250;
	OWNED_HTTP struct http_client *other = client_for(&options);
	assert_times_out(other, "/", NULL, "no connection to '127.0.0.1:");
	for (size_t i = 0; i < ARRAY_LEN(fillers); i++)
		(void)close(fillers[i]);
}

static void redirects_stay_on_the_server(void **state)
{
	(void)state;
	struct http_options options = options_for(peer.url);
	options.redirects = 2;
	OWNED_HTTP struct http_client *client = client_for(&options);
	OWNED_RESPONSE struct http_response response = HTTP_RESPONSE_INIT(100);
	must_get(client, "/redirect?0", &response);
	assert_int_equal(response.status, 200);
	assert_string_equal(buf_text(&response.body), "hello");
	must_get(client, "/hops?2", &response);
	assert_string_equal(buf_text(&response.body), "hello");
	must_get(client, "/home", &response);
	assert_string_equal(buf_text(&response.body), "hello");
	assert_int_equal(http_connections(client), 1);
	static const struct {
		const char *path, *words;
	} refused[] = {
		{ "/redirect?1", "more than 2 redirects" },
		{ "/hops?3", "more than 2 redirects" },
		{ "/redirect?2", "'http://127.0.0.2:1/hello' leads to another server" },
		{ "/redirect?3", "'//127.0.0.2/x' leads to another server" },
		{ "/redirect?4", "'relative' leads to another server" },
		{ "/redirect?5", "leads to another server" },
	};
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		struct err err = { 0 };
		assert_int_equal(get(client, refused[i].path, &response, &err), -1);
		assert_int_equal(err.code, ERR_PROTOCOL);
		if (!strstr(err.message, refused[i].words))
			fail_msg("'%s' lacks '%s'", err.message, refused[i].words);
		assert_int_equal(response.status, 0);
	}
	must_get(client, "/status?302", &response); /* says not where */
	assert_int_equal(response.status, 302);
	/* A body is not sent anywhere but where the caller said. */
	struct http_request post = { .method = "POST", .path = "/redirect?0" };
	assert_int_equal(http_perform(client, &post, NULL, &response, NULL), 0);
	assert_int_equal(response.status, 302);
}

static void redirect_is_an_answer_unless_asked(void **state)
{
	(void)state;
	OWNED_HTTP struct http_client *client = new_client();
	OWNED_RESPONSE struct http_response response = HTTP_RESPONSE_INIT(100);
	must_get(client, "/redirect?2", &response);
	assert_int_equal(response.status, 302);
	assert_string_equal(buf_text(&response.body), "moved");
	assert_header(&response, "location", "http://127.0.0.2:1/hello");
}

static void environment_names_no_proxy(void **state)
{
	(void)state;
	static const char *const names[] = { "http_proxy", "https_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		(void)setenv(names[i], "http://127.0.0.1:1", 1);
	(void)setenv("no_proxy", "", 1);
	OWNED_HTTP struct http_client *client = new_client();
	OWNED_RESPONSE struct http_response response = HTTP_RESPONSE_INIT(100);
	must_get(client, "/hello", &response);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		(void)unsetenv(names[i]);
	(void)unsetenv("no_proxy");
}

static void secret_body_goes_to_guarded_memory(void **state)
{
	(void)state;
	OWNED_HTTP struct http_client *client = new_client();
	OWNED_RESPONSE struct http_response response = HTTP_RESPONSE_INIT(1000);
	OWNED_SECRET struct secret secret = SECRET_INIT;
	struct err err = { 0 };
	response.secret_body = &secret;
	assert_int_equal(get(client, "/hello", &response, &err), -1); /* no memory given */
	assert_int_equal(err.code, ERR_SYSTEM);
	assert_int_equal(secret_alloc(&secret, 5, &err), 0);
	must_get(client, "/hello", &response);
	assert_int_equal(response.body.len, 0);
	assert_null(response.body.data);
	assert_true(bytes_equal_text(secret_bytes(&secret), "hello"));
	must_get(client, "/chunks?5", &response); /* replaces, does not append */
	assert_true(bytes_equal_text(secret_bytes(&secret), "xxxxx"));
	assert_int_equal(get(client, "/chunks?6", &response, &err), -1);
	assert_int_equal(err.code, ERR_PROTOCOL);
	assert_non_null(strstr(err.message, "larger than 5 bytes"));
	assert_int_equal(secret.len, 0);
	assert_memory_equal(secret.data, "\0\0\0\0\0", 5);
}

struct reader {
	const struct http_response *response;
	size_t bytes, stop_at;
	int verdict;
	int status_seen;
};

static int read_piece(struct bytes piece, void *arg, struct err *err)
{
	struct reader *reader = arg;
	reader->bytes += piece.len;
	reader->status_seen = reader->response->status;
	if (reader->bytes < reader->stop_at)
		return 0;
	return reader->verdict < 0 ? err_set(err, ERR_DENIED, "the reader says no") : reader->verdict;
}

static int stream(struct http_client *client, const char *path, struct reader *reader, struct err *err)
{
	OWNED_RESPONSE struct http_response response = HTTP_RESPONSE_INIT(0);
	struct http_request request = { .method = "GET", .path = path, .on_data = read_piece, .on_data_arg = reader };
	reader->response = &response;
	int rc = http_perform(client, &request, NULL, &response, err);
	assert_int_equal(response.body.len, 0);
	return rc;
}

static void stream_is_passed_on_piece_by_piece(void **state)
{
	(void)state;
	OWNED_HTTP struct http_client *client = new_client();
	struct reader reader = { .stop_at = SIZE_MAX };
	struct err err = { 0 };
	assert_int_equal(stream(client, "/chunks?50000", &reader, &err), 0);
	assert_int_equal(reader.bytes, 50000);
	assert_int_equal(reader.status_seen, 200);

	reader = (struct reader){ .stop_at = 1000, .verdict = -1 };
	assert_int_equal(stream(client, "/endless", &reader, &err), -1);
	assert_int_equal(err.code, ERR_DENIED);
	assert_string_equal(err.message, "the reader says no");
	assert_int_equal(http_connections(client), 1);

	reader = (struct reader){ .stop_at = 1000, .verdict = 1 };
	err = (struct err){ 0 };
	assert_int_equal(stream(client, "/endless", &reader, &err), 0);
	assert_int_equal(err.code, ERR_NONE);
	assert_int_equal(reader.status_seen, 200);
	reader = (struct reader){ .stop_at = SIZE_MAX };
	assert_int_equal(stream(client, "/hello", &reader, &err), 0);
	assert_int_equal(http_connections(client), 3);
}

static void unix_sockets_work(void **state)
{
	(void)state;
	char dir[] = "/tmp/test-http-XXXXXX", path[64];
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/s", dir);
	struct peer_setup setup = { .serve = serve_routes, .unix_path = path };
	struct peer local = peer_start(&setup);
	struct http_options options = options_for(local.url);
	options.unix_socket = path;
	OWNED_HTTP struct http_client *client = client_for(&options);
	OWNED_RESPONSE struct http_response response = HTTP_RESPONSE_INIT(1000);
	must_get(client, "/hello", &response);
	must_get(client, "/echo", &response);
	assert_non_null(strstr(buf_text(&response.body), "\r\nHost: localhost\r\n"));
	assert_int_equal(http_connections(client), 1);
	peer_stop(&local);
	(void)unlink(path);
	(void)rmdir(dir);
	struct err err = { 0 };
	assert_int_equal(get(client, "/hello", &response, &err), -1);
	assert_int_equal(err.code, ERR_NETWORK);
	assert_non_null(strstr(err.message, path));
	options.unix_socket = "relative";
	struct http_client *none = NULL;
	assert_int_equal(http_client_new(&options, &none, &err), -1);
	assert_int_equal(err.code, ERR_CONFIG);
}

static void options_are_checked(void **state)
{
	(void)state;
	struct http_client *client = NULL;
	struct err err = { 0 };
	struct http_options options = options_for("http://127.0.0.1/path");
	assert_int_equal(http_client_new(&options, &client, &err), -1);
	assert_int_equal(err.code, ERR_CONFIG);
	options = options_for("http://127.0.0.1");
	options.ca_pem = bytes_of_text("x");
	assert_int_equal(http_client_new(&options, &client, &err), -1);
	assert_int_equal(err.code, ERR_CONFIG);
	assert_non_null(strstr(err.message, "not encrypted"));
	assert_null(client);
}

static int group_setup(void **state)
{
	(void)state;
	wipe_install();
	/* One short question a name server, where there is none to answer. */
	(void)setenv("RES_OPTIONS", "timeout:1 attempts:1", 1);
	struct err err = { 0 };
	if (secret_setup(&err) < 0 || http_setup(&err) < 0 || http_setup(&err) < 0)
		return -1;
	static const struct peer_setup setup = { .serve = serve_routes };
	peer = peer_start(&setup);
	return 0;
}

static int group_teardown(void **state)
{
	(void)state;
	peer_stop(&peer);
	http_teardown();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answer_arrives_whole),
		cmocka_unit_test(connection_is_kept),
		cmocka_unit_test(closed_connection_is_replaced),
		cmocka_unit_test(request_is_sent_as_given),
		cmocka_unit_test(methods_are_what_they_say),
		cmocka_unit_test(bad_requests_are_not_sent),
		cmocka_unit_test(limits_are_exact),
		cmocka_unit_test(failed_transfer_costs_its_connection),
		cmocka_unit_test(broken_answers_are_told_apart),
		cmocka_unit_test(unreachable_servers_are_network_errors),
		cmocka_unit_test(times_are_kept),
		cmocka_unit_test(a_request_can_be_called_off),
		cmocka_unit_test(connecting_has_a_time_too),
		cmocka_unit_test(redirects_stay_on_the_server),
		cmocka_unit_test(redirect_is_an_answer_unless_asked),
		cmocka_unit_test(environment_names_no_proxy),
		cmocka_unit_test(secret_body_goes_to_guarded_memory),
		cmocka_unit_test(stream_is_passed_on_piece_by_piece),
		cmocka_unit_test(unix_sockets_work),
		cmocka_unit_test(options_are_checked),
	};
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
