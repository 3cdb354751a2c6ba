/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Admin calls to the KBS.
 *
 * Answers come from the network, by TLS from the pinned KBS. Bodies may be secrets: they go into the
 * connection and nowhere else, and no message quotes any. Must never take a refusal for success.
 */
#include "cdh-client/kbs_admin.h"

#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "base/http.h"
#include "base/log.h"
#include "cdh-client/kbs_answer.h"
#include "cdh-client/rcar.h"

#define ANSWER_MAX (1024u * 1024u)
#define NAME_MAX_LEN 256
#define CLOCK_DOUBT_SECONDS 60 /* what the KBS forgives a token */

struct kbs_admin {
	const struct kbs_admin_options *options;
	struct http_client *http;
};

int kbs_admin_open(const struct kbs_admin_options *options, struct kbs_admin **ret_admin, struct err *err)
{
	struct kbs_admin *admin OWNED_KBS_ADMIN = calloc(1, sizeof(*admin));
	if (!admin)
		return err_set(err, ERR_SYSTEM, "out of memory");
	admin->options = options;
	struct http_options http = {
		.base_url = options->url,
		.ca_pem = options->ca_pem,
		.user_agent = "sealpodctl/" SEALPOD_VERSION,
	};
	if (http_client_new(&http, &admin->http, err) < 0)
		return err_wrap(err, "KBS at '%s'", options->url);
	*ret_admin = TAKE_PTR(admin);
	return 0;
}

void kbs_admin_close(struct kbs_admin *admin)
{
	if (!admin)
		return;
	http_client_free(admin->http);
	free(admin);
}

void kbs_admin_cleanup(struct kbs_admin **admin)
{
	kbs_admin_close(*admin);
	*admin = NULL;
}

/* One call, and what came back. */
struct call {
	const char *method;
	const char *path;
	const char *type; /* of the body, NULL for none */
	struct bytes body;
	struct http_response response;
};

#define CALL_INIT(verb, where)                                                                                         \
	{                                                                                                              \
		.method = (verb), .path = (where), .response = HTTP_RESPONSE_INIT(ANSWER_MAX)                          \
	}

static void call_done(struct call *call)
{
	http_response_done(&call->response);
}

/* Each try has a token of its own: none is older than the pauses between them. */
static int try_call(struct kbs_admin *admin, struct call *call, struct err *err)
{
	const char *role = admin->options->role ? admin->options->role : "admin";
	struct buf bearer OWNED_BUF = BUF_INIT(sizeof("Bearer ") + ADMIN_TOKEN_MAX);
	if (buf_append_text(&bearer, "Bearer ", err) < 0 ||
	    admin_token_make(admin->options->key, role, time(NULL), &bearer, err) < 0)
		return -1;
	struct http_header headers[] = { { "Authorization", buf_text(&bearer) }, { "Content-Type", call->type } };
	struct http_request request = { .method = call->method,
					.path = call->path,
					.headers = headers,
					.header_count = call->type ? 2 : 1,
					.body = call->body };
	if (http_perform(admin->http, &request, &admin->options->deadline, &call->response, err) < 0)
		return -1;
	return kbs_check_server(call->response.status, err);
}

static int perform(struct kbs_admin *admin, struct call *call, struct err *err)
{
	struct backoff backoff = BACKOFF_INIT;
	struct err why = { 0 };
	while (try_call(admin, call, &why) < 0) {
		int64_t pause = backoff_next(&backoff);
		if (!err_may_retry(&why) || !clock_pause_for_try(pause, &admin->options->deadline)) {
			*err = why;
			if (err_may_retry(&why))
				(void)err_wrap(err, "gave up at the deadline after %u tries", backoff.tries);
			return err_wrap(err, "KBS at '%s': %s %s", admin->options->url, call->method, call->path);
		}
		log_info("KBS at '%s': %s; trying again", admin->options->url, why.message);
		http_response_done(&call->response);
	}
	return 0;
}

