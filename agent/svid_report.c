/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lines of JSON that machines read.
 *
 * Identities and hints are the agent's words; base/json escapes them. Must never
 * hold a key or a token, and never fail the delivery that it reports.
 */
#include "agent/svid_report.h"

#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"

static void time_text(int64_t when, char out[32])
{
	struct tm tm;
	time_t seconds = (time_t)when;
	if (!gmtime_r(&seconds, &tm) || strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		out[0] = 0;
}

static int add_time(struct json *object, const char *name, int64_t when, struct err *err)
{
	char text[32];
	time_text(when, text);
	return json_add_string(object, name, text, err);
}

static int add_svid(struct json *list, const struct svid_item *item, struct err *err)
{
	const struct spire_svid *svid = &item->svid;
	struct json *object;
	if (json_add_object(list, NULL, &object, err) < 0 || json_add_string(object, "spiffe_id", svid->id, err) < 0 ||
	    (svid->hint[0] && json_add_string(object, "hint", svid->hint, err) < 0) ||
	    json_add_string(object, "serial", svid->serial, err) < 0 ||
	    add_time(object, "not_before", svid->not_before, err) < 0 ||
	    add_time(object, "not_after", svid->not_after, err) < 0 ||
	    json_add_u64(object, "authorities", svid->authorities.all, err) < 0 ||
	    (item->expired && json_add_bool(object, "expired", true, err) < 0))
		return -1;
	return svid->authorities.expired == 0
		       ? 0
		       : json_add_u64(object, "expired_authorities", svid->authorities.expired, err);
}

static int add_x509(struct json *doc, const struct svid_state *state, struct err *err)
{
	struct json *list;
	if (!state->x509.there)
		return 0;
	if (json_add_array(doc, "svids", &list, err) < 0)
		return -1;
	for (size_t i = 0; i < state->svid_count; i++)
		if (add_svid(list, &state->svids[i], err) < 0)
			return -1;
	return json_add_u64(doc, "federated", state->federated.count, err);
}

static int add_tokens(struct json *doc, const struct svid_state *state, struct err *err)
{
	struct json *list = NULL;
	for (size_t i = 0; i < state->token_count; i++) {
		struct json *object;
		if (!state->token[i].there)
			continue;
		if ((!list && json_add_array(doc, "tokens", &list, err) < 0) ||
		    json_add_object(list, NULL, &object, err) < 0 ||
		    json_add_string(object, "file", state->tokens[i].file, err) < 0 ||
		    json_add_string(object, "spiffe_id", state->jwt[i].id, err) < 0 ||
		    add_time(object, "expires", state->jwt_expires[i], err) < 0 ||
		    (state->jwt_expired[i] && json_add_bool(object, "expired", true, err) < 0))
			return -1;
	}
	if (state->bundles.there && json_add_u64(doc, "x509_bundles", state->x509_bundles.count, err) < 0)
		return -1;
	return state->jwks.there ? json_add_u64(doc, "jwt_bundles", state->jwt_bundles.count, err) : 0;
}

static int write_line(const char *event, const char *cause, const struct svid_state *state, unsigned long generation,
		      const char *text, struct err *err)
{
	OWNED_JSON struct json *doc = NULL;
	OWNED_BUF struct buf line = BUF_INIT(256u * 1024u);
	if (json_new_object(&doc, err) < 0 || json_add_string(doc, "event", event, err) < 0 ||
	    add_time(doc, "time", (int64_t)time(NULL), err) < 0 || json_add_string(doc, "cause", cause, err) < 0 ||
	    json_add_u64(doc, "generation", generation, err) < 0 ||
	    json_add_string(doc, "directory", state->settings->directory, err) < 0 ||
	    (text && json_add_string(doc, "text", text, err) < 0) || add_x509(doc, state, err) < 0 ||
	    add_tokens(doc, state, err) < 0 || json_print(doc, &line, err) < 0 || buf_append_byte(&line, '\n', err) < 0)
		return -1;
	return file_write_fd(STDERR_FILENO, buf_bytes(&line), err);
}

void svid_report(const char *event, const char *cause, const struct svid_state *state, unsigned long generation,
		 const char *text)
{
	struct err why = { 0 };
	if (write_line(event, cause, state, generation, text, &why) < 0)
		log_warning("the event '%s' is reported without details: %s", event, why.message);
}
