/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cdh-client/ttrpc, stream and pb: recorded conversations to the byte, and servers that
 * break each rule. Whatever a server does, the call ends in time and says what it was.
 */
#include "ttrpc_peer.h"

#include <malloc.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <time.h>

#include "base/wipe.h"
#include "cdh-client/ttrpc.h"
#include "cdh-client/ttrpc_frame.h"

#define GET_RESOURCE "api.GetResourceService", "GetResource"

/* Time stands still where a test wants it to, so that a deadline has exactly so much left. */
static int64_t frozen_ms = -1;

int __real_clock_gettime(clockid_t id, struct timespec *now);
int __wrap_clock_gettime(clockid_t id, struct timespec *now);
int __wrap_clock_gettime(clockid_t id, struct timespec *now)
{
	if (frozen_ms < 0)
		return __real_clock_gettime(id, now);
	*now = (struct timespec){ .tv_sec = frozen_ms / 1000, .tv_nsec = (frozen_ms % 1000) * 1000000 };
	return 0;
}

/* Looks into what is given back to the C library. */
static const char *needle;
static unsigned needles_freed;

void __real_free(void *p);
void __wrap_free(void *p);
void __wrap_free(void *p)
{
	if (p && needle && memmem(p, malloc_usable_size(p), needle, strlen(needle)))
		needles_freed++;
	__real_free(p);
}

static struct deadline soon(int64_t ms)
{
	return deadline_in(ms);
}

/* A call of a client on this stage; the client's own connection ids are counted up to `stream`. */
static struct ttrpc *client_at(const struct ttrpc_stage *stage, uint32_t stream)
{
	struct ttrpc *client = NULL;
	struct err err = { 0 };
	assert_int_equal(ttrpc_open(stage->path, "peer", &client, &err), 0);
	for (uint32_t id = 1; id < stream; id += 2) {
		const struct ttrpc_call call = { .service = "s", .method = "m" };
		struct ttrpc_status status = { .code = 99 };
		struct secret payload OWNED_SECRET = SECRET_INIT;
		struct deadline deadline = soon(10000);
		if (ttrpc_call(client, &call, &deadline, &status, &payload, &err) < 0)
			fail_msg("%s", err.message);
		/* no status at all is success, no payload an empty one */
		assert_int_equal(status.code, TTRPC_OK);
		assert_int_equal(payload.len, 0);
	}
	return client;
}

struct outcome {
	int rc;
	struct err err;
	struct ttrpc_status status;
	struct secret payload;
};
#define OWNED_OUTCOME CLEANUP(outcome_done)

static void outcome_done(struct outcome *outcome)
{
	secret_done(&outcome->payload);
}

static struct outcome call(struct ttrpc *client, const char *service, const char *method, struct bytes request,
			   const struct deadline *deadline)
{
	struct outcome out = { .rc = 1 };
	const struct ttrpc_call call = { .service = service, .method = method, .request = request };
	out.rc = ttrpc_call(client, &call, deadline, &out.status, &out.payload, &out.err);
	return out;
}

/* The payload field of a recorded request's envelope: field 3. */
static struct bytes payload_of(const struct recording *recording)
{
	const uint8_t *at = recording->request.data + FRAME_HEADER;
	for (unsigned field = 1; field < 3; field++)
		at += 2 + at[1];
	assert_int_equal(at[0], 0x1a);
	return bytes_of(at + 2, at[1]);
}

static struct outcome replayed(const char *name, const char *service, const char *method, int64_t timeout_ms)
{
	struct ttrpc_stage stage OWNED_STAGE = { 0 };
	struct recording recording OWNED_RECORDING = recording_read(name);
	stage_start(&stage, replay, &recording);
	struct ttrpc *client OWNED_TTRPC = client_at(&stage, frame_u32(recording.request.data + 4));
	frozen_ms = timeout_ms ? 1000000 : -1;
	struct deadline deadline = timeout_ms ? soon(timeout_ms) : (struct deadline){ 0 };
	struct outcome out = call(client, service, method, payload_of(&recording), timeout_ms ? &deadline : NULL);
	frozen_ms = -1;
	if (out.rc < 0)
		fail_msg("%s: %s", name, out.err.message);
	return out;
}

