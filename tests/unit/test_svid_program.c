/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent/svid_program: what a foreign program gets of us, and what it does not.
 */
#include "support.h"

#include <sys/stat.h>

#include "agent/svid_program.h"
#include "base/cleanup.h"
#include "base/file.h"

static char dir[256];
static char out[300];
static bool fork_fails;

static int begin(void **state)
{
	(void)state;
	make_directory(dir);
	(void)snprintf(out, sizeof(out), "%s/out", dir);
	return 0;
}

static int end(void **state)
{
	(void)state;
	(void)unlink(out);
	return rmdir(dir);
}

static int status_of(pid_t pid)
{
	int status = 0;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* Runs a script whose standard output is the file, and reads that. */
static void run_script(const char *script, bool terminal, struct buf *text)
{
	char line[1024];
	char *argv[] = { (char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c", line, NULL };
	pid_t pid = 0;
	(void)snprintf(line, sizeof(line), "exec >%s; %s", out, script);
	assert_int_equal(svid_program_start(argv, terminal, &pid, NULL), 0);
	assert_int_equal(status_of(pid), 0);
	assert_int_equal(file_read(AT_FDCWD, out, text, NULL), 0);
}

static void nothing_of_ours_is_handed_on(void **state)
{
	(void)state;
	struct buf text OWNED_BUF = BUF_INIT(4096);
	int leak OWNED_FD = open("/dev/null", O_RDONLY); /* without O_CLOEXEC */
	sigset_t set;
	sigset_t before;
	assert_true(leak >= 3);
	(void)sigfillset(&set);
	(void)sigprocmask(SIG_BLOCK, &set, &before);
	(void)signal(SIGHUP, SIG_IGN);
	run_script("for n in 3 4 5 6 7 8 9; do [ ! -e /proc/$$/fd/$n ] || echo has $n; done;"
		   "exec grep -E 'Sig(Blk|Ign)' /proc/self/status",
		   true, &text);
	(void)signal(SIGHUP, SIG_DFL);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	if (strstr(buf_text(&text), "has"))
		fail_msg("the program %s", buf_text(&text));
	assert_non_null(strstr(buf_text(&text), "SigBlk:\t0000000000000000"));
	assert_non_null(strstr(buf_text(&text), "SigIgn:\t0000000000000000"));
}

static void standard_input_is_the_programs_or_nothing(void **state)
{
	(void)state;
	struct buf text OWNED_BUF = BUF_INIT(4096);
	int pipe_fds[2];
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	assert_int_equal(write(pipe_fds[1], "words\n", 6), 6);
	(void)close(pipe_fds[1]);
	int saved = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	assert_true(dup2(pipe_fds[0], STDIN_FILENO) >= 0);
	(void)close(pipe_fds[0]);
	run_script("cat", false, &text);
	assert_string_equal(buf_text(&text), "");
	run_script("cat", true, &text);
	assert_string_equal(buf_text(&text), "words\n");
	assert_true(dup2(saved, STDIN_FILENO) >= 0);
	(void)close(saved);
}

static void each_has_a_group_of_its_own(void **state)
{
	(void)state;
	char *argv[] = { (char *)(uintptr_t) "sleep", (char *)(uintptr_t) "60", NULL };
	pid_t pid = 0;
	int status = 0;
	assert_int_equal(svid_program_start(argv, false, &pid, NULL), 0);
	assert_int_equal(getpgid(pid), pid);
	assert_int_equal(kill(-pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}

static void what_cannot_be_executed_says_so(void **state)
{
	(void)state;
	char *const absent[] = { (char *)(uintptr_t) "/nowhere/program", NULL };
	char *const below[] = { (char *)(uintptr_t) "/dev/null/program", NULL };
	char *const directory[] = { dir, NULL };
	pid_t pid = 0;
	assert_int_equal(svid_program_start(absent, false, &pid, NULL), 0);
	assert_int_equal(status_of(pid), 127);
	assert_int_equal(svid_program_start(below, false, &pid, NULL), 0);
	assert_int_equal(status_of(pid), 127);
	assert_int_equal(svid_program_start(directory, true, &pid, NULL), 0);
	assert_int_equal(status_of(pid), 126);
}

static void no_process_is_an_error(void **state)
{
	(void)state;
	struct err err = { 0 };
	char *const argv[] = { (char *)(uintptr_t) "true", NULL };
	pid_t pid = -7;
	fork_fails = true;
	assert_int_equal(svid_program_start(argv, false, &pid, &err), -1);
	fork_fails = false;
	assert_int_equal(pid, -7);
	assert_true(err.code == ERR_SYSTEM && err.sys_errno == EAGAIN);
}

pid_t __real_fork(void);
pid_t __wrap_fork(void);
pid_t __wrap_fork(void)
{
	if (!fork_fails)
		return __real_fork();
	errno = EAGAIN;
	return -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_of_ours_is_handed_on, begin, end),
		cmocka_unit_test_setup_teardown(standard_input_is_the_programs_or_nothing, begin, end),
		cmocka_unit_test(each_has_a_group_of_its_own),
		cmocka_unit_test_setup_teardown(what_cannot_be_executed_says_so, begin, end),
		cmocka_unit_test(no_process_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
