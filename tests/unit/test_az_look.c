/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The look at what was gathered on Azure: genuine evidence passes, and each broken link has
 * its own finding. Also the signature of an SNP report by the VCEK beside it.
 */
#include "vectors.h"

#include <openssl/pem.h>
#include <openssl/x509.h>

#include "attest/az_common.h"
#include "attest/look_tpm.h"
#include "attest/snp_signature.h"

#define REPORT_DATA "982f5c6e45df0ed3f10b6f60b02f0c8390e281300f3805e2279c16168cd6ae9aa398f647caa2338748cd0fd9f5f819ef"
#define CLAIMS_AT 1236

struct machine {
	struct az_gathered gathered;
	struct buf report_data;
	struct buf vcek;
};

static void machine_done(struct machine *machine)
{
	az_gathered_done(&machine->gathered);
	buf_done(&machine->report_data);
	buf_done(&machine->vcek);
}
#define OWNED_MACHINE CLEANUP(machine_done)

static void read_hcl(struct az_gathered *gathered)
{
	struct err err = { 0 };
	if (hcl_read(buf_bytes(&gathered->hcl), &gathered->report, &err) < 0 ||
	    hcl_claims_read(gathered->report.claims, &gathered->claims, &err) < 0)
		fail_msg("%s", err.message);
}

/* What stood in genuine evidence of version 2, taken apart. */
static struct machine genuine(void)
{
	struct machine machine = { .gathered = AZ_GATHERED_INIT,
				   .report_data = BUF_INIT(64),
				   .vcek = BUF_INIT(VECTOR_MAX) };
	struct buf text OWNED_BUF = vector_read("azure/snp-evidence-v2.json");
	struct json *json OWNED_JSON = NULL;
	struct az_evidence evidence = AZ_EVIDENCE_INIT;
	struct err err = { 0 };
	assert_int_equal(json_parse(buf_bytes(&text), VECTOR_MAX, &json, &err), 0);
	assert_int_equal(az_evidence_open(json, &evidence, &err), 0);
	assert_int_equal(hex_decode(bytes_of_text(REPORT_DATA), &machine.report_data, &err), 0);
	machine.gathered.quoted = evidence.quoted;
	buf_move(&machine.gathered.hcl, &evidence.hcl);
	buf_move(&machine.vcek, &evidence.endorsement);
	read_hcl(&machine.gathered);
	return machine;
}

static void look(const struct machine *machine, const struct digest *init_data, struct look *findings)
{
	*findings = (struct look){ .count = 0 };
	look_at_az(&machine->gathered, buf_bytes(&machine->report_data), init_data, findings);
}

/* Exactly these findings, in this order. */
static void assert_findings(const struct machine *machine, const struct digest *init_data, const char *const *names,
			    size_t count)
{
	struct look findings;
	look(machine, init_data, &findings);
	for (size_t i = 0; i < findings.count; i++)
		if (i >= count || strcmp(findings.findings[i].name, names[i]) != 0)
			fail_msg("unexpected: %s: %s", findings.findings[i].name, findings.findings[i].text);
	assert_int_equal(findings.count, count);
}

#define assert_finds(machine, init_data, ...)                                                                          \
	do {                                                                                                           \
		static const char *const names_[] = { __VA_ARGS__ };                                                   \
		assert_findings(machine, init_data, names_, ARRAY_LEN(names_));                                        \
	} while (0)

static void nothing_to_find(void **state)
{
	(void)state;
	struct machine machine OWNED_MACHINE = genuine();
	assert_findings(&machine, NULL, NULL, 0);
}

