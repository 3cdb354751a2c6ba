/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent/config: sealpod.toml as anybody may have written it. What is taken must be
 * complete.
 */
#include <stdlib.h>

#include "config/config.h"
#include "base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config config OWNED_CONFIG = { 0 };
	struct err err = { 0 };
	log_setup("fuzz", LOG_ERROR);
	if (config_parse(bytes_of(data, size), "fuzz", CONFIG_ALL, NULL, &config, &err) < 0)
		return 0;
	bool through_guest = config.source_kind == SOURCE_CDH || config.source_kind == SOURCE_REST;
	bool bundle = secret_ref_given(&config.trust_bundle) || config.trust_bundle_pem;
	bool credential =
		secret_ref_given(&config.credential_pem) ||
		(secret_ref_given(&config.credential_key) && secret_ref_given(&config.credential_certificate)) ||
		(secret_ref_given(&config.credential_issuer) && config.credential_class);
	if ((!config.kbs_url && !through_guest) || !config.trust_domain || !config.server_address || !bundle ||
	    !credential)
		abort();
	return 0;
}
