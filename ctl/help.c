/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `sealpodctl help`, `sealpodctl VERB --help` and `sealpodctl version`: printed from the tables that
 * the program itself works by.
 */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/sheet.h"
#include "ctl/verbs.h"

static int print_exit_codes(void)
{
	(void)printf("status  name           retry  meaning\n%-7d %-14s %-6s %s\n", 0, "-", "-", "done");
	const struct err_info *row;
	for (size_t i = 0; (row = err_row(i)) != NULL; i++)
		(void)printf("%-7d %-14s %-6s %s\n", row->exit_status, row->name, row->retry ? "yes" : "no", row->text);
	return 0;
}

static void print_synopsis(const struct cli_verb *verb)
{
	(void)printf("sealpodctl %s%s%s%s\n", cli_verb_name(verb).text, verb->options ? " [options]" : "",
		     verb->operands ? " " : "", verb->operands ? verb->operands : "");
}

static int print_help(void)
{
	(void)printf("usage: sealpodctl VERB ...\n\nThe operator's side of sealpod.\n\n");
	for (size_t i = 0; cli_verbs[i]; i++) {
		(void)printf("  ");
		print_synopsis(cli_verbs[i]);
		(void)printf("      %s\n", cli_verbs[i]->text);
	}
	(void)printf("\n'sealpodctl VERB --help' lists the options of a verb. See sealpodctl(1).\n");
	return 0;
}

static void print_verb(const struct cli_verb *verb)
{
	(void)printf("usage: ");
	print_synopsis(verb);
	(void)printf("\n%s\n", verb->text);
	if (verb->options)
		(void)printf("\noptions:\n");
	for (const struct cli_option *option = verb->options; option && option->name; option++)
		(void)printf("  %s%s%s%s\n      %s\n", option->name, option->value ? " " : "",
			     option->value ? option->value : "", option->repeats ? " ..." : "", option->text);
}

int help_on_words(const char *first, const char *second, struct err *err)
{
	size_t found = 0;
	for (size_t i = 0; cli_verbs[i]; i++) {
		const char *const *words = cli_verbs[i]->words;
		if (strcmp(words[0], first) != 0 || (second && (!words[1] || strcmp(words[1], second) != 0)))
			continue;
		if (found++)
			(void)printf("\n");
		print_verb(cli_verbs[i]);
	}
	if (found)
		return 0;
	return err_set(err, ERR_USAGE, "no help on '%s%s%s'; there is 'sealpodctl help exit-codes'", first,
		       second ? " " : "", second ? second : "");
}

static int run_help(const struct cli_args *args, struct err *err)
{
	if (args->operand_count == 0)
		return print_help();
	if (args->operand_count == 1 && strcmp(cli_operand(args, 0), "exit-codes") == 0)
		return print_exit_codes();
	return help_on_words(cli_operand(args, 0), cli_operand(args, 1), err);
}

static int run_version(const struct cli_args *args, struct err *err)
{
	struct sheet sheet CLEANUP(sheet_done) = { 0 };
	if (!cli_given(args, "--json")) {
		(void)printf("sealpodctl " SEALPOD_VERSION "\n");
		return 0;
	}
	sheet_start(&sheet, true);
	sheet_text(&sheet, "name", NULL, "sealpodctl");
	sheet_text(&sheet, "version", NULL, SEALPOD_VERSION);
	return sheet_print(&sheet, err);
}

static const struct cli_option version_options[] = {
	{ .name = "--json", .text = "print one JSON object" },
	{ .name = NULL },
};

const struct cli_verb verb_version = {
	.words = { "version" },
	.text = "print the version",
	.options = version_options,
	.run = run_version,
};

const struct cli_verb verb_help = {
	.words = { "help" },
	.operands = "[VERB|exit-codes]",
	.max_operands = 2,
	.text = "print help, or the table of exit statuses",
	.run = run_help,
};
