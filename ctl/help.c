/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `sealpodctl help` and `sealpodctl version`: printed from the tables that the program itself
 * works by.
 */
#include <stdio.h>
#include <string.h>

#include "ctl/cli.h"

static int print_exit_codes(void)
{
	(void)printf("status  name           retry  meaning\n%-7d %-14s %-6s %s\n", 0, "-", "-", "done");
	const struct err_info *row;
	for (size_t i = 0; (row = err_row(i)) != NULL; i++)
		(void)printf("%-7d %-14s %-6s %s\n", row->exit_status, row->name, row->retry ? "yes" : "no", row->text);
	return 0;
}

static int print_help(void)
{
	(void)printf("usage: sealpodctl VERB ...\n\n"
		     "The operator's side of sealpod: looks at evidence.\n\n");
	for (size_t i = 0; i < cli_verb_count; i++) {
		const struct cli_verb *verb = &cli_verbs[i];
		(void)printf("  sealpodctl %s%s%s%s%s\n      %s\n", verb->words[0], verb->words[1] ? " " : "",
			     verb->words[1] ? verb->words[1] : "", *verb->synopsis ? " " : "", verb->synopsis,
			     verb->text);
	}
	(void)printf("\noptions:\n");
	cli_print_options();
	(void)printf("\nSee sealpodctl(1).\n");
	return 0;
}

int verb_help(const struct cli_options *options, struct err *err)
{
	if (!options->operand)
		return print_help();
	if (strcmp(options->operand, "exit-codes") == 0)
		return print_exit_codes();
	return err_set(err, ERR_USAGE, "no help on '%s'; there is 'sealpodctl help exit-codes'", options->operand);
}

int verb_version(const struct cli_options *options, struct err *err)
{
	(void)options;
	(void)err;
	(void)printf("sealpodctl " SEALPOD_VERSION "\n");
	return 0;
}
