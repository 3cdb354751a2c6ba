/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pieces of a new certificate, for mint.c (in the TEE) and issue.c (at the operator's). Those
 * which return a bool leave it to the caller to say what failed.
 */
#ifndef SEALPOD_SPIRE_MAKE_H
#define SEALPOD_SPIRE_MAKE_H

#include "base/secret.h"
#include "spire/cert.h"

static inline void spire_cleanup_x509(X509 **cert)
{
	X509_free(*cert);
}

/* "OpenSSL cannot …", ERR_SYSTEM; -1. */
int spire_openssl_failed(const char *what, struct err *err);

/* Random, positive, of 16 bytes. */
bool spire_make_serial(X509 *cert);

/* `value` as OpenSSL's configuration files write it. */
bool spire_make_extension(X509 *cert, X509 *issuer, int nid, const char *value);

bool spire_make_signature(X509 *cert, EVP_PKEY *issuer);

/* The key as PKCS #8, DER. */
int spire_make_pkcs8(const EVP_PKEY *key, struct secret *der, struct err *err) WARN_UNUSED;

#endif
