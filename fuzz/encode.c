/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target for base/encode. The first byte chooses the alphabet, the rest is
 * text to decode and bytes to encode. What decodes must encode to the same text
 * again (one spelling for each byte string), what was encoded must decode to
 * the same bytes, and a failure must leave the buffer as it was.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool condition)
{
	if (!condition)
		abort();
}

static struct buf started(void)
{
	struct buf buf = BUF_INIT((size_t)8 * 1024 * 1024);
	demand(buf_append_text(&buf, "x", NULL) == 0);
	return buf;
}

/* What was appended behind the "x". */
static struct bytes appended(const struct buf *buf)
{
	demand(buf->len >= 1 && buf->data[0] == 'x' && buf->data[buf->len] == 0);
	return bytes_of(buf->data + 1, buf->len - 1);
}

static void decode_secret(enum base64_kind kind, struct bytes text, bool good, struct bytes wanted)
{
	struct secret secret OWNED_SECRET = SECRET_INIT;
	demand((base64_decode_secret(kind, text, &secret, NULL) == 0) == good);
	demand(good ? bytes_equal(secret_bytes(&secret), wanted) : secret.data == NULL);
}

static void decode_base64(enum base64_kind kind, struct bytes text)
{
	struct buf plain OWNED_BUF = started();
	struct buf again OWNED_BUF = started();
	bool good = base64_decode(kind, text, &plain, NULL) == 0;
	decode_secret(kind, text, good, appended(&plain));
	if (!good) {
		demand(appended(&plain).len == 0);
		return;
	}
	demand(base64_encode(kind, appended(&plain), &again, NULL) == 0);
	demand(bytes_equal(appended(&again), text));
}

static void decode_hex(struct bytes text)
{
	struct buf plain OWNED_BUF = started();
	struct buf again OWNED_BUF = started();
	if (hex_decode(text, &plain, NULL) < 0) {
		demand(appended(&plain).len == 0);
		return;
	}
	demand(hex_encode(appended(&plain), &again, NULL) == 0);
	struct bytes lower = appended(&again);
	demand(lower.len == text.len);
	for (size_t i = 0; i < text.len; i++)
		demand(lower.data[i] == (text.data[i] | 0x20)); /* digits have that bit anyway */
}

static void encode_and_decode(enum base64_kind kind, struct bytes in)
{
	struct buf text OWNED_BUF = started();
	struct buf hex OWNED_BUF = started();
	struct buf plain OWNED_BUF = started();
	struct buf unhexed OWNED_BUF = started();
	demand(base64_encode(kind, in, &text, NULL) == 0);
	demand(base64_decode(kind, appended(&text), &plain, NULL) == 0);
	demand(bytes_equal(appended(&plain), in));
	demand(hex_encode(in, &hex, NULL) == 0);
	demand(hex_decode(appended(&hex), &unhexed, NULL) == 0);
	demand(bytes_equal(appended(&unhexed), in));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum base64_kind kinds[] = { BASE64, BASE64URL, BASE64URL_PADDED };
	if (size == 0 || size > 1024 * 1024)
		return 0;
	demand(secret_setup(NULL) == 0);
	enum base64_kind kind = kinds[data[0] % ARRAY_LEN(kinds)];
	struct bytes rest = bytes_of(data + 1, size - 1);
	decode_base64(kind, rest);
	decode_hex(rest);
	encode_and_decode(kind, rest);
	return 0;
}
