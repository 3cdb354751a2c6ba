/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verbs `sealpodctl rotate …`. Must not call a rotation finished while the SPIRE server knows an agent that
 * would lose its identity by that.
 */
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "ctl/entries.h"
#include "ctl/kbs_target.h"
#include "ctl/progress.h"
#include "ctl/rotate.h"
#include "ctl/verbs.h"
#include "ctl/workspace.h"
#include "spire/server_api.h"

struct job {
	struct workspace workspace;
	struct out out;
	struct spire_server *server;
};

#define JOB_INIT                                                                                                       \
	{                                                                                                              \
		.workspace = WORKSPACE_INIT, .out = OUT_INIT                                                           \
	}

static void job_done(struct job *job)
{
	spire_server_close(job->server);
	out_close(&job->out);
	workspace_done(&job->workspace);
}
#define OWNED_JOB CLEANUP(job_done)

static int open_job(const struct cli_args *args, struct job *job, struct err *err)
{
	if (workspace_read(args, &job->workspace, err) < 0)
		return -1;
	return out_open(buf_text(&job->workspace.out), &job->out, err);
}

static int find_class(const struct deployment *deployment, const char *name, const struct deployment_class **ret_class,
		      struct err *err)
{
	for (size_t i = 0; i < deployment->class_count; i++) {
		*ret_class = &deployment->classes[i];
		if (strcmp(deployment->classes[i].name, name) == 0)
			return 0;
	}
	return err_set(err, ERR_USAGE, "'%s' has no class '%s'", deployment->path, name);
}

/* What to do next, in order; ends with NULL. */
static int tell(const struct cli_args *args, const char *done, const char *const *next, struct err *err)
{
	struct sheet sheet CLEANUP(sheet_done) = { 0 };
	progress_clear();
	sheet_start(&sheet, cli_given(args, "--json"));
	sheet_text(&sheet, "done", "done", "%s", done);
	sheet_begin_list(&sheet, "next", NULL);
	for (; *next; next++) {
		sheet_begin(&sheet, NULL, NULL);
		sheet_text(&sheet, "step", "then", "%s", *next);
		sheet_end(&sheet);
	}
	sheet_end(&sheet);
	return sheet_print(&sheet, err);
}

/* --- finishing --- */

/* An agent counts until its SVID ends: so long it is served by what it attested with. */
static size_t count_agents(const struct spire_agents *agents, const char *what)
{
	size_t count = 0;
	for (size_t i = 0; i < agents->count; i++) {
		const struct spire_agent *agent = &agents->list[i];
		if (agent->banned || agent->expires_at <= (int64_t)time(NULL))
			continue;
		if (count++ < 10)
			log_warning("agent '%s' attested by '%s' as it was before", agent->id, what);
	}
	return count;
}

static int check_marks(struct spire_server *server, const struct rotate_marks *marks, struct err *err)
{
	size_t count = 0;
	for (size_t i = 0; i < marks->count; i++) {
		OWNED_AGENTS struct spire_agents agents = { 0 };
		if (spire_server_agents(server, marks->list[i].selector, &agents, err) < 0)
			return -1;
		count += count_agents(&agents, marks->list[i].what);
	}
	if (count == 0)
		return 0;
	return err_set(
		err, ERR_CONFIG,
		"agents would lose their identity (%zu times): each attests anew after its certificate's renewal, "
		"minted ones within a day; wait, or say --force",
		count);
}

static int check_agents(const struct cli_args *args, struct job *job, const struct rotate_marks *marks, struct err *err)
{
	struct deployment *deployment = &job->workspace.deployment;
	struct deadline deadline;
	if (cli_given(args, "--force"))
		return 0;
	deployment->api = cli_value(args, "--api", deployment->api);
	if (kbs_target_timeout(args, &deadline, err) < 0 ||
	    entries_server_open(deployment, &deadline, &job->server, err) < 0)
		return err_wrap(err,
				"whether agents still need the old certificate is not known (--force does not ask)");
	return check_marks(job->server, marks, err);
}

