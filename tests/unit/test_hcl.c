/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attest/hcl: genuine HCL reports field by field, every truncation, both spellings of the
 * claims, data version 2, lengths that do not agree.
 */
#include "vectors.h"

#include "attest/hcl.h"
#include "attest/snp_report.h"
#include "attest/tdreport.h"

#define DATA_SIZE_AT 1216
#define DATA_VERSION_AT 1220
#define TYPE_AT 1224
#define HASH_AT 1228
#define CLAIMS_SIZE_AT 1232
#define CLAIMS_AT 1236

static const struct genuine {
	const char *file;
	size_t len;
	uint32_t version;
	uint32_t used;
	uint32_t type;
	size_t claims;
	const char *ak_n; /* its beginning */
	bool has_user_data;
	size_t vm_configuration; /* members */
} genuine[] = {
	{ "azure/hcl-snp-2048.bin", 2048, 1, 1819, HCL_SNP, 583, "b58541a6", false, 5 },
	{ "azure/hcl-snp-2600.bin", 2600, 1, 2346, HCL_SNP, 1110, "a91ecba8", true, 4 },
	{ "azure/hcl-tdx-2600.bin", 2600, 2, 2437, HCL_TDX, 1201, "c89b1782", true, 6 },
};

static void must_read(struct bytes raw, struct hcl_report *report)
{
	struct err err = { 0 };
	if (hcl_read(raw, report, &err) < 0)
		fail_msg("refused: %s", err.message);
}

static void assert_refused(struct bytes raw, const char *part)
{
	struct err err = { 0 };
	struct hcl_report report = { .version = 77 };
	assert_int_equal(hcl_read(raw, &report, &err), -1);
	/* A paravisor that could not make one may do so later. */
	assert_int_equal(err.code, strstr(part, "made no report") ? ERR_DEVICE : ERR_PROTOCOL);
	assert_int_equal(report.version, 77);
	assert_message_has(err, part);
}

static void genuine_reports(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(genuine); i++) {
		const struct genuine *want = &genuine[i];
		struct buf raw OWNED_BUF = vector_read(want->file);
		struct hcl_claims claims OWNED_CLAIMS = HCL_CLAIMS_INIT;
		struct hcl_report report;
		struct err err = { 0 };
		uint32_t type = 0;
		assert_int_equal(raw.len, want->len);
		must_read(buf_bytes(&raw), &report);
		assert_int_equal(report.version, want->version);
		assert_int_equal(report.used_len, want->used);
		assert_int_equal(report.request_type, 2);
		assert_int_equal(report.status, 0);
		assert_int_equal(report.data_version, 1);
		assert_int_equal(report.type, want->type);
		assert_int_equal(report.capabilities, 0);
		assert_int_equal(report.claims.len, want->claims);
		assert_ptr_equal(report.claims.data, raw.data + CLAIMS_AT);
		assert_ptr_equal(report.hardware.data, raw.data + 32);
		assert_int_equal(report.claims_digest.alg, DIGEST_SHA256);
		assert_true(hcl_claims_vouched(&report));
		assert_int_equal(hcl_type_of(buf_bytes(&raw), &type, &err), 0);
		assert_int_equal(type, want->type);
		if (hcl_claims_read(report.claims, &claims, &err) < 0)
			fail_msg("%s", err.message);
		assert_int_equal(claims.ak_n.len, 256);
		assert_hex_prefix(claims.ak_n.data, claims.ak_n.len, want->ak_n);
		assert_int_equal(claims.ak_e.len, 3);
		assert_hex_padded(claims.ak_e.data, 3, "010001");
		assert_int_equal(claims.has_user_data, want->has_user_data);
		assert_hex_padded(claims.user_data, REPORT_DATA_LEN, "");
		assert_int_equal(json_count(claims.vm_configuration), want->vm_configuration);
	}
}

