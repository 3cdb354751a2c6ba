/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent/svid_watch: its threads end when they are told to, whatever they wait for.
 */
#include "support.h"

#include <dirent.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "agent/svid_watch.h"
#include "base/cleanup.h"
#include "base/http.h"

#define PATIENCE_MS 30000

static struct {
	char dir[256], path[108]; /* as long as a socket's may be */
	struct svid_settings settings;
	struct svid_token token;
} lab;

/* How many threads the library under test can start (--wrap). */
static unsigned threads_allowed = UINT_MAX;

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
	if (threads_allowed == 0)
		return EAGAIN;
	threads_allowed--;
	return __real_pthread_create(thread, attr, run, arg);
}

/* An agent all of whose tokens have expired, and how often one pause came after the other. */
static struct {
	atomic_bool there;
	atomic_uint pauses;
} late;

int __real_workload_fetch_jwts(struct workload *workload, const char *const *audiences, size_t count, const char *id,
			       const struct deadline *deadline, struct workload_jwts *ret_jwts,
			       struct grpc_status *ret_status, struct err *err);
int __wrap_workload_fetch_jwts(struct workload *workload, const char *const *audiences, size_t count, const char *id,
			       const struct deadline *deadline, struct workload_jwts *ret_jwts,
			       struct grpc_status *ret_status, struct err *err);
int __wrap_workload_fetch_jwts(struct workload *workload, const char *const *audiences, size_t count, const char *id,
			       const struct deadline *deadline, struct workload_jwts *ret_jwts,
			       struct grpc_status *ret_status, struct err *err)
{
	static const char expired[] = "e30.eyJleHAiOjF9.x"; /* {"exp":1} */
	if (!late.there)
		return __real_workload_fetch_jwts(workload, audiences, count, id, deadline, ret_jwts, ret_status, err);
	struct workload_jwt *jwt = calloc(1, sizeof(*jwt));
	if (!jwt)
		return -1;
	*ret_jwts = (struct workload_jwts){ .list = jwt, .count = 1 };
	if (secret_alloc(&jwt->token, sizeof(expired), err) < 0)
		return -1;
	return secret_append(&jwt->token, bytes_of_text(expired), err);
}

int64_t __real_workload_pause_ms(struct workload_pace *pace, enum workload_next next);
int64_t __wrap_workload_pause_ms(struct workload_pace *pace, enum workload_next next);
int64_t __wrap_workload_pause_ms(struct workload_pace *pace, enum workload_next next)
{
	int64_t pause = __real_workload_pause_ms(pace, next);
	if (!late.there)
		return pause;
	late.pauses = pace->tries;
	return 1;
}

/* All three threads, on the socket that may be there. */
static struct svid_watch *start(void)
{
	struct svid_watch *watch = NULL;
	struct err err = { 0 };
	if (svid_watch_start(&lab.settings, &lab.token, 1, lab.path, &watch, &err) < 0)
		fail_msg("%s", err.message);
	return watch;
}

static unsigned count_threads(void)
{
	unsigned count = 0;
	DIR *tasks = opendir("/proc/self/task");
	assert_non_null(tasks);
	for (const struct dirent *task; (task = readdir(tasks));)
		count += task->d_name[0] != '.';
	(void)closedir(tasks);
	return count;
}

/* A joined thread is still listed for a moment. */
static void await_threads_end(void)
{
	const struct timespec moment = { .tv_nsec = 1000000 };
	const struct deadline deadline = deadline_in(PATIENCE_MS);
	while (count_threads() != 1 && deadline_left(&deadline) > 0)
		(void)nanosleep(&moment, NULL);
	assert_int_equal(count_threads(), 1);
}

static void end_at_once(struct svid_watch *watch)
{
	assert_int_equal(count_threads(), 4);
	int64_t begin = clock_now_ms();
	svid_watch_free(watch);
	assert_in_range(clock_now_ms() - begin, 0, 2000);
	await_threads_end();
}

