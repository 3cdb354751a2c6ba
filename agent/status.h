/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the supervisor says of itself to others: a small file in runtime_dir for `sealpod health`, and the
 * service manager's socket (sd_notify(3)). Public facts only.
 */
#ifndef SEALPOD_AGENT_STATUS_H
#define SEALPOD_AGENT_STATUS_H

#include "base/buf.h"
#include "base/err.h"

#define STATUS_FILE "supervisor.json"

struct status {
	const char *socket;	 /* the agent's Workload API */
	const char *trouble;	 /* name of the last renewal's error, "" for none */
	int64_t credential_ends; /* seconds since 1970 */
	int64_t renewal_due;
	uint64_t renewals;
	uint64_t restarts;
	uint64_t agent_pid; /* 0: it does not run */
	bool ready;	    /* its socket accepted a connection */
};

/* Replaces <dir>/supervisor.json, which everybody may read. */
int status_write(int dir, const struct status *status, struct err *err) WARN_UNUSED;

/* `socket` gets the path. ERR_MISSING if there is no such file, or it makes no sense. `trouble`, `renewals` and so on
 * are not read. */
int status_read(const char *dir, struct buf *socket, int64_t *ret_credential_ends, struct err *err) WARN_UNUSED;

/* Does somebody listen there? ERR_NETWORK if not. */
int status_connect(const char *socket, struct err *err) WARN_UNUSED;

/* Sends "READY=1\nSTATUS=…" to the service manager that started us, if one did. */
void status_notify(const char *text);

#endif