static void recorded_secret_arrives(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		int64_t timeout_ms;
	} rows[] = {
		{ "cdh-getresource-ok", 0 },
		{ "real-ttrpc-cdh-tool-getresource", 50000 }, /* the bytes of the project's own client */
	};
	struct buf plain OWNED_BUF = BUF_INIT(4096);
	assert_int_equal(file_read(AT_FDCWD, VECTORS "/ttrpc/plaintext.txt", &plain, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct outcome out OWNED_OUTCOME = replayed(rows[i].name, GET_RESOURCE, rows[i].timeout_ms);
		assert_int_equal(out.status.code, TTRPC_OK);
		/* ResourceResponse: tag, length in two bytes, the resource */
		assert_int_equal(out.payload.len, plain.len + 3);
		assert_memory_equal((const uint8_t *)out.payload.data + 3, plain.data, plain.len);
	}
}

static void recorded_refusals_arrive(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		const char *service;
		const char *method;
		int64_t timeout_ms;
		int code;
		const char *message;
	} rows[] = {
		{ "cdh-getresource-notfound", GET_RESOURCE, 0, TTRPC_INTERNAL, "[CDH] [ERROR]: Get Resource failed" },
		{ "cdh-unknown-service", "api.Nope", "GetResource", 0, TTRPC_INVALID_ARGUMENT,
		  "api.Nope service does not exist" },
		{ "cdh-unknown-method", "api.GetResourceService", "Nope", 0, TTRPC_UNIMPLEMENTED, "Nope method" },
		{ "cdh-timeout-1ms", GET_RESOURCE, 1, TTRPC_DEADLINE_EXCEEDED, "timeout" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct outcome out OWNED_OUTCOME =
			replayed(rows[i].name, rows[i].service, rows[i].method, rows[i].timeout_ms);
		assert_int_equal(out.status.code, rows[i].code);
		assert_string_equal(out.status.message, rows[i].message);
		assert_null(out.payload.data);
	}
}

/* The real hub refuses a stream whose number is even. A client cannot be brought to use one; the same request on it has
 * the recorded bytes, and the recorded refusal is read. */
static void recorded_refusal_of_an_even_stream(void **state)
{
	(void)state;
	struct recording recording OWNED_RECORDING = recording_read("cdh-even-stream");
	struct buf packed OWNED_BUF = BUF_INIT(4096);
	struct secret frame OWNED_SECRET = SECRET_INIT;
	struct secret payload OWNED_SECRET = SECRET_INIT;
	struct ttrpc_status status = { .code = 99 };
	struct ttrpc_call call = { GET_RESOURCE, payload_of(&recording) };
	size_t len = 0;
	assert_int_equal(ttrpc_pack(2, &call, 0, &packed, NULL), 0);
	assert_true(bytes_equal(buf_bytes(&packed), buf_bytes(&recording.request)));
	assert_int_equal(ttrpc_check_header(recording.response.data, 2, &len, NULL), 0);
	assert_int_equal(len + TTRPC_HEADER_LEN, recording.response.len);
	assert_int_equal(secret_alloc(&frame, len, NULL), 0);
	assert_int_equal(secret_append(&frame, bytes_of(recording.response.data + TTRPC_HEADER_LEN, len), NULL), 0);
	assert_int_equal(ttrpc_unpack(&frame, &status, &payload, NULL), 0);
	assert_int_equal(status.code, TTRPC_INVALID_ARGUMENT);
	assert_string_equal(status.message, "stream id must be odd");
	assert_null(payload.data);
}

