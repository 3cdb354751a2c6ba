/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SEV-SNP attestation report as fields.
 *
 * The bytes come through the host (device, file, network): until a signature over them was
 * checked they are anybody's. Evidence carries the report as fields, and the verifier packs
 * them again with zeros in the reserved places; so a reserved byte that is not zero is
 * refused here and not lost on the way. Must never guess the layout of a version that it
 * does not know.
 */
#include "attest/snp_report.h"

#include <string.h>

#include "base/cursor.h"

#define FAMILY_ZEN3 0x19 /* Milan, Genoa: the older layout of a TCB version */

/* Byte fields: where they stand in the report and in the struct. */
static const struct {
	size_t from;
	size_t to;
	size_t len;
} byte_fields[] = {
#define FIELD(offset, name)                                                                                            \
	{                                                                                                              \
		offset, offsetof(struct snp_report, name), sizeof(((struct snp_report *)0)->name)                      \
	}
	FIELD(0x010, family_id),	 FIELD(0x020, image_id),    FIELD(0x050, report_data),
	FIELD(0x090, measurement),	 FIELD(0x0C0, host_data),   FIELD(0x0E0, id_key_digest),
	FIELD(0x110, author_key_digest), FIELD(0x140, report_id),   FIELD(0x160, report_id_ma),
	FIELD(0x1A0, chip_id),		 FIELD(0x2A0, signature_r), FIELD(0x2E8, signature_s),
#undef FIELD
};

/* Ranges that must be zero in the versions from `first` to `last`. */
static const struct {
	uint32_t first;
	uint32_t last;
	size_t from;
	size_t to;
} reserved[] = {
	{ 2, 5, 0x04C, 0x050 }, { 2, 2, 0x188, 0x18B }, { 2, 5, 0x18B, 0x1A0 }, { 2, 5, 0x1EB, 0x1EC },
	{ 2, 5, 0x1EF, 0x1F0 }, { 2, 4, 0x1F8, 0x208 }, { 2, 5, 0x208, 0x2A0 }, { 2, 5, 0x330, 0x4A0 },
};

static bool bit(uint64_t value, unsigned number)
{
	return value >> number & 1;
}

static struct snp_policy policy_of(uint64_t raw)
{
	return (struct snp_policy){
		.raw = raw,
		.abi_minor = (uint8_t)raw,
		.abi_major = (uint8_t)(raw >> 8),
		.smt = bit(raw, 16),
		.reserved_one = bit(raw, 17),
		.migrate_ma = bit(raw, 18),
		.debug = bit(raw, 19),
		.single_socket = bit(raw, 20),
		.cxl = bit(raw, 21),
		.mem_aes_256_xts = bit(raw, 22),
		.rapl_disabled = bit(raw, 23),
		.ciphertext_hiding = bit(raw, 24),
		.page_swap_disabled = bit(raw, 25),
		.unknown = raw >> 26 << 26,
	};
}

static struct snp_platform platform_of(uint64_t raw)
{
	return (struct snp_platform){
		.raw = raw,
		.smt = bit(raw, 0),
		.tsme = bit(raw, 1),
		.ecc = bit(raw, 2),
		.rapl_disabled = bit(raw, 3),
		.ciphertext_hiding = bit(raw, 4),
		.alias_check_complete = bit(raw, 5),
		.tio = bit(raw, 7),
		.unknown = raw & ~(uint64_t)0xBF, /* bit 6 among them: no document names it, Turin sets it */
	};
}

static struct snp_tcb tcb_of(const uint8_t *at, bool has_fmc)
{
	struct snp_tcb tcb = { .raw = le64(at), .has_fmc = has_fmc, .microcode = at[7] };
	if (has_fmc)
		tcb.fmc = at[0];
	tcb.boot_loader = at[has_fmc ? 1 : 0];
	tcb.tee = at[has_fmc ? 2 : 1];
	tcb.snp = at[has_fmc ? 3 : 6];
	return tcb;
}

static struct snp_firmware firmware_of(const uint8_t *at)
{
	return (struct snp_firmware){ .build = at[0], .minor = at[1], .major = at[2] };
}

static const struct {
	enum snp_product product;
	uint8_t family;
	uint8_t first_model;
	uint8_t last_model;
} products[] = {
	{ SNP_MILAN, 0x19, 0x00, 0x0F },  { SNP_GENOA, 0x19, 0x10, 0x1F },  { SNP_GENOA, 0x19, 0xA0, 0xAF },
	{ SNP_TURIN, 0x1A, 0x00, 0x11 },  { SNP_VENICE, 0x1A, 0x50, 0x57 }, { SNP_VENICE, 0x1A, 0x90, 0xAF },
	{ SNP_VENICE, 0x1A, 0xC0, 0xC7 },
};

static enum snp_product product_of(uint8_t family, uint8_t model)
{
	for (size_t i = 0; i < ARRAY_LEN(products); i++)
		if (products[i].family == family && model >= products[i].first_model && model <= products[i].last_model)
			return products[i].product;
	return SNP_PRODUCT_UNKNOWN;
}

