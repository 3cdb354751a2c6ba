/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent/renewal: when a credential is renewed, and what a worker may say, an honest one and one that somebody has
 * taken over.
 */
#include "support.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>

#include "agent/renewal.h"
#include "base/cleanup.h"
#include "base/file.h"

#define HOUR 3600
#define DAY (24 * HOUR)
#define NOW 1800000000

static void delay_follows_what_is_left(void **state)
{
	(void)state;
	static const struct {
		int64_t left, most;
	} rows[] = {
		{ DAY, 16 * HOUR },				/* two thirds */
		{ 2 * HOUR, HOUR },				/* an hour before the end */
		{ HOUR + 60, 60 },	  { 365LL * DAY, DAY }, /* once a day */
		{ INT64_MAX - NOW, DAY },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		bool less = false;
		for (unsigned n = 0; n < 200; n++) {
			int64_t delay = renewal_delay(NOW + rows[i].left, NOW);
			assert_true(delay <= rows[i].most && delay >= rows[i].most - rows[i].most / 20 - 1);
			less = less || delay < rows[i].most;
		}
		assert_true(less); /* many guests do not come back together */
	}
}

static void delay_is_never_short(void **state)
{
	(void)state;
	static const int64_t ends[] = { NOW, NOW - 1, 0, INT64_MIN, NOW + HOUR, NOW + HOUR + 3, NOW + 5 };
	for (size_t i = 0; i < ARRAY_LEN(ends); i++)
		assert_int_equal(renewal_delay(ends[i], NOW), 10);
}

/* A renewal whose worker the test plays. */
static struct renewal renewal;
static struct handoff_plan plan;
static struct started started;
static struct place place;
static char dir[256];
static int worker_end_fd;

static int sealed(const char *text)
{
	int fd = -1;
	assert_int_equal(file_sealed_memfd("test", bytes_of_text(text), &fd, NULL), 0);
	return fd;
}

static int begin(void **state)
{
	(void)state;
	int pair[2];
	const struct handoff_credential first = { .ends = (int64_t)time(NULL) + 7200, .fingerprint = "first" };
	static const struct cli_options options = { .supervise = true };
	make_directory(dir);
	plan = (struct handoff_plan){
		.agent_path = "/a",
		.runtime_dir = "/r",
		.socket_path = "/s",
		.supervise = true,
		.uid = geteuid(),
		.gid = getegid(),
	};
	place = (struct place){ .runtime_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) };
	if (place.runtime_fd < 0 || mkdirat(place.runtime_fd, PLACE_DIR, 0700) < 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	started = (struct started){ &options, &plan, &place, sealed("{}") };
	renewal_init(&renewal, &started, &first);
	renewal.runs = true;
	renewal.worker = (struct worker){ .pid = 0, .fd = pair[0] };
	renewal.limit = deadline_in(60000);
	(void)snprintf(renewal.order.instance, sizeof(renewal.order.instance), "sealpod-test-of-renewal");
	worker_end_fd = pair[1];
	return 0;
}

static int end(void **state)
{
	(void)state;
	renewal_end(&renewal);
	cleanup_fd(&started.agent_config);
	cleanup_fd(&worker_end_fd);
	int rc = file_remove_tree(place.runtime_fd, PLACE_DIR, NULL);
	cleanup_fd(&place.runtime_fd);
	return rc < 0 ? -1 : rmdir(dir);
}

static void send_files(const char *fingerprint)
{
	struct handoff_files files OWNED_FILES = { sealed("key"), sealed("bundle"), -1 };
	const struct handoff_credential about = { .ends = (int64_t)time(NULL) + DAY };
	struct handoff_credential named = about;
	(void)snprintf(named.fingerprint, sizeof(named.fingerprint), "%s", fingerprint);
	assert_int_equal(handoff_send_files(worker_end_fd, &files, &named, NULL), 0);
}

