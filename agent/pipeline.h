/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker's work for `sealpod run`, one straight line: configuration, plan,
 * TEE, secrets, checks, hand-over.
 */
#ifndef SEALPOD_AGENT_PIPELINE_H
#define SEALPOD_AGENT_PIPELINE_H

#include "agent/cli.h"

struct pipeline_order {
	const struct cli_options *options;
	int64_t started_ms; /* clock_now_ms() at the start of the program */
};

/* For worker_start(); `arg` is a struct pipeline_order. */
int pipeline_work(int fd, void *arg, struct err *err);

#endif
