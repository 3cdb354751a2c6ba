/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl/show: each genuine file is taken for what it is and shown in both forms; what comes out
 * of it cannot drive a terminal; broken files are refused.
 */
#include "vectors.h"

#include "attest/az_common.h"
#include "attest/show.h"

static const struct {
	const char *file;
	const char *kind;
	const char *people; /* a line of the table */
	const char *path;   /* of a member in JSON, two names */
	const char *member;
	const char *value;
} cases[] = {
	{ "snp/milan-v2-report.bin", "snp-report", "  product                not named in version 2\n", "report",
	  "signing_key", "VCEK" },
	{ "snp/milan-v2-debug-report.bin", "snp-report", "DEBUGGING ALLOWED\n", "report", "policy_abi", "0.0" },
	{ "snp/milan-v3-vlek-report.bin", "snp-report", "  signed by              VLEK\n", "report", "signing_key",
	  "VLEK" },
	{ "snp/turin-v5-report.bin", "snp-report",
	  "  REPORTED_TCB           FMC 0, boot loader 1, TEE 0, SNP 2, microcode 71\n", "report", "product", "Turin" },
	{ "snp/milan-v3-report.bin", "snp-report",
	  "  CURRENT_TCB            boot loader 4, TEE 0, SNP 24, microcode 219\n", "report", "current_version",
	  "1.55.29" },
	{ "snp/genoa-v5-report.bin", "snp-report", "  LAUNCH_MIT_VECTOR      0x1\n", "report", "current_mit_vector",
	  "0x1" },
	{ "snp/genoa-siena-evidence.json", "snp-evidence", "  type                   VCEK\n", "report", "measurement",
	  "6a6519d757e68c2e939c9dbbbc1828498e8de35d2766dd05f1a2cca5059d0cf4ae62a36d75c837974dd50b315506e73e" },
	{ "tdx/v4-cos113.dat", "tdx-quote", "  trailing bytes         3065\n", "quote", NULL, NULL },
	{ "tdx/v4-go-spr.dat", "tdx-quote",
	  "    TDATTRIBUTES         0x40000000, no debug, SEPT_VE_DISABLE clear, PKS\n", "quote", NULL, NULL },
	{ "tdx/v4-mrconfigid.dat", "tdx-quote",
	  "    MRCONFIGID           889abf4718f037e38d74464c11e7c91a6e9890b5546409e1e7df9de7a51ca931\n", "quote", NULL,
	  NULL },
	{ "tdx/v4-qvl.dat", "tdx-quote", "      flags              0x15, INIT, no debug, 64 bits, provisioning key\n",
	  "quote", NULL, NULL },
	{ "tdx/v4-debug-td.dat", "tdx-quote",
	  "    TDATTRIBUTES         0x10000001, DEBUG, UNTRUSTED, SEPT_VE_DISABLE\n", "quote", NULL, NULL },
	{ "tdx/v4-debug-td.dat", "tdx-quote", "must be refused", "quote", NULL, NULL },
	{ "tdx/v5-go.dat", "tdx-quote", "5, PCK chain of 3 certificates (3678 bytes)\n", "quote", NULL, NULL },
	{ "tdx/v5-go.dat", "tdx-quote", "    XFAM                 0x602e7, x87, SSE, AVX, AVX-512, PKU, AMX\n", "quote",
	  NULL, NULL },
	{ "tdx/tdreport-a.bin", "tdreport", "  hashes match           yes\n", "tdreport", "rtmr1",
	  "4e5f8826653198ab4bc5156fbe4bc99db054c0b8239a16c4b59249fb427f4acc50eed1b46a85c7d526c4e1e47621b14c" },
	{ "azure/hcl-snp-2048.bin", "hcl-report", "  user-data              none\n", "hcl_report", "claims_hash",
	  "1d0a466a9eed975e88f889f7aed4abc1c97e87c4f43e5e3478c9a4a5853cbd7d" },
	{ "azure/hcl-tdx-2600.bin", "hcl-report", "  hardware report has it yes\n", "hcl_report", "type", "TDX" },
	{ "azure/tpm-quote.msg", "tpm-quote", "  exactly PCR 0 to 23    no\n", "tpm_quote", "extra_data",
	  "6368616c6c656e6765" },
	{ "azure/tpm-evidence.json", "tpm-evidence", "a TPM alone is no TEE\n", "tpm_quote", "pcr_digest",
	  "019de64c9318655e422c3d03831169896e31f02a1d74e4d8fef575bf4e0d75fa" },
	{ "azure/tpm-quote-snp.json", "tpm-quote-evidence", "nobody knows: the key is not beside it\n", "tpm_quote",
	  "extra_data", "6368616c6c656e6765" },
	{ "azure/snp-evidence-v0.json", "az-snp-evidence", "version of the evidence  0\n", "pcrs", "pcr00",
	  "e15c44796beabf46abcec7c57e590942041e47497e4ec27571c8b7664f48dced" },
	{ "azure/tdx-evidence-v1.json", "az-tdx-evidence", "TEE                      az-tdx-vtpm\n", "pcrs", "pcr00",
	  "782b20b10f55cc46e2142cc2145d548698073e5beb82752c8d7f9279f0d8a273" },
	{ "azure/snp-evidence-v2.json", "az-snp-evidence", "bytes of the VCEK        1351\n", "hcl_report",
	  "claims_hash", "cf7cc0731c50f64876804b3943b2bfbd93dba69f5928e3df223e78ff34dd46ee" },
	{ "eventlog/ccel-cos113-acpi.bin", "ccel-table", "  CC type                2 (TDX)\n", "ccel", "area_length",
	  "0x40000" },
	{ "eventlog/ccel-cos113.bin", "event-log",
	  "        3  RTMR0         EV_EFI_VARIABLE_DRIVER_CONFIG     cfa4e2c606f57262  SecureBoot\n", "event_log",
	  "form", "TCG 2 of a confidential VM (CCEL)" },
	{ "eventlog/ccel-aael-alibaba.bin", "event-log", "coco.com some-operation some-content\n", "event_log", "end",
	  "FF mark" },
	{ "eventlog/ccel-ovmf.bin", "event-log", "  bytes without padding  2120\n", "event_log", "spec_version",
	  "2.0 errata 0" },
	{ "eventlog/tpm-ubuntu2404-snp.bin", "event-log", "PCR14", "event_log", "algorithms", "sha1, sha256, sha384" },
};