static void broken_links(void **state)
{
	(void)state;
	{
		struct machine machine OWNED_MACHINE = genuine();
		machine.gathered.quoted.signature.data[100] ^= 1;
		assert_finds(&machine, NULL, "quote-signature");
	}
	{
		struct machine machine OWNED_MACHINE = genuine();
		machine.gathered.quoted.message.data[60] ^= 1; /* extra data */
		assert_finds(&machine, NULL, "quote-signature", "extra-data");
	}
	{
		struct machine machine OWNED_MACHINE = genuine();
		machine.gathered.quoted.pcrs.values[4][0] ^= 1;
		assert_finds(&machine, NULL, "pcr-digest");
	}
	{
		struct machine machine OWNED_MACHINE = genuine();
		machine.gathered.quoted.message.len--;
		assert_finds(&machine, NULL, "quote-signature", "quote");
	}
	{
		struct machine machine OWNED_MACHINE = genuine();
		machine.gathered.quoted.message.data[machine.gathered.quoted.message.len - 35] = 0x7F; /* the bitmap */
		assert_finds(&machine, NULL, "quote-signature", "pcr-selection");
	}
	{
		struct machine machine OWNED_MACHINE = genuine();
		machine.report_data.data[0] ^= 1;
		assert_finds(&machine, NULL, "user-data", "extra-data");
	}
}

/* A changed claim: the hash no longer fits. A changed key: nor does the signature. */
static void forged_claims(void **state)
{
	(void)state;
	struct machine machine OWNED_MACHINE = genuine();
	uint8_t *n = (uint8_t *)strstr((char *)machine.gathered.hcl.data + CLAIMS_AT, "\"n\":\"");
	assert_non_null(n);
	n[50] = n[50] == 'A' ? 'B' : 'A';
	read_hcl(&machine.gathered);
	assert_finds(&machine, NULL, "claims-hash", "quote-signature");
}

static void foreign_key(void **state)
{
	(void)state;
	struct machine machine OWNED_MACHINE = genuine();
	struct buf hcl OWNED_BUF = vector_read("azure/hcl-snp-2600.bin");
	buf_move(&machine.gathered.hcl, &hcl);
	read_hcl(&machine.gathered);
	assert_finds(&machine, NULL, "user-data", "quote-signature");
}

static void no_key_at_all(void **state)
{
	(void)state;
	struct machine machine OWNED_MACHINE = genuine();
	machine.gathered.claims.ak_n.len = 1;
	struct look findings;
	look(&machine, NULL, &findings);
	assert_true(look_find(&findings, "ak") || look_find(&findings, "quote-signature"));
	struct err err = { 0 };
	assert_int_equal(look_verdict(&findings, &err), -1);
	assert_int_equal(err.code, ERR_NO_TEE);
}

static void init_data_in_pcr_8(void **state)
{
	(void)state;
	struct machine machine OWNED_MACHINE = genuine();
	struct digest digest;
	struct digest pcr;
	struct err err = { 0 };
	struct look findings;
	struct buf known OWNED_BUF = BUF_INIT(64);
	assert_int_equal(hex_decode(bytes_of_text("8505e4e25e50a27c5dc8147af88efbece627fbea55291911eff832d9ee127781"),
				    &known, &err),
			 0);
	digest = (struct digest){ .alg = DIGEST_SHA256, .len = 32 };
	memcpy(digest.bytes, known.data, 32);
	assert_int_equal(tpm_pcr8_of(&digest, &pcr, &err), 0);
	assert_hex_padded(pcr.bytes, pcr.len, "bddaccb9c52249e97a31baea61b7d91be8221a16e703d92148d04fb8e9c1dfdd");
	assert_finds(&machine, &digest, "init-data");
	memset(machine.gathered.quoted.pcrs.values[8], 0, TPM_PCR_LEN);
	look(&machine, &digest, &findings);
	assert_non_null(strstr(look_find(&findings, "init-data")->text, "measure-initdata"));
	assert_int_equal(look_find(&findings, "init-data")->code, ERR_BINDING);
	memcpy(machine.gathered.quoted.pcrs.values[8], pcr.bytes, TPM_PCR_LEN);
	look(&machine, &digest, &findings);
	assert_null(look_find(&findings, "init-data"));
	assert_int_equal(digest_of(DIGEST_SHA384, bytes_of_text("x"), &digest, &err), 0);
	look(&machine, &digest, &findings);
	assert_non_null(strstr(look_find(&findings, "init-data")->text, "sha384"));
	assert_int_equal(look_find(&findings, "init-data")->code, ERR_CONFIG);
}

