/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading binary records, little-endian, from front to back.
 *
 * Each take checks that the bytes are there; the error names the field, where it
 * stands and what was missing. The cursor borrows its bytes and allocates nothing;
 * on failure it stays where it was.
 */
#ifndef SEALPOD_BASE_CURSOR_H
#define SEALPOD_BASE_CURSOR_H

#include "base/buf.h"

struct cursor {
	struct bytes all;
	size_t at;
};

struct cursor cursor_over(struct bytes all);
size_t cursor_left(const struct cursor *cursor);

/* `what` names the field in errors (ERR_PROTOCOL). */
int cursor_take(struct cursor *cursor, size_t len, const char *what, struct bytes *ret_bytes,
		struct err *err) WARN_UNUSED;
int cursor_skip(struct cursor *cursor, size_t len, const char *what, struct err *err) WARN_UNUSED;
int cursor_copy(struct cursor *cursor, void *to, size_t len, const char *what, struct err *err) WARN_UNUSED;
int cursor_u8(struct cursor *cursor, const char *what, uint8_t *ret_value, struct err *err) WARN_UNUSED;
int cursor_u16(struct cursor *cursor, const char *what, uint16_t *ret_value, struct err *err) WARN_UNUSED;
int cursor_u32(struct cursor *cursor, const char *what, uint32_t *ret_value, struct err *err) WARN_UNUSED;
int cursor_u64(struct cursor *cursor, const char *what, uint64_t *ret_value, struct err *err) WARN_UNUSED;

/* Unchecked: the caller has made sure that the bytes are there. */
uint16_t le16(const uint8_t *at);
uint32_t le32(const uint8_t *at);
uint64_t le64(const uint8_t *at);

/* All of them zero? True for none. */
bool bytes_are_zero(struct bytes bytes);

#endif