static int finish(const struct cli_args *args, struct job *job, const struct deployment_class *class, struct err *err)
{
	static const char *const next[] = { "sealpodctl build", "sealpodctl apply --prune", NULL };
	static const char *const root_next[] = { "sealpodctl build", "sealpodctl apply --prune",
						 "give OUT/spire/ca-bundle.pem to the SPIRE server and restart it",
						 NULL };
	OWNED_MARKS struct rotate_marks marks = { 0 };
	progress_say("asking the SPIRE server about agents");
	if (rotate_marks(&job->workspace.deployment, &job->out, class, &marks, err) < 0 ||
	    check_agents(args, job, &marks, err) < 0 || rotate_finish(&job->out, &marks, err) < 0)
		return -1;
	return tell(args, "the old certificate counts no more", class ? next : root_next, err);
}

/* --- the verbs --- */

static int run_issuer(const struct cli_args *args, struct err *err)
{
	static const char *const next[] = {
		"sealpodctl build", "sealpodctl apply",
		"when the certificates of all agents were renewed: sealpodctl rotate issuer "
		"CLASS --finish",
		NULL
	};
	OWNED_JOB struct job job = JOB_INIT;
	const struct deployment_class *class = NULL;
	if (open_job(args, &job, err) < 0 ||
	    find_class(&job.workspace.deployment, cli_operand(args, 0), &class, err) < 0)
		return -1;
	if (cli_given(args, "--finish"))
		return finish(args, &job, class, err);
	if (rotate_issuer(&job.workspace.deployment, &job.out, class, time(NULL), err) < 0)
		return -1;
	return tell(args, "there is a new certificate; the one before it is good beside it", next, err);
}

static int run_switch(const struct cli_args *args, struct job *job, struct err *err)
{
	static const char *const next[] = {
		"sealpodctl build", "sealpodctl apply",
		"when the certificates of all agents were renewed: sealpodctl rotate root --finish", NULL
	};
	if (rotate_switch_root(&job->workspace.deployment, &job->out, time(NULL), err) < 0)
		return -1;
	return tell(args, "all issuers are below the new root; those below the old one are good beside them", next,
		    err);
}

static int run_root(const struct cli_args *args, struct err *err)
{
	static const char *const next[] = {
		"sealpodctl build", "give OUT/spire/ca-bundle.pem, both roots, to the SPIRE server and restart it",
		"sealpodctl rotate root --switch", NULL
	};
	OWNED_JOB struct job job = JOB_INIT;
	if (cli_given(args, "--finish") && cli_given(args, "--switch"))
		return err_set(err, ERR_USAGE, "'--switch' comes before '--finish'; one at a time");
	if (open_job(args, &job, err) < 0)
		return -1;
	if (cli_given(args, "--finish"))
		return finish(args, &job, NULL, err);
	if (cli_given(args, "--switch"))
		return run_switch(args, &job, err);
	if (rotate_root(&job.workspace.deployment, &job.out, time(NULL), err) < 0)
		return -1;
	return tell(args, "there is a new root; nothing is issued below it yet", next, err);
}

#define ROTATE_OPTIONS                                                                                                 \
	WORKSPACE_OPTIONS,                                                                                             \
		{ .name = "--finish",                                                                                  \
		  .text = "end the overlap, if the SPIRE server knows no agent that attested by the old "              \
			  "certificate" },                                                                             \
		{ .name = "--force", .text = "do not ask the SPIRE server: agents may lose their identity" },          \
		{ .name = "--api",                                                                                     \
		  .value = "ADDRESS",                                                                                  \
		  .text = "the SPIRE server's API, unix:///PATH or tcp://HOST:PORT, instead of spire.api" },           \
		{ .name = "--timeout", .value = "SECONDS", .text = "how long to try in all; 60 by default" },          \
	{                                                                                                              \
		.name = "--json", .text = "print one JSON object"                                                      \
	}

static const struct cli_option issuer_options[] = {
	ROTATE_OPTIONS,
	{ .name = NULL },
};

static const struct cli_option root_options[] = {
	ROTATE_OPTIONS,
	{ .name = "--switch", .text = "put issuers below the new root in the place of those below the old one" },
	{ .name = NULL },
};

const struct cli_verb verb_rotate_issuer = {
	.words = { "rotate", "issuer" },
	.operands = "CLASS",
	.min_operands = 1,
	.max_operands = 1,
	.text = "replace a class's issuer (or leaf), with an overlap",
	.options = issuer_options,
	.run = run_issuer,
};

const struct cli_verb verb_rotate_root = {
	.words = { "rotate", "root" },
	.text = "replace the root and all issuers, with an overlap",
	.options = root_options,
	.run = run_root,
};
