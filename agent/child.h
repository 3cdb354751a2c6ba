/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that is run as a child: the one behind `svid --`, the agent under
 * `run --supervise`. Given signals, started again by policy after a growing pause.
 * Its status becomes ours.
 */
#ifndef SEALPOD_AGENT_CHILD_H
#define SEALPOD_AGENT_CHILD_H

#include <sys/types.h>

#include "base/clock.h"
#include "base/err.h"

struct child {
	const char *name;					  /* for the log */
	int (*start)(void *arg, pid_t *ret_pid, struct err *err); /* NULL: there is no program */
	bool (*again)(void *arg, int status);			  /* is it started again when it ends so? */
	void *arg;
	int64_t well_ms; /* one that ran this long was well: the next pause is short again */
	struct backoff backoff;
	pid_t pid; /* 0: does not run */
	int64_t started_ms;
	bool due; /* is to be started at `start_at` */
	struct deadline start_at;
	bool stopping; /* a signal that ends it was passed on: no restart */
};

/* To be started with the next step. */
void child_want(struct child *child);

/* Starts it if it is time. *ret_ms: in how many milliseconds it will be, -1 for none. */
int child_step(struct child *child, int64_t *ret_ms, struct err *err) WARN_UNUSED;

/* One of the outside is passed on. False if it does not run: then the signal is for us. */
bool child_signal(struct child *child, int number);

/* One of our own, for an update: whatever it does, the policy of restarts stays. */
void child_tell(const struct child *child, int number);

/* A child was reaped. True if it was this one and the end of it all: *ret_status is its status. */
bool child_ended(struct child *child, pid_t pid, int wait_status, int *ret_status);

/* 0 to 255, or 128 and the signal's number. */
int child_status(int wait_status);

/* Blocks all signals that a program can be sent and makes them readable, SIGCHLD too. What tells of a fault in
 * ourselves keeps its effect. */
int child_catch_signals(int *ret_fd, struct err *err) WARN_UNUSED;

#endif
