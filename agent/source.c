/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way to the secrets, as configuration and machine have it. Lives in the
 * worker, never in the process that becomes the agent.
 *
 * Sockets and devices are the guest's own, what comes out of them is the KBS's or
 * the host's. Must never go on without the binding of init-data where there is
 * one, and never fall from one way to another because something failed.
 */
#include "agent/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <strings.h>
#include <unistd.h>

#include "agent/source_choose.h"
#include "agent/source_ways.h"
#include "base/http.h"
#include "base/log.h"
#include "base/wipe.h"

int source_setup(struct err *err)
{
	wipe_install();
	if (secret_setup(err) < 0)
		return -1;
	return http_setup(err);
}

struct deadline source_deadline(const struct config *config, const struct order *order)
{
	int64_t ms = order->options->deadline_ms ? order->options->deadline_ms : config->deadline_ms;
	return (struct deadline){ .at_ms = order->started_ms + ms };
}

static enum source_kind wanted_kind(const struct source *source)
{
	return source->order->options->source_given ? (enum source_kind)source->order->options->source
						    : source->config->source_kind;
}

/* The order of the header; the attester's reasons are kept for the message. A TEE that fails is not one that is absent:
 * it never leads to another way. */
static int choose(struct source *source, struct err *err)
{
	struct err no_tee = { 0 };
	bool found =
		attester_detect(source->order->instance, source->order->options->tee, &source->attester, &no_tee) == 0;
	if (!found && (source->order->options->tee || no_tee.code != ERR_NO_TEE)) {
		*err = no_tee;
		return -1;
	}
	if (found && !source->config->kbs_url && !source->order->options->tee) {
		/* Of a configuration that is to be released: nobody has said yet whom to ask. */
		(void)err_set(&no_tee, ERR_NO_TEE, "TEE '%s' is here, but no KBS is known that takes its evidence",
			      source->attester->tee);
		source->attester = NULL;
		found = false;
	}
	if (!found)
		return source_choose(source, &no_tee, err);
	source->kind = SOURCE_KBS;
	return 0;
}

static int resolve(struct source *source, struct err *err)
{
	source->kind = wanted_kind(source);
	if (source->kind == SOURCE_AUTO && choose(source, err) < 0)
		return -1;
	if (source->kind == SOURCE_KBS && !source->attester &&
	    attester_detect(source->order->instance, source->order->options->tee, &source->attester, err) < 0)
		return -1;
	if (source->initdata && source->kind != SOURCE_KBS)
		return err_set(
			err, ERR_BINDING,
			"the configuration comes out of init-data, but this machine gives no evidence of its own that "
			"carries it (source '%s'): use '--config kbs:///...' where no TEE device is reachable",
			source_kind_name(source->kind));
	if ((source->kind == SOURCE_KBS || source->kind == SOURCE_AA) && !source->config->kbs_url)
		return err_set(err, ERR_CONFIG, "source '%s' needs 'kbs.url', which is not configured",
			       source_kind_name(source->kind));
	return 0;
}

static void keep_text(char *to, size_t size, const char *text)
{
	(void)snprintf(to, size, "%s", text ? text : "");
}

/* What is known before anything is sent. */
static void note(const struct source *source)
{
	struct report *report = source->order->report;
	report->source_known = true;
	report->source = source->kind;
	bool asks_kbs = source->kind == SOURCE_KBS || source->kind == SOURCE_AA;
	keep_text(report->kbs_url, sizeof(report->kbs_url), asks_kbs ? source->config->kbs_url : NULL);
	keep_text(report->tee, sizeof(report->tee), source->kind == SOURCE_KBS ? source->attester->tee : NULL);
	report->init_data_in = source->kind == SOURCE_KBS ? source->attester->init_data_in : NULL;
	report->has_init_data = source->initdata != NULL;
	if (source->initdata)
		report->init_data = *initdata_digest(source->initdata);
}

