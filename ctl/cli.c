/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line of sealpodctl. An operator or a pipeline writes it; each mistake is an
 * error with advice, nothing is guessed.
 */
#include "ctl/cli.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "ctl/verbs.h"

const struct cli_verb *const cli_verbs[] = {
	&verb_new,
	&verb_build,
	&verb_plan,
	&verb_apply,
	&verb_keygen,
	&verb_issue_root,
	&verb_issue_issuer,
	&verb_issue_leaf,
	&verb_initdata_build,
	&verb_initdata_show,
	&verb_initdata_lint,
	&verb_initdata_digest,
	&verb_initdata_annotate,
	&verb_initdata_convert,
	&verb_measure,
	&verb_evidence_show,
	&verb_kbs_get,
	&verb_kbs_put,
	&verb_kbs_delete,
	&verb_kbs_list,
	&verb_kbs_resource_policy,
	&verb_kbs_attestation_policy,
	&verb_kbs_reference_values,
	&verb_kbs_generate,
	&verb_entries_list,
	&verb_entries_print,
	&verb_entries_plan,
	&verb_entries_apply,
	&verb_spire_config,
	&verb_rotate_issuer,
	&verb_rotate_root,
	&verb_rotate_init_data,
	&verb_rotate_admin_key,
	&verb_completion,
	&verb_version,
	&verb_help,
	NULL,
};

struct cli_name cli_verb_name(const struct cli_verb *verb)
{
	struct cli_name name;
	(void)snprintf(name.text, sizeof(name.text), "%s%s%s", verb->words[0], verb->words[1] ? " " : "",
		       verb->words[1] ? verb->words[1] : "");
	return name;
}

static const char *without_dashes(const char *word)
{
	if (strcmp(word, "--version") == 0)
		return "version";
	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
		return "help";
	return word;
}

static bool begins_with(const struct cli_verb *verb, int argc, char **argv)
{
	if (strcmp(verb->words[0], without_dashes(argv[0])) != 0)
		return false;
	return !verb->words[1] || (argc > 1 && strcmp(verb->words[1], argv[1]) == 0);
}

static int no_verb(int argc, char **argv, struct err *err)
{
	for (size_t i = 0; cli_verbs[i]; i++) {
		if (!cli_verbs[i]->words[1] || strcmp(cli_verbs[i]->words[0], argv[0]) != 0)
			continue;
		if (argc == 1)
			return err_set(err, ERR_USAGE, "'%s' wants one more word, '%s' for one; see 'sealpodctl help'",
				       argv[0], cli_verbs[i]->words[1]);
		return err_set(err, ERR_USAGE, "no verb '%s %s'; see 'sealpodctl help'", argv[0], argv[1]);
	}
	return err_set(err, ERR_USAGE, "no verb '%s'; see 'sealpodctl help'", argv[0]);
}

int cli_find_verb(int argc, char **argv, const struct cli_verb **ret_verb, int *ret_words, struct err *err)
{
	if (argc < 1)
		return err_set(err, ERR_USAGE, "no verb; see 'sealpodctl help'");
	for (size_t i = 0; cli_verbs[i]; i++) {
		if (!begins_with(cli_verbs[i], argc, argv))
			continue;
		*ret_verb = cli_verbs[i];
		*ret_words = cli_verbs[i]->words[1] ? 2 : 1;
		return 0;
	}
	return no_verb(argc, argv, err);
}

static const struct cli_option *option_of(const struct cli_verb *verb, const char *name, size_t len)
{
	for (const struct cli_option *option = verb->options; option && option->name; option++)
		if (strlen(option->name) == len && strncmp(option->name, name, len) == 0)
			return option;
	return NULL;
}

static int keep(const struct cli_option *option, const char *value, struct cli_args *args, struct err *err)
{
	if (!option->repeats && cli_given(args, option->name))
		return err_set(err, ERR_USAGE, "option '%s' is given twice", option->name);
	if (args->given_count == CLI_GIVEN_MAX)
		return err_set(err, ERR_USAGE, "more than %d options", CLI_GIVEN_MAX);
	args->given[args->given_count].option = option;
	args->given[args->given_count].value = value;
	args->given_count++;
	return 0;
}

/* "--name", "--name value" and "--name=value" */
static int take_option(int argc, char **argv, int *at, struct cli_args *args, struct err *err)
{
	const char *arg = argv[*at];
	const char *equals = strchr(arg, '=');
	const char *value = equals ? equals + 1 : NULL;
	const struct cli_option *option = option_of(args->verb, arg, equals ? (size_t)(equals - arg) : strlen(arg));
	if (!option)
		return err_set(err, ERR_USAGE, "'%s' knows no option '%s'; see 'sealpodctl %s --help'",
			       cli_verb_name(args->verb).text, arg, cli_verb_name(args->verb).text);
	if (!option->value && value)
		return err_set(err, ERR_USAGE, "option '%s' takes no value", option->name);
	if (option->value && !value && ++*at < argc)
		value = argv[*at];
	if (option->value && (!value || !*value))
		return err_set(err, ERR_USAGE, "option '%s' wants a %s", option->name, option->value);
	return keep(option, value, args, err);
}

static int take_operand(const char *arg, struct cli_args *args, struct err *err)
{
	assert(args->verb->max_operands <= CLI_OPERANDS_MAX);
	if (args->operand_count == args->verb->max_operands)
		return err_set(err, ERR_USAGE, "'%s' takes no argument '%s'; see 'sealpodctl help'",
			       cli_verb_name(args->verb).text, arg);
	args->operands[args->operand_count++] = arg;
	return 0;
}

int cli_parse(const struct cli_verb *verb, int argc, char **argv, struct cli_args *ret_args, struct err *err)
{
	struct cli_args args = { .verb = verb };
	bool only_operands = false;
	for (int i = 0; i < argc; i++) {
		bool is_option = !only_operands && argv[i][0] == '-' && argv[i][1] != 0;
		if (is_option && strcmp(argv[i], "--") == 0)
			only_operands = true;
		else if (is_option ? take_option(argc, argv, &i, &args, err) < 0
				   : take_operand(argv[i], &args, err) < 0)
			return -1;
	}
	if (args.operand_count < verb->min_operands)
		return err_set(err, ERR_USAGE, "'%s' wants %s; see 'sealpodctl help'", cli_verb_name(verb).text,
			       verb->operands);
	*ret_args = args;
	return 0;
}

const char *cli_value_at(const struct cli_args *args, const char *name, size_t i)
{
	assert(option_of(args->verb, name, strlen(name)));
	for (size_t k = 0; k < args->given_count; k++)
		if (strcmp(args->given[k].option->name, name) == 0 && i-- == 0)
			return args->given[k].value;
	return NULL;
}

bool cli_given(const struct cli_args *args, const char *name)
{
	assert(option_of(args->verb, name, strlen(name)));
	for (size_t i = 0; i < args->given_count; i++)
		if (strcmp(args->given[i].option->name, name) == 0)
			return true;
	return false;
}

const char *cli_value(const struct cli_args *args, const char *name, const char *fallback)
{
	const char *value = cli_value_at(args, name, 0);
	return value ? value : fallback;
}

const char *cli_operand(const struct cli_args *args, size_t i)
{
	return i < args->operand_count ? args->operands[i] : NULL;
}
