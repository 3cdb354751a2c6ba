/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `sealpod get URI`: one KBS resource on standard output. For people and init
 * scripts; the output is a secret, and where it goes is the caller's choice. Must
 * write nothing unless the whole resource is there.
 */
#include <unistd.h>

#include "agent/cli.h"
#include "agent/overseer.h"
#include "agent/source.h"
#include "base/file.h"
#include "base/log.h"

static int fetch(const struct config *config, const struct order *order, struct deadline deadline,
		 const struct kbs_uri *uri, struct err *err)
{
	struct source source OWNED_SOURCE = { 0 };
	struct secret resource OWNED_SECRET = SECRET_INIT;
	if (source_open(config, order, deadline, &source, err) < 0 || source_get(&source, uri, &resource, err) < 0)
		return -1;
	if (file_write_fd(STDOUT_FILENO, secret_bytes(&resource), err) < 0)
		return err_wrap(err, "standard output");
	return 0;
}

static int work(int fd, void *arg, struct err *err)
{
	const struct order *order = arg;
	const char *path = order->options->unmeasured_config;
	struct config config OWNED_CONFIG = { 0 };
	struct kbs_uri uri;
	if (kbs_uri_parse(bytes_of_text(order->options->operand), &uri, err) < 0 || source_setup(err) < 0 ||
	    config_read(path, CONFIG_KBS, &config, err) < 0)
		return -1;
	log_warning("the configuration '%s' is not measured: whoever can write it decides which KBS is asked", path);
	struct handoff_plan plan = { .deadline = source_deadline(&config, order) };
	if (handoff_send_plan(fd, &plan, err) < 0 || handoff_await_go(fd, err) < 0 ||
	    fetch(&config, order, plan.deadline, &uri, err) < 0)
		return -1;
	return handoff_send_done(fd, err);
}

int verb_get(const struct cli_options *options, struct err *err)
{
	return overseer_run(options, work, err);
}
