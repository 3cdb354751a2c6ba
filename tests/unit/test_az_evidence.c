/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attest/az_evidence: genuine evidence of versions 0, 1 and 2 and of the plain kind, member by member;
 * what is written is read back the same and looks as the genuine one does.
 */
#include "vectors.h"

#include "attest/az_evidence.h"
#include "attest/hcl.h"
#include "attest/snp_report.h"
#include "attest/tdx_quote.h"

static struct json *parse(const char *file)
{
	struct buf text OWNED_BUF = vector_read(file);
	struct json *json = NULL;
	struct err err = { 0 };
	if (json_parse(buf_bytes(&text), VECTOR_MAX, &json, &err) < 0)
		fail_msg("%s", err.message);
	return json;
}

static const struct genuine {
	const char *file;
	enum az_kind kind;
	unsigned version;
	const char *extra_data;
	const char *pcr0;
	const char *endorsement; /* its beginning */
} genuine[] = {
	{ "azure/snp-evidence-v0.json", AZ_SNP, 0, "6368616c6c656e6765",
	  "e15c44796beabf46abcec7c57e590942041e47497e4ec27571c8b7664f48dced", "2d2d2d2d2d424547494e" },
	{ "azure/tdx-evidence-v1.json", AZ_TDX, 1, "6368616c6c656e6765",
	  "782b20b10f55cc46e2142cc2145d548698073e5beb82752c8d7f9279f0d8a273", "0400020081000000" },
	{ "azure/snp-evidence-v2.json", AZ_SNP, 2,
	  "982f5c6e45df0ed3f10b6f60b02f0c8390e281300f3805e2279c16168cd6ae9aa398f647caa2338748cd0fd9f5f819ef",
	  "84275b2f4312cd4fc6cbe6b152ad3c3683e513d9f1e23c34fca160c8cca7a6a7", "3082" },
};

static void genuine_evidence(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(genuine); i++) {
		const struct genuine *want = &genuine[i];
		struct json *json OWNED_JSON = parse(want->file);
		struct az_evidence evidence OWNED_AZ_EVIDENCE = AZ_EVIDENCE_INIT;
		struct tpm_quote quote;
		struct hcl_report hcl;
		struct digest digest;
		struct err err = { 0 };
		if (az_evidence_open(json, &evidence, &err) < 0)
			fail_msg("%s: %s", want->file, err.message);
		assert_int_equal(evidence.kind, want->kind);
		assert_int_equal(evidence.version, want->version);
		assert_int_equal(evidence.quoted.signature.len, 256);
		assert_hex_padded(evidence.quoted.pcrs.values[0], TPM_PCR_LEN, want->pcr0);
		assert_hex_prefix(evidence.endorsement.data, evidence.endorsement.len, want->endorsement);
		assert_int_equal(evidence.hcl.len, 2600);
		assert_int_equal(hcl_read(buf_bytes(&evidence.hcl), &hcl, &err), 0);
		assert_true(hcl_claims_vouched(&hcl));
		assert_int_equal(tpm_quote_read(buf_bytes(&evidence.quoted.message), &quote, &err), 0);
		assert_int_equal(quote.extra_data.len, strlen(want->extra_data) / 2);
		assert_hex_padded(quote.extra_data.data, quote.extra_data.len, want->extra_data);
		assert_true(tpm_quote_covers_all(&quote));
		assert_int_equal(tpm_pcrs_digest(&evidence.quoted.pcrs, &digest, &err), 0);
		assert_true(bytes_equal(quote.pcr_digest, digest_bytes(&digest)));
	}
}