static void hardware_reports_inside(void **state)
{
	(void)state;
	struct buf snp_raw OWNED_BUF = vector_read("azure/hcl-snp-2600.bin");
	struct buf tdx_raw OWNED_BUF = vector_read("azure/hcl-tdx-2600.bin");
	struct hcl_report hcl;
	struct snp_report snp;
	struct tdreport td;
	struct err err = { 0 };
	must_read(buf_bytes(&snp_raw), &hcl);
	assert_int_equal(hcl.hardware.len, SNP_REPORT_LEN);
	assert_int_equal(snp_report_read(hcl.hardware, &snp, &err), 0);
	assert_int_equal(snp.vmpl, 0);
	assert_memory_equal(snp.report_data.bytes, hcl.claims_digest.bytes, 32);
	must_read(buf_bytes(&tdx_raw), &hcl);
	assert_int_equal(hcl.hardware.len, TDREPORT_LEN);
	assert_int_equal(tdreport_read(hcl.hardware, &td, &err), 0);
	assert_memory_equal(td.report_data.bytes, hcl.claims_digest.bytes, 32);
}

static void truncations(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(genuine); i++) {
		struct buf raw OWNED_BUF = vector_read(genuine[i].file);
		for (size_t len = 0; len < raw.len; len++) {
			OWNED_MEM uint8_t *cut = exact_copy(buf_bytes(&raw), len);
			struct hcl_report report;
			struct err err = { 0 };
			int result = hcl_read(bytes_of(cut, len), &report, &err);
			/* What is behind the claims is padding. */
			assert_int_equal(result, len < CLAIMS_AT + genuine[i].claims ? -1 : 0);
		}
	}
}

static void put32(struct buf *raw, size_t at, uint32_t value)
{
	for (size_t i = 0; i < 4; i++)
		raw->data[at + i] = (uint8_t)(value >> (8 * i));
}

static void heads_that_lie(void **state)
{
	(void)state;
	static const struct {
		size_t at;
		uint32_t value;
		const char *part;
	} lies[] = {
		{ 0, 0, "no HCL report" },
		{ 4, 0, "the version at offset 4 is 0" },
		{ 4, 3, "the version at offset 4 is 3" },
		{ 16, 5, "the paravisor made no report" },
		{ DATA_SIZE_AT, 1129, "but the claims and their head are 1130" },
		{ DATA_SIZE_AT, 0, "the data size" },
		{ DATA_SIZE_AT, UINT32_MAX, "the data size" },
		{ DATA_VERSION_AT, 0, "the data version" },
		{ DATA_VERSION_AT, 3, "the data version" },
		{ HASH_AT, 0, "the hash type" },
		{ HASH_AT, 4, "the hash type" },
		{ CLAIMS_SIZE_AT, 1111, "the data size" },
		{ CLAIMS_SIZE_AT, UINT32_MAX, "the data size" },
		{ CLAIMS_SIZE_AT, UINT32_MAX - 19, "the data size" },
	};
	for (size_t i = 0; i < ARRAY_LEN(lies); i++) {
		struct buf raw OWNED_BUF = vector_read("azure/hcl-snp-2600.bin");
		put32(&raw, lies[i].at, lies[i].value);
		assert_refused(buf_bytes(&raw), lies[i].part);
	}
	/* Both agree, but so much is not there. */
	struct buf raw OWNED_BUF = vector_read("azure/hcl-snp-2600.bin");
	put32(&raw, DATA_SIZE_AT, 20 + 1365);
	put32(&raw, CLAIMS_SIZE_AT, 1365);
	assert_refused(buf_bytes(&raw), "the runtime claims");
}

static void other_types(void **state)
{
	(void)state;
	struct buf raw OWNED_BUF = vector_read("azure/hcl-snp-2600.bin");
	struct hcl_report report;
	put32(&raw, TYPE_AT, HCL_VBS);
	must_read(buf_bytes(&raw), &report);
	assert_int_equal(report.type, HCL_VBS);
	assert_false(hcl_claims_vouched(&report));
	assert_string_equal(hcl_type_name(HCL_VBS), "VBS");
	assert_string_equal(hcl_type_name(HCL_SNP), "SNP");
	assert_string_equal(hcl_type_name(HCL_TVM), "TVM");
	assert_string_equal(hcl_type_name(HCL_TDX), "TDX");
	assert_string_equal(hcl_type_name(0), "unknown");
	assert_string_equal(hcl_type_name(5), "unknown");
}

