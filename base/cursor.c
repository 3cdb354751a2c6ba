/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading binary records, little-endian.
 *
 * The bytes come from firmware, from the host or from a file of the operator's.
 * Lengths are compared with what is left, never added to the position first, so
 * that no length, however large, wraps around.
 */
#include "base/cursor.h"

#include <string.h>

struct cursor cursor_over(struct bytes all)
{
	return (struct cursor){ .all = all, .at = 0 };
}

size_t cursor_left(const struct cursor *cursor)
{
	return cursor->all.len - cursor->at;
}

int cursor_take(struct cursor *cursor, size_t len, const char *what, struct bytes *ret_bytes, struct err *err)
{
	if (len > cursor_left(cursor))
		return err_set(err, ERR_PROTOCOL, "%s at offset %zu wants %zu bytes, but %zu are left", what,
			       cursor->at, len, cursor_left(cursor));
	*ret_bytes = len ? bytes_of(cursor->all.data + cursor->at, len) : bytes_of("", 0);
	cursor->at += len;
	return 0;
}

int cursor_skip(struct cursor *cursor, size_t len, const char *what, struct err *err)
{
	struct bytes skipped;
	return cursor_take(cursor, len, what, &skipped, err);
}

int cursor_copy(struct cursor *cursor, void *to, size_t len, const char *what, struct err *err)
{
	struct bytes from;
	if (cursor_take(cursor, len, what, &from, err) < 0)
		return -1;
	memcpy(to, from.data, len);
	return 0;
}

int cursor_u8(struct cursor *cursor, const char *what, uint8_t *ret_value, struct err *err)
{
	return cursor_copy(cursor, ret_value, 1, what, err);
}

int cursor_u16(struct cursor *cursor, const char *what, uint16_t *ret_value, struct err *err)
{
	struct bytes from;
	if (cursor_take(cursor, 2, what, &from, err) < 0)
		return -1;
	*ret_value = le16(from.data);
	return 0;
}

int cursor_u32(struct cursor *cursor, const char *what, uint32_t *ret_value, struct err *err)
{
	struct bytes from;
	if (cursor_take(cursor, 4, what, &from, err) < 0)
		return -1;
	*ret_value = le32(from.data);
	return 0;
}

int cursor_u64(struct cursor *cursor, const char *what, uint64_t *ret_value, struct err *err)
{
	struct bytes from;
	if (cursor_take(cursor, 8, what, &from, err) < 0)
		return -1;
	*ret_value = le64(from.data);
	return 0;
}

uint16_t le16(const uint8_t *at)
{
	return (uint16_t)(at[0] | at[1] << 8);
}

uint32_t le32(const uint8_t *at)
{
	return (uint32_t)le16(at) | (uint32_t)le16(at + 2) << 16;
}

uint64_t le64(const uint8_t *at)
{
	return (uint64_t)le32(at) | (uint64_t)le32(at + 4) << 32;
}

bool bytes_are_zero(struct bytes bytes)
{
	for (size_t i = 0; i < bytes.len; i++)
		if (bytes.data[i])
			return false;
	return true;
}
