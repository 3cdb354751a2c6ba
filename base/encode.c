/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strict hexadecimal and base64, on libsodium's constant-time codecs.
 *
 * The text comes from KBS answers, configuration and evidence. libsodium takes
 * neither blanks nor non-zero trailing bits, but it takes bytes above 0x7f for
 * letters of base64: those are refused here, so that each byte string has one
 * spelling (all of it checked by our tests against a plain model). Upper-case
 * hexadecimal digits are read too.
 */
#include "base/encode.h"

#include <sodium.h>
#include <string.h>

static int variant_of(enum base64_kind kind)
{
	switch (kind) {
	case BASE64:
		return sodium_base64_VARIANT_ORIGINAL;
	case BASE64URL:
		return sodium_base64_VARIANT_URLSAFE_NO_PADDING;
	case BASE64URL_PADDED:
		return sodium_base64_VARIANT_URLSAFE;
	}
	return sodium_base64_VARIANT_ORIGINAL;
}

static const char *kind_name(enum base64_kind kind)
{
	switch (kind) {
	case BASE64:
		return "base64";
	case BASE64URL:
		return "unpadded base64url";
	case BASE64URL_PADDED:
		return "padded base64url";
	}
	return "base64";
}

/* Extends `out` by `len` bytes to be written over and points at them. */
static int extend(struct buf *out, size_t len, char **ret_place, struct err *err)
{
	if (buf_printf(out, err, "%*s", (int)len, "") < 0)
		return -1;
	*ret_place = (char *)out->data + out->len - len;
	return 0;
}

static void shrink(struct buf *out, size_t len)
{
	out->len = len;
	if (out->data)
		out->data[len] = 0;
}

/* Far above every limit of a caller, and keeps the arithmetic below inside int. */
#define TEXT_MAX ((size_t)64 * 1024 * 1024)

static int check_size(struct bytes in, struct err *err)
{
	if (in.len > TEXT_MAX)
		return err_set(err, ERR_PROTOCOL, "more than %zu bytes of encoded text", TEXT_MAX);
	return 0;
}

int hex_encode(struct bytes in, struct buf *out, struct err *err)
{
	char *place;
	if (check_size(in, err) < 0 || extend(out, in.len * 2, &place, err) < 0)
		return -1;
	if (in.len > 0)
		sodium_bin2hex(place, in.len * 2 + 1, in.data, in.len);
	return 0;
}

int hex_decode(struct bytes text, struct buf *out, struct err *err)
{
	if (check_size(text, err) < 0)
		return -1;
	if (text.len % 2 != 0)
		return err_set(err, ERR_PROTOCOL, "hexadecimal text of odd length %zu", text.len);
	size_t before = out->len;
	size_t got = 0;
	char *place;
	if (extend(out, text.len / 2, &place, err) < 0)
		return -1;
	if (text.len == 0)
		return 0;
	if (sodium_hex2bin((unsigned char *)place, text.len / 2, (const char *)text.data, text.len, NULL, &got, NULL) !=
		    0 ||
	    got != text.len / 2) {
		shrink(out, before);
		return err_set(err, ERR_PROTOCOL, "not hexadecimal text");
	}
	return 0;
}

int base64_encode(enum base64_kind kind, struct bytes in, struct buf *out, struct err *err)
{
	if (check_size(in, err) < 0)
		return -1;
	size_t size = sodium_base64_encoded_len(in.len, variant_of(kind)); /* with the NUL */
	char *place;
	if (extend(out, size - 1, &place, err) < 0)
		return -1;
	sodium_bin2base64(place, size, in.data, in.len, variant_of(kind));
	return 0;
}

/* In one go over all bytes: which of them it was stays out of the timing. */
static bool is_ascii(struct bytes text)
{
	uint8_t all = 0;
	for (size_t i = 0; i < text.len; i++)
		all |= text.data[i];
	return all < 0x80;
}

/* What `text` decodes to at most; exactly that if it is right. Never 0. */
static size_t decoded_size(struct bytes text)
{
	size_t letters = text.len;
	while (letters > 0 && text.len - letters < 2 && text.data[letters - 1] == '=')
		letters--;
	size_t size = letters / 4 * 3 + letters % 4 * 3 / 4;
	return size ? size : 1;
}

static int decode_into(enum base64_kind kind, struct bytes text, void *into, size_t room, size_t *ret_len,
		       struct err *err)
{
	size_t len = 0;
	const char *end = NULL;
	const char *start = (const char *)text.data;
	if (text.len == 0) {
		*ret_len = 0;
		return 0;
	}
	if (!is_ascii(text) ||
	    sodium_base642bin(into, room, start, text.len, NULL, &len, &end, variant_of(kind)) != 0 ||
	    end != start + text.len)
		return err_set(err, ERR_PROTOCOL, "not %s text", kind_name(kind));
	*ret_len = len;
	return 0;
}

int base64_decode(enum base64_kind kind, struct bytes text, struct buf *out, struct err *err)
{
	if (check_size(text, err) < 0)
		return -1;
	size_t room = decoded_size(text);
	struct buf plain OWNED_BUF = BUF_INIT(room);
	char *place;
	size_t len;
	if (extend(&plain, room, &place, err) < 0 || decode_into(kind, text, place, room, &len, err) < 0)
		return -1;
	return buf_append(out, bytes_of(place, len), err);
}

int base64_encode_secret(enum base64_kind kind, struct bytes in, struct secret *out, struct err *err)
{
	if (check_size(in, err) < 0)
		return -1;
	size_t size = sodium_base64_encoded_len(in.len, variant_of(kind)); /* with the NUL */
	size_t room = out->cap - out->len;
	if (size > room)
		return err_set(err, ERR_PROTOCOL, "larger than the limit of %zu bytes", out->cap);
	sodium_bin2base64((char *)out->data + out->len, room, in.data, in.len, variant_of(kind));
	out->len += size - 1;
	return 0;
}

int base64_decode_secret(enum base64_kind kind, struct bytes text, struct secret *out, struct err *err)
{
	if (check_size(text, err) < 0)
		return -1;
	struct secret plain OWNED_SECRET = SECRET_INIT;
	size_t room = decoded_size(text);
	if (secret_alloc(&plain, room, err) < 0 || decode_into(kind, text, plain.data, room, &plain.len, err) < 0)
		return -1;
	secret_move(out, &plain);
	return 0;
}