static void statuses_become_errors(void **state)
{
	(void)state;
	static const struct {
		int code;
		enum err_code err;
	} rows[] = {
		{ TTRPC_DEADLINE_EXCEEDED, ERR_TIMEOUT },
		{ TTRPC_INVALID_ARGUMENT, ERR_PROTOCOL },
		{ TTRPC_NOT_FOUND, ERR_PROTOCOL },
		{ TTRPC_UNIMPLEMENTED, ERR_PROTOCOL },
		{ TTRPC_INTERNAL, ERR_MISSING },
		{ 14, ERR_MISSING },
		{ -1, ERR_MISSING },
	};
	struct ttrpc *client OWNED_TTRPC = NULL;
	const struct ttrpc_call call = { .service = "s", .method = "m" };
	assert_int_equal(ttrpc_open("/nowhere", "peer", &client, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = { 0 };
		const struct ttrpc_status status = { .code = rows[i].code, .message = "its words" };
		assert_int_equal(ttrpc_check(client, &call, &status, ERR_MISSING, "advice", &err), -1);
		assert_int_equal(err.code, rows[i].err);
		assert_non_null(strstr(err.message, "its words"));
	}
	const struct ttrpc_status good = { .code = TTRPC_OK };
	assert_int_equal(ttrpc_check(client, &call, &good, ERR_MISSING, "", NULL), 0);
}

/* Hostile servers. Each reads one request and does its worst. */
static uint8_t junk[TTRPC_ANSWER_MAX + 1];

static uint32_t read_request(struct peer_conn *conn)
{
	static uint8_t frame[TTRPC_MAX + FRAME_HEADER];
	return peer_read_frame(conn, frame, sizeof(frame)) ? frame_u32(frame + 4) : 0;
}

static void say_head(struct peer_conn *conn, uint32_t len, uint32_t stream, uint8_t type)
{
	uint8_t head[FRAME_HEADER];
	frame_head(head, len, stream, type);
	(void)peer_write(conn, head, sizeof(head));
}

static void serve_close(struct peer_conn *conn)
{
	(void)read_request(conn);
}

static void serve_half_head(struct peer_conn *conn)
{
	(void)read_request(conn);
	(void)peer_write(conn, "\0\0\0\4\0", 5);
}

static void serve_half_frame(struct peer_conn *conn)
{
	say_head(conn, 100, read_request(conn), 2);
	(void)peer_write(conn, junk, 99);
}

static void serve_silence(struct peer_conn *conn)
{
	(void)read_request(conn);
	peer_hang(conn);
}

static void serve_half_and_silence(struct peer_conn *conn)
{
	say_head(conn, 100, read_request(conn), 2);
	peer_hang(conn);
}

static void serve_deaf(struct peer_conn *conn)
{
	(void)conn;
	(void)pause();
}

static void serve_next_stream(struct peer_conn *conn)
{
	say_head(conn, 0, read_request(conn) + 2, 2);
	peer_hang(conn);
}

static void serve_other_parity(struct peer_conn *conn)
{
	say_head(conn, 0, read_request(conn) + 1, 2);
	peer_hang(conn);
}

static void serve_request(struct peer_conn *conn)
{
	say_head(conn, 0, read_request(conn), 1);
	peer_hang(conn);
}

static void serve_data(struct peer_conn *conn)
{
	say_head(conn, 0, read_request(conn), 3);
	peer_hang(conn);
}

static void serve_http(struct peer_conn *conn)
{
	(void)read_request(conn);
	(void)peer_say(conn, "HTTP/1.1 400 Bad Request\r\n\r\n");
	peer_hang(conn);
}

static void serve_too_large(struct peer_conn *conn)
{
	say_head(conn, TTRPC_ANSWER_MAX + 1, read_request(conn), 2);
	peer_hang(conn);
}

static void serve_huge(struct peer_conn *conn)
{
	say_head(conn, UINT32_MAX, read_request(conn), 2);
	peer_hang(conn);
}

static void serve_no_protobuf(struct peer_conn *conn)
{
	peer_answer(conn, read_request(conn), "\xff\xff\xff", 3);
	peer_hang(conn);
}

/* A length that is longer than the frame. */
static void serve_long_payload(struct peer_conn *conn)
{
	peer_answer(conn, read_request(conn), "\x12\x7fxx", 4);
	peer_hang(conn);
}

/* Half a million unknown fields of two bytes each: small pieces that cost much. */
static void serve_crumbs(struct peer_conn *conn)
{
	for (size_t i = 0; i + 1 < TTRPC_ANSWER_MAX; i += 2)
		memcpy(junk + i, "\x78\x01", 2);
	peer_answer(conn, read_request(conn), junk, TTRPC_ANSWER_MAX);
	peer_hang(conn);
}

static const struct {
	void (*serve)(struct peer_conn *conn);
	enum err_code code;
	const char *message;
} hostile[] = {
	{ serve_close, ERR_NETWORK, "it closed the connection before an answer was whole" },
	{ serve_half_head, ERR_NETWORK, "it closed the connection in the middle of an answer" },
	{ serve_half_frame, ERR_NETWORK, "it closed the connection in the middle of an answer" },
	{ serve_silence, ERR_TIMEOUT, "the time ran out while waiting for its answer" },
	{ serve_half_and_silence, ERR_TIMEOUT, "the time ran out while waiting for its answer" },
	{ serve_next_stream, ERR_PROTOCOL, "an answer to stream 3, while only stream 1 was asked" },
	{ serve_other_parity, ERR_PROTOCOL, "an answer to stream 2, while only stream 1 was asked" },
	{ serve_request, ERR_PROTOCOL, "a frame of type 1 where an answer (2) is due" },
	{ serve_data, ERR_PROTOCOL, "a frame of type 3 where an answer (2) is due" },
	{ serve_http, ERR_PROTOCOL, "it does not speak ttrpc: a frame of type" },
	{ serve_too_large, ERR_PROTOCOL, "an answer of 1048577 bytes: at most 1048576 are taken" },
	{ serve_huge, ERR_PROTOCOL, "an answer of 4294967295 bytes" },
	{ serve_no_protobuf, ERR_PROTOCOL, "an answer that is no ttrpc response" },
	{ serve_long_payload, ERR_PROTOCOL, "an answer that is no ttrpc response" },
	{ serve_crumbs, ERR_PROTOCOL, "an answer that is no ttrpc response" },
};

static void hostile_servers_are_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(hostile); i++) {
		struct ttrpc_stage stage OWNED_STAGE = { 0 };
		stage_start(&stage, hostile[i].serve, NULL);
		struct ttrpc *client OWNED_TTRPC = client_at(&stage, 1);
		/* silence is to end soon, all else at once */
		struct deadline deadline = soon(hostile[i].code == ERR_TIMEOUT ? 200 : 20000);
		for (unsigned round = 0; round < 2; round++) {
			struct outcome out OWNED_OUTCOME = call(client, "s", "m", bytes_of(NULL, 0), &deadline);
			assert_int_equal(out.rc, -1);
			if (!strstr(out.err.message, hostile[i].message))
				fail_msg("'%s' does not say '%s'", out.err.message, hostile[i].message);
			assert_int_equal(out.err.code, hostile[i].code);
			assert_null(out.payload.data);
			/* the second round is a new connection: the stream ids begin anew */
			if (hostile[i].code == ERR_TIMEOUT)
				deadline = soon(200);
		}
	}
}

