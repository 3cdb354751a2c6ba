/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The latest good state of each source.
 *
 * Updates come from the agent, decoded and checked in spire/. Must never let a bad
 * update take the place of a good one, nor one SVID's end take others with it.
 */
#include "agent/svid_state.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "spire/id.h"
#include "spire/jwt.h"

static void drop_svids(struct svid_item **svids, size_t *count)
{
	for (size_t i = 0; i < *count; i++)
		spire_svid_done(&(*svids)[i].svid);
	free(*svids);
	*svids = NULL;
	*count = 0;
}

static void drop_jwt(struct workload_jwt *jwt)
{
	free(jwt->id);
	free(jwt->hint);
	secret_done(&jwt->token);
	*jwt = (struct workload_jwt){ .id = NULL };
}

struct svid_presence *svid_state_presence(struct svid_state *state, enum svid_source source, size_t token)
{
	struct svid_presence *const places[] = {
		[SVID_X509] = &state->x509,
		[SVID_BUNDLES] = &state->bundles,
		[SVID_JWKS] = &state->jwks,
		[SVID_TOKEN] = &state->token[token],
	};
	return places[source];
}

static bool is_of(const struct svid_state *state, const struct svid_file *file, enum svid_source source, size_t token)
{
	return file->source == source && (source != SVID_TOKEN || strcmp(file->name, state->tokens[token].file) == 0);
}

static void drop_held(struct svid_state *state, enum svid_source source, size_t token)
{
	for (size_t i = state->held.count; i-- > 0;)
		if (is_of(state, &state->held.list[i], source, token))
			svid_files_remove(&state->held, i);
}

bool svid_state_has(const struct svid_state *state, enum svid_source source, size_t token)
{
	const bool there[] = {
		[SVID_X509] = state->x509.there,
		[SVID_BUNDLES] = state->bundles.there,
		[SVID_JWKS] = state->jwks.there,
		[SVID_TOKEN] = state->token[token].there,
	};
	for (size_t i = 0; i < state->held.count; i++)
		if (is_of(state, &state->held.list[i], source, token))
			return true;
	return there[source];
}

void svid_state_drop(struct svid_state *state, enum svid_source source, size_t token)
{
	*svid_state_presence(state, source, token) = (struct svid_presence){ .there = false };
	drop_held(state, source, token);
	if (source == SVID_X509) {
		drop_svids(&state->svids, &state->svid_count);
		workload_bundles_done(&state->federated);
	} else if (source == SVID_BUNDLES) {
		workload_bundles_done(&state->x509_bundles);
	} else if (source == SVID_JWKS) {
		workload_bundles_done(&state->jwt_bundles);
	} else {
		drop_jwt(&state->jwt[token]);
	}
}

void svid_state_done(struct svid_state *state)
{
	svid_state_drop(state, SVID_X509, 0);
	svid_state_drop(state, SVID_BUNDLES, 0);
	svid_state_drop(state, SVID_JWKS, 0);
	for (size_t i = 0; i < state->token_count; i++)
		svid_state_drop(state, SVID_TOKEN, i);
	svid_files_done(&state->held);
}

static bool is_asked_for(const struct svid_state *state, const struct svid_file *file)
{
	const struct svid_settings *settings = state->settings;
	const bool wanted[] = {
		[SVID_X509] = !settings->no_x509 && !settings->bundles_only,
		[SVID_BUNDLES] = settings->bundles_only,
		[SVID_JWKS] = settings->jwt_bundle_file != NULL,
		[SVID_TOKEN] = false,
	};
	for (size_t i = 0; i < state->token_count; i++)
		if (is_of(state, file, SVID_TOKEN, i))
			return true;
	return wanted[file->source];
}

void svid_state_hold(struct svid_state *state, struct svid_files *held)
{
	for (size_t i = held->count; i-- > 0;)
		if (!is_asked_for(state, &held->list[i]))
			svid_files_remove(held, i);
	svid_files_done(&state->held);
	state->held = *held;
	*held = (struct svid_files){ .list = NULL };
}

/* Which of them: the first, the first with the hint, all. */
static bool is_wanted(const struct svid_settings *settings, const char *hint, size_t found)
{
	if (svid_settings_all(settings))
		return true;
	return found == 0 && (!settings->hint || strcmp(settings->hint, hint) == 0);
}

