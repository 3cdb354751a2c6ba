/* SPDX-License-Identifier: Apache-2.0 */
/* ctl/rego: which policies are taken for ones that mean something. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/rego.h"

static void looks_for_rules(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *attestation, *resource; /* words of the message, NULL: taken */
	} rows[] = {
		{ "package policy\ntrust_claims := {}\nallow := true", NULL, NULL },
		{ "package policy\n\n\ttrust_claims=x\nallow if { x }\n", NULL, NULL },
		{ "  package policy # ours\ntrust_claims[\"a\"] := 2\nallow", NULL, NULL },
		{ "package policy\ntrust_claims_old := {}\nallowed := true\n", "'trust_claims'", "'allow'" },
		{ "package policy\n# trust_claims := {}\n# allow := true\n", "'none'", "release nothing" },
		{ "package policy\ndefault trust_claims := {}\ndefault allow := true\n", "'trust_claims'", "'allow'" },
		{ "package policy.x\ntrust_claims := {}\nallow := true\n", "package policy", "package policy" },
		{ "package policies\ntrust_claims := {}\nallow := true\n", "package policy", "package policy" },
		{ "package other\npackage policy\ntrust_claims := {}\nallow := true\n", "package policy",
		  "package policy" },
		{ "", "package policy", "package policy" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = { 0 };
		int rc = rego_check_attestation_policy(bytes_of_text(rows[i].text), &err);
		assert_int_equal(rc, rows[i].attestation ? -1 : 0);
		assert_true(!rows[i].attestation || strstr(err.message, rows[i].attestation));
		rc = rego_check_resource_policy(bytes_of_text(rows[i].text), &err);
		assert_int_equal(rc, rows[i].resource ? -1 : 0);
		assert_true(!rows[i].resource || strstr(err.message, rows[i].resource));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(looks_for_rules) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
