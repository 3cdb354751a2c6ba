/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unwrapping init-data.
 *
 * The bytes are the host's: lengths in them are checked against what is there, and
 * what comes out is bounded. Must never guess: a form that was begun must be whole.
 */
#include "initdata/envelope.h"

#include <string.h>

#include "base/cursor.h"
#include "base/encode.h"
#include "initdata/gunzip.h"

static const char image_magic[] = "initdata";
static const char base64_of_gzip[] = "H4sI"; /* 1f 8b 08 */

static bool begins(struct bytes raw, const char *text)
{
	size_t len = strlen(text);
	return raw.len >= len && memcmp(raw.data, text, len) == 0;
}

/* Is all of it letters of base64 and line ends? No TOML document is: it needs '"' or '\''. */
static bool is_base64(struct bytes raw)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=\r\n";
	for (size_t i = 0; i < raw.len; i++)
		if (!raw.data[i] || !strchr(letters, raw.data[i]))
			return false;
	return raw.len > 0;
}

enum initdata_form initdata_form_of(struct bytes raw)
{
	if (gunzip_is(raw))
		return INITDATA_GZIP;
	/* a TOML key may be called so, but then no byte 0 follows */
	if (begins(raw, image_magic) && raw.len >= 16 && raw.data[15] == 0)
		return INITDATA_IMAGE;
	if (begins(raw, base64_of_gzip) || is_base64(raw))
		return INITDATA_ANNOTATION;
	return INITDATA_PLAIN;
}

const char *initdata_form_name(enum initdata_form form)
{
	static const char *const names[] = {
		[INITDATA_PLAIN] = "TOML",
		[INITDATA_ANNOTATION] = "base64 of gzip",
		[INITDATA_GZIP] = "gzip",
		[INITDATA_IMAGE] = "block device image",
	};
	return names[form];
}

/* Go's decoder, which made the first use of this text, skips line ends. */
static int strip_line_ends(struct bytes raw, struct buf *out, struct err *err)
{
	size_t start = 0;
	for (size_t i = 0; i <= raw.len; i++) {
		if (i < raw.len && raw.data[i] != '\r' && raw.data[i] != '\n')
			continue;
		if (buf_append(out, bytes_of(raw.data + start, i - start), err) < 0)
			return -1;
		start = i + 1;
	}
	return 0;
}

static int unwrap_annotation(struct bytes raw, struct buf *out, struct err *err)
{
	struct buf letters OWNED_BUF = BUF_INIT(INITDATA_ENVELOPE_MAX);
	struct buf inner OWNED_BUF = BUF_INIT(INITDATA_ENVELOPE_MAX);
	if (strip_line_ends(raw, &letters, err) < 0)
		return -1;
	if (base64_decode(BASE64, buf_bytes(&letters), &inner, err) < 0)
		return err && err->code == ERR_SYSTEM
			       ? -1
			       : err_set(err, ERR_CONFIG, "not proper base64 (standard alphabet, padded)");
	if (gunzip_is(buf_bytes(&inner)))
		return gunzip(buf_bytes(&inner), out, err);
	return buf_append(out, buf_bytes(&inner), err);
}

static int unwrap_image(struct bytes raw, struct buf *out, struct err *err)
{
	uint64_t len = le64(raw.data + strlen(image_magic));
	size_t head = strlen(image_magic) + sizeof(len);
	if (len > raw.len - head)
		return err_set(err, ERR_CONFIG, "the header says %llu bytes of gzip, %zu are there",
			       (unsigned long long)len, raw.len - head);
	return gunzip(bytes_of(raw.data + head, (size_t)len), out, err);
}

static int unwrap(enum initdata_form form, struct bytes raw, struct buf *out, struct err *err)
{
	switch (form) {
	case INITDATA_GZIP:
		return gunzip(raw, out, err);
	case INITDATA_IMAGE:
		return unwrap_image(raw, out, err);
	case INITDATA_ANNOTATION:
		return unwrap_annotation(raw, out, err);
	case INITDATA_PLAIN:
		break;
	}
	return buf_append(out, raw, err);
}

int initdata_unwrap(struct bytes raw, struct buf *ret_toml, struct err *err)
{
	if (raw.len > INITDATA_ENVELOPE_MAX)
		return err_set(err, ERR_CONFIG, "init-data of %zu bytes: at most %u are taken", raw.len,
			       INITDATA_ENVELOPE_MAX);
	enum initdata_form form = initdata_form_of(raw);
	struct buf toml OWNED_BUF = BUF_INIT(INITDATA_MAX);
	if (unwrap(form, raw, &toml, err) < 0) {
		if (err && err->code != ERR_SYSTEM)
			err->code = ERR_CONFIG;
		return err_wrap(err, "init-data (%s)", initdata_form_name(form));
	}
	buf_move(ret_toml, &toml);
	return 0;
}
