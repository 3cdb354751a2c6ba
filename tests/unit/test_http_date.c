/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/http_date: the form of a date, and what an answer's Date says of our clock.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>
#include <stdio.h>
#include <time.h>

#include "base/wipe.h"
#include "http_peer.h"

static void dates_are_read(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t seconds;
	} rows[] = {
		{ "Sun, 06 Nov 1994 08:49:37 GMT", 784111777 },
		{ "Thu, 01 Jan 1970 00:00:00 GMT", 0 },
		{ "Tue, 29 Feb 2028 23:59:59 GMT", 1835481599 },
		{ "Fri, 31 Dec 9999 23:59:59 GMT", 253402300799 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t seconds = -1;
		assert_true(http_date_parse(bytes_of_text(rows[i].text), &seconds));
		assert_int_equal(seconds, rows[i].seconds);
	}
}

static void other_texts_are_no_dates(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"",
		"Sun, 06 Nov 1994 08:49:37 GM",
		"Sun, 06 Nov 1994 08:49:37 GMT ",
		"Sun, 06 Nov 1994 08:49:37 UTC",
		"Sun, 06 nov 1994 08:49:37 GMT",
		"Sun, 06 ovD 1994 08:49:37 GMT",
		"Sun, 30 Feb 2027 08:49:37 GMT",
		"Mon, 00 Nov 1994 08:49:37 GMT",
		"Sun, 06 Nov 1994 24:49:37 GMT",
		"Sun, 06 Nov 1994 08:60:37 GMT",
		"Sun, 06 Nov 1994 08:49:61 GMT",
		"Sun, -6 Nov 1994 08:49:37 GMT",
		"Sunday, 06-Nov-94 08:49:37 GMT",
		"Sun Nov  6 08:49:37 1994",
	};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		int64_t seconds = 7;
		if (http_date_parse(bytes_of_text(texts[i]), &seconds))
			fail_msg("taken for a date: '%s'", texts[i]);
		assert_int_equal(seconds, 7);
	}
}

/* The path is the Date in seconds from now; "/none" has none, "/odd" one of another form. */
static void serve_dates(struct peer_conn *conn)
{
	static struct peer_request request;
	while (peer_read_request(conn, &request)) {
		char date[64] = "";
		char head[256];
		struct tm parts;
		time_t at = time(NULL) + (time_t)strtol(request.path + 1, NULL, 10);
		if (gmtime_r(&at, &parts))
			(void)strftime(date, sizeof(date), "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &parts);
		const char *line = strcmp(request.path, "/none") == 0  ? ""
				   : strcmp(request.path, "/odd") == 0 ? "Date: tomorrow\r\n"
								       : date;
		(void)snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\n%sContent-Length: 0\r\n\r\n", line);
		if (!peer_say(conn, head))
			return;
	}
}

static void must_get(struct http_client *client, const char *path, struct http_response *response)
{
	struct err err = { 0 };
	const struct http_request request = { .method = "GET", .path = path };
	if (http_perform(client, &request, NULL, response, &err) < 0)
		fail_msg("%s: %s", path, err.message);
}

static void an_answer_tells_how_far_the_clock_is_off(void **state)
{
	(void)state;
	struct peer peer = peer_start(&(struct peer_setup){ .serve = serve_dates });
	const struct http_options options = { .base_url = peer.url,
					      .user_agent = "test/1",
					      .request_timeout_ms = 20000 };
	OWNED_HTTP struct http_client *client = NULL;
	OWNED_RESPONSE struct http_response response = HTTP_RESPONSE_INIT(100);
	assert_int_equal(http_client_new(&options, &client, NULL), 0);
	must_get(client, "/93", &response);
	assert_true(response.clock_known);
	assert_in_range(response.clock_behind, 88, 93); /* seconds may pass in between */
	must_get(client, "/-500", &response);
	assert_true(response.clock_known);
	assert_true(response.clock_behind <= -500 && response.clock_behind >= -505);
	must_get(client, "/none", &response);
	assert_false(response.clock_known);
	must_get(client, "/odd", &response);
	assert_false(response.clock_known);
	peer_stop(&peer);
}

int main(void)
{
	wipe_install();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dates_are_read),
		cmocka_unit_test(other_texts_are_no_dates),
		cmocka_unit_test(an_answer_tells_how_far_the_clock_is_off),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
