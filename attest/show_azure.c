/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HCL reports, TPM quotes and the evidence made of them, on a sheet. The bytes are anybody's;
 * what is shown is what stands there. Of the links between the parts it is said whether they hold,
 * which a verifier has to find out for itself.
 */
#include <string.h>

#include "attest/az_common.h"
#include "attest/look_tpm.h"
#include "attest/show.h"
#include "attest/snp_report.h"
#include "attest/snp_signature.h"
#include "attest/tdreport.h"

#define JSON_MAX (8u << 20)

bool is_hcl_report(struct bytes content)
{
	return content.len >= 4 && memcmp(content.data, "HCLA", 4) == 0;
}

bool is_tpm_quote(struct bytes content)
{
	return content.len >= 6 && memcmp(content.data, "\xFFTCG\x80\x18", 6) == 0;
}

bool is_az_snp_evidence(struct bytes content)
{
	return show_has_member(content, "vcek", JSON_STRING);
}

bool is_az_tdx_evidence(struct bytes content)
{
	return show_has_member(content, "td_quote", JSON_STRING) || show_has_member(content, "td_quote", JSON_ARRAY);
}

bool is_tpm_evidence(struct bytes content)
{
	return show_has_member(content, "ak_public", JSON_STRING);
}

/* The part of the evidence that a TPM makes, alone. */
bool is_tpm_quoted(struct bytes content)
{
	return show_has_member(content, "pcrs", JSON_ARRAY) &&
	       (show_has_member(content, "message", JSON_STRING) || show_has_member(content, "message", JSON_ARRAY));
}

static void show_selections(const struct tpm_quote *quote, struct sheet *sheet)
{
	sheet_begin_list(sheet, "selections", NULL);
	for (size_t i = 0; i < quote->selection_count; i++) {
		const struct tpm_selection *selection = &quote->selections[i];
		sheet_begin(sheet, NULL, NULL);
		sheet_text(sheet, NULL, "PCRs quoted", "bank 0x%04x, bits 0x%06x", selection->alg, selection->pcrs);
		sheet_number(sheet, "bank", NULL, selection->alg);
		sheet_number(sheet, "pcrs", NULL, selection->pcrs);
		sheet_end(sheet);
	}
	sheet_end(sheet);
}

int show_tpm_quote(struct bytes content, struct sheet *sheet, struct err *err)
{
	struct tpm_quote quote;
	if (tpm_quote_read(content, &quote, err) < 0)
		return -1;
	sheet_begin(sheet, "tpm_quote", "TPM quote");
	sheet_hex(sheet, "extra_data", "extra data", quote.extra_data);
	sheet_hex(sheet, "signer", "name of the key", quote.signer);
	sheet_number(sheet, "clock", "clock (ms)", quote.clock);
	sheet_number(sheet, "reset_count", "resets", quote.reset_count);
	sheet_number(sheet, "restart_count", "restarts", quote.restart_count);
	sheet_bool(sheet, "safe", "clock is safe", quote.safe);
	sheet_text(sheet, "firmware_version", "firmware version", "0x%016llx",
		   (unsigned long long)quote.firmware_version);
	show_selections(&quote, sheet);
	sheet_bool(sheet, "covers_all", "exactly PCR 0 to 23", tpm_quote_covers_all(&quote));
	sheet_hex(sheet, "pcr_digest", "digest of the PCRs", quote.pcr_digest);
	sheet_end(sheet);
	return 0;
}

static void show_claims(const struct hcl_claims *claims, struct sheet *sheet)
{
	sheet_begin(sheet, "claims", "runtime claims");
	sheet_hex(sheet, "ak_modulus", "HCLAkPub", buf_bytes(&claims->ak_n));
	sheet_hex(sheet, "ak_exponent", "  exponent", buf_bytes(&claims->ak_e));
	if (claims->has_user_data)
		sheet_hex(sheet, "user_data", "user-data", bytes_of(claims->user_data, REPORT_DATA_LEN));
	else
		sheet_text(sheet, NULL, "user-data", "none");
	if (claims->vm_configuration) {
		struct buf text OWNED_BUF = BUF_INIT(HCL_MAX);
		if (json_print(claims->vm_configuration, &text, NULL) == 0)
			sheet_foreign(sheet, "vm_configuration", "VM configuration", buf_bytes(&text));
	}
	sheet_end(sheet);
}

