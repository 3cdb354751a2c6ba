/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attest/snp_evidence: byte for byte what the reference attester wrote on a genuine machine,
 * and the signature of what is read back; certificates, refusals.
 */
#include "vectors.h"

#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "attest/snp_evidence.h"

#define VCEK "63da758de6644564adc5f4b93be8accd"
#define ASK "4ab7b379bbac4fe4a02f05aef327c782"
#define OTHER "00112233445566778899aabbccddeeff"
#define JSON_MAX (1u << 20)

static struct json *must_parse(struct bytes text)
{
	struct json *doc = NULL;
	struct err err = { 0 };
	if (json_parse(text, JSON_MAX, &doc, &err) < 0)
		fail_msg("%s", err.message);
	return doc;
}

static void must_read(struct bytes raw, struct snp_report *report)
{
	struct err err = { 0 };
	if (snp_report_read(raw, report, &err) < 0)
		fail_msg("%s", err.message);
}

static void put_entry(struct buf *table, const char *guid, size_t offset, size_t len)
{
	struct err err = { 0 };
	const uint8_t tail[8] = {
		(uint8_t)offset, (uint8_t)(offset >> 8), 0, 0, (uint8_t)len, (uint8_t)(len >> 8), 0, 0
	};
	assert_int_equal(hex_decode(bytes_of_text(guid), table, &err), 0);
	assert_int_equal(buf_append(table, bytes_of(tail, sizeof(tail)), &err), 0);
}

/* A table of one certificate. */
static void make_table(struct buf *table, const char *guid, struct bytes data, struct snp_certs *certs)
{
	struct err err = { 0 };
	const uint8_t end[24] = { 0 };
	put_entry(table, guid, 48, data.len);
	assert_int_equal(buf_append(table, bytes_of(end, sizeof(end)), &err), 0);
	assert_int_equal(buf_append(table, data, &err), 0);
	assert_int_equal(snp_certs_open(buf_bytes(table), certs, &err), 0);
}

/* The bytes of the only certificate in a chain. */
static void get_certificate(const struct json *evidence, struct buf *der)
{
	struct err err = { 0 };
	const struct json *chain;
	const struct json *data;
	assert_int_equal(json_get_array(evidence, "cert_chain", &chain, &err), 0);
	assert_int_equal(json_get_array(json_first(chain), "data", &data, &err), 0);
	for (const struct json *c = json_first(data); c; c = json_next(c)) {
		OWNED_BUF struct buf text = BUF_INIT(8);
		assert_int_equal(json_print(c, &text, &err), 0);
		assert_int_equal(buf_append_byte(der, (uint8_t)atoi(buf_text(&text)), &err), 0);
	}
}

static BIGNUM *number_of(const uint8_t *little_endian)
{
	BIGNUM *number = BN_lebin2bn(little_endian, 72, NULL);
	assert_non_null(number);
	return number;
}

/* By OpenSSL, over the first 0x2A0 bytes. */
static bool signature_holds(const uint8_t *raw, const struct snp_report *report, struct bytes der)
{
	const uint8_t *at = der.data;
	X509 *cert = d2i_X509(NULL, &at, (long)der.len);
	assert_non_null(cert);
	ECDSA_SIG *sig = ECDSA_SIG_new();
	assert_int_equal(ECDSA_SIG_set0(sig, number_of(report->signature_r), number_of(report->signature_s)), 1);
	uint8_t *sig_der = NULL;
	int sig_len = i2d_ECDSA_SIG(sig, &sig_der);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	assert_int_equal(EVP_DigestVerifyInit(ctx, NULL, EVP_sha384(), NULL, X509_get0_pubkey(cert)), 1);
	bool holds = EVP_DigestVerify(ctx, sig_der, (size_t)sig_len, raw, SNP_SIGNED_LEN) == 1;
	EVP_MD_CTX_free(ctx);
	OPENSSL_free(sig_der);
	ECDSA_SIG_free(sig);
	X509_free(cert);
	return holds;
}

