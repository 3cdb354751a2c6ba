/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cdh-client/jwe: the KBS's resource answers. The first byte chooses the kind of
 * TEE key, so that each unwrapping is reached.
 */
#include <stdlib.h>

#include "base/wipe.h"
#include "cdh-client/jwe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct tee_key *keys[3];

static void make_keys(void)
{
	wipe_install();
	if (secret_setup(NULL) < 0)
		abort();
	for (int i = 0; i < 3; i++)
		if (tee_key_new((enum tee_key_kind)i, &keys[i], NULL) < 0)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct secret plain OWNED_SECRET = SECRET_INIT;
	struct err err = { 0 };
	if (!keys[0])
		make_keys();
	if (size == 0)
		return 0;
	int rc = jwe_decrypt(bytes_of(data + 1, size - 1), keys[data[0] % 3], 4096, &plain, &err);
	/* nobody can encrypt to a key that he has never seen, and a failure says why */
	if (rc == 0 || plain.data || err.code == ERR_NONE || err.message[0] == 0)
		abort();
	return 0;
}
