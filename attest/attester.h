/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of attesters: which TEEs this build can prove, how each is
 * recognised, and what gathers its evidence.
 *
 * A TEE is detected by what is really there and by what that says; there is never a
 * fall-back to another one. The `sample` attester proves nothing and exists only in builds
 * made with -Dsample_attester=true, for tests; such a build says so each time.
 */
#ifndef SEALPOD_ATTEST_ATTESTER_H
#define SEALPOD_ATTEST_ATTESTER_H

#include <stdbool.h>

#include "attest/tsm.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/json.h"

/* What was seen of this machine, once. */
struct attester_signs {
	char tsm_provider[TSM_PROVIDER_MAX]; /* "" where configfs-tsm gives no reports */
	bool foreign_provider;		     /* it is one that we do not know: no device counts beside it */
	bool sev_guest;			     /* /dev/sev-guest */
	bool tdx_guest;			     /* /dev/tdx_guest */
	uint32_t hcl_type;		     /* of the HCL report in the TPM (attest/hcl.h); 0 where there is none */
};

/* What to gather. */
struct attester_request {
	struct bytes report_data;	/* at most 64 bytes; each TEE pads as its verifier does */
	const struct digest *init_data; /* what the TEE must be bound to; NULL: not asked */
	const char *instance;		/* name for what must be made in shared places (configfs-tsm) */
	struct deadline deadline;
};

/* Evidence, and what it was made of. */
struct attester_evidence {
	struct json *json; /* as the KBS's verifier takes it */
	struct buf raw;	   /* the report or quote itself; empty where there is none */
	struct buf certs;  /* the host's certificate table; empty where there is none */
};

#define ATTESTER_EVIDENCE_INIT                                                                                         \
	{                                                                                                              \
		.json = NULL, .raw = BUF_INIT(TSM_BLOB_MAX), .certs = BUF_INIT(TSM_BLOB_MAX)                           \
	}
#define OWNED_EVIDENCE CLEANUP(attester_evidence_done)
void attester_evidence_done(struct attester_evidence *evidence);

/* What tells whether a TEE is there, and may fail to. */
enum attester_found_by { ATTESTER_BY_CONFIGFS, ATTESTER_BY_VTPM, ATTESTER_BY_NOTHING };

struct attester {
	const char *tee; /* as the KBS spells it */
	enum attester_found_by found_by;
	const char *looks_for;	  /* what its probe looks at, for people */
	const char *init_data_in; /* where init-data is bound: "HOST_DATA", …; NULL: nowhere */
	/* The bytes of that register, appended, where they are to be had without evidence; NULL where they are not. */
	int (*read_init_data)(struct buf *ret_register, struct err *err);
	bool (*probe)(const struct attester_signs *signs);
	/* One try. Looks at what it gathered before it returns it: a fatal finding is an error, the
	 * others are logged. */
	int (*collect)(const struct attester_request *request, struct attester_evidence *ret_evidence, struct err *err);
	const char *warning; /* said at each run, NULL for none */
	bool by_name_only;   /* never found: it proves nothing, and stands for a TEE only where somebody says so */
};

/* The attester of the TEE in which this process runs, or the one that is forced by name (NULL:
 * none is). ERR_NO_TEE, with all that was looked for and seen, if there is none, if there is more than one, or if the
 * forced one is not there; ERR_USAGE for a name that this build does not know. ERR_DEVICE or ERR_SYSTEM where it cannot
 * be told, because configfs-tsm or the vTPM is there and fails: that is never taken for absent. */
int attester_detect(const char *instance, const char *forced, const struct attester **ret_attester,
		    struct err *err) WARN_UNUSED;

/* attester->collect(), again for as long as that can help: an attempt that yielded no report because the host was busy
 * or silent is repeated, two seconds or more later, until the deadline. A second report is made only where the first
 * could not be used: it was empty, or somebody else had written to its instance. */
int attester_collect(const struct attester *attester, const struct attester_request *request,
		     struct attester_evidence *ret_evidence, struct err *err) WARN_UNUSED;

#endif
