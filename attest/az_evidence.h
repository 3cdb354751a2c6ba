/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evidence of the TEEs `az-snp-vtpm`, `az-tdx-vtpm` and `tpm`, as the KBS's verifiers take it.
 *
 *     {"version":2,"tpm_quote":{"signature":hex,"message":hex,"pcrs":[24 times hex]},
 *      "hcl_report":base64,"vcek":base64 of DER}        or, for TDX, "td_quote":base64
 *
 * base64 is URL-safe and padded. Version 1 looks the same (its verifier does not ask for
 * user-data); version 0 has no "version", arrays of numbers for bytes, and PEM in "vcek".
 */
#ifndef SEALPOD_ATTEST_AZ_EVIDENCE_H
#define SEALPOD_ATTEST_AZ_EVIDENCE_H

#include "attest/rsa_public.h"
#include "attest/tpm_quote.h"
#include "base/json.h"

#define AZ_EVIDENCE_VERSION 2 /* what is written */
#define AZ_ENDORSEMENT_MAX (64u * 1024u)
#define AZ_HCL_MAX 16384u

enum az_kind { AZ_SNP, AZ_TDX };

const char *az_kind_name(enum az_kind kind); /* "az-snp-vtpm", "az-tdx-vtpm" */

/* `endorsement` is the VCEK in DER for AZ_SNP, the TD quote for AZ_TDX. */
int az_evidence_build(enum az_kind kind, const struct tpm_quoted *quoted, struct bytes hcl, struct bytes endorsement,
		      struct json **ret_evidence, struct err *err) WARN_UNUSED;

struct az_evidence {
	enum az_kind kind;
	unsigned version;
	struct tpm_quoted quoted;
	struct buf hcl;
	struct buf endorsement; /* the VCEK (DER; PEM in version 0) or the TD quote */
};

#define AZ_EVIDENCE_INIT                                                                                               \
	{                                                                                                              \
		.kind = AZ_SNP, .version = 0, .quoted = TPM_QUOTED_INIT, .hcl = BUF_INIT(AZ_HCL_MAX),                  \
		.endorsement = BUF_INIT(AZ_ENDORSEMENT_MAX)                                                            \
	}
#define OWNED_AZ_EVIDENCE CLEANUP(az_evidence_done)
void az_evidence_done(struct az_evidence *evidence);

/* Versions 0, 1 and 2; which kind it is, its members tell. ERR_PROTOCOL naming the member. Only this form is
 * read, not what is inside. *ret_evidence must be AZ_EVIDENCE_INIT or is freed first. */
int az_evidence_open(const struct json *evidence, struct az_evidence *ret_evidence, struct err *err) WARN_UNUSED;

/* The plain TEE `tpm`, which no hardware report backs: {"tpm_quote":{"signature":base64 of a TPMT_SIGNATURE,
 * "message":base64,"pcrs":[24 times hex]},"ak_public":base64 of SPKI}, base64 in its standard form. */
int tpm_evidence_build(const struct tpm_quoted *quoted, struct bytes ak_spki, struct json **ret_evidence,
		       struct err *err) WARN_UNUSED;
int tpm_evidence_open(const struct json *evidence, struct tpm_quoted *ret_quoted, struct buf *ret_ak_spki,
		      struct err *err) WARN_UNUSED;

/* {"signature":…,"message":…,"pcrs":[…]} alone, in the spelling of any of the above. */
int tpm_quoted_open(const struct json *quote, struct tpm_quoted *ret_quoted, struct err *err) WARN_UNUSED;

#endif