static void secure_boot_off(void **state)
{
	(void)state;
	struct machine machine OWNED_MACHINE = genuine();
	static const char claims[] =
		"{\"keys\":[{\"kid\":\"HCLAkPub\",\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"sdf_AQ\"}],"
		"\"vm_configuration\":{\"secure_boot\":false}}";
	struct err err = { 0 };
	struct look findings;
	assert_int_equal(hcl_claims_read(bytes_of_text(claims), &machine.gathered.claims, &err), 0);
	look(&machine, NULL, &findings);
	assert_non_null(look_find(&findings, "secure-boot"));
	assert_int_equal(look_find(&findings, "secure-boot")->severity, LOOK_WARNING);
	assert_non_null(strstr(look_find(&findings, "user-data")->text, "no 'user-data'"));
}

/* The TD quote of genuine evidence is that of the TDREPORT beside it; one that differs in any field is not. */
static void a_quote_of_the_report(void **state)
{
	(void)state;
	static const char *const names[] = {
		"td-report-data", "td-attributes",    "td-xfam",   "td-mrtd",	      "td-mrconfigid",
		"td-mrowner",	  "td-mrownerconfig", "td-rtmr0",  "td-rtmr1",	      "td-rtmr2",
		"td-rtmr3",	  "td-tcb-svn",	      "td-mrseam", "td-mrsignerseam", "td-seam-attributes",
	};
	struct buf hcl OWNED_BUF = vector_read("azure/hcl-tdx-2600.bin");
	struct buf raw OWNED_BUF = vector_read("azure/td-quote.bin");
	struct hcl_report gathered;
	struct tdreport report;
	struct tdx_quote quote;
	struct look findings = { .count = 0 };
	struct err err = { 0 };
	if (hcl_read(buf_bytes(&hcl), &gathered, &err) < 0 || tdreport_read(gathered.hardware, &report, &err) < 0 ||
	    tdx_quote_read(buf_bytes(&raw), &quote, &err) < 0)
		fail_msg("%s", err.message);
	look_at_az_td_quote(&report, &quote.body, &findings);
	if (findings.count > 0)
		fail_msg("%s", findings.findings[0].text);
	struct tdx_body other = quote.body;
	uint8_t *const fields[] = {
		&other.report_data.bytes[63],
		(uint8_t *)&other.td.attributes.raw,
		(uint8_t *)&other.td.xfam,
		&other.td.mrtd[47],
		&other.td.mrconfigid[0],
		&other.td.mrowner[0],
		&other.td.mrownerconfig[47],
		&other.td.rtmr[0][0],
		&other.td.rtmr[1][0],
		&other.td.rtmr[2][47],
		&other.td.rtmr[3][0],
		&other.tee_tcb_svn[15],
		&other.mrseam[0],
		&other.mrsignerseam[0],
		(uint8_t *)&other.seam_attributes,
	};
	assert_int_equal(ARRAY_LEN(fields), ARRAY_LEN(names));
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		findings.count = 0;
		*fields[i] ^= 1;
		look_at_az_td_quote(&report, &other, &findings);
		*fields[i] ^= 1;
		assert_int_equal(findings.count, 1);
		assert_string_equal(findings.findings[0].name, names[i]);
		assert_int_equal(findings.findings[0].severity, LOOK_FATAL);
		assert_int_equal(findings.findings[0].code, ERR_BINDING);
	}
	/* Everything differs: everything is found. */
	memset(&other, 0xA5, sizeof(other));
	findings.count = 0;
	look_at_az_td_quote(&report, &other, &findings);
	assert_int_equal(findings.count, ARRAY_LEN(names));
	assert_non_null(strstr(look_find(&findings, "td-mrtd")->text, "MRTD is a5a5"));
	assert_non_null(strstr(look_find(&findings, "td-mrtd")->text, "but 024a32b0703833311816"));
}

