/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attest/tpm_quote: any bytes in, as a quote and as a marshalled signature. The parts must add
 * up to the whole.
 */
#include <stdio.h>
#include <stdlib.h>

#include "attest/tpm_quote.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool truth, const char *what)
{
	if (truth)
		return;
	(void)fprintf(stderr, "broken: %s\n", what);
	abort();
}

static void as_signature(const uint8_t *data, size_t size)
{
	struct err err = { 0 };
	struct bytes raw;
	if (tpm_signature_read(bytes_of(data, size), &raw, &err) == 0)
		expect(raw.data == data + 6 && raw.len == size - 6, "the signature does not add up");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = { 0 };
	struct tpm_quote quote;
	as_signature(data, size);
	if (tpm_quote_read(bytes_of(data, size), &quote, &err) < 0) {
		expect(err.code == ERR_PROTOCOL && err.message[0], "a failure without its message");
		return 0;
	}
	size_t selections = 0;
	for (size_t i = 0; i < quote.selection_count; i++)
		selections += 3u + quote.selections[i].size;
	expect(size == 6 + 2 + quote.signer.len + 2 + quote.extra_data.len + 25 + 4 + selections + 2 +
			       quote.pcr_digest.len,
	       "the parts do not add up");
	expect(quote.pcr_digest.len == 0 || quote.pcr_digest.data + quote.pcr_digest.len == data + size,
	       "the digest is not at the end");
	if (tpm_quote_covers_all(&quote))
		expect(quote.selection_count == 1 && selections == 6, "another selection passes for the whole");
	return 0;
}
