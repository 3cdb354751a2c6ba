/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attest/snp_report: genuine reports field by field, every truncation, reserved bytes,
 * versions from the past and from the future.
 */
#include "vectors.h"

#include "attest/snp_report.h"

struct levels {
	int fmc; /* -1: the layout has none */
	uint8_t boot_loader;
	uint8_t tee;
	uint8_t snp;
	uint8_t microcode;
};

static const struct genuine {
	const char *file;
	uint32_t version;
	enum snp_product product;
	uint8_t family;
	uint8_t model;
	uint8_t stepping;
	uint64_t policy;
	bool debug;
	uint32_t vmpl;
	const char *key;
	uint64_t platform;
	struct levels reported;
	struct snp_firmware firmware; /* current and committed */
	const char *measurement;
	const char *report_data;
	const char *chip_id; /* its beginning */
	int mit_vectors;     /* both; -1: none */
	uint8_t current_microcode;
} genuine[] = {
	{ "snp/milan-v2-debug-report.bin",
	  2,
	  SNP_PRODUCT_UNKNOWN,
	  0,
	  0,
	  0,
	  0xb0000,
	  true,
	  0,
	  "VCEK",
	  0x1,
	  { -1, 2, 0, 5, 68 },
	  { 1, 49, 3 },
	  "b07af9620f3b839b47996422ddec6058338951d984e312115131ea82705eaf5b6bdf8a9ece31a5a608eb0cf2e4872b01",
	  "0102030405",
	  "3ac3fe21e13fb099",
	  -1,
	  68 },
	{ "snp/milan-v2-report.bin",
	  2,
	  SNP_PRODUCT_UNKNOWN,
	  0,
	  0,
	  0,
	  0x3001f,
	  false,
	  0,
	  "VCEK",
	  0x1,
	  { -1, 3, 0, 8, 115 },
	  { 1, 52, 4 },
	  "a1f3930413247bb38cfc171579ea3c12d5fe4901f0c792f63fd75d98f1ef827c23500644e0e692e6be917f9050d3d38c",
	  "ec6c52d7533cc2c4f45be7849cf112ab82b2009fe7bd43e71ed08c14400ad7e2",
	  "c38427a30d4c7af9",
	  -1,
	  206 },
	{ "snp/milan-v3-report.bin",
	  3,
	  SNP_MILAN,
	  0x19,
	  1,
	  1,
	  0x30000,
	  false,
	  0,
	  "VCEK",
	  0x25,
	  { -1, 4, 0, 24, 219 },
	  { 1, 55, 29 },
	  "195b01b74976a1faba13bd85eaf787958f0a46e6dddd45c5bdbf8673522777842b8057ae5d866b75416efb62012deaa3",
	  "a7ca989b0359ea4e5efc47bdbcad84b2df3f26fd09ee7bda5bb27953abf68992",
	  "a3fdc2c64dc299ab",
	  -1,
	  219 },
	{ "snp/milan-v3-vlek-report.bin",
	  3,
	  SNP_MILAN,
	  0x19,
	  1,
	  1,
	  0x30000,
	  false,
	  1,
	  "VLEK",
	  0x27,
	  { -1, 4, 0, 24, 217 },
	  { 1, 55, 29 },
	  "8922ebbdd00ec2c541f36a6e7a82a8773a7accb451ed67bc94e740dbe92c93c4e8c9af857f5ceeb5a493df2a570d7bf0",
	  "819770b7e6ea6df8dd8fd4dd146b073c0bf4f3ce5b0977ecac486e3a05ed1bd54e2a7ac1f5d1ca02e7d7d5ef9f73b8574fd9359e3a48"
	  "0d741a"
	  "4478e8a7bc27ca",
	  "00000000000000000000000000000000",
	  -1,
	  220 },
	{ "snp/genoa-v5-report.bin",
	  5,
	  SNP_GENOA,
	  0x19,
	  0x11,
	  1,
	  0x30000,
	  false,
	  0,
	  "VCEK",
	  0x25,
	  { -1, 10, 0, 25, 84 },
	  { 1, 55, 43 },
	  "c57729018b0a6fb90dc17bb138b0aa35e4401004283ff4a2c24d3739ff3750f52384370e77b7032862a08c440a9bc4dc",
	  "8100555af0ad8e7525be6dffeed0af83e30bbacbf03b76e175e6894d1ed057ce",
	  "d2421d976f95ce0b",
	  1,
	  84 },
	{ "snp/turin-v5-report.bin",
	  5,
	  SNP_TURIN,
	  0x1a,
	  2,
	  1,
	  0x30000,
	  false,
	  0,
	  "VCEK",
	  0x67,
	  { 0, 1, 0, 2, 71 },
	  { 1, 55, 61 },
	  "f924dd18f168df60fbea937f0b086284d51b1b376de872bac43694f61134d57967c318018de7335503023dbb50dee624",
	  "e0fd0bdb6aa4030a6ddea9073e1fcec5be6c782a2c8075a0825dfb3d9a81b924",
	  "3b42092f69c656d3",
	  0,
	  71 },
};

