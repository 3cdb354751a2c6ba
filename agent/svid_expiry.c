/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of a state has expired.
 *
 * By this machine's clock. Each SVID, each token and each file of an earlier run
 * ends by itself; the authorities beside SVIDs go with the last of these.
 */
#include <stdio.h>
#include <string.h>

#include "agent/svid_state.h"

static bool is_over(int64_t expires, time_t now)
{
	return expires <= (int64_t)now;
}

static bool say_svid(struct svid_state *state, time_t now, struct svid_expired *out)
{
	for (size_t i = 0; i < state->svid_count; i++) {
		struct svid_item *item = &state->svids[i];
		if (item->expired || !is_over(item->svid.not_after, now))
			continue;
		item->expired = true;
		out->source = SVID_X509;
		(void)snprintf(out->text, sizeof(out->text), "'%.180s': the agent gave no later one in time",
			       item->svid.id);
		return true;
	}
	return false;
}

static bool say_token(struct svid_state *state, time_t now, struct svid_expired *out)
{
	for (size_t i = 0; i < state->token_count; i++) {
		if (!state->token[i].there || state->jwt_expired[i] || !is_over(state->jwt_expires[i], now))
			continue;
		state->jwt_expired[i] = true;
		out->source = SVID_TOKEN;
		(void)snprintf(out->text, sizeof(out->text), "'%.180s': the agent gave no later one in time",
			       state->tokens[i].file);
		return true;
	}
	return false;
}

static bool say_held(struct svid_state *state, time_t now, struct svid_expired *out)
{
	size_t used = 0;
	for (size_t i = 0; i < state->held.count; i++) {
		struct svid_file *file = &state->held.list[i];
		if (file->expired || !is_over(file->expires, now))
			continue;
		file->expired = true;
		if (used == 0) {
			out->source = file->source;
			used = (size_t)snprintf(out->text, sizeof(out->text), "left by an earlier run:");
		}
		if (used + strlen(file->name) + 2 < sizeof(out->text))
			used += (size_t)snprintf(out->text + used, sizeof(out->text) - used, " %s", file->name);
	}
	return used > 0;
}

bool svid_state_expired(struct svid_state *state, time_t now, struct svid_expired *ret_expired)
{
	return say_svid(state, now, ret_expired) || say_token(state, now, ret_expired) ||
	       say_held(state, now, ret_expired);
}

static void drop_svids(struct svid_state *state, time_t now)
{
	size_t left = 0;
	for (size_t i = 0; i < state->svid_count; i++)
		left += !is_over(state->svids[i].svid.not_after, now);
	if (state->svid_count > 0 && left == 0) {
		svid_state_drop(state, SVID_X509, 0);
		return;
	}
	size_t kept = 0;
	for (size_t i = 0; i < state->svid_count; i++) {
		if (is_over(state->svids[i].svid.not_after, now)) {
			spire_svid_done(&state->svids[i].svid);
			continue;
		}
		if (kept != i)
			state->svids[kept] = state->svids[i];
		kept++;
	}
	state->svid_count = kept;
}

/* Bundles without any SVID: what an earlier run's authorities lay there for. */
static void drop_held_authorities(struct svid_state *state)
{
	for (size_t i = 0; i < state->held.count; i++)
		if (state->held.list[i].source == SVID_X509 && state->held.list[i].expires != INT64_MAX)
			return;
	for (size_t i = state->held.count; i-- > 0;)
		if (state->held.list[i].source == SVID_X509)
			svid_files_remove(&state->held, i);
}

static void drop_held(struct svid_state *state, time_t now)
{
	bool any = false;
	for (size_t i = state->held.count; i-- > 0;) {
		if (!is_over(state->held.list[i].expires, now))
			continue;
		any = true;
		svid_files_remove(&state->held, i);
	}
	if (any)
		drop_held_authorities(state);
}

void svid_state_drop_expired(struct svid_state *state, time_t now)
{
	drop_svids(state, now);
	for (size_t i = 0; i < state->token_count; i++)
		if (state->token[i].there && is_over(state->jwt_expires[i], now))
			svid_state_drop(state, SVID_TOKEN, i);
	drop_held(state, now);
}

static void earlier(int64_t *first, bool said, int64_t expires)
{
	if (!said && expires < *first)
		*first = expires;
}

int64_t svid_state_next_expiry(const struct svid_state *state)
{
	int64_t first = INT64_MAX;
	for (size_t i = 0; i < state->svid_count; i++)
		earlier(&first, state->svids[i].expired, state->svids[i].svid.not_after);
	for (size_t i = 0; i < state->token_count; i++)
		earlier(&first, !state->token[i].there || state->jwt_expired[i], state->jwt_expires[i]);
	for (size_t i = 0; i < state->held.count; i++)
		earlier(&first, state->held.list[i].expired, state->held.list[i].expires);
	return first;
}
