/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The look at what was gathered on Azure: every link from the report data to the hardware report.
 *
 * All of it came out of the vTPM. A link that is broken means a vTPM that is broken or not the paravisor's;
 * the verifier would refuse it without saying which. Must never drop a broken link.
 */
#include "attest/az_common.h"

#include <stddef.h>
#include <string.h>

#include "attest/look_parts.h"
#include "attest/look_tpm.h"
#include "attest/rsa_public.h"
#include "attest/snp_signature.h"

static void look_at_claims(struct look *look, const struct az_gathered *gathered, struct bytes report_data)
{
	if (!hcl_claims_vouched(&gathered->report))
		look_refuse(look, "claims-hash",
			    "the %s report inside the HCL report does not carry the hash of the claims: the claims are "
			    "forged, or torn",
			    hcl_type_name(gathered->report.type));
	if (!hcl_claims_carry(&gathered->claims, report_data))
		look_add(look, LOOK_FATAL, ERR_BINDING, "user-data",
			 gathered->claims.has_user_data ? "the HCL report is stale: its claims carry other report data"
							: "the HCL report's claims have no 'user-data'");
	if (gathered->report.data_version != 1)
		look_warn(look, "hcl-data-version",
			  "the data of the HCL report are of version %u: verifiers that look for the claims where "
			  "version "
			  "1 has them refuse the evidence, Trustee's of today among them",
			  gathered->report.data_version);
	const struct json *secure_boot = json_member(gathered->claims.vm_configuration, "secure-boot");
	if (!secure_boot)
		secure_boot = json_member(gathered->claims.vm_configuration, "secure_boot");
	bool on = true;
	if (secure_boot && json_type(secure_boot) == JSON_BOOL &&
	    json_get_bool(gathered->claims.vm_configuration, json_name(secure_boot), &on, NULL) == 0 && !on)
		look_warn(look, "secure-boot", "secure boot is off in this VM");
}

void look_at_az(const struct az_gathered *gathered, struct bytes report_data, const struct digest *init_data,
		struct look *look)
{
	struct buf spki OWNED_BUF = BUF_INIT(RSA_SPKI_MAX);
	struct tpm_signer signer = {
		.name = "the key 'HCLAkPub' that the HCL report names",
		.else_what = "this is not the vTPM of the paravisor, or its key was replaced",
	};
	look_at_claims(look, gathered, report_data);
	if (rsa_public_spki(buf_bytes(&gathered->claims.ak_n), buf_bytes(&gathered->claims.ak_e), &spki, NULL) == 0)
		signer.spki = buf_bytes(&spki);
	look_at_tpm(&gathered->quoted, &signer, report_data, init_data, look);
}

void look_at_az_kind(enum az_kind kind, const struct hcl_report *report, struct look *look)
{
	if (report->type != (kind == AZ_SNP ? HCL_SNP : HCL_TDX))
		look_refuse(look, "hcl-type", "the HCL report is of type '%s', but the evidence is that of '%s'",
			    hcl_type_name(report->type), az_kind_name(kind));
}

void look_at_az_vcek(const struct hcl_report *report, struct bytes vcek, struct look *look)
{
	struct err why = { 0 };
	if (report->type == HCL_SNP && snp_signature_check(report->hardware, vcek, &why) < 0)
		look_add(look, LOOK_FATAL, why.code, why.code == ERR_SERVER ? "snp-signature" : "vcek", "%s",
			 why.message);
}

/* What a TDREPORT and the quote that is made of it share. */
#define SHARED(finding, label, in_report, in_quote)                                                                    \
	{                                                                                                              \
		finding, label, offsetof(struct tdreport, in_report), offsetof(struct tdx_body, in_quote),             \
			sizeof(((struct tdreport *)0)->in_report)                                                      \
	}
#define SHARED_TD(finding, label, field) SHARED(finding, label, td.field, td.field)

static const struct shared {
	const char *finding;
	const char *label;
	size_t in_report;
	size_t in_quote;
	size_t len;
} shared[] = {
	SHARED("td-report-data", "REPORTDATA", report_data, report_data),
	SHARED_TD("td-attributes", "TDATTRIBUTES", attributes.raw),
	SHARED_TD("td-xfam", "XFAM", xfam),
	SHARED_TD("td-mrtd", "MRTD", mrtd),
	SHARED_TD("td-mrconfigid", "MRCONFIGID", mrconfigid),
	SHARED_TD("td-mrowner", "MROWNER", mrowner),
	SHARED_TD("td-mrownerconfig", "MROWNERCONFIG", mrownerconfig),
	SHARED_TD("td-rtmr0", "RTMR0", rtmr[0]),
	SHARED_TD("td-rtmr1", "RTMR1", rtmr[1]),
	SHARED_TD("td-rtmr2", "RTMR2", rtmr[2]),
	SHARED_TD("td-rtmr3", "RTMR3", rtmr[3]),
	SHARED("td-tcb-svn", "TEE_TCB_SVN", tee_tcb_svn, tee_tcb_svn),
	SHARED("td-mrseam", "MRSEAM", mrseam, mrseam),
	SHARED("td-mrsignerseam", "MRSIGNERSEAM", mrsignerseam, mrsignerseam),
	SHARED("td-seam-attributes", "SEAMATTRIBUTES", seam_attributes, seam_attributes),
};

void look_at_az_td_quote(const struct tdreport *report, const struct tdx_body *quoted, struct look *look)
{
	for (size_t i = 0; i < ARRAY_LEN(shared); i++) {
		const struct shared *field = &shared[i];
		const struct bytes in_report = bytes_of((const uint8_t *)report + field->in_report, field->len);
		const struct bytes in_quote = bytes_of((const uint8_t *)quoted + field->in_quote, field->len);
		char report_hex[2 * REPORT_DATA_LEN + 1];
		char quote_hex[2 * REPORT_DATA_LEN + 1];
		if (bytes_equal(in_report, in_quote))
			continue;
		look_hex(in_report, report_hex, sizeof(report_hex));
		look_hex(in_quote, quote_hex, sizeof(quote_hex));
		look_add(
			look, LOOK_FATAL, ERR_BINDING, field->finding,
			"%s is %s in the TD quote, but %s in the TDREPORT of the HCL report: the metadata service gave "
			"the quote of another TD, or of another report",
			field->label, quote_hex, report_hex);
	}
}