int source_open(const struct config *config, const struct order *order, const struct initdata *initdata,
		struct deadline deadline, struct source *ret_source, struct err *err)
{
	ret_source->config = config;
	ret_source->order = order;
	ret_source->initdata = initdata;
	ret_source->deadline = deadline;
	if (resolve(ret_source, err) < 0)
		return -1;
	note(ret_source);
	if (ret_source->attester && ret_source->attester->warning)
		log_warning("%s", ret_source->attester->warning);
	if (config->kbs_url && config->kbs_allow_http && !config->kbs_ca)
		log_warning("the KBS is asked over plain http: nothing proves that it is yours");
	return source_ways[ret_source->kind].open(ret_source, err);
}

void source_close(struct source *source)
{
	if (!source)
		return;
	kbs_close(source->kbs);
	aa_close(source->aa);
	rest_close(source->rest);
	cdh_close(source->cdh);
	buf_done(&source->report);
	*source = (struct source)SOURCE_INIT;
}

static int read_file(const char *path, struct secret *ret_secret, struct err *err)
{
	int fd OWNED_FD = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return err_set_errno(err, ERR_CONFIG, errno, "cannot open '%s'", path);
	if (secret_read_fd(ret_secret, fd, KBS_RESOURCE_MAX, err) < 0)
		return err_wrap(err, "'%s'", path);
	return 0;
}

/* As it is stored: perhaps still sealed. */
static int fetch(struct source *source, const struct secret_ref *ref, struct secret *ret_secret, struct err *err)
{
	if (ref->file[0])
		return read_file(ref->file, ret_secret, err);
	return source_ways[source->kind].get(source, &ref->uri, ret_secret, err);
}

static int read_key(struct source *source, struct sealed_key **ret_key, struct err *err)
{
	struct secret text OWNED_SECRET = SECRET_INIT;
	const struct config *config = source->config;
	if (config->sealed_key_pem)
		return sealed_key_read(bytes_of_text(config->sealed_key_pem), ret_key, err);
	if (!secret_ref_given(&config->sealed_key))
		return err_set(err, ERR_CONFIG, "no key is configured to verify it ('secrets.sealed_key')");
	if (fetch(source, &config->sealed_key, &text, err) < 0)
		return err_wrap(err, "'%s'", config->sealed_key.text);
	return sealed_key_read(secret_bytes(&text), ret_key, err);
}

/* What the KBS has is fetched here; all else is the data hub's, whose ttrpc alone takes sealed text. */
static int open_sealed(struct source *source, const struct sealed *sealed, struct bytes text, struct secret *ret_secret,
		       struct err *err)
{
	struct kbs_uri uri;
	bool in_kbs = sealed->kind == SEALED_VAULT && strcasecmp(sealed->provider, "kbs") == 0;
	if (source->cdh && !in_kbs)
		return cdh_unseal(source->cdh, text, &source->deadline, ret_secret, err);
	if (sealed_resource(sealed, &uri, err) < 0)
		return in_kbs ? -1 : err_wrap(err, "source '%s'", source_kind_name(source->kind));
	return source_ways[source->kind].get(source, &uri, ret_secret, err);
}

int source_unseal(struct source *source, struct bytes sealed, struct secret *ret_secret, struct err *err)
{
	struct sealed_key *key OWNED_SEALED_KEY = NULL;
	struct sealed what;
	struct secret plain OWNED_SECRET = SECRET_INIT;
	if (read_key(source, &key, err) < 0 || sealed_open(sealed, key, &what, err) < 0 ||
	    open_sealed(source, &what, sealed, &plain, err) < 0)
		return err_wrap(err, "sealed secret");
	if (sealed_check_plain(secret_bytes(&plain), "the sealed secret's content", err) < 0)
		return -1;
	secret_move(ret_secret, &plain);
	return 0;
}

int source_get(struct source *source, const struct secret_ref *ref, struct secret *ret_secret, struct err *err)
{
	struct secret raw OWNED_SECRET = SECRET_INIT;
	if (fetch(source, ref, &raw, err) < 0)
		return -1;
	if (sealed_is(secret_bytes(&raw))) {
		if (source_unseal(source, secret_bytes(&raw), ret_secret, err) < 0)
			return err_wrap(err, "'%s'", ref->text);
		return 0;
	}
	if (sealed_check_plain(secret_bytes(&raw), ref->text, err) < 0)
		return -1;
	secret_move(ret_secret, &raw);
	return 0;
}
