/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's private directory: <runtime_dir>/agent with agent.json, bundle.pem
 * and a fresh data directory, owned by the agent's user, replaced whole. And the
 * directories of its sockets. What a failed start made is taken away again.
 */
#ifndef SEALPOD_AGENT_PLACE_H
#define SEALPOD_AGENT_PLACE_H

#include "agent/handoff.h"
#include "base/err.h"

/* Name below runtime_dir. */
#define PLACE_DIR "agent"
#define PLACE_CONFIG "agent.json"
#define PLACE_BUNDLE "bundle.pem"
#define PLACE_DATA "data"
#define PLACE_CREDENTIAL "credential.pem" /* key and chain; only of an agent that is supervised */

/* What was made, for undoing. */
struct place {
	int runtime_fd;	       /* -1 before */
	unsigned made_runtime; /* how many components of the path we created */
	unsigned made_socket;
	unsigned made_admin_socket;
	bool locked;
	bool placed;
	bool had_old; /* the directory before ours lies aside */
};

#define PLACE_INIT                                                                                                     \
	{                                                                                                              \
		.runtime_fd = -1                                                                                       \
	}

/* May runtime_dir be used? Opens (and creates) it, and checks that it is memory: ERR_CONFIG if not and
 * plan->allow_disk is false, or the credential is to be a file. To be asked before anything is spent. */
int place_open(const struct handoff_plan *plan, struct place *place, struct err *err) WARN_UNUSED;

/* No two may start in one runtime_dir at a time, nor one beside a supervisor: ERR_SYSTEM if another does. The lock
 * is held until exec, or for the supervisor's life. */
int place_lock(const struct handoff_plan *plan, struct place *place, struct err *err) WARN_UNUSED;

/* Writes everything and puts it in place. */
int place_files(const struct handoff_plan *plan, const struct handoff_files *files, struct place *place,
		struct err *err) WARN_UNUSED;

/* For an agent that is supervised, at each of its starts but the first: an empty data directory. */
int place_fresh_data(const struct handoff_plan *plan, const struct place *place, struct err *err) WARN_UNUSED;

/* What a renewal brought, each file replaced by a rename; the credential, which the running agent reads, last. */
int place_renewed(const struct handoff_plan *plan, const struct handoff_files *files, const struct place *place,
		  struct err *err) WARN_UNUSED;

/* Takes away what the two above made. Safe at any point, also twice. */
void place_undo(const struct handoff_plan *plan, struct place *place);

#endif
