/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cdh-client/rcar: the messages of RCAR 0.4.0, with the check vector for the
 * runtime data's digest.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "base/encode.h"
#include "cdh-client/rcar.h"

#define CHALLENGE(text) rcar_parse_challenge(bytes_of_text(text), &challenge, &err)

static void auth_body_is_what_the_kbs_takes(void **state)
{
	(void)state;
	struct buf out OWNED_BUF = BUF_INIT(4096);
	assert_int_equal(rcar_auth_body("snp", &out, NULL), 0);
	assert_string_equal(buf_text(&out), "{\"version\":\"0.4.0\",\"tee\":\"snp\",\"extra-params\":"
					    "{\"supported-hash-algorithms\":[\"sha256\",\"sha384\",\"sha512\"]}}");
}

static void challenge_keeps_the_nonce_as_it_came(void **state)
{
	(void)state;
	struct rcar_challenge challenge;
	struct err err = { 0 };
	assert_int_equal(CHALLENGE("{\"nonce\":\"a+/b==\",\"extra-params\":\"\",\"new\":1}"), 0);
	assert_string_equal(challenge.nonce, "a+/b==");
	assert_int_equal(challenge.hash, DIGEST_SHA384);
}

static void selected_hash_is_honoured_without_case(void **state)
{
	(void)state;
	struct rcar_challenge challenge;
	struct err err = { 0 };
	assert_int_equal(CHALLENGE("{\"nonce\":\"n\",\"extra-params\":{\"Selected-Hash-Algorithm\":\"SHA512\"}}"), 0);
	assert_int_equal(challenge.hash, DIGEST_SHA512);
	assert_int_equal(CHALLENGE("{\"nonce\":\"n\",\"extra-params\":{}}"), 0);
	assert_int_equal(challenge.hash, DIGEST_SHA384);
	assert_int_equal(CHALLENGE("{\"nonce\":\"n\",\"extra-params\":{\"selected-hash-algorithm\":\"sm3\"}}"), -1);
	assert_non_null(strstr(err.message, "'sm3' is not one that was offered"));
	assert_int_equal(CHALLENGE("{\"nonce\":\"n\",\"extra-params\":{\"selected-hash-algorithm\":\"sha1\"}}"), -1);
	assert_int_equal(CHALLENGE("{\"nonce\":\"n\",\"extra-params\":{\"selected-hash-algorithm\":1}}"), -1);
}

static void bad_challenges_are_refused(void **state)
{
	(void)state;
	static const char *const rows[] = {
		"",
		"null",
		"[]",
		"{}",
		"{\"nonce\":1}",
		"{\"nonce\":\"\"}",
		"{\"nonce\":\"a\",\"nonce\":\"b\"}",
		"{\"nonce\":\"a\"}x",
	};
	struct rcar_challenge challenge;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = { 0 };
		assert_int_equal(CHALLENGE(rows[i]), -1);
		assert_int_equal(err.code, ERR_PROTOCOL);
	}
	char text[1200] = "{\"nonce\":\"";
	memset(text + 10, 'a', 1024);
	memcpy(text + 10 + 1024, "\"}", 3);
	struct err err = { 0 };
	assert_int_equal(CHALLENGE(text), -1);
	assert_non_null(strstr(err.message, "a nonce of 1024 bytes"));
}

static struct json *key_of(const char *text)
{
	struct json *key = NULL;
	assert_int_equal(json_parse(bytes_of_text(text), 4096, &key, NULL), 0);
	return key;
}

#define CHECK_KEY                                                                                                      \
	"{\"kty\":\"EC\",\"crv\":\"P-256\",\"alg\":\"ECDH-ES+A256KW\","                                                \
	"\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\"}"

static void runtime_digest_matches_the_check_vector(void **state)
{
	(void)state;
	struct rcar_challenge challenge = { .nonce = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
					    .hash = DIGEST_SHA384 };
	struct json *key OWNED_JSON = key_of(CHECK_KEY);
	struct digest digest;
	struct buf hex OWNED_BUF = BUF_INIT(256);
	assert_int_equal(rcar_runtime_digest(&challenge, key, &digest, NULL), 0);
	assert_int_equal(hex_encode(digest_bytes(&digest), &hex, NULL), 0);
	assert_string_equal(buf_text(&hex), "dfa65d498315212bdaf8857231cf0482172933db271f15856bf30db447227eb5"
					    "b1dd9e29fcc1fb9076fb00792c3bb7e7");
	challenge.hash = DIGEST_SHA256;
	assert_int_equal(rcar_runtime_digest(&challenge, key, &digest, NULL), 0);
	assert_int_equal(digest.len, 32);
}

