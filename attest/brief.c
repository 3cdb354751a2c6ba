/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was sent, in brief.
 *
 * The evidence is our own, gathered through the host, and it went to the KBS; nothing of it
 * is secret. It is read back from what was sent, so that what people see is what the
 * KBS saw. Left out: what names the single chip, and what changes from one report to the next.
 */
#include "attest/brief.h"

#include <string.h>

#include "attest/az_evidence.h"
#include "attest/hcl.h"
#include "attest/snp_evidence.h"
#include "attest/tdx_evidence.h"
#include "base/cleanup.h"

#define HEX(key, label, array) sheet_hex(sheet, key, label, bytes_of(&(array), sizeof(array)))

static void brief_snp_tcb(const struct snp_tcb *tcb, struct sheet *sheet)
{
	char fmc[16] = "";
	if (tcb->has_fmc)
		(void)snprintf(fmc, sizeof(fmc), "FMC %u, ", tcb->fmc);
	sheet_text(sheet, "reported_tcb", "REPORTED_TCB", "%sboot loader %u, TEE %u, SNP %u, microcode %u", fmc,
		   tcb->boot_loader, tcb->tee, tcb->snp, tcb->microcode);
}

static int brief_snp_report(struct bytes raw, struct sheet *sheet, struct err *err)
{
	struct snp_report report;
	if (snp_report_read(raw, &report, err) < 0)
		return -1;
	HEX("measurement", "MEASUREMENT", report.measurement);
	HEX("host_data", "HOST_DATA", report.host_data);
	HEX("id_key_digest", "ID_KEY_DIGEST", report.id_key_digest);
	sheet_text(sheet, "product", "product", "%s", snp_product_name(report.product));
	brief_snp_tcb(&report.reported_tcb, sheet);
	sheet_text(sheet, "policy", "POLICY", "0x%llx", (unsigned long long)report.policy.raw);
	sheet_bool(sheet, "debug", "  debugging allowed", report.policy.debug);
	sheet_bool(sheet, "smt_allowed", "  SMT allowed", report.policy.smt);
	sheet_number(sheet, "vmpl", "VMPL", report.vmpl);
	sheet_number(sheet, "guest_svn", "GUEST_SVN", report.guest_svn);
	return 0;
}

static void brief_td(const struct td *td, struct sheet *sheet)
{
	HEX("mrtd", "MRTD", td->mrtd);
	HEX("rtmr0", "RTMR0", td->rtmr[0]);
	HEX("rtmr1", "RTMR1", td->rtmr[1]);
	HEX("rtmr2", "RTMR2", td->rtmr[2]);
	HEX("rtmr3", "RTMR3", td->rtmr[3]);
	HEX("mrconfigid", "MRCONFIGID", td->mrconfigid);
	sheet_text(sheet, "xfam", "XFAM", "0x%llx", (unsigned long long)td->xfam);
	sheet_text(sheet, "td_attributes", "TDATTRIBUTES", "0x%llx", (unsigned long long)td->attributes.raw);
	sheet_bool(sheet, "debug", "  debugging allowed", td->attributes.debug);
}

static int brief_quote(struct bytes raw, struct sheet *sheet, struct err *err)
{
	struct tdx_quote quote;
	if (tdx_quote_read(raw, &quote, err) < 0)
		return -1;
	brief_td(&quote.body.td, sheet);
	HEX("tee_tcb_svn", "TEE_TCB_SVN", quote.body.tee_tcb_svn);
	HEX("mrseam", "MRSEAM", quote.body.mrseam);
	return 0;
}

static int brief_snp(const struct json *evidence, struct sheet *sheet, struct err *err)
{
	uint8_t raw[SNP_REPORT_LEN];
	if (snp_evidence_report(evidence, raw, err) < 0)
		return -1;
	return brief_snp_report(bytes_of(raw, sizeof(raw)), sheet, err);
}

static int brief_tdx(const struct json *evidence, struct sheet *sheet, struct err *err)
{
	struct buf quote OWNED_BUF = BUF_INIT(0);
	struct buf eventlog OWNED_BUF = BUF_INIT(0);
	if (tdx_evidence_open(evidence, &quote, &eventlog, err) < 0 || brief_quote(buf_bytes(&quote), sheet, err) < 0)
		return -1;
	sheet_bool(sheet, "eventlog", "event log sent", eventlog.len > 0);
	return 0;
}

static int brief_az(const struct json *evidence, struct sheet *sheet, struct err *err)
{
	struct az_evidence opened OWNED_AZ_EVIDENCE = AZ_EVIDENCE_INIT;
	struct hcl_report hcl;
	struct tpm_quote quote;
	if (az_evidence_open(evidence, &opened, err) < 0 || hcl_read(buf_bytes(&opened.hcl), &hcl, err) < 0 ||
	    tpm_quote_read(buf_bytes(&opened.quoted.message), &quote, err) < 0)
		return -1;
	sheet_hex(sheet, "pcr_digest", "PCR digest", quote.pcr_digest);
	HEX("pcr8", "PCR 8 (init-data)", opened.quoted.pcrs.values[8]);
	return opened.kind == AZ_SNP ? brief_snp_report(hcl.hardware, sheet, err)
				     : brief_quote(buf_bytes(&opened.endorsement), sheet, err);
}

static int brief_tpm(const struct json *evidence, struct sheet *sheet, struct err *err)
{
	struct tpm_quoted quoted OWNED_QUOTED = TPM_QUOTED_INIT;
	struct buf ak OWNED_BUF = BUF_INIT(RSA_SPKI_MAX);
	struct tpm_quote quote;
	if (tpm_evidence_open(evidence, &quoted, &ak, err) < 0 ||
	    tpm_quote_read(buf_bytes(&quoted.message), &quote, err) < 0)
		return -1;
	sheet_text(sheet, "proves", "proves", "nothing of who can read this machine's memory: a TPM alone is no TEE");
	sheet_hex(sheet, "pcr_digest", "PCR digest", quote.pcr_digest);
	HEX("pcr8", "PCR 8 (init-data)", quoted.pcrs.values[8]);
	return 0;
}

static int brief_nothing(const struct json *evidence, struct sheet *sheet, struct err *err)
{
	(void)evidence;
	(void)err;
	sheet_text(sheet, "proves", "proves", "nothing: this TEE is emulated, for tests");
	return 0;
}

static const struct {
	const char *tee;
	int (*brief)(const struct json *evidence, struct sheet *sheet, struct err *err);
} rows[] = {
	{ "snp", brief_snp },	     { "tdx", brief_tdx }, { "az-snp-vtpm", brief_az },
	{ "az-tdx-vtpm", brief_az }, { "tpm", brief_tpm }, { "sample", brief_nothing },
};

int brief_evidence(const char *tee, struct bytes evidence, struct sheet *sheet, struct err *err)
{
	struct json *doc OWNED_JSON = NULL;
	if (json_parse(evidence, BRIEF_EVIDENCE_MAX, &doc, err) < 0)
		return err_wrap(err, "evidence of TEE '%s'", tee);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (strcmp(rows[i].tee, tee) == 0)
			return rows[i].brief(doc, sheet, err);
	return 0;
}
