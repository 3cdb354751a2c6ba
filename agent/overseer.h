/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parent's side of every verb that attests: starts the worker, waits for its
 * records under a deadline and for signals, and ends it. Used by `run`, which
 * then becomes the agent, and by the verbs whose worker writes the output itself.
 */
#ifndef SEALPOD_AGENT_OVERSEER_H
#define SEALPOD_AGENT_OVERSEER_H

#include "agent/cli.h"
#include "agent/handoff.h"
#include "agent/report.h"
#include "agent/worker.h"
#include "attest/tsm.h"

/* What the worker is given. */
struct order {
	const struct cli_options *options;
	int64_t started_ms;		 /* clock_now_ms() at the start of the program */
	char instance[TSM_INSTANCE_MAX]; /* its name in places that outlive it: the parent clears them up */
	int (*work)(int fd, void *order, struct err *err);
	bool look_once;	       /* who waits for the guest's components shows nothing meanwhile */
	struct report *report; /* what the worker finds out, for whoever wants to know why it failed */
};

struct overseer {
	struct order order;
	struct worker worker;
	struct handoff_files files; /* of the last record */
	bool worker_done;	    /* it has sent its last record and is leaving */
	int signal_fd;
	int signal; /* the one that ended us, 0 for none */
};

#define OVERSEER_INIT                                                                                                  \
	{                                                                                                              \
		.files = HANDOFF_FILES_INIT, .signal_fd = -1                                                           \
	}

/* What a worker that is started now is given. */
struct order overseer_order(const struct cli_options *options, int (*work)(int fd, void *order, struct err *err));

/* For worker_start(), with a struct order as its argument: does order->work, and hands the report over. After a success
 * the parent must wait until the worker is gone, if it wants the report of that. */
int overseer_work(int fd, void *order, struct err *err);

/* Starts `work` with a struct order as its argument. */
int overseer_start(struct overseer *overseer, const struct cli_options *options,
		   int (*work)(int fd, void *order, struct err *err), struct err *err) WARN_UNUSED;

/* The next record, which must be of this kind. A failure record becomes the error; a signal is -1 with
 * overseer->signal set. The last record reaps the worker. */
int overseer_receive(struct overseer *overseer, enum handoff_kind kind, const struct deadline *deadline,
		     struct handoff_message *ret_message, struct err *err) WARN_UNUSED;

/* A signal that came meanwhile? */
bool overseer_interrupted(struct overseer *overseer);

/* Ends a worker and removes what it made in places that outlive it. `done`: it has sent its last record. False if something
 * is left behind: what it made, or itself because it hangs in the kernel; then what it made goes when it does. */
bool overseer_end_worker(struct worker *worker, const struct order *order, bool done);

/* Ends the worker and clears up after it. If a signal was the cause, ends this process by it. */
void overseer_end(struct overseer *overseer);

/* The whole of a verb whose worker writes the output itself: plan, go, done. */
int overseer_run(const struct cli_options *options, int (*work)(int fd, void *order, struct err *err),
		 struct err *err) WARN_UNUSED;

#endif
