/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spire/bundle: any bytes as a trust bundle. What is accepted must be accepted
 * again as it was written, with the same count, and be written the same.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/secret.h"
#include "spire/bundle.h"

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
	OWNED_SPIRE_BUNDLE struct spire_bundle first = SPIRE_BUNDLE_INIT;
	OWNED_SPIRE_BUNDLE struct spire_bundle again = SPIRE_BUNDLE_INIT;
	if (spire_bundle_check(bytes_of(data, size), NOW, &first, &err) < 0) {
		expect(first.pem.len == 0 && err.message[0], "a failure without message, or with a bundle");
		expect(err.code == ERR_CREDENTIAL || err.code == ERR_CLOCK, err.message);
		return 0;
	}
	expect(first.usable > 0 && first.usable <= first.count, "a wrong count");
	expect(spire_bundle_check(buf_bytes(&first.pem), NOW, &again, &err) == 0, err.message);
	expect(first.count == again.count && first.usable == again.usable, "the counts differ");
	expect(bytes_equal(buf_bytes(&first.pem), buf_bytes(&again.pem)), "the second writing differs");
	return 0;
}
