/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Admin calls against recorded conversations of the real KBS: what we send must be what it was sent,
 * and its answers must mean what they meant. The token's signature is verified here with
 * OpenSSL, by the public half.
 */
#include <fcntl.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/encode.h"
#include "base/file.h"
#include "base/wipe.h"
#include "cdh-client/kbs_admin.h"
#include "http_peer.h"

#define CHECK(what)                                                                                                    \
	do {                                                                                                           \
		if (!(what))                                                                                           \
			abort();                                                                                       \
	} while (0)

/* The line of a recording whose note begins so. */
static struct json *recorded(const char *file, const char *note)
{
	char path[512];
	struct buf text OWNED_BUF = BUF_INIT(1 << 20);
	(void)snprintf(path, sizeof(path), "%s/admin-%s.jsonl", RECORDED, file);
	CHECK(file_read(AT_FDCWD, path, &text, NULL) == 0);
	for (char *line = strtok((char *)text.data, "\n"); line; line = strtok(NULL, "\n")) {
		struct json *doc = NULL;
		if (json_parse(bytes_of_text(line), 65536, &doc, NULL) < 0)
			continue; /* a binary body has NULs in it */
		const char *its = json_text(json_member(doc, "note"));
		if (its && strncmp(its, note, strlen(note)) == 0)
			return doc;
		json_free(doc);
	}
	fail_msg("no line '%s' in %s", note, path);
	return NULL;
}

struct shared {
	const struct json *line; /* forked along */
	unsigned requests;
	unsigned broken; /* how many requests get 503 first */
	int64_t date;	 /* seconds; 0: no Date */
	char token[4096];
};

static const struct json *line_of_peer;

static void keep_token(struct shared *shared, const char *head)
{
	const char *at = strstr(head, "Authorization: Bearer ");
	CHECK(at);
	at += strlen("Authorization: Bearer ");
	size_t len = strcspn(at, "\r");
	CHECK(len < sizeof(shared->token));
	memcpy(shared->token, at, len);
}

static void serve(struct peer_conn *conn)
{
	static struct peer_request request;
	struct shared *shared = conn->setup->shared;
	while (peer_read_request(conn, &request)) {
		const struct json *line = line_of_peer;
		const char *body = json_text(json_member(line, "req_body"));
		const char *method = json_text(json_member(line, "method"));
		const char *answer = json_text(json_member(line, "resp_body"));
		uint64_t status;
		char head[256];
		shared->requests++;
		keep_token(shared, request.head);
		CHECK(strcmp(request.path, json_text(json_member(line, "path"))) == 0);
		CHECK(strncmp(request.head, method, strlen(method)) == 0);
		CHECK(request.body_len == (body ? strlen(body) : 0));
		CHECK(!body || memcmp(request.body, body, request.body_len) == 0);
		CHECK(json_get_u64(line, "status", &status, NULL) == 0);
		if (shared->broken > 0) {
			shared->broken--;
			CHECK(peer_say(conn, "HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n"));
			continue;
		}
		char date[64] = "";
		time_t at = (time_t)shared->date;
		struct tm parts;
		if (shared->date)
			CHECK(strftime(date, sizeof(date), "Date: %a, %d %b %Y %H:%M:%S GMT\r\n",
				       gmtime_r(&at, &parts)) > 0);
		(void)snprintf(head, sizeof(head), "HTTP/1.1 %d x\r\n%sContent-Length: %zu\r\n\r\n", (int)status, date,
			       strlen(answer));
		if (!peer_say(conn, head) || !peer_say(conn, answer))
			return;
	}
}

struct stage {
	struct json *line;
	struct shared *shared;
	struct peer_setup setup;
	struct peer peer;
	struct kbs_admin_options options;
	struct kbs_admin *admin;
	struct admin_key *key;
	EVP_PKEY *pkey;
};

static struct admin_key *key_of(EVP_PKEY *pkey)
{
	struct buf pem OWNED_BUF = BUF_INIT(4096);
	struct admin_key *key = NULL;
	pki_key_pem(pkey, PKI_PKCS8, &pem);
	assert_int_equal(admin_key_read(buf_bytes(&pem), &key, NULL), 0);
	return key;
}

/* `line` is the stage's from then on. */
static void start(struct stage *stage, struct json *line)
{
	stage->line = line;
	line_of_peer = line;
	stage->shared = peer_shared(sizeof(*stage->shared));
	stage->setup = (struct peer_setup){ .serve = serve, .shared = stage->shared };
	stage->peer = peer_start(&stage->setup);
	stage->pkey = pki_ed25519_key();
	stage->key = key_of(stage->pkey);
	stage->options =
		(struct kbs_admin_options){ .url = stage->peer.url, .key = stage->key, .deadline = deadline_in(5000) };
	assert_int_equal(kbs_admin_open(&stage->options, &stage->admin, NULL), 0);
}

