/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sealpodctl: the operator's program. main() finds the verb and prints the one error there
 * may be. It runs on a machine that its user trusts; what it reads is another matter.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/secret.h"
#include "base/wipe.h"
#include "ctl/progress.h"
#include "ctl/verbs.h"

static bool asks_for_help(const char *word)
{
	return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static int run_verb(int argc, char **argv, struct err *err)
{
	const struct cli_verb *verb;
	struct cli_args args;
	int words;
	if (argc == 3 && asks_for_help(argv[2]))
		return help_on_words(argv[1], NULL, err);
	if (cli_find_verb(argc - 1, argv + 1, &verb, &words, err) < 0)
		return -1;
	if (argc > words + 1 && asks_for_help(argv[argc - 1]))
		return help_on_words(verb->words[0], verb->words[1], err);
	if (cli_parse(verb, argc - 1 - words, argv + 1 + words, &args, err) < 0)
		return -1;
	progress_start();
	int status = verb->run(&args, err);
	progress_stop();
	return status;
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
	int status = secret_setup(&err) < 0 ? -1 : run_verb(argc > 0 ? argc : 1, argv, &err);
	if (status < 0)
		return fail(&err);
	if (fflush(stdout) != 0 || ferror(stdout)) { /* musl's fflush() forgets an earlier failure */
		(void)err_set(&err, ERR_SYSTEM, "cannot write to standard output");
		return fail(&err);
	}
	return status;
}