static void must_read(struct bytes raw, struct snp_report *report)
{
	struct err err = { 0 };
	if (snp_report_read(raw, report, &err) < 0)
		fail_msg("refused: %s", err.message);
}

static void assert_refused(struct bytes raw, const char *part)
{
	struct err err = { 0 };
	struct snp_report report = { .version = 77 };
	assert_int_equal(snp_report_read(raw, &report, &err), -1);
	assert_int_equal(err.code, ERR_PROTOCOL);
	assert_int_equal(report.version, 77);
	assert_message_has(err, part);
}

static void assert_levels(const struct snp_tcb *tcb, const struct levels *want)
{
	assert_int_equal(tcb->has_fmc, want->fmc >= 0);
	assert_int_equal(tcb->fmc, want->fmc >= 0 ? want->fmc : 0);
	assert_int_equal(tcb->boot_loader, want->boot_loader);
	assert_int_equal(tcb->tee, want->tee);
	assert_int_equal(tcb->snp, want->snp);
	assert_int_equal(tcb->microcode, want->microcode);
}

static void assert_genuine(const struct genuine *want)
{
	OWNED_BUF struct buf raw = vector_read(want->file);
	struct snp_report report;
	must_read(buf_bytes(&raw), &report);
	assert_int_equal(report.version, want->version);
	assert_true(report.known);
	assert_int_equal(report.product, want->product);
	assert_int_equal(report.has_cpuid, want->version >= 3);
	assert_int_equal(report.cpuid_family, want->family);
	assert_int_equal(report.cpuid_model, want->model);
	assert_int_equal(report.cpuid_stepping, want->stepping);
	assert_true(report.policy.raw == want->policy && report.policy.unknown == 0);
	assert_true(report.policy.reserved_one && report.policy.smt);
	assert_int_equal(report.policy.debug, want->debug);
	assert_int_equal(report.policy.abi_minor, want->policy & 0xff);
	assert_int_equal(report.vmpl, want->vmpl);
	assert_string_equal(snp_key_name(report.signing_key), want->key);
	assert_false(report.mask_chip_key || report.author_key_en);
	assert_int_equal(report.signature_algo, SNP_SIG_ALGO_ECDSA_P384);
	assert_true(report.platform.raw == want->platform);
	assert_levels(&report.reported_tcb, &want->reported);
	assert_memory_equal(&report.current, &want->firmware, sizeof(want->firmware));
	assert_memory_equal(&report.committed, &want->firmware, sizeof(want->firmware));
	assert_hex_prefix(report.measurement, sizeof(report.measurement), want->measurement);
	assert_hex_padded(&report.report_data, sizeof(report.report_data), want->report_data);
	assert_hex_padded(report.host_data, sizeof(report.host_data), "");
	assert_hex_prefix(report.chip_id, sizeof(report.chip_id), want->chip_id);
	assert_false(snp_has_migration_agent(&report));
	assert_int_equal(report.has_mit_vectors, want->mit_vectors >= 0);
	assert_int_equal(report.launch_mit_vector, want->mit_vectors > 0 ? want->mit_vectors : 0);
	assert_int_equal(report.current_mit_vector, want->mit_vectors > 0 ? want->mit_vectors : 0);
	assert_int_equal(report.current_tcb.microcode, want->current_microcode);
	assert_true(report.committed_tcb.snp <= report.current_tcb.snp &&
		    report.launch_tcb.snp <= report.current_tcb.snp);
	assert_true(report.has_signature);
}

