/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verbs `sealpodctl entries …`: what a SPIRE server has, what a deployment wants, and making it so.
 */
#include <string.h>

#include "base/log.h"
#include "ctl/entries.h"
#include "ctl/kbs_target.h"
#include "ctl/progress.h"
#include "ctl/verbs.h"
#include "ctl/workspace.h"
#include "spire/server_api.h"

/* What a verb works on. */
struct job {
	struct workspace workspace;
	struct deadline deadline;
	struct spire_server *server;
	struct spire_entries wanted, found;
	struct entries_plan plan;
};

#define JOB_INIT                                                                                                       \
	{                                                                                                              \
		.workspace = WORKSPACE_INIT                                                                            \
	}

static void job_done(struct job *job)
{
	entries_plan_done(&job->plan);
	spire_entries_done(&job->wanted);
	spire_entries_done(&job->found);
	spire_server_close(job->server);
	workspace_done(&job->workspace);
}
#define OWNED_JOB CLEANUP(job_done)

static int generate(struct job *job, struct err *err)
{
	return entries_generate(&job->workspace.deployment, buf_text(&job->workspace.out), &job->wanted, err);
}

static int open_server(const struct cli_args *args, struct job *job, struct err *err)
{
	if (kbs_target_timeout(args, &job->deadline, err) < 0)
		return -1;
	job->workspace.deployment.api = cli_value(args, "--api", job->workspace.deployment.api);
	progress_say("asking the SPIRE server");
	if (entries_server_open(&job->workspace.deployment, &job->deadline, &job->server, err) < 0)
		return -1;
	return spire_server_list(job->server, &job->found, err);
}

static int compare(const struct cli_args *args, struct job *job, struct err *err)
{
	if (workspace_read(args, &job->workspace, err) < 0 || generate(job, err) < 0 || open_server(args, job, err) < 0)
		return -1;
	return entries_compare(job->workspace.deployment.name, &job->wanted, &job->found, &job->plan, err);
}

static int list(const struct cli_args *args, struct err *err)
{
	OWNED_JOB struct job job = JOB_INIT;
	struct sheet sheet CLEANUP(sheet_done) = { 0 };
	size_t shown = 0;
	if (workspace_read(args, &job.workspace, err) < 0 || open_server(args, &job, err) < 0)
		return -1;
	sheet_start(&sheet, cli_given(args, "--json"));
	sheet_begin_list(&sheet, "entries", NULL);
	for (size_t i = 0; i < job.found.count; i++) {
		bool ours = entries_is_ours(job.workspace.deployment.name, job.found.list[i].id);
		if (!ours && !cli_given(args, "--all"))
			continue;
		sheet_begin(&sheet, NULL, ours ? "entry" : "entry of others");
		sheet_bool(&sheet, "ours", NULL, ours);
		entries_show(&job.found.list[i], &sheet);
		sheet_end(&sheet);
		shown++;
	}
	sheet_end(&sheet);
	sheet_number(&sheet, "shown", "shown", shown);
	sheet_number(&sheet, "all", "on the server", job.found.count);
	progress_clear();
	return sheet_print(&sheet, err);
}

static int print(const struct cli_args *args, struct err *err)
{
	OWNED_JOB struct job job = JOB_INIT;
	OWNED_BUF struct buf text = BUF_INIT(ENTRIES_TEXT_MAX);
	const char *format = cli_value(args, "--format", "data");
	bool data = strcmp(format, "data") == 0;
	if (!data && strcmp(format, "clusterstaticentry") != 0)
		return err_set(err, ERR_USAGE, "no format '%s'; there are 'data' and 'clusterstaticentry'", format);
	if (workspace_read(args, &job.workspace, err) < 0 || generate(&job, err) < 0 ||
	    (data ? entries_data(&job.wanted, &text, err)
		  : entries_manifests(&job.workspace.deployment, &job.wanted, &text, err)) < 0)
		return -1;
	return fwrite(text.data, 1, text.len, stdout) == text.len
		       ? 0
		       : err_set(err, ERR_SYSTEM, "cannot write to standard output");
}

