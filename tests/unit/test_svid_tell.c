/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent/svid_tell: whom a pid file names, and whom it must not.
 */
#include "support.h"

#include "agent/svid_tell.h"
#include "base/cleanup.h"

static char dir[256];
static char path[300];

static void write_pid(const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	(void)close(fd);
}

static int begin(void **state)
{
	(void)state;
	make_directory(dir);
	(void)snprintf(path, sizeof(path), "%s/pid", dir);
	return 0;
}

static int end(void **state)
{
	(void)state;
	(void)unlink(path);
	return rmdir(dir);
}

static void the_process_of_the_file_is_signalled(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		char text[32];
		struct err err = { 0 };
		pid_t pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			(void)pause();
			_exit(1);
		}
		int wanted = i == 0   ? snprintf(text, sizeof(text), "%d", (int)pid)
			     : i == 1 ? snprintf(text, sizeof(text), "%d\n", (int)pid)
				      : snprintf(text, sizeof(text), "%d \r\n", (int)pid);
		assert_true(wanted > 0);
		write_pid(text);
		if (svid_tell_by_pid_file(path, SIGTERM, &err) < 0)
			fail_msg("%s", err.message);
		int status = 0;
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
		assert_int_equal(svid_tell_by_pid_file(path, SIGTERM, &err), -1); /* it is gone */
		assert_int_equal(err.sys_errno, ESRCH);
	}
}

static void nobody_else_is(void **state)
{
	(void)state;
	char own[32];
	(void)snprintf(own, sizeof(own), "%d", (int)getpid());
	const char *const rows[] = {
		"",	      "\n",	    "x", "0", "1", " 1", "+1", "-1", "1 2", "1\n2", "99999999999999999999",
		"2147483648", "4194304999", own
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		write_pid(rows[i]);
		/* No signal but the permission to send one, so that nobody comes to harm if this test fails. */
		if (svid_tell_by_pid_file(path, 0, NULL) == 0)
			fail_msg("'%s' was signalled", rows[i]);
	}
	struct err err = { 0 };
	write_pid("1\n");
	assert_int_equal(svid_tell_by_pid_file(path, 0, &err), -1);
	assert_non_null(strstr(err.message, "process 1 is never signalled"));
	(void)unlink(path);
	assert_int_equal(svid_tell_by_pid_file(path, SIGTERM, NULL), -1);
}

static void a_missing_file_is_tried_again(void **state)
{
	(void)state;
	const struct svid_settings settings = { .pid_file = path, .signal = SIGTERM };
	struct svid_tell tell;
	(void)unlink(path);
	assert_int_equal(svid_tell_open(&settings, &tell, NULL), 0);
	assert_true(svid_tell_idle(&tell));
	svid_tell_update(&tell);
	assert_false(svid_tell_idle(&tell));
	int64_t next = svid_tell_step(&tell);
	assert_true(next > 0 && next <= 200);
	pid_t pid = fork();
	if (pid == 0) {
		(void)pause();
		_exit(1);
	}
	char text[32];
	(void)snprintf(text, sizeof(text), "%d", (int)pid);
	write_pid(text);
	tell.signal_at = deadline_in(0);
	assert_int_equal(svid_tell_step(&tell), -1);
	assert_true(svid_tell_idle(&tell));
	int status = 0;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	(void)unlink(path);
	svid_tell_update(&tell);
	for (int i = 0; i < 20; i++) {
		tell.signal_at = deadline_in(0);
		(void)svid_tell_step(&tell);
	}
	assert_true(svid_tell_idle(&tell)); /* it gives up */
	svid_tell_close(&tell);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_process_of_the_file_is_signalled, begin, end),
		cmocka_unit_test_setup_teardown(nobody_else_is, begin, end),
		cmocka_unit_test_setup_teardown(a_missing_file_is_tried_again, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