static void a_deaf_server_stops_writing(void **state)
{
	(void)state;
	struct ttrpc_stage stage OWNED_STAGE = { 0 };
	stage_start(&stage, serve_deaf, NULL);
	struct ttrpc *client OWNED_TTRPC = client_at(&stage, 1);
	struct deadline deadline = soon(200);
	OWNED_MEM uint8_t *large = calloc(1, TTRPC_MAX);
	struct outcome out OWNED_OUTCOME = call(client, "s", "m", bytes_of(large, TTRPC_MAX - 100), &deadline);
	assert_int_equal(out.rc, -1);
	assert_int_equal(out.err.code, ERR_TIMEOUT);
	assert_non_null(strstr(out.err.message, "it took no request"));
	struct outcome over OWNED_OUTCOME = call(client, "s", "m", bytes_of(large, TTRPC_MAX), NULL);
	assert_int_equal(over.rc, -1);
	assert_non_null(strstr(over.err.message, "at most 4194304 can be sent"));
}

/* A payload beside a failure. */
static void serve_both(struct peer_conn *conn)
{
	peer_answer(conn, read_request(conn), "\x0a\x05\x08\x0d\x12\x01w\x12\x03key", 12);
	peer_hang(conn);
}

static void a_payload_beside_a_failure_is_dropped(void **state)
{
	(void)state;
	struct ttrpc_stage stage OWNED_STAGE = { 0 };
	stage_start(&stage, serve_both, NULL);
	struct ttrpc *client OWNED_TTRPC = client_at(&stage, 1);
	struct deadline deadline = soon(10000);
	struct outcome out OWNED_OUTCOME = call(client, "s", "m", bytes_of(NULL, 0), &deadline);
	assert_int_equal(out.rc, 0);
	assert_int_equal(out.status.code, TTRPC_INTERNAL);
	assert_string_equal(out.status.message, "w");
	assert_null(out.payload.data);
}

static void serve_slam(struct peer_conn *conn)
{
	(void)conn;
}

/* The signal of a broken pipe would end this program. */
static void a_door_slammed_while_writing(void **state)
{
	(void)state;
	struct ttrpc_stage stage OWNED_STAGE = { 0 };
	stage_start(&stage, serve_slam, NULL);
	struct ttrpc *client OWNED_TTRPC = client_at(&stage, 1);
	struct deadline deadline = soon(10000);
	OWNED_MEM uint8_t *large = calloc(1, TTRPC_MAX);
	struct outcome out OWNED_OUTCOME = call(client, "s", "m", bytes_of(large, TTRPC_MAX - 100), &deadline);
	assert_int_equal(out.rc, -1);
	assert_int_equal(out.err.code, ERR_NETWORK);
	assert_non_null(strstr(out.err.message, "the request could not be sent"));
}

/* Answers once a connection with its number, then says something unasked, or closes; and notes that it has. */
static void serve_once(struct peer_conn *conn)
{
	atomic_uint *done = conn->setup->shared;
	const uint8_t answer[] = { 0x12, 1, (uint8_t)('0' + conn->number) };
	peer_answer(conn, read_request(conn), answer, sizeof(answer));
	if (conn->number % 2 == 0)
		(void)shutdown(conn->fd, SHUT_RDWR);
	else
		peer_answer(conn, 3, "\x12\x01X", 3);
	atomic_store(done, conn->number);
	peer_hang(conn);
}