/* What another reader shows is a section of its own: its members may have the names of ours. */
static int show_within(const char *key, struct bytes content,
		       int (*show)(struct bytes content, struct sheet *sheet, struct err *err), struct sheet *sheet,
		       struct err *err)
{
	sheet_begin(sheet, key, NULL);
	if (show(content, sheet, err) < 0)
		return -1;
	sheet_end(sheet);
	return 0;
}

static int show_hardware(const struct hcl_report *report, struct sheet *sheet, struct err *err)
{
	if (report->type == HCL_SNP)
		return show_within("hardware", report->hardware, show_snp_report, sheet, err);
	if (report->type == HCL_TDX)
		return show_within("hardware", report->hardware, show_tdreport, sheet, err);
	return 0;
}

int show_hcl_report(struct bytes content, struct sheet *sheet, struct err *err)
{
	struct hcl_report report;
	struct hcl_claims claims OWNED_CLAIMS = HCL_CLAIMS_INIT;
	if (hcl_read(content, &report, err) < 0 || hcl_claims_read(report.claims, &claims, err) < 0)
		return -1;
	sheet_begin(sheet, "hcl_report", "HCL report (its head is not signed)");
	sheet_number(sheet, "version", "version", report.version);
	sheet_text(sheet, "type", "type", "%s", hcl_type_name(report.type));
	sheet_number(sheet, "type_number", NULL, report.type);
	sheet_number(sheet, "data_version", "version of the data", report.data_version);
	sheet_number(sheet, "used", "bytes used", report.used_len);
	sheet_hex(sheet, "claims_hash", "hash of the claims", digest_bytes(&report.claims_digest));
	sheet_bool(sheet, "claims_vouched", "hardware report has it", hcl_claims_vouched(&report));
	sheet_end(sheet);
	show_claims(&claims, sheet);
	return show_hardware(&report, sheet, err);
}

static void show_pcrs(const struct tpm_pcrs *pcrs, struct sheet *sheet)
{
	sheet_begin(sheet, "pcrs", "PCRs (SHA-256)");
	for (size_t i = 0; i < TPM_PCRS; i++) {
		char key[16];
		char label[16];
		(void)snprintf(key, sizeof(key), "pcr%02zu", i);
		(void)snprintf(label, sizeof(label), "PCR %zu", i);
		sheet_hex(sheet, key, label, bytes_of(pcrs->values[i], TPM_PCR_LEN));
	}
	sheet_end(sheet);
}

/* Before version 2 nobody asked for user-data. */
static void forget_user_data(struct look *look)
{
	size_t kept = 0;
	for (size_t i = 0; i < look->count; i++)
		if (strcmp(look->findings[i].name, "user-data") != 0)
			look->findings[kept++] = look->findings[i];
	look->count = kept;
}

/* The oldest evidence has it as PEM; what is none stays empty, which is no certificate either. */
static void show_vcek(const struct az_evidence *evidence, const struct hcl_report *report, struct look *findings,
		      struct sheet *sheet)
{
	size_t before = findings->count;
	struct buf der OWNED_BUF = BUF_INIT(AZ_ENDORSEMENT_MAX);
	struct bytes vcek = buf_bytes(&evidence->endorsement);
	if (evidence->version == 0)
		vcek = snp_cert_of_pem(buf_text(&evidence->endorsement), &der, NULL) == 0 ? buf_bytes(&der)
											  : bytes_of(NULL, 0);
	look_at_az_vcek(report, vcek, findings);
	sheet_bool(sheet, "vcek_signed", "VCEK signed the report",
		   report->type == HCL_SNP && findings->count == before);
}

/* The links hold or do not; which report data were asked for is not known here, so the quote's are taken. */
static void show_links(const struct az_evidence *evidence, struct sheet *sheet)
{
	struct az_gathered gathered = { .quoted = evidence->quoted, .claims = HCL_CLAIMS_INIT };
	struct tpm_quote quote;
	struct tdreport report;
	struct tdx_quote td_quote;
	struct look findings = { .count = 0 };
	if (hcl_read(buf_bytes(&evidence->hcl), &gathered.report, NULL) == 0 &&
	    hcl_claims_read(gathered.report.claims, &gathered.claims, NULL) == 0 &&
	    tpm_quote_read(buf_bytes(&evidence->quoted.message), &quote, NULL) == 0)
		look_at_az(&gathered, quote.extra_data, NULL, &findings);
	look_at_az_kind(evidence->kind, &gathered.report, &findings);
	if (evidence->kind == AZ_SNP)
		show_vcek(evidence, &gathered.report, &findings, sheet);
	if (evidence->kind == AZ_TDX && tdreport_read(gathered.report.hardware, &report, NULL) == 0 &&
	    tdx_quote_read(buf_bytes(&evidence->endorsement), &td_quote, NULL) == 0)
		look_at_az_td_quote(&report, &td_quote.body, &findings);
	if (evidence->version < AZ_EVIDENCE_VERSION)
		forget_user_data(&findings);
	show_findings(&findings, sheet);
	hcl_claims_done(&gathered.claims);
}

