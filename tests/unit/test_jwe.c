/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cdh-client/jwe and cdh-client/tee_key against a recorded conversation of the
 * real KBS: the last line's JWE, its TEE key and its plaintext. Every altered
 * copy must be refused with a reason, and no plaintext be handed out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>
#include <fcntl.h>

#include "base/encode.h"
#include "base/file.h"
#include "base/wipe.h"
#include "cdh-client/jwe.h"
#include "cdh-client/rcar.h"

#define MAX_PLAIN 65536

static struct {
	struct json *attest; /* the recorded POST /attest */
	struct json *get;    /* the recorded GET that succeeded */
	struct tee_key *key;
	struct json *jwe;
} recorded;

/* The recorded line whose path ends so and whose status is 200. */
static struct json *find_line(const char *text, const char *path_end)
{
	for (const char *line = text; *line;) {
		size_t len = strcspn(line, "\n");
		struct json *doc = NULL;
		uint64_t status;
		const char *path;
		assert_int_equal(json_parse(bytes_of(line, len), 1 << 20, &doc, NULL), 0);
		assert_int_equal(json_get_u64(doc, "status", &status, NULL), 0);
		assert_int_equal(json_get_string(doc, "path", &path, NULL), 0);
		if (status == 200 && strlen(path) >= strlen(path_end) &&
		    strcmp(path + strlen(path) - strlen(path_end), path_end) == 0)
			return doc;
		json_free(doc);
		line += len + (line[len] == '\n');
	}
	fail_msg("no line for '%s'", path_end);
	return NULL;
}

static const char *member_text(const struct json *doc, const char *name)
{
	const char *text = json_text(json_member(doc, name));
	assert_non_null(text);
	return text;
}

static int load(void **state)
{
	(void)state;
	struct buf text OWNED_BUF = BUF_INIT(1 << 20);
	assert_int_equal(secret_setup(NULL), 0);
	assert_int_equal(file_read(AT_FDCWD, RECORDED "/success-p256.jsonl", &text, NULL), 0);
	recorded.attest = find_line(buf_text(&text), "/attest");
	recorded.get = find_line(buf_text(&text), "/key");
	assert_int_equal(
		tee_key_from_pem(bytes_of_text(member_text(recorded.get, "tee_private_key_pem")), &recorded.key, NULL),
		0);
	assert_int_equal(
		json_parse(bytes_of_text(member_text(recorded.get, "resp_body")), 1 << 20, &recorded.jwe, NULL), 0);
	return 0;
}

static int unload(void **state)
{
	(void)state;
	json_free(recorded.attest);
	json_free(recorded.get);
	json_free(recorded.jwe);
	tee_key_free(recorded.key);
	return 0;
}

static void recorded_jwe_opens(void **state)
{
	(void)state;
	struct secret plain OWNED_SECRET = SECRET_INIT;
	const char *expected = member_text(recorded.get, "expected_plaintext");
	const char *jwe = member_text(recorded.get, "resp_body");
	assert_int_equal(jwe_decrypt(bytes_of_text(jwe), recorded.key, MAX_PLAIN, &plain, NULL), 0);
	assert_true(bytes_equal_text(secret_bytes(&plain), expected));
	/* exactly as large as allowed, and one byte too large */
	struct err err = { 0 };
	assert_int_equal(jwe_decrypt(bytes_of_text(jwe), recorded.key, plain.len, &plain, &err), 0);
	assert_int_equal(jwe_decrypt(bytes_of_text(jwe), recorded.key, strlen(expected) - 1, &plain, &err), -1);
	assert_non_null(strstr(err.message, "larger than the limit"));
	assert_int_equal(plain.len, strlen(expected));
}

