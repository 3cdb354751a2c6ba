/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attest/look: exactly which findings genuine evidence has, and which appears when one thing
 * is changed.
 */
#include "vectors.h"

#include "attest/look.h"

static const struct look_expected nothing = { 0 };

/* The names of all findings in order, fatal ones with a '!'. */
static const char *names_of(const struct look *look)
{
	static char text[1024];
	text[0] = 0;
	for (size_t i = 0; i < look->count; i++) {
		assert_true(look->findings[i].text[0]);
		(void)strcat(text, i ? " " : "");
		(void)strcat(text, look->findings[i].name);
		(void)strcat(text, look->findings[i].severity == LOOK_FATAL ? "!" : "");
	}
	return text;
}

static void read_snp(const char *file, struct snp_report *report)
{
	OWNED_BUF struct buf raw = vector_read(file);
	struct err err = { 0 };
	if (snp_report_read(buf_bytes(&raw), report, &err) < 0)
		fail_msg("%s", err.message);
}

/* Findings on a genuine report, changed at one byte, with nothing expected of it. */
static void assert_snp(const char *file, size_t at, uint8_t value, const char *names, const char *part)
{
	OWNED_BUF struct buf raw = vector_read(file);
	struct snp_report report;
	struct look look;
	struct err err = { 0 };
	if (at)
		raw.data[at] = value;
	if (snp_report_read(buf_bytes(&raw), &report, &err) < 0)
		fail_msg("%s", err.message);
	look_at_snp(&report, &nothing, &look);
	assert_string_equal(names_of(&look), names);
	if (part && !strstr(look.findings[0].text, part))
		fail_msg("'%s' does not contain '%s'", look.findings[0].text, part);
}

static void looks_at_genuine_snp_reports(void **state)
{
	(void)state;
	assert_snp("snp/genoa-v5-report.bin", 0, 0, "", NULL);
	assert_snp("snp/turin-v5-report.bin", 0, 0, "", NULL);
	assert_snp("snp/milan-v3-report.bin", 0, 0, "weak-generation", "Milan");
	assert_snp("snp/milan-v2-report.bin", 0, 0, "old-version alias-check", "has version 2");
	assert_snp("snp/milan-v2-debug-report.bin", 0, 0, "old-version debug! alias-check", NULL);
	assert_snp("snp/milan-v3-vlek-report.bin", 0, 0, "vmpl! weak-generation", "is of VMPL 1");
}

static void finds_each_fault_of_an_snp_report(void **state)
{
	(void)state;
	static const char genoa[] = "snp/genoa-v5-report.bin";
	assert_snp(genoa, 0x0A, 0x0B, "debug!", "policy 0xb0000 allows debugging");
	assert_snp(genoa, 0x0A, 0x01, "policy!", "bit 17 of the VM's policy 0x10000 is 0");
	assert_snp(genoa, 0x0A, 0x07, "migration-allowed", "lets the host bind a migration agent");
	assert_snp(genoa, 0x0B, 0x80, "policy-bits", "does not know: 0x80000000");
	assert_snp(genoa, 0x30, 2, "vmpl!", "is of VMPL 2; verifiers take VMPL 0 alone");
	assert_snp(genoa, 0x34, 2, "signature-algorithm!", "signature algorithm 2, not 1");
	assert_snp(genoa, 0x40, 0x05, "alias-check", "ALIAS_CHECK_COMPLETE is 0");
	assert_snp(genoa, 0x48, 2, "unsigned!", "MASK_CHIP_KEY is set");
	assert_snp(genoa, 0x48, 7 << 2, "unsigned!", "the signing key is 'none'");
	assert_snp(genoa, 0x48, 3 << 2, "signing-key!", "reserved signing key 3");
	assert_snp(genoa, 0x160, 0, "migration-agent!", "a migration agent is bound to this VM");
	assert_snp(genoa, 0x188, 0x1B, "unknown-product", "family 0x1b, model 0x11");
	assert_snp(genoa, 0x03, 0x01, "unknown-version!", "has version 16777221; 5 is the newest");
}

static void finds_faults_that_take_more_than_a_byte(void **state)
{
	(void)state;
	struct snp_report report;
	struct look look;
	read_snp("snp/genoa-v5-report.bin", &report);
	report.has_signature = false;
	look_at_snp(&report, &nothing, &look);
	assert_string_equal(names_of(&look), "unsigned!");
	read_snp("snp/genoa-v5-report.bin", &report);
	report.vmpl = SNP_VMPL_HOST;
	look_at_snp(&report, &nothing, &look);
	assert_string_equal(names_of(&look), "vmpl!");
	assert_string_equal(look.findings[0].text, "the SNP report was asked for by the host, not by this VM");
}