int show_az_evidence(struct bytes content, struct sheet *sheet, struct err *err)
{
	struct json *doc OWNED_JSON = NULL;
	struct az_evidence evidence OWNED_AZ_EVIDENCE = AZ_EVIDENCE_INIT;
	if (json_parse(content, JSON_MAX, &doc, err) < 0 || az_evidence_open(doc, &evidence, err) < 0)
		return -1;
	sheet_text(sheet, "tee", "TEE", "%s", az_kind_name(evidence.kind));
	sheet_number(sheet, "evidence_version", "version of the evidence", evidence.version);
	sheet_number(sheet, "endorsement_length",
		     evidence.kind == AZ_SNP ? "bytes of the VCEK" : "bytes of the TD quote", evidence.endorsement.len);
	if (show_tpm_quote(buf_bytes(&evidence.quoted.message), sheet, err) < 0 ||
	    show_hcl_report(buf_bytes(&evidence.hcl), sheet, err) < 0)
		return -1;
	show_pcrs(&evidence.quoted.pcrs, sheet);
	show_links(&evidence, sheet);
	return evidence.kind == AZ_TDX
		       ? show_within("td_quote", buf_bytes(&evidence.endorsement), show_tdx_quote, sheet, err)
		       : 0;
}

/* Without a key nobody knows who signed it. */
int show_tpm_quoted(struct bytes content, struct sheet *sheet, struct err *err)
{
	struct json *doc OWNED_JSON = NULL;
	struct tpm_quoted quoted OWNED_QUOTED = TPM_QUOTED_INIT;
	struct tpm_quote quote;
	struct look findings = { .count = 0 };
	if (json_parse(content, JSON_MAX, &doc, err) < 0 || tpm_quoted_open(doc, &quoted, err) < 0 ||
	    show_tpm_quote(buf_bytes(&quoted.message), sheet, err) < 0)
		return -1;
	sheet_text(sheet, "signature_by", "signed by", "nobody knows: the key is not beside it");
	show_pcrs(&quoted.pcrs, sheet);
	if (tpm_quote_read(buf_bytes(&quoted.message), &quote, NULL) == 0)
		look_at_tpm(&quoted, NULL, quote.extra_data, NULL, &findings);
	show_findings(&findings, sheet);
	return 0;
}

static void show_tpm_links(const struct tpm_quoted *quoted, struct bytes spki, struct sheet *sheet)
{
	const struct tpm_signer signer = {
		.spki = spki,
		.name = "the attestation key beside it",
		.else_what = "one of them is not this TPM's",
	};
	struct tpm_quote quote;
	struct look findings = { .count = 0 };
	if (tpm_quote_read(buf_bytes(&quoted->message), &quote, NULL) == 0)
		look_at_tpm(quoted, &signer, quote.extra_data, NULL, &findings);
	show_findings(&findings, sheet);
}

int show_tpm_evidence(struct bytes content, struct sheet *sheet, struct err *err)
{
	struct json *doc OWNED_JSON = NULL;
	struct tpm_quoted quoted OWNED_QUOTED = TPM_QUOTED_INIT;
	struct buf ak OWNED_BUF = BUF_INIT(RSA_SPKI_MAX);
	if (json_parse(content, JSON_MAX, &doc, err) < 0 || tpm_evidence_open(doc, &quoted, &ak, err) < 0 ||
	    show_tpm_quote(buf_bytes(&quoted.message), sheet, err) < 0)
		return -1;
	sheet_text(sheet, "proves", "proves", "nothing of who can read this machine's memory: a TPM alone is no TEE");
	sheet_hex(sheet, "ak_public", "attestation key", buf_bytes(&ak));
	show_pcrs(&quoted.pcrs, sheet);
	show_tpm_links(&quoted, buf_bytes(&ak), sheet);
	return 0;
}
