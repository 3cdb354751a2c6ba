/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `sealpodctl plan` and `apply`: what KBS and SPIRE server have against what the deployment says, and making it so.
 *
 * plan changes nothing. apply can be stopped at any point and run again: each step is recorded when it is
 * done, and doing one twice is doing it once. Must never show a secret.
 */
#include <fcntl.h>
#include <string.h>

#include "base/http.h"
#include "base/log.h"
#include "ctl/check_token.h"
#include "ctl/input.h"
#include "ctl/kbs_plan.h"
#include "ctl/kbs_target.h"
#include "ctl/verbs.h"
#include "ctl/workspace.h"

/* Everything that both verbs work with. */
struct session {
	const struct cli_args *args;
	struct workspace workspace;
	struct out out;
	struct policy_material material;
	struct kbs_target target;
	struct record record;
	struct kbs_plan plan;
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
	kbs_plan_done(&session->plan);
	record_done(&session->record);
	kbs_target_done(&session->target);
	policy_material_done(&session->material);
	out_close(&session->out);
	workspace_done(&session->workspace);
}

static int open_session(const struct cli_args *args, struct session *session, struct err *err)
{
	session->args = args;
	if (workspace_read(args, &session->workspace, err) < 0 ||
	    out_open(buf_text(&session->workspace.out), &session->out, err) < 0)
		return -1;
	if (policy_material_read(&session->workspace.deployment, buf_text(&session->workspace.out), &session->material,
				 err) < 0)
		return err_wrap(err, "run 'sealpodctl build' first");
	return kbs_target_open_deployment(args, &session->workspace.deployment, &session->out, &session->target, err);
}

static int make_plan(struct session *session, struct err *err)
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

static int show_plan(struct session *session, struct err *err)
{
	sheet_start(&session->sheet, cli_given(session->args, "--json"));
	kbs_plan_show(&session->plan, session->target.options.url, &session->sheet);
	return sheet_print(&session->sheet, err);
}

static int run_plan(const struct cli_args *args, struct err *err)
{
	struct session session CLEANUP(session_done) = SESSION_INIT;
	if (open_session(args, &session, err) < 0 || make_plan(&session, err) < 0 || show_plan(&session, err) < 0)
		return -1;
	return kbs_plan_differs(&session.plan, cli_given(args, "--prune")) ? CLI_DIFFERS : 0;
}

static int check(struct session *session, struct err *err)
{
	struct appraisal appraisal;
	const struct check_token wish = { .url = session->workspace.deployment.kbs_url,
					  .ca_pem = buf_bytes(&session->target.ca),
					  .tee = cli_value(session->args, "--tee", NULL),
					  .deadline = session->target.deadline };
	if (!wish.tee)
		return 0;
	if (check_token_attest(&wish, &appraisal, err) < 0)
		return err_wrap(err, "applied; but an attestation after it");
	log_info("an attestation after it was rated 'affirming'");
	return 0;
}

static int run_apply(const struct cli_args *args, struct err *err)
{
	struct session session CLEANUP(session_done) = SESSION_INIT;
	if (open_session(args, &session, err) < 0 || make_plan(&session, err) < 0 || show_plan(&session, err) < 0)
		return -1;
	if (kbs_plan_apply(&session.plan, cli_given(args, "--prune"), &session.out, &session.record,
			   session.target.admin, err) < 0)
		return err_wrap(err, "what was done before is recorded; run it again to go on");
	return check(&session, err);
}

#define COMMON_OPTIONS                                                                                                 \
	WORKSPACE_OPTIONS,                                                                                             \
		{ .name = "--prune",                                                                                   \
		  .text = "also what was applied from here once and is not wanted any more" },                         \
		{ .name = "--json", .text = "print one JSON object" },                                                 \
		{ .name = "--timeout", .value = "SECONDS", .text = "how long to try in all; 60 by default" }

static const struct cli_option plan_options[] = {
	COMMON_OPTIONS,
	{ .name = NULL },
};

static const struct cli_option apply_options[] = {
	COMMON_OPTIONS,
	{ .name = "--tee",
	  .value = "TEE",
	  .text = "this machine is a TEE ('auto': which, is found out): attest once afterwards, and look at the token" },
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
