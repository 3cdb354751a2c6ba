/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/http over TLS: who is trusted, what a refusal is called, client
 * certificates, cut lines, and the stall of a new connection's first answer.
 */
#include "support.h"

#include <linux/sockios.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <sys/ioctl.h>
#include <time.h>

#include "base/http_internal.h"
#include "base/wipe.h"
#include "http_peer.h"

#define NAMES "DNS:localhost,IP:127.0.0.1"

static struct {
	struct pki_node ca, other_ca, server, client;
	struct buf ca_pem, other_pem;
	struct peer peer; /* serves the routes */
	char dir[32];	  /* for files that the environment names */
	char keys[64], certs[64];
} lab = { .ca_pem = BUF_INIT(65536), .other_pem = BUF_INIT(65536) };

static struct http_client *client_for(const struct http_options *options)
{
	struct http_client *client = NULL;
	struct err err = { 0 };
	if (http_client_new(options, &client, &err) < 0)
		fail_msg("%s", err.message);
	return client;
}

static struct http_options options_for(const struct peer *peer)
{
	return (struct http_options){ .base_url = peer->url,
				      .ca_pem = buf_bytes(&lab.ca_pem),
				      .request_timeout_ms = 20000 };
}

static int get(struct http_client *client, const char *path, struct http_response *response, struct err *err)
{
	struct http_request request = { .method = "GET", .path = path };
	return http_perform(client, &request, NULL, response, err);
}

static void must_get_hello(struct http_client *client)
{
	OWNED_RESPONSE struct http_response response = HTTP_RESPONSE_INIT(100);
	struct err err = { 0 };
	if (get(client, "/hello", &response, &err) < 0)
		fail_msg("%s", err.message);
	assert_string_equal(buf_text(&response.body), "hello");
}

static void must_fail(const struct http_options *options, const char *path, enum err_code code, const char *words)
{
	OWNED_HTTP struct http_client *client = client_for(options);
	OWNED_RESPONSE struct http_response response = HTTP_RESPONSE_INIT(100);
	struct err err = { 0 };
	assert_int_equal(get(client, path, &response, &err), -1);
	if (err.code != code || !strstr(err.message, words))
		fail_msg("%s: code %d, '%s' lacks '%s'", path, (int)err.code, err.message, words);
}

/* A server with this certificate must be refused. */
static void must_refuse(struct pki_node identity, enum err_code code, const char *words)
{
	struct peer_setup setup = { .serve = serve_routes, .identity = &identity };
	struct peer peer = peer_start(&setup);
	struct http_options options = options_for(&peer);
	must_fail(&options, "/hello", code, words);
	peer_stop(&peer);
	pki_node_done(&identity);
}

static void pinned_ca_is_trusted(void **state)
{
	(void)state;
	struct http_options options = options_for(&lab.peer);
	OWNED_HTTP struct http_client *client = client_for(&options);
	for (int i = 0; i < 3; i++)
		must_get_hello(client);
	assert_int_equal(http_connections(client), 1);
	OWNED_BUF struct buf both = BUF_INIT(65536);
	assert_int_equal(buf_append(&both, buf_bytes(&lab.other_pem), NULL), 0);
	assert_int_equal(buf_append(&both, buf_bytes(&lab.ca_pem), NULL), 0);
	options.ca_pem = buf_bytes(&both);
	OWNED_HTTP struct http_client *second = client_for(&options);
	must_get_hello(second);
}

static void other_cas_are_not_trusted(void **state)
{
	(void)state;
	struct http_options options = options_for(&lab.peer);
	options.ca_pem = buf_bytes(&lab.other_pem);
	must_fail(&options, "/hello", ERR_TLS, "check the pinned CA");
	/* Not even when the environment trusts them. */
	(void)setenv("SSL_CERT_FILE", lab.certs, 1);
	(void)setenv("CURL_CA_BUNDLE", lab.certs, 1);
	must_fail(&options, "/hello", ERR_TLS, "check the pinned CA");
	(void)unsetenv("SSL_CERT_FILE");
	(void)unsetenv("CURL_CA_BUNDLE");
}

