/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `sealpod help` and `sealpod version`: printed from the tables that the program
 * itself works by.
 */
#include <stdio.h>
#include <string.h>

#include "agent/cli.h"

static int print_exit_codes(void)
{
	(void)printf("status  name           retry  meaning\n%-7d %-14s %-6s %s\n", 0, "-", "-",
		     "done (only without exec)");
	const struct err_info *row;
	for (size_t i = 0; (row = err_row(i)) != NULL; i++)
		(void)printf("%-7d %-14s %-6s %s\n", row->exit_status, row->name, row->retry ? "yes" : "no", row->text);
	return 0;
}

static int print_help(void)
{
	(void)printf("usage: sealpod VERB ...\n\n"
		     "Gives a workload in a confidential VM a SPIFFE identity rooted in hardware attestation.\n\n");
	for (size_t i = 0; i < cli_verb_count; i++)
		(void)printf("  sealpod %s %s\n      %s\n", cli_verbs[i].name, cli_verbs[i].synopsis,
			     cli_verbs[i].text);
	(void)printf("\noptions:\n");
	cli_print_options(NULL);
	(void)printf("\nSee sealpod(8) and sealpod.toml(5).\n");
	return 0;
}

void help_print_verb(const struct cli_verb *verb)
{
	(void)printf("usage: sealpod %s%s%s\n\n%s\n\noptions:\n", verb->name, *verb->synopsis ? " " : "",
		     verb->synopsis, verb->text);
	cli_print_options(verb);
	(void)printf("\nSee sealpod(8).\n");
}

int verb_help(const struct cli_options *options, struct err *err)
{
	if (!options->operand)
		return print_help();
	if (strcmp(options->operand, "exit-codes") == 0)
		return print_exit_codes();
	const struct cli_verb *verb = cli_find_verb(options->operand);
	if (!verb)
		return err_set(err, ERR_USAGE, "no help on '%s'; there is 'sealpod help exit-codes', and on each verb",
			       options->operand);
	help_print_verb(verb);
	return 0;
}

int verb_version(const struct cli_options *options, struct err *err)
{
	(void)options;
	(void)err;
#ifdef SEALPOD_SAMPLE_ATTESTER
	(void)printf("sealpod " SEALPOD_VERSION " (test build with the sample attester)\n");
#else
	(void)printf("sealpod " SEALPOD_VERSION "\n");
#endif
	return 0;
}