/* A token is valid from now on for minutes: a clock that is off looks like a wrong key. */
static int not_admin(const struct call *call, const struct rcar_problem *problem, struct err *err)
{
	int64_t behind = call->response.clock_known ? call->response.clock_behind : 0;
	if (behind > CLOCK_DOUBT_SECONDS + ADMIN_TOKEN_SECONDS || behind < -CLOCK_DOUBT_SECONDS - ADMIN_TOKEN_SECONDS)
		return err_set(err, ERR_CLOCK,
			       "this machine's clock is %lld s %s the KBS's: it refuses the admin token ('%s')",
			       (long long)(behind > 0 ? behind : -behind), behind > 0 ? "behind" : "ahead of",
			       problem->detail);
	return err_set(
		err, ERR_DENIED,
		"the KBS does not take the admin token: does its [admin] section have the public half of this key, "
		"and does it grant the role? ('%s': '%s')",
		problem->type, problem->detail);
}

static int refused(const struct call *call, const struct rcar_problem *problem, struct err *err)
{
	const char *type = problem->type;
	if (strncmp(type, "AdminAuth", strlen("AdminAuth")) == 0)
		return not_admin(call, problem, err);
	if (strcmp(type, "PluginInternalError") == 0)
		return err_set(err, ERR_MISSING, "the resource is missing, or the KBS's storage is broken ('%s': '%s')",
			       type, problem->detail);
	if (strcmp(type, "PluginNotFound") == 0 || strcmp(type, "InvalidRequestPath") == 0)
		return err_set(err, ERR_CONFIG,
			       "the KBS serves nothing at this path: is its URL right, and does it let itself be "
			       "administered? ('%s': '%s')",
			       type, problem->detail);
	if (strcmp(type, "AttestationError") == 0)
		return err_set(err, ERR_CONFIG,
			       "the KBS does not take the attestation policy; its log says why, a mistake in the Rego "
			       "most often ('%s': '%s')",
			       type, problem->detail);
	return err_set(err, ERR_CONFIG, "the KBS does not take this ('%s': '%s')", type, problem->detail);
}

static int judge(const struct call *call, struct err *err)
{
	struct rcar_problem problem = { 0 };
	int status = call->response.status;
	if (status == 200)
		return 0;
	if (status == 413)
		return err_set(err, ERR_CONFIG, "larger than what the KBS takes (its payload_request_size)");
	if (status < 400 || rcar_parse_problem(buf_bytes(&call->response.body), &problem, NULL) < 0)
		return err_set(
			err, ERR_PROTOCOL,
			"answered %d and did not say why as a KBS does: is something else at this address, or in "
			"between?",
			status);
	return refused(call, &problem, err);
}

static int do_call(struct kbs_admin *admin, struct call *call, struct err *err)
{
	if (perform(admin, call, err) < 0)
		return -1;
	if (judge(call, err) < 0)
		return err_wrap(err, "KBS at '%s': %s %s", admin->options->url, call->method, call->path);
	return 0;
}

int kbs_admin_put(struct kbs_admin *admin, const struct kbs_uri *uri, struct bytes content, struct err *err)
{
	struct call call CLEANUP(call_done) = CALL_INIT("POST", uri->path);
	call.type = "application/octet-stream";
	call.body = content;
	if (do_call(admin, &call, err) == 0)
		return 0;
	if (err && err->code == ERR_MISSING) /* what is written need not be there */
		err->code = ERR_SERVER;
	return -1;
}

int kbs_admin_delete(struct kbs_admin *admin, const struct kbs_uri *uri, struct err *err)
{
	struct call call CLEANUP(call_done) = CALL_INIT("DELETE", uri->path);
	return do_call(admin, &call, err);
}

static int post_json(struct kbs_admin *admin, const char *path, const struct json *doc, struct err *err)
{
	struct buf body OWNED_BUF = BUF_INIT(KBS_ADMIN_BODY_MAX);
	struct call call CLEANUP(call_done) = CALL_INIT("POST", path);
	if (json_print(doc, &body, err) < 0)
		return -1;
	call.type = "application/json";
	call.body = buf_bytes(&body);
	return do_call(admin, &call, err);
}

static int add_base64(struct json *doc, const char *name, enum base64_kind kind, struct bytes content, struct err *err)
{
	struct buf text OWNED_BUF = BUF_INIT(KBS_ADMIN_BODY_MAX);
	if (base64_encode(kind, content, &text, err) < 0)
		return -1;
	return json_add_string(doc, name, buf_text(&text), err);
}