static int no_such_hint(const struct svid_settings *settings, size_t count, const char *what, struct err *err)
{
	return err_set(err, ERR_MISSING, "none of the %zu %s has the hint '%s'", count, what, settings->hint);
}

/* Those of them that are wanted and good. *ret_wanted: how many there would have been. */
static size_t choose_svids(const struct svid_state *state, struct workload_x509 *update, time_t now,
			   struct svid_item *items, size_t *ret_wanted, struct err *err)
{
	const struct spire_svid *previous = state->svid_count > 0 ? &state->svids[0].svid : NULL;
	size_t wanted = 0;
	size_t count = 0;
	for (size_t i = 0; i < update->count; i++) {
		struct err why = { 0 };
		if (!is_wanted(state->settings, update->svids[i].hint, wanted))
			continue;
		wanted++;
		items[count].index = i;
		if (spire_svid_take(&update->svids[i], previous, now, &items[count].svid, &why) == 0) {
			count++;
			continue;
		}
		if (svid_settings_all(state->settings))
			log_warning("an SVID is left out: %s", why.message);
		if (err)
			*err = why;
	}
	*ret_wanted = wanted;
	return count;
}

static int take_x509(struct svid_state *state, struct workload_x509 *update, time_t now, struct err *err)
{
	size_t wanted;
	struct svid_item *items = calloc(update->count + 1, sizeof(*items));
	if (!items)
		return err_set(err, ERR_SYSTEM, "out of memory");
	size_t count = choose_svids(state, update, now, items, &wanted, err);
	if (count == 0) {
		free(items);
		return wanted > 0 ? -1 : no_such_hint(state->settings, update->count, "SVIDs", err);
	}
	drop_svids(&state->svids, &state->svid_count);
	workload_bundles_done(&state->federated);
	state->svids = items;
	state->svid_count = count;
	state->federated = update->federated;
	update->federated = (struct workload_bundles){ 0 };
	return 0;
}

static int take_jwt(struct svid_state *state, size_t token, struct workload_jwts *update, time_t now, struct err *err)
{
	struct workload_jwt *chosen = NULL;
	int64_t expires;
	for (size_t i = 0; i < update->count && !chosen; i++)
		if (!state->settings->hint || strcmp(state->settings->hint, update->list[i].hint) == 0)
			chosen = &update->list[i];
	if (!chosen)
		return no_such_hint(state->settings, update->count, "tokens", err);
	if (spire_jwt_expiry(&chosen->token, &expires, err) < 0)
		return -1;
	if (expires <= now)
		return err_set(err, ERR_CLOCK, "the token for '%s' has expired already, or the clock is wrong",
			       state->tokens[token].file);
	drop_jwt(&state->jwt[token]);
	state->jwt[token] = *chosen;
	*chosen = (struct workload_jwt){ .id = NULL };
	state->jwt_expires[token] = expires;
	state->jwt_expired[token] = false;
	return 0;
}

/* The own trust domain: from whatever identity is there, else as it was set, else the only one. */
static int own_domain(const struct svid_state *state, const struct workload_bundles *bundles, char out[256])
{
	struct bytes domain;
	const char *id = state->svid_count > 0 ? state->svids[0].svid.id : NULL;
	for (size_t i = 0; i < state->token_count && !id; i++)
		id = state->jwt[i].id;
	const char *name = state->settings->trust_domain ? state->settings->trust_domain
			   : !id && bundles->count == 1	 ? bundles->list[0].trust_domain
							 : NULL;
	if (id && spire_id_parse(id, &domain, NULL, NULL) == 0)
		(void)snprintf(out, 256, "%.*s", (int)domain.len, (const char *)domain.data);
	else if (name)
		(void)snprintf(out, 256, "%s", name);
	else
		return -1;
	return 0;
}

const struct workload_bundle *svid_state_own_bundle(const struct svid_state *state,
						    const struct workload_bundles *bundles)
{
	char own[256];
	const struct workload_bundle *bundle =
		own_domain(state, bundles, own) < 0 ? NULL : workload_bundles_find(bundles, own);
	return bundle && bundle->content.len > 0 ? bundle : NULL;
}

