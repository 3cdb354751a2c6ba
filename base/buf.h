/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growing byte buffer with a hard maximum, for bytes that are not secret
 * (secrets: base/secret.h). The allocation is wiped when freed all the same.
 *
 * There is always room for, and there always is, a NUL behind the last byte,
 * so that buf_text() costs nothing; `len` does not count it. An append that
 * would pass `max` changes nothing and fails.
 */
#ifndef SEALPOD_BASE_BUF_H
#define SEALPOD_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"

/* Borrowed bytes: length and pointer that belong together. */
struct bytes {
	const uint8_t *data;
	size_t len;
};

struct buf {
	uint8_t *data;
	size_t len;
	size_t cap;
	size_t max;
};

#define BUF_INIT(maximum)                                                                                              \
	{                                                                                                              \
		.data = NULL, .len = 0, .cap = 0, .max = (maximum)                                                     \
	}
#define OWNED_BUF CLEANUP(buf_done)

struct bytes bytes_of(const void *data, size_t len);
struct bytes bytes_of_text(const char *text);
bool bytes_equal(struct bytes a, struct bytes b);
bool bytes_equal_text(struct bytes a, const char *text);

/* Frees (and wipes) the content; the maximum stays. */
void buf_done(struct buf *buf);

/* What is appended must not point into the buffer itself, which may move. */
int buf_append(struct buf *buf, struct bytes more, struct err *err) WARN_UNUSED;
int buf_append_text(struct buf *buf, const char *text, struct err *err) WARN_UNUSED;
int buf_append_byte(struct buf *buf, uint8_t byte, struct err *err) WARN_UNUSED;
int buf_printf(struct buf *buf, struct err *err, const char *format, ...)
	__attribute__((format(printf, 3, 4))) WARN_UNUSED;

struct bytes buf_bytes(const struct buf *buf);

/* The content as a C string, "" when empty. May hold NULs inside: compare
 * strlen() with len where that matters. */
const char *buf_text(const struct buf *buf);

/* Moves the content into *to (whose old content is freed); *from is empty then. */
void buf_move(struct buf *to, struct buf *from);

#endif