static void one_bit_of_the_claims(void **state)
{
	(void)state;
	struct buf raw OWNED_BUF = vector_read("azure/hcl-tdx-2600.bin");
	struct hcl_report report;
	raw.data[CLAIMS_AT + 300] ^= 1;
	must_read(buf_bytes(&raw), &report);
	assert_false(hcl_claims_vouched(&report));
}

static void each_bit_of_the_report_data(void **state)
{
	(void)state;
	static const struct {
		const char *file;
		size_t at;
	} places[] = { { "azure/hcl-snp-2600.bin", 32 + 0x50 }, { "azure/hcl-tdx-2600.bin", 32 + 0x80 } };
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		struct buf raw OWNED_BUF = vector_read(places[i].file);
		for (size_t bit = 0; bit < 8 * REPORT_DATA_LEN; bit++) {
			struct hcl_report report;
			uint8_t *byte = raw.data + places[i].at + bit / 8;
			*byte ^= (uint8_t)(1u << bit % 8);
			must_read(buf_bytes(&raw), &report);
			assert_false(hcl_claims_vouched(&report));
			*byte ^= (uint8_t)(1u << bit % 8);
		}
	}
}

/* Data version 2: four bytes of capabilities before the claims. Only described, never seen. */
static void data_version_2(void **state)
{
	(void)state;
	struct buf old OWNED_BUF = vector_read("azure/hcl-snp-2600.bin");
	struct buf raw OWNED_BUF = BUF_INIT(VECTOR_MAX);
	struct hcl_report report;
	struct err err = { 0 };
	assert_int_equal(buf_append(&raw, bytes_of(old.data, CLAIMS_AT), &err), 0);
	assert_int_equal(buf_append(&raw, bytes_of("\x05\x00\x00\x80", 4), &err), 0);
	assert_int_equal(buf_append(&raw, bytes_of(old.data + CLAIMS_AT, 1110), &err), 0);
	put32(&raw, DATA_VERSION_AT, 2);
	put32(&raw, DATA_SIZE_AT, 24 + 1110);
	must_read(buf_bytes(&raw), &report);
	assert_int_equal(report.capabilities, 0x80000005);
	assert_int_equal(report.claims.len, 1110);
	assert_true(hcl_claims_vouched(&report));
	put32(&raw, DATA_SIZE_AT, 20 + 1110);
	assert_refused(buf_bytes(&raw), "the data size");
}

#define N "\"n\":\"sdf_AQ\""
#define KEY "{\"kid\":\"HCLAkPub\",\"kty\":\"RSA\",\"e\":\"AQAB\"," N "}"
#define HEX_8 "0123456789abcdef"
#define HEX_32 HEX_8 HEX_8 HEX_8 HEX_8
#define UPPER_8 "0123456789ABCDEF"
#define UPPER_32 UPPER_8 UPPER_8 UPPER_8 UPPER_8

static void spellings(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"{\"keys\":[" KEY "],\"vm-configuration\":{\"secure-boot\":true},\"user-data\":\"" HEX_32 HEX_32 "\"}",
		"{\"keys\":[" KEY "],\"vm_configuration\":{\"secure_boot\":true},\"user_data\":\"" UPPER_32 UPPER_32
		"\"}",
		"{\"user-data\":\"" UPPER_32 HEX_32
		"\",\"vm_configuration\":{\"x\":1},\"keys\":[{\"kid\":\"other\"}," KEY "]}",
	};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct hcl_claims claims OWNED_CLAIMS = HCL_CLAIMS_INIT;
		struct err err = { 0 };
		if (hcl_claims_read(bytes_of_text(texts[i]), &claims, &err) < 0)
			fail_msg("%s", err.message);
		assert_true(claims.has_user_data);
		assert_hex_padded(claims.user_data, REPORT_DATA_LEN, HEX_32 HEX_32);
		assert_int_equal(json_count(claims.vm_configuration), 1);
		assert_hex_padded(claims.ak_n.data, claims.ak_n.len, "b1d7ff01");
	}
}

