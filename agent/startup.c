/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration, out of one of its three places.
 *
 * Init-data is the host's word until the TEE's report carries its digest; that is
 * checked before any evidence leaves (agent/source.c). A released configuration
 * came through the KBS's policy, if api-server-rest is who listens there. Must never mix the places.
 */
#include "agent/startup.h"

#include <stdio.h>

#include "base/log.h"
#include "initdata/find.h"
#include "initdata/toml_defaults.h"

#define ENTRY "sealpod.toml"

void startup_done(struct startup *startup)
{
	config_done(&startup->config);
	initdata_free(startup->initdata);
	startup->initdata = NULL;
}

static void note_place(const struct order *order, const char *kind, const char *place)
{
	(void)snprintf(order->report->config, sizeof(order->report->config), "%s '%s'", kind, place);
}

static int from_file(const struct order *order, enum config_need need, struct startup *startup, struct err *err)
{
	const char *path = order->options->unmeasured_config;
	note_place(order, "unmeasured file", path);
	if (config_read(path, need, &startup->config, err) < 0)
		return -1;
	log_warning("the configuration '%s' is not measured: whoever can write it decides whom this VM trusts", path);
	return 0;
}

static int nothing_found(struct err *err)
{
	return err_set(err, ERR_CONFIG,
		       "no configuration: there is no init-data at '%s' or '%s'; give '--config kbs:///...' or "
		       "'--unmeasured-config FILE'",
		       initdata_places[0].path, initdata_places[1].path);
}

static int parse_entry(struct startup *startup, const char *place, enum config_need need, struct err *err)
{
	struct initdata_kbs kbs OWNED_INITDATA_KBS = { 0 };
	struct initdata_entry entry;
	char name[256];
	(void)snprintf(name, sizeof(name), "%s [data] %s", place, ENTRY);
	if (!initdata_find_entry(startup->initdata, ENTRY, &entry))
		return err_set(err, ERR_CONFIG, "init-data '%s' has no entry '%s'", place, ENTRY);
	if (initdata_kbs_defaults(startup->initdata, &kbs, err) < 0)
		return err_wrap(err, "init-data '%s'", place);
	struct config_context context = { .kbs_url = kbs.url, .kbs_ca = kbs.ca_pem };
	return config_parse(entry.text, name, need, &context, &startup->config, err);
}

static int from_initdata(const struct order *order, enum config_need need, struct startup *startup, struct err *err)
{
	const struct initdata_place *place = NULL;
	if (initdata_find("/", &place, &startup->initdata, err) < 0)
		return -1;
	if (!place)
		return nothing_found(err);
	note_place(order, "init-data", place->path);
	log_info("configuration out of init-data '%s'", place->path);
	return parse_entry(startup, place->path, need, err);
}

/* The first secret of all: fetched with no configuration but the command line's. */
static int from_kbs(const struct order *order, enum config_need need, struct startup *startup, struct err *err)
{
	struct config bootstrap = { .kbs_url = NULL };
	struct source source OWNED_SOURCE = SOURCE_INIT;
	struct secret text OWNED_SECRET = SECRET_INIT;
	struct secret_ref ref;
	struct config_context context = { .kbs_optional = true };
	int64_t ms = order->options->deadline_ms ? order->options->deadline_ms : CONFIG_DEADLINE_MS;
	struct deadline deadline = { .at_ms = order->started_ms + ms };
	note_place(order, "KBS resource", order->options->config);
	if (secret_ref_parse(bytes_of_text(order->options->config), &ref, err) < 0 ||
	    source_open(&bootstrap, order, NULL, deadline, &source, err) < 0 ||
	    source_get(&source, &ref, &text, err) < 0)
		return err_wrap(err, "configuration '%s'", order->options->config);
	startup->plain_rest = source.kind == SOURCE_REST;
	if (startup->plain_rest)
		log_warning("the configuration '%s' comes over plain http from %s, which proves nothing: whatever "
			    "container of the pod binds that port first decides whom this agent trusts",
			    order->options->config, REST_URL);
	return config_parse(secret_bytes(&text), order->options->config, need, &context, &startup->config, err);
}

int startup_read(const struct order *order, enum config_need need, struct startup *ret_startup, struct err *err)
{
	int rc = order->options->unmeasured_config ? from_file(order, need, ret_startup, err)
		 : order->options->config	   ? from_kbs(order, need, ret_startup, err)
						   : from_initdata(order, need, ret_startup, err);
	if (rc == 0)
		ret_startup->deadline = source_deadline(&ret_startup->config, order);
	return rc;
}

int startup_open_source(const struct startup *startup, const struct order *order, struct source *ret_source,
			struct err *err)
{
	return source_open(&startup->config, order, startup->initdata, startup->deadline, ret_source, err);
}
