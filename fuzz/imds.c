/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attest/imds: an answer of the metadata service, taken for both that it may be. What comes out of one is the thing
 * itself, and nothing is left behind by one that is refused.
 */
#include <stdio.h>
#include <stdlib.h>

#include "attest/imds.h"
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
	struct buf der OWNED_BUF = BUF_INIT(IMDS_VCEK_MAX);
	struct buf raw OWNED_BUF = BUF_INIT(IMDS_QUOTE_MAX);
	struct tdx_quote quote;
	struct err err = { 0 };
	if (imds_vcek_of(bytes_of(data, size), &der, &err) == 0)
		expect(der.len > 4 && der.data[0] == 0x30, "a VCEK that is no DER");
	else
		expect(err.code == ERR_PROTOCOL && err.message[0] && der.len == 0, "a VCEK that is refused");
	if (imds_td_quote_of(bytes_of(data, size), &raw, &err) == 0)
		expect(tdx_quote_read(buf_bytes(&raw), &quote, &err) == 0, "a quote that cannot be read");
	else
		expect(err.code == ERR_PROTOCOL && err.message[0] && raw.len == 0, "a quote that is refused");
	return 0;
}
