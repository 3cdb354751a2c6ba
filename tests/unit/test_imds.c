/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attest/imds against a service of the test's own on loopback: what is asked, every spelling of
 * base64, answers that are something else, failures that pass and that do not.
 */
#include "http_peer.h"
#include "vectors.h"

#include "attest/hcl.h"
#include "attest/imds.h"
#include "attest/snp_signature.h"
#include "base/json.h"

/* What the service does, and what it saw. */
struct service {
	char answer[65536]; /* a whole HTTP answer */
	unsigned failures;  /* answers of `failing` first */
	char failing[128];
	unsigned requests;
	char head[4096];
	char body[8192];
};

static struct service *service;
static struct peer peer;

static void serve(struct peer_conn *conn)
{
	static struct peer_request request;
	while (peer_read_request(conn, &request)) {
		(void)snprintf(service->head, sizeof(service->head), "%.4000s", request.head);
		(void)snprintf(service->body, sizeof(service->body), "%.8000s", request.body);
		bool fail = service->requests++ < service->failures;
		if (!peer_say(conn, fail ? service->failing : service->answer))
			return;
	}
}

static int start(void **state)
{
	(void)state;
	struct err err = { 0 };
	assert_int_equal(http_setup(&err), 0);
	service = peer_shared(sizeof(*service));
	peer = peer_start(&(struct peer_setup){ .serve = serve });
	return 0;
}

static int stop(void **state)
{
	(void)state;
	peer_stop(&peer);
	http_teardown();
	return 0;
}

static void will_answer(const char *status, const char *type, const char *body)
{
	memset(service, 0, sizeof(*service));
	(void)snprintf(service->answer, sizeof(service->answer),
		       "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n%s", status, type, strlen(body),
		       body);
}

static struct http_client *client_of(const char *url)
{
	struct http_client *client = NULL;
	struct err err = { 0 };
	const struct http_options options = { .base_url = url, .connect_timeout_ms = 5000, .request_timeout_ms = 5000 };
	if (http_client_new(&options, &client, &err) < 0)
		fail_msg("%s", err.message);
	return client;
}

static int get_vcek(struct buf *der, struct err *err)
{
	struct http_client *client OWNED_HTTP = client_of(peer.url);
	const struct deadline deadline = deadline_in(20000);
	return imds_vcek(client, &deadline, der, err);
}

static int get_quote(struct buf *quote, struct err *err)
{
	static uint8_t tdreport[1024];
	struct http_client *client OWNED_HTTP = client_of(peer.url);
	const struct deadline deadline = deadline_in(20000);
	for (size_t i = 0; i < sizeof(tdreport); i++)
		tdreport[i] = (uint8_t)(i * 5);
	return imds_td_quote(client, bytes_of(tdreport, sizeof(tdreport)), &deadline, quote, err);
}

/* {"name":"…text…"} with line ends escaped. */
static void json_of(const char *name, const char *text, struct buf *out)
{
	struct json *json OWNED_JSON = NULL;
	struct err err = { 0 };
	if (json_new_object(&json, &err) < 0 || json_add_string(json, name, text, &err) < 0 ||
	    json_add_u64(json, "cacheControl", 86400, &err) < 0 || json_print(json, out, &err) < 0)
		fail_msg("%s", err.message);
}

static void will_answer_pem(const char *file)
{
	struct buf pem OWNED_BUF = vector_read(file);
	struct buf body OWNED_BUF = BUF_INIT(VECTOR_MAX);
	json_of("vcekCert", buf_text(&pem), &body);
	will_answer("200 OK", "application/json; charset=utf-8", buf_text(&body));
}

static void a_vcek(void **state)
{
	(void)state;
	struct buf der OWNED_BUF = BUF_INIT(IMDS_VCEK_MAX);
	struct err err = { 0 };
	will_answer_pem("azure/vcek-azure.pem");
	if (get_vcek(&der, &err) < 0)
		fail_msg("%s", err.message);
	assert_hex_prefix(der.data, der.len, "3082");
	assert_int_equal(der.len, (size_t)(der.data[2] << 8 | der.data[3]) + 4);
	assert_non_null(strstr(service->head, "GET /metadata/THIM/amd/certification HTTP/1.1\r\n"));
	assert_non_null(strstr(service->head, "Metadata: true\r\n"));
	assert_int_equal(service->requests, 1);
}

