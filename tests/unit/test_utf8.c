/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/utf8: every code point there and back, and the sequences that must not
 * pass.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "base/utf8.h"

static void every_scalar_is_one_valid_sequence(void **state)
{
	(void)state;
	for (uint32_t scalar = 0; scalar < 0x120000; scalar++) {
		uint8_t bytes[UTF8_MAX];
		size_t len = utf8_encode(scalar, bytes);
		bool is_scalar = scalar <= 0x10ffff && (scalar < 0xd800 || scalar > 0xdfff);
		if ((len > 0) != is_scalar)
			fail_msg("U+%04X encodes to %zu bytes", scalar, len);
		if (is_scalar && utf8_sequence(bytes_of(bytes, len)) != len)
			fail_msg("U+%04X is not read back", scalar);
		if (is_scalar && len > 1 && utf8_sequence(bytes_of(bytes, len - 1)) != 0)
			fail_msg("U+%04X cut short is read", scalar);
	}
}

/* All two-byte heads with two good bytes behind: count what RFC 3629 lets through. */
static void nothing_else_is_valid(void **state)
{
	(void)state;
	unsigned valid[UTF8_MAX + 1] = { 0 };
	for (unsigned first = 0; first < 256; first++)
		for (unsigned second = 0; second < 256; second++) {
			uint8_t text[] = { (uint8_t)first, (uint8_t)second, 0x80, 0xbf };
			valid[utf8_sequence(bytes_of(text, sizeof(text)))]++;
		}
	assert_int_equal(valid[1], 128 * 256);
	assert_int_equal(valid[2], 30 * 64);
	assert_int_equal(valid[3], 32 + 12 * 64 + 32 + 2 * 64);
	assert_int_equal(valid[4], 48 + 3 * 64 + 16);
}

static void bad_continuation_is_found(void **state)
{
	(void)state;
	static const char *const bad[] = { "\xe2\x82\x28", "\xe2\x82\xc0", "\xf0\x9f\x98\x28", "\xf0\x9f\x28\x80" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(utf8_sequence(bytes_of_text(bad[i])), 0);
}

static void tells_where_it_goes_wrong(void **state)
{
	(void)state;
	assert_true(utf8_valid(bytes_of_text("a\xc3\xb6\xe2\x82\xac\xf0\x9f\x98\x80")));
	assert_true(utf8_valid(bytes_of(NULL, 0)));
	assert_int_equal(utf8_sequence(bytes_of(NULL, 0)), 0);
	assert_int_equal(utf8_valid_len(bytes_of_text("a\xc3\xb6\xc0\xaf")), 3);
	assert_false(utf8_valid(bytes_of_text("a\xc3\xb6\xc0\xaf")));
	assert_true(utf8_valid(bytes_of("a\0b", 3)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_scalar_is_one_valid_sequence),
		cmocka_unit_test(nothing_else_is_valid),
		cmocka_unit_test(bad_continuation_is_found),
		cmocka_unit_test(tells_where_it_goes_wrong),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
