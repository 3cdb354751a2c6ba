/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory for protobuf-c.
 *
 * What is unpacked came from another process and may hold keys. Must never let
 * protobuf-c use the C library's allocator for it, nor as much memory as it likes.
 */
#include "cdh-client/pb.h"

#include <string.h>

#include "base/wipe.h"

/* Beside the bytes themselves: structures, and unknown fields of a newer peer. */
#define STRUCTURES 16384

static void *pb_alloc(void *arg, size_t size)
{
	struct pb_memory *memory = arg;
	if (size > memory->left)
		return NULL;
	memory->left -= size;
	return wipe_malloc(size);
}

static void pb_free(void *arg, void *p)
{
	(void)arg;
	wipe_free(p);
}

void pb_memory_init(struct pb_memory *memory, size_t len)
{
	memory->left = 2 * len + STRUCTURES;
	memory->allocator = (ProtobufCAllocator){ .alloc = pb_alloc, .free = pb_free, .allocator_data = memory };
}

ProtobufCBinaryData pb_bytes(struct bytes bytes)
{
	ProtobufCBinaryData data = { .len = bytes.len };
	memcpy(&data.data, &bytes.data, sizeof(data.data));
	return data;
}

char *pb_text(const char *text)
{
	char *same;
	memcpy(&same, &text, sizeof(same));
	return same;
}

/* protobuf-c's own buffer interface, on ours: nothing is packed twice. */
struct sink {
	ProtobufCBuffer base;
	struct buf *out;
	struct err *err;
	int rc;
};

static void append(ProtobufCBuffer *buffer, size_t len, const uint8_t *data)
{
	struct sink *sink = (struct sink *)buffer;
	if (sink->rc == 0)
		sink->rc = buf_append(sink->out, bytes_of(data, len), sink->err);
}

int pb_pack(const ProtobufCMessage *message, struct buf *out, struct err *err)
{
	struct sink sink = { .base = { .append = append }, .out = out, .err = err };
	(void)protobuf_c_message_pack_to_buffer(message, &sink.base);
	return sink.rc;
}

int pb_secret(ProtobufCBinaryData bytes, struct secret *ret_secret, struct err *err)
{
	struct secret secret OWNED_SECRET = SECRET_INIT;
	if (bytes.len > 0 && (secret_alloc(&secret, bytes.len, err) < 0 ||
			      secret_append(&secret, bytes_of(bytes.data, bytes.len), err) < 0))
		return -1;
	secret_move(ret_secret, &secret);
	return 0;
}