/* Genuine VCEKs beside genuine reports: the first belongs to one of them, the other to none. */
static void whose_vcek(void **state)
{
	(void)state;
	static const struct {
		const char *pem;
		size_t len;
		const char *hcl;
		int fits;
	} rows[] = {
		{ "azure/vcek-azure.pem", 1360, "azure/hcl-snp-2600.bin", 0 },
		{ "azure/vcek-azure.pem", 1360, "azure/hcl-snp-2048.bin", -1 },
		{ "azure/imds-certs.pem", 1360, "azure/hcl-snp-2600.bin", -1 },
		{ "azure/imds-certs.pem", 1360, "azure/hcl-snp-2048.bin", -1 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf der OWNED_BUF = BUF_INIT(IMDS_VCEK_MAX);
		struct buf raw OWNED_BUF = vector_read(rows[i].hcl);
		struct hcl_report hcl;
		struct err err = { 0 };
		will_answer_pem(rows[i].pem);
		if (get_vcek(&der, &err) < 0 || hcl_read(buf_bytes(&raw), &hcl, &err) < 0)
			fail_msg("%s", err.message);
		assert_int_equal(der.len, rows[i].len);
		assert_int_equal(snp_signature_check(hcl.hardware, buf_bytes(&der), &err), rows[i].fits);
	}
}

static void assert_vcek_refused(enum err_code code, unsigned requests, const char *part)
{
	struct buf der OWNED_BUF = BUF_INIT(IMDS_VCEK_MAX);
	struct err err = { 0 };
	assert_int_equal(get_vcek(&der, &err), -1);
	assert_message_has(err, part);
	assert_int_equal(err.code, code);
	assert_int_equal(der.len, 0);
	assert_int_equal(service->requests, requests);
}

static void answers_that_are_none(void **state)
{
	(void)state;
	struct buf ark OWNED_BUF = vector_read("azure/imds-certs.pem");
	struct buf body OWNED_BUF = BUF_INIT(VECTOR_MAX);
	will_answer("200 OK", "text/html", "<html>log in</html>");
	assert_vcek_refused(ERR_PROTOCOL, 1, "a web page");
	will_answer("403 Forbidden", "text/html; charset=utf-8", "<html>");
	assert_vcek_refused(ERR_PROTOCOL, 1, "a web page");
	will_answer("200 OK", "TEXT/HTML;charset=utf-8", "{}");
	assert_vcek_refused(ERR_PROTOCOL, 1, "a web page");
	will_answer("200 OK", "application/json", "<html>log in</html>");
	assert_vcek_refused(ERR_PROTOCOL, 1, "no JSON");
	will_answer("200 OK", "application/json", "{\"vcekCer\":\"\"}");
	assert_vcek_refused(ERR_PROTOCOL, 1, "vcekCert");
	will_answer("200 OK", "application/json", "{\"vcekCert\":\"MIIF\"}");
	assert_vcek_refused(ERR_PROTOCOL, 1, "no certificate in PEM");
	will_answer("200 OK", "application/json",
		    "{\"vcekCert\":\"-----BEGIN CERTIFICATE-----\\nProc-Type: 4,ENCRYPTED\\nDEK-Info: "
		    "AES-128-CBC,00112233445566778899AABBCCDDEEFF\\n\\nAAAAAAAAAAAAAAAAAAAAAA==\\n-----END "
		    "CERTIFICATE-----\\n\"}");
	assert_vcek_refused(ERR_PROTOCOL, 1, "no certificate in PEM");
	will_answer("404 Not Found", "application/json", "{}");
	assert_vcek_refused(ERR_PROTOCOL, 1, "status 404");
	will_answer("302 Found", "application/json", "{}");
	assert_vcek_refused(ERR_PROTOCOL, 1, "status 302");
	/* The last certificate of the chain is the ARK. */
	const char *last = NULL;
	for (const char *at = buf_text(&ark); (at = strstr(at, "-----BEGIN")) != NULL; at++)
		last = at;
	assert_non_null(last);
	json_of("vcekCert", last, &body);
	will_answer("200 OK", "application/json", buf_text(&body));
	assert_vcek_refused(ERR_PROTOCOL, 1, "its subject is 'ARK-Milan'");
}

/* Good content counts only where it is said to be JSON, or to be nothing at all. */
static void types_of_content(void **state)
{
	(void)state;
	struct buf pem OWNED_BUF = vector_read("azure/vcek-azure.pem");
	struct buf body OWNED_BUF = BUF_INIT(VECTOR_MAX);
	static const char *const good[] = { "application/json", "application/json; charset=utf-8",
					    "Application/JSON ;x=y" };
	static const char *const bad[] = { "text/plain", "application/jsonp", "application/octet-stream", "json",
					   "text/htmlx" };
	json_of("vcekCert", buf_text(&pem), &body);
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct buf der OWNED_BUF = BUF_INIT(IMDS_VCEK_MAX);
		struct err err = { 0 };
		will_answer("200 OK", good[i], buf_text(&body));
		if (get_vcek(&der, &err) < 0)
			fail_msg("'%s': %s", good[i], err.message);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		will_answer("200 OK", bad[i], buf_text(&body));
		assert_vcek_refused(ERR_PROTOCOL, 1, bad[i]);
	}
	struct buf der OWNED_BUF = BUF_INIT(IMDS_VCEK_MAX);
	struct err err = { 0 };
	memset(service, 0, sizeof(*service));
	(void)snprintf(service->answer, sizeof(service->answer), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
		       body.len, buf_text(&body));
	if (get_vcek(&der, &err) < 0)
		fail_msg("no type: %s", err.message);
}

