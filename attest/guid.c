/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GUIDs. They are names in tables of the host's and the firmware's and are trusted for
 * nothing. Which of the two byte orders holds is the caller's knowledge: nothing in the
 * bytes tells.
 */
#include "attest/guid.h"

#include <stdio.h>
#include <string.h>

struct guid guid_of_written(const uint8_t *at)
{
	struct guid guid;
	memcpy(guid.bytes, at, GUID_LEN);
	return guid;
}

struct guid guid_of_mixed(const uint8_t *at)
{
	static const uint8_t from[GUID_LEN] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };
	struct guid guid;
	for (size_t i = 0; i < GUID_LEN; i++)
		guid.bytes[i] = at[from[i]];
	return guid;
}

bool guid_equal(const struct guid *a, const struct guid *b)
{
	return memcmp(a->bytes, b->bytes, GUID_LEN) == 0;
}

struct guid_text guid_print(const struct guid *guid)
{
	struct guid_text out;
	const uint8_t *b = guid->bytes;
	(void)snprintf(out.text, sizeof(out.text),
		       "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2], b[3],
		       b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
	return out;
}
