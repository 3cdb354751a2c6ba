/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Report data from a digest. The digest is ours; the padding is what both verifiers
 * expect. Must never shorten a digest: none is longer than the field.
 */
#include "attest/report_data.h"

#include <string.h>

_Static_assert(DIGEST_MAX <= REPORT_DATA_LEN, "every digest fits");

struct report_data report_data_of(const struct digest *digest)
{
	struct report_data data = { .bytes = { 0 } };
	memcpy(data.bytes, digest->bytes, digest->len < REPORT_DATA_LEN ? digest->len : REPORT_DATA_LEN);
	return data;
}

bool report_data_equal(const struct report_data *a, const struct report_data *b)
{
	return memcmp(a->bytes, b->bytes, REPORT_DATA_LEN) == 0;
}
