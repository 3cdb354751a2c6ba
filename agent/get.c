/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `sealpod get URI`: one KBS resource on standard output. For people and init
 * scripts; the output is a secret, and where it goes is the caller's choice. Must
 * write nothing unless the whole resource is there.
 */
#include <unistd.h>

#include "agent/cli.h"
#include "agent/overseer.h"
#include "agent/startup.h"
#include "base/file.h"

static int fetch(const struct startup *startup, const struct order *order, const struct secret_ref *ref,
		 struct err *err)
{
	struct source source OWNED_SOURCE = SOURCE_INIT;
	struct secret resource OWNED_SECRET = SECRET_INIT;
	if (startup_open_source(startup, order, &source, err) < 0 || source_get(&source, ref, &resource, err) < 0)
		return -1;
	if (file_write_fd(STDOUT_FILENO, secret_bytes(&resource), err) < 0)
		return err_wrap(err, "standard output");
	return 0;
}

static int work(int fd, void *arg, struct err *err)
{
	const struct order *order = arg;
	struct startup startup OWNED_STARTUP = { .initdata = NULL };
	struct secret_ref ref;
	if (secret_ref_parse(bytes_of_text(order->options->operand), &ref, err) < 0 || source_setup(err) < 0 ||
	    startup_read(order, CONFIG_KBS, &startup, err) < 0)
		return -1;
	struct handoff_plan plan = { .deadline = startup.deadline };
	if (handoff_send_plan(fd, &plan, err) < 0 || handoff_await_go(fd, err) < 0 ||
	    fetch(&startup, order, &ref, err) < 0)
		return -1;
	return handoff_send_done(fd, err);
}

int verb_get(const struct cli_options *options, struct err *err)
{
	return overseer_run(options, work, err);
}
