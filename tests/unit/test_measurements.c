/* SPDX-License-Identifier: Apache-2.0 */
/* ctl/measurements: both forms of the file, and what is not taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/measurements.h"

#define UPPER "0102030405060708091011121314151617181920212223242526272829303A3B"
#define ONE "0102030405060708091011121314151617181920212223242526272829303a3b"

static void both_forms_are_the_same(void **state)
{
	(void)state;
	static const char *const forms[] = {
		"{\"measurements\":{\"sha256\":{\"pcr03\":\"" ONE "\"}}}",
		"{\"measurements\":{\"sha256\":{\"pcr03\":\"0x" ONE "\",\"pcr31\":\"x\"},\"sha1\":1},\"more\":[]}",
		"{\"measurements\":{\"sha256\":{\"pcr03\":[\"0X" UPPER "\"]}}}",
	};
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		struct json *pcrs OWNED_JSON = NULL;
		struct err err = { 0 };
		if (measurements_parse(bytes_of_text(forms[i]), &pcrs, &err) < 0)
			fail_msg("%s: %s", forms[i], err.message);
		assert_int_equal(json_count(pcrs), 1);
		assert_int_equal(json_count(json_member(pcrs, "pcr03")), 1);
		/* leading zeros are digits like others */
		assert_string_equal(json_text(json_first(json_member(pcrs, "pcr03"))), ONE);
	}
}

static void others_are_refused(void **state)
{
	(void)state;
	static const struct {
		const char *text, *message;
	} rows[] = {
		{ "", "" },
		{ "[]", "no object 'measurements.sha256'" },
		{ "{\"measurements\":{\"sha256\":[]}}", "no object" },
		{ "{\"measurements\":{\"sha256\":{}}}", "has no 'pcr00' to 'pcr23'" },
		{ "{\"measurements\":{\"sha256\":{\"pcr24\":\"" ONE "\"}}}", "has no 'pcr00'" },
		{ "{\"measurements\":{\"sha256\":{\"pcr03\":\"" ONE "0\"}}}", "sha256.pcr03': '0102" },
		{ "{\"measurements\":{\"sha256\":{\"pcr03\":\"0x0x" ONE "\"}}}", "is not 64 hexadecimal digits" },
		{ "{\"measurements\":{\"sha256\":{\"pcr03\":5}}}", "is no text" },
		{ "{\"measurements\":{\"sha256\":{\"pcr03\":[]}}}", "is an empty list" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct json *pcrs = NULL;
		struct err err = { 0 };
		assert_int_equal(measurements_parse(bytes_of_text(rows[i].text), &pcrs, &err), -1);
		assert_null(pcrs);
		assert_int_equal(err.code, ERR_CONFIG);
		if (!strstr(err.message, rows[i].message))
			fail_msg("'%s': %s", rows[i].text, err.message);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_forms_are_the_same),
		cmocka_unit_test(others_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