/* Shows `content` for people or for machines; what comes out is in the sheet. */
static void must_show(struct bytes content, bool for_machines, struct sheet *sheet)
{
	struct err err = { 0 };
	const struct show_kind *kind = show_find(content);
	assert_non_null(kind);
	sheet_start(sheet, for_machines);
	if (kind->show(content, sheet, &err) < 0)
		fail_msg("%s", err.message);
	if (sheet->failed)
		fail_msg("%s", sheet->err.message);
	assert_int_equal(sheet->depth, 0);
}

static void assert_plain(const struct buf *text)
{
	for (size_t i = 0; i < text->len; i++)
		assert_true(text->data[i] == '\n' || (text->data[i] >= 0x20 && text->data[i] < 0x7F));
}

static void shows_each_genuine_file(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		OWNED_BUF struct buf content = vector_read(cases[i].file);
		struct sheet people CLEANUP(sheet_done) = { 0 };
		struct sheet machines CLEANUP(sheet_done) = { 0 };
		assert_string_equal(show_find(buf_bytes(&content))->name, cases[i].kind);
		must_show(buf_bytes(&content), false, &people);
		assert_plain(&people.text);
		if (!strstr(buf_text(&people.text), cases[i].people))
			fail_msg("%s: no '%s' in:\n%s", cases[i].file, cases[i].people, buf_text(&people.text));
		must_show(buf_bytes(&content), true, &machines);
		const struct json *part = json_member(machines.document, cases[i].path);
		assert_non_null(part);
		if (cases[i].member)
			assert_string_equal(json_text(json_member(part, cases[i].member)), cases[i].value);
	}
}