static void await(int fd)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	assert_int_equal(poll(&ready, 1, PATIENCE_MS), 1);
}

static void threads_that_pause_end(void **state)
{
	(void)state;
	struct svid_watch *watch = start();
	/* One piece of news of each, and then it pauses. */
	const unsigned all = 1u << SVID_X509 | 1u << SVID_JWKS | 1u << SVID_TOKEN;
	for (unsigned seen = 0; seen != all;) {
		await(svid_watch_fd(watch));
		for (OWNED_NEWS struct svid_news *news = svid_watch_next(watch); news;
		     svid_news_free(news), news = svid_watch_next(watch)) {
			assert_true(news->trouble);
			assert_int_equal(news->what_next, WORKLOAD_ABSENT);
			seen |= 1u << news->source;
		}
	}
	end_at_once(watch);
}

static int listen_at(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	memcpy(address.sun_path, path, strlen(path) + 1);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_return_code(fd, errno);
	assert_return_code(bind(fd, (struct sockaddr *)&address, sizeof(address)), errno);
	assert_return_code(listen(fd, 3), errno);
	return fd;
}

static void threads_that_wait_for_an_answer_end(void **state)
{
	(void)state;
	int listener = listen_at(lab.path);
	int calls[3];
	struct svid_watch *watch = start();
	for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
		await(listener);
		calls[i] = accept(listener, NULL, NULL);
		await(calls[i]); /* it has begun to send its request */
	}
	end_at_once(watch);
	for (size_t i = 0; i < ARRAY_LEN(calls); i++)
		(void)close(calls[i]);
	(void)close(listener);
	(void)unlink(lab.path);
}

static void tokens_that_have_expired_are_not_asked_for_all_the_time(void **state)
{
	(void)state;
	const struct svid_settings tokens_alone = { .no_x509 = true };
	const struct deadline deadline = deadline_in(PATIENCE_MS);
	struct svid_watch *watch = NULL;
	late.there = true;
	assert_int_equal(svid_watch_start(&tokens_alone, &lab.token, 1, lab.path, &watch, NULL), 0);
	while (late.pauses < 4 && deadline_left(&deadline) > 0)
		(void)nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	svid_watch_free(watch);
	late.there = false;
	assert_true(late.pauses >= 4);
	await_threads_end();
}

static void no_watch_can_be_freed(void **state)
{
	(void)state;
	svid_watch_free(NULL);
}

static void a_thread_that_cannot_start_takes_the_others_along(void **state)
{
	(void)state;
	for (unsigned good = 0; good < 3; good++) {
		struct svid_watch *watch = NULL;
		struct err err = { 0 };
		threads_allowed = good;
		assert_int_equal(svid_watch_start(&lab.settings, &lab.token, 1, lab.path, &watch, &err), -1);
		threads_allowed = UINT_MAX;
		assert_null(watch);
		assert_int_equal(err.code, ERR_SYSTEM);
		assert_int_equal(err.sys_errno, EAGAIN);
		await_threads_end();
	}
}

static int begin(void **state)
{
	(void)state;
	if (secret_setup(NULL) < 0 || http_setup(NULL) < 0)
		return -1;
	make_directory(lab.dir);
	if (snprintf(lab.path, sizeof(lab.path), "%s/s", lab.dir) >= (int)sizeof(lab.path))
		return -1;
	lab.settings.jwt_bundle_file = lab.path; /* any: that it is there asks for the stream */
	return svid_token_parse(bytes_of_text("token=audience"), &lab.token, NULL);
}

static int end(void **state)
{
	(void)state;
	svid_token_done(&lab.token);
	http_teardown();
	return rmdir(lab.dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(threads_that_pause_end),
		cmocka_unit_test(threads_that_wait_for_an_answer_end),
		cmocka_unit_test(a_thread_that_cannot_start_takes_the_others_along),
		cmocka_unit_test(tokens_that_have_expired_are_not_asked_for_all_the_time),
		cmocka_unit_test(no_watch_can_be_freed),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
