/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verbs `sealpodctl rotate …`. Must not call a rotation finished while the KBS hands out what was before, or the
 * SPIRE server knows an agent that would lose its identity by that.
 */
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "ctl/build.h"
#include "ctl/entries.h"
#include "ctl/kbs_plan.h"
#include "ctl/kbs_target.h"
#include "ctl/material.h"
#include "ctl/progress.h"
#include "ctl/record.h"
#include "ctl/resources.h"
#include "ctl/rotate.h"
#include "ctl/verbs.h"
#include "ctl/workspace.h"
#include "spire/server_api.h"

#define DAY 86400

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

/* An agent counts until a day after its SVID ended: so long a minted certificate can bring it back. */
static size_t count_agents(const struct spire_agents *agents, const char *what)
{
	size_t count = 0;
	for (size_t i = 0; i < agents->count; i++) {
		const struct spire_agent *agent = &agents->list[i];
		if (agent->banned || agent->expires_at + DAY <= (int64_t)time(NULL))
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

/* The new certificate's alias must be at the server before the old one's goes. */
static int check_entries(struct job *job, struct err *err)
{
	const struct deployment *d = &job->workspace.deployment;
	struct spire_entries wanted OWNED_ENTRIES = { 0 };
	struct spire_entries found OWNED_ENTRIES = { 0 };
	struct entries_plan plan OWNED_PLAN = { 0 };
	if (entries_generate(d, job->out.path, &wanted, err) < 0 || spire_server_list(job->server, &found, err) < 0 ||
	    entries_compare(d->name, &wanted, &found, &plan, err) < 0)
		return -1;
	if (plan.counts[ENTRIES_CREATE] == 0)
		return 0;
	return err_set(err, ERR_CONFIG,
		       "the SPIRE server lacks %zu of the deployment's entries: 'sealpodctl apply' comes first",
		       plan.counts[ENTRIES_CREATE]);
}

static int check_agents(const struct cli_args *args, struct job *job, const struct rotate_marks *marks, struct err *err)
{
	struct deployment *deployment = &job->workspace.deployment;
	struct deadline deadline;
	deployment->api = cli_value(args, "--api", deployment->api);
	if (kbs_target_timeout(args, &deadline, err) < 0 ||
	    entries_server_open(deployment, &deadline, &job->server, err) < 0)
		return err_wrap(err,
				"whether agents still need the old certificate is not known (--force does not ask)");
	if (check_entries(job, err) < 0)
		return -1;
	return check_marks(job->server, marks, err);
}

/* As long as the KBS hands out what was before, VMs that start attest by that. */
static int check_applied(struct job *job, const struct deployment_class *class, struct err *err)
{
	const struct deployment *d = &job->workspace.deployment;
	struct record record OWNED_RECORD = RECORD_INIT;
	struct resource resource;
	bool other;
	if (build_look(d, &job->out, err) < 0)
		return -1;
	/* A KBS that takes no administrator is told by other ways. */
	if (!out_has(&job->out, RECORD_FILE)) {
		log_warning("nothing was ever applied to a KBS from here ('%s/" RECORD_FILE
			    "' is missing): whether it hands out what is new is not known",
			    job->out.path);
		return 0;
	}
	if (record_read(&job->out, d->kbs_admin_url ? d->kbs_admin_url : d->kbs_url, &record, &other, err) < 0)
		return -1;
	for (size_t i = 0; resource_at(d, i, &resource); i++)
		if (resource_is_credential(&resource) && (!class || resource.class == class) &&
		    kbs_plan_check_applied(&job->out, &record, &resource, err) < 0)
			return -1;
	return 0;
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
	    (!cli_given(args, "--force") &&
	     (check_applied(job, class, err) < 0 || check_agents(args, job, &marks, err) < 0)) ||
	    rotate_finish(&job->out, &marks, err) < 0)
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
	if (!rotate_is_switching(&job->out) && build_look(&job->workspace.deployment, &job->out, err) < 0)
		return -1;
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

/* Only the operator knows which VMs still run: neither KBS nor SPIRE server sees init-data. */
static int run_init_data(const struct cli_args *args, struct err *err)
{
	static const char *const next[] = {
		"change deployment.toml, or the files that it names",
		"sealpodctl build",
		"sealpodctl apply",
		"start the class's VMs anew",
		"when none of before runs any more: sealpodctl rotate init-data CLASS --finish",
		NULL
	};
	static const char *const finished[] = { "sealpodctl build", "sealpodctl apply", NULL };
	OWNED_JOB struct job job = JOB_INIT;
	const struct deployment_class *class = NULL;
	if (open_job(args, &job, err) < 0)
		return -1;
	if (cli_given(args, "--finish")) {
		if (rotate_finish_init_data(&job.out, cli_operand(args, 0), err) < 0)
			return -1;
		return tell(args, "the init-data of before counts no more", finished, err);
	}
	if (find_class(&job.workspace.deployment, cli_operand(args, 0), &class, err) < 0)
		return -1;
	if (rotate_init_data(&job.out, class, err) < 0)
		return -1;
	return tell(args, "the init-data of now stays good beside what build will make", next, err);
}

/* A key that the KBS does not know would lock the administrator out. */
static int check_admin_key(const struct cli_args *args, const struct job *job, struct err *err)
{
	struct kbs_target target OWNED_KBS_TARGET = KBS_TARGET_INIT;
	struct json *names OWNED_JSON = NULL;
	if (cli_given(args, "--force") || !out_has(&job->out, MATERIAL_NEXT_ADMIN_KEY))
		return 0;
	if (kbs_target_open_with_key(args, &job->workspace.deployment, &job->out, MATERIAL_NEXT_ADMIN_KEY, &target,
				     err) < 0 ||
	    kbs_admin_list_policies(target.admin, &names, err) < 0)
		return err_wrap(err, "the KBS must know the new key before it takes the old one's place (--force does "
				     "not ask it)");
	return 0;
}

static int run_admin_key(const struct cli_args *args, struct err *err)
{
	static const char *const next[] = {
		"let the KBS know OUT/kbs-admin-next.pub too (another of its identity_providers), and restart it",
		"sealpodctl rotate admin-key --switch", NULL
	};
	static const char *const switched[] = { "take the key of before out of the KBS's configuration", NULL };
	OWNED_JOB struct job job = JOB_INIT;
	if (open_job(args, &job, err) < 0)
		return -1;
	if (job.workspace.deployment.kbs_admin_key_file)
		return err_set(err, ERR_CONFIG, "'%s': kbs.admin_key_file: names a key of your own: change it there",
			       job.workspace.deployment.path);
	if (!cli_given(args, "--switch")) {
		if (rotate_admin_key(&job.out, err) < 0)
			return -1;
		return tell(args, "there is a new key; it is not used yet", next, err);
	}
	if (check_admin_key(args, &job, err) < 0 || rotate_switch_admin_key(&job.out, err) < 0)
		return -1;
	return tell(args, "the new key is used from now on", switched, err);
}

#define ROTATE_OPTIONS                                                                                                 \
	WORKSPACE_OPTIONS,                                                                                             \
		{ .name = "--finish",                                                                                  \
		  .text = "end the overlap, if the SPIRE server knows no agent that attested by the old "              \
			  "certificate" },                                                                             \
		{ .name = "--force",                                                                                   \
		  .text = "do not look whether KBS and SPIRE server have done with the old one: agents may lose "      \
			  "their "                                                                                     \
			  "identity" },                                                                                \
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

static const struct cli_option init_data_options[] = {
	WORKSPACE_OPTIONS,
	{ .name = "--finish", .text = "end the overlap: VMs with the init-data of before get nothing any more" },
	{ .name = "--json", .text = "print one JSON object" },
	{ .name = NULL },
};

const struct cli_verb verb_rotate_init_data = {
	.words = { "rotate", "init-data" },
	.operands = "CLASS",
	.min_operands = 1,
	.max_operands = 1,
	.text = "keep a class's init-data good beside what comes next, until its VMs were started anew",
	.options = init_data_options,
	.run = run_init_data,
};

static const struct cli_option admin_key_options[] = {
	WORKSPACE_OPTIONS,
	{ .name = "--switch", .text = "put the new key in the place of the old one, if the KBS takes it" },
	{ .name = "--force", .text = "do not ask the KBS" },
	{ .name = "--timeout", .value = "SECONDS", .text = "how long to try in all; 60 by default" },
	{ .name = "--json", .text = "print one JSON object" },
	{ .name = NULL },
};

const struct cli_verb verb_rotate_admin_key = {
	.words = { "rotate", "admin-key" },
	.text = "replace the KBS administrator's key that build made",
	.options = admin_key_options,
	.run = run_admin_key,
};
