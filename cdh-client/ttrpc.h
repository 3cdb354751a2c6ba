/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ttrpc over a unix socket, as a client of the guest components: one call at a time.
 *
 * A frame is BE32 length, BE32 stream id, type (1 request, 2 response), flags, then
 * a protobuf message (proto/ttrpc.proto). Ids of a client are odd and rise. As only
 * one call is under way, an answer with another id is nobody's and an error. After
 * any failure but a status the connection is closed and the next call opens a new
 * one, so that no late answer can be taken for the next call's.
 *
 * The peer runs in the same guest, but its answers are secrets and its lengths are
 * not believed: answers are read into guarded memory, and what protobuf-c copies out of
 * them lies in the wiping allocator until the call returns.
 */
#ifndef SEALPOD_CDH_CLIENT_TTRPC_H
#define SEALPOD_CDH_CLIENT_TTRPC_H

#include "base/clock.h"
#include "base/secret.h"

/* The protocol's limit on a frame's payload, for what is sent... */
#define TTRPC_MAX (4u * 1024u * 1024u)
/* ...and ours, for what is taken: within guarded memory's. */
#define TTRPC_ANSWER_MAX SECRET_MAX

/* Status codes that guest components send (those of gRPC). */
enum ttrpc_code {
	TTRPC_OK = 0,
	TTRPC_INVALID_ARGUMENT = 3, /* unknown service, too */
	TTRPC_DEADLINE_EXCEEDED = 4,
	TTRPC_NOT_FOUND = 5, /* a method that the server declares and does not have */
	TTRPC_UNIMPLEMENTED = 12,
	TTRPC_INTERNAL = 13,
};

struct ttrpc_status {
	int code; /* a missing status is TTRPC_OK */
	char message[256];
};

struct ttrpc;

/* Connects at the first call. `peer` names the other side in messages. Both must outlive it. */
int ttrpc_open(const char *path, const char *peer, struct ttrpc **ret_client, struct err *err) WARN_UNUSED;
void ttrpc_close(struct ttrpc *client);
void ttrpc_cleanup(struct ttrpc **client);
#define OWNED_TTRPC CLEANUP(ttrpc_cleanup)

struct ttrpc_call {
	const char *service; /* "api.GetResourceService" */
	const char *method;
	struct bytes request; /* a packed message; empty for an empty one */
};

/* 0 whenever a whole answer came, whatever its status: `ret_payload` is filled for
 * TTRPC_OK only, and left empty if the payload is. ERR_NETWORK (no socket, nobody
 * listens, closed in mid-answer), ERR_TIMEOUT, ERR_CONFIG (the path cannot be a socket's, or
 * may not be opened), ERR_PROTOCOL (what the peer sends is not ttrpc, too large, another
 * stream's). What is left of the deadline also goes to the server, as timeout_nano; a
 * deadline of NULL: none. */
int ttrpc_call(struct ttrpc *client, const struct ttrpc_call *call, const struct deadline *deadline,
	       struct ttrpc_status *ret_status, struct secret *ret_payload, struct err *err) WARN_UNUSED;

/* A status other than OK as an error: ERR_TIMEOUT, ERR_PROTOCOL (it has no such call), else `failed`
 * with `advice` behind the peer's own words. 0 for OK. */
int ttrpc_check(const struct ttrpc *client, const struct ttrpc_call *call, const struct ttrpc_status *status,
		enum err_code failed, const char *advice, struct err *err) WARN_UNUSED;

#endif