static void recorded_runtime_digest_is_ours(void **state)
{
	(void)state;
	struct json *request OWNED_JSON = NULL;
	struct buf ours OWNED_BUF = BUF_INIT(256);
	const struct json *runtime, *both, *evidence, *pubkey;
	struct rcar_challenge challenge = { .hash = DIGEST_SHA384 };
	struct digest digest;
	assert_int_equal(json_parse(bytes_of_text(member_text(recorded.attest, "req_body")), 1 << 16, &request, NULL),
			 0);
	assert_int_equal(json_get_object(request, "runtime-data", &runtime, NULL), 0);
	assert_int_equal(json_get_object(runtime, "tee-pubkey", &pubkey, NULL), 0);
	assert_int_equal(json_get_object(request, "tee-evidence", &both, NULL), 0);
	assert_int_equal(json_get_object(both, "primary_evidence", &evidence, NULL), 0);
	(void)strcpy(challenge.nonce, member_text(runtime, "nonce"));
	assert_int_equal(rcar_runtime_digest(&challenge, pubkey, &digest, NULL), 0);
	assert_int_equal(base64_encode(BASE64, digest_bytes(&digest), &ours, NULL), 0);
	assert_string_equal(buf_text(&ours), member_text(evidence, "report_data"));
	/* and our JWK of that key has the same members */
	struct json *jwk OWNED_JSON = NULL;
	assert_int_equal(tee_key_jwk(recorded.key, &jwk, NULL), 0);
	assert_int_equal(json_count(jwk), 5);
	for (const struct json *m = json_first(jwk); m; m = json_next(m))
		assert_string_equal(json_text(m), member_text(pubkey, json_name(m)));
}

/* A copy of the recorded JWE with one member replaced (NULL: left out). */
static void altered(const char *name, const char *value, struct buf *out)
{
	struct json *doc OWNED_JSON = NULL;
	assert_int_equal(json_new_object(&doc, NULL), 0);
	for (const struct json *m = json_first(recorded.jwe); m; m = json_next(m))
		if (strcmp(json_name(m), name) != 0)
			assert_int_equal(json_add_string(doc, json_name(m), json_text(m), NULL), 0);
	if (value)
		assert_int_equal(json_add_string(doc, name, value, NULL), 0);
	assert_int_equal(json_print(doc, out, NULL), 0);
}

static void expect_refused(struct bytes jwe, const char *reason)
{
	struct secret plain OWNED_SECRET = SECRET_INIT;
	struct err err = { 0 };
	assert_int_equal(jwe_decrypt(jwe, recorded.key, MAX_PLAIN, &plain, &err), -1);
	assert_null(plain.data);
	assert_int_equal(err.code, ERR_PROTOCOL);
	if (!strstr(err.message, reason))
		fail_msg("expected '%s' in '%s'", reason, err.message);
}

static void missing_and_foreign_members_are_refused(void **state)
{
	(void)state;
	static const char *const names[] = { "protected", "encrypted_key", "iv", "ciphertext", "tag" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct buf text OWNED_BUF = BUF_INIT(1 << 16);
		altered(names[i], NULL, &text);
		expect_refused(buf_bytes(&text), names[i]);
		buf_done(&text);
		altered(names[i], "*", &text);
		expect_refused(buf_bytes(&text), "not unpadded base64url text");
	}
	struct buf text OWNED_BUF = BUF_INIT(1 << 16);
	altered("aad", "AA", &text);
	expect_refused(buf_bytes(&text), "'aad' is not supported");
	expect_refused(bytes_of_text("[]"), "not an object");
	expect_refused(bytes_of_text(""), "JWE");
}

/* The recorded value of a member with its last byte's lowest bit turned. */
static void flipped(const char *name, struct buf *out)
{
	struct buf raw OWNED_BUF = BUF_INIT(1 << 16);
	assert_int_equal(base64_decode(BASE64URL, bytes_of_text(member_text(recorded.jwe, name)), &raw, NULL), 0);
	raw.data[raw.len - 1] ^= 1;
	assert_int_equal(base64_encode(BASE64URL, buf_bytes(&raw), out, NULL), 0);
}

static void altered_bits_are_refused(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		const char *reason;
	} rows[] = { { "tag", "the tag does not match" },
		     { "ciphertext", "the tag does not match" },
		     { "iv", "the tag does not match" },
		     { "encrypted_key", "does not unwrap" } };
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf value OWNED_BUF = BUF_INIT(1 << 16);
		struct buf text OWNED_BUF = BUF_INIT(1 << 16);
		flipped(rows[i].name, &value);
		altered(rows[i].name, buf_text(&value), &text);
		expect_refused(buf_bytes(&text), rows[i].reason);
	}
}

