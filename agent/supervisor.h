/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `sealpod run --supervise`, once the first credential is in place: the agent as a
 * child, started again when it ends; its credential renewed; signals passed on;
 * zombies reaped, as process 1 too.
 */
#ifndef SEALPOD_AGENT_SUPERVISOR_H
#define SEALPOD_AGENT_SUPERVISOR_H

#include "agent/renewal.h"

/* Runs until a signal ends it or the agent ends for good: *ret_status is the agent's status then. */
int supervisor_run(const struct started *started, const struct handoff_credential *credential, int *ret_status,
		   struct err *err) WARN_UNUSED;

#endif
