/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `sealpod get URI`: one KBS resource on standard output. For people and init
 * scripts; the output is a secret, and where it goes is the caller's choice. Must
 * write nothing unless the whole resource is there.
 */
#include <unistd.h>

#include "agent/cli.h"
#include "agent/source.h"
#include "base/file.h"
#include "base/log.h"

int verb_get(const struct cli_options *options, struct err *err)
{
	struct config config OWNED_CONFIG = { 0 };
	struct source source OWNED_SOURCE = { 0 };
	struct secret resource OWNED_SECRET = SECRET_INIT;
	struct kbs_uri uri;
	if (kbs_uri_parse(bytes_of_text(options->operand), &uri, err) < 0 || source_setup(err) < 0 ||
	    config_read(options->unmeasured_config, CONFIG_KBS, &config, err) < 0)
		return -1;
	log_warning("the configuration '%s' is not measured: whoever can write it decides which KBS is asked",
		    options->unmeasured_config);
	int64_t ms = options->deadline_ms ? options->deadline_ms : config.deadline_ms;
	if (source_open(&config, deadline_in(ms), &source, err) < 0 ||
	    source_get(&source, &uri, &resource, err) < 0)
		return -1;
	if (file_write_fd(STDOUT_FILENO, secret_bytes(&resource), err) < 0)
		return err_wrap(err, "standard output");
	return 0;
}
