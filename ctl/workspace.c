/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds deployment and outputs by the command line, which is the operator's.
 */
#include "ctl/workspace.h"

void workspace_done(struct workspace *workspace)
{
	deployment_done(&workspace->deployment);
	buf_done(&workspace->out);
}

int workspace_read(const struct cli_args *args, struct workspace *ret_workspace, struct err *err)
{
	const char *out = cli_value(args, "--out", NULL);
	if (deployment_read(cli_value(args, "--deployment", "deployment.toml"), &ret_workspace->deployment, err) < 0)
		return -1;
	if (out)
		return buf_append_text(&ret_workspace->out, out, err);
	return deployment_path(&ret_workspace->deployment, "out", &ret_workspace->out, err);
}
