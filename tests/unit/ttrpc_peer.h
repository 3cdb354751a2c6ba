/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of what speaks ttrpc: recorded conversations, and a server on a unix
 * socket that replays one, or that a test scripts by hand.
 */
#ifndef SEALPOD_TESTS_TTRPC_PEER_H
#define SEALPOD_TESTS_TTRPC_PEER_H

#include "support.h"

#include "base/encode.h"
#include "base/file.h"
#include "base/json.h"
#include "base/secret.h"
#include "http_peer.h"

#define FRAME_HEADER 10

struct recording {
	struct buf request; /* complete bytes on the socket */
	struct buf response;
};

#define OWNED_RECORDING CLEANUP(recording_done)

static inline void recording_done(struct recording *recording)
{
	buf_done(&recording->request);
	buf_done(&recording->response);
}

static inline void hex_member(const struct json *doc, const char *name, struct buf *out)
{
	const char *text = json_text(json_member(doc, name));
	assert_non_null(text);
	*out = (struct buf)BUF_INIT(65536);
	assert_int_equal(hex_decode(bytes_of_text(text), out, NULL), 0);
}

static inline struct recording recording_read(const char *name)
{
	struct recording recording;
	struct buf text OWNED_BUF = BUF_INIT(65536);
	struct json *doc OWNED_JSON = NULL;
	char path[512];
	(void)snprintf(path, sizeof(path), "%s/ttrpc/%s.json", VECTORS, name);
	assert_int_equal(file_read(AT_FDCWD, path, &text, NULL), 0);
	assert_int_equal(json_parse(buf_bytes(&text), 65536, &doc, NULL), 0);
	hex_member(doc, "request_hex", &recording.request);
	hex_member(doc, "response_hex", &recording.response);
	return recording;
}

static inline uint32_t frame_u32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline void frame_head(uint8_t *to, uint32_t len, uint32_t stream, uint8_t type)
{
	const uint8_t head[FRAME_HEADER] = { (uint8_t)(len >> 24),   (uint8_t)(len >> 16),    (uint8_t)(len >> 8),
					     (uint8_t)len,	     (uint8_t)(stream >> 24), (uint8_t)(stream >> 16),
					     (uint8_t)(stream >> 8), (uint8_t)stream,	      type };
	memcpy(to, head, sizeof(head));
}

/* In the server: one request, its frame whole; its length, 0 at the end. */
static inline size_t peer_read_frame(struct peer_conn *conn, uint8_t *to, size_t size)
{
	if (!peer_read(conn, to, FRAME_HEADER))
		return 0;
	size_t len = frame_u32(to);
	CHECK(len + FRAME_HEADER <= size && peer_read(conn, to + FRAME_HEADER, len));
	return FRAME_HEADER + len;
}

static inline void peer_answer(struct peer_conn *conn, uint32_t stream, const void *payload, size_t len)
{
	uint8_t head[FRAME_HEADER];
	frame_head(head, (uint32_t)len, stream, 2);
	CHECK(peer_write(conn, head, sizeof(head)) && (len == 0 || peer_write(conn, payload, len)));
}

/* Answers each request that is the recorded one, to the byte, with the recorded answer, a byte at a
 * time; those of other streams with an empty success, so that a client can count up to the recorded id. */
static inline void replay(struct peer_conn *conn)
{
	const struct recording *recording = conn->setup->shared;
	uint8_t frame[65536];
	for (size_t len; (len = peer_read_frame(conn, frame, sizeof(frame))) > 0;) {
		uint32_t stream = frame_u32(frame + 4);
		if (stream != frame_u32(recording->request.data + 4)) {
			peer_answer(conn, stream, NULL, 0);
			continue;
		}
		if (len != recording->request.len || memcmp(frame, recording->request.data, len) != 0) {
			(void)fprintf(stderr, "the request is not the recorded one\n");
			return;
		}
		for (size_t i = 0; i < recording->response.len; i++)
			if (!peer_write(conn, recording->response.data + i, 1))
				return;
	}
}

/* A server for one test, in a directory of its own. */
struct ttrpc_stage {
	char dir[256];
	char path[300];
	struct peer_setup setup;
	struct peer peer;
};

static inline void stage_start(struct ttrpc_stage *stage, void (*serve)(struct peer_conn *conn), void *shared)
{
	make_directory(stage->dir);
	(void)snprintf(stage->path, sizeof(stage->path), "%s/socket", stage->dir);
	stage->setup = (struct peer_setup){ .serve = serve, .unix_path = stage->path, .shared = shared };
	stage->peer = peer_start(&stage->setup);
}

static inline void stage_stop(struct ttrpc_stage *stage)
{
	if (!stage->dir[0])
		return;
	peer_stop(&stage->peer);
	(void)unlink(stage->path);
	assert_int_equal(rmdir(stage->dir), 0);
}
#define OWNED_STAGE CLEANUP(stage_stop)

#endif
