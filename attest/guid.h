/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GUIDs and their two byte orders: as they are written (SNP certificate tables) and
 * mixed, the first three groups little-endian (everything of UEFI).
 */
#ifndef SEALPOD_ATTEST_GUID_H
#define SEALPOD_ATTEST_GUID_H

#include "base/buf.h"

#define GUID_LEN 16
#define GUID_TEXT_SIZE 37 /* with the NUL */

struct guid {
	uint8_t bytes[GUID_LEN]; /* as written */
};

struct guid_text {
	char text[GUID_TEXT_SIZE];
};

/* Both read exactly GUID_LEN bytes. */
struct guid guid_of_written(const uint8_t *at);
struct guid guid_of_mixed(const uint8_t *at);

bool guid_equal(const struct guid *a, const struct guid *b);

/* Lower case, by value: guid_print(&guid).text in an argument list. */
struct guid_text guid_print(const struct guid *guid);

#endif