static void leaf_of(struct bytes raw_quote, struct buf *ret_der)
{
	struct tdx_quote quote;
	struct err err = { 0 };
	unsigned char *der = NULL;
	assert_int_equal(tdx_quote_read(raw_quote, &quote, &err), 0);
	BIO *bio = BIO_new_mem_buf(quote.cert_data.data, (int)quote.cert_data.len);
	X509 *leaf = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	assert_non_null(leaf);
	int len = i2d_X509(leaf, &der);
	assert_true(len > 0);
	assert_int_equal(buf_append(ret_der, bytes_of(der, (size_t)len), &err), 0);
	OPENSSL_free(der);
	X509_free(leaf);
	BIO_free(bio);
}

static void signature_of_the_hardware_report(void **state)
{
	(void)state;
	struct machine machine OWNED_MACHINE = genuine();
	struct buf foreign OWNED_BUF = vector_read("snp/turin-v5-vcek.der");
	struct buf p256 OWNED_BUF = vector_read("azure/tpm-quote.msg");
	struct bytes report = machine.gathered.report.hardware;
	struct err err = { 0 };
	if (snp_signature_check(report, buf_bytes(&machine.vcek), &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(snp_signature_check(report, buf_bytes(&foreign), &err), -1);
	assert_int_equal(err.code, ERR_SERVER);
	assert_int_equal(snp_signature_check(report, buf_bytes(&p256), &err), -1);
	assert_int_equal(err.code, ERR_PROTOCOL);
	/* A key of another curve: the leaf of a TD quote's PCK chain. */
	struct buf raw_quote OWNED_BUF = vector_read("azure/td-quote.bin");
	struct buf pck OWNED_BUF = BUF_INIT(VECTOR_MAX);
	leaf_of(buf_bytes(&raw_quote), &pck);
	assert_int_equal(snp_signature_check(report, buf_bytes(&pck), &err), -1);
	assert_message_has(err, "no P-384 key");
	assert_int_equal(buf_append_byte(&machine.vcek, 0, &err), 0);
	assert_int_equal(snp_signature_check(report, buf_bytes(&machine.vcek), &err), -1);
	assert_int_equal(err.code, ERR_PROTOCOL);
	machine.vcek.len--;
	machine.gathered.hcl.data[32 + 0x90] ^= 1;
	assert_int_equal(snp_signature_check(report, buf_bytes(&machine.vcek), &err), -1);
	assert_int_equal(err.code, ERR_SERVER);
	assert_int_equal(snp_signature_check(bytes_of(report.data, 1183), buf_bytes(&machine.vcek), &err), -1);
	assert_message_has(err, "1183");
}

/* Data of version 2 can be read here, and by few verifiers. */
static void a_version_that_few_read(void **state)
{
	(void)state;
	struct machine machine OWNED_MACHINE = genuine();
	struct look findings;
	machine.gathered.report.data_version = 2;
	assert_finds(&machine, NULL, "hcl-data-version");
	look(&machine, NULL, &findings);
	assert_int_equal(findings.findings[0].severity, LOOK_WARNING);
	assert_non_null(strstr(findings.findings[0].text, "of version 2"));
}

static void evidence_of_another_kind(void **state)
{
	(void)state;
	struct machine machine OWNED_MACHINE = genuine();
	struct look findings = { .count = 0 };
	look_at_az_kind(AZ_SNP, &machine.gathered.report, &findings);
	assert_int_equal(findings.count, 0);
	look_at_az_kind(AZ_TDX, &machine.gathered.report, &findings);
	machine.gathered.report.type = HCL_TDX;
	look_at_az_kind(AZ_TDX, &machine.gathered.report, &findings);
	assert_int_equal(findings.count, 1);
	look_at_az_kind(AZ_SNP, &machine.gathered.report, &findings);
	machine.gathered.report.type = HCL_VBS;
	look_at_az_kind(AZ_SNP, &machine.gathered.report, &findings);
	look_at_az_kind(AZ_TDX, &machine.gathered.report, &findings);
	assert_int_equal(findings.count, 4);
	for (size_t i = 0; i < findings.count; i++) {
		assert_string_equal(findings.findings[i].name, "hcl-type");
		assert_int_equal(findings.findings[i].severity, LOOK_FATAL);
		assert_int_equal(findings.findings[i].code, ERR_NO_TEE);
	}
	assert_non_null(strstr(findings.findings[0].text, "of type 'SNP', but the evidence is that of 'az-tdx-vtpm'"));
	assert_non_null(strstr(findings.findings[3].text, "of type 'VBS', but the evidence is that of 'az-tdx-vtpm'"));
}

/* The code tells what may be mended by asking again from what may not. */
static void assert_of_the_vcek(const struct machine *machine, struct bytes vcek, const char *name, enum err_code code)
{
	struct look findings = { .count = 0 };
	look_at_az_vcek(&machine->gathered.report, vcek, &findings);
	assert_int_equal(findings.count, name ? 1 : 0);
	if (!name)
		return;
	assert_string_equal(findings.findings[0].name, name);
	assert_int_equal(findings.findings[0].severity, LOOK_FATAL);
	assert_int_equal(findings.findings[0].code, code);
}

static void the_vcek_beside_it(void **state)
{
	(void)state;
	struct machine machine OWNED_MACHINE = genuine();
	struct buf foreign OWNED_BUF = vector_read("snp/turin-v5-vcek.der");
	assert_of_the_vcek(&machine, buf_bytes(&machine.vcek), NULL, ERR_NONE);
	assert_of_the_vcek(&machine, buf_bytes(&foreign), "snp-signature", ERR_SERVER);
	assert_of_the_vcek(&machine, bytes_of_text("no certificate"), "vcek", ERR_PROTOCOL);
	assert_of_the_vcek(&machine, bytes_of(NULL, 0), "vcek", ERR_PROTOCOL);
	machine.gathered.report.type = HCL_TDX; /* has no such signature */
	assert_of_the_vcek(&machine, bytes_of_text("no certificate"), NULL, ERR_NONE);
}

static void a_certificate_in_pem(void **state)
{
	(void)state;
	struct buf chain OWNED_BUF = vector_read("azure/imds-certs.pem");
	struct buf der OWNED_BUF = BUF_INIT(VECTOR_MAX);
	struct err err = { 0 };
	assert_int_equal(snp_cert_of_pem(buf_text(&chain), &der, &err), 0);
	assert_hex_prefix(der.data, der.len, "3082");
	assert_int_equal(snp_cert_of_pem("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", &der, &err),
			 -1);
	assert_int_equal(err.code, ERR_PROTOCOL);
	assert_int_equal(snp_cert_of_pem("", &der, &err), -1);
	assert_message_has(err, "no certificate in PEM");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_to_find),
		cmocka_unit_test(broken_links),
		cmocka_unit_test(forged_claims),
		cmocka_unit_test(foreign_key),
		cmocka_unit_test(no_key_at_all),
		cmocka_unit_test(init_data_in_pcr_8),
		cmocka_unit_test(secure_boot_off),
		cmocka_unit_test(signature_of_the_hardware_report),
		cmocka_unit_test(a_quote_of_the_report),
		cmocka_unit_test(a_version_that_few_read),
		cmocka_unit_test(evidence_of_another_kind),
		cmocka_unit_test(the_vcek_beside_it),
		cmocka_unit_test(a_certificate_in_pem),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
