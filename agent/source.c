/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The KBS session as the configuration wants it. Lives in the worker (or in
 * `sealpod get`), never in the process that becomes the agent.
 */
#include "agent/source.h"

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

static int collect(const struct digest *runtime, struct json **ret_evidence, void *arg, struct err *err)
{
	struct source *source = arg;
	struct attester_evidence evidence OWNED_EVIDENCE = ATTESTER_EVIDENCE_INIT;
	struct attester_request request = {
		.report_data = digest_bytes(runtime),
		.instance = source->order->instance,
		.deadline = source->options.deadline,
	};
	log_info("attesting as TEE '%s' to the KBS at '%s'", source->attester->tee, source->options.url);
	if (attester_collect(source->attester, &request, &evidence, err) < 0)
		return -1;
	*ret_evidence = TAKE_PTR(evidence.json);
	return 0;
}

struct deadline source_deadline(const struct config *config, const struct order *order)
{
	int64_t ms = order->options->deadline_ms ? order->options->deadline_ms : config->deadline_ms;
	return (struct deadline){ .at_ms = order->started_ms + ms };
}

int source_open(const struct config *config, const struct order *order, struct deadline deadline,
		struct source *ret_source, struct err *err)
{
	ret_source->order = order;
	if (attester_detect(order->instance, order->options->tee, &ret_source->attester, err) < 0)
		return -1;
	if (ret_source->attester->warning)
		log_warning("%s", ret_source->attester->warning);
	ret_source->options = (struct kbs_options){
		.url = config->kbs_url,
		.ca_pem = bytes_of_text(config->kbs_ca ? config->kbs_ca : ""),
		.tee_key = config->kbs_tee_key,
		.evidence = { .tee = ret_source->attester->tee, .collect = collect, .arg = ret_source },
		.deadline = deadline,
	};
	if (config->kbs_allow_http && !config->kbs_ca)
		log_warning("the KBS is asked over plain http: nothing proves that it is yours");
	return kbs_open(&ret_source->options, &ret_source->kbs, err);
}

void source_close(struct source *source)
{
	if (!source)
		return;
	kbs_close(source->kbs);
	source->kbs = NULL;
}

int source_get(struct source *source, const struct kbs_uri *uri, struct secret *ret_secret, struct err *err)
{
	return kbs_get(source->kbs, uri, ret_secret, err);
}
