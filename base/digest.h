/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Message digests (SHA-1 for SPIRE's fingerprints only, SHA-2 else).
 */
#ifndef SEALPOD_BASE_DIGEST_H
#define SEALPOD_BASE_DIGEST_H

#include "base/buf.h"

enum digest_alg {
	DIGEST_SHA1,
	DIGEST_SHA256,
	DIGEST_SHA384,
	DIGEST_SHA512,
};

#define DIGEST_MAX 64

struct digest {
	enum digest_alg alg;
	size_t len;
	uint8_t bytes[DIGEST_MAX];
};

/* "sha256", "sha384", "sha512" (also "sha1"), any case; unknown: -1 without an
 * error message of its own. */
int digest_alg_by_name(struct bytes name, enum digest_alg *ret_alg) WARN_UNUSED;
const char *digest_alg_name(enum digest_alg alg);
size_t digest_alg_len(enum digest_alg alg);

int digest_of(enum digest_alg alg, struct bytes data, struct digest *ret_digest, struct err *err) WARN_UNUSED;
struct bytes digest_bytes(const struct digest *digest);

#endif
