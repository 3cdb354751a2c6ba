/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strict text encodings: hexadecimal (either case is read, lower case written),
 * base64 of RFC 4648 section 4 (padded) and section 5 (URL-safe).
 *
 * Reading is strict: no white space, no foreign letters, correct padding, and
 * the unused bits of the last letter must be zero, so that each byte string has
 * exactly one spelling. Writing and reading append to a buffer; on failure it
 * is left as it was. The codecs are libsodium's, in constant time for each
 * length, but only the _secret variant decodes into guarded memory.
 */
#ifndef SEALPOD_BASE_ENCODE_H
#define SEALPOD_BASE_ENCODE_H

#include "base/buf.h"
#include "base/secret.h"

enum base64_kind {
	BASE64,		  /* standard alphabet, padded */
	BASE64URL,	  /* URL-safe alphabet, without padding */
	BASE64URL_PADDED, /* URL-safe alphabet, padded */
};

int hex_encode(struct bytes in, struct buf *out, struct err *err) WARN_UNUSED;
int hex_decode(struct bytes text, struct buf *out, struct err *err) WARN_UNUSED;

int base64_encode(enum base64_kind kind, struct bytes in, struct buf *out, struct err *err) WARN_UNUSED;
int base64_decode(enum base64_kind kind, struct bytes text, struct buf *out, struct err *err) WARN_UNUSED;

/* Appends to a secret within its capacity, which must have room for one byte more: the codec ends what it
 * writes with a NUL, which does not count. */
int base64_encode_secret(enum base64_kind kind, struct bytes in, struct secret *out, struct err *err) WARN_UNUSED;

/* Decodes into a fresh guarded secret. */
int base64_decode_secret(enum base64_kind kind, struct bytes text, struct secret *out, struct err *err) WARN_UNUSED;

#endif
