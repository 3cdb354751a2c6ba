/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The deployment that a verb works on, and the directory of its outputs.
 */
#ifndef SEALPOD_CTL_WORKSPACE_H
#define SEALPOD_CTL_WORKSPACE_H

#include "ctl/cli.h"
#include "ctl/deployment.h"

/* Rows for the option tables of the verbs that work on one. */
#define WORKSPACE_OPTIONS                                                                                              \
	{ .name = "--deployment", .value = "FILE", .text = "the deployment; 'deployment.toml' by default" },           \
	{                                                                                                              \
		.name = "--out", .value = "DIRECTORY",                                                                 \
		.text = "where its outputs are; by default 'out' beside the deployment"                                \
	}

struct workspace {
	struct deployment deployment;
	struct buf out; /* path */
};

#define WORKSPACE_INIT                                                                                                 \
	{                                                                                                              \
		.out = BUF_INIT(4096)                                                                                  \
	}
#define OWNED_WORKSPACE CLEANUP(workspace_done)
void workspace_done(struct workspace *workspace);

/* Reads the deployment. That there are outputs is not looked at. */
int workspace_read(const struct cli_args *args, struct workspace *ret_workspace, struct err *err) WARN_UNUSED;

#endif
