/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cdh-client/aa and aa_token against recorded conversations of the real agent; and
 * token documents that make no sense, of which no message may show a letter.
 */
#include "ttrpc_peer.h"

#include "base/wipe.h"
#include "cdh-client/aa.h"

struct stage_with_agent {
	struct ttrpc_stage stage;
	struct recording recording;
	struct aa *aa;
};

static void start(struct stage_with_agent *all, const char *name)
{
	struct err err = { 0 };
	all->recording = recording_read(name);
	stage_start(&all->stage, replay, &all->recording);
	assert_int_equal(aa_open(all->stage.path, &all->aa, &err), 0);
	/* up to the recorded stream id, by calls that the replay answers with nothing */
	for (uint32_t id = 1; id < frame_u32(all->recording.request.data + 4); id += 2) {
		char tee[32];
		assert_int_equal(aa_get_tee_type(all->aa, NULL, tee, &err), -1);
		assert_string_equal(err.message,
				    "attestation agent: the answer to 'GetTeeType' is empty or no proper message");
	}
}

static void stop(struct stage_with_agent *all)
{
	aa_close(all->aa);
	stage_stop(&all->stage);
	recording_done(&all->recording);
}
#define OWNED_ALL CLEANUP(stop)

static void tee_type(void **state)
{
	(void)state;
	struct stage_with_agent all OWNED_ALL = { 0 };
	char tee[32];
	start(&all, "aa-getteetype");
	assert_int_equal(aa_get_tee_type(all.aa, NULL, tee, NULL), 0);
	assert_string_equal(tee, "sample");
}

static void evidence(void **state)
{
	(void)state;
	struct stage_with_agent all OWNED_ALL = { 0 };
	struct buf json OWNED_BUF = BUF_INIT(1);
	struct err err = { 0 };
	start(&all, "aa-getevidence");
	assert_int_equal(aa_get_evidence(all.aa, bytes_of("\1\2\3", 3), NULL, &json, &err), 0);
	assert_string_equal(buf_text(&json), "{\"report_data\":\"AQID\",\"svn\":\"1\"}");
	static const uint8_t long_data[65];
	assert_int_equal(aa_get_evidence(all.aa, bytes_of(long_data, 65), NULL, &json, &err), -1);
	assert_string_equal(err.message, "runtime data of 65 bytes: 1 to 64 fit into a report");
}

static void token(void **state)
{
	(void)state;
	struct stage_with_agent all OWNED_ALL = { 0 };
	struct aa_token token OWNED_AA_TOKEN = AA_TOKEN_INIT;
	struct err err = { 0 };
	start(&all, "aa-gettoken-kbs");
	if (aa_get_token(all.aa, NULL, &token, &err) < 0)
		fail_msg("%s", err.message);
	assert_memory_equal(buf_text(&token.jwt), "eyJ0eXAiOiJKV1Qi", 16);
	assert_string_equal(tee_key_alg(token.key), "ECDH-ES+A256KW");
	assert_true(token.issued_at == 1795501690);
	assert_true(token.expires_at == 1795501990);
}

#define KEY_PEM                                                                                                        \
	"-----BEGIN PRIVATE KEY-----\\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgt6L6NqB2hVxVgUB/"               \
	"\\n2sWLhfj82JfuLSa6fZdnmEihmDmhRANCAATya1e8m8OIBwM+CNeWj6KXW94Z0NMN\\n"                                       \
	"ZIhzFpELGHf638+eUj0pFuraLEkrd1duc2VolD0+aTdqcgnu03seyCCR\\n-----END PRIVATE KEY-----\\n"
#define TOKEN(jwt, key) "{\"token\":\"" jwt "\",\"tee_keypair\":\"" key "\"}"

static int parse(const char *text, struct aa_token *token, struct err *err)
{
	struct secret json OWNED_SECRET = SECRET_INIT;
	if (*text) {
		assert_int_equal(secret_alloc(&json, strlen(text), NULL), 0);
		assert_int_equal(secret_append(&json, bytes_of_text(text), NULL), 0);
	}
	return aa_token_parse(&json, token, err);
}

static void odd_tokens_are_taken(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t expires_at;
	} rows[] = {
		{ TOKEN("e30.e30.x", KEY_PEM), 0 },		/* {} */
		{ TOKEN("e30.eyJleHAiOjV9.x", KEY_PEM), 5 },	/* {"exp":5} */
		{ TOKEN("e30.eyJleHAiOi01fQ.x", KEY_PEM), 0 },	/* {"exp":-5} */
		{ TOKEN("e30.eyJleHAiOiJ4In0.x", KEY_PEM), 0 }, /* {"exp":"x"} */
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct aa_token token OWNED_AA_TOKEN = AA_TOKEN_INIT;
		struct err err = { 0 };
		if (parse(rows[i].text, &token, &err) < 0)
			fail_msg("%zu: %s", i, err.message);
		assert_true(token.expires_at == rows[i].expires_at);
	}
}

static void bad_tokens_are_named_and_not_shown(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *message;
	} rows[] = {
		{ "", "not valid JSON: the text is empty" },
		{ "{}", "'token'" },
		{ "{\"token\":\"a.b.c\"}", "'tee_keypair'" },
		{ "{\"token\":1,\"tee_keypair\":\"x\"}", "'token'" },
		{ "{\"token\":\"e30.e30.x\"}", "'tee_keypair'" },
		{ TOKEN("SECRET", KEY_PEM), "'token' is no JWT: three parts with dots between them are wanted" },
		{ TOKEN("e30.e30.", KEY_PEM), "'token' is no JWT: three parts" },
		{ TOKEN(".e30.x", KEY_PEM), "'token' is no JWT: three parts" },
		{ TOKEN("e30.e30.x.SECRET", KEY_PEM), "'token' is no JWT: three parts" },
		{ TOKEN("e30.e30.x\\r\\nHost: SECRET", KEY_PEM),
		  "'token' is no JWT: a character at byte 9 is not base64url" },
		{ TOKEN("e30.SECRET.x", KEY_PEM), "payload of 'token': " },
		{ TOKEN("e30.e30.x", "SECRET"), "'tee_keypair': the TEE key is not an unencrypted private key in PEM" },
		{ TOKEN("e30.e30.x", KEY_PEM) "SECRET", "not valid JSON at byte" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct aa_token token OWNED_AA_TOKEN = AA_TOKEN_INIT;
		struct err err = { 0 };
		assert_int_equal(parse(rows[i].text, &token, &err), -1);
		assert_int_equal(err.code, ERR_PROTOCOL);
		if (!strstr(err.message, rows[i].message))
			fail_msg("%zu: '%s' does not say '%s'", i, err.message, rows[i].message);
		assert_null(strstr(err.message, "SECRET"));
		assert_null(token.key);
		assert_int_equal(token.jwt.len, 0);
	}
}

static int set_up(void **state)
{
	(void)state;
	wipe_install();
	return secret_setup(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tee_type),
		cmocka_unit_test(evidence),
		cmocka_unit_test(token),
		cmocka_unit_test(odd_tokens_are_taken),
		cmocka_unit_test(bad_tokens_are_named_and_not_shown),
	};
	return cmocka_run_group_tests(tests, set_up, NULL);
}
