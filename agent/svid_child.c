/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program that sealpod wraps.
 *
 * Its command line is the operator's, what it does is its own. As process 1 of a
 * container nobody else passes signals on. Must never swallow its status, nor
 * start it again after a signal that was to end it.
 */
#include "agent/svid_child.h"

#include <signal.h>
#include <string.h>

#include "agent/svid_program.h"
#include "base/log.h"

/* A program that ran this long was well: the next pause is short again. */
#define WELL_MS 10000

void svid_child_want(struct svid_child *child)
{
	if (!child->argv || child->pid > 0)
		return;
	child->due = true;
	child->start_at = deadline_in(0);
}

int svid_child_step(struct svid_child *child, int64_t *ret_ms, struct err *err)
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
	return svid_program_start(child->argv, true, &child->pid, err);
}

bool svid_child_signal(struct svid_child *child, int number)
{
	if (number == SIGTERM || number == SIGINT || number == SIGQUIT)
		child->stopping = true;
	if (child->pid <= 0)
		return false;
	(void)kill(child->pid, number); /* not reaped yet, so the number is still its own */
	return true;
}

void svid_child_tell(const struct svid_child *child, int number)
{
	if (child->pid > 0)
		(void)kill(child->pid, number);
}

static bool is_again(const struct svid_child *child, int status)
{
	if (child->stopping)
		return false;
	return child->restart == SVID_RESTART_ALWAYS || (child->restart == SVID_RESTART_ON_FAILURE && status != 0);
}

bool svid_child_ended(struct svid_child *child, pid_t pid, int wait_status, int *ret_status)
{
	if (pid != child->pid)
		return false;
	int status = svid_program_status(wait_status);
	child->pid = 0;
	if (!is_again(child, status)) {
		*ret_status = status;
		return true;
	}
	if (clock_now_ms() - child->started_ms > WELL_MS)
		child->backoff.tries = 0;
	int64_t pause = backoff_next(&child->backoff);
	log_warning("'%s' ended with status %d and is started again in %lld ms", child->argv[0], status,
		    (long long)pause);
	child->due = true;
	child->start_at = deadline_in(pause);
	return false;
}
