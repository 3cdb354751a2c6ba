/* SPDX-License-Identifier: Apache-2.0 */
/*
 * protobuf-c with memory that is wiped and bounded: what it copies out of an
 * answer may be a key, and a short message can unpack to many small pieces.
 */
#ifndef SEALPOD_CDH_CLIENT_PB_H
#define SEALPOD_CDH_CLIENT_PB_H

#include <protobuf-c/protobuf-c.h>

#include "base/buf.h"
#include "base/secret.h"

/* Bytes that an unpacking may still take; the allocator points to it. */
struct pb_memory {
	size_t left;
	ProtobufCAllocator allocator;
};

/* For unpacking one message of `len` bytes. Must stay where it is until all is freed. */
void pb_memory_init(struct pb_memory *memory, size_t len);

/* Borrowed bytes and text for a message that will be packed: protobuf-c only reads them, but knows no const. */
ProtobufCBinaryData pb_bytes(struct bytes bytes);
char *pb_text(const char *text);

/* Appends the packed message to `out`, which must have room for all of it. */
int pb_pack(const ProtobufCMessage *message, struct buf *out, struct err *err) WARN_UNUSED;

/* A bytes field into guarded memory; an empty one leaves *ret_secret empty. */
int pb_secret(ProtobufCBinaryData bytes, struct secret *ret_secret, struct err *err) WARN_UNUSED;

#endif
