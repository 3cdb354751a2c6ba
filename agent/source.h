/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where secrets come from: one interface over the KBS itself (with evidence of our own, or with a token
 * of the guest's attestation agent) and the guest's confidential data hub (ttrpc or REST).
 *
 * `auto` takes the first that can be reached: the KBS where a TEE's device is there; the attestation
 * agent's token and the KBS; the data hub by ttrpc; the data hub by REST. The choice is made once, by what is
 * there, never by what failed: a host must not be able to steer it by breaking things. What is to be expected but not
 * there yet is waited for (agent/source_choose.h).
 */
#ifndef SEALPOD_AGENT_SOURCE_H
#define SEALPOD_AGENT_SOURCE_H

#include "config/config.h"
#include "agent/overseer.h"
#include "attest/attester.h"
#include "base/clock.h"
#include "cdh-client/cdh.h"
#include "cdh-client/kbs.h"
#include "cdh-client/rest.h"
#include "initdata/document.h"

struct source {
	const struct config *config;
	const struct order *order;
	const struct initdata *initdata; /* what the TEE must be bound to and the KBS is sent; NULL: none */
	struct deadline deadline;
	enum source_kind kind;		 /* never SOURCE_AUTO once it is open */
	const struct attester *attester; /* of SOURCE_KBS */
	struct buf report;		 /* the last report that it gathered, raw */
	struct kbs_options kbs_options;
	struct kbs *kbs;
	struct aa *aa;
	struct rest *rest;
	struct cdh *cdh;
};

#define SOURCE_INIT                                                                                                    \
	{                                                                                                              \
		.report = BUF_INIT(TSM_BLOB_MAX)                                                                       \
	}

/* Starts the libraries: once, in the process that talks, never in the one that becomes the agent. */
int source_setup(struct err *err) WARN_UNUSED;

/* The end of the whole start: from its beginning, by the command line or the configuration. */
struct deadline source_deadline(const struct config *config, const struct order *order);

/* Chooses the way, waiting for it if need be, and opens it; sends nothing to a KBS yet. All that is pointed to must
 * outlive it. With `initdata` only the TEE itself can prove the binding, so nothing but the KBS with own evidence is
 * taken (ERR_BINDING otherwise). */
int source_open(const struct config *config, const struct order *order, const struct initdata *initdata,
		struct deadline deadline, struct source *ret_source, struct err *err) WARN_UNUSED;
void source_close(struct source *source);
#define OWNED_SOURCE CLEANUP(source_close)

/* One secret. What is still sealed is unsealed with the configured key, or refused: sealed text never
 * passes for a secret. */
int source_get(struct source *source, const struct secret_ref *ref, struct secret *ret_secret,
	       struct err *err) WARN_UNUSED;

/* Opens a sealed text by the same rules. */
int source_unseal(struct source *source, struct bytes sealed, struct secret *ret_secret, struct err *err) WARN_UNUSED;

#endif
