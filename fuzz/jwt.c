/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spire/jwt: any bytes as a token, and as a key set.
 */
#include <stdlib.h>

#include "base/cleanup.h"
#include "spire/jwt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const audiences[] = { "a", "b" };
	struct secret token OWNED_SECRET = SECRET_INIT;
	int64_t expires = -1;
	size_t keys;
	if (size > 65536 || secret_setup(NULL) < 0 || secret_alloc(&token, size + 1, NULL) < 0 ||
	    secret_append(&token, bytes_of(data, size), NULL) < 0)
		return 0;
	if (spire_jwt_expiry(&token, &expires, NULL) == 0 && expires < 0)
		abort();
	/* Who is for both is for each. */
	if (spire_jwt_check_audiences(&token, audiences, 2, NULL) == 0 &&
	    (spire_jwt_check_audiences(&token, audiences, 1, NULL) < 0 ||
	     spire_jwt_check_audiences(&token, audiences + 1, 1, NULL) < 0))
		abort();
	if (spire_jwks_check(bytes_of(data, size), &keys, NULL) == 0 && keys > size)
		abort();
	return 0;
}
