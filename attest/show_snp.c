/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SNP reports and certificate tables on a sheet. The bytes are anybody's; what is shown is
 * what stands there, and nothing of it is verified.
 */
#include <string.h>

#include "attest/snp_certs.h"
#include "attest/snp_report.h"
#include "base/cursor.h"
#include "attest/show.h"

#define NEWEST_IMAGINABLE 64 /* a version above is something else */

bool is_snp_report(struct bytes content)
{
	if (content.len < 0x30)
		return false;
	uint32_t version = le32(content.data);
	return version >= 2 && version <= NEWEST_IMAGINABLE;
}

bool is_snp_certs(struct bytes content)
{
	struct snp_certs certs;
	struct snp_cert cert;
	if (content.len < 48)
		return false;
	struct snp_certs head = { .table = content, .count = 1 };
	/* A known GUID at the front, or at least a table that is in order. */
	(void)snp_certs_next(&head, &cert);
	return cert.kind != SNP_CERT_OTHER || (snp_certs_open(content, &certs, NULL) == 0 && certs.count > 0);
}

static void show_tcb(const char *key, const char *label, const struct snp_tcb *tcb, struct sheet *sheet)
{
	if (!sheet->for_machines) {
		char fmc[16] = "";
		if (tcb->has_fmc)
			(void)snprintf(fmc, sizeof(fmc), "FMC %u, ", tcb->fmc);
		sheet_text(sheet, key, label, "%sboot loader %u, TEE %u, SNP %u, microcode %u", fmc, tcb->boot_loader,
			   tcb->tee, tcb->snp, tcb->microcode);
		return;
	}
	sheet_begin(sheet, key, NULL);
	sheet_text(sheet, "raw", NULL, "0x%016llx", (unsigned long long)tcb->raw);
	if (tcb->has_fmc)
		sheet_number(sheet, "fmc", NULL, tcb->fmc);
	sheet_number(sheet, "boot_loader", NULL, tcb->boot_loader);
	sheet_number(sheet, "tee", NULL, tcb->tee);
	sheet_number(sheet, "snp", NULL, tcb->snp);
	sheet_number(sheet, "microcode", NULL, tcb->microcode);
	sheet_end(sheet);
}

static void show_policy(const struct snp_policy *policy, struct sheet *sheet)
{
	const struct sheet_bit bits[] = {
		{ "smt", policy->smt, "SMT allowed", "SMT forbidden" },
		{ "reserved_one", policy->reserved_one, NULL, "bit 17 is 0 (invalid)" },
		{ "migrate_ma", policy->migrate_ma, "migration agent allowed", "no migration agent" },
		{ "debug", policy->debug, "DEBUGGING ALLOWED", "debugging forbidden" },
		{ "single_socket", policy->single_socket, "one socket only", NULL },
		{ "cxl", policy->cxl, "CXL allowed", NULL },
		{ "mem_aes_256_xts", policy->mem_aes_256_xts, "AES-256-XTS required", NULL },
		{ "rapl_disabled", policy->rapl_disabled, "RAPL must be disabled", NULL },
		{ "ciphertext_hiding", policy->ciphertext_hiding, "ciphertext hiding required", NULL },
		{ "page_swap_disabled", policy->page_swap_disabled, "page swapping disabled", NULL },
	};
	sheet_bits(sheet, "policy", "POLICY", policy->raw, bits, ARRAY_LEN(bits), policy->unknown);
	sheet_text(sheet, "policy_abi", "least ABI version", "%u.%u", policy->abi_major, policy->abi_minor);
}

static void show_platform(const struct snp_platform *platform, struct sheet *sheet)
{
	const struct sheet_bit bits[] = {
		{ "smt", platform->smt, "SMT on", "SMT off" },
		{ "tsme", platform->tsme, "TSME on", NULL },
		{ "ecc", platform->ecc, "ECC memory", "no ECC memory" },
		{ "rapl_disabled", platform->rapl_disabled, "RAPL disabled", NULL },
		{ "ciphertext_hiding", platform->ciphertext_hiding, "ciphertext hiding", NULL },
		{ "alias_check_complete", platform->alias_check_complete, "memory checked for aliases",
		  "memory not checked for aliases" },
		{ "tio", platform->tio, "trusted I/O", NULL },
	};
	sheet_bits(sheet, "platform_info", "PLATFORM_INFO", platform->raw, bits, ARRAY_LEN(bits), platform->unknown);
}

static void show_key_info(const struct snp_report *report, struct sheet *sheet)
{
	const struct sheet_bit bits[] = {
		{ "author_key_en", report->author_key_en, "author key in use", NULL },
		{ "mask_chip_key", report->mask_chip_key, "MASK_CHIP_KEY set: NOT SIGNED", NULL },
	};
	sheet_text(sheet, "signing_key", "signed by", "%s", snp_key_name(report->signing_key));
	sheet_bits(sheet, "key_info", "key info", report->key_info, bits, ARRAY_LEN(bits),
		   report->key_info & ~UINT64_C(0x1F));
	sheet_number(sheet, "signature_algo", "SIGNATURE_ALGO", report->signature_algo);
}

