/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the KBS's answers mean for the next step (docs/architecture.md, "Failing
 * well").
 *
 * Status and problem document come from the network, by TLS from the pinned KBS. Must never
 * make of a refusal something that is tried again, nor of trouble a refusal.
 */
#include "cdh-client/kbs_answer.h"

#include <string.h>

#include "cdh-client/rcar.h"

static enum kbs_verdict say(struct err *err, enum kbs_verdict verdict, enum err_code code,
			    const struct rcar_problem *problem, const char *what)
{
	(void)err_set(err, code, "%s ('%s': '%s')", what, problem->type, problem->detail);
	return verdict;
}

static enum kbs_verdict judge_attestation_error(const struct kbs_asked *asked, const struct rcar_problem *problem,
						struct err *err)
{
	char wanted[32];
	if (rcar_wanted_version(problem, wanted)) {
		(void)err_set(err, ERR_DENIED,
			      "the KBS speaks protocol version %s, sealpod speaks %s: use a sealpod and a KBS that go "
			      "together ('%s': '%s')",
			      wanted, RCAR_VERSION, problem->type, problem->detail);
		return KBS_VERDICT_FINAL;
	}
	(void)err_set(err, ERR_DENIED, "attestation refused, sent as TEE '%s' ('%s': '%s')", asked->tee, problem->type,
		      problem->detail);
	return KBS_VERDICT_REFUSED;
}

/* The meaning of each problem type. */
static enum kbs_verdict judge_problem(const struct kbs_asked *asked, const struct rcar_problem *problem,
				      struct err *err)
{
	const char *type = problem->type;
	if (strcmp(type, "PolicyDeny") == 0) {
		(void)err_set(err, ERR_DENIED,
			      "the KBS's resource policy does not release '%s' to this TEE ('%s'); compare policy and "
			      "reference values with what was sent ('%s': '%s')",
			      asked->what, asked->tee, type, problem->detail);
		return KBS_VERDICT_FINAL;
	}
	if (strcmp(type, "AttestationError") == 0)
		return judge_attestation_error(asked, problem, err);
	if (strcmp(type, "PluginInternalError") == 0) {
		(void)err_set(err, ERR_MISSING, "resource '%s' is missing or unreadable at the KBS ('%s': '%s')",
			      asked->what, type, problem->detail);
		return KBS_VERDICT_UNREADABLE;
	}
	if (strcmp(type, "TokenNotFound") == 0 || strcmp(type, "TokenVerifierError") == 0)
		return say(err, KBS_VERDICT_SESSION_LOST, ERR_SERVER, problem,
			   "the KBS does not take this session or token (any more)");
	if (strcmp(type, "PluginNotFound") == 0 || strcmp(type, "InvalidRequestPath") == 0)
		return say(err, KBS_VERDICT_FINAL, ERR_CONFIG, problem,
			   "the KBS has nothing at this path: is 'kbs.url' right, and does it serve the plugin?");
	if (strcmp(type, "JweError") == 0)
		return say(err, KBS_VERDICT_FINAL, ERR_DENIED, problem,
			   "the KBS cannot encrypt to this TEE's key, of a kind that it does not know: use a sealpod "
			   "(or the attestation agent whose token it is) and a KBS that go together");
	return say(err, KBS_VERDICT_FINAL, ERR_DENIED, problem, "the KBS refused");
}

enum kbs_verdict kbs_judge(const struct http_response *response, const struct kbs_asked *asked, struct err *err)
{
	struct rcar_problem problem = { 0 };
	struct err why = { 0 };
	if (response->status == 200)
		return KBS_VERDICT_OK;
	if (response->status == 413) { /* from the web server within the KBS, which says it in its own way */
		(void)err_set(err, ERR_CONFIG,
			      "KBS at '%s' takes no request as large as '%s': raise 'payload_request_size' of its "
			      "[http_server], or the limit of a proxy in between",
			      asked->url, asked->what);
		return KBS_VERDICT_FINAL;
	}
	if (response->status < 400 || rcar_parse_problem(buf_bytes(&response->body), &problem, &why) < 0) {
		(void)err_set(err, ERR_PROTOCOL,
			      "KBS at '%s' answered %d to '%s' and did not say why as a KBS does: is something else at "
			      "this address, or in between?",
			      asked->url, response->status, asked->what);
		return KBS_VERDICT_FINAL;
	}
	return judge_problem(asked, &problem, err);
}

int kbs_check_server(int status, struct err *err)
{
	if (status >= 500 || status == 429 || status == 408)
		return err_set(err, ERR_SERVER, "answered %d", status);
	return 0;
}
