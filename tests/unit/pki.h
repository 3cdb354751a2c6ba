/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys and certificates made at run time, right ones and wrong ones. Whatever
 * OpenSSL refuses ends the test program with the line: that is a broken test.
 */
#ifndef SEALPOD_TESTS_PKI_H
#define SEALPOD_TESTS_PKI_H

#include <openssl/x509.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/secret.h"

/* The time at which the tests judge: 2027-01-15T08:00:00Z. */
#define PKI_NOW 1800000000L
#define PKI_HOUR 3600L
#define PKI_DAY 86400L

EVP_PKEY *pki_ec_key(const char *curve); /* "P-256", "secp256k1", … */
EVP_PKEY *pki_ec_key_explicit(void);	 /* P-256 with its parameters spelled out */
EVP_PKEY *pki_rsa_key(unsigned bits);
EVP_PKEY *pki_ed25519_key(void);
EVP_PKEY *pki_rsa_public(unsigned bits); /* a public key of random bits: quick, signs nothing */

/* What a certificate says; zeros mean: nothing of the kind. */
struct pki_profile {
	const char *cn;
	long from; /* seconds relative to PKI_NOW; both 0: a day ago to 30 days ahead */
	long until;
	const char *basic_constraints; /* texts as in OpenSSL's extension syntax */
	const char *key_usage;
	const char *san;
	const char *name_constraints;
	const char *critical_oid; /* an extension that nobody knows */
	bool repeat_san;	  /* the same extension twice */
	bool sha1;
	bool negative_serial;
};

struct pki_node {
	EVP_PKEY *key;
	X509 *cert;
};

/* Takes the key over. issuer NULL: self-signed. */
struct pki_node pki_issue(EVP_PKEY *key, const struct pki_node *issuer, const struct pki_profile *profile);
struct pki_node pki_ca(const char *cn, const struct pki_node *issuer);	 /* P-256 */
struct pki_node pki_leaf(const char *cn, const struct pki_node *issuer); /* P-256, as SPIRE wants it */
void pki_node_done(struct pki_node *node);
#define OWNED_NODE CLEANUP(pki_node_done)

enum pki_form { PKI_PKCS8, PKI_TRADITIONAL, PKI_ENCRYPTED, PKI_TRADITIONAL_ENCRYPTED };

/* Append PEM. */
void pki_key_pem(EVP_PKEY *key, enum pki_form form, struct buf *out);
void pki_cert_pem(const struct pki_node *node, struct buf *out);
void pki_text(const char *text, struct buf *out);

/* A secret with this content. */
void pki_secret(const struct buf *text, struct secret *out);

#endif