static void writes_what_the_reference_attester_wrote(void **state)
{
	(void)state;
	OWNED_BUF struct buf text = vector_read("snp/genoa-siena-evidence.json");
	OWNED_JSON struct json *doc = must_parse(buf_bytes(&text));
	OWNED_BUF struct buf vcek = BUF_INIT(4096);
	OWNED_BUF struct buf table = BUF_INIT(8192);
	OWNED_BUF struct buf written = BUF_INIT(JSON_MAX);
	OWNED_JSON struct json *evidence = NULL;
	uint8_t raw[SNP_REPORT_LEN];
	struct snp_report report;
	struct snp_certs certs;
	struct evidence_note note;
	struct err err = { 0 };
	assert_int_equal(snp_evidence_report(doc, raw, &err), 0);
	must_read(bytes_of(raw, sizeof(raw)), &report);
	assert_int_equal(report.product, SNP_GENOA);
	assert_true(report.policy.raw == 0x30000);
	assert_true(report.reported_tcb.boot_loader == 10 && report.reported_tcb.tee == 0 &&
		    report.reported_tcb.snp == 23 && report.reported_tcb.microcode == 25);
	assert_hex_padded(
		report.measurement, 48,
		"6a6519d757e68c2e939c9dbbbc1828498e8de35d2766dd05f1a2cca5059d0cf4ae62a36d75c837974dd50b315506e73e");
	assert_hex_prefix(report.report_data.bytes, 64,
			  "7e7320889600c7ac133aea7b896c51f41026002982292a7369559796999c1bf9");
	get_certificate(doc, &vcek);
	assert_true(signature_holds(raw, &report, buf_bytes(&vcek)));
	raw[0x90] ^= 1;
	assert_false(signature_holds(raw, &report, buf_bytes(&vcek)));
	make_table(&table, VCEK, buf_bytes(&vcek), &certs);
	assert_int_equal(snp_evidence_build(&report, &certs, &evidence, &note, &err), 0);
	assert_string_equal(note.text, "");
	assert_int_equal(json_print(evidence, &written, &err), 0);
	while (text.len > 0 && text.data[text.len - 1] == '\n')
		text.data[--text.len] = 0;
	assert_string_equal(buf_text(&written), buf_text(&text));
}

/* Version 2, 3, 5; both TCB layouts. */
static void reads_back_each_genuine_report(void **state)
{
	(void)state;
	static const char *const files[] = { "snp/milan-v2-report.bin", "snp/milan-v2-debug-report.bin",
					     "snp/milan-v3-report.bin", "snp/milan-v3-vlek-report.bin",
					     "snp/genoa-v5-report.bin", "snp/turin-v5-report.bin" };
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		OWNED_BUF struct buf raw = vector_read(files[i]);
		OWNED_JSON struct json *evidence = NULL;
		uint8_t again[SNP_REPORT_LEN];
		struct snp_report report;
		struct evidence_note note;
		struct err err = { 0 };
		must_read(buf_bytes(&raw), &report);
		assert_int_equal(snp_evidence_build(&report, NULL, &evidence, &note, &err), 0);
		assert_int_equal(json_type(json_member(evidence, "cert_chain")), JSON_NULL);
		assert_string_equal(note.text, "");
		assert_int_equal(snp_evidence_report(evidence, again, &err), 0);
		assert_memory_equal(again, raw.data, SNP_REPORT_LEN);
	}
}

static void leaves_out_what_a_version_has_not(void **state)
{
	(void)state;
	static const struct {
		const char *file;
		enum json_type cpuid;
		bool mit_vectors;
		enum json_type fmc;
	} cases[] = { { "snp/milan-v2-report.bin", JSON_NULL, false, JSON_NULL },
		      { "snp/milan-v3-report.bin", JSON_NUMBER, false, JSON_NULL },
		      { "snp/turin-v5-report.bin", JSON_NUMBER, true, JSON_NUMBER } };
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		OWNED_BUF struct buf raw = vector_read(cases[i].file);
		OWNED_JSON struct json *evidence = NULL;
		struct snp_report report;
		struct evidence_note note;
		struct err err = { 0 };
		must_read(buf_bytes(&raw), &report);
		assert_int_equal(snp_evidence_build(&report, NULL, &evidence, &note, &err), 0);
		const struct json *object = json_member(evidence, "attestation_report");
		assert_int_equal(json_type(json_member(object, "cpuid_step")), cases[i].cpuid);
		assert_int_equal(json_member(object, "launch_mit_vector") != NULL, cases[i].mit_vectors);
		assert_int_equal(json_type(json_member(json_member(object, "launch_tcb"), "fmc")), cases[i].fmc);
	}
}