static void send_plan(const struct handoff_plan *what, const char *agent_config)
{
	struct handoff_files files OWNED_FILES = { -1, -1, sealed(agent_config) };
	assert_int_equal(handoff_send_agent_plan(worker_end_fd, what, &files, NULL), 0);
}

static bool placed(const char *name, const char *content)
{
	struct buf text OWNED_BUF = BUF_INIT(64);
	int agent OWNED_FD = openat(place.runtime_fd, PLACE_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return file_read(agent, name, &text, NULL) == 0 && strcmp(buf_text(&text), content) == 0;
}

static bool nothing_placed(void)
{
	int agent OWNED_FD = openat(place.runtime_fd, PLACE_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return faccessat(agent, PLACE_CREDENTIAL, F_OK, 0) < 0 && faccessat(agent, PLACE_CONFIG, F_OK, 0) < 0;
}

/* Takes one record; was that said of it? */
static bool says(const char *what)
{
	char said[4096] = "";
	int log OWNED_FD = memfd_create("log", MFD_CLOEXEC);
	int before OWNED_FD = dup(STDERR_FILENO);
	assert_true(log >= 0 && before >= 0 && dup2(log, STDERR_FILENO) >= 0);
	bool renewed = renewal_take(&renewal);
	assert_true(dup2(before, STDERR_FILENO) >= 0);
	assert_false(renewed);
	assert_true(pread(log, said, sizeof(said) - 1, 0) >= 0);
	return strstr(said, what) != NULL;
}

static void an_honest_worker_renews(void **state)
{
	(void)state;
	struct handoff_plan same = plan;
	same.deadline = deadline_in(30000);
	send_plan(&same, "{}");
	assert_false(says("settings"));
	assert_int_equal(handoff_await_go(worker_end_fd, NULL), 0);
	assert_true(renewal.runs);
	send_files("second");
	assert_true(renewal_take(&renewal));
	assert_false(renewal.runs);
	assert_int_equal(renewal_fd(&renewal), -1);
	assert_int_equal(renewal.count, 1);
	assert_string_equal(renewal.credential.fingerprint, "second");
	assert_true(placed(PLACE_CREDENTIAL, "key") && placed(PLACE_BUNDLE, "bundle") && !placed(PLACE_CONFIG, "{}"));
	assert_true(renewal.due > (int64_t)time(NULL) + 15 * HOUR);
}

static void expect_failure(enum err_code code, int64_t longest)
{
	int64_t now = (int64_t)time(NULL);
	assert_false(renewal_take(&renewal));
	assert_false(renewal.runs);
	assert_int_equal(renewal.trouble, code);
	assert_int_equal(renewal.count, 0);
	assert_string_equal(renewal.credential.fingerprint, "first");
	assert_true(renewal.due > now && renewal.due <= (int64_t)time(NULL) + longest);
	assert_true(nothing_placed());
}

static void a_plan_that_differs_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < 8; i++) {
		struct handoff_plan other = plan;
		char *const texts[] = { other.agent_path, other.runtime_dir, other.socket_path, other.admin_socket_path,
					other.trust_domain };
		if (i < ARRAY_LEN(texts))
			(void)strcpy(texts[i], "/other");
		other.uid += i == 5;
		other.gid += i == 6;
		other.supervise = i != 7;
		send_plan(&other, "{}");
		expect_failure(ERR_CONFIG, 901);
		assert_int_equal(end(state), 0);
		assert_int_equal(begin(state), 0);
	}
}

/* What the agent runs on stays, and is no reason to let its credential run out. */
static void settings_that_differ_do_not_stop_a_renewal(void **state)
{
	(void)state;
	static char long_one[10000];
	static char almost[sizeof(long_one)];
	(void)memset(long_one, 'a', sizeof(long_one) - 1);
	(void)memcpy(almost, long_one, sizeof(almost));
	almost[sizeof(almost) - 2] = 'b';
	const char *const others[] = { "{ }", "{", "{}{}", long_one };
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		struct handoff_plan same = plan;
		same.deadline = deadline_in(30000);
		if (others[i] == long_one) {
			cleanup_fd(&started.agent_config);
			started.agent_config = sealed(almost);
		}
		send_plan(&same, others[i]);
		assert_true(says("has changed the agent's settings"));
		send_files("second");
		assert_true(renewal_take(&renewal));
		assert_true(placed(PLACE_CREDENTIAL, "key") && !placed(PLACE_CONFIG, others[i]));
		assert_int_equal(end(state), 0);
		assert_int_equal(begin(state), 0);
	}
}

