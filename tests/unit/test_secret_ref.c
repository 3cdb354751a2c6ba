/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent/secret_ref: KBS resources and files, and nothing in between.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "config/secret_ref.h"
#include "base/cleanup.h"

static void both_forms_are_read(void **state)
{
	(void)state;
	struct secret_ref ref = { 0 };
	assert_false(secret_ref_given(&ref));
	assert_int_equal(secret_ref_parse(bytes_of_text("kbs:///a/b/c"), &ref, NULL), 0);
	assert_true(secret_ref_given(&ref));
	assert_string_equal(ref.uri.path, "/kbs/v0/resource/a/b/c");
	assert_string_equal(ref.file, "");
	assert_int_equal(secret_ref_parse(bytes_of_text("file:///sealed/agent.pem"), &ref, NULL), 0);
	assert_string_equal(ref.file, "/sealed/agent.pem");
	assert_string_equal(ref.uri.text, "");
	assert_string_equal(ref.text, "file:///sealed/agent.pem");
}

static void others_are_refused(void **state)
{
	(void)state;
	static const char *const bad[] = { "",	      "/etc/key",	"file:",     "file://host/x", "file:///",
					   "file://", "file:///a/../b", "FILE:///a", "http://x/y",    "kbs:///a/b" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct secret_ref ref = { .text = "untouched" };
		struct err err = { 0 };
		assert_int_equal(secret_ref_parse(bytes_of_text(bad[i]), &ref, &err), -1);
		assert_int_equal(err.code, ERR_CONFIG);
		assert_string_equal(ref.text, "untouched");
	}
	char text[KBS_URI_MAX + 8];
	struct secret_ref ref;
	memset(text, 'a', sizeof(text));
	memcpy(text, "file:///", 8);
	assert_int_equal(secret_ref_parse(bytes_of(text, sizeof(text)), &ref, NULL), -1);
	assert_int_equal(secret_ref_parse(bytes_of("file:///a\0b", 11), &ref, NULL), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_forms_are_read),
		cmocka_unit_test(others_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