static void show_head(const struct snp_report *report, struct sheet *sheet)
{
	sheet_number(sheet, "version", "VERSION", report->version);
	sheet_bool(sheet, "known", report->known ? NULL : "version known", report->known);
	if (report->has_cpuid) {
		sheet_text(sheet, "product", NULL, "%s", snp_product_name(report->product));
		sheet_number(sheet, "cpuid_family", NULL, report->cpuid_family);
		sheet_number(sheet, "cpuid_model", NULL, report->cpuid_model);
		sheet_number(sheet, "cpuid_stepping", NULL, report->cpuid_stepping);
	}
	sheet_text(sheet, NULL, report->has_cpuid ? "product" : NULL, "%s (family 0x%02x, model 0x%02x, stepping %u)",
		   snp_product_name(report->product), report->cpuid_family, report->cpuid_model,
		   report->cpuid_stepping);
	sheet_text(sheet, NULL, report->has_cpuid ? NULL : "product", "not named in version 2");
	sheet_number(sheet, "guest_svn", "GUEST_SVN", report->guest_svn);
	if (report->vmpl == SNP_VMPL_HOST)
		sheet_text(sheet, NULL, "VMPL", "asked for by the host");
	sheet_number(sheet, "vmpl", report->vmpl == SNP_VMPL_HOST ? NULL : "VMPL", report->vmpl);
}

#define HEX(key, label, field) sheet_hex(sheet, key, label, bytes_of(&report->field, sizeof(report->field)))

static void show_identity(const struct snp_report *report, struct sheet *sheet)
{
	HEX("report_data", "REPORT_DATA", report_data);
	HEX("measurement", "MEASUREMENT", measurement);
	HEX("host_data", "HOST_DATA", host_data);
	HEX("family_id", "FAMILY_ID", family_id);
	HEX("image_id", "IMAGE_ID", image_id);
	HEX("id_key_digest", "ID_KEY_DIGEST", id_key_digest);
	HEX("author_key_digest", "AUTHOR_KEY_DIGEST", author_key_digest);
	HEX("report_id", "REPORT_ID", report_id);
	HEX("report_id_ma", snp_has_migration_agent(report) ? "REPORT_ID_MA" : NULL, report_id_ma);
	HEX("chip_id", "CHIP_ID", chip_id);
}

static void show_firmware(const char *key, const char *label, const struct snp_firmware *firmware, struct sheet *sheet)
{
	sheet_text(sheet, key, label, "%u.%u.%u", firmware->major, firmware->minor, firmware->build);
}

static void show_levels(const struct snp_report *report, struct sheet *sheet)
{
	show_tcb("reported_tcb", "REPORTED_TCB", &report->reported_tcb, sheet);
	show_tcb("current_tcb", "CURRENT_TCB", &report->current_tcb, sheet);
	show_tcb("committed_tcb", "COMMITTED_TCB", &report->committed_tcb, sheet);
	show_tcb("launch_tcb", "LAUNCH_TCB", &report->launch_tcb, sheet);
	show_firmware("current_version", "current firmware", &report->current, sheet);
	show_firmware("committed_version", "committed firmware", &report->committed, sheet);
	if (!report->has_mit_vectors)
		return;
	sheet_text(sheet, "launch_mit_vector", "LAUNCH_MIT_VECTOR", "0x%llx",
		   (unsigned long long)report->launch_mit_vector);
	sheet_text(sheet, "current_mit_vector", "CURRENT_MIT_VECTOR", "0x%llx",
		   (unsigned long long)report->current_mit_vector);
}

static void show_report(const struct snp_report *report, struct sheet *sheet)
{
	const struct look_expected nothing = { 0 };
	struct look look;
	sheet_begin(sheet, "report", "report");
	show_head(report, sheet);
	show_policy(&report->policy, sheet);
	show_platform(&report->platform, sheet);
	show_key_info(report, sheet);
	show_identity(report, sheet);
	show_levels(report, sheet);
	HEX("signature_r", NULL, signature_r);
	HEX("signature_s", NULL, signature_s);
	sheet_text(sheet, NULL, "signature", "%s (not verified)", report->has_signature ? "present" : "none");
	sheet_end(sheet);
	look_at_snp(report, &nothing, &look);
	show_findings(&look, sheet);
}

static void show_cert(const struct snp_cert *cert, struct sheet *sheet)
{
	struct digest digest;
	if (sheet->failed || digest_of(DIGEST_SHA256, cert->data, &digest, &sheet->err) < 0) {
		sheet->failed = true;
		return;
	}
	sheet_begin(sheet, NULL, NULL);
	sheet_text(sheet, "kind", NULL, "%s", snp_cert_kind_name(cert->kind));
	sheet_text(sheet, "guid", NULL, "%s", guid_print(&cert->guid).text);
	sheet_number(sheet, "offset", NULL, cert->offset);
	sheet_text(sheet, NULL, snp_cert_kind_name(cert->kind), "%zu bytes at %u, GUID %s", cert->data.len,
		   cert->offset, guid_print(&cert->guid).text);
	sheet_hex(sheet, "sha256", "  SHA-256", digest_bytes(&digest));
	sheet_hex(sheet, "data", NULL, cert->data);
	sheet_end(sheet);
}

int show_snp_certs(struct bytes content, struct sheet *sheet, struct err *err)
{
	struct snp_certs certs;
	struct snp_cert cert;
	if (snp_certs_open(content, &certs, err) < 0)
		return -1;
	sheet_begin_list(sheet, "certificates", certs.count ? "certificates" : "no certificates");
	while (snp_certs_next(&certs, &cert))
		show_cert(&cert, sheet);
	sheet_end(sheet);
	return 0;
}

int show_snp_report(struct bytes content, struct sheet *sheet, struct err *err)
{
	struct snp_report report;
	bool extended = content.len > SNP_REPORT_LEN && le32(content.data) <= SNP_NEWEST_VERSION;
	size_t len = extended ? SNP_REPORT_LEN : content.len;
	if (snp_report_read(bytes_of(content.data, len), &report, err) < 0)
		return -1;
	show_report(&report, sheet);
	if (!extended)
		return 0;
	if (show_snp_certs(bytes_of(content.data + len, content.len - len), sheet, err) < 0)
		return err_wrap(err, "behind the SNP report");
	return 0;
}