static void build_with(const char *guid, struct json **evidence, struct evidence_note *note)
{
	OWNED_BUF struct buf raw = vector_read("snp/genoa-v5-report.bin");
	OWNED_BUF struct buf table = BUF_INIT(8192);
	struct snp_report report;
	struct snp_certs certs;
	struct err err = { 0 };
	must_read(buf_bytes(&raw), &report);
	make_table(&table, guid, bytes_of_text("abc"), &certs);
	assert_int_equal(snp_evidence_build(&report, &certs, evidence, note, &err), 0);
}

static void sends_no_chain_without_a_leaf(void **state)
{
	(void)state;
	OWNED_JSON struct json *evidence = NULL;
	struct evidence_note note;
	build_with(ASK, &evidence, &note);
	assert_int_equal(json_type(json_member(evidence, "cert_chain")), JSON_NULL);
	assert_non_null(strstr(note.text, "the host's 1 certificates are left out: neither VCEK nor VLEK"));
}

static void names_each_certificate(void **state)
{
	(void)state;
	OWNED_BUF struct buf raw = vector_read("snp/genoa-v5-report.bin");
	OWNED_BUF struct buf table = BUF_INIT(8192);
	OWNED_BUF struct buf text = BUF_INIT(JSON_MAX);
	OWNED_JSON struct json *evidence = NULL;
	struct snp_report report;
	struct snp_certs certs;
	struct evidence_note note;
	struct err err = { 0 };
	const uint8_t end[24] = { 0 };
	must_read(buf_bytes(&raw), &report);
	put_entry(&table, OTHER, 120, 1);
	put_entry(&table, ASK, 121, 1);
	put_entry(&table, ASK, 121, 0); /* empty: not sent */
	put_entry(&table, VCEK, 121, 2);
	assert_int_equal(buf_append(&table, bytes_of(end, sizeof(end)), &err), 0);
	assert_int_equal(buf_append_text(&table, "\x01\x02\x03", &err), 0);
	assert_int_equal(snp_certs_open(buf_bytes(&table), &certs, &err), 0);
	assert_int_equal(snp_evidence_build(&report, &certs, &evidence, &note, &err), 0);
	assert_int_equal(json_print(json_member(evidence, "cert_chain"), &text, &err), 0);
	assert_string_equal(buf_text(&text),
			    "[{\"cert_type\":{\"OTHER\":\"00112233-4455-6677-8899-aabbccddeeff\"},\"data\":[1]},"
			    "{\"cert_type\":\"ASK\",\"data\":[2]},{\"cert_type\":\"VCEK\",\"data\":[2,3]}]");
}

/* POLICY, PLATFORM_INFO and the mitigation vectors, each bit of which may be set: the verifier reads 64 bits. */
static void writes_every_bit_of_wide_numbers(void **state)
{
	(void)state;
	static const struct {
		size_t at;
		const char *name;
	} wide[] = { { 0x008, "policy" },
		     { 0x040, "plat_info" },
		     { 0x1F8, "launch_mit_vector" },
		     { 0x200, "current_mit_vector" } };
	for (size_t i = 0; i < ARRAY_LEN(wide); i++) {
		OWNED_BUF struct buf raw = vector_read("snp/genoa-v5-report.bin");
		for (unsigned bit = 0; bit <= 64; bit++) {
			OWNED_JSON struct json *evidence = NULL;
			OWNED_JSON struct json *read = NULL;
			OWNED_BUF struct buf text = BUF_INIT(JSON_MAX);
			char member[64];
			uint8_t again[SNP_REPORT_LEN];
			struct snp_report report;
			struct evidence_note note;
			struct err err = { 0 };
			uint64_t value = bit < 64 ? UINT64_C(1) << bit | 1 : UINT64_MAX;
			memcpy(raw.data + wide[i].at, &value, sizeof(value));
			must_read(buf_bytes(&raw), &report);
			assert_int_equal(snp_evidence_build(&report, NULL, &evidence, &note, &err), 0);
			assert_int_equal(json_print(evidence, &text, &err), 0);
			(void)snprintf(member, sizeof(member), "\"%s\":%llu,", wide[i].name, (unsigned long long)value);
			assert_non_null(strstr(buf_text(&text), member));
			read = must_parse(buf_bytes(&text));
			assert_int_equal(snp_evidence_report(read, again, &err), 0);
			assert_memory_equal(again, raw.data, SNP_REPORT_LEN);
		}
	}
}

