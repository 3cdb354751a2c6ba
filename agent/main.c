/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sealpod: the guest program. main() hardens the process, finds the verb, and
 * prints the one error there may be.
 *
 * Command line, environment and descriptors may come from the host. Nothing is
 * looked at before harden_process().
 */
#include <stdio.h>

#include "agent/cli.h"
#include "agent/harden.h"
#include "base/log.h"

static int fail(const struct err *err)
{
	log_error("%s", err->message);
	return err_exit_status(err);
}

static int run_verb(int argc, char **argv, struct err *err)
{
	struct cli_options options;
	if (argc < 2)
		return err_set(err, ERR_USAGE, "no verb; see 'sealpod help'");
	const struct cli_verb *verb = cli_find_verb(argv[1]);
	if (!verb)
		return err_set(err, ERR_USAGE, "no verb '%s'; see 'sealpod help'", argv[1]);
	if (cli_parse(verb, argc - 1, argv + 1, &options, err) < 0)
		return -1;
	log_setup("sealpod", options.verbose ? LOG_DEBUG : LOG_INFO);
	return verb->run(&options, err);
}

int main(int argc, char **argv)
{
	struct err err = { 0 };
	if (harden_process(&err) < 0 || run_verb(argc, argv, &err) < 0)
		return fail(&err);
	if (fflush(stdout) != 0) {
		(void)err_set(&err, ERR_SYSTEM, "cannot write to standard output");
		return fail(&err);
	}
	return 0;
}
