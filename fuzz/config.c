/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent/config: sealpod.toml as anybody may have written it. What is taken must be
 * complete.
 */
#include <stdlib.h>

#include "agent/config.h"
#include "base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config config OWNED_CONFIG = { 0 };
	struct err err = { 0 };
	log_setup("fuzz", LOG_ERROR);
	if (config_parse(bytes_of(data, size), "fuzz", CONFIG_ALL, &config, &err) < 0)
		return 0;
	bool bundle = config.trust_bundle.path[0] || config.trust_bundle_pem;
	bool credential = config.credential_pem.path[0] || (config.credential_key.path[0] && config.credential_certificate.path[0]);
	if (!config.kbs_url || !config.trust_domain || !config.server_address || !bundle || !credential)
		abort();
	return 0;
}
