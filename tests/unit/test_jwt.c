/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spire/jwt: times and audiences of tokens, and what passes for a key set.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/encode.h"
#include "pki.h"
#include "spire/jwt.h"

static void token_times_are_read(void **state)
{
	(void)state;
	static const struct {
		const char *token;
		int64_t expires; /* 0: refused */
	} rows[] = {
		/* {"exp":1900000000,"iat":1800000000} */
		{ "e30.eyJleHAiOjE5MDAwMDAwMDAsImlhdCI6MTgwMDAwMDAwMH0.x", 1900000000 },
		/* {"exp":1900000000} */
		{ "e30.eyJleHAiOjE5MDAwMDAwMDB9.x", 1900000000 },
		{ "e30.e30.x", 0 },
		{ "e30.!!.x", 0 },
		{ "e30", 0 },
		{ "e30.eyJleHAiOjE5MDAwMDAwMDB9", 0 },
		/* {"exp":"soon"} */
		{ "e30.eyJleHAiOiJzb29uIn0.x", 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf text OWNED_BUF = BUF_INIT(1024);
		struct secret token OWNED_SECRET = SECRET_INIT;
		int64_t expires = -1;
		struct err err = { 0 };
		pki_text(rows[i].token, &text);
		pki_secret(&text, &token);
		int rc = spire_jwt_expiry(&token, &expires, &err);
		if ((rc == 0) != (rows[i].expires != 0))
			fail_msg("'%s': %d %s", rows[i].token, rc, err.message);
		if (rc == 0)
			assert_int_equal(expires, rows[i].expires);
		else
			assert_int_equal(err.code, ERR_CREDENTIAL);
	}
}

static void make_token(const char *claims, struct secret *token)
{
	OWNED_BUF struct buf text = BUF_INIT(4096);
	assert_int_equal(buf_append_text(&text, "e30.", NULL), 0);
	assert_int_equal(base64_encode(BASE64URL, bytes_of_text(claims), &text, NULL), 0);
	assert_int_equal(buf_append_text(&text, ".x", NULL), 0);
	pki_secret(&text, token);
}

static void audiences_are_found(void **state)
{
	(void)state;
	static const struct {
		const char *claims;
		const char *audiences[2];
		bool good;
	} rows[] = {
		{ "{\"aud\":\"a\"}", { "a" }, true },
		{ "{\"aud\":[\"a\"]}", { "a" }, true },
		{ "{\"aud\":[\"b\",\"a\"]}", { "a", "b" }, true },
		{ "{\"aud\":\"a\"}", { "a", "b" }, false },
		{ "{\"aud\":[\"a\"]}", { "b" }, false },
		{ "{\"aud\":\"ab\"}", { "a" }, false },
		{ "{\"aud\":[1,null,{},\"A\"]}", { "a" }, false },
		{ "{\"aud\":{\"a\":\"a\"}}", { "b" }, false },
		{ "{\"aud\":1}", { "a" }, false },
		{ "{}", { "a" }, false },
		{ "[]", { "a" }, false },
		{ "x", { "a" }, false },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct secret token OWNED_SECRET = SECRET_INIT;
		struct err err = { 0 };
		make_token(rows[i].claims, &token);
		int rc = spire_jwt_check_audiences(&token, rows[i].audiences, rows[i].audiences[1] ? 2 : 1, &err);
		if ((rc == 0) != rows[i].good)
			fail_msg("%s: %d %s", rows[i].claims, rc, err.message);
		if (rc < 0)
			assert_int_equal(err.code, ERR_CREDENTIAL);
	}
	const char *none[] = { "a" };
	const struct secret empty = SECRET_INIT;
	assert_int_equal(spire_jwt_check_audiences(&empty, none, 1, NULL), -1);
}

static void key_sets_are_judged(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int count; /* -1: none */
	} rows[] = {
		{ "{\"keys\":[]}", 0 },
		{ "{\"keys\":[{\"kty\":\"EC\",\"x\":1},{\"kty\":\"RSA\"}],\"spiffe_sequence\":3}", 2 },
		{ "{\"keys\":{}}", -1 },
		{ "{\"keys\":[{}]}", -1 },
		{ "{\"keys\":[{\"kty\":1}]}", -1 },
		{ "{\"keys\":[\"kty\"]}", -1 },
		{ "{}", -1 },
		{ "[]", -1 },
		{ "", -1 },
		{ "{\"keys\":[]} ", 0 },
		{ "{\"keys\":[]}x", -1 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t count = 99;
		struct err err = { 0 };
		int rc = spire_jwks_check(bytes_of_text(rows[i].text), &count, &err);
		if ((rc == 0) != (rows[i].count >= 0))
			fail_msg("'%s': %d %s", rows[i].text, rc, err.message);
		if (rc == 0)
			assert_int_equal(count, rows[i].count);
		else
			assert_int_equal(err.code, ERR_CREDENTIAL);
	}
}

static int begin(void **state)
{
	(void)state;
	return secret_setup(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(token_times_are_read),
		cmocka_unit_test(audiences_are_found),
		cmocka_unit_test(key_sets_are_judged),
	};
	return cmocka_run_group_tests(tests, begin, NULL);
}
