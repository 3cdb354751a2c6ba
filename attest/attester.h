/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of attesters: which TEEs this build can prove, how each is
 * recognised, and what gathers its evidence.
 *
 * A TEE is detected by what is really there; there is never a fall-back to
 * another one. The `sample` attester proves nothing and exists only in builds
 * made with -Dsample_attester=true, for tests; such a build says so each time.
 */
#ifndef SEALPOD_ATTEST_ATTESTER_H
#define SEALPOD_ATTEST_ATTESTER_H

#include <stdbool.h>

#include "base/digest.h"
#include "base/json.h"

struct attester {
	const char *tee;       /* as the KBS spells it */
	const char *looks_for; /* what its probe looks at, for people */
	bool (*probe)(void);
	/* Evidence bound to `runtime`, which the attester pads as its TEE demands, as the JSON
	 * that the KBS's verifier takes. */
	int (*collect)(const struct digest *runtime, struct json **ret_evidence, struct err *err);
	const char *warning; /* said at each run, NULL for none */
};

/* The attester of the TEE in which this process runs. ERR_NO_TEE, with all that was looked
 * for, if there is none. */
int attester_detect(const struct attester **ret_attester, struct err *err) WARN_UNUSED;

#endif