static void bad_claims(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *part;
	} bad[] = {
		{ "", "runtime claims" },
		{ "{}", "keys" },
		{ "{\"keys\":{}}", "keys" },
		{ "{\"keys\":[]}", "no key is called 'HCLAkPub'" },
		{ "{\"keys\":[" KEY "," KEY "]}", "two keys" },
		{ "{\"keys\":[{\"kid\":\"HCLAkPub\",\"kty\":\"EC\"}]}", "only RSA" },
		{ "{\"keys\":[{\"kid\":\"HCLAkPub\",\"kty\":\"RSA\",\"e\":\"AQAB\"}]}", "'n'" },
		{ "{\"keys\":[{\"kid\":\"HCLAkPub\",\"kty\":\"RSA\"," N "}]}", "'e'" },
		{ "{\"keys\":[{\"kid\":\"HCLAkPub\",\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"sdf/AQ\"}]}", "'n'" },
		{ "{\"keys\":[{\"kid\":\"HCLAkPub\",\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"AAEB\"}]}",
		  "leading zeros" },
		{ "{\"keys\":[{\"kid\":\"HCLAkPub\",\"kty\":\"RSA\",\"e\":\"\"," N "}]}", "empty" },
		{ "{\"keys\":[" KEY "],\"user-data\":\"00\"}", "128 hexadecimal" },
		{ "{\"keys\":[" KEY "],\"user-data\":7}", "128 hexadecimal" },
		{ "{\"keys\":[" KEY "],\"user-data\":\"" HEX_32 HEX_8 HEX_8 HEX_8 "0123456789abcdeg\"}",
		  "128 hexadecimal" },
		{ "{\"keys\":[" KEY "],\"user-data\":\"\",\"user_data\":\"\"}", "both" },
		{ "{\"keys\":[" KEY "],\"keys\":[]}", "runtime claims" },
		{ "{\"keys\":[" KEY "]} ", NULL },
		{ "{\"keys\":[" KEY "]}x", "runtime claims" },
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct hcl_claims claims OWNED_CLAIMS = HCL_CLAIMS_INIT;
		struct err err = { 0 };
		int result = hcl_claims_read(bytes_of_text(bad[i].text), &claims, &err);
		assert_int_equal(result, bad[i].part ? -1 : 0);
		if (!bad[i].part)
			continue;
		assert_int_equal(err.code, ERR_PROTOCOL);
		assert_null(claims.json);
		assert_message_has(err, bad[i].part);
	}
}

static void carried_report_data(void **state)
{
	(void)state;
	uint8_t data[REPORT_DATA_LEN + 1] = { 0 };
	struct hcl_claims claims = { .has_user_data = true };
	memset(data, 0xA5, 48);
	memset(claims.user_data, 0xA5, 48);
	assert_true(hcl_claims_carry(&claims, bytes_of(data, 48)));
	assert_true(hcl_claims_carry(&claims, bytes_of(data, 64)));
	assert_false(hcl_claims_carry(&claims, bytes_of(data, 47))); /* what follows must be zero */
	assert_false(hcl_claims_carry(&claims, bytes_of(data, 65)));
	data[47] ^= 1;
	assert_false(hcl_claims_carry(&claims, bytes_of(data, 48)));
	data[47] ^= 1;
	claims.user_data[63] = 1;
	assert_false(hcl_claims_carry(&claims, bytes_of(data, 48)));
	claims.user_data[63] = 0;
	claims.has_user_data = false;
	assert_false(hcl_claims_carry(&claims, bytes_of(data, 48)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(genuine_reports),
		cmocka_unit_test(hardware_reports_inside),
		cmocka_unit_test(truncations),
		cmocka_unit_test(heads_that_lie),
		cmocka_unit_test(other_types),
		cmocka_unit_test(one_bit_of_the_claims),
		cmocka_unit_test(each_bit_of_the_report_data),
		cmocka_unit_test(data_version_2),
		cmocka_unit_test(spellings),
		cmocka_unit_test(bad_claims),
		cmocka_unit_test(carried_report_data),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