static bool awaits_identity(const struct svid_state *state)
{
	return state->token_count > 0 || (!state->settings->no_x509 && !state->settings->bundles_only);
}

/* Which of several is ours may be known by an identity only, which may still come. */
static int check_own(const struct svid_state *state, const struct workload_bundles *bundles, struct err *err)
{
	char own[256];
	if (bundles->count == 0)
		return err_set(err, ERR_MISSING, "the agent knows no trust domain's bundle");
	if (svid_state_own_bundle(state, bundles) || awaits_identity(state))
		return 0;
	if (own_domain(state, bundles, own) == 0)
		return err_set(err, ERR_MISSING, "the agent knows no bundle of '%s'", own);
	return err_set(
		err, ERR_CONFIG,
		"the agent knows %zu trust domains, and nothing says which is the own one: set svid.trust_domain",
		bundles->count);
}

static int take_bundles(struct svid_state *state, struct workload_bundles *update, time_t now, struct err *err)
{
	OWNED_BUF struct buf pem = BUF_INIT(2u * SECRET_MAX);
	struct spire_bundle_count count;
	if (check_own(state, update, err) < 0)
		return -1;
	const struct workload_bundle *own = svid_state_own_bundle(state, update);
	if (own && spire_bundle_pem(buf_bytes(&own->content), now, &pem, &count, err) < 0)
		return err_wrap(err, "the bundle of '%s'", own->trust_domain);
	workload_bundles_done(&state->x509_bundles);
	state->x509_bundles = *update;
	*update = (struct workload_bundles){ 0 };
	return 0;
}

/* What is no JWKS stays as an empty one: that a domain is left out must not make another the only one. */
static size_t empty_bad_jwks(struct workload_bundles *bundles)
{
	size_t good = 0;
	size_t keys;
	for (size_t i = 0; i < bundles->count; i++) {
		struct err why = { 0 };
		if (spire_jwks_check(buf_bytes(&bundles->list[i].content), &keys, &why) == 0) {
			good++;
			continue;
		}
		log_warning("the JWKS of '%s' is left out: %s", bundles->list[i].trust_domain, why.message);
		buf_done(&bundles->list[i].content);
	}
	return good;
}

static int take_jwks(struct svid_state *state, struct workload_bundles *update, struct err *err)
{
	bool all = strchr(state->settings->jwt_bundle_file, '{') != NULL;
	if (empty_bad_jwks(update) == 0)
		return err_set(err, ERR_MISSING, "the agent knows no trust domain's JWKS");
	if (!all && check_own(state, update, err) < 0)
		return -1;
	workload_bundles_done(&state->jwt_bundles);
	state->jwt_bundles = *update;
	*update = (struct workload_bundles){ 0 };
	return 0;
}

static int take_any(struct svid_state *state, struct svid_news *news, time_t now, struct err *err)
{
	if (news->source == SVID_X509)
		return take_x509(state, &news->x509, now, err);
	if (news->source == SVID_TOKEN)
		return take_jwt(state, news->token, &news->jwts, now, err);
	if (news->source == SVID_BUNDLES)
		return take_bundles(state, &news->bundles, now, err);
	return take_jwks(state, &news->bundles, err);
}

int svid_state_take(struct svid_state *state, struct svid_news *news, time_t now, struct err *err)
{
	if (take_any(state, news, now, err) < 0)
		return -1;
	drop_held(state, news->source, news->token);
	*svid_state_presence(state, news->source, news->token) = (struct svid_presence){ .there = true };
	return 0;
}

bool svid_state_complete(const struct svid_state *state)
{
	const struct svid_settings *settings = state->settings;
	if (settings->bundles_only ? !state->bundles.there : !settings->no_x509 && !state->x509.there)
		return false;
	if (settings->jwt_bundle_file && (!state->jwks.there || (!strchr(settings->jwt_bundle_file, '{') &&
								 !svid_state_own_bundle(state, &state->jwt_bundles))))
		return false;
	for (size_t i = 0; i < state->token_count; i++)
		if (!state->token[i].there)
			return false;
	return true;
}
