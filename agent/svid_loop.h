/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop of `sealpod svid`: news from the threads, signals, children and times
 * come together here, and only here anything is written.
 */
#ifndef SEALPOD_AGENT_SVID_LOOP_H
#define SEALPOD_AGENT_SVID_LOOP_H

#include "agent/child.h"
#include "agent/svid_place.h"
#include "agent/svid_state.h"
#include "agent/svid_tell.h"
#include "agent/svid_writer.h"
#include "base/digest.h"

struct svid_loop {
	const struct svid_settings *settings;
	bool once;
	struct deadline deadline; /* of --once */
	int signal_fd;
	struct svid_watch *watch;
	struct svid_state state;
	struct svid_place place;
	struct svid_writer writer;
	struct svid_tell tell;
	char *const *command; /* behind `--`; NULL: none */
	struct child child;

	unsigned long generation; /* deliveries so far */
	bool was_complete;
	bool dirty;		/* the state is not what lies in the directory … */
	enum svid_source cause; /* … because of this */
	bool withdrawal;	/* … and something was lost */
	struct deadline publish_at;
	struct backoff backoff;	  /* of failed deliveries */
	bool busy;		  /* an update came … */
	struct deadline quiet_at; /* … and this is when that counts as over */
	struct digest delivered;  /* of the files that lie there */
	struct digest pending;	  /* of those that are being written */
	struct err last_trouble;
	bool done;
	int status; /* … to end with */
};

/* Runs until it is done: loop->status is the exit status then. -1 with err: it failed. */
int svid_loop_run(struct svid_loop *loop, struct err *err) WARN_UNUSED;

#endif