/* What is no evidence is taken for none: certificates, revocation lists, collateral. */
static void takes_nothing_else_for_evidence(void **state)
{
	(void)state;
	static const char *const files[] = {
		"snp/genoa-ask-ark-asvk.pem",
		"snp/milan-kds-vcek-cert_chain.pem",
		"snp/turin-kds-vlek-cert_chain.pem",
		"snp/genoa-v5-vcek.der",
		"snp/milan-v2-debug-vcek.der",
		"snp/milan-v2-vcek.der",
		"snp/milan-v3-vcek.der",
		"snp/milan-vlek.der",
		"snp/turin-v5-vcek.der",
		"snp/vcek-hwid-raw.der",
		"tdx/enclaveidentity-trustee.json",
		"tdx/go-pckcrl.der",
		"tdx/go-rootcrl.der",
		"tdx/intel-sgx-root-ca.pem",
		"tdx/tcbinfo-trustee.json",
		"tdx/v4-go-qeidentity.json",
		"tdx/v4-go-tcbinfo.json",
		"tdx/v4-qvl-collateral.json",
		"tdx/v5-go-tcbinfo.json",
	};
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		OWNED_BUF struct buf content = vector_read(files[i]);
		const struct show_kind *kind = show_find(buf_bytes(&content));
		if (kind)
			fail_msg("%s is taken for '%s'", files[i], kind->name);
	}
}

static void assert_whole(const struct json *object, const char *name, struct bytes want)
{
	struct err err = { 0 };
	OWNED_BUF struct buf hex = BUF_INIT(1 << 20);
	assert_int_equal(hex_encode(want, &hex, &err), 0);
	const char *found = json_text(json_member(object, name));
	if (!found || strcmp(found, buf_text(&hex)) != 0)
		fail_msg("'%s' is '%s'", name, found ? found : "missing");
}

/* In JSON each field of bytes is there, and all of it; zeros too. */
static void shows_bytes_whole_to_machines(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		size_t at;
		size_t len;
	} report[] = {
		{ "report_data", 0x50, 64 },	 { "measurement", 0x90, 48 },	 { "host_data", 0xC0, 32 },
		{ "id_key_digest", 0xE0, 48 },	 { "author_key_digest", 0x110, 48 }, { "report_id", 0x140, 32 },
		{ "report_id_ma", 0x160, 32 },	 { "chip_id", 0x1A0, 64 },	 { "family_id", 0x10, 16 },
		{ "image_id", 0x20, 16 },	 { "signature_r", 0x2A0, 72 },	 { "signature_s", 0x2E8, 72 },
	}, body[] = {
		{ "tee_tcb_svn", 0, 16 },	 { "mrseam", 16, 48 },		 { "mrsignerseam", 64, 48 },
		{ "mrtd", 136, 48 },		 { "mrconfigid", 184, 48 },	 { "mrowner", 232, 48 },
		{ "mrownerconfig", 280, 48 },	 { "rtmr0", 328, 48 },		 { "rtmr1", 376, 48 },
		{ "rtmr2", 424, 48 },		 { "rtmr3", 472, 48 },		 { "report_data", 520, 64 },
		{ "tee_tcb_svn2", 584, 16 },	 { "mrservicetd", 600, 48 },
	};
	OWNED_BUF struct buf snp = vector_read("snp/turin-v5-report.bin");
	OWNED_BUF struct buf tdx = vector_read("tdx/v5-go.dat");
	struct sheet sheet CLEANUP(sheet_done) = { 0 };
	for (size_t i = 0x10; i < 0x30; i++)
		snp.data[i] = (uint8_t)(0x80 + i);
	must_show(buf_bytes(&snp), true, &sheet);
	for (size_t i = 0; i < ARRAY_LEN(report); i++)
		assert_whole(json_member(sheet.document, "report"), report[i].name,
			     bytes_of(snp.data + report[i].at, report[i].len));
	sheet_done(&sheet);
	must_show(buf_bytes(&tdx), true, &sheet);
	const struct json *quote = json_member(sheet.document, "quote");
	for (size_t i = 0; i < ARRAY_LEN(body); i++)
		assert_whole(json_member(quote, "body"), body[i].name,
			     bytes_of(tdx.data + 54 + body[i].at, body[i].len));
	assert_whole(quote, "signature", bytes_of(tdx.data + 706, 64));
	assert_whole(quote, "attestation_key", bytes_of(tdx.data + 770, 64));
	assert_whole(json_member(quote, "certification"), "data", bytes_of(tdx.data + 1328, 3678));
}

