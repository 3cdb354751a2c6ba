/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program behind `--`: started after the first delivery, given all signals,
 * started again by policy. Its status becomes ours.
 */
#ifndef SEALPOD_AGENT_SVID_CHILD_H
#define SEALPOD_AGENT_SVID_CHILD_H

#include "agent/svid_settings.h"
#include "base/clock.h"

struct svid_child {
	char *const *argv; /* NULL: there is no program */
	enum svid_restart restart;
	pid_t pid; /* 0: does not run */
	int64_t started_ms;
	struct backoff backoff;
	bool due; /* is to be started at `start_at` */
	struct deadline start_at;
	bool stopping; /* a signal that ends it was passed on: no restart */
};

/* To be started with the next step. */
void svid_child_want(struct svid_child *child);

/* Starts it if it is time. *ret_ms: in how many milliseconds it will be, -1 for none. */
int svid_child_step(struct svid_child *child, int64_t *ret_ms, struct err *err) WARN_UNUSED;

/* One of the outside is passed on. False if it does not run: then the signal is for us. */
bool svid_child_signal(struct svid_child *child, int number);

/* One of our own, for an update: whatever it does, the policy of restarts stays. */
void svid_child_tell(const struct svid_child *child, int number);

/* A child was reaped. True if it was the program and the end of it all: *ret_status is its status. */
bool svid_child_ended(struct svid_child *child, pid_t pid, int wait_status, int *ret_status);

#endif
