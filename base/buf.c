/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Growing byte buffer with a hard maximum.
 *
 * What goes in may come from anyone; the maximum is the caller's and is never
 * passed. The spare byte for the NUL behind the content is on top of it.
 */
#include "base/buf.h"

#include <stdio.h>
#include <string.h>

#include "base/wipe.h"

struct bytes bytes_of(const void *data, size_t len)
{
	return (struct bytes){ .data = data, .len = len };
}

struct bytes bytes_of_text(const char *text)
{
	return bytes_of(text, strlen(text));
}

bool bytes_equal(struct bytes a, struct bytes b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

bool bytes_equal_text(struct bytes a, const char *text)
{
	return bytes_equal(a, bytes_of_text(text));
}

void buf_done(struct buf *buf)
{
	if (!buf)
		return;
	wipe_free(buf->data);
	*buf = (struct buf)BUF_INIT(buf->max);
}

static int reserve(struct buf *buf, size_t more, struct err *err)
{
	/* A maximum of SIZE_MAX means what fits into memory, with the NUL. */
	if (more > buf->max - buf->len || more >= SIZE_MAX - buf->len)
		return err_set(err, ERR_PROTOCOL, "larger than the limit of %zu bytes", buf->max);
	size_t need = buf->len + more + 1;
	if (need <= buf->cap)
		return 0;
	size_t cap = buf->cap ? buf->cap : 256;
	while (cap < need)
		cap = cap > SIZE_MAX / 2 ? need : cap * 2;
	if (cap - 1 > buf->max)
		cap = buf->max + 1;
	uint8_t *data = wipe_realloc(buf->data, cap);
	if (!data)
		return err_set(err, ERR_SYSTEM, "out of memory (%zu bytes)", cap);
	buf->data = data;
	buf->cap = cap;
	return 0;
}

int buf_append(struct buf *buf, struct bytes more, struct err *err)
{
	if (reserve(buf, more.len, err) < 0)
		return -1;
	if (more.len > 0)
		memcpy(buf->data + buf->len, more.data, more.len);
	buf->len += more.len;
	buf->data[buf->len] = 0;
	return 0;
}

int buf_append_text(struct buf *buf, const char *text, struct err *err)
{
	return buf_append(buf, bytes_of_text(text), err);
}

int buf_append_byte(struct buf *buf, uint8_t byte, struct err *err)
{
	return buf_append(buf, bytes_of(&byte, 1), err);
}

int buf_printf(struct buf *buf, struct err *err, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (len < 0)
		return err_set(err, ERR_SYSTEM, "text cannot be formatted");
	if (reserve(buf, (size_t)len, err) < 0)
		return -1;
	va_start(args, format);
	(void)vsnprintf((char *)buf->data + buf->len, (size_t)len + 1, format, args);
	va_end(args);
	buf->len += (size_t)len;
	return 0;
}

struct bytes buf_bytes(const struct buf *buf)
{
	return bytes_of(buf->data, buf->len);
}

const char *buf_text(const struct buf *buf)
{
	return buf->data ? (const char *)buf->data : "";
}

void buf_move(struct buf *to, struct buf *from)
{
	buf_done(to);
	*to = *from;
	*from = (struct buf)BUF_INIT(from->max);
}
