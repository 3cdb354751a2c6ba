/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What spire/svid and spire/svid_verify have in common.
 */
#ifndef SEALPOD_SPIRE_SVID_PARTS_H
#define SEALPOD_SPIRE_SVID_PARTS_H

#include <openssl/x509.h>
#include <time.h>

#include "spire/cert.h"

/* Certificates one behind the other, without anything between. */
int spire_svid_read_certs(struct bytes der, struct spire_certs *certs, struct err *err) WARN_UNUSED;

/* PKCS#8; NULL if it is anything else, or something follows. */
EVP_PKEY *spire_svid_parse_key(struct bytes der);

/* Is it valid at `now`, and for `margin` more seconds? `what` is for the message. */
int spire_svid_check_window(const X509 *cert, const char *what, time_t now, int64_t margin, time_t *ret_until,
			    struct err *err) WARN_UNUSED;

#endif
