/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cdh-client/sealed: any bytes as a sealed secret under the key of the corpus's own
 * secret, and as a key. What opens was signed, and only the very text of the corpus is.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cdh-client/sealed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The public key that signed fuzz/corpus/sealed/vault. */
static const char jwk[] = "{\"alg\":\"ES256\",\"crv\":\"P-256\",\"kty\":\"EC\","
			  "\"x\":\"4jH376AuwTUCIx65AJ_56D7SZzWf7sGcEA7_Csq21UM\","
			  "\"y\":\"rjdceysnSa5ZfzWOPGCURMUuHndxBAGUu4ISTIVN0yA\"}";
static const char name[] = "kbs:///default/sealed-secret/test";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct sealed_key *key;
	struct bytes text = bytes_of(data, size);
	struct err err = { 0 };
	struct sealed sealed;
	struct sealed_key *other OWNED_SEALED_KEY = NULL;
	if (!key && sealed_key_read(bytes_of_text(jwk), &key, &err) < 0)
		abort();
	if (sealed_open(text, key, &sealed, &err) == 0) {
		if (!sealed_is(text) || strcmp(sealed.name, name) != 0) {
			(void)fprintf(stderr, "broken: a forgery opens\n");
			abort();
		}
	} else if (err.code != ERR_CREDENTIAL || !err.message[0]) {
		(void)fprintf(stderr, "broken: refused as '%s'\n", err_info(err.code)->name);
		abort();
	}
	if (sealed_key_read(text, &other, &err) < 0 && other)
		abort();
	return 0;
}
