/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which kind of evidence is this? By content alone: names of files say nothing.
 *
 * The rows stand in the order in which they are asked: those that are sure (a magic, a
 * member's name) before those that go by numbers and lengths. An SNP report full of zeros
 * would pass for an old event log, so it comes first. A wrong guess costs a message about the
 * wrong kind, no more: each reader checks all of it again.
 */
#include "attest/show.h"

static const struct show_kind kinds[] = {
	{ "snp-evidence", "evidence of the TEE 'snp' (Confidential Containers)", is_snp_evidence, show_snp_evidence },
	{ "tdx-evidence", "evidence of the TEE 'tdx' (Confidential Containers)", is_tdx_evidence, show_tdx_evidence },
	{ "az-snp-evidence", "evidence of the TEE 'az-snp-vtpm' (Confidential Containers)", is_az_snp_evidence,
	  show_az_evidence },
	{ "az-tdx-evidence", "evidence of the TEE 'az-tdx-vtpm' (Confidential Containers)", is_az_tdx_evidence,
	  show_az_evidence },
	{ "tpm-evidence", "evidence of the TEE 'tpm' (Confidential Containers)", is_tpm_evidence, show_tpm_evidence },
	{ "tpm-quote-evidence", "TPM quote and PCRs (part of evidence of Confidential Containers)", is_tpm_quoted,
	  show_tpm_quoted },
	{ "hcl-report", "HCL report (Azure)", is_hcl_report, show_hcl_report },
	{ "tpm-quote", "TPM quote", is_tpm_quote, show_tpm_quote },
	{ "ccel-table", "ACPI table CCEL", is_ccel_table, show_ccel_table },
	{ "tdx-quote", "TDX quote", is_tdx_quote, show_tdx_quote },
	{ "tdreport", "TDREPORT", is_tdreport, show_tdreport },
	{ "snp-report", "SNP attestation report", is_snp_report, show_snp_report },
	{ "event-log", "event log", is_eventlog, show_eventlog },
	{ "snp-certificates", "certificate table of an SNP host", is_snp_certs, show_snp_certs },
};

const struct show_kind *show_find(struct bytes content)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (kinds[i].is(content))
			return &kinds[i];
	return NULL;
}

void show_list(struct buf *ret_text)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (buf_printf(ret_text, NULL, "%s%s", i ? ", " : "", kinds[i].heading) < 0)
			return; /* enough for a message */
}

void show_findings(const struct look *look, struct sheet *sheet)
{
	sheet_begin_list(sheet, "findings", look->count ? "findings" : NULL);
	for (size_t i = 0; i < look->count; i++) {
		const struct look_finding *finding = &look->findings[i];
		bool fatal = finding->severity == LOOK_FATAL;
		sheet_begin(sheet, NULL, NULL);
		sheet_text(sheet, "severity", NULL, "%s", fatal ? "fatal" : "warning");
		sheet_text(sheet, "name", NULL, "%s", finding->name);
		sheet_text(sheet, "text", fatal ? "must be refused" : "warning", "%s", finding->text);
		sheet_end(sheet);
	}
	sheet_end(sheet);
}
