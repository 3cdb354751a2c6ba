/* SPDX-License-Identifier: Apache-2.0 */
/*
 * As whom the containers of a class's pod run. They share one process namespace, so the agent has a user that no
 * workload has: a process of its user could read its credential.
 */
#ifndef SEALPOD_CTL_USERS_H
#define SEALPOD_CTL_USERS_H

#include <stdint.h>

#include "ctl/deployment.h"

/* Where the deployment says nothing. Of no image that is known, nor given out by a distribution. */
#define USERS_AGENT 64000
#define USERS_WORKLOAD 1000

struct users {
	uint32_t agent;	   /* spire.agent_uid; its group has the same number */
	uint32_t workload; /* "unix:uid:N" of the first workload that has one */
	uint32_t group;	   /* "unix:gid:N" of the same, else the user's number */
};

void users_of(const struct deployment *deployment, const struct deployment_class *class, struct users *ret_users);

/* Of "unix:uid:N" and its like N must be a number as SPIRE writes it: what is written otherwise matches nobody.
 * ERR_CONFIG. */
int users_check_selector(const char *selector, struct err *err) WARN_UNUSED;

/* Does the workload have the agent's user? */
bool users_clash(const struct users *users, const struct deployment_workload *workload);

#endif
