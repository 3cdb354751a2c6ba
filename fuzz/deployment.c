/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl/deployment: deployment.toml as anybody may have written it. What is taken must be
 * complete.
 */
#include <stdlib.h>

#include "base/log.h"
#include "ctl/deployment.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct deployment deployment CLEANUP(deployment_done) = { 0 };
	struct err err = { 0 };
	log_setup("fuzz", LOG_ERROR);
	if (deployment_parse(bytes_of(data, size), "fuzz", &deployment, &err) < 0)
		return 0;
	if (!deployment.name || !deployment.trust_domain || deployment.tees.count == 0 || !deployment.kbs_url ||
	    deployment.class_count == 0)
		abort();
	for (size_t i = 0; i < deployment.class_count; i++)
		if (!deployment.classes[i].name || deployment.classes[i].workload_count == 0)
			abort();
	return 0;
}
