/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent/handoff and agent/worker: the records between the two processes, sent by
 * an honest worker and by one that somebody has taken over.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/handoff.h"
#include "agent/worker.h"
#include "base/cleanup.h"
#include "base/file.h"

static int pair[2];

static int make_pair(void **state)
{
	(void)state;
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
}

static int close_pair(void **state)
{
	(void)state;
	cleanup_fd(&pair[0]);
	cleanup_fd(&pair[1]);
	return 0;
}

static int receive(struct handoff_message *message, struct handoff_files *files, struct err *err)
{
	return handoff_receive(pair[0], message, files, err);
}

static unsigned open_fds(void)
{
	unsigned count = 0;
	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static int sealed(const char *text)
{
	int fd = -1;
	assert_int_equal(file_sealed_memfd("test", bytes_of_text(text), &fd, NULL), 0);
	return fd;
}

static void plan_arrives_as_sent(void **state)
{
	(void)state;
	struct handoff_plan plan = { .agent_path = "/a", .runtime_dir = "/r", .uid = 7, .gid = 8, .allow_disk = true };
	struct handoff_message message;
	struct handoff_files files OWNED_FILES = HANDOFF_FILES_INIT;
	assert_int_equal(handoff_send_plan(pair[1], &plan, NULL), 0);
	assert_int_equal(receive(&message, &files, NULL), 0);
	assert_int_equal(message.kind, HANDOFF_PLAN);
	assert_string_equal(message.plan.agent_path, "/a");
	assert_int_equal(message.plan.uid, 7);
	assert_true(message.plan.allow_disk);
	assert_true(files.credential == -1 && files.bundle == -1 && files.agent_config == -1);
}

static void expect_content(int fd, const char *content)
{
	struct buf text OWNED_BUF = BUF_INIT(64);
	char path[64];
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	assert_int_equal(file_read(AT_FDCWD, path, &text, NULL), 0);
	assert_string_equal(buf_text(&text), content);
}

/* It came with the plan, and stays when the files come; a second one takes its place. */
static void agents_configuration_comes_with_the_plan(void **state)
{
	(void)state;
	struct handoff_plan plan = { .agent_path = "/a" };
	struct handoff_files one OWNED_FILES = { sealed("key"), sealed("bundle"), sealed("{}") };
	struct handoff_files two OWNED_FILES = { -1, -1, sealed("{2}") };
	struct handoff_credential about = { .ends = 1 };
	struct handoff_files files OWNED_FILES = HANDOFF_FILES_INIT;
	struct handoff_message message;
	assert_int_equal(handoff_send_agent_plan(pair[1], &plan, &one, NULL), 0);
	assert_int_equal(receive(&message, &files, NULL), 0);
	assert_true(message.kind == HANDOFF_PLAN && files.credential == -1 && files.bundle == -1);
	expect_content(files.agent_config, "{}");
	assert_int_equal(handoff_send_files(pair[1], &one, &about, NULL), 0);
	assert_int_equal(receive(&message, &files, NULL), 0);
	expect_content(files.agent_config, "{}");
	expect_content(files.credential, "key");
	unsigned before = open_fds();
	assert_int_equal(handoff_send_agent_plan(pair[1], &plan, &two, NULL), 0);
	assert_int_equal(receive(&message, &files, NULL), 0);
	expect_content(files.agent_config, "{2}");
	assert_int_equal(open_fds(), before);
}

static void files_arrive_sealed_and_close_on_exec(void **state)
{
	(void)state;
	struct handoff_files sent OWNED_FILES = { sealed("key"), sealed("bundle"), -1 };
	struct handoff_files files OWNED_FILES = HANDOFF_FILES_INIT;
	struct handoff_credential about = { .ends = 1700000000, .fingerprint = "abc" };
	struct handoff_message message;
	assert_int_equal(handoff_send_files(pair[1], &sent, &about, NULL), 0);
	assert_int_equal(receive(&message, &files, NULL), 0);
	assert_int_equal(message.kind, HANDOFF_FILES);
	assert_int_equal(message.credential.ends, 1700000000);
	assert_string_equal(message.credential.fingerprint, "abc");
	expect_content(files.credential, "key");
	expect_content(files.bundle, "bundle");
}

static void failure_arrives_with_code_and_text(void **state)
{
	(void)state;
	struct err failure = { .code = ERR_DENIED, .sys_errno = 13, .message = "no" };
	struct handoff_files files OWNED_FILES = HANDOFF_FILES_INIT;
	struct handoff_message message;
	assert_int_equal(handoff_send_failure(pair[1], &failure, NULL), 0);
	assert_int_equal(receive(&message, &files, NULL), 0);
	assert_int_equal(message.failure.code, ERR_DENIED);
	assert_string_equal(message.failure.message, "no");
}

static void go_is_waited_for(void **state)
{
	(void)state;
	struct err err = { 0 };
	assert_int_equal(handoff_send_go(pair[0], NULL), 0);
	assert_int_equal(handoff_await_go(pair[1], &err), 0);
	cleanup_fd(&pair[0]);
	assert_int_equal(handoff_await_go(pair[1], &err), -1);
	assert_non_null(strstr(err.message, "went away"));
	assert_int_equal(handoff_send_go(pair[1], &err), -1); /* the other end is closed: no signal, an error */
}

/* Sends raw bytes with any descriptors, as a worker that was taken over might. */
static void send_raw(const void *data, size_t len, const int *fds, size_t fd_count)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int) * 8)];
	} control = { 0 };
	struct iovec io = { .iov_base = (void *)(uintptr_t)data, .iov_len = len };
	struct msghdr header = { .msg_iov = &io, .msg_iovlen = 1 };
	if (fd_count > 0) {
		header.msg_control = control.space;
		header.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
		struct cmsghdr *c = CMSG_FIRSTHDR(&header);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * fd_count);
	}
	assert_int_equal(sendmsg(pair[1], &header, 0), (ssize_t)len);
}

