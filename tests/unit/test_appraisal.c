/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cdh-client/appraisal and kbs_facts: what is read out of a token and an answer, and what is not kept.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/encode.h"
#include "base/file.h"
#include "base/wipe.h"
#include "cdh-client/kbs_facts.h"

static void make_jwt(const char *payload, struct buf *jwt)
{
	assert_int_equal(buf_append_text(jwt, "e30.", NULL), 0);
	assert_int_equal(base64_encode(BASE64URL, bytes_of_text(payload), jwt, NULL), 0);
	assert_int_equal(buf_append_text(jwt, ".c2ln", NULL), 0);
}

static int read_claims(const char *payload, struct appraisal *appraisal, struct err *err)
{
	OWNED_BUF struct buf jwt = BUF_INIT(APPRAISAL_TOKEN_MAX);
	make_jwt(payload, &jwt);
	return appraisal_read(buf_bytes(&jwt), appraisal, err);
}

static void an_appraisal_is_read(void **state)
{
	(void)state;
	struct appraisal appraisal;
	assert_int_equal(
		read_claims("{\"iat\":1000,\"exp\":1300,\"submods\":{\"cpu0\":{\"ear.status\":\"contraindicated\","
			    "\"ear.trustworthiness-vector\":{\"executables\":33,\"hardware\":97,\"configuration\":-1,"
			    "\"file-system\":400,\"x\":\"y\"},\"ear.appraisal-policy-id\":\"default_cpu\"},"
			    "\"gpu0\":{},\"odd\":7}}",
			    &appraisal, NULL),
		0);
	assert_int_equal(appraisal.issued_at, 1000);
	assert_int_equal(appraisal.expires_at, 1300);
	assert_int_equal(appraisal.submod_count, 2);
	const struct appraisal_submod *cpu = &appraisal.submods[0];
	assert_string_equal(cpu->name, "cpu0");
	assert_string_equal(cpu->status, "contraindicated");
	assert_string_equal(cpu->policy, "default_cpu");
	assert_int_equal(cpu->claim_count, 3); /* 400 and a text are no values of a claim */
	assert_string_equal(cpu->claims[0].name, "executables");
	assert_int_equal(cpu->claims[0].value, 33);
	assert_int_equal(cpu->claims[2].value, -1);
	assert_string_equal(appraisal.submods[1].status, "");
}

static void too_much_is_left_out(void **state)
{
	(void)state;
	struct appraisal appraisal;
	OWNED_BUF struct buf payload = BUF_INIT(65536);
	assert_int_equal(buf_append_text(&payload, "{\"submods\":{", NULL), 0);
	for (int i = 0; i < 9; i++)
		assert_int_equal(buf_printf(&payload, NULL,
					    "%s\"a-name-of-more-than-sixteen-letters-%d\":{\"ear.status\":\"%0100d\"}",
					    i ? "," : "", i, 7),
				 0);
	assert_int_equal(buf_append_text(&payload, "}}", NULL), 0);
	assert_int_equal(read_claims(buf_text(&payload), &appraisal, NULL), 0);
	assert_int_equal(appraisal.submod_count, APPRAISAL_SUBMODS_MAX);
	assert_int_equal(strlen(appraisal.submods[0].name), sizeof(appraisal.submods[0].name) - 1);
	assert_int_equal(strlen(appraisal.submods[0].status), sizeof(appraisal.submods[0].status) - 1);
}

static void other_texts_have_none(void **state)
{
	(void)state;
	static const char *const tokens[] = { "", "a", "a.b", ".e30.", "a.e31.c", "a.W10.c", "a.e30.c", "a.!!.c" };
	for (size_t i = 0; i < ARRAY_LEN(tokens); i++) {
		struct appraisal appraisal = { .submod_count = 77 };
		struct err err = { 0 };
		assert_int_equal(appraisal_read(bytes_of_text(tokens[i]), &appraisal, &err), -1);
		assert_int_equal(err.code, ERR_PROTOCOL);
		assert_int_equal(appraisal.submod_count, 77);
	}
}

