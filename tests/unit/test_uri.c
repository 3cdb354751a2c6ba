/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cdh-client/uri: what the KBS takes as a resource, and nothing else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "cdh-client/uri.h"

static void good_uris_become_paths(void **state)
{
	(void)state;
	struct kbs_uri uri;
	assert_int_equal(kbs_uri_parse(bytes_of_text("kbs:///default/x509pop/key"), &uri, NULL), 0);
	assert_string_equal(uri.path, "/kbs/v0/resource/default/x509pop/key");
	assert_string_equal(uri.text, "kbs:///default/x509pop/key");
	assert_int_equal(kbs_uri_parse(bytes_of_text("kbs:///_r-1/t.y.p/-tag.v2"), &uri, NULL), 0);
	assert_string_equal(uri.path, "/kbs/v0/resource/_r-1/t.y.p/-tag.v2");
}

static void bad_uris_are_named(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *message;
	} rows[] = {
		{ "", "is not a KBS resource URI" },
		{ "default/key/1", "is not a KBS resource URI" },
		{ "KBS:///a/b/c", "is not a KBS resource URI" },
		{ "kbs+pkcs11:///a/b/c", "is not a KBS resource URI" },
		{ "kbs://host/a/b/c", "names a host" },
		{ "kbs://a/b/c", "names a host" },
		{ "kbs:///a/b", "has 2 segments" },
		{ "kbs:///a/b/c/d", "has 4 segments" },
		{ "kbs:///a//c", "a segment is empty" },
		{ "kbs:///a/b/", "a segment is empty" },
		{ "kbs:///a/../c", "a segment is empty or begins" },
		{ "kbs:///a/.b/c", "a segment is empty or begins" },
		{ "kbs:///a/b/c?x=1", "'?' is not allowed" },
		{ "kbs:///a/b/c#f", "'#' is not allowed" },
		{ "kbs:///a/b%2F/c", "'%' is not allowed" },
		{ "kbs:///a/b/c ", "' ' is not allowed" },
		{ "kbs:///a/b/\xc3\xa4", "a segment is empty or begins" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct err err = { 0 };
		struct kbs_uri uri = { .text = "untouched" };
		assert_int_equal(kbs_uri_parse(bytes_of_text(rows[i].text), &uri, &err), -1);
		assert_int_equal(err.code, ERR_CONFIG);
		if (!strstr(err.message, rows[i].message))
			fail_msg("'%s' gave '%s'", rows[i].text, err.message);
		assert_string_equal(uri.text, "untouched");
	}
}

static void nul_and_length_are_refused(void **state)
{
	(void)state;
	struct err err = { 0 };
	struct kbs_uri uri;
	static const char nul[] = "kbs:///a/b/c\0/../x";
	assert_int_equal(kbs_uri_parse(bytes_of(nul, sizeof(nul) - 1), &uri, &err), -1);
	assert_non_null(strstr(err.message, "NUL"));
	char text[2000];
	memset(text, 'a', sizeof(text));
	memcpy(text, "kbs:///a/b/", 11);
	assert_int_equal(kbs_uri_parse(bytes_of(text, sizeof(text)), &uri, &err), -1);
	assert_non_null(strstr(err.message, "too long"));
	/* the longest that is taken still fits its path whole */
	for (size_t len = 400; len < 520; len++) {
		if (kbs_uri_parse(bytes_of(text, len), &uri, &err) == 0)
			assert_int_equal(strlen(uri.path), strlen("/kbs/v0/resource") + len - strlen("kbs://"));
		else
			assert_true(len > 490);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_uris_become_paths),
		cmocka_unit_test(bad_uris_are_named),
		cmocka_unit_test(nul_and_length_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