static void a_plan_without_the_agents_configuration_is_refused(void **state)
{
	(void)state;
	struct handoff_plan same = plan;
	assert_int_equal(handoff_send_plan(worker_end_fd, &same, NULL), 0);
	expect_failure(ERR_SYSTEM, 61);
}

static void files_without_a_plan_are_refused(void **state)
{
	(void)state;
	send_files("second");
	expect_failure(ERR_SYSTEM, 61);
}

static void a_second_plan_is_refused(void **state)
{
	(void)state;
	struct handoff_plan same = plan;
	same.deadline = deadline_in(30000);
	send_plan(&same, "{}");
	assert_false(renewal_take(&renewal));
	send_plan(&same, "{}"); /* it would give itself more time */
	expect_failure(ERR_SYSTEM, 61);
}

static void failures_are_tried_again_by_their_kind(void **state)
{
	(void)state;
	const struct err denied = { .code = ERR_DENIED, .message = "no" };
	assert_int_equal(handoff_send_failure(worker_end_fd, &denied, NULL), 0);
	expect_failure(ERR_DENIED, 61);
	assert_int_equal(renewal.backoff.base_ms, 60000);
	assert_int_equal(renewal.backoff.cap_ms, 900000);
}

static void a_worker_that_vanishes_is_a_failure(void **state)
{
	(void)state;
	cleanup_fd(&worker_end_fd);
	expect_failure(ERR_SYSTEM, 61);
	assert_int_equal(renewal.backoff.base_ms, 1000);
}

static void a_worker_that_takes_too_long_is_abandoned(void **state)
{
	(void)state;
	renewal.limit = deadline_in(0);
	(void)renewal_step(&renewal);
	assert_false(renewal.runs);
	assert_int_equal(renewal.trouble, ERR_TIMEOUT);
}

static void an_agent_in_need_hastens_once(void **state)
{
	(void)state;
	int64_t later = renewal.due;
	renewal_hasten(&renewal); /* one runs already */
	assert_int_equal(renewal.due, later);
	renewal.runs = false;
	cleanup_fd(&renewal.worker.fd);
	renewal_hasten(&renewal);
	assert_true(renewal.due <= (int64_t)time(NULL));
	renewal.due = later;
	renewal_hasten(&renewal); /* too soon after the last */
	assert_int_equal(renewal.due, later);
}

static void a_clock_that_was_set_back_does_not_stop_it(void **state)
{
	(void)state;
	renewal.runs = false;
	cleanup_fd(&renewal.worker.fd);
	renewal.due = (int64_t)time(NULL) + 400LL * DAY;
	assert_true(renewal_step(&renewal) <= 60000);
	assert_true(renewal.due <= (int64_t)time(NULL) + DAY);
}

#define PLAYED(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(delay_follows_what_is_left),
		cmocka_unit_test(delay_is_never_short),
		PLAYED(an_honest_worker_renews),
		PLAYED(a_plan_that_differs_is_refused),
		PLAYED(settings_that_differ_do_not_stop_a_renewal),
		PLAYED(a_plan_without_the_agents_configuration_is_refused),
		PLAYED(files_without_a_plan_are_refused),
		PLAYED(a_second_plan_is_refused),
		PLAYED(failures_are_tried_again_by_their_kind),
		PLAYED(a_worker_that_vanishes_is_a_failure),
		PLAYED(a_worker_that_takes_too_long_is_abandoned),
		PLAYED(an_agent_in_need_hastens_once),
		PLAYED(a_clock_that_was_set_back_does_not_stop_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
