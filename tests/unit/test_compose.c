/* SPDX-License-Identifier: Apache-2.0 */
/*
 * initdata/compose and initdata/gzip: what is written reads the same, in each form, and the same
 * twice.
 */
#include "support.h"

#include "initdata/compose.h"

static void compose(const char *text, struct buf *toml)
{
	struct err err = { 0 };
	const struct initdata_part parts[] = { { "aa.toml", bytes_of_text(text) }, { "b", bytes_of_text("") } };
	if (initdata_compose(parts, 2, toml, &err) < 0)
		fail_msg("%s", err.message);
}

static void any_text_reads_the_same(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"",	  "a = 1\n",	 "\n\n",     "it's",	      "ends with '", "''' inside", "''",
		"\"\"\"", "back\\slash", "cr\r\nlf", "tab\t\x01\x7f", "\xc3\xa4",    "''''",
	};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		OWNED_BUF struct buf toml = BUF_INIT(INITDATA_MAX);
		compose(texts[i], &toml); /* which reads it again */
		assert_true(toml.len > 0 && toml.data[toml.len - 1] != '\n');
	}
}

static void what_toml_cannot_hold_is_refused(void **state)
{
	(void)state;
	OWNED_BUF struct buf toml = BUF_INIT(INITDATA_MAX);
	struct err err = { 0 };
	const struct initdata_part bad = { "a", bytes_of("\xff", 1) };
	const struct initdata_part twice[] = { { "a", bytes_of_text("") }, { "a", bytes_of_text("") } };
	assert_int_equal(initdata_compose(&bad, 1, &toml, &err), -1);
	assert_int_equal(err_exit_status(&err), EXIT_CONFIG);
	assert_int_equal(initdata_compose(twice, 2, &toml, &err), -1);
	assert_int_equal(toml.len, 0);
}

static void every_form_can_be_unwrapped(void **state)
{
	(void)state;
	OWNED_BUF struct buf toml = BUF_INIT(INITDATA_MAX);
	compose("x = 1\n", &toml);
	for (int form = INITDATA_PLAIN; form <= INITDATA_IMAGE; form++) {
		OWNED_BUF struct buf wrapped = BUF_INIT(INITDATA_ENVELOPE_MAX);
		OWNED_BUF struct buf again = BUF_INIT(INITDATA_ENVELOPE_MAX);
		OWNED_BUF struct buf text = BUF_INIT(INITDATA_MAX);
		struct err err = { 0 };
		assert_int_equal(initdata_wrap((enum initdata_form)form, buf_bytes(&toml), &wrapped, &err), 0);
		assert_int_equal(initdata_wrap((enum initdata_form)form, buf_bytes(&toml), &again, &err), 0);
		assert_int_equal(initdata_form_of(buf_bytes(&wrapped)), form);
		assert_true(wrapped.len == again.len && memcmp(wrapped.data, again.data, again.len) == 0);
		assert_int_equal(initdata_unwrap(buf_bytes(&wrapped), &text, &err), 0);
		assert_string_equal(buf_text(&text), buf_text(&toml));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_text_reads_the_same),
		cmocka_unit_test(what_toml_cannot_hold_is_refused),
		cmocka_unit_test(every_form_can_be_unwrapped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
