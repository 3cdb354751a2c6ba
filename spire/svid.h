/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An X509-SVID as the agent gave it, checked and in the forms in which it is
 * written to files.
 */
#ifndef SEALPOD_SPIRE_SVID_H
#define SEALPOD_SPIRE_SVID_H

#include <time.h>

#include "base/buf.h"
#include "base/secret.h"
#include "spire/workload_proto.h"

struct spire_bundle_count {
	size_t all;
	size_t expired;
	time_t good_until; /* the first end of those that are not */
};

struct spire_svid {
	char *id;
	char *hint; /* "" if there is none */
	char trust_domain[256];
	struct secret key; /* PKCS#8, DER */
	struct secret key_pem;
	struct buf chain;     /* DER */
	struct buf chain_pem; /* leaf first */
	struct buf bundle;    /* DER */
	struct spire_bundle_count authorities;
	struct buf bundle_pem;	      /* expired certificates left out */
	char serial[48];	      /* of the leaf, hexadecimal */
	time_t not_before, not_after; /* of the leaf */
};

void spire_svid_done(struct spire_svid *svid);
#define OWNED_SVID CLEANUP(spire_svid_done)

/* The chain parses, the key is PKCS#8 and the leaf's, the leaf's only URI is the SPIFFE ID, it may
 * sign and is no CA, it is valid at `now`, and the bundle holds an authority that is.
 * ERR_CREDENTIAL otherwise; ERR_CLOCK if it is about time alone. Takes the parts out of `from`. A bundle
 * that is the same as that of `previous` (which may be NULL) is not read again. */
int spire_svid_take(struct workload_svid *from, const struct spire_svid *previous, time_t now,
		    struct spire_svid *ret_svid, struct err *err) WARN_UNUSED;

/* A bundle of DER certificates as PEM, without the expired ones. */
int spire_bundle_pem(struct bytes der, time_t now, struct buf *ret_pem, struct spire_bundle_count *ret_count,
		     struct err *err) WARN_UNUSED;

/* Key, chain and bundle in one PKCS#12 file (AES-256, HMAC-SHA-256). */
int spire_svid_pkcs12(const struct spire_svid *svid, const char *password, struct secret *ret_file,
		      struct err *err) WARN_UNUSED;

/* What lies in files: does the chain end at an authority of the bundle, does the key belong to it,
 * is all valid at `now`, and the leaf for `margin` more seconds? ERR_CREDENTIAL, or ERR_CLOCK if
 * it is about time alone. *ret_not_after is the leaf's end. `key` may be NULL. */
int spire_svid_verify_pem(struct bytes chain_pem, const struct secret *key_pem, struct bytes bundle_pem, time_t now,
			  int64_t margin, time_t *ret_not_after, struct err *err) WARN_UNUSED;

/* The same of a PKCS#12 file. */
int spire_svid_verify_pkcs12(const struct secret *content, const char *password, struct bytes bundle_pem, time_t now,
			     int64_t margin, struct err *err) WARN_UNUSED;

#endif
