/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above
 * U+10FFFF.
 */
#ifndef SEALPOD_BASE_UTF8_H
#define SEALPOD_BASE_UTF8_H

#include "base/buf.h"

#define UTF8_MAX 4

/* Length of the sequence at the head of `text` (1 to 4); 0 if it is not valid
 * or not whole, or if `text` is empty. */
size_t utf8_sequence(struct bytes text);

/* How many leading bytes are valid; text.len when all are. */
size_t utf8_valid_len(struct bytes text);
bool utf8_valid(struct bytes text);

/* Writes a Unicode scalar value; returns its length, 0 for a surrogate or a
 * value above U+10FFFF. */
size_t utf8_encode(uint32_t scalar, uint8_t ret_bytes[UTF8_MAX]);

#endif