static void values_have_tiers(void **state)
{
	(void)state;
	static const struct {
		int value;
		const char *tier;
	} rows[] = { { 0, "none" },
		     { 1, "none" },
		     { -1, "none" },
		     { 2, "affirming" },
		     { 31, "affirming" },
		     { -2, "affirming" },
		     { -32, "affirming" },
		     { 32, "warning" },
		     { 95, "warning" },
		     { -33, "warning" },
		     { -96, "warning" },
		     { 96, "contraindicated" },
		     { 127, "contraindicated" },
		     { -97, "contraindicated" } };
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_string_equal(appraisal_tier(rows[i].value), rows[i].tier);
}

/* The real KBS's token, recorded. */
static void a_recorded_token_is_read(void **state)
{
	(void)state;
	OWNED_BUF struct buf text = BUF_INIT(1u << 20);
	struct kbs_facts facts = { 0 };
	assert_int_equal(file_read(AT_FDCWD, RECORDED "/success-p256.jsonl", &text, NULL), 0);
	const char *at = strstr(buf_text(&text), "{\\\"token\\\":\\\"");
	assert_non_null(at);
	at += strlen("{\\\"token\\\":\\\"");
	kbs_facts_token(&facts, bytes_of(at, strcspn(at, "\\")));
	assert_true(facts.appraised);
	assert_int_equal(facts.appraisal.submod_count, 1);
	assert_string_equal(facts.appraisal.submods[0].name, "cpu0");
	assert_true(strlen(facts.appraisal.submods[0].status) > 0);
	assert_true(facts.appraisal.submods[0].claim_count > 0);
	kbs_facts_token(&facts, bytes_of_text("no token"));
	assert_false(facts.appraised);
}

static void answers_are_kept_while_they_are_the_last(void **state)
{
	(void)state;
	OWNED_RESPONSE struct http_response denied = HTTP_RESPONSE_INIT(1000);
	OWNED_RESPONSE struct http_response fine = HTTP_RESPONSE_INIT(1000);
	struct kbs_facts facts = { 0 };
	char text[128];
	denied.status = 401;
	denied.clock_known = true;
	denied.clock_behind = 93;
	fine.status = 200;
	assert_int_equal(
		buf_append_text(&denied.body,
				"{\"type\":\"https://github.com/confidential-containers/kbs/errors/PolicyDeny\","
				"\"detail\":\"no\"}",
				NULL),
		0);
	assert_false(kbs_facts_clock_text(&facts, text, sizeof(text)));
	kbs_facts_answer(&facts, &denied, "kbs:///a/b/c");
	assert_int_equal(facts.status, 401);
	assert_string_equal(facts.problem.type, "PolicyDeny");
	assert_string_equal(facts.asked, "kbs:///a/b/c");
	assert_true(kbs_facts_clock_text(&facts, text, sizeof(text)));
	assert_string_equal(text, "this guest is 93 s behind the KBS");
	kbs_facts_answer(&facts, &fine, "kbs:///a/b/c");
	assert_int_equal(facts.status, 0);
	assert_string_equal(facts.problem.type, "");
	assert_true(facts.clock_known); /* of the answer that had a Date */
	facts.clock_behind = -7;
	assert_true(kbs_facts_clock_text(&facts, text, sizeof(text)));
	assert_string_equal(text, "this guest is 7 s ahead of the KBS");
	facts.clock_behind = 1;
	assert_true(kbs_facts_clock_text(&facts, text, sizeof(text)));
	assert_string_equal(text, "this guest's clock agrees with the KBS's");
	kbs_facts_answer(NULL, &denied, "");
	kbs_facts_attestation(NULL);
	kbs_facts_token(NULL, bytes_of_text(""));
}

int main(void)
{
	wipe_install();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_appraisal_is_read),	    cmocka_unit_test(too_much_is_left_out),
		cmocka_unit_test(other_texts_have_none),    cmocka_unit_test(values_have_tiers),
		cmocka_unit_test(a_recorded_token_is_read), cmocka_unit_test(answers_are_kept_while_they_are_the_last),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
