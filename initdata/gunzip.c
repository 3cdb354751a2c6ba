/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading gzip.
 *
 * The input is the host's. What it becomes is bounded by the output buffer, in
 * steps of a small chunk: a few bytes can stand for gigabytes. Must never take part
 * of a text for the whole: the checksum at the end is waited for.
 */
#include "initdata/gunzip.h"

#include <string.h>
#include <zlib.h>

#include "base/wipe.h"

#define WINDOW_GZIP (15 + 16) /* zlib's way to say: gzip, and nothing else */

bool gunzip_is(struct bytes data)
{
	return data.len >= 3 && data.data[0] == 0x1f && data.data[1] == 0x8b && data.data[2] == 8;
}

static void *zalloc(void *arg, unsigned count, unsigned size)
{
	(void)arg;
	return wipe_calloc(count, size);
}

static void zfree(void *arg, void *p)
{
	(void)arg;
	wipe_free(p);
}

static void end_inflate(z_stream *stream)
{
	(void)inflateEnd(stream);
}

static int say(const z_stream *stream, int rc, struct err *err)
{
	if (rc == Z_MEM_ERROR)
		return err_set(err, ERR_SYSTEM, "out of memory");
	if (rc == Z_BUF_ERROR)
		return err_set(err, ERR_CONFIG, "the gzip is cut off after %lu bytes", stream->total_in);
	return err_set(err, ERR_CONFIG, "not proper gzip at byte %lu: %s", stream->total_in,
		       stream->msg ? stream->msg : "unknown format");
}

static int inflate_all(z_stream *stream, struct buf *out, struct err *err)
{
	uint8_t chunk[4096];
	for (;;) {
		stream->next_out = chunk;
		stream->avail_out = sizeof(chunk);
		int rc = inflate(stream, Z_NO_FLUSH);
		if (rc != Z_OK && rc != Z_STREAM_END)
			return say(stream, rc, err);
		size_t len = sizeof(chunk) - stream->avail_out;
		if (len > out->max - out->len)
			return err_set(err, ERR_CONFIG, "unpacked it is larger than the limit of %zu bytes", out->max);
		if (buf_append(out, bytes_of(chunk, len), err) < 0)
			return -1;
		if (rc == Z_STREAM_END)
			return 0;
	}
}

int gunzip(struct bytes data, struct buf *out, struct err *err)
{
	if (!gunzip_is(data) || data.len > UINT32_MAX)
		return err_set(err, ERR_CONFIG, "not gzip");
	z_stream stream CLEANUP(end_inflate) = { .zalloc = zalloc, .zfree = zfree };
	/* next_in is not const in zlib's header; it is only read. */
	memcpy(&stream.next_in, &data.data, sizeof(stream.next_in));
	stream.avail_in = (uInt)data.len;
	int rc = inflateInit2(&stream, WINDOW_GZIP);
	if (rc != Z_OK)
		return say(&stream, rc, err);
	if (inflate_all(&stream, out, err) < 0)
		return -1;
	if (stream.avail_in > 0)
		return err_set(err, ERR_CONFIG, "%u more bytes behind the end of the gzip at byte %lu", stream.avail_in,
			       stream.total_in);
	return 0;
}