/* Version 2 names no CPU; there a chip id of 8 bytes tells Turin, unless it is masked. */
static bool is_fmc_layout(const struct snp_report *report)
{
	if (report->has_cpuid)
		return report->cpuid_family > FAMILY_ZEN3;
	return !bytes_are_zero(bytes_of(report->chip_id, 8)) && bytes_are_zero(bytes_of(report->chip_id + 8, 56));
}

static int check_length(struct bytes raw, struct err *err)
{
	if (raw.len < SNP_REPORT_LEN)
		return err_set(err, ERR_PROTOCOL, "an SNP report is %d bytes long, this is cut after %zu",
			       SNP_REPORT_LEN, raw.len);
	uint32_t version = le32(raw.data);
	if (version < 2)
		return err_set(err, ERR_PROTOCOL,
			       "no SNP report: the version at offset 0 is %u, but reports begin with 2", version);
	if (raw.len > SNP_REPORT_LEN && version <= SNP_NEWEST_VERSION)
		return err_set(err, ERR_PROTOCOL, "an SNP report of version %u is %d bytes long, this is %zu", version,
			       SNP_REPORT_LEN, raw.len);
	return 0;
}

static int check_reserved(struct bytes raw, uint32_t version, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(reserved); i++) {
		if (version < reserved[i].first || version > reserved[i].last)
			continue;
		for (size_t at = reserved[i].from; at < reserved[i].to; at++)
			if (raw.data[at])
				return err_set(
					err, ERR_PROTOCOL,
					"the byte at offset 0x%zx of an SNP report of version %u is reserved and must "
					"be 0, but it is 0x%02x",
					at, version, raw.data[at]);
	}
	return 0;
}

static void read_byte_fields(const uint8_t *raw, struct snp_report *report)
{
	for (size_t i = 0; i < ARRAY_LEN(byte_fields); i++)
		memcpy((uint8_t *)report + byte_fields[i].to, raw + byte_fields[i].from, byte_fields[i].len);
	report->has_signature = !bytes_are_zero(bytes_of(report->signature_r, sizeof(report->signature_r))) ||
				!bytes_are_zero(bytes_of(report->signature_s, sizeof(report->signature_s)));
}

static void read_numbers(const uint8_t *raw, struct snp_report *report)
{
	report->version = le32(raw);
	report->known = report->version <= SNP_NEWEST_VERSION;
	report->guest_svn = le32(raw + 0x004);
	report->policy = policy_of(le64(raw + 0x008));
	report->vmpl = le32(raw + 0x030);
	report->signature_algo = le32(raw + 0x034);
	report->platform = platform_of(le64(raw + 0x040));
	report->key_info = le32(raw + 0x048);
	report->author_key_en = bit(report->key_info, 0);
	report->mask_chip_key = bit(report->key_info, 1);
	report->signing_key = report->key_info >> 2 & 7;
	report->current = firmware_of(raw + 0x1E8);
	report->committed = firmware_of(raw + 0x1EC);
}

static void read_by_version(const uint8_t *raw, struct snp_report *report)
{
	report->has_cpuid = report->version >= 3;
	if (report->has_cpuid) {
		report->cpuid_family = raw[0x188];
		report->cpuid_model = raw[0x189];
		report->cpuid_stepping = raw[0x18A];
		report->product = product_of(report->cpuid_family, report->cpuid_model);
	}
	report->has_mit_vectors = report->version >= 5;
	if (report->has_mit_vectors) {
		report->launch_mit_vector = le64(raw + 0x1F8);
		report->current_mit_vector = le64(raw + 0x200);
	}
	bool has_fmc = is_fmc_layout(report);
	report->current_tcb = tcb_of(raw + 0x038, has_fmc);
	report->reported_tcb = tcb_of(raw + 0x180, has_fmc);
	report->committed_tcb = tcb_of(raw + 0x1E0, has_fmc);
	report->launch_tcb = tcb_of(raw + 0x1F0, has_fmc);
}

int snp_report_read(struct bytes raw, struct snp_report *ret_report, struct err *err)
{
	if (check_length(raw, err) < 0 || check_reserved(raw, le32(raw.data), err) < 0)
		return -1;
	struct snp_report report = { 0 };
	read_byte_fields(raw.data, &report);
	read_numbers(raw.data, &report);
	read_by_version(raw.data, &report);
	*ret_report = report;
	return 0;
}

const char *snp_product_name(enum snp_product product)
{
	static const char *const names[] = { "unknown", "Milan", "Genoa", "Turin", "Venice" };
	return (size_t)product < ARRAY_LEN(names) ? names[product] : names[0];
}

const char *snp_key_name(uint8_t signing_key)
{
	switch (signing_key) {
	case SNP_KEY_VCEK:
		return "VCEK";
	case SNP_KEY_VLEK:
		return "VLEK";
	case SNP_KEY_NONE:
		return "none";
	default:
		return "reserved";
	}
}

bool snp_has_migration_agent(const struct snp_report *report)
{
	for (size_t i = 0; i < sizeof(report->report_id_ma); i++)
		if (report->report_id_ma[i] != 0xFF)
			return true;
	return false;
}