/* The certificates of evidence are arrays of numbers there, and hexadecimal here. */
static void shows_certificates_of_evidence(void **state)
{
	(void)state;
	OWNED_BUF struct buf content = vector_read("snp/genoa-siena-evidence.json");
	OWNED_BUF struct buf der = BUF_INIT(4096);
	struct sheet sheet CLEANUP(sheet_done) = { 0 };
	struct err err = { 0 };
	must_show(buf_bytes(&content), true, &sheet);
	const struct json *cert = json_first(json_member(sheet.document, "cert_chain"));
	assert_int_equal(hex_decode(bytes_of_text(json_text(json_member(cert, "data"))), &der, &err), 0);
	assert_int_equal(der.len, 1347);
	assert_hex_prefix(der.data, der.len, "3082053f308202f3");
	assert_string_equal(json_text(json_member(cert, "sha256")),
			    "71cdcd49d922dcf959cb9667b5fbd1c18af80dfddfdc5a1eefa9e577461f4903");
	char *number = strstr((char *)content.data, "\"data\":[48");
	assert_non_null(number);
	memcpy(number + 8, "-8", 2);
	sheet_done(&sheet);
	sheet_start(&sheet, true);
	assert_int_equal(show_snp_evidence(buf_bytes(&content), &sheet, &err), -1);
	assert_message_has(err, "SNP evidence, 'cert_chain': 'data' holds -8, which is no byte");
}

/* A report with its certificate table behind it, as the device hands both out. */
static void shows_an_extended_report(void **state)
{
	(void)state;
	OWNED_BUF struct buf content = vector_read("snp/genoa-v5-report.bin");
	OWNED_BUF struct buf vcek = vector_read("snp/genoa-v5-vcek.der");
	struct sheet people CLEANUP(sheet_done) = { 0 };
	struct sheet machines CLEANUP(sheet_done) = { 0 };
	struct sheet table CLEANUP(sheet_done) = { 0 };
	struct err err = { 0 };
	assert_int_equal(hex_decode(bytes_of_text("63da758de6644564adc5f4b93be8accd3000000043050000"), &content, &err),
			 0);
	for (unsigned i = 0; i < 24; i++)
		assert_int_equal(buf_append_byte(&content, 0, &err), 0);
	assert_int_equal(buf_append(&content, buf_bytes(&vcek), &err), 0);
	must_show(buf_bytes(&content), false, &people);
	assert_non_null(strstr(buf_text(&people.text), "VCEK                   1347 bytes at 48, GUID "
						       "63da758d-e664-4564-adc5-f4b93be8accd\n"));
	must_show(buf_bytes(&content), true, &machines);
	const struct json *cert = json_first(json_member(machines.document, "certificates"));
	assert_int_equal(strlen(json_text(json_member(cert, "data"))), 2 * 1347);
	struct bytes alone = bytes_of(content.data + 1184, content.len - 1184);
	assert_string_equal(show_find(alone)->name, "snp-certificates");
	must_show(alone, false, &table);
	content.data[1184 + 16] = 1; /* points into the header */
	sheet_done(&table);
	sheet_start(&table, false);
	assert_int_equal(show_snp_report(buf_bytes(&content), &table, &err), -1);
	assert_message_has(err, "behind the SNP report: entry 0 of the certificate table points to offset 1");
}