static void wrong_lengths_are_refused(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		const char *value;
		const char *reason;
	} rows[] = { { "tag", "AAAA", "'tag' is 3 bytes long, not 16" },
		     { "iv", "AAAA", "'iv' is 3 bytes long, not 12" },
		     { "encrypted_key", "AAAA", "'encrypted_key' of the JWE is 3 bytes long, not 40" },
		     { "ciphertext", "", "the resource is empty" } };
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf text OWNED_BUF = BUF_INIT(1 << 16);
		altered(rows[i].name, rows[i].value, &text);
		expect_refused(buf_bytes(&text), rows[i].reason);
	}
}

#define X_GOOD "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
#define Y_GOOD "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
#define HEADER(epk) "{\"alg\":\"ECDH-ES+A256KW\",\"enc\":\"A256GCM\"" epk "}"
#define EPK(kty, crv, x, y) ",\"epk\":{\"kty\":\"" kty "\",\"crv\":\"" crv "\",\"x\":\"" x "\",\"y\":\"" y "\"}"

static void foreign_headers_are_refused(void **state)
{
	(void)state;
	static const struct {
		const char *header;
		const char *reason;
	} rows[] = {
		{ "[]", "not an object" },
		{ "{", "protected header" },
		{ "{\"alg\":\"RSA1_5\",\"enc\":\"A256GCM\"}", "'alg' is 'RSA1_5'" },
		{ "{\"alg\":\"dir\",\"enc\":\"A256GCM\"}", "'alg' is 'dir'" },
		{ "{\"alg\":\"ECDH-ES+A256KW\",\"enc\":\"A128GCM\"}", "'enc' is 'A128GCM'" },
		{ "{\"alg\":\"ECDH-ES+A256KW\",\"enc\":\"A256GCM\",\"zip\":\"DEF\"}", "'zip' is not supported" },
		{ "{\"alg\":\"ECDH-ES+A256KW\",\"enc\":\"A256GCM\",\"crit\":[]}", "'crit' is not supported" },
		{ HEADER(), "epk" },
		{ HEADER(",\"epk\":\"x\""), "epk" },
		{ HEADER(EPK("EC", "P-521", X_GOOD, Y_GOOD)), "EC on 'P-521', not EC on 'P-256'" },
		{ HEADER(EPK("OKP", "P-256", X_GOOD, Y_GOOD)), "is OKP on 'P-256'" },
		{ HEADER(EPK("EC", "P-256", "AAAA", Y_GOOD)), "'x' is 3 bytes long, not 32" },
		{ HEADER(EPK("EC", "P-256", X_GOOD, X_GOOD)), "is not a point on P-256" },
		{ HEADER(EPK("EC", "P-256", X_GOOD, "!")), "'epk' of the JWE" },
		/* a good point, but not the one that this message was made with */
		{ HEADER(EPK("EC", "P-256", X_GOOD, Y_GOOD)), "does not unwrap" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf value OWNED_BUF = BUF_INIT(1 << 16);
		struct buf text OWNED_BUF = BUF_INIT(1 << 16);
		assert_int_equal(base64_encode(BASE64URL, bytes_of_text(rows[i].header), &value, NULL), 0);
		altered("protected", buf_text(&value), &text);
		expect_refused(buf_bytes(&text), rows[i].reason);
	}
}

static void another_key_opens_nothing(void **state)
{
	(void)state;
	static const struct {
		enum tee_key_kind kind;
		const char *reason;
	} rows[] = { { TEE_KEY_EC_P256, "does not unwrap" },
		     { TEE_KEY_EC_P521, "not EC on 'P-521'" },
		     { TEE_KEY_RSA_2048, "not 'RSA-OAEP-256'" } };
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct tee_key *key OWNED_TEE_KEY = NULL;
		struct secret plain OWNED_SECRET = SECRET_INIT;
		struct err err = { 0 };
		assert_int_equal(tee_key_new(rows[i].kind, &key, NULL), 0);
		assert_int_equal(jwe_decrypt(bytes_of_text(member_text(recorded.get, "resp_body")), key, MAX_PLAIN,
					     &plain, &err),
				 -1);
		if (!strstr(err.message, rows[i].reason))
			fail_msg("expected '%s' in '%s'", rows[i].reason, err.message);
	}
}

