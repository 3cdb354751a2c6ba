/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spire/credential (and spire/pem under it): any bytes as one combined PEM.
 * What is accepted must be accepted again in the form in which it was written,
 * and then be written the same; a failure must leave nothing behind.
 */
#include <stdio.h>
#include <stdlib.h>

#include "spire/credential.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW 1800000000 /* the corpus is valid then */

static void expect(bool truth, const char *what)
{
	if (truth)
		return;
	(void)fprintf(stderr, "broken: %s\n", what);
	abort();
}

static void setup_once(void)
{
	static bool done;
	struct err err = { 0 };
	if (!done)
		expect(secret_setup(&err) == 0, err.message);
	done = true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	setup_once();
	struct err err = { 0 };
	struct secret text OWNED_SECRET = SECRET_INIT;
	if (size > SPIRE_CREDENTIAL_MAX)
		return 0;
	expect(secret_alloc(&text, size ? size : 1, &err) == 0, err.message);
	expect(secret_append(&text, bytes_of(data, size), &err) == 0, err.message);

	struct spire_credential first OWNED_SPIRE_CREDENTIAL = SPIRE_CREDENTIAL_INIT;
	if (spire_credential_check(&text, bytes_of(NULL, 0), NOW, &first, &err) < 0) {
		expect(!first.pem.data && err.message[0], "a failure without message, or with a credential");
		expect(err.code == ERR_CREDENTIAL || err.code == ERR_CLOCK, err.message);
		return 0;
	}
	struct spire_credential again OWNED_SPIRE_CREDENTIAL = SPIRE_CREDENTIAL_INIT;
	expect(spire_credential_check(&first.pem, bytes_of(NULL, 0), NOW, &again, &err) == 0, err.message);
	expect(bytes_equal(secret_bytes(&first.pem), secret_bytes(&again.pem)), "the second writing differs");
	return 0;
}
