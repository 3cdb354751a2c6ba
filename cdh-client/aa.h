/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The attestation agent of the guest (ttrpc service
 * attestation_agent.AttestationAgentService). It gathers evidence, and with a KBS
 * behind it gets tokens: each call attests anew.
 */
#ifndef SEALPOD_CDH_CLIENT_AA_H
#define SEALPOD_CDH_CLIENT_AA_H

#include "base/clock.h"
#include "cdh-client/tee_key.h"

#define AA_SOCKET "/run/confidential-containers/attestation-agent/attestation-agent.sock"

/* Longest token document; a verbose EAR with init-data claims takes some ten KiB. */
#define AA_TOKEN_MAX (256u * 1024u)
#define AA_EVIDENCE_MAX (512u * 1024u)
/* What hardware reports have room for. */
#define AA_RUNTIME_DATA_MAX 64

/* A token of the KBS with the key to which the KBS encrypts for it. */
struct aa_token {
	struct buf jwt; /* goes into "Authorization: Bearer"; never printed */
	struct tee_key *key;
	int64_t issued_at; /* seconds since 1970 as the token says it, 0 where it does not */
	int64_t expires_at;
};

#define AA_TOKEN_INIT                                                                                                  \
	{                                                                                                              \
		.jwt = BUF_INIT(AA_TOKEN_MAX)                                                                          \
	}
void aa_token_done(struct aa_token *token);
#define OWNED_AA_TOKEN CLEANUP(aa_token_done)

/* Reads {"token": "<JWT>", "tee_keypair": "<PEM>"}. The token's signature is the KBS's
 * business, its times are only reported. ERR_PROTOCOL otherwise. */
int aa_token_parse(const struct secret *json, struct aa_token *ret_token, struct err *err) WARN_UNUSED;

struct aa;

/* Connects at the first call. A `path` of NULL: AA_SOCKET. */
int aa_open(const char *path, struct aa **ret_aa, struct err *err) WARN_UNUSED;
void aa_close(struct aa *aa);
void aa_cleanup(struct aa **aa);
#define OWNED_AA CLEANUP(aa_cleanup)

/* Errors of all: those of ttrpc_call(), ERR_TIMEOUT (the agent's own), ERR_SERVER (the agent
 * says that it failed; it hides why), ERR_PROTOCOL (it has no such call, or its answer makes no
 * sense). Each aa_get_token() and aa_get_evidence() costs a hardware report. */
int aa_get_tee_type(struct aa *aa, const struct deadline *deadline, char ret_tee[static 32],
		    struct err *err) WARN_UNUSED;
int aa_get_evidence(struct aa *aa, struct bytes runtime_data, const struct deadline *deadline, struct buf *ret_json,
		    struct err *err) WARN_UNUSED;
int aa_get_token(struct aa *aa, const struct deadline *deadline, struct aa_token *ret_token,
		 struct err *err) WARN_UNUSED;

#endif