static int plan(const struct cli_args *args, struct err *err)
{
	OWNED_JOB struct job job = JOB_INIT;
	struct sheet sheet CLEANUP(sheet_done) = { 0 };
	if (compare(args, &job, err) < 0)
		return -1;
	sheet_start(&sheet, cli_given(args, "--json"));
	entries_plan_show(&job.plan, &sheet);
	progress_clear();
	if (sheet_print(&sheet, err) < 0)
		return -1;
	return entries_plan_differs(&job.plan, cli_given(args, "--prune")) ? CLI_DIFFERS : 0;
}

static int apply(const struct cli_args *args, struct err *err)
{
	OWNED_JOB struct job job = JOB_INIT;
	struct sheet sheet CLEANUP(sheet_done) = { 0 };
	bool prune = cli_given(args, "--prune");
	if (compare(args, &job, err) < 0 || entries_apply(job.server, &job.plan, prune, err) < 0)
		return -1;
	const size_t *counts = job.plan.counts;
	sheet_start(&sheet, cli_given(args, "--json"));
	sheet_number(&sheet, "created", "created", counts[ENTRIES_CREATE]);
	sheet_number(&sheet, "updated", "updated", counts[ENTRIES_UPDATE]);
	sheet_number(&sheet, "deleted", "deleted", prune ? counts[ENTRIES_LEFT] : 0);
	sheet_number(&sheet, "left", "left over", prune ? 0 : counts[ENTRIES_LEFT]);
	sheet_number(&sheet, "same", "as wanted before", job.plan.same);
	progress_clear();
	return sheet_print(&sheet, err);
}

#define SERVER_OPTIONS                                                                                                 \
	{ .name = "--api",                                                                                             \
	  .value = "ADDRESS",                                                                                          \
	  .text = "the SPIRE server's API, unix:///PATH or tcp://HOST:PORT, instead of spire.api" },                   \
		{ .name = "--timeout", .value = "SECONDS", .text = "how long to try in all; 60 by default" },          \
	{                                                                                                              \
		.name = "--json", .text = "print one JSON object"                                                      \
	}

static const struct cli_option list_options[] = {
	WORKSPACE_OPTIONS,
	SERVER_OPTIONS,
	{ .name = "--all", .text = "entries of others too" },
	{ .name = NULL },
};

static const struct cli_option print_options[] = {
	WORKSPACE_OPTIONS,
	{ .name = "--format",
	  .value = "NAME",
	  .text = "'data' for 'spire-server entry create -data' (default), or 'clusterstaticentry' for "
		  "spire-controller-manager",
	  .values = "data clusterstaticentry" },
	{ .name = NULL },
};

static const struct cli_option plan_options[] = {
	WORKSPACE_OPTIONS,
	SERVER_OPTIONS,
	{ .name = "--prune", .text = "what the deployment made and does not want any more is a difference, too" },
	{ .name = NULL },
};

static const struct cli_option apply_options[] = {
	WORKSPACE_OPTIONS,
	SERVER_OPTIONS,
	{ .name = "--prune", .text = "delete entries that the deployment made and does not want any more" },
	{ .name = NULL },
};

const struct cli_verb verb_entries_list = {
	.words = { "entries", "list" },
	.text = "list a deployment's entries on the SPIRE server",
	.options = list_options,
	.run = list,
};

const struct cli_verb verb_entries_print = {
	.words = { "entries", "print" },
	.text = "print the entries that a deployment wants, for other programs",
	.options = print_options,
	.run = print,
};

const struct cli_verb verb_entries_plan = {
	.words = { "entries", "plan" },
	.text = "compare the SPIRE server's entries with the deployment; exit status 2 if they differ",
	.options = plan_options,
	.run = plan,
};

const struct cli_verb verb_entries_apply = {
	.words = { "entries", "apply" },
	.text = "make the SPIRE server's entries what the deployment says",
	.options = apply_options,
	.run = apply,
};