static void shows_tdx_evidence_with_its_log(void **state)
{
	(void)state;
	OWNED_BUF struct buf quote = vector_read("tdx/v4-cos113.dat");
	OWNED_BUF struct buf log = vector_read("eventlog/ccel-cos113.bin");
	OWNED_BUF struct buf content = BUF_INIT(VECTOR_MAX);
	struct sheet people CLEANUP(sheet_done) = { 0 };
	struct err err = { 0 };
	assert_int_equal(buf_append_text(&content, " {\"cc_eventlog\":\"", &err), 0);
	assert_int_equal(base64_encode(BASE64, buf_bytes(&log), &content, &err), 0);
	assert_int_equal(buf_append_text(&content, "\",\"quote\":\"", &err), 0);
	assert_int_equal(base64_encode(BASE64, buf_bytes(&quote), &content, &err), 0);
	assert_int_equal(buf_append_text(&content, "\"}\n", &err), 0);
	assert_string_equal(show_find(buf_bytes(&content))->name, "tdx-evidence");
	must_show(buf_bytes(&content), false, &people);
	assert_non_null(strstr(buf_text(&people.text), "the log replays to the RTMRs of the quote\n"));
	assert_non_null(strstr(buf_text(&people.text), "number of events       43\n"));
}

static void finds_the_old_form_of_a_log(void **state)
{
	(void)state;
	OWNED_BUF struct buf log = BUF_INIT(4096);
	struct err err = { 0 };
	assert_int_equal(hex_decode(bytes_of_text("0000000004000000"
						  "9069ca78e7450a285173431b3e52c5c25299e473"
						  "0400000000000000"),
				    &log, &err),
			 0);
	assert_string_equal(show_find(buf_bytes(&log))->name, "event-log");
}

static void knows_what_it_does_not_know(void **state)
{
	(void)state;
	assert_null(show_find(bytes_of("", 0)));
	assert_null(show_find(bytes_of_text("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")));
	assert_null(show_find(bytes_of_text("{\"other\":1}")));
	assert_null(show_find(bytes_of_text("{\"version\":2,\"tpm_quote\":{},\"hcl_report\":\"\"}")));
	assert_null(show_find(bytes_of_text("{\"quote\":{},\"report\":[1]}")));
	assert_string_equal(show_find(bytes_of_text("{\"quote\":\"AAAA\","))->name, "tdx-evidence");
	OWNED_BUF struct buf list = BUF_INIT(1024);
	show_list(&list);
	assert_non_null(strstr(buf_text(&list), "SNP attestation report, event log"));
}

