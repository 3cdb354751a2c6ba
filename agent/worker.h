/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker: a child process that does everything which parses, talks to the
 * network or handles a secret, and hands the result to its parent. When it is
 * gone, all that it held is gone.
 */
#ifndef SEALPOD_AGENT_WORKER_H
#define SEALPOD_AGENT_WORKER_H

#include <signal.h>
#include <sys/types.h>

#include "agent/handoff.h"
#include "base/err.h"

struct worker {
	pid_t pid;
	int fd; /* our end of the pair */
};

/* Forks. The child runs `work` with its end of the pair and exits; it is killed when the
 * parent dies. `work` reports failures by returning -1 with err, which is then
 * sent as the failure record. */
int worker_start(int (*work)(int fd, void *arg, struct err *err), void *arg, struct worker *ret_worker,
		 struct err *err) WARN_UNUSED;

/* Waits for the next record, until `deadline` (NULL: none). ERR_TIMEOUT when it passes. If one of
 * the signals in signal_fd arrives first, *ret_signal is its number and -1 is returned
 * without an error text; otherwise *ret_signal is 0. */
int worker_wait(const struct worker *worker, int signal_fd, const struct deadline *deadline,
		struct handoff_message *ret_message, struct handoff_files *ret_files, int *ret_signal,
		struct err *err) WARN_UNUSED;

/* Ends the worker and reaps it. `patient`: it is done and gets a second to leave by
 * itself. Otherwise it is killed at once. One that hangs in a device's read is left to
 * the kernel after another second; false then. */
bool worker_end(struct worker *worker, bool patient);

#endif
