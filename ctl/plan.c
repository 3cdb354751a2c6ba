/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `sealpodctl plan` and `apply`: what KBS and SPIRE server have against what the deployment says, and making it so.
 *
 * plan changes nothing. apply can be stopped at any point and run again: each step is recorded when it is
 * done, and doing one twice is doing it once. Must never show a secret.
 */
#include <string.h>

#include "base/log.h"
#include "ctl/build.h"
#include "ctl/check_token.h"
#include "ctl/entries.h"
#include "ctl/input.h"
#include "ctl/kbs_plan.h"
#include "ctl/kbs_target.h"
#include "ctl/progress.h"
#include "ctl/verbs.h"
#include "ctl/workspace.h"
#include "spire/server_api.h"

/* Everything that both verbs work with. */
struct session {
	const struct cli_args *args;
	struct workspace workspace;
	struct out out;
	struct policy_material material;
	struct kbs_target target;
	struct record record;
	struct kbs_plan plan;
	struct spire_server *server;
	struct spire_entries wanted, found;
	struct entries_plan entries;
	bool with_kbs, with_spire;
	struct sheet sheet;
};

#define SESSION_INIT                                                                                                   \
	{                                                                                                              \
		.workspace = WORKSPACE_INIT, .out = OUT_INIT, .material = POLICY_MATERIAL_INIT,                        \
		.target = KBS_TARGET_INIT, .record = RECORD_INIT, .plan = KBS_PLAN_INIT                                \
	}

static void session_done(struct session *session)
{
	sheet_done(&session->sheet);
	entries_plan_done(&session->entries);
	spire_entries_done(&session->wanted);
	spire_entries_done(&session->found);
	spire_server_close(session->server);
	kbs_plan_done(&session->plan);
	record_done(&session->record);
	kbs_target_done(&session->target);
	policy_material_done(&session->material);
	out_close(&session->out);
	workspace_done(&session->workspace);
}

/* Both, where the deployment says how to reach the SPIRE server. */
static int choose(const struct cli_args *args, struct session *session, struct err *err)
{
	const char *only = cli_value(args, "--only", NULL);
	struct deployment *deployment = &session->workspace.deployment;
	if (only && strcmp(only, "kbs") != 0 && strcmp(only, "spire") != 0)
		return err_set(err, ERR_USAGE, "option '--only': '%s' is neither 'kbs' nor 'spire'", only);
	deployment->api = cli_value(args, "--api", deployment->api);
	session->with_kbs = !only || strcmp(only, "kbs") == 0;
	session->with_spire = only ? strcmp(only, "spire") == 0 : deployment->api != NULL;
	if (!only && !deployment->api)
		log_warning("'%s' names no 'spire.api': the registration entries are not looked at", deployment->path);
	return 0;
}

static int open_kbs(const struct cli_args *args, struct session *session, struct err *err)
{
	if (policy_material_read(&session->workspace.deployment, buf_text(&session->workspace.out), &session->material,
				 err) < 0)
		return -1;
	return kbs_target_open_deployment(args, &session->workspace.deployment, &session->out, &session->target, err);
}

static int open_session(const struct cli_args *args, struct session *session, struct err *err)
{
	session->args = args;
	if (workspace_read(args, &session->workspace, err) < 0 || choose(args, session, err) < 0 ||
	    out_open(buf_text(&session->workspace.out), &session->out, err) < 0 ||
	    build_look(&session->workspace.deployment, &session->out, err) < 0 ||
	    kbs_target_timeout(args, &session->target.deadline, err) < 0)
		return -1;
	return session->with_kbs ? open_kbs(args, session, err) : 0;
}

static int plan_kbs(struct session *session, struct err *err)
{
	bool other = false;
	if (record_read(&session->out, session->target.options.url, &session->record, &other, err) < 0)
		return -1;
	if (other)
		log_warning("'%s/%s' is of another KBS: it says nothing about '%s'", session->out.path, RECORD_FILE,
			    session->target.options.url);
	return kbs_plan_make(&session->workspace.deployment, &session->material, &session->out, &session->record,
			     session->target.admin, &session->plan, err);
}

static int plan_entries(struct session *session, struct err *err)
{
	const struct deployment *deployment = &session->workspace.deployment;
	progress_say("asking the SPIRE server");
	if (entries_generate(deployment, buf_text(&session->workspace.out), &session->wanted, err) < 0 ||
	    entries_server_open(deployment, &session->target.deadline, &session->server, err) < 0 ||
	    spire_server_list(session->server, &session->found, err) < 0)
		return -1;
	return entries_compare(deployment->name, &session->wanted, &session->found, &session->entries, err);
}