static void wait_for_number(atomic_uint *done, unsigned number)
{
	const struct timespec moment = { .tv_nsec = 1000000 };
	struct deadline deadline = soon(10000);
	while (atomic_load(done) != number) {
		assert_true(deadline_left(&deadline) > 0);
		(void)nanosleep(&moment, NULL);
	}
}

static void a_kept_connection_that_spoke_or_closed_is_replaced(void **state)
{
	(void)state;
	struct ttrpc_stage stage OWNED_STAGE = { 0 };
	atomic_uint *done = peer_shared(sizeof(*done));
	stage_start(&stage, serve_once, done);
	struct ttrpc *client OWNED_TTRPC = client_at(&stage, 1);
	for (unsigned round = 1; round <= 4; round++) {
		struct deadline deadline = soon(10000);
		struct outcome out OWNED_OUTCOME = call(client, "s", "m", bytes_of(NULL, 0), &deadline);
		if (out.rc < 0)
			fail_msg("round %u: %s", round, out.err.message);
		assert_int_equal(out.payload.len, 1);
		assert_int_equal(*(const char *)out.payload.data, '0' + (char)round);
		wait_for_number(done, round);
	}
}

static void where_nobody_listens(void **state)
{
	(void)state;
	char long_path[200];
	memset(long_path, 'a', sizeof(long_path));
	long_path[0] = '/';
	long_path[sizeof(long_path) - 1] = 0;
	const struct {
		const char *path;
		enum err_code code;
		const char *message;
	} rows[] = {
		{ "/nonexistent/socket", ERR_NETWORK,
		  "peer at '/nonexistent/socket': cannot connect to socket '/nonexistent/socket': No such file or "
		  "directory" },
		{ "/proc/self/exe", ERR_NETWORK, "Connection refused" },
		{ "relative", ERR_CONFIG,
		  "'relative' cannot be a socket: write an absolute path of at most 107 bytes" },
		{ "", ERR_CONFIG, "cannot be a socket" },
		{ long_path, ERR_CONFIG, "cannot be a socket" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct ttrpc *client OWNED_TTRPC = NULL;
		struct deadline deadline = soon(1000);
		assert_int_equal(ttrpc_open(rows[i].path, "peer", &client, NULL), 0);
		struct outcome out OWNED_OUTCOME = call(client, "s", "m", bytes_of(NULL, 0), &deadline);
		assert_int_equal(out.rc, -1);
		if (!strstr(out.err.message, rows[i].message))
			fail_msg("'%s' does not say '%s'", out.err.message, rows[i].message);
		assert_int_equal(out.err.code, rows[i].code);
	}
}

static void no_copy_of_a_secret_is_freed_unwiped(void **state)
{
	(void)state;
	struct ttrpc_stage stage OWNED_STAGE = { 0 };
	struct recording recording OWNED_RECORDING = recording_read("cdh-getresource-ok");
	stage_start(&stage, replay, &recording);
	struct ttrpc *client OWNED_TTRPC = client_at(&stage, 1);
	needles_freed = 0;
	needle = "MIGHAgEAMBMGByqGSM49";
	struct outcome out = call(client, GET_RESOURCE, payload_of(&recording), NULL);
	assert_int_equal(out.rc, 0);
	assert_int_equal(needles_freed, 0);
	/* the eye is open */
	char *copy = strdup(needle);
	free(copy);
	needle = NULL;
	assert_int_equal(needles_freed, 1);
	secret_done(&out.payload);
}

static int start_secrets(void **state)
{
	(void)state;
	return secret_setup(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recorded_secret_arrives),
		cmocka_unit_test(recorded_refusals_arrive),
		cmocka_unit_test(recorded_refusal_of_an_even_stream),
		cmocka_unit_test(statuses_become_errors),
		cmocka_unit_test(hostile_servers_are_named),
		cmocka_unit_test(a_payload_beside_a_failure_is_dropped),
		cmocka_unit_test(a_deaf_server_stops_writing),
		cmocka_unit_test(a_door_slammed_while_writing),
		cmocka_unit_test(a_kept_connection_that_spoke_or_closed_is_replaced),
		cmocka_unit_test(where_nobody_listens),
		cmocka_unit_test(no_copy_of_a_secret_is_freed_unwiped),
	};
	return cmocka_run_group_tests(tests, start_secrets, NULL);
}