static void expect_refused(const char *reason)
{
	struct handoff_message message = { .kind = 99 };
	struct handoff_files files = HANDOFF_FILES_INIT;
	struct err err = { 0 };
	unsigned before = open_fds();
	assert_int_equal(receive(&message, &files, &err), -1);
	assert_int_equal(err.code, ERR_SYSTEM);
	if (!strstr(err.message, reason))
		fail_msg("expected '%s' in '%s'", reason, err.message);
	assert_int_equal(message.kind, 99);
	assert_int_equal(files.credential, -1);
	assert_int_equal(open_fds(), before); /* nothing that came along stays open */
}

static void malformed_records_are_refused(void **state)
{
	(void)state;
	static struct handoff_message message;
	int fd OWNED_FD = sealed("x");
	const int three[] = { fd, fd, fd };
	const int eight[] = { fd, fd, fd, fd, fd, fd, fd, fd };
	send_raw("x", 1, NULL, 0);
	expect_refused("cannot read from the worker");
	message = (struct handoff_message){ .kind = 0 };
	send_raw(&message, sizeof(message), NULL, 0);
	expect_refused("malformed record");
	message.kind = HANDOFF_PLAN; /* a plan with more than one descriptor */
	send_raw(&message, sizeof(message), three, 2);
	expect_refused("malformed record");
	message.kind = HANDOFF_FILES; /* too few, too many */
	message.credential.ends = 1;
	send_raw(&message, sizeof(message), NULL, 0);
	expect_refused("malformed record");
	send_raw(&message, sizeof(message), three, 1);
	expect_refused("malformed record");
	send_raw(&message, sizeof(message), three, 3);
	expect_refused("cannot read from the worker");
	send_raw(&message, sizeof(message), eight, 8);
	expect_refused("cannot read from the worker");
	message.credential.ends = 0; /* a time that cannot be */
	send_raw(&message, sizeof(message), three, 2);
	expect_refused("malformed record");
	message.credential.ends = 1;
	memset(message.credential.fingerprint, 'x', sizeof(message.credential.fingerprint));
	send_raw(&message, sizeof(message), three, 2);
	expect_refused("malformed record");
	message.kind = HANDOFF_FAILURE; /* unterminated texts */
	memset(message.failure.message, 'x', sizeof(message.failure.message));
	send_raw(&message, sizeof(message), NULL, 0);
	expect_refused("malformed record");
	char *const texts[] = { message.plan.agent_path, message.plan.runtime_dir, message.plan.socket_path,
				message.plan.admin_socket_path };
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		message = (struct handoff_message){ .kind = HANDOFF_PLAN };
		memset(texts[i], 'x', PATH_MAX);
		send_raw(&message, sizeof(message), NULL, 0);
		expect_refused("malformed record");
	}
	message = (struct handoff_message){ .kind = HANDOFF_PLAN };
	memset(message.plan.trust_domain, 'x', sizeof(message.plan.trust_domain));
	send_raw(&message, sizeof(message), NULL, 0);
	expect_refused("malformed record");
}

static void unsealed_and_oversized_files_are_refused(void **state)
{
	(void)state;
	static const struct handoff_message message = { .kind = HANDOFF_FILES, .credential = { .ends = 1 } };
	static const struct handoff_message plan = { .kind = HANDOFF_PLAN };
	int good OWNED_FD = sealed("x");
	int unsealed OWNED_FD = memfd_create("u", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int pipes[2];
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	static char big[HANDOFF_MAX_FILE + 1];
	int large OWNED_FD = -1;
	int empty OWNED_FD = -1;
	assert_int_equal(file_sealed_memfd("big", bytes_of(big, sizeof(big)), &large, NULL), 0);
	assert_int_equal(file_sealed_memfd("empty", bytes_of("", 0), &empty, NULL), 0);
	const struct {
		int fd;
		const char *reason;
	} rows[] = { { unsealed, "not sealed" },
		     { pipes[0], "not sealed" },
		     { large, "impossible size" },
		     { empty, "impossible size" } };
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		for (unsigned place = 0; place < 2; place++) {
			int fds[] = { good, good };
			fds[place] = rows[i].fd;
			send_raw(&message, sizeof(message), fds, 2);
			expect_refused(rows[i].reason);
		}
		send_raw(&plan, sizeof(plan), &rows[i].fd, 1);
		expect_refused(rows[i].reason);
	}
	(void)close(pipes[0]);
	(void)close(pipes[1]);
}

