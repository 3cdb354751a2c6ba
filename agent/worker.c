/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting, watching and ending the worker process.
 *
 * The worker may hang in an uninterruptible read of a device, or be taken over by
 * what it reads. The parent must never wait for it without end, and never read
 * from it anything but the records of handoff.h.
 */
#include "agent/worker.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"

static _Noreturn void run_child(int fd, pid_t parent, int (*work)(int, void *, struct err *), void *arg)
{
	struct err failure = { 0 };
	struct err unsent = { 0 };
	sigset_t none;
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(EXIT_TEMPORARY);
	if (work(fd, arg, &failure) == 0)
		exit(0);
	if (handoff_send_failure(fd, &failure, &unsent) < 0)
		log_error("%s (%s)", failure.message, unsent.message);
	exit(1);
}

int worker_start(int (*work)(int fd, void *arg, struct err *err), void *arg, struct worker *ret_worker, struct err *err)
{
	int pair[2];
	pid_t self = getpid();
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot make a socket pair");
	pid_t pid = fork();
	if (pid == 0) {
		(void)close(pair[0]);
		run_child(pair[1], self, work, arg);
	}
	int saved = errno;
	(void)close(pair[1]);
	if (pid < 0) {
		(void)close(pair[0]);
		return err_set_errno(err, ERR_SYSTEM, saved, "cannot start the worker process");
	}
	*ret_worker = (struct worker){ .pid = pid, .fd = pair[0] };
	return 0;
}

static int read_signal(int signal_fd)
{
	struct signalfd_siginfo info;
	return read(signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info) ? (int)info.ssi_signo : 0;
}

int worker_wait(const struct worker *worker, int signal_fd, const struct deadline *deadline,
		struct handoff_message *ret_message, struct handoff_files *ret_files, int *ret_signal, struct err *err)
{
	struct pollfd fds[] = { { .fd = worker->fd, .events = POLLIN }, { .fd = signal_fd, .events = POLLIN } };
	*ret_signal = 0;
	for (;;) {
		int64_t left = deadline ? deadline_left(deadline) : -1;
		int n = poll(fds, ARRAY_LEN(fds), left > INT_MAX ? INT_MAX : (int)left);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set_errno(err, ERR_SYSTEM, errno, "cannot wait for the worker process");
		if (n == 0)
			return err_set(err, ERR_TIMEOUT,
				       "the worker process did not finish in time and is abandoned (a device that does "
				       "not answer?)");
		if (fds[1].revents && (*ret_signal = read_signal(signal_fd)) != 0)
			return -1;
		if (fds[0].revents)
			return handoff_receive(worker->fd, ret_message, ret_files, err);
	}
}

/* True when the process has ended (and is reaped). */
static bool ended_within(pid_t pid, int pidfd, int ms)
{
	struct pollfd watch = { .fd = pidfd, .events = POLLIN };
	struct deadline limit = deadline_in(ms);
	while (poll(&watch, 1, (int)deadline_left(&limit)) < 0 && errno == EINTR)
		;
	return waitpid(pid, NULL, WNOHANG) == pid;
}

bool worker_end(struct worker *worker, bool patient)
{
	if (worker->pid <= 0)
		return true;
	int pidfd OWNED_FD = (int)syscall(SYS_pidfd_open, worker->pid, 0u);
	bool gone = patient && ended_within(worker->pid, pidfd, 1000);
	if (!gone) {
		(void)kill(worker->pid, SIGKILL); /* not reaped yet, so the pid is still its own */
		gone = ended_within(worker->pid, pidfd, 1000);
	}
	if (!gone)
		log_warning("worker process %d hangs in the kernel and is left behind", (int)worker->pid);
	cleanup_fd(&worker->fd);
	worker->pid = -1;
	return gone;
}