static void refuses_to_build(void **state)
{
	(void)state;
	OWNED_BUF struct buf raw = vector_read("snp/genoa-v5-report.bin");
	struct json *evidence = NULL;
	struct snp_report report;
	struct evidence_note note;
	struct err err = { 0 };
	raw.data[0] = 6;
	must_read(buf_bytes(&raw), &report);
	assert_int_equal(snp_evidence_build(&report, NULL, &evidence, &note, &err), -1);
	assert_int_equal(err.code, ERR_NO_TEE);
	assert_message_has(err, "version 6 cannot be sent: 5 is the newest");
	assert_null(evidence);
}

/* The genuine evidence with one piece of its text replaced. */
static void assert_unreadable(const char *from, const char *to, const char *part)
{
	OWNED_BUF struct buf text = vector_read("snp/genoa-siena-evidence.json");
	OWNED_BUF struct buf changed = BUF_INIT(JSON_MAX);
	struct err err = { 0 };
	uint8_t raw[SNP_REPORT_LEN] = { 77 };
	const char *start = buf_text(&text);
	const char *found = strstr(start, from);
	assert_non_null(found);
	assert_int_equal(buf_append(&changed, bytes_of(start, (size_t)(found - start)), &err), 0);
	assert_int_equal(buf_append_text(&changed, to, &err), 0);
	assert_int_equal(buf_append_text(&changed, found + strlen(from), &err), 0);
	OWNED_JSON struct json *doc = must_parse(buf_bytes(&changed));
	assert_int_equal(snp_evidence_report(doc, raw, &err), -1);
	assert_int_equal(err.code, ERR_PROTOCOL);
	assert_int_equal(raw[0], 77);
	assert_message_has(err, part);
}

static void refuses_what_does_not_fit(void **state)
{
	(void)state;
	assert_unreadable("\"attestation_report\"", "\"other\"", "attestation_report");
	assert_unreadable("\"version\":3", "\"x\":3", "version");
	assert_unreadable("\"version\":3", "\"version\":\"3\"", "version");
	assert_unreadable("\"version\":3", "\"version\":4294967296",
			  "'version' is 4294967296, at most 4294967295 fits");
	assert_unreadable("\"policy\":196608", "\"policy\":-1", "policy");
	assert_unreadable("\"policy\":196608", "\"policy\":1e19", "policy");
	assert_unreadable("\"version\":3", "\"version\":18446744073709551615",
			  "'version' is 18446744073709551615, at most 4294967295 fits");
	assert_unreadable("\"bootloader\":10", "\"bootloader\":256",
			  "'current_tcb': 'bootloader' is 256, at most 255 fits");
	assert_unreadable("\"fmc\":null", "\"fmc\":true", "fmc");
	assert_unreadable("\"cpuid_step\":2", "\"cpuid_step\":256", "'cpuid_step' is 256");
	assert_unreadable("\"minor\":55", "\"minor\":1.5", "minor");
	assert_unreadable("\"family_id\":[0,", "\"family_id\":[", "'family_id' has 15 elements, 16 are expected");
	assert_unreadable("\"family_id\":[0,", "\"family_id\":[0,0,", "'family_id' has 17 elements");
	assert_unreadable("\"family_id\":[0,", "\"family_id\":[256,", "'family_id' holds 256, which is no byte");
	assert_unreadable("\"family_id\":[0,", "\"family_id\":[-1,", "'family_id' holds -1, which is no byte");
	assert_unreadable("\"family_id\":[0,", "\"family_id\":[0.5,", "'family_id' holds 0.5, which is no byte");
	assert_unreadable("\"family_id\":[0,", "\"family_id\":[null,", "'family_id' holds something that is no byte");
	assert_unreadable("\"family_id\":[0,", "\"family_id\":[123456789,",
			  "'family_id' holds something that is no byte");
	assert_unreadable("\"signature\"", "\"signatur\"", "signature");
	assert_unreadable("\"s\":[7,", "\"s\":[", "'s' has 71 elements, 72 are expected");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_what_the_reference_attester_wrote),
		cmocka_unit_test(reads_back_each_genuine_report),
		cmocka_unit_test(leaves_out_what_a_version_has_not),
		cmocka_unit_test(sends_no_chain_without_a_leaf),
		cmocka_unit_test(names_each_certificate),
		cmocka_unit_test(writes_every_bit_of_wide_numbers),
		cmocka_unit_test(refuses_to_build),
		cmocka_unit_test(refuses_what_does_not_fit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
