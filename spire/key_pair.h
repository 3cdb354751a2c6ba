/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A private key and a certificate chain as they were found in their texts, before
 * anything is said about their worth.
 */
#ifndef SEALPOD_SPIRE_KEY_PAIR_H
#define SEALPOD_SPIRE_KEY_PAIR_H

#include "base/secret.h"
#include "spire/cert.h"
#include "spire/credential.h"
#include "spire/problems.h"

struct spire_key_pair {
	struct secret key_der;
	struct bytes key_label; /* borrowed from the key's text; empty if no key was taken */
	EVP_PKEY *key;		/* NULL if there is none that can be read */
	struct spire_certs chain;
};

#define SPIRE_KEY_PAIR_INIT                                                                                            \
	{                                                                                                              \
		.key_der = SECRET_INIT                                                                                 \
	}
#define OWNED_KEY_PAIR CLEANUP(spire_key_pair_done)

void spire_key_pair_done(struct spire_key_pair *pair);

/* `key` holds the key, or all; then `chain` is empty (.len = 0). What is missing or cannot be read
 * is a problem; -1 is for want of memory and texts larger than
 * SPIRE_CREDENTIAL_MAX. */
int spire_key_pair_load(struct bytes key, struct bytes chain, struct spire_key_pair *ret_pair,
			struct spire_problems *problems, struct err *err) WARN_UNUSED;

#endif
