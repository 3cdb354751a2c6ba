/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A TPM 2.0 quote as fields (TPMS_ATTEST of type TPM_ST_ATTEST_QUOTE), and the registers that
 * it stands for. Reading checks the layout; who signed it and whether the values are good ones
 * is for others to say.
 */
#ifndef SEALPOD_ATTEST_TPM_QUOTE_H
#define SEALPOD_ATTEST_TPM_QUOTE_H

#include "base/digest.h"

#define TPM_PCRS 24
#define TPM_PCR_LEN 32 /* the SHA-256 bank, the only one that is used here */
#define TPM_INIT_DATA_PCR 8
#define TPM_QUOTE_MAX 1024 /* bytes of a TPMS_ATTEST; real ones are below 200 */
#define TPM_SIGNATURE_MAX 1024
#define TPM_EXTRA_DATA_MAX 64 /* of a quote by this program; TPMs take two bytes more (TPM2B_DATA) */
#define TPM_SELECTIONS_MAX 16

enum { TPM_ALG_SHA256_ID = 0x000B, TPM_ALG_RSASSA_ID = 0x0014 };

struct tpm_pcrs {
	uint8_t values[TPM_PCRS][TPM_PCR_LEN];
};

struct tpm_selection {
	uint16_t alg;
	uint8_t size;  /* bytes of the bitmap */
	uint32_t pcrs; /* bit n: PCR n */
};

/* struct bytes members are borrowed from the message. */
struct tpm_quote {
	struct bytes signer; /* name of the signing key, qualified */
	struct bytes extra_data;
	uint64_t clock;
	uint32_t reset_count;
	uint32_t restart_count;
	bool safe;
	uint64_t firmware_version;
	size_t selection_count;
	struct tpm_selection selections[TPM_SELECTIONS_MAX];
	struct bytes pcr_digest;
};

/* All of the message, nothing behind it. ERR_PROTOCOL with the offset. */
int tpm_quote_read(struct bytes message, struct tpm_quote *ret_quote, struct err *err) WARN_UNUSED;

/* Does it cover exactly PCR 0 to 23 of the SHA-256 bank? Otherwise the values beside it may be mislabelled. */
bool tpm_quote_covers_all(const struct tpm_quote *quote);

/* SHA-256 over the values, as a quote that covers all of them has it. */
int tpm_pcrs_digest(const struct tpm_pcrs *pcrs, struct digest *ret_digest, struct err *err) WARN_UNUSED;

/* The bare signature inside a marshalled TPMT_SIGNATURE, which must be RSASSA with SHA-256 and
 * nothing more; borrowed. */
int tpm_signature_read(struct bytes marshalled, struct bytes *ret_raw, struct err *err) WARN_UNUSED;

/* What a quote takes with it: message, bare RSASSA signature, the values of the registers. */
struct tpm_quoted {
	struct buf message;
	struct buf signature;
	struct tpm_pcrs pcrs;
};

#define TPM_QUOTED_INIT                                                                                                \
	{                                                                                                              \
		.message = BUF_INIT(TPM_QUOTE_MAX), .signature = BUF_INIT(TPM_SIGNATURE_MAX), .pcrs = { { { 0 } } }    \
	}
#define OWNED_QUOTED CLEANUP(tpm_quoted_done)
void tpm_quoted_done(struct tpm_quoted *quoted);

#endif
