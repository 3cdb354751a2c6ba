/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attest/tdx_quote: any bytes in. What is borrowed must lie inside the quote, in order, and
 * the parts must add up to the whole.
 */
#include <stdio.h>
#include <stdlib.h>

#include "attest/tdx_quote.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool truth, const char *what)
{
	if (truth)
		return;
	(void)fprintf(stderr, "broken: %s\n", what);
	abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = { 0 };
	struct tdx_quote quote;
	if (tdx_quote_read(bytes_of(data, size), &quote, &err) < 0) {
		expect(err.code == ERR_PROTOCOL && err.message[0], "a failure without its message");
		return 0;
	}
	expect(quote.version == 4 || quote.version == 5, "another version");
	expect(quote.signed_part.data == data, "the signed part is not at the start");
	expect(quote.signed_part.len + 4 + quote.signature_data_len + quote.trailing.len == size,
	       "the parts do not add up");
	const uint8_t *end = data + size - quote.trailing.len;
	expect(quote.cert_data.data + quote.cert_data.len == end, "the certification data does not end the quote");
	expect(quote.qe_auth.data + quote.qe_auth.len + 6 == quote.cert_data.data || quote.cert_data.len == 0,
	       "a gap before the certification data");
	expect(quote.signature_data_len == 64 + 64 + 6 + 384 + 64 + 2 + quote.qe_auth.len + 6 + quote.cert_data.len,
	       "the signature data does not add up");
	return 0;
}