static void quote_from_a_service(void **state)
{
	(void)state;
	struct buf raw OWNED_BUF = vector_read("azure/td-quote.bin");
	struct tdx_quote quote;
	struct err err = { 0 };
	assert_int_equal(raw.len, 5006);
	assert_int_equal(tdx_quote_read(buf_bytes(&raw), &quote, &err), 0);
	const struct tdx_body *body = &quote.body;
	assert_int_equal(quote.version, 4);
	assert_int_equal(quote.signature_data_len, 4300);
	assert_int_equal(quote.trailing.len, 70);
	assert_hex_padded(body->tee_tcb_svn, sizeof(body->tee_tcb_svn), "020106");
	assert_true(body->td.attributes.raw == 0 && !body->td.attributes.sept_ve_disable);
	assert_true(body->td.xfam == 0x618e7);
	assert_hex_padded(
		body->td.mrtd, TD_MR_LEN,
		"024a32b070383331181619fa387cb4d55d1e38879f989933055ccad5bc2db795d1737b66205949d15469dc8c1ba7ab7b");
	assert_hex_padded(body->td.mrconfigid, TD_MR_LEN, "");
	for (size_t i = 0; i < TD_RTMRS; i++)
		assert_hex_padded(body->td.rtmr[i], TD_MR_LEN, "");
	assert_hex_padded(&body->report_data, REPORT_DATA_LEN,
			  "9734504f161d104c74e3165c15f779b06a9bb40dfa71937817d7eee68e593839");
}

static void read_claims(struct bytes raw, struct hcl_claims *claims)
{
	struct hcl_report hcl;
	struct err err = { 0 };
	if (hcl_read(raw, &hcl, &err) < 0 || hcl_claims_read(hcl.claims, claims, &err) < 0)
		fail_msg("%s", err.message);
}

/* The TDX evidence and the HCL report beside it are of one machine; the SNP measurement is the known one. */
static void what_belongs_together(void **state)
{
	(void)state;
	struct json *tdx OWNED_JSON = parse("azure/tdx-evidence-v1.json");
	struct json *snp OWNED_JSON = parse("azure/snp-evidence-v2.json");
	struct az_evidence evidence OWNED_AZ_EVIDENCE = AZ_EVIDENCE_INIT;
	struct buf raw OWNED_BUF = vector_read("azure/hcl-tdx-2600.bin");
	struct hcl_claims one OWNED_CLAIMS = HCL_CLAIMS_INIT;
	struct hcl_claims two OWNED_CLAIMS = HCL_CLAIMS_INIT;
	struct hcl_report hcl;
	struct snp_report report;
	struct err err = { 0 };
	assert_int_equal(az_evidence_open(tdx, &evidence, &err), 0);
	read_claims(buf_bytes(&raw), &one);
	read_claims(buf_bytes(&evidence.hcl), &two);
	assert_true(bytes_equal(buf_bytes(&one.ak_n), buf_bytes(&two.ak_n)));
	assert_int_equal(az_evidence_open(snp, &evidence, &err), 0);
	assert_int_equal(hcl_read(buf_bytes(&evidence.hcl), &hcl, &err), 0);
	assert_int_equal(snp_report_read(hcl.hardware, &report, &err), 0);
	assert_hex_padded(
		report.measurement, sizeof(report.measurement),
		"5b0ce64ad1c1f6375dbda5f760b98526ca1bcf91b8195091afc28e7b024251d68fe32e05af34048d6607678cd23283ff");
}