/* Nothing binds a VCEK to it then. A VLEK is of no chip, and masking is usual there. */
static void warns_of_a_masked_chip_id(void **state)
{
	(void)state;
	struct snp_report report;
	struct look look;
	read_snp("snp/genoa-v5-report.bin", &report);
	memset(report.chip_id, 0, sizeof(report.chip_id));
	look_at_snp(&report, &nothing, &look);
	assert_string_equal(names_of(&look), "masked-chip-id");
	report.signing_key = SNP_KEY_VLEK;
	look_at_snp(&report, &nothing, &look);
	assert_string_equal(names_of(&look), "");
}

static void shows_both_report_data(void **state)
{
	(void)state;
	struct snp_report report;
	struct look look;
	struct err err = { 0 };
	read_snp("snp/genoa-v5-report.bin", &report);
	struct report_data asked = report.report_data;
	const struct look_expected expected = { .report_data = &asked };
	look_at_snp(&report, &expected, &look);
	assert_string_equal(names_of(&look), "");
	assert_int_equal(look_verdict(&look, &err), 0);
	asked.bytes[63] = 0xEE;
	look_at_snp(&report, &expected, &look);
	assert_string_equal(names_of(&look), "report-data!");
	assert_non_null(strstr(look.findings[0].text,
			       "the report data is 8100555af0ad8e7525be6dffeed0af83e30bbacbf03b76e175e6894d1ed057ce"));
	assert_non_null(strstr(look.findings[0].text, "00ee was asked for"));
	assert_int_equal(look_verdict(&look, &err), -1);
	assert_int_equal(err.code, ERR_BINDING);
	assert_int_equal(err_exit_status(&err), EXIT_TEE);
}

/* A digest longer than the field is cut, a shorter one filled up with zeros. */
static void assert_init_data_rule(enum digest_alg alg, uint8_t *field, size_t field_len,
				  const struct snp_report *report, const struct tdx_quote *quote)
{
	struct digest digest;
	struct look look;
	struct err err = { 0 };
	assert_int_equal(digest_of(alg, bytes_of_text("init-data"), &digest, &err), 0);
	const struct look_expected expected = { .init_data = &digest };
	memset(field, 0, field_len);
	memcpy(field, digest.bytes, digest.len < field_len ? digest.len : field_len);
	for (unsigned change = 0; change < 3; change++) {
		size_t at = change == 1 ? 0 : field_len - 1;
		field[at] ^= change ? 1 : 0;
		if (report)
			look_at_snp(report, &expected, &look);
		else
			look_at_tdx(quote, &expected, &look);
		assert_string_equal(names_of(&look), change ? "init-data!" : "");
		field[at] ^= change ? 1 : 0;
	}
	assert_non_null(strstr(look.findings[0].text, report ? "HOST_DATA is " : "MRCONFIGID is "));
	assert_non_null(strstr(look.findings[0].text, digest_alg_name(alg)));
	assert_int_equal(look.findings[0].code, ERR_BINDING);
}

static void read_quote(const char *file, struct buf *raw, struct tdx_quote *quote)
{
	struct err err = { 0 };
	*raw = vector_read(file);
	if (tdx_quote_read(buf_bytes(raw), quote, &err) < 0)
		fail_msg("%s", err.message);
}

static void compares_init_data_as_the_platform_carries_it(void **state)
{
	(void)state;
	static const enum digest_alg algs[] = { DIGEST_SHA256, DIGEST_SHA384, DIGEST_SHA512 };
	OWNED_BUF struct buf raw = BUF_INIT(0);
	struct snp_report report;
	struct tdx_quote quote;
	read_snp("snp/genoa-v5-report.bin", &report);
	read_quote("tdx/v4-qvl.dat", &raw, &quote);
	for (size_t i = 0; i < ARRAY_LEN(algs); i++) {
		assert_init_data_rule(algs[i], report.host_data, sizeof(report.host_data), &report, NULL);
		assert_init_data_rule(algs[i], quote.body.td.mrconfigid, TD_MR_LEN, NULL, &quote);
	}
}

static void looks_at_genuine_quotes(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
		{ "tdx/v4-cos113.dat", "" },	    { "tdx/v4-debug-td.dat", "debug!" },
		{ "tdx/v4-go-spr.dat", "sept-ve" }, { "tdx/v4-mrconfigid.dat", "" },
		{ "tdx/v4-qvl.dat", "" },	    { "tdx/v5-go.dat", "" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		OWNED_BUF struct buf raw = BUF_INIT(0);
		struct tdx_quote quote;
		struct look look;
		read_quote(cases[i][0], &raw, &quote);
		look_at_tdx(&quote, &nothing, &look);
		assert_string_equal(names_of(&look), cases[i][1]);
	}
}