static void reads_genuine_reports(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(genuine); i++)
		assert_genuine(&genuine[i]);
}

/* No document names it; it is shown as unknown, and no reason to refuse anything. */
static void takes_bit_6_of_platform_info(void **state)
{
	(void)state;
	OWNED_BUF struct buf raw = vector_read("snp/turin-v5-report.bin");
	struct snp_report report;
	must_read(buf_bytes(&raw), &report);
	const struct snp_platform *p = &report.platform;
	assert_true(p->smt && p->tsme && p->ecc && p->alias_check_complete);
	assert_false(p->rapl_disabled || p->ciphertext_hiding || p->tio);
	assert_true(p->unknown == 0x40);
}

static void refuses_every_other_length(void **state)
{
	(void)state;
	OWNED_BUF struct buf raw = vector_read("snp/genoa-v5-report.bin");
	for (size_t len = 0; len < SNP_REPORT_LEN; len++) {
		uint8_t *cut = exact_copy(buf_bytes(&raw), len);
		assert_refused(bytes_of(cut, len), "is cut after");
		free(cut);
	}
	struct err err = { 0 };
	assert_int_equal(buf_append_byte(&raw, 0, &err), 0);
	assert_refused(buf_bytes(&raw), "is 1184 bytes long, this is 1185");
}

/* Which byte can be set without a refusal must be exactly what is no reserved field. */
static bool is_reserved(uint32_t version, size_t at)
{
	return (at >= 0x4C && at < 0x50) || (at >= 0x18B && at < 0x1A0) ||
	       (version == 2 && at >= 0x188 && at < 0x18B) || at == 0x1EB || at == 0x1EF ||
	       (version < 5 && at >= 0x1F8 && at < 0x208) || (at >= 0x208 && at < 0x2A0) || at >= 0x330;
}

static void refuses_reserved_bytes(void **state)
{
	(void)state;
	OWNED_BUF struct buf raw = vector_read("snp/milan-v2-report.bin");
	struct err err;
	struct snp_report report;
	for (uint8_t version = 2; version <= 5; version++) {
		raw.data[0] = version;
		for (size_t at = 4; at < SNP_REPORT_LEN; at++) {
			uint8_t before = raw.data[at];
			raw.data[at] = 0xFF;
			int result = snp_report_read(buf_bytes(&raw), &report, &err);
			raw.data[at] = before;
			assert_int_equal(result, is_reserved(version, at) ? -1 : 0);
		}
	}
	raw.data[0x1EB] = 3;
	assert_refused(buf_bytes(&raw),
		       "the byte at offset 0x1eb of an SNP report of version 5 is reserved and must be 0, "
		       "but it is 0x03");
}

static void refuses_versions_of_the_past(void **state)
{
	(void)state;
	OWNED_BUF struct buf raw = vector_read("snp/milan-v2-report.bin");
	raw.data[0] = 1;
	assert_refused(buf_bytes(&raw), "the version at offset 0 is 1");
	raw.data[0] = 0;
	assert_refused(buf_bytes(&raw), "the version at offset 0 is 0");
}