static void jwks_have_full_width_and_the_names_the_kbs_keeps(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 300; i++) { /* a leading zero byte turns up once in 128 keys */
		struct tee_key *key OWNED_TEE_KEY = NULL;
		struct json *jwk OWNED_JSON = NULL;
		assert_int_equal(tee_key_new(TEE_KEY_EC_P256, &key, NULL), 0);
		assert_int_equal(tee_key_jwk(key, &jwk, NULL), 0);
		assert_int_equal(strlen(member_text(jwk, "x")), 43);
		assert_int_equal(strlen(member_text(jwk, "y")), 43);
	}
	struct tee_key *p521 OWNED_TEE_KEY = NULL;
	struct tee_key *rsa OWNED_TEE_KEY = NULL;
	struct json *jwk521 OWNED_JSON = NULL;
	struct json *jwkrsa OWNED_JSON = NULL;
	assert_int_equal(tee_key_new(TEE_KEY_EC_P521, &p521, NULL), 0);
	assert_int_equal(tee_key_jwk(p521, &jwk521, NULL), 0);
	assert_string_equal(member_text(jwk521, "crv"), "P-521");
	assert_int_equal(strlen(member_text(jwk521, "x")), 88);
	assert_int_equal(tee_key_new(TEE_KEY_RSA_2048, &rsa, NULL), 0);
	assert_int_equal(tee_key_jwk(rsa, &jwkrsa, NULL), 0);
	assert_string_equal(member_text(jwkrsa, "alg"), "RSA-OAEP-256");
	assert_string_equal(member_text(jwkrsa, "e"), "AQAB");
	assert_int_equal(strlen(member_text(jwkrsa, "n")), 342);
	assert_int_equal(json_count(jwkrsa), 4);
}

static void bad_key_texts_are_refused(void **state)
{
	(void)state;
	static const char *const rows[] = { "", "x", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
					    /* an Ed25519 key (RFC 8410 section 10.3) */
					    "-----BEGIN PRIVATE "
					    "KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/"
					    "HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n" };
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct tee_key *key = NULL;
		struct err err = { 0 };
		assert_int_equal(tee_key_from_pem(bytes_of_text(rows[i]), &key, &err), -1);
		assert_int_equal(err.code, ERR_PROTOCOL);
		assert_null(key);
	}
}

static void kinds_have_the_attestation_agents_names(void **state)
{
	(void)state;
	enum tee_key_kind kind = TEE_KEY_RSA_2048;
	assert_int_equal(tee_key_kind_by_name(bytes_of_text("ECDH-ES+A256KW-P256"), &kind), 0);
	assert_int_equal(kind, TEE_KEY_EC_P256);
	assert_int_equal(tee_key_kind_by_name(bytes_of_text("ECDH-ES+A256KW"), &kind), -1);
	assert_int_equal(kind, TEE_KEY_EC_P256);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recorded_jwe_opens),
		cmocka_unit_test(recorded_runtime_digest_is_ours),
		cmocka_unit_test(missing_and_foreign_members_are_refused),
		cmocka_unit_test(altered_bits_are_refused),
		cmocka_unit_test(wrong_lengths_are_refused),
		cmocka_unit_test(foreign_headers_are_refused),
		cmocka_unit_test(another_key_opens_nothing),
		cmocka_unit_test(jwks_have_full_width_and_the_names_the_kbs_keeps),
		cmocka_unit_test(bad_key_texts_are_refused),
		cmocka_unit_test(kinds_have_the_attestation_agents_names),
	};
	wipe_install();
	return cmocka_run_group_tests(tests, load, unload);
}
