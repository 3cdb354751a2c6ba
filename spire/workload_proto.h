/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Workload API's messages: from and to the wire. Everything decoded owns its
 * content; identifiers are checked; keys and tokens are in guarded memory.
 */
#ifndef SEALPOD_SPIRE_WORKLOAD_PROTO_H
#define SEALPOD_SPIRE_WORKLOAD_PROTO_H

#include "base/buf.h"
#include "base/secret.h"

/* Far above what anybody registers for one process. */
#define WORKLOAD_SVIDS_MAX 64
#define WORKLOAD_BUNDLES_MAX 256
#define WORKLOAD_HINT_MAX 255
#define WORKLOAD_AUDIENCES_MAX 16

struct workload_svid {
	char *id;
	char *hint;	   /* "" if there is none */
	struct buf chain;  /* DER certificates, leaf first */
	struct secret key; /* PKCS#8, DER */
	struct buf bundle; /* DER certificates */
};

struct workload_bundle {
	char *trust_domain; /* the name alone */
	struct buf content; /* DER certificates, or a JWKS */
};

struct workload_bundles {
	struct workload_bundle *list;
	size_t count;
};

struct workload_x509 {
	struct workload_svid *svids;
	size_t count;
	struct workload_bundles federated;
};

struct workload_jwt {
	char *id;
	char *hint;
	struct secret token;
};

struct workload_jwts {
	struct workload_jwt *list;
	size_t count;
};

void workload_bundles_done(struct workload_bundles *bundles);
void workload_x509_done(struct workload_x509 *x509);
void workload_jwts_done(struct workload_jwts *jwts);
#define OWNED_BUNDLES CLEANUP(workload_bundles_done)
#define OWNED_X509 CLEANUP(workload_x509_done)
#define OWNED_JWTS CLEANUP(workload_jwts_done)

const struct workload_bundle *workload_bundles_find(const struct workload_bundles *bundles, const char *trust_domain);

enum workload_bundle_kind { WORKLOAD_X509_BUNDLES, WORKLOAD_JWT_BUNDLES };

/* ERR_PROTOCOL if the message is not what the standard says, or is over a limit. `scratch` is memory for the work, kept
 * for the next message; its content afterwards is nobody's business. */
int workload_decode_x509(struct bytes message, struct secret *scratch, struct workload_x509 *ret_x509,
			 struct err *err) WARN_UNUSED;
int workload_decode_bundles(enum workload_bundle_kind kind, struct bytes message, struct workload_bundles *ret_bundles,
			    struct err *err) WARN_UNUSED;
int workload_decode_jwts(struct bytes message, struct workload_jwts *ret_jwts, struct err *err) WARN_UNUSED;
int workload_decode_validation(struct bytes message, struct buf *ret_id, struct err *err) WARN_UNUSED;

/* `id` NULL: of all identities. */
int workload_encode_jwt_request(const char *const *audiences, size_t count, const char *id, struct buf *out,
				struct err *err) WARN_UNUSED;
int workload_encode_validation(const char *audience, const struct secret *token, struct secret *out,
			       struct err *err) WARN_UNUSED;

#endif