static void assert_tdx(size_t at, uint8_t value, const char *names, const char *part)
{
	OWNED_BUF struct buf raw = vector_read("tdx/v5-go.dat");
	struct tdx_quote quote;
	struct look look;
	struct err err = { 0 };
	raw.data[at] = value;
	if (tdx_quote_read(buf_bytes(&raw), &quote, &err) < 0)
		fail_msg("%s", err.message);
	look_at_tdx(&quote, &nothing, &look);
	assert_string_equal(names_of(&look), names);
	if (!strstr(look.findings[0].text, part))
		fail_msg("'%s' does not contain '%s'", look.findings[0].text, part);
}

static void finds_each_fault_of_a_quote(void **state)
{
	(void)state;
	const size_t body = 54;
	const size_t attributes = body + 120;
	assert_tdx(12, 0, "qe-vendor", "not Intel's");
	assert_tdx(body + 64, 1, "module-signer", "not signed by Intel");
	assert_tdx(body + 112, 1, "module-attributes", "are 0x1, not 0");
	assert_tdx(attributes, 1, "debug!", "attributes 0x10000001 allow debugging");
	assert_tdx(attributes, 2, "untrusted!", "makes a TD untrusted: 0x2");
	assert_tdx(attributes, 0x80, "untrusted!", "makes a TD untrusted: 0x80");
	assert_tdx(attributes + 3, 0, "sept-ve", "attributes 0x0 leave SEPT_VE_DISABLE at 0");
	assert_tdx(attributes + 3, 0x30, "migration-allowed", "allow migration");
	assert_tdx(attributes + 1, 0x80, "attribute-bits", "does not know: 0x8000");
	assert_tdx(body + 647, 1, "service-td", "MRSERVICETD is not zero");
	assert_tdx(702 + 138 + 48, 2 | 0x11, "qe-debug!", "quoting enclave in debug mode");
	assert_tdx(702 + 620, 3, "no-pck-chain", "certification data type 3");
}

static void refuses_a_migration_td(void **state)
{
	(void)state;
	OWNED_BUF struct buf raw = BUF_INIT(0);
	struct tdx_quote quote;
	struct look look;
	read_quote("tdx/v5-go.dat", &raw, &quote);
	quote.body.td.attributes.migratable = true;
	quote.body.mrservicetd[47] = 1;
	look_at_tdx(&quote, &nothing, &look);
	assert_string_equal(names_of(&look), "migration-allowed migration-agent!");
}

static void names_the_first_fatal_finding(void **state)
{
	(void)state;
	struct snp_report report;
	struct look look;
	struct err err = { 0 };
	read_snp("snp/milan-v2-debug-report.bin", &report);
	report.vmpl = 3;
	look_at_snp(&report, &nothing, &look);
	assert_int_equal(look_verdict(&look, &err), -1);
	assert_int_equal(err.code, ERR_NO_TEE);
	assert_string_equal(err.message,
			    "the evidence is not sent: the VM's policy 0xb0000 allows debugging: the host can read "
			    "and change its memory (and 1 more reasons)");
	assert_non_null(look_find(&look, "vmpl"));
	assert_null(look_find(&look, "report-data"));
	read_snp("snp/milan-v3-report.bin", &report);
	look_at_snp(&report, &nothing, &look);
	assert_int_equal(look_verdict(&look, &err), 0);
}

/* All that can be wrong with one report at once has room. */
static void has_room_for_all_findings(void **state)
{
	(void)state;
	struct snp_report report;
	struct look look;
	struct digest digest;
	struct err err = { 0 };
	const struct report_data other = { .bytes = { 1 } };
	assert_int_equal(digest_of(DIGEST_SHA256, bytes_of_text("x"), &digest, &err), 0);
	const struct look_expected expected = { .report_data = &other, .init_data = &digest };
	memset(&report, 0, sizeof(report));
	report.version = 2;
	report.policy.debug = report.policy.migrate_ma = true;
	report.policy.unknown = 1;
	report.vmpl = 1;
	report.has_cpuid = true;
	look_at_snp(&report, &expected, &look);
	assert_true(look.count >= 13 && look.count < LOOK_MAX);
	for (size_t i = 0; i < look.count; i++)
		assert_ptr_equal(look_find(&look, look.findings[i].name), &look.findings[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(looks_at_genuine_snp_reports),
		cmocka_unit_test(finds_each_fault_of_an_snp_report),
		cmocka_unit_test(finds_faults_that_take_more_than_a_byte),
		cmocka_unit_test(warns_of_a_masked_chip_id),
		cmocka_unit_test(shows_both_report_data),
		cmocka_unit_test(compares_init_data_as_the_platform_carries_it),
		cmocka_unit_test(looks_at_genuine_quotes),
		cmocka_unit_test(finds_each_fault_of_a_quote),
		cmocka_unit_test(refuses_a_migration_td),
		cmocka_unit_test(names_the_first_fatal_finding),
		cmocka_unit_test(has_room_for_all_findings),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
