/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The attester of the TEE `tpm`, which is none: a TPM that no hardware report backs. It says what was measured at boot,
 * as far as whoever runs the TPM is trusted, and nothing of who can read this machine's memory. So it is never found,
 * only asked for by name.
 */
#ifndef SEALPOD_ATTEST_PLAIN_TPM_H
#define SEALPOD_ATTEST_PLAIN_TPM_H

#include "attest/attester.h"
#include "attest/tpm.h"

#define PLAIN_TPM_AK 0x81010002u /* where the Confidential Containers' own agent looks for it */
#define PLAIN_TPM_REPORT_DATA_LEN 32

extern const struct attester plain_tpm_attester;

/* What its collect() does, with the TPM open. */
int plain_tpm_gather(struct tpm *tpm, const struct attester_request *request, struct attester_evidence *ret_evidence,
		     struct err *err) WARN_UNUSED;

#endif
