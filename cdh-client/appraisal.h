/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a verifier thought of the evidence: the EAR in the KBS's token (draft-ietf-rats-ear), as
 * far as people need it to see why a policy said no.
 *
 * The signature is not verified: who made the token checks it at each use, and nothing is decided here. The
 * token itself, which opens resources to whoever has it, is not kept.
 */
#ifndef SEALPOD_CDH_CLIENT_APPRAISAL_H
#define SEALPOD_CDH_CLIENT_APPRAISAL_H

#include "base/json.h"

#define APPRAISAL_TOKEN_MAX (256u * 1024u)
#define APPRAISAL_SUBMODS_MAX 4
#define APPRAISAL_CLAIMS_MAX 12

struct appraisal_claim {
	char name[32]; /* "executables", "hardware", … */
	int value;     /* -128 to 127 */
};

struct appraisal_submod {
	char name[16];	 /* "cpu0", "gpu0", … */
	char status[32]; /* "affirming", "warning", "contraindicated", "none" */
	char policy[64];
	size_t claim_count;
	struct appraisal_claim claims[APPRAISAL_CLAIMS_MAX];
};

struct appraisal {
	int64_t issued_at; /* seconds since 1970; 0 where it is not said */
	int64_t expires_at;
	size_t submod_count; /* what is beyond the maxima is left out */
	struct appraisal_submod submods[APPRAISAL_SUBMODS_MAX];
};

/* `jwt` is a compact JWS. ERR_PROTOCOL if it is none, or has no appraisal. No message quotes any of it. */
int appraisal_read(struct bytes jwt, struct appraisal *ret_appraisal, struct err *err) WARN_UNUSED;

/* The tier to which a claim's value belongs: "none", "affirming", "warning", "contraindicated" (AR4SI). */
const char *appraisal_tier(int value);

#endif