static void refusals_are_told_apart(void **state)
{
	(void)state;
	must_refuse(peer_certificate("old", NAMES, &lab.ca, -2 * PKI_DAY, -PKI_DAY), ERR_CLOCK, "'/CN=old'");
	must_refuse(peer_certificate("early", NAMES, &lab.ca, PKI_DAY, 2 * PKI_DAY), ERR_CLOCK, "clock here says 20");
	must_refuse(peer_certificate("early", NAMES, &lab.ca, PKI_DAY, 2 * PKI_DAY), ERR_CLOCK,
		    "at least that far behind");
	must_refuse(peer_certificate("old", NAMES, &lab.ca, -2 * PKI_DAY, -PKI_DAY), ERR_CLOCK, "8640");
	must_refuse(peer_certificate("strange", NAMES, &lab.other_ca, -60, PKI_DAY), ERR_TLS, "'/CN=strange'");
	must_refuse(peer_certificate("self", NAMES, NULL, -60, PKI_DAY), ERR_TLS, "'/CN=self'");
	must_refuse(peer_certificate("elsewhere", "DNS:other.example", &lab.ca, -60, PKI_DAY), ERR_TLS,
		    "not made for '127.0.0.1'");
	/* An expired certificate of somebody else's is no matter of the clock. */
	must_refuse(peer_certificate("both", NAMES, &lab.other_ca, -2 * PKI_DAY, -PKI_DAY), ERR_TLS, "'/CN=both'");
}

static void times_in_the_message_are_the_certificates(void **state)
{
	(void)state;
	struct pki_node old = peer_certificate("old", NAMES, &lab.ca, -2 * PKI_DAY, -PKI_DAY);
	time_t end = time(NULL) - PKI_DAY;
	struct tm parts;
	char day[16];
	assert_non_null(gmtime_r(&end, &parts));
	(void)strftime(day, sizeof(day), " to %Y-%m-%d", &parts);
	must_refuse(old, ERR_CLOCK, day);
}

static void pinned_ca_is_checked_first(void **state)
{
	(void)state;
	OWNED_BUF struct buf cut = BUF_INIT(65536), key = BUF_INIT(65536), junk = BUF_INIT(65536);
	assert_int_equal(buf_append(&cut, bytes_of(lab.ca_pem.data, lab.ca_pem.len / 2), NULL), 0);
	assert_int_equal(buf_append(&key, buf_bytes(&lab.ca_pem), NULL), 0);
	pki_key_pem(lab.client.key, PKI_PKCS8, &key);
	pki_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", &junk);
	const struct {
		struct bytes pem;
		const char *words;
	} bad[] = {
		{ bytes_of(NULL, 0), "needs a pinned CA" },
		{ bytes_of_text("no PEM"), "holds no certificate" },
		{ buf_bytes(&cut), "number 1 is broken" },
		{ buf_bytes(&key), "number 2 is a 'PRIVATE KEY'" },
		{ buf_bytes(&junk), "number 1 holds no X.509 certificate" },
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct http_options options = options_for(&lab.peer);
		struct http_client *client = NULL;
		struct err err = { 0 };
		options.ca_pem = bad[i].pem;
		assert_int_equal(http_client_new(&options, &client, &err), -1);
		assert_int_equal(err.code, ERR_CONFIG);
		if (!strstr(err.message, bad[i].words))
			fail_msg("'%s' lacks '%s'", err.message, bad[i].words);
		assert_null(client);
		assert_int_equal(ERR_peek_error(), 0);
	}
}

static void cut_lines_are_seen(void **state)
{
	(void)state;
	struct http_options options = options_for(&lab.peer);
	must_fail(&options, "/cut?0", ERR_NETWORK, "within the answer, after 4 bytes");
	must_fail(&options, "/cut?2", ERR_NETWORK, "broke");
	must_fail(&options, "/cut?3", ERR_NETWORK, "before an answer came");
	must_fail(&options, "/cut?4", ERR_PROTOCOL, "a cut would go unseen");
	must_fail(&options, "/endless", ERR_PROTOCOL, "larger than 100 bytes");
}

