/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of the evidence readers: the files of tests/vectors, comparison with
 * hexadecimal text, copies of an exact size so that sanitizers see each byte past the end.
 */
#ifndef SEALPOD_TESTS_VECTORS_H
#define SEALPOD_TESTS_VECTORS_H

#include "support.h"

#include "base/encode.h"
#include "base/file.h"

#define VECTOR_MAX (1u << 20)

static inline struct buf vector_read(const char *name)
{
	struct buf content = BUF_INIT(VECTOR_MAX);
	char path[512];
	struct err err = { 0 };
	(void)snprintf(path, sizeof(path), "%s/%s", VECTORS, name);
	if (file_read(AT_FDCWD, path, &content, &err) < 0)
		fail_msg("%s", err.message);
	return content;
}

/* The first `len` bytes in an allocation of exactly that size; free() it. */
static inline uint8_t *exact_copy(struct bytes from, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);
	assert_non_null(copy);
	if (len > 0)
		memcpy(copy, from.data, len);
	return copy;
}

/* `hex` may be shorter than the bytes: then the rest must be zero. */
static inline void assert_hex_padded(const void *data, size_t len, const char *hex)
{
	OWNED_BUF struct buf want = BUF_INIT(4096);
	struct err err = { 0 };
	if (hex_decode(bytes_of_text(hex), &want, &err) < 0)
		fail_msg("'%s': %s", hex, err.message);
	assert_true(want.len <= len);
	if (want.len > 0)
		assert_memory_equal(data, want.data, want.len);
	for (size_t i = want.len; i < len; i++)
		assert_int_equal(((const uint8_t *)data)[i], 0);
}

/* The beginning of the bytes. */
static inline void assert_hex_prefix(const void *data, size_t len, const char *hex)
{
	assert_true(strlen(hex) / 2 <= len);
	assert_hex_padded(data, strlen(hex) / 2, hex);
}

#define assert_message_has(err, part)                                                                                  \
	do {                                                                                                           \
		if (!strstr((err).message, part))                                                                      \
			fail_msg("'%s' does not contain '%s'", (err).message, part);                                   \
	} while (0)

#endif
