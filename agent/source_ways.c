/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ways to the secrets.
 *
 * With own evidence this process attests; by the attestation agent's token that
 * agent does; the data hub does all by itself and hides what went wrong. Must not
 * ask the hub in a loop: each of its failures costs several hardware reports.
 */
#include "agent/source_ways.h"

#include <unistd.h>

#include "base/log.h"
#include "cdh-client/kbs_token.h"

#define HUB_PAUSE_MS 15000
#define HUB_PAUSE_MOST_MS 60000

static int collect(const struct digest *runtime, struct json **ret_evidence, void *arg, struct err *err)
{
	struct source *source = arg;
	struct attester_evidence evidence OWNED_EVIDENCE = ATTESTER_EVIDENCE_INIT;
	struct attester_request request = {
		.report_data = digest_bytes(runtime),
		.init_data = source->initdata ? initdata_digest(source->initdata) : NULL,
		.instance = source->order->instance,
		.deadline = source->deadline,
	};
	log_info("attesting as TEE '%s' to the KBS at '%s'", source->attester->tee, source->config->kbs_url);
	if (attester_collect(source->attester, &request, &evidence, err) < 0)
		return -1;
	buf_done(&source->order->report->evidence);
	if (json_print(evidence.json, &source->order->report->evidence, err) < 0)
		return -1;
	buf_move(&source->report, &evidence.raw);
	*ret_evidence = TAKE_PTR(evidence.json);
	return 0;
}

static struct kbs_options kbs_options_of(struct source *source)
{
	const struct config *config = source->config;
	return (struct kbs_options){
		.url = config->kbs_url,
		.ca_pem = bytes_of_text(config->kbs_ca ? config->kbs_ca : ""),
		.tee_key = config->kbs_tee_key,
		.deadline = source->deadline,
		.facts = &source->order->report->kbs,
	};
}

static int open_kbs(struct source *source, struct err *err)
{
	source->kbs_options = kbs_options_of(source);
	source->kbs_options.evidence =
		(struct kbs_evidence){ .tee = source->attester->tee, .collect = collect, .arg = source };
	if (source->initdata)
		source->kbs_options.initdata = initdata_text(source->initdata);
	return kbs_open(&source->kbs_options, &source->kbs, err);
}

/* The agent's socket where it is there, else api-server-rest. */
static int open_aa(struct source *source, struct err *err)
{
	const char *socket = source->config->aa_socket ? source->config->aa_socket : AA_SOCKET;
	bool ttrpc = access(socket, F_OK) == 0;
	source->kbs_options = kbs_options_of(source);
	source->kbs_options.evidence.tee = "as the attestation agent says";
	if (ttrpc ? aa_open(socket, &source->aa, err) < 0 : rest_open(source->config->rest_url, &source->rest, err) < 0)
		return -1;
	source->kbs_options.token = ttrpc ? kbs_token_from_aa(source->aa) : kbs_token_from_rest(source->rest);
	log_info("asking the KBS at '%s' with a token of the attestation agent (%s)", source->config->kbs_url,
		 ttrpc ? socket : "api-server-rest");
	return kbs_open(&source->kbs_options, &source->kbs, err);
}

static int get_kbs(struct source *source, const struct kbs_uri *uri, struct secret *ret_secret, struct err *err)
{
	return kbs_get(source->kbs, uri, ret_secret, err);
}

static int open_cdh(struct source *source, struct err *err)
{
	log_info("asking the confidential data hub, which attests by itself");
	return cdh_open(source->config->cdh_socket, &source->cdh, err);
}

static int open_rest(struct source *source, struct err *err)
{
	log_info("asking the confidential data hub by api-server-rest, which attests by itself");
	return rest_open(source->config->rest_url, &source->rest, err);
}

static int ask_hub(struct source *source, const struct kbs_uri *uri, struct secret *ret_secret, struct err *err)
{
	if (source->kind == SOURCE_CDH)
		return cdh_get(source->cdh, uri, &source->deadline, ret_secret, err);
	return rest_get(source->rest, uri, &source->deadline, ret_secret, err);
}

/* A hub that is not there yet is asked again soon; one that failed, rarely, and not once more at the end:
 * each of its failures costs reports. */
static bool pause_for_hub(struct backoff *soon, struct backoff *rarely, const struct err *why,
			  const struct deadline *deadline)
{
	if (why->code == ERR_MISSING)
		return clock_pause(HUB_PAUSE_MS + backoff_next(rarely), deadline);
	return clock_pause_for_try(backoff_next(soon), deadline);
}

static int get_hub(struct source *source, const struct kbs_uri *uri, struct secret *ret_secret, struct err *err)
{
	struct backoff soon = BACKOFF_INIT;
	struct backoff rarely = { .base_ms = HUB_PAUSE_MS, .cap_ms = HUB_PAUSE_MOST_MS };
	struct err why = { 0 };
	for (unsigned times = 1; ask_hub(source, uri, ret_secret, &why) < 0; times++) {
		bool again = err_may_retry(&why) && pause_for_hub(&soon, &rarely, &why, &source->deadline);
		if (!again) {
			*err = why;
			return err_wrap(err, "resource '%s' (asked %u times)", uri->text, times);
		}
		log_info("resource '%s': %s; trying again", uri->text, why.message);
	}
	return 0;
}

const struct source_way source_ways[] = {
	[SOURCE_KBS] = { open_kbs, get_kbs },
	[SOURCE_AA] = { open_aa, get_kbs },
	[SOURCE_CDH] = { open_cdh, get_hub },
	[SOURCE_REST] = { open_rest, get_hub },
};
