/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl/measurements: a file that somebody published beside an image. What is taken is nothing but
 * whole digests in lower case.
 */
#include <stdlib.h>
#include <string.h>

#include "ctl/measurements.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_list(const struct json *list)
{
	if (json_type(list) != JSON_ARRAY || json_count(list) == 0)
		abort();
	for (const struct json *item = json_first(list); item; item = json_next(item))
		if (strlen(json_text(item)) != 64 || strspn(json_text(item), "0123456789abcdef") != 64)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct json *pcrs OWNED_JSON = NULL;
	struct err err = { 0 };
	if (measurements_parse(bytes_of(data, size), &pcrs, &err) < 0) {
		if (pcrs || !err.message[0])
			abort();
		return 0;
	}
	if (json_count(pcrs) == 0 || json_count(pcrs) > MEASUREMENTS_PCRS)
		abort();
	for (const struct json *list = json_first(pcrs); list; list = json_next(list))
		check_list(list);
	return 0;
}
