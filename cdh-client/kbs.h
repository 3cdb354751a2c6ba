/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session with the KBS over RCAR: one attestation serves all resources, over
 * one kept connection, under one deadline.
 *
 * What the answers mean, and which of them are worth another try, is fixed here
 * once (docs/architecture.md, "Failing well"): a refusal by policy is final at
 * once; a refused attestation is tried once more after 30 s, because bad
 * evidence and a broken verifier look the same; a missing resource and a broken
 * storage look the same too and are asked for again within the session; a lost
 * session is made anew once per resource. Network trouble and 5xx are retried
 * with back-off until the deadline. No report is spent where it cannot help.
 */
#ifndef SEALPOD_CDH_CLIENT_KBS_H
#define SEALPOD_CDH_CLIENT_KBS_H

#include "base/clock.h"
#include "base/digest.h"
#include "base/http.h"
#include "base/json.h"
#include "base/secret.h"
#include "cdh-client/kbs_facts.h"
#include "cdh-client/tee_key.h"
#include "cdh-client/uri.h"

/* Where evidence comes from: another layer's knowledge, handed in. */
struct kbs_evidence {
	const char *tee; /* as the KBS spells it */
	/* Evidence bound to `runtime`, as the JSON that the KBS's verifier takes. Called once
	 * per attestation. */
	int (*collect)(const struct digest *runtime, struct json **ret_evidence, void *arg, struct err *err);
	void *arg;
};

/* A token that another component of the guest gets from the KBS (cdh-client/aa.h), instead of a session
 * of our own: resources are then asked for with it, and `evidence` is used for its `tee` only, which messages
 * name. Called at the first resource, once more if the KBS refuses the token, and once more after 30 s where
 * it fails with ERR_SERVER, for a component that hides why may have met a broken verifier. */
struct kbs_token_source {
	/* *ret_jwt becomes the token, *ret_key the key to which the KBS encrypts for it. */
	int (*obtain)(const struct deadline *deadline, struct buf *ret_jwt, struct tee_key **ret_key, void *arg,
		      struct err *err);
	void *arg;
};

struct kbs_options {
	const char *url;
	struct bytes ca_pem;
	enum tee_key_kind tee_key;
	struct kbs_evidence evidence;
	struct kbs_token_source token; /* all zero: attest with `evidence` */
	struct bytes initdata;	       /* sent along in /attest when not empty */
	struct deadline deadline;
	struct kbs_facts *facts; /* filled as the session goes on; NULL: nobody wants to know */
};

struct kbs;

/* Longest token taken. */
#define KBS_TOKEN_MAX (256u * 1024u)

/* Largest resource taken. */
#define KBS_RESOURCE_MAX (256u * 1024u)

/* What `options` points at must outlive the session. Sends nothing. */
int kbs_open(const struct kbs_options *options, struct kbs **ret_kbs, struct err *err) WARN_UNUSED;
void kbs_close(struct kbs *kbs);
void kbs_cleanup(struct kbs **kbs);
#define OWNED_KBS CLEANUP(kbs_cleanup)

/* Asks for a challenge and does nothing with it: can this KBS be attested to? Spends no evidence. Errors as of
 * kbs_get(). */
int kbs_probe(struct kbs *kbs, struct err *err) WARN_UNUSED;

/* Attests, if this session has not; the token's appraisal is in the facts. Errors as of kbs_get(). */
int kbs_attest(struct kbs *kbs, struct err *err) WARN_UNUSED;

/* Fetches one resource, attesting first if this session has not. Errors: ERR_DENIED,
 * ERR_MISSING, ERR_CONFIG (no such plugin), ERR_PROTOCOL, ERR_NETWORK, ERR_TIMEOUT,
 * ERR_SERVER, ERR_TLS, ERR_CLOCK, and what the evidence callback says. */
int kbs_get(struct kbs *kbs, const struct kbs_uri *uri, struct secret *ret_secret, struct err *err) WARN_UNUSED;

#endif
