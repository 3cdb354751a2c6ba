/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of cdh-client/ttrpc: frames and messages, without a socket.
 */
#ifndef SEALPOD_CDH_CLIENT_TTRPC_FRAME_H
#define SEALPOD_CDH_CLIENT_TTRPC_FRAME_H

#include "cdh-client/ttrpc.h"

#define TTRPC_HEADER_LEN 10

/* Appends a whole request, header and message. A timeout of 0: none. */
int ttrpc_pack(uint32_t stream, const struct ttrpc_call *call, int64_t timeout_nano, struct buf *out,
	       struct err *err) WARN_UNUSED;

/* Is this the header of the answer to `stream`? *ret_len bytes follow it, at most TTRPC_ANSWER_MAX. */
int ttrpc_check_header(const uint8_t header[static TTRPC_HEADER_LEN], uint32_t stream, size_t *ret_len,
		       struct err *err) WARN_UNUSED;

/* The message behind the header; may be empty. */
int ttrpc_unpack(const struct secret *frame, struct ttrpc_status *ret_status, struct secret *ret_payload,
		 struct err *err) WARN_UNUSED;

#endif
