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
	source->attestations++;
	log_info("attesting as TEE '%s' to the KBS at '%s'", source->attester->tee, source->options.url);
	if (source->attester->collect(runtime, ret_evidence, err) < 0)
		return err_wrap(err, "evidence of TEE '%s'", source->attester->tee);
	return 0;
}

int source_open(const struct config *config, struct deadline deadline, struct source *ret_source, struct err *err)
{
	if (attester_detect(&ret_source->attester, err) < 0)
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
