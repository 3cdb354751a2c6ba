/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the attesters of Azure's confidential VMs share. There the hardware report belongs to
 * the paravisor; a guest gives report data to an NV index of the vTPM and reads the HCL report
 * from another. Its claims name the key that quotes the PCRs:
 *
 *     report data = extra data of the quote -> quote signed by the AK -> AK in the claims
 *     -> hash of the claims = report data of the hardware report -> VCEK or TD quote
 */
#ifndef SEALPOD_ATTEST_AZ_COMMON_H
#define SEALPOD_ATTEST_AZ_COMMON_H

#include "attest/attester.h"
#include "attest/az_evidence.h"
#include "attest/hcl.h"
#include "attest/look.h"
#include "attest/tdreport.h"
#include "attest/tpm.h"

#define AZ_NV_HCL 0x01400001u
#define AZ_NV_REPORT_DATA 0x01400002u
#define AZ_AK 0x81000003u

#define AZ_REPORT_MS 20000 /* that the paravisor may take for a new HCL report; three seconds are usual */
#define AZ_TURN_MS 3000	   /* that another program is given to read the one that it asked for */
#define AZ_TURNS 8	   /* times that other programs may come first */

/* The type of the HCL report in this machine's TPM; HCL_NONE where there is no TPM or no HCL report in it. A TPM
 * alone is no sign of Azure. *ret_trouble is filled if the TPM failed, so that the answer is no answer. */
uint32_t az_probe(struct err *ret_trouble);

/* All that the guest can gather by itself. struct bytes members of `report` point into `hcl`. */
struct az_gathered {
	struct tpm_quoted quoted;
	struct buf hcl;
	struct hcl_report report;
	struct hcl_claims claims;
};

#define AZ_GATHERED_INIT                                                                                               \
	{                                                                                                              \
		.quoted = TPM_QUOTED_INIT, .hcl = BUF_INIT(AZ_HCL_MAX), .claims = HCL_CLAIMS_INIT                      \
	}
#define OWNED_GATHERED CLEANUP(az_gathered_done)
void az_gathered_done(struct az_gathered *gathered);

/* An index cannot be empty: where nothing was asked for, 64 zeros are, as a report of SNP or TDX has them then. */
struct bytes az_report_data(struct bytes asked);

struct az_patience {
	int64_t report_ms;
	int64_t turn_ms;
};

/* Writes the report data (1 to 64 bytes), quotes over it, and waits until an HCL report carries it. Where another
 * program waits for its report already it comes first. Where another program overwrites the report data it is let have
 * its report, and ours are written again. ERR_DEVICE if no report carries them. */
int az_gather(struct tpm *tpm, struct bytes report_data, const struct az_patience *patience,
	      const struct deadline *deadline, struct az_gathered *ret_gathered, struct err *err) WARN_UNUSED;

/* The same of this machine's vTPM; programs that do so at once queue up. */
int az_gather_from_device(struct bytes report_data, const struct deadline *deadline, struct az_gathered *ret_gathered,
			  struct err *err) WARN_UNUSED;

/* The look at what was gathered, before it is sent: each link of the chain has a finding of its
 * own name, so that a broken vTPM is told apart from a verifier that says no. Appends to the look
 * claims-hash, user-data and, as warnings, hcl-data-version and secure-boot, then the findings of look_at_tpm(). */
void look_at_az(const struct az_gathered *gathered, struct bytes report_data, const struct digest *init_data,
		struct look *look);

/* Finding hcl-type: the evidence is another kind's than the report. Appends. */
void look_at_az_kind(enum az_kind kind, const struct hcl_report *report, struct look *look);

/* Did the VCEK (DER) sign the SNP report within? Findings vcek, where it is no certificate for that, and snp-signature.
 * Whose certificate it is stays the verifier's question. Appends. */
void look_at_az_vcek(const struct hcl_report *report, struct bytes vcek, struct look *look);

/* Is this the quote of that TDREPORT? A finding for each field that both have and that differs: td-report-data,
 * td-mrtd, td-rtmr0 and so on. Appends. */
void look_at_az_td_quote(const struct tdreport *report, const struct tdx_body *quoted, struct look *look);

#endif