static void reads_what_a_newer_version_shares(void **state)
{
	(void)state;
	OWNED_BUF struct buf raw = vector_read("snp/turin-v5-report.bin");
	struct err err = { 0 };
	struct snp_report report;
	raw.data[0] = 6;
	raw.data[0x250] = 1; /* a field that we cannot know */
	assert_int_equal(buf_append_byte(&raw, 9, &err), 0);
	must_read(buf_bytes(&raw), &report);
	assert_false(report.known);
	assert_int_equal(report.version, 6);
	assert_hex_prefix(report.measurement, 48, "f924dd18f168df60");
	raw.data[3] = 0xFF;
	must_read(buf_bytes(&raw), &report);
	assert_false(report.known);
}

static void reads_each_policy_bit(void **state)
{
	(void)state;
	OWNED_BUF struct buf raw = vector_read("snp/genoa-v5-report.bin");
	struct snp_report r;
	const bool *flags[] = { &r.policy.smt,
				&r.policy.reserved_one,
				&r.policy.migrate_ma,
				&r.policy.debug,
				&r.policy.single_socket,
				&r.policy.cxl,
				&r.policy.mem_aes_256_xts,
				&r.policy.rapl_disabled,
				&r.policy.ciphertext_hiding,
				&r.policy.page_swap_disabled };
	for (unsigned number = 0; number < 64; number++) {
		memset(raw.data + 8, 0, 8);
		raw.data[8 + number / 8] = (uint8_t)(1u << number % 8);
		must_read(buf_bytes(&raw), &r);
		for (unsigned flag = 0; flag < ARRAY_LEN(flags); flag++)
			assert_int_equal(*flags[flag], number == 16 + flag);
		assert_true(r.policy.unknown == (number >= 26 ? UINT64_C(1) << number : 0));
		assert_int_equal(r.policy.abi_minor, number < 8 ? 1 << number : 0);
		assert_int_equal(r.policy.abi_major, number >= 8 && number < 16 ? 1 << (number - 8) : 0);
	}
}

static void tells_products_apart(void **state)
{
	(void)state;
	static const struct {
		uint8_t family;
		uint8_t model;
		const char *name;
	} cases[] = { { 0x19, 0x0F, "Milan" },	 { 0x19, 0x10, "Genoa" },   { 0x19, 0x1F, "Genoa" },
		      { 0x19, 0x20, "unknown" }, { 0x19, 0x9F, "unknown" }, { 0x19, 0xA0, "Genoa" },
		      { 0x19, 0xAF, "Genoa" },	 { 0x19, 0xB0, "unknown" }, { 0x1A, 0x00, "Turin" },
		      { 0x1A, 0x11, "Turin" },	 { 0x1A, 0x12, "unknown" }, { 0x1A, 0x50, "Venice" },
		      { 0x1A, 0xAF, "Venice" },	 { 0x1A, 0xC7, "Venice" },  { 0x1A, 0xC8, "unknown" },
		      { 0x17, 0x00, "unknown" } };
	OWNED_BUF struct buf raw = vector_read("snp/genoa-v5-report.bin");
	struct snp_report report;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		raw.data[0x188] = cases[i].family;
		raw.data[0x189] = cases[i].model;
		must_read(buf_bytes(&raw), &report);
		assert_string_equal(snp_product_name(report.product), cases[i].name);
		assert_int_equal(report.reported_tcb.has_fmc, cases[i].family > 0x19);
	}
}

static void reads_version_2_without_cpuid(void **state)
{
	(void)state;
	OWNED_BUF struct buf raw = vector_read("snp/milan-v2-report.bin");
	struct snp_report report;
	must_read(buf_bytes(&raw), &report);
	assert_false(report.has_cpuid || report.cpuid_family || report.cpuid_model || report.cpuid_stepping);
	assert_int_equal(report.product, SNP_PRODUCT_UNKNOWN);
	raw.data[0x188] = 0x19; /* reserved there, so it cannot name one either */
	assert_refused(buf_bytes(&raw), "the byte at offset 0x188 of an SNP report of version 2 is reserved");
}

