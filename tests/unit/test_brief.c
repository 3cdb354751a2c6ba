/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attest/brief: what is shown of evidence that genuine machines made.
 */
#include "vectors.h"

#include "attest/brief.h"
#include "attest/tdx_evidence.h"

static void brief(const char *tee, struct bytes evidence, bool for_machines, struct buf *out)
{
	struct sheet sheet CLEANUP(sheet_done) = { 0 };
	struct err err = { 0 };
	sheet_start(&sheet, for_machines);
	if (brief_evidence(tee, evidence, &sheet, &err) < 0 || sheet_write(&sheet, out, &err) < 0)
		fail_msg("%s", err.message);
}

static void must_show(struct bytes evidence, const char *tee, const char *const *words, size_t count)
{
	OWNED_BUF struct buf text = BUF_INIT(16384);
	OWNED_BUF struct buf json = BUF_INIT(16384);
	OWNED_JSON struct json *doc = NULL;
	brief(tee, evidence, false, &text);
	brief(tee, evidence, true, &json);
	for (size_t i = 0; i < count; i++)
		if (!strstr(buf_text(&text), words[i]))
			fail_msg("no '%s' in\n%s", words[i], buf_text(&text));
	assert_int_equal(json_parse(buf_bytes(&json), 16384, &doc, NULL), 0);
	assert_true(json_count(doc) >= 3);
}

#define MUST_SHOW(file, tee, ...)                                                                                      \
	do {                                                                                                           \
		static const char *const words_[] = { __VA_ARGS__ };                                                   \
		OWNED_BUF struct buf evidence_ = vector_read(file);                                                    \
		must_show(buf_bytes(&evidence_), tee, words_, ARRAY_LEN(words_));                                      \
	} while (0)

static void snp_evidence_is_shown(void **state)
{
	(void)state;
	MUST_SHOW("snp/genoa-siena-evidence.json", "snp", "MEASUREMENT", "HOST_DATA", "REPORTED_TCB", "boot loader",
		  "VMPL", "POLICY", "debugging allowed      no");
}

static void azure_evidence_is_shown(void **state)
{
	(void)state;
	MUST_SHOW("azure/snp-evidence-v2.json", "az-snp-vtpm", "PCR digest", "PCR 8 (init-data)", "MEASUREMENT",
		  "VMPL");
	MUST_SHOW("azure/tdx-evidence-v1.json", "az-tdx-vtpm", "PCR digest", "MRTD", "RTMR3", "TEE_TCB_SVN");
}

static void tpm_evidence_is_shown(void **state)
{
	(void)state;
	MUST_SHOW("azure/tpm-evidence.json", "tpm", "a TPM alone is no TEE", "PCR digest               019de64c93",
		  "PCR 8 (init-data)");
}

static void tdx_evidence_is_shown(void **state)
{
	(void)state;
	static const char *const words[] = {
		"MRTD", "RTMR0", "RTMR3", "MRCONFIGID", "debugging allowed      yes", "event log sent           no"
	};
	OWNED_BUF struct buf raw = vector_read("tdx/v4-debug-td.dat");
	OWNED_BUF struct buf json = BUF_INIT(1u << 20);
	OWNED_JSON struct json *evidence = NULL;
	struct tdx_quote quote;
	struct evidence_note note;
	assert_int_equal(tdx_quote_read(buf_bytes(&raw), &quote, NULL), 0);
	assert_int_equal(tdx_evidence_build(buf_bytes(&raw), &quote, bytes_of("", 0), &evidence, &note, NULL), 0);
	assert_int_equal(json_print(evidence, &json, NULL), 0);
	must_show(buf_bytes(&json), "tdx", words, ARRAY_LEN(words));
}

static void other_evidence_is_named(void **state)
{
	(void)state;
	struct sheet sheet CLEANUP(sheet_done) = { 0 };
	struct err err = { 0 };
	sheet_start(&sheet, false);
	assert_int_equal(brief_evidence("snp", bytes_of_text("no JSON"), &sheet, &err), -1);
	assert_int_equal(err.code, ERR_PROTOCOL);
	assert_non_null(strstr(err.message, "TEE 'snp'"));
	assert_int_equal(brief_evidence("snp", bytes_of_text("{}"), &sheet, &err), -1);
	assert_int_equal(brief_evidence("az-snp-vtpm", bytes_of_text("{}"), &sheet, &err), -1);
	assert_int_equal(brief_evidence("tpm", bytes_of_text("{}"), &sheet, &err), -1);
	assert_int_equal(brief_evidence("unheard-of", bytes_of_text("{}"), &sheet, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(snp_evidence_is_shown),   cmocka_unit_test(azure_evidence_is_shown),
		cmocka_unit_test(tpm_evidence_is_shown),   cmocka_unit_test(tdx_evidence_is_shown),
		cmocka_unit_test(other_evidence_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