/* Evidence of a TPM says which of its links does not hold; nothing is said of one that does. */
static void shows_which_link_is_broken(void **state)
{
	(void)state;
	static const struct {
		const char *file;
		const char *at;	  /* one letter behind this text is changed */
		const char *said; /* NULL: nothing */
	} rows[] = {
		{ "azure/tpm-evidence.json", NULL, NULL },
		{ "azure/tpm-evidence.json", "MIIBCgKCAQEAt", "not signed by the attestation key beside it" },
		{ "azure/tpm-evidence.json", "\"pcrs\": [\n      \"", "the PCRs that were read are not those" },
		{ "azure/tdx-evidence-v1.json", NULL, NULL },
		{ "azure/tdx-evidence-v1.json", "\"pcrs\": [\n      \"", "the PCRs that were read are not those" },
		{ "azure/snp-evidence-v0.json", NULL, NULL },
		{ "azure/snp-evidence-v0.json", "-----BEGIN CERTIFICATE",
		  "the certificate for the SNP report cannot be read" },
		{ "azure/snp-evidence-v2.json", NULL, NULL },
		{ "azure/snp-evidence-v2.json", "\"vcek\": \"", "the certificate for the SNP report cannot be read" },
		{ "azure/tpm-quote-snp.json", NULL, NULL },
		{ "azure/tpm-quote-snp.json", "\"pcrs\": [\n    \"", "the PCRs that were read are not those" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		OWNED_BUF struct buf content = vector_read(rows[i].file);
		struct sheet people CLEANUP(sheet_done) = { 0 };
		if (rows[i].at) {
			char *at = strstr((char *)content.data, rows[i].at);
			assert_non_null(at);
			at += strlen(rows[i].at);
			*at = *at == '1' ? '2' : '1';
		}
		must_show(buf_bytes(&content), false, &people);
		const char *refused = strstr(buf_text(&people.text), "must be refused");
		if (!rows[i].said ? refused != NULL : !refused || !strstr(refused, rows[i].said))
			fail_msg("%s, %zu: %s", rows[i].file, i, buf_text(&people.text));
	}
}

/* Genuine evidence of version 2 with a part of it exchanged. */
static void show_exchanged(enum az_kind kind, struct bytes hcl, struct bytes endorsement, struct sheet *sheet)
{
	OWNED_BUF struct buf text = vector_read("azure/snp-evidence-v2.json");
	OWNED_BUF struct buf out = BUF_INIT(VECTOR_MAX);
	struct json *json OWNED_JSON = NULL;
	struct json *written OWNED_JSON = NULL;
	struct az_evidence evidence OWNED_AZ_EVIDENCE = AZ_EVIDENCE_INIT;
	struct err err = { 0 };
	if (json_parse(buf_bytes(&text), VECTOR_MAX, &json, &err) < 0 || az_evidence_open(json, &evidence, &err) < 0 ||
	    az_evidence_build(kind, &evidence.quoted, hcl.len ? hcl : buf_bytes(&evidence.hcl),
			      endorsement.len ? endorsement : buf_bytes(&evidence.endorsement), &written, &err) < 0 ||
	    json_print(written, &out, &err) < 0)
		fail_msg("%s", err.message);
	must_show(buf_bytes(&out), true, sheet);
}

static const char *finding_of(const struct sheet *sheet, const char *name)
{
	const struct json *findings = json_member(sheet->document, "findings");
	for (const struct json *finding = json_first(findings); finding; finding = json_next(finding))
		if (strcmp(json_text(json_member(finding, "name")), name) == 0)
			return json_text(json_member(finding, "text"));
	return "";
}

/* Parts that are genuine, and not of the same evidence. */
static void shows_what_does_not_belong_together(void **state)
{
	(void)state;
	OWNED_BUF struct buf vcek = vector_read("snp/turin-v5-vcek.der");
	OWNED_BUF struct buf snp = vector_read("azure/hcl-snp-2600.bin");
	OWNED_BUF struct buf tdx = vector_read("azure/hcl-tdx-2600.bin");
	OWNED_BUF struct buf quote = vector_read("azure/td-quote.bin");
	const struct {
		enum az_kind kind;
		struct bytes hcl, endorsement;
		const char *name, *said; /* NULL: nothing */
	} rows[] = {
		{ AZ_SNP, { 0 }, { 0 }, NULL, NULL },
		{ AZ_SNP, { 0 }, buf_bytes(&vcek), "snp-signature", "is not signed by the key in the certificate" },
		{ AZ_SNP, { 0 }, buf_bytes(&quote), "vcek", "cannot be read" },
		{ AZ_SNP, buf_bytes(&snp), { 0 }, "snp-signature", "is not signed by the key in the certificate" },
		{ AZ_SNP, buf_bytes(&tdx), { 0 }, "hcl-type", "'TDX', but the evidence is that of 'az-snp-vtpm'" },
		{ AZ_TDX, { 0 }, buf_bytes(&quote), "hcl-type", "'SNP', but the evidence is that of 'az-tdx-vtpm'" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct sheet sheet CLEANUP(sheet_done) = { 0 };
		show_exchanged(rows[i].kind, rows[i].hcl, rows[i].endorsement, &sheet);
		if (rows[i].name && !strstr(finding_of(&sheet, rows[i].name), rows[i].said))
			fail_msg("%zu: '%s'", i, finding_of(&sheet, rows[i].name));
		if (!rows[i].name)
			assert_int_equal(json_count(json_member(sheet.document, "findings")), 0);
		bool signed_by_it = false;
		assert_int_equal(json_get_bool(sheet.document, "vcek_signed", &signed_by_it, NULL),
				 rows[i].kind == AZ_SNP ? 0 : -1);
		assert_int_equal(signed_by_it, !rows[i].name);
	}
}

/* Cut anywhere, each file is refused or taken for something that can be read. */
static void survives_truncation(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		OWNED_BUF struct buf content = vector_read(cases[i].file);
		size_t step = content.len > 5000 ? 997 : 41;
		for (size_t len = 0; len < content.len; len += step) {
			uint8_t *cut = exact_copy(buf_bytes(&content), len);
			struct sheet sheet CLEANUP(sheet_done) = { 0 };
			struct err err = { 0 };
			const struct show_kind *kind = show_find(bytes_of(cut, len));
			sheet_start(&sheet, len % 2);
			if (kind && kind->show(bytes_of(cut, len), &sheet, &err) < 0)
				assert_true(err.code == ERR_PROTOCOL && err.message[0]);
			free(cut);
		}
	}
}

static void shows_foreign_text_without_control_bytes(void **state)
{
	(void)state;
	struct sheet people CLEANUP(sheet_done) = { 0 };
	struct sheet machines CLEANUP(sheet_done) = { 0 };
	struct err err = { 0 };
	OWNED_BUF struct buf text = BUF_INIT(256);
	sheet_start(&people, false);
	sheet_foreign(&people, "key", "label", bytes_of("a\x1b[2J\xff\n\0b\x7f", 10));
	assert_string_equal(buf_text(&people.text), "label                    a.[2J...b.\n");
	sheet_start(&machines, true);
	sheet_foreign(&machines, "key", "label", bytes_of("a\x1b\nb", 4));
	assert_int_equal(json_print(machines.document, &text, &err), 0);
	assert_string_equal(buf_text(&text), "{\"key\":\"a.\\nb\"}");
}

static void keeps_the_first_failure_of_a_sheet(void **state)
{
	(void)state;
	struct sheet sheet CLEANUP(sheet_done) = { 0 };
	struct err err = { 0 };
	sheet_start(&sheet, true);
	sheet_number(&sheet, "a", NULL, 1);
	sheet_number(&sheet, "b", NULL, UINT64_MAX);
	sheet_number(&sheet, "c", NULL, 2);
	assert_int_equal(sheet_print(&sheet, &err), -1);
	assert_message_has(err, "2^53");
	sheet_done(&sheet);
	sheet_start(&sheet, false);
	for (unsigned i = 0; i < SHEET_DEPTH; i++)
		sheet_begin(&sheet, "deeper", "deeper");
	assert_int_equal(sheet_print(&sheet, &err), -1);
	assert_message_has(err, "more than 8 sections");
}

/* A comma in a text is no second text for machines; bytes of a terminal's language reach neither. */
static void lists_stay_lists_for_machines(void **state)
{
	(void)state;
	char first[] = "a, b", second[] = "\x1b[2J\xff";
	char *texts[] = { first, second };
	static const char *const wanted[] = {
		"l                        a, b, .[2J.\nj                        [\"x\",7]\n",
		"{\"list\":[\"a, b\",\".[2J.\"],\"value\":[\"x\",7]}\n",
	};
	struct json *value OWNED_JSON = NULL;
	assert_int_equal(json_parse(bytes_of_text("[\"x\", 7]"), 100, &value, NULL), 0);
	for (int machines = 0; machines < 2; machines++) {
		struct sheet sheet CLEANUP(sheet_done) = { 0 };
		struct buf out OWNED_BUF = BUF_INIT(4096);
		sheet_start(&sheet, machines);
		sheet_texts(&sheet, "list", "l", texts, 2);
		sheet_texts(&sheet, "none", "none", texts, 0);
		sheet_json(&sheet, "value", "j", value);
		sheet_json(&sheet, "none", "none", NULL);
		assert_int_equal(sheet_write(&sheet, &out, NULL), 0);
		assert_string_equal(buf_text(&out), wanted[machines]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_stay_lists_for_machines),
		cmocka_unit_test(shows_each_genuine_file),
		cmocka_unit_test(takes_nothing_else_for_evidence),
		cmocka_unit_test(shows_bytes_whole_to_machines),
		cmocka_unit_test(shows_certificates_of_evidence),
		cmocka_unit_test(shows_an_extended_report),
		cmocka_unit_test(shows_tdx_evidence_with_its_log),
		cmocka_unit_test(finds_the_old_form_of_a_log),
		cmocka_unit_test(knows_what_it_does_not_know),
		cmocka_unit_test(shows_which_link_is_broken),
		cmocka_unit_test(shows_what_does_not_belong_together),
		cmocka_unit_test(survives_truncation),
		cmocka_unit_test(shows_foreign_text_without_control_bytes),
		cmocka_unit_test(keeps_the_first_failure_of_a_sheet),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
