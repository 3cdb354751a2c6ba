/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The x509pop credential: a private key and a certificate chain, checked as the
 * SPIRE agent will load it and as the SPIRE server will verify it, and written
 * as one combined PEM for the hand-off.
 *
 * Loading follows Go's key-pair loader: of the key's text the first block whose
 * label ends in "PRIVATE KEY" counts (PKCS#8, PKCS#1 or SEC1), of the chain's
 * text all CERTIFICATE blocks, the leaf first; both texts may be one and the
 * same, in any order; other blocks (EC PARAMETERS, say) are skipped.
 *
 * All violations are reported in one message. Its code:
 *   ERR_CLOCK       a certificate is not yet valid, and nothing else is wrong: it
 *                   may be the clock;
 *   ERR_CREDENTIAL  everything else: also one that has expired, or that ends within
 *                   the hour (SPIRE loads it again at each re-attestation, so the
 *                   agent would soon be lost): issue anew;
 *   ERR_SYSTEM      no memory.
 */
#ifndef SEALPOD_SPIRE_CREDENTIAL_H
#define SEALPOD_SPIRE_CREDENTIAL_H

#include <time.h>

#include "base/buf.h"
#include "base/secret.h"

/* Largest key text, and largest chain text, that is looked at. */
#define SPIRE_CREDENTIAL_MAX (128u * 1024u)

struct spire_credential {
	struct secret pem;    /* the key's block, then the chain's */
	char fingerprint[41]; /* SHA-1 of the leaf: the last part of SPIRE's default agent id */
	char subject[256];    /* of the leaf; may be empty */
	char sans[512];	      /* "URI:…, DNS:…"; may be empty */
	char key_type[32];    /* "EC P-256", "RSA 2048" */
	size_t intermediates;
	time_t not_before; /* of the leaf */
	time_t not_after;
	time_t ends;	   /* when the first certificate of the chain does */
	char warning[256]; /* a certificate ends within a day; "" if none does */
};

#define SPIRE_CREDENTIAL_INIT                                                                                          \
	{                                                                                                              \
		.pem = SECRET_INIT                                                                                     \
	}
#define OWNED_SPIRE_CREDENTIAL CLEANUP(spire_credential_done)

void spire_credential_done(struct spire_credential *credential);

/* `key` holds the key, or all; then `chain` is empty (.len = 0). `now` is the
 * time to judge by. */
int spire_credential_check(const struct secret *key, struct bytes chain, time_t now,
			   struct spire_credential *ret_credential, struct err *err) WARN_UNUSED;

/* "spiffe://<trust domain>/spire/agent/x509pop/<fingerprint>": the agent's id
 * unless the server has an agent_path_template. */
int spire_credential_agent_id(const struct spire_credential *credential, const char *trust_domain, struct buf *out,
			      struct err *err) WARN_UNUSED;

#endif
