/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker's work for `sealpod run`, one straight line: configuration, plan,
 * TEE, secrets, checks, hand-over.
 */
#ifndef SEALPOD_AGENT_PIPELINE_H
#define SEALPOD_AGENT_PIPELINE_H

#include "config/config.h"
#include "agent/overseer.h"

/* For overseer_start(); `order` is a struct order. */
int pipeline_work(int fd, void *order, struct err *err);

/* What the configuration says about the agent. */
int pipeline_plan(const struct config *config, const struct order *order, struct deadline deadline,
		  struct handoff_plan *plan, struct err *err) WARN_UNUSED;

#endif
