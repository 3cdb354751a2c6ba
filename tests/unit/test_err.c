/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/err: filling, wrapping, cutting, and the table.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>
#include <errno.h>

#include "base/err.h"

static void set_fills_code_and_text(void **state)
{
	(void)state;
	struct err err = { 0 };
	assert_int_equal(err_set(&err, ERR_CONFIG, "key '%s' is unknown", "kbs.uri"), -1);
	assert_int_equal(err.code, ERR_CONFIG);
	assert_int_equal(err.sys_errno, 0);
	assert_string_equal(err.message, "key 'kbs.uri' is unknown");
}

static void set_errno_appends_its_text(void **state)
{
	(void)state;
	struct err err = { 0 };
	assert_int_equal(err_set_errno(&err, ERR_SYSTEM, ENOENT, "cannot open '%s'", "x"), -1);
	assert_int_equal(err.sys_errno, ENOENT);
	assert_string_equal(err.message, "cannot open 'x': No such file or directory");
}

static void wrap_puts_context_first_and_keeps_the_code(void **state)
{
	(void)state;
	struct err err = { 0 };
	(void)err_set_errno(&err, ERR_NETWORK, ECONNREFUSED, "connect");
	assert_int_equal(err_wrap(&err, "KBS at '%s'", "https://k"), -1);
	assert_int_equal(err.code, ERR_NETWORK);
	assert_int_equal(err.sys_errno, ECONNREFUSED);
	assert_string_equal(err.message, "KBS at 'https://k': connect: Connection refused");
}

static void null_is_allowed(void **state)
{
	(void)state;
	assert_int_equal(err_set(NULL, ERR_CONFIG, "x"), -1);
	assert_int_equal(err_set_errno(NULL, ERR_CONFIG, 1, "x"), -1);
	assert_int_equal(err_wrap(NULL, "x"), -1);
}

static void control_bytes_never_pass(void **state)
{
	(void)state;
	struct err err = { 0 };
	(void)err_set(&err, ERR_PROTOCOL, "said '%s'", "a\nb\x1b[2Jc\x7f");
	assert_string_equal(err.message, "said 'a?b?[2Jc?'");
}

static void long_text_is_cut_with_dots(void **state)
{
	(void)state;
	char text[3 * ERR_MESSAGE_MAX];
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	struct err err = { 0 };
	(void)err_set(&err, ERR_PROTOCOL, "%s", text);
	assert_int_equal(strlen(err.message), ERR_MESSAGE_MAX - 1);
	assert_string_equal(err.message + ERR_MESSAGE_MAX - 4, "...");
	for (int i = 0; i < 5; i++) {
		(void)err_wrap(&err, "%.*s", 300 * i, text);
		assert_true(strlen(err.message) < ERR_MESSAGE_MAX);
		(void)err_set_errno(&err, ERR_SYSTEM, EIO, "%.*s", ERR_MESSAGE_MAX - 10 + 2 * i, text);
		assert_true(strlen(err.message) < ERR_MESSAGE_MAX);
	}
}

static void message_may_be_its_own_argument(void **state)
{
	(void)state;
	struct err err = { 0 };
	(void)err_set(&err, ERR_CONFIG, "inner");
	(void)err_set(&err, ERR_DENIED, "outer (%s)", err.message);
	assert_string_equal(err.message, "outer (inner)");
}

static void table_is_complete_and_sane(void **state)
{
	(void)state;
	for (int code = ERR_NONE + 1; code < ERR_COUNT_; code++) {
		const struct err_info *info = err_info((enum err_code)code);
		assert_int_equal(info->code, code);
		assert_true(info->exit_status >= 100 && info->exit_status <= 127);
		/* only what can heal is worth a retry */
		assert_true(!info->retry || info->exit_status == EXIT_TEMPORARY);
		assert_ptr_equal(err_row((size_t)code - 1), info);
	}
	assert_null(err_row(ERR_COUNT_ - 1));
	assert_string_equal(err_info((enum err_code)999)->name, "system");
}

static void exit_status_and_retry_follow_the_code(void **state)
{
	(void)state;
	struct err err = { .code = ERR_DENIED };
	assert_int_equal(err_exit_status(&err), 102);
	assert_false(err_may_retry(&err));
	err.code = ERR_NETWORK;
	assert_int_equal(err_exit_status(&err), 111);
	assert_true(err_may_retry(&err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(set_fills_code_and_text),
		cmocka_unit_test(set_errno_appends_its_text),
		cmocka_unit_test(wrap_puts_context_first_and_keeps_the_code),
		cmocka_unit_test(null_is_allowed),
		cmocka_unit_test(control_bytes_never_pass),
		cmocka_unit_test(long_text_is_cut_with_dots),
		cmocka_unit_test(message_may_be_its_own_argument),
		cmocka_unit_test(table_is_complete_and_sane),
		cmocka_unit_test(exit_status_and_retry_follow_the_code),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
