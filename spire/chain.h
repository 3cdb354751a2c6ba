/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A certificate chain, leaf first, held against what the SPIRE server's x509pop
 * attestor and Go's verifier demand.
 */
#ifndef SEALPOD_SPIRE_CHAIN_H
#define SEALPOD_SPIRE_CHAIN_H

#include "spire/cert.h"
#include "spire/problems.h"

#define SPIRE_MAX_INTERMEDIATES 4
#define SPIRE_MAX_RSA_BITS 8192
#define SPIRE_MIN_RSA_BITS 2048
#define SPIRE_MIN_LIFE 3600 /* seconds that a certificate must still be valid */

/* "the leaf certificate ('CN=…')", "issuer 1 of 2 ('CN=…')" */
#define SPIRE_CERT_NAME 192
void spire_chain_name(const struct spire_certs *chain, size_t i, char name[SPIRE_CERT_NAME]);

/* Adds each violation of the chain (at least the leaf) at the time `now`. */
void spire_chain_check(const struct spire_certs *chain, time_t now, struct spire_problems *problems);

/* Why SPIRE does not take such a key for a leaf (`leaf`) or an issuer, NULL if
 * it does. Fixed texts. */
const char *spire_key_refusal(const EVP_PKEY *key, bool leaf);

/* The CA flag and, if there is a KeyUsage, keyCertSign. */
bool spire_cert_is_ca(X509 *cert);

#endif
