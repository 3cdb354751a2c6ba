/* SPDX-License-Identifier: Apache-2.0 */
/* ctl/check_token: which appraisals are taken for good. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/check_token.h"

static struct appraisal appraisal_of(const char *first, const char *second)
{
	struct appraisal appraisal = { .submod_count = second ? 2 : 1 };
	struct appraisal_submod *submods = appraisal.submods;
	(void)snprintf(submods[0].name, sizeof(submods[0].name), "cpu0");
	(void)snprintf(submods[0].status, sizeof(submods[0].status), "%s", first);
	(void)snprintf(submods[1].name, sizeof(submods[1].name), "gpu0");
	(void)snprintf(submods[1].status, sizeof(submods[1].status), "%s", second ? second : "");
	submods[0].claim_count = 2;
	submods[0].claims[0] = (struct appraisal_claim){ .name = "executables", .value = 33 };
	submods[0].claims[1] = (struct appraisal_claim){ .name = "hardware", .value = 97 };
	return appraisal;
}

static void only_affirming_is_good(void **state)
{
	(void)state;
	static const struct {
		const char *first, *second, *message;
	} rows[] = {
		{ "affirming", NULL, NULL },
		{ "affirming", "affirming", NULL },
		{ "none", NULL, "defines no trust_claims" },
		{ "affirming", "none", "'gpu0' as 'none'" },
		{ "warning", NULL, "'cpu0' as 'warning' ( executables 33 )" },
		{ "contraindicated", "affirming", "( hardware 97 )" },
		{ "Affirming", NULL, "'Affirming'" },
		{ "", NULL, "as ''" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct appraisal appraisal = appraisal_of(rows[i].first, rows[i].second);
		struct err err = { 0 };
		assert_int_equal(check_token_judge(&appraisal, &err), rows[i].message ? -1 : 0);
		if (rows[i].message && (err.code != ERR_DENIED || !strstr(err.message, rows[i].message)))
			fail_msg("%s", err.message);
	}
	struct appraisal empty = { .submod_count = 0 };
	struct err err = { 0 };
	assert_int_equal(check_token_judge(&empty, &err), -1);
	assert_non_null(strstr(err.message, "rates nothing"));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(only_affirming_is_good) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
