/* SPDX-License-Identifier: Apache-2.0 */
/*
 * X.509 certificates: reading them, and what messages say about them.
 */
#ifndef SEALPOD_SPIRE_CERT_H
#define SEALPOD_SPIRE_CERT_H

#include <openssl/x509.h>
#include <stdint.h>
#include <time.h>

#include "base/buf.h"
#include "spire/pem.h"

static inline void spire_cleanup_pkey(EVP_PKEY **key)
{
	EVP_PKEY_free(*key);
	*key = NULL;
}
#define OWNED_PKEY CLEANUP(spire_cleanup_pkey)

#define SPIRE_CERTS_MAX 256

struct spire_certs {
	size_t count;
	X509 *list[SPIRE_CERTS_MAX];
};

#define SPIRE_CERTS_INIT                                                                                               \
	{                                                                                                              \
		.count = 0                                                                                             \
	}
#define OWNED_CERTS CLEANUP(spire_certs_done)

void spire_certs_done(struct spire_certs *certs);

/* Decodes a CERTIFICATE block and appends it. ERR_CREDENTIAL if it is not one
 * DER certificate, or if there are SPIRE_CERTS_MAX already. */
int spire_certs_add(struct spire_certs *certs, const struct spire_pem_block *block, struct err *err) WARN_UNUSED;

/* The certificate as a canonical PEM block, and the DER inside of it. */
int spire_cert_der(const X509 *cert, struct buf *ret_der, struct err *err) WARN_UNUSED;

/* -1, without an error, if a time in it makes no sense. */
int spire_cert_window(const X509 *cert, time_t *ret_from, time_t *ret_until) WARN_UNUSED;

/* "CN=node-1,O=Example" (RFC 2253), "" if empty; cut with "..." if longer. */
void spire_cert_subject(const X509 *cert, char *text, size_t size);

/* "URI:x509pop://example.test/class/a, DNS:node-1", "" if there are none. */
void spire_cert_sans(const X509 *cert, char *text, size_t size);

/* Do issuer and subject of these two match, byte for byte as Go compares? */
bool spire_cert_names_match(const X509 *cert, const X509 *issuer);

#define SPIRE_TIME_TEXT 32

/* "2026-11-24T07:25:20Z" */
const char *spire_time_text(char text[SPIRE_TIME_TEXT], time_t when);

/* "3 days", "5 hours", "20 minutes", "40 seconds"; of negative ones the amount. */
const char *spire_span_text(char text[SPIRE_TIME_TEXT], int64_t seconds);

#endif