static void stop(struct stage *stage)
{
	kbs_admin_close(stage->admin);
	peer_stop(&stage->peer);
	admin_key_free(stage->key);
	EVP_PKEY_free(stage->pkey);
	json_free(stage->line);
}
#define OWNED_STAGE CLEANUP(stop)

static struct kbs_uri uri_of(const struct json *line)
{
	struct kbs_uri uri = { .text = "" };
	(void)snprintf(uri.path, sizeof(uri.path), "%s", json_text(json_member(line, "path")));
	return uri;
}

/* The policy in a request, as text. */
static void policy_of(const struct json *line, struct buf *out)
{
	struct json *doc OWNED_JSON = NULL;
	assert_int_equal(json_parse(bytes_of_text(json_text(json_member(line, "req_body"))), 65536, &doc, NULL), 0);
	assert_int_equal(base64_decode(BASE64URL, bytes_of_text(json_text(json_member(doc, "policy"))), out, NULL), 0);
}

static int put(struct stage *stage, struct err *err)
{
	const char *body = json_text(json_member(stage->line, "req_body"));
	struct kbs_uri uri = uri_of(stage->line);
	return kbs_admin_put(stage->admin, &uri, bytes_of_text(body), err);
}

static int delete (struct stage *stage, struct err *err)
{
	struct kbs_uri uri = uri_of(stage->line);
	return kbs_admin_delete(stage->admin, &uri, err);
}

static int resource_policy(struct stage *stage, struct err *err)
{
	struct buf rego OWNED_BUF = BUF_INIT(65536);
	policy_of(stage->line, &rego);
	return kbs_admin_set_resource_policy(stage->admin, buf_bytes(&rego), err);
}

static int default_attestation_policy(struct stage *stage, struct err *err)
{
	struct buf rego OWNED_BUF = BUF_INIT(65536);
	policy_of(stage->line, &rego);
	return kbs_admin_set_attestation_policy(stage->admin, "default", buf_bytes(&rego), err);
}

static int attestation_policy(struct stage *stage, struct err *err)
{
	struct buf rego OWNED_BUF = BUF_INIT(65536);
	policy_of(stage->line, &rego);
	return kbs_admin_set_attestation_policy(stage->admin, KBS_ADMIN_CPU_POLICY, buf_bytes(&rego), err);
}

static int list(struct stage *stage, struct err *err)
{
	struct json *names OWNED_JSON = NULL;
	if (kbs_admin_list_policies(stage->admin, &names, err) < 0)
		return -1;
	assert_int_equal(json_count(names), 1);
	assert_string_equal(json_text(json_first(names)), "resource-policy");
	return 0;
}

static int several_values(struct stage *stage, struct err *err)
{
	struct json *values OWNED_JSON = NULL;
	static const char text[] = "{\"snp_launch_measurement\":[\"aa\",\"bb\"],\"tdx_x\":5}";
	assert_int_equal(json_parse(bytes_of_text(text), sizeof(text), &values, NULL), 0);
	return kbs_admin_set_reference_values(stage->admin, values, err);
}

static int read_back(struct stage *stage, struct err *err)
{
	struct json *value OWNED_JSON = NULL;
	if (kbs_admin_get_reference_value(stage->admin, "snp_launch_measurement", &value, err) < 0)
		return -1;
	assert_non_null(value);
	assert_int_equal(json_count(value), 2);
	assert_string_equal(json_text(json_first(value)), "aa");
	return 0;
}

static int read_unknown(struct stage *stage, struct err *err)
{
	struct json *value = NULL;
	if (kbs_admin_get_reference_value(stage->admin, "nope", &value, err) < 0)
		return -1;
	assert_null(value);
	assert_int_equal(err->code, ERR_NONE);
	return 0;
}

