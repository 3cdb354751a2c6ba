/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sealpodctl: the operator's program. main() finds the verb and prints the one error there
 * may be. It runs on a machine that its user trusts; what it reads is another matter.
 */
#include <stdio.h>

#include "base/log.h"
#include "base/wipe.h"
#include "ctl/cli.h"

static int run_verb(int argc, char **argv, struct err *err)
{
	const struct cli_verb *verb;
	struct cli_options options;
	int words;
	if (cli_find_verb(argc - 1, argv + 1, &verb, &words, err) < 0 ||
	    cli_parse(verb, argc - 1 - words, argv + 1 + words, &options, err) < 0)
		return -1;
	return verb->run(&options, err);
}

static int fail(const struct err *err)
{
	log_error("%s", err->message);
	return err_exit_status(err);
}

int main(int argc, char **argv)
{
	struct err err = { 0 };
	wipe_install();
	log_setup("sealpodctl", LOG_INFO);
	if (run_verb(argc > 0 ? argc : 1, argv, &err) < 0)
		return fail(&err);
	if (fflush(stdout) != 0) {
		(void)err_set(&err, ERR_SYSTEM, "cannot write to standard output");
		return fail(&err);
	}
	return 0;
}