/* All of it before anything is done: who cannot be asked is known then. */
static int make_plan(struct session *session, struct err *err)
{
	if (session->with_kbs && plan_kbs(session, err) < 0)
		return -1;
	return session->with_spire ? plan_entries(session, err) : 0;
}

static void put_plan(struct session *session)
{
	sheet_start(&session->sheet, cli_given(session->args, "--json"));
	if (session->with_kbs)
		kbs_plan_show(&session->plan, session->target.options.url, &session->sheet);
	if (session->with_spire)
		entries_plan_show(&session->entries, &session->sheet);
}

static int print_plan(struct session *session, struct err *err)
{
	progress_clear();
	return sheet_print(&session->sheet, err);
}

static bool differs(const struct session *session, bool prune)
{
	return kbs_plan_differs(&session->plan, prune) || entries_plan_differs(&session->entries, prune);
}

static int run_plan(const struct cli_args *args, struct err *err)
{
	struct session session CLEANUP(session_done) = SESSION_INIT;
	if (open_session(args, &session, err) < 0 || make_plan(&session, err) < 0)
		return -1;
	put_plan(&session);
	if (print_plan(&session, err) < 0)
		return -1;
	return differs(&session, cli_given(args, "--prune")) ? CLI_DIFFERS : 0;
}

static int check(struct session *session, struct err *err)
{
	struct appraisal appraisal;
	const struct check_token wish = { .url = session->workspace.deployment.kbs_url,
					  .ca_pem = buf_bytes(&session->target.ca),
					  .tee = cli_value(session->args, "--tee", NULL),
					  .deadline = session->target.deadline };
	if (!wish.tee || !session->with_kbs)
		return 0;
	progress_say("attesting");
	if (check_token_attest(&wish, &appraisal, err) < 0)
		return err_wrap(err, "applied; but an attestation after it");
	log_info("an attestation after it was rated 'affirming'");
	return 0;
}

static int apply_plan(struct session *session, struct err *err)
{
	bool prune = cli_given(session->args, "--prune");
	/* Entries first: who is handed a new issuer by the KBS must find its alias at the server. */
	if (session->with_spire && entries_apply(session->server, &session->entries, prune, err) < 0)
		return -1;
	if (!session->with_kbs)
		return 0;
	return kbs_plan_apply(&session->plan, prune, &session->out, &session->record, session->target.admin, err);
}

/* People see what is going to be done, machines what was. */
static int run_apply(const struct cli_args *args, struct err *err)
{
	struct session session CLEANUP(session_done) = SESSION_INIT;
	bool json = cli_given(args, "--json");
	if (open_session(args, &session, err) < 0 || make_plan(&session, err) < 0)
		return -1;
	put_plan(&session);
	if (!json && print_plan(&session, err) < 0)
		return -1;
	if (apply_plan(&session, err) < 0)
		return err_wrap(err, "what was done before stays done; run it again to go on");
	sheet_bool(&session.sheet, "applied", NULL, true);
	sheet_bool(&session.sheet, "pruned", NULL, cli_given(args, "--prune"));
	if (json && print_plan(&session, err) < 0)
		return -1;
	return check(&session, err);
}

#define COMMON_OPTIONS                                                                                                 \
	WORKSPACE_OPTIONS,                                                                                             \
		{ .name = "--only",                                                                                    \
		  .value = "PART",                                                                                     \
		  .text = "'kbs' or 'spire'; both by default",                                                         \
		  .values = "kbs spire" },                                                                             \
		{ .name = "--api",                                                                                     \
		  .value = "ADDRESS",                                                                                  \
		  .text = "the SPIRE server's API, unix:///PATH or tcp://HOST:PORT, instead of spire.api" },           \
		{ .name = "--prune", .text = "also what was applied once and is not wanted any more" },                \
		{ .name = "--json", .text = "print one JSON object" },                                                 \
	{                                                                                                              \
		.name = "--timeout", .value = "SECONDS", .text = "how long to try in all; 60 by default"               \
	}

static const struct cli_option plan_options[] = {
	COMMON_OPTIONS,
	{ .name = NULL },
};

static const struct cli_option apply_options[] = {
	COMMON_OPTIONS,
	{ .name = "--tee",
	  .value = "TEE",
	  .text = "this machine is a TEE ('auto': which, is found out): attest once afterwards, and look at the "
		  "token",
	  .values = "auto " CLI_TEES },
	{ .name = NULL },
};

const struct cli_verb verb_plan = {
	.words = { "plan" },
	.text = "show what KBS and SPIRE server have against what the deployment says; status 2: they differ",
	.options = plan_options,
	.run = run_plan,
};

const struct cli_verb verb_apply = {
	.words = { "apply" },
	.text = "make KBS and SPIRE server what the deployment says",
	.options = apply_options,
	.run = run_apply,
};
