/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Telling a workload that its files have changed: a signal to the process of a pid
 * file, a command. Nothing here waits; what has to be tried again is, by
 * svid_tell_step().
 */
#ifndef SEALPOD_AGENT_SVID_TELL_H
#define SEALPOD_AGENT_SVID_TELL_H

#include "config/svid_settings.h"
#include "base/clock.h"

struct svid_tell {
	const struct svid_settings *settings;
	char **command; /* split, NULL for none */
	char *command_text;
	pid_t command_pid;  /* 0: not running */
	bool command_again; /* an update came while it ran */
	struct deadline command_limit;
	bool signal_due; /* to the process of the pid file */
	unsigned signal_tries;
	struct deadline signal_at;
};

int svid_tell_open(const struct svid_settings *settings, struct svid_tell *ret_tell, struct err *err) WARN_UNUSED;
/* Ends a command that still runs, without waiting for it. */
void svid_tell_close(struct svid_tell *tell);

/* An update was delivered. */
void svid_tell_update(struct svid_tell *tell);

/* What has become due. Returns in how many milliseconds the next thing will, -1: nothing is planned. */
int64_t svid_tell_step(struct svid_tell *tell);

/* A child was reaped. False if it is none of these. */
bool svid_tell_ended(struct svid_tell *tell, pid_t pid, int wait_status);

/* Is nothing running or planned? */
bool svid_tell_idle(const struct svid_tell *tell);

/* Sends the signal to the process whose number the file holds. By pidfd, and the file is read again
 * once that is open: so a number that was taken anew meanwhile gets no signal. */
int svid_tell_by_pid_file(const char *path, int number, struct err *err) WARN_UNUSED;

#endif