static void speak_no_tls(struct peer_conn *conn)
{
	(void)peer_say(conn, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
}

static void close_at_once(struct peer_conn *conn)
{
	char byte;
	(void)peer_read(conn, &byte, 1);
}

static void broken_handshakes_are_told_apart(void **state)
{
	(void)state;
	static const struct {
		void (*serve)(struct peer_conn *);
		enum err_code code;
		const char *words;
		int64_t timeout;
	} rows[] = {
		{ speak_no_tls, ERR_PROTOCOL, "does that port speak TLS?", 0 },
		{ close_at_once, ERR_NETWORK, "before an answer came", 0 },
		{ peer_hang, ERR_TIMEOUT, "no connection to '127.0.0.1:", 200 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct peer_setup setup = { .serve = rows[i].serve };
		struct peer peer = peer_start(&setup);
		char url[64];
		(void)snprintf(url, sizeof(url), "https://127.0.0.1:%d", peer.port);
		struct http_options options = options_for(&peer);
		options.base_url = url;
		options.connect_timeout_ms = rows[i].timeout;
		must_fail(&options, "/", rows[i].code, rows[i].words);
		peer_stop(&peer);
	}
}

static int show_certificate(void *ssl_ctx, void *arg, struct err *err)
{
	const struct pki_node *node = arg;
	if (!node)
		return err_set(err, ERR_CREDENTIAL, "the hook has no certificate");
	assert_int_equal(SSL_CTX_use_certificate(ssl_ctx, node->cert), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(ssl_ctx, node->key), 1);
	return 0;
}

static void client_certificate_is_shown(void **state)
{
	(void)state;
	struct peer_setup setup = { .serve = serve_routes, .identity = &lab.server, .client_ca = &lab.ca };
	struct peer peer = peer_start(&setup);
	struct http_options options = options_for(&peer);
	must_fail(&options, "/hello", ERR_PROTOCOL, "a client certificate?");
	options.client_certificate = show_certificate;
	must_fail(&options, "/hello", ERR_CREDENTIAL, "the hook has no certificate");
	options.client_certificate_arg = &lab.client;
	OWNED_HTTP struct http_client *client = client_for(&options);
	must_get_hello(client);
	must_get_hello(client);
	assert_int_equal(http_connections(client), 1);
	peer_stop(&peer);
}

/* A server that is known by a URI: the certificate's names of hosts say nothing, and its URI all. */
static void try_uri(const char *san, const struct pki_node *ca, const char *words)
{
	struct pki_node identity = peer_certificate("server", san, ca, -60, PKI_DAY);
	struct peer_setup setup = { .serve = serve_routes, .identity = &identity };
	struct peer peer = peer_start(&setup);
	struct http_options options = options_for(&peer);
	options.server_uri = "spiffe://example.test/spire/server";
	if (words) {
		must_fail(&options, "/hello", ERR_TLS, words);
	} else {
		OWNED_HTTP struct http_client *client = client_for(&options);
		must_get_hello(client);
	}
	peer_stop(&peer);
	pki_node_done(&identity);
}

static void server_is_known_by_its_uri(void **state)
{
	(void)state;
	try_uri("URI:spiffe://example.test/spire/server", &lab.ca, NULL);
	try_uri("URI:spiffe://example.test/spire/server,DNS:other.example", &lab.ca, NULL);
	try_uri("URI:spiffe://example.test/spire/server", &lab.other_ca, "check the pinned CA");
	try_uri(NAMES, &lab.ca, "is not that of 'spiffe://example.test/spire/server'");
	try_uri("URI:spiffe://example.test/spire/server2," NAMES, &lab.ca, "is not that of");
	try_uri("URI:spiffe://example.test/spire/serve," NAMES, &lab.ca, "is not that of");
	try_uri("URI:spiffe://example.test/spire/server,URI:spiffe://example.test/x", &lab.ca, "is not that of");
}

static void session_keys_are_not_logged(void **state)
{
	(void)state;
	struct http_options options = options_for(&lab.peer);
	OWNED_HTTP struct http_client *client = client_for(&options);
	must_get_hello(client);
	struct stat info;
	if (stat(lab.keys, &info) == 0)
		assert_int_equal(info.st_size, 0);
	assert_null(getenv("SSLKEYLOGFILE"));
}

#define TRIES 7
#define LEAST_STALL 40000 /* Linux delays an acknowledgement so long at least */

/* How long each answer lay unacknowledged, in microseconds, by try. */
struct stall {
	long micros[TRIES];
};

static long micros_now(void)
{
	struct timespec now;
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static long micros_until_acknowledged(int fd)
{
	long start = micros_now();
	for (int queued = 1; queued > 0 && micros_now() - start < 1000000;) {
		struct timespec pause = { .tv_nsec = 100000 };
		(void)nanosleep(&pause, NULL);
		if (ioctl(fd, SIOCOUTQ, &queued) < 0)
			break;
	}
	return micros_now() - start;
}

/* Nagle's algorithm is on (nobody switched it off), and SSL_accept() has just sent
 * the session tickets, as packets of their own. The answer waits for their
 * acknowledgement; what is measured is the wait alone and no computing. */
static void serve_behind_tickets(struct peer_conn *conn)
{
	static struct peer_request request;
	struct stall *stall = conn->setup->shared;
	if (!peer_read_request(conn, &request) || !peer_say(conn, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"))
		return;
	stall->micros[(conn->number - 1) % TRIES] = micros_until_acknowledged(conn->fd);
	peer_hang(conn);
}

static int compare(const void *a, const void *b)
{
	long x = *(const long *)a, y = *(const long *)b;
	return (x > y) - (x < y);
}

/* Fresh connections, all with the cure or all without. */
static long median_stall(bool cure)
{
	struct stall *stall = peer_shared(sizeof(*stall));
	struct peer_setup setup = { .serve = serve_behind_tickets, .identity = &lab.server, .shared = stall };
	struct peer peer = peer_start(&setup);
	struct http_options options = options_for(&peer);
	for (int i = 0; i < TRIES; i++) {
		OWNED_HTTP struct http_client *client = client_for(&options);
		if (!cure)
			http_client_quick_ack(client, false);
		must_get_hello(client);
		int64_t start = clock_now_ms(); /* the server is still looking at its queue */
		while (*(volatile long *)&stall->micros[i] == 0 && clock_now_ms() - start < 5000)
			(void)usleep(1000);
	}
	peer_stop(&peer);
	qsort(stall->micros, TRIES, sizeof(stall->micros[0]), compare);
	return stall->micros[TRIES / 2];
}

static void first_answer_does_not_stall(void **state)
{
	(void)state;
	long without = median_stall(false);
	long with = median_stall(true);
	print_message("first answer waits %ld us without the cure, %ld us with it\n", without, with);
	assert_true(with > 0);
	/* A slow server has its acknowledgement before it has the answer: nothing stalls then, with or without. */
	if (runs_slowly())
		assert_true(with < LEAST_STALL);
	else
		assert_true(without > 4 * with);
}

static void write_file(const char *path, const struct buf *content)
{
	FILE *f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(content->data, 1, content->len, f), content->len);
	assert_int_equal(fclose(f), 0);
}

static int group_setup(void **state)
{
	(void)state;
	(void)snprintf(lab.dir, sizeof(lab.dir), "/tmp/test-http-tls-XXXXXX");
	if (!mkdtemp(lab.dir))
		return -1;
	(void)snprintf(lab.keys, sizeof(lab.keys), "%s/keys", lab.dir);
	(void)snprintf(lab.certs, sizeof(lab.certs), "%s/certs", lab.dir);
	(void)setenv("SSLKEYLOGFILE", lab.keys, 1);
	wipe_install();
	struct err err = { 0 };
	if (http_setup(&err) < 0)
		return -1;
	lab.ca = peer_certificate("pinned", NULL, NULL, -PKI_DAY, PKI_DAY);
	lab.other_ca = peer_certificate("other", NULL, NULL, -PKI_DAY, PKI_DAY);
	lab.server = peer_certificate("server", NAMES, &lab.ca, -60, PKI_DAY);
	lab.client = peer_certificate("client", "DNS:client", &lab.ca, -60, PKI_DAY);
	pki_cert_pem(&lab.ca, &lab.ca_pem);
	pki_cert_pem(&lab.other_ca, &lab.other_pem);
	write_file(lab.certs, &lab.ca_pem);
	struct peer_setup setup = { .serve = serve_routes, .identity = &lab.server };
	lab.peer = peer_start(&setup);
	return 0;
}

static int group_teardown(void **state)
{
	(void)state;
	peer_stop(&lab.peer);
	struct pki_node *nodes[] = { &lab.ca, &lab.other_ca, &lab.server, &lab.client };
	for (size_t i = 0; i < ARRAY_LEN(nodes); i++)
		pki_node_done(nodes[i]);
	buf_done(&lab.ca_pem);
	buf_done(&lab.other_pem);
	(void)unlink(lab.keys);
	(void)unlink(lab.certs);
	(void)rmdir(lab.dir);
	http_teardown();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pinned_ca_is_trusted),
		cmocka_unit_test(other_cas_are_not_trusted),
		cmocka_unit_test(refusals_are_told_apart),
		cmocka_unit_test(times_in_the_message_are_the_certificates),
		cmocka_unit_test(pinned_ca_is_checked_first),
		cmocka_unit_test(cut_lines_are_seen),
		cmocka_unit_test(broken_handshakes_are_told_apart),
		cmocka_unit_test(client_certificate_is_shown),
		cmocka_unit_test(server_is_known_by_its_uri),
		cmocka_unit_test(session_keys_are_not_logged),
		cmocka_unit_test(first_answer_does_not_stall),
	};
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
