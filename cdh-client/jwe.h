/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JWE in which the KBS sends a resource: flattened JSON serialization
 * (RFC 7516 section 7.2.2), A256GCM content encryption, key management by the
 * TEE key's algorithm. Compression, critical headers, `aad` and other
 * algorithms are refused: the KBS sends none.
 */
#ifndef SEALPOD_CDH_CLIENT_JWE_H
#define SEALPOD_CDH_CLIENT_JWE_H

#include "cdh-client/tee_key.h"

/* `max` is the largest plaintext taken. ERR_PROTOCOL on any failure; the plaintext exists
 * in guarded memory only, and only after its tag was checked. */
int jwe_decrypt(struct bytes jwe, const struct tee_key *key, size_t max, struct secret *ret_plaintext,
		struct err *err) WARN_UNUSED;

#endif
