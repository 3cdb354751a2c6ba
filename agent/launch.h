/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Becoming the SPIRE agent, or starting it as a child.
 */
#ifndef SEALPOD_AGENT_LAUNCH_H
#define SEALPOD_AGENT_LAUNCH_H

#include "agent/handoff.h"

/* Where the agent finds key and chain: the sealed memory file, inherited at this number. Re-opening it by
 * this path gives each reader a file offset of its own. */
#define LAUNCH_CREDENTIAL_FD 3
#define LAUNCH_CREDENTIAL_PATH "/proc/self/fd/3"

/* Is there something to execute? ERR_NOT_FOUND, ERR_EXEC. To be asked before anything is spent. */
int launch_check(const struct handoff_plan *plan, struct err *err) WARN_UNUSED;

/* Executes `<agent_path> run -config <runtime_dir>/agent/agent.json` as the plan's user, with descriptors 0 to
 * 2 and the credential. Returns only on failure, with the privileges as before the call. */
int launch_agent(const struct handoff_plan *plan, int credential_fd, struct err *err);

/* The same in a child, without descriptor 3: an agent that is supervised reads its credential from a file. It is
 * killed when this process ends. One that cannot be executed ends with 126 or 127, and a line says why. */
int launch_child(const struct handoff_plan *plan, pid_t *ret_pid, struct err *err) WARN_UNUSED;

#endif
