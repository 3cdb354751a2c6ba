/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ttrpc client.
 *
 * The peer is a process of the same guest (or whoever took its socket's place): it
 * chooses every byte and when it comes. Answers hold keys: they are read into
 * guarded memory, and the copies that unpacking makes are wiped before a call
 * returns. Must never take one call's answer for another's, nor believe a length.
 */
#include "cdh-client/ttrpc.h"

#include "cdh-client/stream.h"
#include "cdh-client/ttrpc_frame.h"

struct ttrpc {
	const char *path;
	const char *peer;
	int fd;		 /* -1: not connected */
	uint32_t stream; /* id of the next call on this connection */
};

int ttrpc_open(const char *path, const char *peer, struct ttrpc **ret_client, struct err *err)
{
	struct ttrpc *client = calloc(1, sizeof(*client));
	if (!client)
		return err_set(err, ERR_SYSTEM, "out of memory");
	*client = (struct ttrpc){ .path = path, .peer = peer, .fd = -1 };
	*ret_client = client;
	return 0;
}

void ttrpc_close(struct ttrpc *client)
{
	if (!client)
		return;
	cleanup_fd(&client->fd);
	free(client);
}

void ttrpc_cleanup(struct ttrpc **client)
{
	ttrpc_close(*client);
	*client = NULL;
}

/* Nanoseconds for the server; what has passed already still gets one, as 0 means none. */
static int64_t timeout_nano(const struct deadline *deadline)
{
	if (!deadline)
		return 0;
	int64_t left = deadline_left(deadline);
	if (left > INT64_MAX / 1000000)
		return 0;
	return left > 0 ? left * 1000000 : 1;
}

static int read_frame(int fd, uint32_t stream, const struct deadline *deadline, struct secret *ret_frame,
		      struct err *err)
{
	uint8_t header[TTRPC_HEADER_LEN];
	size_t len;
	if (stream_read(fd, header, sizeof(header), deadline, err) < 0 ||
	    ttrpc_check_header(header, stream, &len, err) < 0)
		return -1;
	struct secret frame OWNED_SECRET = SECRET_INIT;
	if (len > 0 && (secret_alloc(&frame, len, err) < 0 || stream_read(fd, frame.data, len, deadline, err) < 0))
		return -1;
	frame.len = len;
	secret_move(ret_frame, &frame);
	return 0;
}

/* A connection on which nothing is under way: a kept one that has been closed, or that says something
 * unasked, is replaced. */
static int ensure_connected(struct ttrpc *client, const struct deadline *deadline, struct err *err)
{
	if (client->fd >= 0 && !stream_is_quiet(client->fd))
		cleanup_fd(&client->fd);
	if (client->fd >= 0 && client->stream < UINT32_MAX - 2)
		return 0;
	cleanup_fd(&client->fd);
	client->stream = 1;
	return stream_connect(client->path, deadline, &client->fd, err);
}

static int exchange(struct ttrpc *client, const struct ttrpc_call *call, const struct deadline *deadline,
		    struct ttrpc_status *ret_status, struct secret *ret_payload, struct err *err)
{
	struct buf request OWNED_BUF = BUF_INIT(TTRPC_MAX + TTRPC_HEADER_LEN);
	struct secret frame OWNED_SECRET = SECRET_INIT;
	if (ensure_connected(client, deadline, err) < 0)
		return -1;
	uint32_t stream = client->stream;
	client->stream += 2;
	if (ttrpc_pack(stream, call, timeout_nano(deadline), &request, err) < 0 ||
	    stream_write(client->fd, buf_bytes(&request), deadline, err) < 0 ||
	    read_frame(client->fd, stream, deadline, &frame, err) < 0)
		return -1;
	return ttrpc_unpack(&frame, ret_status, ret_payload, err);
}

int ttrpc_call(struct ttrpc *client, const struct ttrpc_call *call, const struct deadline *deadline,
	       struct ttrpc_status *ret_status, struct secret *ret_payload, struct err *err)
{
	if (exchange(client, call, deadline, ret_status, ret_payload, err) == 0)
		return 0;
	/* A late answer must not meet the next call. */
	cleanup_fd(&client->fd);
	return err_wrap(err, "%s at '%s'", client->peer, client->path);
}

int ttrpc_check(const struct ttrpc *client, const struct ttrpc_call *call, const struct ttrpc_status *status,
		enum err_code failed, const char *advice, struct err *err)
{
	switch (status->code) {
	case TTRPC_OK:
		return 0;
	case TTRPC_DEADLINE_EXCEEDED:
		return err_set(err, ERR_TIMEOUT, "%s at '%s' did not finish '%s' in time (it says '%s')", client->peer,
			       client->path, call->method, status->message);
	case TTRPC_INVALID_ARGUMENT:
	case TTRPC_NOT_FOUND:
	case TTRPC_UNIMPLEMENTED:
		return err_set(err, ERR_PROTOCOL,
			       "%s at '%s' does not know the call '%s/%s' (status %d, '%s'): is it of another release, "
			       "or is something else at this socket?",
			       client->peer, client->path, call->service, call->method, status->code, status->message);
	default:
		return err_set(err, failed, "%s at '%s' failed in '%s' (status %d, '%s')%s%s", client->peer,
			       client->path, call->method, status->code, status->message, *advice ? ": " : "", advice);
	}
}
