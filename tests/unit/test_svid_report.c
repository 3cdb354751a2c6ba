/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent/svid_report: the lines that machines read.
 */
#include "support.h"

#include "agent/svid_report.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/json.h"

static struct svid_settings settings = { .directory = (char *)(uintptr_t) "/run/\"certs\"" };
static struct svid_token tokens[2] = { { .file = "one" }, { .file = "two" } };

/* The one line that was written, parsed. */
static struct json *line_of(const char *event, const struct svid_state *state, const char *text)
{
	int pipe_fds[2];
	char line[8192];
	struct json *doc = NULL;
	struct err err = { 0 };
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	int saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	assert_true(dup2(pipe_fds[1], STDERR_FILENO) >= 0);
	svid_report(event, "x509", state, 7, text);
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	(void)close(saved);
	(void)close(pipe_fds[1]);
	ssize_t len = read(pipe_fds[0], line, sizeof(line));
	(void)close(pipe_fds[0]);
	assert_true(len > 0 && line[len - 1] == '\n' && !memchr(line, '\n', (size_t)len - 1));
	if (json_parse(bytes_of(line, (size_t)len), sizeof(line), &doc, &err) < 0)
		fail_msg("%s", err.message);
	return doc;
}

static void assert_text(const struct json *object, const char *name, const char *wanted)
{
	const char *text = NULL;
	assert_int_equal(json_get_string(object, name, &text, NULL), 0);
	assert_string_equal(text, wanted);
}

static void assert_number(const struct json *object, const char *name, uint64_t wanted)
{
	uint64_t number = 0;
	assert_int_equal(json_get_u64(object, name, &number, NULL), 0);
	assert_int_equal(number, wanted);
}

static void an_empty_state_is_reported(void **unused)
{
	(void)unused;
	const struct svid_state state = { .settings = &settings, .tokens = tokens };
	OWNED_JSON struct json *line = line_of("failed", &state, "no \"room\"\n");
	assert_text(line, "event", "failed");
	assert_text(line, "cause", "x509");
	assert_text(line, "directory", "/run/\"certs\"");
	assert_text(line, "text", "no \"room\"\n");
	assert_number(line, "generation", 7);
	assert_null(json_member(line, "svids"));
	assert_null(json_member(line, "tokens"));
	assert_null(json_member(line, "jwt_bundles"));
	assert_null(json_member(line, "x509_bundles"));
}

static void all_that_there_is_is_reported(void **unused)
{
	(void)unused;
	struct svid_item items[2] = {
		{ .svid = { .id = (char *)(uintptr_t) "spiffe://t/a",
			    .hint = (char *)(uintptr_t) "",
			    .serial = "0A",
			    .not_before = 0,
			    .not_after = 1800000000,
			    .authorities = { .all = 2, .expired = 1 } } },
		{ .svid = { .id = (char *)(uintptr_t) "spiffe://t/b", .hint = (char *)(uintptr_t) "h", .serial = "0B" },
		  .expired = true },
	};
	struct workload_bundle bundle = { .trust_domain = NULL };
	const struct svid_state state = {
		.settings = &settings,
		.tokens = tokens,
		.token_count = 2,
		.x509 = { .there = true },
		.svids = items,
		.svid_count = 2,
		.federated = { .list = &bundle, .count = 1 },
		.bundles = { .there = true },
		.x509_bundles = { .list = &bundle, .count = 1 },
		.jwks = { .there = true },
		.jwt_bundles = { .list = &bundle, .count = 1 },
		.token = { [1] = { .there = true } },
		.jwt = { [1] = { .id = (char *)(uintptr_t) "spiffe://t/c" } },
		.jwt_expires = { [1] = 1800000001 },
		.jwt_expired = { [1] = true },
	};
	OWNED_JSON struct json *line = line_of("delivered", &state, NULL);
	assert_null(json_member(line, "text"));
	assert_number(line, "federated", 1);
	assert_number(line, "jwt_bundles", 1);
	assert_number(line, "x509_bundles", 1);
	const struct json *svid = json_first(json_member(line, "svids"));
	assert_text(svid, "spiffe_id", "spiffe://t/a");
	assert_text(svid, "serial", "0A");
	assert_text(svid, "not_before", "1970-01-01T00:00:00Z");
	assert_text(svid, "not_after", "2027-01-15T08:00:00Z");
	assert_number(svid, "authorities", 2);
	assert_number(svid, "expired_authorities", 1);
	assert_null(json_member(svid, "hint"));
	assert_null(json_member(svid, "expired"));
	svid = json_next(svid);
	assert_text(svid, "hint", "h");
	assert_non_null(json_member(svid, "expired"));
	assert_null(json_member(svid, "expired_authorities"));
	const struct json *token = json_first(json_member(line, "tokens"));
	assert_text(token, "file", "two");
	assert_text(token, "spiffe_id", "spiffe://t/c");
	assert_text(token, "expires", "2027-01-15T08:00:01Z");
	assert_non_null(json_member(token, "expired"));
	assert_null(json_next(token));
}

/* What cannot be JSON is said in words instead, and the delivery goes on. */
static void what_cannot_be_reported_is_said(void **unused)
{
	(void)unused;
	struct svid_settings odd = { .directory = (char *)(uintptr_t) "/\xff" };
	const struct svid_state state = { .settings = &odd, .tokens = tokens };
	int pipe_fds[2];
	char line[1024] = "";
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	int saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	assert_true(dup2(pipe_fds[1], STDERR_FILENO) >= 0);
	svid_report("delivered", "x509", &state, 1, NULL);
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	(void)close(saved);
	(void)close(pipe_fds[1]);
	assert_true(read(pipe_fds[0], line, sizeof(line) - 1) > 0);
	(void)close(pipe_fds[0]);
	assert_non_null(strstr(line, "the event 'delivered' is reported without details"));
}

static int begin(void **unused)
{
	(void)unused;
	return secret_setup(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_state_is_reported),
		cmocka_unit_test(all_that_there_is_is_reported),
		cmocka_unit_test(what_cannot_be_reported_is_said),
	};
	return cmocka_run_group_tests(tests, begin, NULL);
}
