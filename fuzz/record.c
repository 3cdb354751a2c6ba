/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl/record: any bytes as a record. What is taken has whole texts, and can be looked up again.
 */
#include <stdlib.h>
#include <string.h>

#include "ctl/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct record record OWNED_RECORD = RECORD_INIT;
	struct err err = { 0 };
	if (record_parse(bytes_of(data, size), &record, &err) < 0) {
		if (record.items || !err.message[0] || (err.code != ERR_CONFIG && err.code != ERR_SYSTEM))
			abort();
		return 0;
	}
	if (!record.kbs[0] || strlen(record.salt) != 64)
		abort();
	for (size_t i = 0; i < record.count; i++) {
		const struct record_item *item = &record.items[i];
		if (!item->kind[0] || !item->name[0] || strlen(item->digest.hex) != 64 ||
		    !record_find(&record, item->kind, item->name))
			abort();
	}
	return 0;
}
