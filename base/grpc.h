/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gRPC calls over base/http: one request message, then one reply message (unary)
 * or any number (server streaming). The HTTP client is the caller's and decides
 * where the call goes: a unix socket by prior knowledge, or TLS with a client
 * certificate. Messages may hold keys, so they arrive in guarded memory.
 *
 * What the server sends is hostile: a message has a largest size, compression is
 * refused, a status message is cut and cleaned.
 */
#ifndef SEALPOD_BASE_GRPC_H
#define SEALPOD_BASE_GRPC_H

#include "base/http.h"
#include "base/secret.h"

enum grpc_code {
	GRPC_OK = 0,
	GRPC_CANCELLED = 1,
	GRPC_UNKNOWN = 2,
	GRPC_INVALID_ARGUMENT = 3,
	GRPC_DEADLINE_EXCEEDED = 4,
	GRPC_NOT_FOUND = 5,
	GRPC_ALREADY_EXISTS = 6,
	GRPC_PERMISSION_DENIED = 7,
	GRPC_RESOURCE_EXHAUSTED = 8,
	GRPC_FAILED_PRECONDITION = 9,
	GRPC_ABORTED = 10,
	GRPC_OUT_OF_RANGE = 11,
	GRPC_UNIMPLEMENTED = 12,
	GRPC_INTERNAL = 13,
	GRPC_UNAVAILABLE = 14,
	GRPC_DATA_LOSS = 15,
	GRPC_UNAUTHENTICATED = 16,
};

#define GRPC_MESSAGE_MAX 256
#define GRPC_MAX_METADATA 8

/* How a call ended. */
struct grpc_status {
	enum grpc_code code;
	bool from_server; /* false: the transport broke, or the server broke the protocol */
	char message[GRPC_MESSAGE_MAX];
};

/* "PermissionDenied" */
const char *grpc_code_name(enum grpc_code code);

struct grpc_call {
	const char *method; /* "/package.Service/Method" */
	const struct http_header *metadata;
	size_t metadata_count; /* at most GRPC_MAX_METADATA */
	struct bytes message;
	size_t max_message; /* largest reply message; 0 and more than SECRET_MAX: SECRET_MAX */
	int64_t first_ms;   /* longest wait for the first reply; 0: none but the deadline */
	/* Streaming: each reply message; it may be moved away. 0: go on. Positive: enough,
	 * the call ends well. Negative: the call fails with the err that was filled. */
	int (*on_message)(struct secret *message, void *arg, struct err *err);
	void *on_message_arg;
};

/* Both fill *ret_status in any case. 0: the status is OK. -1: err says why; its code
 * follows the status (PermissionDenied: ERR_DENIED, Unavailable: ERR_SERVER, …) or is
 * http_perform()'s. A `deadline` of NULL: none. */
int grpc_stream(struct http_client *http, const struct grpc_call *call, const struct deadline *deadline,
		struct grpc_status *ret_status, struct err *err) WARN_UNUSED;

/* Exactly one reply message, which is moved into *ret_reply (which must be empty). */
int grpc_unary(struct http_client *http, const struct grpc_call *call, const struct deadline *deadline,
	       struct secret *ret_reply, struct grpc_status *ret_status, struct err *err) WARN_UNUSED;

/* The two parsers, for tests. */

/* Cuts a body into its messages, however it is split. */
struct grpc_frames {
	size_t max;
	uint8_t head[5];
	size_t head_len;
	size_t wanted;	       /* length of the message in the making */
	struct secret message; /* the part that came */
	int (*on_message)(struct secret *message, void *arg, struct err *err);
	void *arg;
};

/* 0, the handler's positive result, or -1 with err. Nothing may be fed after another result than 0. */
int grpc_frames_feed(struct grpc_frames *frames, struct bytes piece, struct err *err) WARN_UNUSED;

/* Does the body end here without half a message? */
bool grpc_frames_whole(const struct grpc_frames *frames);
void grpc_frames_done(struct grpc_frames *frames);

/* The status out of an ended answer: "name: value\n" lines of headers and trailers,
 * or, where there is none, what the HTTP status stands for. */
void grpc_status_read(int http_status, struct bytes lines, struct grpc_status *ret_status);

#endif
