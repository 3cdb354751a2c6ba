/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One attestation, to see what a KBS thinks of it: an attestation policy that rates nothing is taken by the
 * KBS like any other, and only a token shows it.
 */
#ifndef SEALPOD_CTL_CHECK_TOKEN_H
#define SEALPOD_CTL_CHECK_TOKEN_H

#include "base/clock.h"
#include "cdh-client/appraisal.h"
#include "cdh-client/kbs.h"

struct check_token {
	const char *url;
	struct bytes ca_pem;
	const char *tee; /* the TEE that this machine is, as --tee names it; "auto": the one that is found */
	struct deadline deadline;
};

/* This machine as a source of evidence; `source` must stay. ERR_NO_TEE, ERR_USAGE. */
struct attester;
struct check_token_source {
	const struct attester *attester;
	struct deadline deadline;
};
int check_token_source(const char *tee, const struct deadline *deadline, struct check_token_source *source,
		       struct kbs_evidence *ret_evidence, struct err *err) WARN_UNUSED;

/* Attests this machine and looks at the token. ERR_DENIED if it is not "affirming" in all parts, ERR_NO_TEE, and what
 * an attestation may end with. */
int check_token_attest(const struct check_token *check, struct appraisal *ret_appraisal, struct err *err) WARN_UNUSED;

/* ERR_DENIED with what is wrong, and where it comes from. */
int check_token_judge(const struct appraisal *appraisal, struct err *err) WARN_UNUSED;

#endif