static int set_policy(struct kbs_admin *admin, const char *path, const char *id, struct bytes rego, struct err *err)
{
	struct json *doc OWNED_JSON = NULL;
	if (json_new_object(&doc, err) < 0 || (id && json_add_string(doc, "policy_id", id, err) < 0) ||
	    add_base64(doc, "policy", BASE64URL, rego, err) < 0)
		return -1;
	return post_json(admin, path, doc, err);
}

int kbs_admin_set_resource_policy(struct kbs_admin *admin, struct bytes rego, struct err *err)
{
	return set_policy(admin, "/kbs/v0/resource-policy", NULL, rego, err);
}

int kbs_admin_set_attestation_policy(struct kbs_admin *admin, const char *id, struct bytes rego, struct err *err)
{
	return set_policy(admin, "/kbs/v0/attestation-policy", id, rego, err);
}

static int get_json(struct kbs_admin *admin, struct call *call, struct json **ret_doc, struct err *err)
{
	if (do_call(admin, call, err) < 0)
		return -1;
	if (json_parse(buf_bytes(&call->response.body), ANSWER_MAX, ret_doc, err) < 0)
		return err_wrap(err, "KBS at '%s': answer to %s", admin->options->url, call->path);
	return 0;
}

int kbs_admin_list_policies(struct kbs_admin *admin, struct json **ret_names, struct err *err)
{
	struct call call CLEANUP(call_done) = CALL_INIT("GET", "/kbs/v0/resource-policy");
	struct json *names OWNED_JSON = NULL;
	if (get_json(admin, &call, &names, err) < 0)
		return -1;
	bool good = json_type(names) == JSON_ARRAY;
	for (const struct json *name = json_first(names); good && name; name = json_next(name))
		good = json_type(name) == JSON_STRING;
	if (!good)
		return err_set(err, ERR_PROTOCOL, "KBS at '%s': answer to %s: not a list of names", admin->options->url,
			       call.path);
	*ret_names = TAKE_PTR(names);
	return 0;
}

int kbs_admin_set_reference_values(struct kbs_admin *admin, const struct json *values, struct err *err)
{
	struct json *doc OWNED_JSON = NULL;
	struct buf payload OWNED_BUF = BUF_INIT(KBS_ADMIN_BODY_MAX);
	if (json_print(values, &payload, err) < 0 || json_new_object(&doc, err) < 0 ||
	    json_add_string(doc, "version", "0.1.0", err) < 0 || json_add_string(doc, "type", "sample", err) < 0 ||
	    add_base64(doc, "payload", BASE64, buf_bytes(&payload), err) < 0)
		return err_wrap(err, "reference values");
	return post_json(admin, "/kbs/v0/reference-value", doc, err);
}

int kbs_admin_check_name(const char *name, struct err *err)
{
	size_t len = strlen(name);
	bool good = len > 0 && len < NAME_MAX_LEN && name[0] != '.';
	for (size_t i = 0; good && i < len; i++)
		good = (name[i] >= 'a' && name[i] <= 'z') || (name[i] >= 'A' && name[i] <= 'Z') ||
		       (name[i] >= '0' && name[i] <= '9') || strchr("._-", name[i]);
	if (good)
		return 0;
	return err_set(err, ERR_CONFIG,
		       "'%.64s' is no name: letters, digits, '.', '-' and '_', at most %d, no '.' in front", name,
		       NAME_MAX_LEN - 1);
}

/* The KBS calls this a failure like all others; only its text tells. */
static bool says_unknown(const struct call *call)
{
	struct rcar_problem problem = { 0 };
	return call->response.status == 401 &&
	       rcar_parse_problem(buf_bytes(&call->response.body), &problem, NULL) == 0 &&
	       strcmp(problem.type, "RvpsError") == 0 && strstr(problem.detail, "No reference value found");
}

int kbs_admin_get_reference_value(struct kbs_admin *admin, const char *name, struct json **ret_value, struct err *err)
{
	char path[sizeof("/kbs/v0/reference-value/") + NAME_MAX_LEN];
	if (kbs_admin_check_name(name, err) < 0)
		return -1;
	(void)snprintf(path, sizeof(path), "/kbs/v0/reference-value/%s", name);
	struct call call CLEANUP(call_done) = CALL_INIT("GET", path);
	struct err why = { 0 };
	if (get_json(admin, &call, ret_value, &why) == 0)
		return 0;
	if (!says_unknown(&call)) {
		*err = why;
		return -1;
	}
	*ret_value = NULL;
	return 0;
}
