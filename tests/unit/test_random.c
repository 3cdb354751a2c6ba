/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/random: names of hexadecimal digits, other ones each time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "base/random.h"

static void names_fill_their_room(void **state)
{
	(void)state;
	char name[17] = "untouched";
	char other[17];
	random_name(name, 0);
	assert_string_equal(name, "untouched");
	random_name(name, 1);
	assert_string_equal(name, "");
	random_name(name, sizeof(name));
	assert_int_equal(strlen(name), 16);
	assert_int_equal(strspn(name, "0123456789abcdef"), 16);
	random_name(other, sizeof(other));
	assert_string_not_equal(name, other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_fill_their_room),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