static void recorded_calls(void **state)
{
	(void)state;
	static const struct {
		const char *file, *note;
		int (*call)(struct stage *stage, struct err *err);
		enum err_code code;
		const char *message;
	} rows[] = {
		{ "resource", "same path again", put, ERR_NONE, NULL },
		{ "resource", "empty body", put, ERR_NONE, NULL },
		{ "resource", "bad path", put, ERR_SERVER, "PluginInternalError" },
		{ "resource", "kbs-client delete-resource", delete, ERR_NONE, NULL },
		{ "resource", "DELETE of a missing", delete, ERR_MISSING, "missing, or the KBS's storage is broken" },
		{ "resource-policy", "good minimal policy by hand", resource_policy, ERR_NONE, NULL },
		{ "resource-policy", "rego syntax error", resource_policy, ERR_CONFIG, "expecting expression" },
		{ "resource-policy", "list policies", list, ERR_NONE, NULL },
		{ "attestation-policy", "id \"default\"", default_attestation_policy, ERR_NONE, NULL },
		{ "attestation-policy", "syntax error", attestation_policy, ERR_CONFIG, "its log says why" },
		{ "reference-value", "several values at once", several_values, ERR_NONE, NULL },
		{ "reference-value", "read back", read_back, ERR_NONE, NULL },
		{ "reference-value", "unknown id", read_unknown, ERR_NONE, NULL },
		{ "auth-errors", "minimal good token", put, ERR_NONE, NULL },
		{ "auth-errors", "no role claim", put, ERR_DENIED, "Missing required `role` claim" },
		{ "auth-errors", "role without ACL", put, ERR_DENIED, "Role guest not allowed" },
		{ "auth-errors", "expired admin JWT", put, ERR_DENIED, "public half of this key" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct stage stage OWNED_STAGE = { 0 };
		struct err err = { 0 };
		start(&stage, recorded(rows[i].file, rows[i].note));
		int rc = rows[i].call(&stage, &err);
		if (err.code != rows[i].code || rc != (rows[i].code ? -1 : 0))
			fail_msg("'%s': %d, '%s'", rows[i].note, (int)err.code, err.message);
		assert_true(!rows[i].message || strstr(err.message, rows[i].message));
		assert_int_equal(stage.shared->requests, 1);
		/* neither token nor secret stands in a message */
		assert_null(strstr(err.message, "eyJ"));
	}
}

static void a_clock_that_is_off_is_named(void **state)
{
	(void)state;
	struct stage stage OWNED_STAGE = { 0 };
	struct err err = { 0 };
	start(&stage, recorded("auth-errors", "expired admin JWT"));
	stage.shared->date = time(NULL) + 3600;
	assert_int_equal(put(&stage, &err), -1);
	assert_int_equal(err.code, ERR_CLOCK);
	assert_non_null(strstr(err.message, "s behind the KBS's"));
}

static void trouble_is_tried_again(void **state)
{
	(void)state;
	struct stage stage OWNED_STAGE = { 0 };
	struct err err = { 0 };
	start(&stage, recorded("resource", "same path again"));
	stage.shared->broken = 2;
	if (put(&stage, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(stage.shared->requests, 3);
	stage.shared->broken = 1000;
	stage.options.deadline = deadline_in(300);
	assert_int_equal(put(&stage, &err), -1);
	assert_int_equal(err.code, ERR_SERVER);
	assert_non_null(strstr(err.message, "gave up at the deadline"));
}

static void strange_answers(void **state)
{
	(void)state;
	static const struct {
		const char *status, *body;
		enum err_code code;
		const char *message;
	} rows[] = {
		{ "200", "{", ERR_PROTOCOL, "answer to" },
		{ "200", "{}", ERR_PROTOCOL, "not a list of names" },
		{ "200", "[1]", ERR_PROTOCOL, "not a list of names" },
		{ "302", "", ERR_PROTOCOL, "something else at this address" },
		{ "404", "nginx", ERR_PROTOCOL, "something else at this address" },
		{ "413", "A payload reached size limit.", ERR_CONFIG, "payload_request_size" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct stage stage OWNED_STAGE = { 0 };
		struct json *line = NULL;
		struct err err = { 0 };
		char text[512];
		uint64_t status = strtoul(rows[i].status, NULL, 10);
		(void)snprintf(text, sizeof(text),
			       "{\"method\":\"GET\",\"path\":\"/kbs/v0/resource-policy\",\"status\":%s}",
			       rows[i].status);
		assert_int_equal(json_parse(bytes_of_text(text), sizeof(text), &line, NULL), 0);
		assert_int_equal(json_add_string(line, "resp_body", rows[i].body, NULL), 0);
		start(&stage, line);
		assert_int_equal(list(&stage, &err), -1);
		if (err.code != rows[i].code || !strstr(err.message, rows[i].message))
			fail_msg("%llu: %s", (unsigned long long)status, err.message);
	}
}

/* The token's parts, and whether `pkey` signed it. */
static bool verifies(EVP_PKEY *pkey, const char *token, struct buf *header, struct buf *claims)
{
	const char *dot = strchr(token, '.');
	const char *last = strrchr(token, '.');
	struct buf raw OWNED_BUF = BUF_INIT(64);
	assert_true(dot && last > dot);
	assert_int_equal(base64_decode(BASE64URL, bytes_of(token, (size_t)(dot - token)), header, NULL), 0);
	assert_int_equal(base64_decode(BASE64URL, bytes_of(dot + 1, (size_t)(last - dot - 1)), claims, NULL), 0);
	assert_int_equal(base64_decode(BASE64URL, bytes_of_text(last + 1), &raw, NULL), 0);
	assert_int_equal(raw.len, 64);
	bool ec = EVP_PKEY_is_a(pkey, "EC");
	unsigned char *signature = raw.data;
	size_t len = raw.len;
	unsigned char *der = NULL;
	if (ec) {
		ECDSA_SIG *sig = ECDSA_SIG_new();
		assert_int_equal(ECDSA_SIG_set0(sig, BN_bin2bn(raw.data, 32, NULL), BN_bin2bn(raw.data + 32, 32, NULL)),
				 1);
		len = (size_t)i2d_ECDSA_SIG(sig, &der);
		signature = der;
		ECDSA_SIG_free(sig);
	}
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool good = EVP_DigestVerifyInit(ctx, NULL, ec ? EVP_sha256() : NULL, NULL, pkey) == 1 &&
		    EVP_DigestVerify(ctx, signature, len, (const unsigned char *)token, (size_t)(last - token)) == 1;
	EVP_MD_CTX_free(ctx);
	OPENSSL_free(der);
	return good;
}

static void tokens_are_signed(void **state)
{
	(void)state;
	EVP_PKEY *keys[] = { pki_ed25519_key(), pki_ec_key("P-256") };
	static const char *const headers[] = { "{\"alg\":\"EdDSA\",\"typ\":\"JWT\"}",
					       "{\"alg\":\"ES256\",\"typ\":\"JWT\"}" };
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		struct admin_key *key OWNED_ADMIN_KEY = key_of(keys[i]);
		/* r and s are shorter than 32 bytes once in 128 times */
		for (unsigned n = 0; n < 300; n++) {
			struct buf token OWNED_BUF = BUF_INIT(ADMIN_TOKEN_MAX);
			struct buf header OWNED_BUF = BUF_INIT(1024), claims OWNED_BUF = BUF_INIT(1024);
			assert_int_equal(admin_token_make(key, "admin", (time_t)(1800000000 + n), &token, NULL), 0);
			assert_true(verifies(keys[i], buf_text(&token), &header, &claims));
			assert_false(verifies(keys[!i], buf_text(&token), &header, &claims));
			assert_memory_equal(header.data, headers[i], strlen(headers[i]));
			if (n == 0)
				assert_memory_equal(claims.data,
						    "{\"role\":\"admin\",\"iat\":1800000000,\"exp\":1800000300}", 50);
		}
	}
	EVP_PKEY_free(keys[0]);
	EVP_PKEY_free(keys[1]);
}

static void keys_of_other_kinds_are_refused(void **state)
{
	(void)state;
	EVP_PKEY *other[] = { pki_ec_key("P-384"), pki_rsa_key(2048) };
	struct admin_key *key = NULL;
	struct err err = { 0 };
	for (size_t i = 0; i < ARRAY_LEN(other); i++) {
		struct buf pem OWNED_BUF = BUF_INIT(8192);
		pki_key_pem(other[i], PKI_PKCS8, &pem);
		assert_int_equal(admin_key_read(buf_bytes(&pem), &key, &err), -1);
		assert_int_equal(err.code, ERR_CREDENTIAL);
		EVP_PKEY_free(other[i]);
	}
	struct buf locked OWNED_BUF = BUF_INIT(8192);
	EVP_PKEY *pkey = pki_ec_key("P-256");
	pki_key_pem(pkey, PKI_ENCRYPTED, &locked);
	EVP_PKEY_free(pkey);
	assert_int_equal(admin_key_read(buf_bytes(&locked), &key, &err), -1);
	assert_non_null(strstr(err.message, "unencrypted"));
	assert_int_equal(admin_key_read(bytes_of_text("rubbish"), &key, &err), -1);
	static uint8_t large[65537];
	assert_int_equal(admin_key_read(bytes_of(large, sizeof(large)), &key, &err), -1);
	assert_non_null(strstr(err.message, "larger"));
}

static void names_are_checked(void **state)
{
	(void)state;
	static const char *const bad[] = { "", ".x", "a/b", "a?b", "a b", "a%2fb", "ä" };
	struct err err = { 0 };
	assert_int_equal(kbs_admin_check_name("snp_pcr03.x-Y", &err), 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(kbs_admin_check_name(bad[i], &err), -1);
}

static int set_up(void **state)
{
	(void)state;
	wipe_install();
	return secret_setup(NULL) < 0 || http_setup(NULL) < 0 ? -1 : 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recorded_calls),	  cmocka_unit_test(a_clock_that_is_off_is_named),
		cmocka_unit_test(trouble_is_tried_again), cmocka_unit_test(strange_answers),
		cmocka_unit_test(tokens_are_signed),	  cmocka_unit_test(keys_of_other_kinds_are_refused),
		cmocka_unit_test(names_are_checked),
	};
	return cmocka_run_group_tests(tests, set_up, NULL);
}