static void attest_body_holds_all_members(void **state)
{
	(void)state;
	struct rcar_challenge challenge = { .nonce = "n==", .hash = DIGEST_SHA384 };
	struct json *key OWNED_JSON = key_of("{\"alg\":\"A\",\"kty\":\"EC\"}");
	struct buf out OWNED_BUF = BUF_INIT(4096);
	assert_int_equal(rcar_attest_body(&challenge, key, key_of("{\"svn\":\"1\"}"), bytes_of("", 0), &out, NULL), 0);
	assert_string_equal(buf_text(&out),
			    "{\"runtime-data\":{\"nonce\":\"n==\",\"tee-pubkey\":{\"alg\":\"A\",\"kty\":\"EC\"}},"
			    "\"tee-evidence\":{\"primary_evidence\":{\"svn\":\"1\"},\"additional_evidence\":\"\"}}");
	buf_done(&out);
	struct bytes initdata = bytes_of_text("version = \"0.1.0\"\r\n# \"x\"\n");
	assert_int_equal(rcar_attest_body(&challenge, key, key_of("{}"), initdata, &out, NULL), 0);
	assert_non_null(strstr(buf_text(&out), "{\"init-data\":{\"format\":\"toml\",\"body\":"
					       "\"version = \\\"0.1.0\\\"\\r\\n# \\\"x\\\"\\n\"},"));
}

static void initdata_must_survive_the_journey(void **state)
{
	(void)state;
	struct rcar_challenge challenge = { .nonce = "n", .hash = DIGEST_SHA384 };
	struct json *key OWNED_JSON = key_of("{}");
	struct buf out OWNED_BUF = BUF_INIT(4096);
	struct err err = { 0 };
	assert_int_equal(rcar_attest_body(&challenge, key, key_of("{}"), bytes_of("a\0b", 3), &out, &err), -1);
	assert_non_null(strstr(err.message, "NUL"));
	assert_int_equal(rcar_attest_body(&challenge, key, key_of("{}"), bytes_of_text("\xff"), &out, &err), -1);
}

static void cookie_is_taken_by_its_name_and_letters(void **state)
{
	(void)state;
	char value[RCAR_COOKIE_MAX];
	struct err err = { 0 };
	assert_int_equal(rcar_parse_cookie("kbs-session-id=84286fa266f4427ca85f388543f114ab; Expires=Tue, 24 Nov 2026",
					   value, &err),
			 0);
	assert_string_equal(value, "84286fa266f4427ca85f388543f114ab");
	assert_int_equal(rcar_parse_cookie("kbs-session-id=x", value, &err), 0);
	static const char *const rows[] = { "",
					    "other=1",
					    "kbs-session-id=",
					    "kbs-session-id=; a",
					    "kbs-session-id=a b",
					    "kbs-session-id=a\"",
					    "KBS-SESSION-ID=a",
					    "kbs-session-id=a,b" };
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(rcar_parse_cookie(rows[i], value, &err), -1);
	char text[200] = "kbs-session-id=";
	memset(text + 15, 'a', RCAR_COOKIE_MAX);
	assert_int_equal(rcar_parse_cookie(text, value, &err), -1);
}

static void problem_documents_are_read(void **state)
{
	(void)state;
	struct rcar_problem problem;
	struct err err = { 0 };
	const char *good =
		"{\"type\":\"https://github.com/confidential-containers/kbs/errors/PolicyDeny\",\"detail\":\"no\"}";
	assert_int_equal(rcar_parse_problem(bytes_of_text(good), &problem, &err), 0);
	assert_string_equal(problem.type, "PolicyDeny");
	assert_string_equal(problem.detail, "no");
	assert_int_equal(rcar_parse_problem(bytes_of_text("<html>"), &problem, &err), -1);
	assert_int_equal(
		rcar_parse_problem(bytes_of_text("{\"type\":\"about:blank\",\"detail\":\"\"}"), &problem, &err), -1);
	assert_non_null(strstr(err.message, "about:blank"));
	assert_int_equal(rcar_parse_problem(bytes_of_text("{\"type\":\"x\"}"), &problem, &err), -1);
}

static void version_mismatch_tells_the_wanted_version(void **state)
{
	(void)state;
	char version[32];
	struct rcar_problem problem = {
		.type = "AttestationError",
		.detail = "Attestation error: RCAR handshake Auth failed: KBS Client Protocol Version "
			  "Mismatch: expect =0.2.0 while the request is 0.4.0"
	};
	assert_true(rcar_wanted_version(&problem, version));
	assert_string_equal(version, "0.2.0");
	(void)strcpy(problem.detail, "Attestation error: RCAR handshake Attest failed");
	assert_false(rcar_wanted_version(&problem, version));
	(void)strcpy(problem.detail, "Version Mismatch: expect =");
	assert_false(rcar_wanted_version(&problem, version));
	(void)strcpy(problem.detail, "Version Mismatch: expect =0123456789012345678901234567890123456789 while");
	assert_false(rcar_wanted_version(&problem, version));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(auth_body_is_what_the_kbs_takes),
		cmocka_unit_test(challenge_keeps_the_nonce_as_it_came),
		cmocka_unit_test(selected_hash_is_honoured_without_case),
		cmocka_unit_test(bad_challenges_are_refused),
		cmocka_unit_test(runtime_digest_matches_the_check_vector),
		cmocka_unit_test(attest_body_holds_all_members),
		cmocka_unit_test(initdata_must_survive_the_journey),
		cmocka_unit_test(cookie_is_taken_by_its_name_and_letters),
		cmocka_unit_test(problem_documents_are_read),
		cmocka_unit_test(version_mismatch_tells_the_wanted_version),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
