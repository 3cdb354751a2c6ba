/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/grpc: the input is a body and, behind the first byte of 0xff, header lines.
 * However the body is cut, the same messages must come out of it, none above the
 * limit; the status must be a known code with a clean message.
 */
#include <stdlib.h>
#include <string.h>

#include "base/grpc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MOST 4096

static void need(bool condition)
{
	if (!condition)
		abort();
}

struct seen {
	unsigned count;
	struct buf all; /* the messages one behind the other */
};

static int on_message(struct secret *message, void *arg, struct err *err)
{
	struct seen *seen = arg;
	need(message->len <= MOST);
	seen->count++;
	return buf_append(&seen->all, secret_bytes(message), err);
}

static int feed(struct bytes body, size_t step, struct seen *seen, bool *ret_whole)
{
	struct err err = { 0 };
	struct grpc_frames frames = { .max = MOST, .on_message = on_message, .arg = seen };
	int rc = 0;
	for (size_t at = 0; rc == 0 && at < body.len; at += step) {
		size_t len = body.len - at < step ? body.len - at : step;
		rc = grpc_frames_feed(&frames, bytes_of(body.data + at, len), &err);
	}
	need(rc == 0 || err.code == ERR_PROTOCOL);
	*ret_whole = grpc_frames_whole(&frames);
	grpc_frames_done(&frames);
	return rc;
}

static void try_body(struct bytes body)
{
	struct seen once = { .all = BUF_INIT(SECRET_MAX) };
	bool once_whole = false;
	int once_rc = feed(body, body.len ? body.len : 1, &once, &once_whole);
	for (size_t step = 1; step < 8; step += 3) {
		struct seen again = { .all = BUF_INIT(SECRET_MAX) };
		bool whole = false;
		need(feed(body, step, &again, &whole) == once_rc && whole == once_whole);
		need(again.count == once.count && bytes_equal(buf_bytes(&again.all), buf_bytes(&once.all)));
		buf_done(&again.all);
	}
	buf_done(&once.all);
}

static void try_status(struct bytes lines)
{
	struct grpc_status status;
	grpc_status_read(200, lines, &status);
	need((unsigned)status.code <= GRPC_UNAUTHENTICATED && strcmp(grpc_code_name(status.code), "?") != 0);
	need(memchr(status.message, 0, sizeof(status.message)) != NULL);
	for (const char *c = status.message; *c; c++)
		need((unsigned char)*c >= 0x20 && *c != 0x7f);
	need(status.from_server || status.code != GRPC_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = { 0 };
	need(secret_setup(&err) == 0);
	if (size > 8 * MOST)
		return 0;
	const uint8_t *split = size ? memchr(data, 0xff, size) : NULL;
	size_t body = split ? (size_t)(split - data) : size;
	try_body(bytes_of(data, body));
	if (split)
		try_status(bytes_of(split + 1, size - body - 1));
	return 0;
}
