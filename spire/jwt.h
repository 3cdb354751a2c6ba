/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JWT-SVIDs and the key sets that verify them, as far as a client looks into them.
 * Signatures are not verified here: that is asked of the agent (spire/workload.h).
 */
#ifndef SEALPOD_SPIRE_JWT_H
#define SEALPOD_SPIRE_JWT_H

#include "base/secret.h"

/* "exp" of a token. ERR_CREDENTIAL if it cannot be read. */
int spire_jwt_expiry(const struct secret *token, int64_t *ret_expires, struct err *err) WARN_UNUSED;

/* Is the token for each of these? ERR_CREDENTIAL if not. */
int spire_jwt_check_audiences(const struct secret *token, const char *const *audiences, size_t count,
			      struct err *err) WARN_UNUSED;

/* A JWKS: an object whose "keys" are objects with a type each. There may be none: a trust domain need not have keys
 * for tokens. */
int spire_jwks_check(struct bytes text, size_t *ret_count, struct err *err) WARN_UNUSED;

#endif
