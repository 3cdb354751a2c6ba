/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The choice of `auto` between the ways to the secrets.
 *
 * Devices and sockets are the guest's own, but a host decides what devices there are and
 * when a guest's components start. Must never take another way because one failed:
 * what is there and fails is waited for, like what is to be expected and not there yet.
 */
#include "agent/source_choose.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

#define ASK_REST_MS 2000
#define PAUSE_MS 250
#define PAUSE_MOST_MS 3000

/* One look around. */
struct view {
	bool agent_socket, hub_socket;
	bool rest_serves; /* else `why_no_rest`: */
	bool rest_fails;  /* somebody listens there, and does not say what he serves */
	struct rest_info rest;
	struct err why_no_rest;
};

static const char *agent_socket(const struct config *config)
{
	return config->aa_socket ? config->aa_socket : AA_SOCKET;
}

static const char *hub_socket(const struct config *config)
{
	return config->cdh_socket ? config->cdh_socket : CDH_SOCKET;
}

static const char *rest_url(const struct config *config)
{
	return config->rest_url ? config->rest_url : REST_URL;
}

static int look_at_rest(const struct config *config, struct view *view, struct err *err)
{
	struct rest *rest OWNED_REST = NULL;
	struct deadline soon = deadline_in(ASK_REST_MS);
	if (rest_open(config->rest_url, &rest, err) < 0)
		return -1;
	view->why_no_rest = (struct err){ 0 };
	view->rest_serves = rest_get_info(rest, &soon, &view->rest, &view->why_no_rest) == 0;
	/* Another server's "not found" is an answer: this is no api-server-rest. */
	view->rest_fails =
		!view->rest_serves && !rest_is_nobody(&view->why_no_rest) && view->why_no_rest.code != ERR_CONFIG;
	return 0;
}

static int look_around(const struct config *config, struct view *view, struct err *err)
{
	view->agent_socket = access(agent_socket(config), F_OK) == 0;
	view->hub_socket = access(hub_socket(config), F_OK) == 0;
	return look_at_rest(config, view, err);
}

/* The first way that is there; SOURCE_AUTO where none is, or where it cannot be told yet. */
static enum source_kind first_way(const struct config *config, const struct view *view)
{
	bool rest_agent = view->rest_serves && view->rest.attestation;
	if (config->kbs_url && (view->agent_socket || rest_agent))
		return SOURCE_AA;
	if (config->kbs_url && view->rest_fails)
		return SOURCE_AUTO; /* it may serve the agent */
	if (view->hub_socket)
		return SOURCE_CDH;
	return view->rest_serves && view->rest.resources ? SOURCE_REST : SOURCE_AUTO;
}

static bool parent_there(const char *path)
{
	char parent[256];
	const char *slash = strrchr(path, '/');
	(void)snprintf(parent, sizeof(parent), "%.*s", slash ? (int)(slash - path) : 0, path);
	return parent[0] && access(parent, F_OK) == 0;
}

/* Is there a sign that this guest has components, so that they may still be starting? One who says nothing of
 * them, on a machine that has no place for them, gets the answer at once. */
static bool to_be_expected(const struct source *source, const struct view *view)
{
	const struct config *config = source->config;
	if (source->initdata) /* beside it nothing is taken but own evidence */
		return false;
	return source->order->options->config || config->aa_socket || config->cdh_socket || config->rest_url ||
	       view->rest_fails || parent_there(CDH_SOCKET);
}

static int describe(const struct source *source, const struct view *view, const struct err *no_tee, bool expected,
		    struct err *err)
{
	const struct config *config = source->config;
	return err_set(err, expected ? ERR_MISSING : ERR_NO_TEE,
		       "%s; nor is there an attestation agent ('%s'%s), a confidential data hub ('%s') or an "
		       "api-server-rest at %s (%s)",
		       no_tee->message, agent_socket(config), config->kbs_url ? "" : ", which needs 'kbs.url'",
		       hub_socket(config), rest_url(config), view->why_no_rest.message);
}

static int give_up(const struct source *source, const struct view *view, const struct err *no_tee, bool expected,
		   struct err *err)
{
	(void)describe(source, view, no_tee, expected, err);
	if (!expected)
		return err_wrap(err, "no way to the secrets ('--source' names one to wait for)");
	return source->order->look_once ? -1 : err_wrap(err, "waited in vain for the guest's components");
}

/* It is the last of them to start, so nothing else is to come. */
static int half_off(const struct config *config, struct err *err)
{
	return err_set(err, ERR_CONFIG,
		       "api-server-rest at %s serves no resources%s: start the guest with the kernel parameter "
		       "'agent.guest_components_rest_api=all'",
		       rest_url(config),
		       config->kbs_url ? " and no tokens" : ", and for its tokens 'kbs.url' would have to be known");
}

int source_choose(struct source *source, const struct err *no_tee, struct err *err)
{
	struct backoff backoff = { .base_ms = PAUSE_MS, .cap_ms = PAUSE_MOST_MS };
	struct view view = { 0 };
	for (;;) {
		if (look_around(source->config, &view, err) < 0)
			return -1;
		source->kind = first_way(source->config, &view);
		if (source->kind != SOURCE_AUTO)
			return 0;
		if (view.rest_serves)
			return half_off(source->config, err);
		bool expected = to_be_expected(source, &view);
		if (!expected || source->order->look_once)
			return give_up(source, &view, no_tee, expected, err);
		if (backoff.tries == 0) {
			struct err what = { 0 };
			(void)describe(source, &view, no_tee, expected, &what);
			log_info("waiting for the guest's components: %s", what.message);
		}
		if (!clock_pause_for_try(PAUSE_MS + backoff_next(&backoff), &source->deadline))
			return give_up(source, &view, no_tee, expected, err);
	}
}
