/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing gzip. The same input and zlib give the same bytes; what is measured is the text
 * inside, so another zlib does no harm.
 */
#include "initdata/gzip.h"

#include <limits.h>
#include <string.h>
#include <zlib.h>

#define WINDOW_GZIP (15 + 16)
#define MEMORY_LEVEL 9

static void end_deflate(z_stream *stream)
{
	(void)deflateEnd(stream);
}

int gzip(struct bytes data, struct buf *out, struct err *err)
{
	uint8_t chunk[4096];
	CLEANUP(end_deflate) z_stream stream;
	memset(&stream, 0, sizeof(stream));
	if (data.len > UINT_MAX || deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, WINDOW_GZIP, MEMORY_LEVEL,
						Z_DEFAULT_STRATEGY) != Z_OK)
		return err_set(err, ERR_SYSTEM, "cannot start zlib");
	stream.next_in = (Bytef *)(uintptr_t)data.data;
	stream.avail_in = (uInt)data.len;
	for (int rc = Z_OK; rc != Z_STREAM_END;) {
		stream.next_out = chunk;
		stream.avail_out = sizeof(chunk);
		rc = deflate(&stream, Z_FINISH);
		if (rc != Z_OK && rc != Z_STREAM_END)
			return err_set(err, ERR_SYSTEM, "zlib failed (%d)", rc);
		if (buf_append(out, bytes_of(chunk, sizeof(chunk) - stream.avail_out), err) < 0)
			return -1;
	}
	return 0;
}