static void end_of_stream_is_named(void **state)
{
	(void)state;
	cleanup_fd(&pair[1]);
	expect_refused("ended without a word");
}

/* Workers for worker_start(). */
static int work_and_fail(int fd, void *arg, struct err *err)
{
	(void)fd;
	return err_set(err, ERR_CLOCK, "the %s is wrong", (const char *)arg);
}

static int work_and_say_nothing(int fd, void *arg, struct err *err)
{
	(void)fd;
	(void)arg;
	(void)err;
	_exit(0);
}

static int work_for_ever(int fd, void *arg, struct err *err)
{
	(void)fd;
	(void)arg;
	(void)err;
	while (pause() < 0)
		;
	return 0;
}

static int wait_for(int (*work)(int, void *, struct err *), int64_t ms, struct err *err)
{
	struct worker worker;
	struct handoff_message message;
	struct handoff_files files OWNED_FILES = HANDOFF_FILES_INIT;
	struct deadline limit = deadline_in(ms);
	sigset_t none;
	int number = 0;
	(void)sigemptyset(&none);
	int signals OWNED_FD = signalfd(-1, &none, SFD_CLOEXEC);
	assert_int_equal(worker_start(work, (void *)(uintptr_t) "clock", &worker, err), 0);
	pid_t pid = worker.pid;
	int rc = worker_wait(&worker, signals, &limit, &message, &files, &number, err);
	worker_end(&worker, rc == 0);
	assert_int_equal(number, 0);
	assert_int_equal(kill(pid, 0), -1); /* gone and reaped */
	if (rc == 0)
		*err = message.failure;
	return rc;
}

static void worker_failure_becomes_the_parents(void **state)
{
	(void)state;
	struct err err = { 0 };
	assert_int_equal(wait_for(work_and_fail, 10000, &err), 0);
	assert_int_equal(err.code, ERR_CLOCK);
	assert_string_equal(err.message, "the clock is wrong");
}

static void silent_worker_is_named(void **state)
{
	(void)state;
	struct err err = { 0 };
	assert_int_equal(wait_for(work_and_say_nothing, 10000, &err), -1);
	assert_non_null(strstr(err.message, "ended without a word"));
}

static void hanging_worker_is_abandoned_at_the_deadline(void **state)
{
	(void)state;
	struct err err = { 0 };
	assert_int_equal(wait_for(work_for_ever, 50, &err), -1);
	assert_int_equal(err.code, ERR_TIMEOUT);
}

static void signal_ends_the_wait(void **state)
{
	(void)state;
	struct worker worker;
	struct handoff_message message;
	struct handoff_files files OWNED_FILES = HANDOFF_FILES_INIT;
	struct err err = { 0 };
	sigset_t term;
	int number = 0;
	(void)sigemptyset(&term);
	(void)sigaddset(&term, SIGTERM);
	assert_int_equal(sigprocmask(SIG_BLOCK, &term, NULL), 0);
	int signals OWNED_FD = signalfd(-1, &term, SFD_CLOEXEC);
	assert_int_equal(worker_start(work_for_ever, NULL, &worker, &err), 0);
	assert_int_equal(raise(SIGTERM), 0);
	assert_int_equal(worker_wait(&worker, signals, NULL, &message, &files, &number, &err), -1);
	assert_int_equal(number, SIGTERM);
	worker_end(&worker, false);
	assert_int_equal(sigprocmask(SIG_UNBLOCK, &term, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(plan_arrives_as_sent, make_pair, close_pair),
		cmocka_unit_test_setup_teardown(agents_configuration_comes_with_the_plan, make_pair, close_pair),
		cmocka_unit_test_setup_teardown(files_arrive_sealed_and_close_on_exec, make_pair, close_pair),
		cmocka_unit_test_setup_teardown(failure_arrives_with_code_and_text, make_pair, close_pair),
		cmocka_unit_test_setup_teardown(go_is_waited_for, make_pair, close_pair),
		cmocka_unit_test_setup_teardown(malformed_records_are_refused, make_pair, close_pair),
		cmocka_unit_test_setup_teardown(unsealed_and_oversized_files_are_refused, make_pair, close_pair),
		cmocka_unit_test_setup_teardown(end_of_stream_is_named, make_pair, close_pair),
		cmocka_unit_test(worker_failure_becomes_the_parents),
		cmocka_unit_test(silent_worker_is_named),
		cmocka_unit_test(hanging_worker_is_abandoned_at_the_deadline),
		cmocka_unit_test(signal_ends_the_wait),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
