/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/toml_write: what is written is read again as the same text, and stays one string.
 */
#include "support.h"

#include "base/toml.h"

static void any_text_reads_the_same(void **state)
{
	(void)state;
	static const char *const texts[] = { "",	  "plain",	  "\"",	      "\\",
					     "a\nb\r\tc", "\x01\x1f\x7f", "\xc3\xa4", "\" = 1\nx = \"" };
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		OWNED_BUF struct buf text = BUF_INIT(4096);
		OWNED_TOML struct toml_doc *doc = NULL;
		struct err err = { 0 };
		assert_int_equal(buf_append_text(&text, "key = ", &err), 0);
		assert_int_equal(toml_write_string(bytes_of_text(texts[i]), &text, &err), 0);
		if (toml_parse(buf_bytes(&text), &doc, &err) < 0)
			fail_msg("%s: %s", buf_text(&text), err.message);
		const struct toml_value *only = toml_first(toml_root(doc));
		assert_true(bytes_equal_text(toml_string(only), texts[i]));
		assert_null(toml_next(only));
	}
}

static void a_full_buffer_is_an_error(void **state)
{
	(void)state;
	OWNED_BUF struct buf text = BUF_INIT(3);
	struct err err = { 0 };
	assert_int_equal(toml_write_string(bytes_of_text("abc"), &text, &err), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_text_reads_the_same),
		cmocka_unit_test(a_full_buffer_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