/* The object that evidence carries, by itself: it belongs to the HCL report of 2600 bytes. */
static void a_quote_object(void **state)
{
	(void)state;
	struct json *quote_json OWNED_JSON = parse("azure/tpm-quote-snp.json");
	struct buf hcl OWNED_BUF = vector_read("azure/hcl-snp-2600.bin");
	struct buf text OWNED_BUF = BUF_INIT(VECTOR_MAX);
	struct json *json OWNED_JSON = NULL;
	struct az_evidence evidence OWNED_AZ_EVIDENCE = AZ_EVIDENCE_INIT;
	struct hcl_claims claims OWNED_CLAIMS = HCL_CLAIMS_INIT;
	struct buf spki OWNED_BUF = BUF_INIT(RSA_SPKI_MAX);
	struct tpm_quote quote;
	struct digest digest;
	struct err err = { 0 };
	assert_int_equal(
		buf_append_text(&text, "{\"version\":2,\"hcl_report\":\"\",\"vcek\":\"\",\"tpm_quote\":", &err), 0);
	assert_int_equal(json_print(quote_json, &text, &err), 0);
	assert_int_equal(buf_append_text(&text, "}", &err), 0);
	if (json_parse(buf_bytes(&text), VECTOR_MAX, &json, &err) < 0 || az_evidence_open(json, &evidence, &err) < 0)
		fail_msg("%s", err.message);
	const struct bytes message = buf_bytes(&evidence.quoted.message);
	assert_int_equal(tpm_quote_read(message, &quote, &err), 0);
	assert_true(bytes_equal(quote.extra_data, bytes_of_text("challenge")));
	assert_true(tpm_quote_covers_all(&quote));
	assert_hex_padded(evidence.quoted.pcrs.values[0], TPM_PCR_LEN,
			  "f3a7e99a5f819a034386bce753a48a73cfdaa0bea0ecfc124bedbf5a8c4799be");
	assert_int_equal(tpm_pcrs_digest(&evidence.quoted.pcrs, &digest, &err), 0);
	assert_true(bytes_equal(quote.pcr_digest, digest_bytes(&digest)));
	read_claims(buf_bytes(&hcl), &claims);
	assert_int_equal(rsa_public_spki(buf_bytes(&claims.ak_n), buf_bytes(&claims.ak_e), &spki, &err), 0);
	assert_int_equal(rsa_public_check(buf_bytes(&spki), message, buf_bytes(&evidence.quoted.signature)),
			 RSA_SIGNED);
}

