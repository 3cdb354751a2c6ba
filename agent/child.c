/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that sealpod runs as a child.
 *
 * Its command line is the operator's, what it does is its own. As process 1 of a
 * container nobody else passes signals on. Must never swallow its status, nor
 * start it again after a signal that was to end it.
 */
#include "agent/child.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/log.h"

void child_want(struct child *child)
{
	if (!child->start || child->pid > 0)
		return;
	child->due = true;
	child->start_at = deadline_in(0);
}

int child_step(struct child *child, int64_t *ret_ms, struct err *err)
{
	*ret_ms = -1;
	if (!child->due)
		return 0;
	int64_t left = deadline_left(&child->start_at);
	if (left > 0) {
		*ret_ms = left;
		return 0;
	}
	child->due = false;
	child->started_ms = clock_now_ms();
	return child->start(child->arg, &child->pid, err);
}

bool child_signal(struct child *child, int number)
{
	if (number == SIGTERM || number == SIGINT || number == SIGQUIT)
		child->stopping = true;
	if (child->pid <= 0)
		return false;
	(void)kill(child->pid, number); /* not reaped yet, so the number is still its own */
	return true;
}

void child_tell(const struct child *child, int number)
{
	if (child->pid > 0)
		(void)kill(child->pid, number);
}

int child_status(int wait_status)
{
	return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

bool child_ended(struct child *child, pid_t pid, int wait_status, int *ret_status)
{
	if (pid != child->pid)
		return false;
	int status = child_status(wait_status);
	child->pid = 0;
	if (child->stopping || !child->again(child->arg, status)) {
		*ret_status = status;
		return true;
	}
	if (clock_now_ms() - child->started_ms > child->well_ms)
		child->backoff.tries = 0;
	int64_t pause = backoff_next(&child->backoff);
	log_warning("'%s' ended with status %d and is started again in %lld ms", child->name, status, (long long)pause);
	child->due = true;
	child->start_at = deadline_in(pause);
	return false;
}

int child_catch_signals(int *ret_fd, struct err *err)
{
	static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS };
	sigset_t set;
	(void)sigfillset(&set);
	for (size_t i = 0; i < ARRAY_LEN(faults); i++)
		(void)sigdelset(&set, faults[i]);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot block signals");
	int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot watch for signals");
	*ret_fd = fd;
	return 0;
}
