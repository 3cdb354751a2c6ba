/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/grpc: messages out of pieces, the status out of header lines. (Calls over a
 * connection: tests/e2e, with a server that breaks the rules.)
 */
#include "support.h"

#include "base/cleanup.h"
#include "base/grpc.h"

struct seen {
	unsigned count;
	char text[256]; /* each message and a '|' */
	int answer;
};

static int on_message(struct secret *message, void *arg, struct err *err)
{
	struct seen *seen = arg;
	(void)err;
	size_t used = strlen(seen->text);
	assert_true(used + message->len + 2 < sizeof(seen->text));
	if (message->len > 0)
		memcpy(seen->text + used, message->data, message->len);
	seen->text[used + message->len] = '|';
	seen->count++;
	return seen->answer;
}

static int feed(struct bytes body, size_t step, size_t max, struct seen *seen, bool *whole, struct err *err)
{
	struct grpc_frames frames = { .max = max, .on_message = on_message, .arg = seen };
	int rc = 0;
	for (size_t at = 0; rc == 0 && at < body.len; at += step)
		rc = grpc_frames_feed(&frames, bytes_of(body.data + at, body.len - at < step ? body.len - at : step),
				      err);
	*whole = grpc_frames_whole(&frames);
	grpc_frames_done(&frames);
	return rc;
}

static const char three[] = "\0\0\0\0\5hello\0\0\0\0\0\0\0\0\0\1x";

static void messages_come_out_however_they_are_cut(void **state)
{
	(void)state;
	for (size_t step = 1; step <= sizeof(three); step++) {
		struct seen seen = { 0 };
		bool whole = false;
		assert_int_equal(feed(bytes_of(three, sizeof(three) - 1), step, 100, &seen, &whole, NULL), 0);
		assert_string_equal(seen.text, "hello||x|");
		assert_true(whole);
	}
}

static void half_a_message_is_seen(void **state)
{
	(void)state;
	for (size_t len = 1; len < 10; len++) {
		struct seen seen = { 0 };
		bool whole = true;
		assert_int_equal(feed(bytes_of(three, len), 3, 100, &seen, &whole, NULL), 0);
		assert_false(whole);
		assert_int_equal(seen.count, 0);
	}
}

static void large_and_compressed_messages_are_refused(void **state)
{
	(void)state;
	struct seen seen = { 0 };
	struct err err = { 0 };
	bool whole;
	assert_int_equal(feed(bytes_of(three, sizeof(three) - 1), 100, 5, &seen, &whole, &err), 0);
	assert_int_equal(feed(bytes_of(three, sizeof(three) - 1), 100, 4, &seen, &whole, &err), -1);
	assert_int_equal(err.code, ERR_PROTOCOL);
	assert_non_null(strstr(err.message, "5 bytes; at most 4"));
	assert_int_equal(feed(bytes_of("\xff\xff\xff\xff\xff", 5), 1, SECRET_MAX, &seen, &whole, &err), -1);
	assert_int_equal(feed(bytes_of("\1\0\0\0\1", 5), 5, 100, &seen, &whole, &err), -1);
	assert_non_null(strstr(err.message, "compressed"));
}

static void the_handler_can_stop(void **state)
{
	(void)state;
	struct seen seen = { .answer = 1 };
	bool whole;
	assert_int_equal(feed(bytes_of(three, sizeof(three) - 1), 100, 100, &seen, &whole, NULL), 1);
	assert_string_equal(seen.text, "hello|");
}

static void statuses_are_read(void **state)
{
	(void)state;
	static const struct {
		int http;
		const char *lines;
		enum grpc_code code;
		bool from_server;
		const char *message;
	} rows[] = {
		{ 200, "grpc-status: 0\n", GRPC_OK, true, "" },
		{ 200, "content-type: application/grpc\ngrpc-status: 7\ngrpc-message: no%20identity%20issued\n",
		  GRPC_PERMISSION_DENIED, true, "no identity issued" },
		{ 200, "grpc-status: 0\ngrpc-status: 14\n", GRPC_UNAVAILABLE, true, "" },
		{ 200, "grpc-status: 16", GRPC_UNAUTHENTICATED, true, "" },
		{ 200, "grpc-status: 17\n", GRPC_UNKNOWN, true, "" },
		{ 200, "grpc-status: 007\n", GRPC_UNKNOWN, true, "" },
		{ 200, "grpc-status: -1\n", GRPC_UNKNOWN, true, "" },
		{ 200, "grpc-status: \n", GRPC_UNKNOWN, true, "" },
		{ 200, "x-grpc-status: 0\n", GRPC_UNKNOWN, false, "the answer ended without a grpc-status" },
		{ 200, "", GRPC_UNKNOWN, false, "the answer ended without a grpc-status" },
		{ 503, "", GRPC_UNAVAILABLE, false, "HTTP status 503" },
		{ 404, "", GRPC_UNIMPLEMENTED, false, "HTTP status 404" },
		{ 500, "", GRPC_UNKNOWN, false, "HTTP status 500" },
		{ 200, "grpc-status: 3\ngrpc-message: a%zz%0ab%4\n", GRPC_INVALID_ARGUMENT, true, "a%zz?b%4" },
		{ 200, "grpc-status: 3\ngrpc-message: %e2%82%ac\n", GRPC_INVALID_ARGUMENT, true, "\xe2\x82\xac" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct grpc_status status;
		grpc_status_read(rows[i].http, bytes_of_text(rows[i].lines), &status);
		if (status.code != rows[i].code || status.from_server != rows[i].from_server ||
		    strcmp(status.message, rows[i].message) != 0)
			fail_msg("%zu: code %d '%s'", i, (int)status.code, status.message);
	}
}

static void long_messages_are_cut(void **state)
{
	(void)state;
	struct buf lines OWNED_BUF = BUF_INIT(4096);
	struct grpc_status status;
	assert_int_equal(buf_append_text(&lines, "grpc-status: 2\ngrpc-message: ", NULL), 0);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(buf_append_text(&lines, "x", NULL), 0);
	grpc_status_read(200, buf_bytes(&lines), &status);
	assert_int_equal(strlen(status.message), GRPC_MESSAGE_MAX - 1);
}

static int setup(void **state)
{
	(void)state;
	return secret_setup(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_come_out_however_they_are_cut),
		cmocka_unit_test(half_a_message_is_seen),
		cmocka_unit_test(large_and_compressed_messages_are_refused),
		cmocka_unit_test(the_handler_can_stop),
		cmocka_unit_test(statuses_are_read),
		cmocka_unit_test(long_messages_are_cut),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
