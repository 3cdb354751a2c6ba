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
#include "agent/report_out.h"
#include "base/log.h"

/* What to run: kept beyond it, for the report on its end. */
struct command {
	const struct cli_verb *verb;
	struct cli_options options;
};

static int fail(const struct command *command, const struct err *err)
{
	log_error("%s", err->message);
	report_finish(command->verb, &command->options, err);
	return err_exit_status(err);
}

static int run_verb(int argc, char **argv, struct command *command, struct err *err)
{
	if (argc < 2)
		return err_set(err, ERR_USAGE, "no verb; see 'sealpod help'");
	const struct cli_verb *verb = cli_find_verb(argv[1]);
	if (!verb)
		return err_set(err, ERR_USAGE, "no verb '%s'; see 'sealpod help'", argv[1]);
	command->verb = verb;
	if (cli_parse(verb, argc - 1, argv + 1, &command->options, err) < 0)
		return -1;
	if (command->options.help) {
		help_print_verb(verb);
		return 0;
	}
	log_setup("sealpod", command->options.verbose ? LOG_DEBUG : LOG_INFO);
	return verb->run(&command->options, err);
}

int main(int argc, char **argv)
{
	struct err err = { 0 };
	struct command command = { .verb = NULL };
	if (harden_process(&err) < 0 || run_verb(argc, argv, &command, &err) < 0)
		return fail(&command, &err);
	if (fflush(stdout) != 0 || ferror(stdout)) { /* musl's fflush() forgets an earlier failure */
		(void)err_set(&err, ERR_SYSTEM, "cannot write to standard output");
		return fail(&command, &err);
	}
	report_finish(command.verb, &command.options, NULL);
	return 0;
}