static void plain_evidence(void **state)
{
	(void)state;
	struct json *json OWNED_JSON = parse("azure/tpm-evidence.json");
	struct json *written OWNED_JSON = NULL;
	struct tpm_quoted quoted OWNED_QUOTED = TPM_QUOTED_INIT;
	struct buf spki OWNED_BUF = BUF_INIT(RSA_SPKI_MAX);
	struct buf before OWNED_BUF = BUF_INIT(VECTOR_MAX);
	struct buf after OWNED_BUF = BUF_INIT(VECTOR_MAX);
	struct tpm_quote quote;
	struct digest digest;
	struct err err = { 0 };
	if (tpm_evidence_open(json, &quoted, &spki, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(quoted.signature.len, 256);
	assert_int_equal(spki.len, 294);
	assert_int_equal(tpm_quote_read(buf_bytes(&quoted.message), &quote, &err), 0);
	assert_int_equal(tpm_pcrs_digest(&quoted.pcrs, &digest, &err), 0);
	assert_true(bytes_equal(quote.pcr_digest, digest_bytes(&digest)));
	/* Written again, it is the same document. */
	assert_int_equal(tpm_evidence_build(&quoted, buf_bytes(&spki), &written, &err), 0);
	assert_int_equal(json_print_canonical(json, &before, &err), 0);
	assert_int_equal(json_print_canonical(written, &after, &err), 0);
	assert_string_equal(buf_text(&before), buf_text(&after));
}

static void written_as_the_genuine_one(void **state)
{
	(void)state;
	struct json *json OWNED_JSON = parse("azure/snp-evidence-v2.json");
	struct json *written OWNED_JSON = NULL;
	struct az_evidence evidence OWNED_AZ_EVIDENCE = AZ_EVIDENCE_INIT;
	struct buf before OWNED_BUF = BUF_INIT(VECTOR_MAX);
	struct buf after OWNED_BUF = BUF_INIT(VECTOR_MAX);
	struct err err = { 0 };
	assert_int_equal(az_evidence_open(json, &evidence, &err), 0);
	assert_int_equal(az_evidence_build(AZ_SNP, &evidence.quoted, buf_bytes(&evidence.hcl),
					   buf_bytes(&evidence.endorsement), &written, &err),
			 0);
	assert_int_equal(json_print(json, &before, &err), 0);
	assert_int_equal(json_print(written, &after, &err), 0);
	assert_string_equal(buf_text(&before), buf_text(&after));
}

/* Bytes as an array of numbers, as the oldest evidence has them. */
static void add_numbers(struct buf *out, const char *name, struct bytes bytes)
{
	struct err err = { 0 };
	assert_int_equal(buf_printf(out, &err, "%s\"%s\":[", out->data[out->len - 1] == '{' ? "" : ",", name), 0);
	for (size_t i = 0; i < bytes.len; i++)
		assert_int_equal(buf_printf(out, &err, "%s%u", i ? "," : "", bytes.data[i]), 0);
	assert_int_equal(buf_append_text(out, "]", &err), 0);
}

/* The TDX evidence without a version, of which no genuine one is at hand: made of version 1. */
static void oldest_of_tdx(void **state)
{
	(void)state;
	struct json *json OWNED_JSON = parse("azure/tdx-evidence-v1.json");
	struct az_evidence one OWNED_AZ_EVIDENCE = AZ_EVIDENCE_INIT;
	struct az_evidence zero OWNED_AZ_EVIDENCE = AZ_EVIDENCE_INIT;
	struct buf text OWNED_BUF = BUF_INIT(VECTOR_MAX);
	struct json *oldest OWNED_JSON = NULL;
	struct err err = { 0 };
	assert_int_equal(az_evidence_open(json, &one, &err), 0);
	assert_int_equal(buf_append_text(&text, "{\"tpm_quote\":{", &err), 0);
	add_numbers(&text, "signature", buf_bytes(&one.quoted.signature));
	add_numbers(&text, "message", buf_bytes(&one.quoted.message));
	for (size_t i = 0; i < TPM_PCRS; i++) {
		assert_int_equal(buf_append_text(&text, i ? "," : ",\"pcrs\":[", &err), 0);
		for (size_t j = 0; j < TPM_PCR_LEN; j++)
			assert_int_equal(buf_printf(&text, &err, "%c%u", j ? ',' : '[', one.quoted.pcrs.values[i][j]),
					 0);
		assert_int_equal(buf_append_text(&text, "]", &err), 0);
	}
	assert_int_equal(buf_append_text(&text, "]}", &err), 0);
	add_numbers(&text, "hcl_report", buf_bytes(&one.hcl));
	add_numbers(&text, "td_quote", buf_bytes(&one.endorsement));
	assert_int_equal(buf_append_text(&text, "}", &err), 0);
	if (json_parse(buf_bytes(&text), VECTOR_MAX, &oldest, &err) < 0 || az_evidence_open(oldest, &zero, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(zero.kind, AZ_TDX);
	assert_int_equal(zero.version, 0);
	assert_true(bytes_equal(buf_bytes(&one.hcl), buf_bytes(&zero.hcl)));
	assert_true(bytes_equal(buf_bytes(&one.endorsement), buf_bytes(&zero.endorsement)));
	assert_true(bytes_equal(buf_bytes(&one.quoted.message), buf_bytes(&zero.quoted.message)));
	assert_memory_equal(&one.quoted.pcrs, &zero.quoted.pcrs, sizeof(one.quoted.pcrs));
}

/* From version 1 to 2: only the number changes. */
static void written_for_tdx(void **state)
{
	(void)state;
	struct json *json OWNED_JSON = parse("azure/tdx-evidence-v1.json");
	struct json *written OWNED_JSON = NULL;
	struct az_evidence one OWNED_AZ_EVIDENCE = AZ_EVIDENCE_INIT;
	struct az_evidence two OWNED_AZ_EVIDENCE = AZ_EVIDENCE_INIT;
	struct err err = { 0 };
	assert_int_equal(az_evidence_open(json, &one, &err), 0);
	assert_int_equal(az_evidence_build(AZ_TDX, &one.quoted, buf_bytes(&one.hcl), buf_bytes(&one.endorsement),
					   &written, &err),
			 0);
	assert_int_equal(az_evidence_open(written, &two, &err), 0);
	assert_int_equal(two.kind, AZ_TDX);
	assert_int_equal(two.version, 2);
	assert_true(bytes_equal(buf_bytes(&one.hcl), buf_bytes(&two.hcl)));
	assert_true(bytes_equal(buf_bytes(&one.endorsement), buf_bytes(&two.endorsement)));
	assert_true(bytes_equal(buf_bytes(&one.quoted.message), buf_bytes(&two.quoted.message)));
	assert_true(bytes_equal(buf_bytes(&one.quoted.signature), buf_bytes(&two.quoted.signature)));
	assert_memory_equal(&one.quoted.pcrs, &two.quoted.pcrs, sizeof(one.quoted.pcrs));
}

/* The genuine evidence with one thing replaced in its text. */
static void assert_text_refused(const char *file, const char *from, const char *to, const char *part)
{
	struct json *whole OWNED_JSON = parse(file);
	struct buf text OWNED_BUF = BUF_INIT(VECTOR_MAX);
	struct buf changed OWNED_BUF = BUF_INIT(VECTOR_MAX);
	struct json *json OWNED_JSON = NULL;
	struct az_evidence evidence OWNED_AZ_EVIDENCE = AZ_EVIDENCE_INIT;
	struct err err = { 0 };
	assert_int_equal(json_print(whole, &text, &err), 0);
	const char *at = strstr(buf_text(&text), from);
	assert_non_null(at);
	size_t before = (size_t)(at - buf_text(&text));
	assert_int_equal(buf_append(&changed, bytes_of(text.data, before), &err), 0);
	assert_int_equal(buf_append_text(&changed, to, &err), 0);
	assert_int_equal(buf_append_text(&changed, at + strlen(from), &err), 0);
	if (json_parse(buf_bytes(&changed), VECTOR_MAX, &json, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(az_evidence_open(json, &evidence, &err), -1);
	assert_int_equal(err.code, ERR_PROTOCOL);
	assert_message_has(err, part);
}

static void spoilt(void **state)
{
	(void)state;
	const char *two = "azure/snp-evidence-v2.json";
	assert_text_refused(two, "\"version\":2", "\"version\":3", "version 3");
	assert_text_refused(two, "\"version\":2", "\"version\":\"2\"", "version");
	assert_text_refused(two, "\"version\":2", "\"versio\":2", "'quote'");
	assert_text_refused(two, "\"vcek\":", "\"vcel\":", "neither");
	assert_text_refused(two, "\"version\":2", "\"version\":2,\"td_quote\":\"\"", "both");
	assert_text_refused(two, "\"hcl_report\":\"", "\"hcl_report\":\"/", "hcl_report");
	assert_text_refused(two, "\"message\":\"", "\"message\":\"g", "message");
	assert_text_refused(two, "\"signature\":\"", "\"signature\":7,\"s\":\"", "signature");
	assert_text_refused(two, "\"pcrs\":[", "\"pcrs\":[\"00\",", "25 values");
	assert_text_refused(two, "\"pcrs\":[\"", "\"pcrs\":[\"00", "value 0");
	assert_text_refused(two, "\"pcrs\":[\"84", "\"pcrs\":[\"", "value 0: 31 bytes");
	assert_text_refused("azure/snp-evidence-v0.json", "\"report\":[", "\"report\":[256,", "256");
	assert_text_refused("azure/snp-evidence-v0.json", "\"report\":[", "\"report\":[1.5,", "1.5");
	assert_text_refused("azure/snp-evidence-v0.json", "\"report\":[", "\"report\":[\"1\",", "no byte");
}

/* A quote alone, in each spelling: the bytes are those of the evidence that it was taken from. */
static void a_quote_alone(void **state)
{
	(void)state;
	static const struct {
		const char *file;
		const char *member; /* NULL: the file is one */
	} rows[] = {
		{ "azure/snp-evidence-v0.json", "quote" },     { "azure/tdx-evidence-v1.json", "tpm_quote" },
		{ "azure/snp-evidence-v2.json", "tpm_quote" }, { "azure/tpm-evidence.json", "tpm_quote" },
		{ "azure/tpm-quote-snp.json", NULL },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct json *json OWNED_JSON = parse(rows[i].file);
		struct tpm_quoted quoted OWNED_QUOTED = TPM_QUOTED_INIT;
		struct tpm_quote quote;
		struct digest pcrs;
		struct err err = { 0 };
		if (tpm_quoted_open(rows[i].member ? json_member(json, rows[i].member) : json, &quoted, &err) < 0 ||
		    tpm_quote_read(buf_bytes(&quoted.message), &quote, &err) < 0 ||
		    tpm_pcrs_digest(&quoted.pcrs, &pcrs, &err) < 0)
			fail_msg("%s: %s", rows[i].file, err.message);
		assert_int_equal(quoted.signature.len, 256);
		assert_true(bytes_equal(quote.pcr_digest, digest_bytes(&pcrs)));
	}
}

static void a_quote_alone_that_is_spoilt(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *said;
	} rows[] = {
		{ "{}", "TPM quote: there is no member 'signature'" },
		{ "{\"signature\":\"00\"}", "TPM quote: member 'signature'" },
		{ "{\"signature\":\"00\",\"message\":\"0\",\"pcrs\":[]}", "TPM quote: member 'message'" },
		{ "{\"signature\":\"AA==\",\"message\":\"/w\",\"pcrs\":[]}", "TPM quote: member 'message'" },
		{ "{\"signature\":\"_-8\",\"message\":\"_1RDR4AY\",\"pcrs\":[]}",
		  "TPM quote: member 'message': neither hexadecimal text nor base64" },
		{ "{\"signature\":\"00\",\"message\":\"00/\",\"pcrs\":[]}", "neither hexadecimal text nor base64" },
		{ "{\"signature\":\"AA\",\"message\":\"ff\",\"pcrs\":[]}", "TPM quote: member 'pcrs'" },
		{ "{\"signature\":[0],\"message\":[300],\"pcrs\":[]}", "300, which is no byte" },
		{ "{\"signature\":\"00\",\"message\":\"00\",\"pcrs\":[]}", "member 'pcrs' has 0 values" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct json *json OWNED_JSON = NULL;
		struct tpm_quoted quoted OWNED_QUOTED = TPM_QUOTED_INIT;
		struct err err = { 0 };
		assert_int_equal(json_parse(bytes_of_text(rows[i].text), VECTOR_MAX, &json, &err), 0);
		assert_int_equal(tpm_quoted_open(json, &quoted, &err), -1);
		assert_int_equal(err.code, ERR_PROTOCOL);
		assert_message_has(err, rows[i].said);
		assert_int_equal(quoted.signature.len + quoted.message.len, 0);
	}
}

static void longest(void **state)
{
	(void)state;
	struct json *json OWNED_JSON = parse("azure/snp-evidence-v2.json");
	struct json *written OWNED_JSON = NULL;
	struct az_evidence evidence OWNED_AZ_EVIDENCE = AZ_EVIDENCE_INIT;
	struct az_evidence again OWNED_AZ_EVIDENCE = AZ_EVIDENCE_INIT;
	struct err err = { 0 };
	static const uint8_t zeros[AZ_ENDORSEMENT_MAX + 1];
	assert_int_equal(az_evidence_open(json, &evidence, &err), 0);
	assert_int_equal(az_evidence_build(AZ_SNP, &evidence.quoted, bytes_of(zeros, AZ_HCL_MAX + 1),
					   bytes_of(zeros, 1), &written, &err),
			 0);
	assert_int_equal(az_evidence_open(written, &again, &err), -1);
	assert_message_has(err, "hcl_report");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(genuine_evidence),
		cmocka_unit_test(quote_from_a_service),
		cmocka_unit_test(what_belongs_together),
		cmocka_unit_test(a_quote_object),
		cmocka_unit_test(plain_evidence),
		cmocka_unit_test(written_as_the_genuine_one),
		cmocka_unit_test(written_for_tdx),
		cmocka_unit_test(oldest_of_tdx),
		cmocka_unit_test(spoilt),
		cmocka_unit_test(a_quote_alone),
		cmocka_unit_test(a_quote_alone_that_is_spoilt),
		cmocka_unit_test(longest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