static void failures_that_pass(void **state)
{
	(void)state;
	struct buf der OWNED_BUF = BUF_INIT(IMDS_VCEK_MAX);
	struct err err = { 0 };
	static const char *const passing[] = { "429 Too Many", "500 Oops", "410 Gone" };
	for (size_t i = 0; i < ARRAY_LEN(passing); i++) {
		will_answer_pem("azure/vcek-azure.pem");
		service->failures = 1;
		(void)snprintf(service->failing, sizeof(service->failing), "HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n",
			       passing[i]);
		if (get_vcek(&der, &err) < 0)
			fail_msg("%s", err.message);
		assert_int_equal(service->requests, 2);
	}
}

static void failures_that_stay(void **state)
{
	(void)state;
	will_answer("503 Busy", "application/json", "{}");
	assert_vcek_refused(ERR_SERVER, 4, "status 503");
}

static void nobody_there(void **state)
{
	(void)state;
	struct buf der OWNED_BUF = BUF_INIT(IMDS_VCEK_MAX);
	struct http_client *client OWNED_HTTP = client_of("http://127.0.0.1:1");
	struct err err = { 0 };
	const struct deadline soon = deadline_in(1);
	assert_int_equal(imds_vcek(client, &soon, &der, &err), -1);
	assert_true(err.code == ERR_NETWORK || err.code == ERR_TIMEOUT);
	assert_true(err_may_retry(&err));
	assert_message_has(err, "metadata service");
}

/* A genuine quote in each spelling of base64. */
static void quotes(void **state)
{
	(void)state;
	struct buf want OWNED_BUF = vector_read("azure/td-quote.bin");
	struct err err = { 0 };
	for (size_t len = want.len - 2; len <= want.len; len++) /* each padding */
		for (int kind = 0; kind < 4; kind++) {
			struct buf text OWNED_BUF = BUF_INIT(VECTOR_MAX);
			struct buf body OWNED_BUF = BUF_INIT(VECTOR_MAX);
			struct buf quote OWNED_BUF = BUF_INIT(IMDS_QUOTE_MAX);
			const enum base64_kind kinds[] = { BASE64, BASE64URL, BASE64URL_PADDED, BASE64 };
			assert_int_equal(base64_encode(kinds[kind], bytes_of(want.data, len), &text, &err), 0);
			while (kind == 3 && text.data[text.len - 1] == '=')
				text.data[--text.len] = 0;
			json_of("quote", buf_text(&text), &body);
			will_answer("200 OK", "application/json", buf_text(&body));
			if (get_quote(&quote, &err) < 0)
				fail_msg("kind %d: %s", kind, err.message);
			assert_int_equal(quote.len, len);
			assert_memory_equal(quote.data, want.data, len);
		}
	assert_non_null(strstr(service->head, "POST /acc/tdquote HTTP/1.1\r\n"));
	assert_non_null(strstr(service->head, "Metadata: true\r\n"));
	assert_non_null(strstr(service->head, "Content-Type: application/json\r\n"));
	assert_int_equal(strncmp(service->body, "{\"report\":\"AAUKDxQZ", 19), 0);
	assert_int_equal(strlen(service->body), 13 + 1366); /* unpadded */
}

static void quotes_that_are_none(void **state)
{
	(void)state;
	static const struct {
		const char *body;
		const char *part;
	} bad[] = {
		{ "{\"quote\":\"\"}", "quote" },     { "{\"quote\":\"AAAA\"}", "quote" },
		{ "{\"quote\":\"A===\"}", "quote" }, { "{\"quote\":\"AA AA\"}", "quote" },
		{ "{\"quote\":17}", "quote" },	     { "{\"error\":\"x\"}", "quote" },
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct buf quote OWNED_BUF = BUF_INIT(IMDS_QUOTE_MAX);
		struct err err = { 0 };
		will_answer("200 OK", "application/json", bad[i].body);
		assert_int_equal(get_quote(&quote, &err), -1);
		assert_int_equal(err.code, ERR_PROTOCOL);
		assert_message_has(err, bad[i].part);
		assert_int_equal(quote.len, 0);
	}
}

/* The release asks this address and no other. */
static void the_address(void **state)
{
	(void)state;
	struct http_client *client OWNED_HTTP = NULL;
	struct err err = { 0 };
	assert_string_equal(IMDS_URL, "http://169.254.169.254");
	assert_int_equal(imds_open(&client, &err), 0);
	assert_int_equal(http_connections(client), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_vcek),
		cmocka_unit_test(whose_vcek),
		cmocka_unit_test(answers_that_are_none),
		cmocka_unit_test(types_of_content),
		cmocka_unit_test(failures_that_pass),
		cmocka_unit_test(failures_that_stay),
		cmocka_unit_test(nobody_there),
		cmocka_unit_test(quotes),
		cmocka_unit_test(quotes_that_are_none),
		cmocka_unit_test(the_address),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
