/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UTF-8: checking and writing.
 *
 * The input is hostile: a sequence that another reader would take for a
 * different letter (an overlong '/', half a surrogate pair) must never be
 * called valid, and nothing behind `len` is read.
 */
#include "base/utf8.h"

struct lead {
	uint8_t from, to;		/* range of the first byte */
	uint8_t second_from, second_to; /* of the second, which carries the exclusions */
	uint8_t len;
};

/* The table of RFC 3629 section 4. */
static const struct lead leads[] = {
	{ 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
	{ 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 }, { 0xf0, 0xf0, 0x90, 0xbf, 4 },
	{ 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
};

static const struct lead *find_lead(uint8_t first)
{
	for (size_t i = 0; i < sizeof(leads) / sizeof(leads[0]); i++)
		if (first >= leads[i].from && first <= leads[i].to)
			return &leads[i];
	return NULL;
}

size_t utf8_sequence(struct bytes text)
{
	if (!text.len)
		return 0;
	if (text.data[0] < 0x80)
		return 1;
	const struct lead *lead = find_lead(text.data[0]);
	if (!lead || text.len < lead->len)
		return 0;
	if (text.data[1] < lead->second_from || text.data[1] > lead->second_to)
		return 0;
	for (size_t i = 2; i < lead->len; i++)
		if ((text.data[i] & 0xc0) != 0x80)
			return 0;
	return lead->len;
}

size_t utf8_valid_len(struct bytes text)
{
	size_t at = 0;
	while (at < text.len) {
		size_t len = utf8_sequence((struct bytes){ text.data + at, text.len - at });
		if (!len)
			break;
		at += len;
	}
	return at;
}

bool utf8_valid(struct bytes text)
{
	return utf8_valid_len(text) == text.len;
}

static uint8_t tail(uint32_t scalar, unsigned shift)
{
	return (uint8_t)(0x80 | ((scalar >> shift) & 0x3f));
}

size_t utf8_encode(uint32_t scalar, uint8_t ret_bytes[UTF8_MAX])
{
	if (scalar < 0x80) {
		ret_bytes[0] = (uint8_t)scalar;
		return 1;
	}
	if (scalar < 0x800) {
		ret_bytes[0] = (uint8_t)(0xc0 | (scalar >> 6));
		ret_bytes[1] = tail(scalar, 0);
		return 2;
	}
	if (scalar >= 0xd800 && scalar <= 0xdfff)
		return 0;
	if (scalar < 0x10000) {
		ret_bytes[0] = (uint8_t)(0xe0 | (scalar >> 12));
		ret_bytes[1] = tail(scalar, 6);
		ret_bytes[2] = tail(scalar, 0);
		return 3;
	}
	if (scalar > 0x10ffff)
		return 0;
	ret_bytes[0] = (uint8_t)(0xf0 | (scalar >> 18));
	ret_bytes[1] = tail(scalar, 12);
	ret_bytes[2] = tail(scalar, 6);
	ret_bytes[3] = tail(scalar, 0);
	return 4;
}
