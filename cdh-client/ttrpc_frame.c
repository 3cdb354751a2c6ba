/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ttrpc's frames and messages.
 *
 * Answers are bytes of another process, and may hold keys: what unpacking copies out of
 * them lies in memory that is wiped and bounded, and is gone on return. Must never
 * believe a length before it was compared with a limit.
 */
#include "cdh-client/ttrpc_frame.h"

#include <endian.h>
#include <proto/ttrpc.pb-c.h>
#include <stdio.h>
#include <string.h>

#include "cdh-client/pb.h"

#define TYPE_REQUEST 1
#define TYPE_RESPONSE 2

static int put_be32(uint32_t value, struct buf *out, struct err *err)
{
	uint32_t be = htobe32(value);
	return buf_append(out, bytes_of(&be, sizeof(be)), err);
}

int ttrpc_pack(uint32_t stream, const struct ttrpc_call *call, int64_t timeout_nano, struct buf *out, struct err *err)
{
	Ttrpc__Request request;
	ttrpc__request__init(&request);
	request.service = pb_text(call->service);
	request.method = pb_text(call->method);
	request.payload = pb_bytes(call->request);
	request.timeout_nano = timeout_nano;
	size_t len = ttrpc__request__get_packed_size(&request);
	if (len > TTRPC_MAX)
		return err_set(err, ERR_PROTOCOL, "a request of %zu bytes: at most %u can be sent", len, TTRPC_MAX);
	if (put_be32((uint32_t)len, out, err) < 0 || put_be32(stream, out, err) < 0 ||
	    buf_append_byte(out, TYPE_REQUEST, err) < 0 || buf_append_byte(out, 0, err) < 0)
		return -1;
	return pb_pack(&request.base, out, err);
}

static uint32_t be32(const uint8_t *at)
{
	uint32_t be;
	memcpy(&be, at, sizeof(be));
	return be32toh(be);
}

int ttrpc_check_header(const uint8_t header[static TTRPC_HEADER_LEN], uint32_t stream, size_t *ret_len, struct err *err)
{
	uint32_t len = be32(header);
	uint32_t id = be32(header + 4);
	if (header[8] != TYPE_RESPONSE)
		return err_set(err, ERR_PROTOCOL,
			       "it does not speak ttrpc: a frame of type %u where an answer (2) is due", header[8]);
	if (id != stream)
		return err_set(err, ERR_PROTOCOL, "an answer to stream %u, while only stream %u was asked", id, stream);
	if (len > TTRPC_ANSWER_MAX)
		return err_set(err, ERR_PROTOCOL, "an answer of %u bytes: at most %u are taken", len, TTRPC_ANSWER_MAX);
	*ret_len = len;
	return 0;
}

int ttrpc_unpack(const struct secret *frame, struct ttrpc_status *ret_status, struct secret *ret_payload,
		 struct err *err)
{
	struct pb_memory memory;
	pb_memory_init(&memory, frame->len);
	Ttrpc__Response *response = ttrpc__response__unpack(&memory.allocator, frame->len, frame->data);
	if (!response)
		return err_set(err, ERR_PROTOCOL, "an answer that is no ttrpc response");
	struct ttrpc_status status = { .code = TTRPC_OK };
	if (response->status) {
		status.code = response->status->code;
		(void)snprintf(status.message, sizeof(status.message), "%s", response->status->message);
	}
	struct secret payload OWNED_SECRET = SECRET_INIT;
	int rc = status.code == TTRPC_OK ? pb_secret(response->payload, &payload, err) : 0;
	ttrpc__response__free_unpacked(response, &memory.allocator);
	if (rc < 0)
		return -1;
	*ret_status = status;
	secret_move(ret_payload, &payload);
	return 0;
}
