/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/buf: growing to the maximum and not a byte further, whatever fails.
 */
#include "support.h"

#include <limits.h>
#include <wchar.h>

#include "base/buf.h"

/* malloc() as the library under test sees it (--wrap): fails while told so. */
static bool malloc_fails;
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
	return malloc_fails ? NULL : __real_malloc(size);
}

static void assert_holds(const struct buf *buf, const char *text)
{
	assert_int_equal(buf->len, strlen(text));
	assert_string_equal(buf_text(buf), text);
	assert_true(bytes_equal_text(buf_bytes(buf), text));
}

static void empty_buffer_reads_as_empty_text(void **state)
{
	(void)state;
	struct buf buf OWNED_BUF = BUF_INIT(10);
	assert_holds(&buf, "");
	buf_done(&buf);
	buf_done(NULL);
	assert_int_equal(buf.max, 10);
}

static void appends_follow_each_other(void **state)
{
	(void)state;
	struct err err = { 0 };
	struct buf buf OWNED_BUF = BUF_INIT(100);
	assert_int_equal(buf_append_text(&buf, "one ", &err), 0);
	assert_int_equal(buf_append_byte(&buf, '2', &err), 0);
	assert_int_equal(buf_printf(&buf, &err, " %s-%d", "three", 4), 0);
	assert_int_equal(buf_append(&buf, bytes_of(NULL, 0), &err), 0);
	assert_holds(&buf, "one 2 three-4");
	assert_int_equal(err.code, ERR_NONE);
}

static void growth_keeps_the_content(void **state)
{
	(void)state;
	struct err err = { 0 };
	struct buf buf OWNED_BUF = BUF_INIT(100000);
	for (size_t i = 0; i < 100000; i++) {
		assert_int_equal(buf_append_byte(&buf, (uint8_t)(i * 7), &err), 0);
		assert_int_equal(buf.data[i + 1], 0);
		assert_true(buf.cap <= buf.max + 1);
	}
	for (size_t i = 0; i < 100000; i++)
		assert_int_equal(buf.data[i], (uint8_t)(i * 7));
	assert_int_equal(buf_append_byte(&buf, 0, &err), -1);
}

static void limit_is_exact_for_every_way_in(void **state)
{
	(void)state;
	for (size_t max = 0; max < 600; max++) {
		struct err err = { 0 };
		char text[601];
		memset(text, 'x', sizeof(text));
		struct buf buf OWNED_BUF = BUF_INIT(max);
		assert_int_equal(buf_append(&buf, bytes_of(text, max + 1), &err), -1);
		assert_int_equal(buf_printf(&buf, &err, "%.*s", (int)max + 1, text), -1);
		assert_holds(&buf, "");
		assert_int_equal(buf_printf(&buf, &err, "%.*s", (int)max, text), 0);
		assert_int_equal(buf_append_byte(&buf, 'y', &err), -1);
		assert_int_equal(buf_append_text(&buf, "y", &err), -1);
		assert_int_equal(buf_printf(&buf, &err, "%c", 'y'), -1);
		assert_int_equal(buf_append_text(&buf, "", &err), 0);
		text[max] = 0;
		assert_holds(&buf, text);
	}
}

static void limit_is_named_in_the_error(void **state)
{
	(void)state;
	struct err err = { 0 };
	struct buf buf OWNED_BUF = BUF_INIT(3);
	assert_int_equal(buf_append_text(&buf, "four", &err), -1);
	assert_int_equal(err.code, ERR_PROTOCOL);
	assert_string_equal(err.message, "larger than the limit of 3 bytes");
}

static void boundless_maximum_does_not_wrap_around(void **state)
{
	(void)state;
	struct err err = { 0 };
	struct buf buf OWNED_BUF = BUF_INIT(SIZE_MAX);
	assert_int_equal(buf_append_text(&buf, "text", &err), 0);
	assert_true(buf.cap > 4);
	assert_int_equal(buf_append(&buf, bytes_of("", SIZE_MAX - 4), &err), -1);
	assert_holds(&buf, "text");
}

static void short_memory_changes_nothing(void **state)
{
	(void)state;
	struct err err = { 0 };
	struct buf buf OWNED_BUF = BUF_INIT(10000);
	malloc_fails = true;
	int first = buf_append_text(&buf, "a", &err);
	malloc_fails = false;
	assert_int_equal(first, -1);
	assert_int_equal(err.code, ERR_SYSTEM);
	assert_holds(&buf, "");
	assert_int_equal(buf_append_text(&buf, "kept", &err), 0);
	malloc_fails = true;
	int grown = buf_printf(&buf, &err, "%1000d", 1);
	malloc_fails = false;
	assert_int_equal(grown, -1);
	assert_holds(&buf, "kept");
}

static void unprintable_wide_text_is_an_error(void **state)
{
	(void)state;
	struct err err = { 0 };
	struct buf buf OWNED_BUF = BUF_INIT(100);
	assert_int_equal(buf_append_text(&buf, "kept", &err), 0);
	assert_int_equal(buf_printf(&buf, &err, "%ls", L"\u20ac"), -1); /* the C locale cannot say it */
	assert_int_equal(err.code, ERR_SYSTEM);
	assert_holds(&buf, "kept");
}

static void nul_bytes_are_bytes(void **state)
{
	(void)state;
	struct err err = { 0 };
	struct buf buf OWNED_BUF = BUF_INIT(100);
	assert_int_equal(buf_append(&buf, bytes_of("a\0b", 3), &err), 0);
	assert_int_equal(buf.len, 3);
	assert_int_equal(strlen(buf_text(&buf)), 1);
	assert_true(bytes_equal(buf_bytes(&buf), bytes_of("a\0b", 3)));
}

static void move_leaves_the_source_empty_and_frees_the_old(void **state)
{
	(void)state;
	struct err err = { 0 };
	struct buf from OWNED_BUF = BUF_INIT(10);
	struct buf to OWNED_BUF = BUF_INIT(20);
	assert_int_equal(buf_append_text(&from, "new", &err), 0);
	assert_int_equal(buf_append_text(&to, "old", &err), 0);
	const uint8_t *data = from.data;
	buf_move(&to, &from);
	assert_ptr_equal(to.data, data);
	assert_holds(&to, "new");
	assert_holds(&from, "");
	assert_null(from.data);
	assert_int_equal(buf_append_text(&from, "usable", &err), 0);
}

static void equality_is_of_length_and_content(void **state)
{
	(void)state;
	assert_true(bytes_equal(bytes_of(NULL, 0), bytes_of("", 0)));
	assert_true(bytes_equal_text(bytes_of("abc", 3), "abc"));
	assert_false(bytes_equal_text(bytes_of("abc", 3), "abd"));
	assert_false(bytes_equal_text(bytes_of("abc", 3), "ab"));
	assert_false(bytes_equal_text(bytes_of("abc", 2), "abc"));
	assert_false(bytes_equal_text(bytes_of("ab\0", 3), "ab"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_buffer_reads_as_empty_text),
		cmocka_unit_test(appends_follow_each_other),
		cmocka_unit_test(growth_keeps_the_content),
		cmocka_unit_test(limit_is_exact_for_every_way_in),
		cmocka_unit_test(limit_is_named_in_the_error),
		cmocka_unit_test(boundless_maximum_does_not_wrap_around),
		cmocka_unit_test(short_memory_changes_nothing),
		cmocka_unit_test(unprintable_wide_text_is_an_error),
		cmocka_unit_test(nul_bytes_are_bytes),
		cmocka_unit_test(move_leaves_the_source_empty_and_frees_the_old),
		cmocka_unit_test(equality_is_of_length_and_content),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