static void reads_turins_tcb_layout_and_chip_id_of_8_bytes(void **state)
{
	(void)state;
	OWNED_BUF struct buf raw = vector_read("snp/turin-v5-report.bin");
	struct snp_report report;
	const uint8_t tcb[8] = { 1, 2, 3, 4, 0, 0, 0, 200 };
	const struct levels turin = { 1, 2, 3, 4, 200 };
	const struct levels older = { -1, 1, 2, 0, 200 };
	memcpy(raw.data + 0x180, tcb, sizeof(tcb));
	must_read(buf_bytes(&raw), &report);
	assert_levels(&report.reported_tcb, &turin);
	assert_hex_padded(report.chip_id, sizeof(report.chip_id), "3b42092f69c656d3");
	raw.data[0x188] = 0x19; /* the same bytes on Genoa */
	must_read(buf_bytes(&raw), &report);
	assert_levels(&report.reported_tcb, &older);
}

/* Version 2 has no CPUID; Turin then shows by its chip id of eight bytes. */
static void reads_version_2_of_turin_by_its_chip_id(void **state)
{
	(void)state;
	OWNED_BUF struct buf raw = vector_read("snp/turin-v5-report.bin");
	struct snp_report report;
	const struct levels turin = { 0, 1, 0, 2, 71 };
	raw.data[0] = 2;
	memset(raw.data + 0x188, 0, 3);
	memset(raw.data + 0x1F8, 0, 16);
	must_read(buf_bytes(&raw), &report);
	assert_int_equal(report.product, SNP_PRODUCT_UNKNOWN);
	assert_levels(&report.reported_tcb, &turin);
	memset(raw.data + 0x1A0, 0, 64);
	must_read(buf_bytes(&raw), &report);
	assert_false(report.reported_tcb.has_fmc);
}

static void reads_an_unsigned_report(void **state)
{
	(void)state;
	OWNED_BUF struct buf raw = vector_read("snp/genoa-v5-report.bin");
	struct snp_report report;
	memset(raw.data + 0x2A0, 0, 144);
	raw.data[0x48] = 1 | 2 | 7 << 2;
	must_read(buf_bytes(&raw), &report);
	assert_true(report.mask_chip_key && report.author_key_en && !report.has_signature);
	assert_string_equal(snp_key_name(report.signing_key), "none");
	raw.data[0x48] = 3 << 2;
	must_read(buf_bytes(&raw), &report);
	assert_string_equal(snp_key_name(report.signing_key), "reserved");
	raw.data[0x2E8 + 71] = 1;
	must_read(buf_bytes(&raw), &report);
	assert_true(report.has_signature);
}

static void sees_a_migration_agent(void **state)
{
	(void)state;
	OWNED_BUF struct buf raw = vector_read("snp/genoa-v5-report.bin");
	struct snp_report report;
	raw.data[0x17F] = 0xFE;
	must_read(buf_bytes(&raw), &report);
	assert_true(snp_has_migration_agent(&report));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_genuine_reports),
		cmocka_unit_test(takes_bit_6_of_platform_info),
		cmocka_unit_test(refuses_every_other_length),
		cmocka_unit_test(refuses_reserved_bytes),
		cmocka_unit_test(refuses_versions_of_the_past),
		cmocka_unit_test(reads_what_a_newer_version_shares),
		cmocka_unit_test(reads_each_policy_bit),
		cmocka_unit_test(tells_products_apart),
		cmocka_unit_test(reads_version_2_without_cpuid),
		cmocka_unit_test(reads_turins_tcb_layout_and_chip_id_of_8_bytes),
		cmocka_unit_test(reads_version_2_of_turin_by_its_chip_id),
		cmocka_unit_test(reads_an_unsigned_report),
		cmocka_unit_test(sees_a_migration_agent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
