/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The look at a TPM's quote, of Azure's vTPM as of a plain one; and what init-data make of PCR 8.
 */
#ifndef SEALPOD_ATTEST_LOOK_TPM_H
#define SEALPOD_ATTEST_LOOK_TPM_H

#include "attest/look.h"
#include "attest/tpm_quote.h"

/* Who must have signed a quote. */
struct tpm_signer {
	struct bytes spki;     /* DER; empty where there is no key */
	const char *name;      /* "the key '…' that …", for people */
	const char *else_what; /* what it means if it did not */
};

/* Findings, appended, in this order:
 *
 *     ak, quote-signature, quote, extra-data, pcr-selection, pcr-digest, init-data
 *
 * `signer` NULL: not asked who signed it. */
void look_at_tpm(const struct tpm_quoted *quoted, const struct tpm_signer *signer, struct bytes extra_data,
		 const struct digest *init_data, struct look *look);

/* PCR 8 as this init-data digest (sha256 alone) makes it out of a PCR of zeros. */
int tpm_pcr8_of(const struct digest *init_data, struct digest *ret_pcr, struct err *err) WARN_UNUSED;

#endif
