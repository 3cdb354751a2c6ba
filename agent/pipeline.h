/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker's work for `sealpod run`, one straight line: configuration, plan,
 * TEE, secrets, checks, hand-over.
 */
#ifndef SEALPOD_AGENT_PIPELINE_H
#define SEALPOD_AGENT_PIPELINE_H

#include "agent/overseer.h"
#include "agent/startup.h"

/* For overseer_start(); `order` is a struct order. */
int pipeline_work(int fd, void *order, struct err *err);

/* What the configuration says about the agent. ERR_CONFIG where the command line, or the little trust that plain REST
 * deserves, wants another. */
int pipeline_plan(const struct startup *startup, const struct order *order, struct deadline deadline,
		  struct handoff_plan *plan, struct err *err) WARN_UNUSED;

#endif
