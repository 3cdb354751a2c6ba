/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Message digests over OpenSSL's EVP. Input may come from anyone.
 */
#include "base/digest.h"

#include <openssl/evp.h>
#include <string.h>
#include <strings.h>

static const struct {
	enum digest_alg alg;
	const char *name;
	size_t len;
	const EVP_MD *(*md)(void);
} algs[] = {
	{ DIGEST_SHA1, "sha1", 20, EVP_sha1 },
	{ DIGEST_SHA256, "sha256", 32, EVP_sha256 },
	{ DIGEST_SHA384, "sha384", 48, EVP_sha384 },
	{ DIGEST_SHA512, "sha512", 64, EVP_sha512 },
};

int digest_alg_by_name(struct bytes name, enum digest_alg *ret_alg)
{
	for (size_t i = 0; i < ARRAY_LEN(algs); i++) {
		if (name.len == strlen(algs[i].name) &&
		    strncasecmp((const char *)name.data, algs[i].name, name.len) == 0) {
			*ret_alg = algs[i].alg;
			return 0;
		}
	}
	return -1;
}

const char *digest_alg_name(enum digest_alg alg)
{
	return algs[alg].name;
}

size_t digest_alg_len(enum digest_alg alg)
{
	return algs[alg].len;
}

int digest_of(enum digest_alg alg, struct bytes data, struct digest *ret_digest, struct err *err)
{
	struct digest out = { .alg = alg, .len = algs[alg].len };
	if (EVP_Digest(data.data ? data.data : (const void *)"", data.len, out.bytes, NULL, algs[alg].md(), NULL) != 1)
		return err_set(err, ERR_SYSTEM, "OpenSSL cannot compute %s", algs[alg].name);
	*ret_digest = out;
	return 0;
}

struct bytes digest_bytes(const struct digest *digest)
{
	return bytes_of(digest->bytes, digest->len);
}
