/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line of sealpodctl. An operator or a pipeline writes it; each mistake is an
 * error with advice, nothing is guessed.
 */
#include "ctl/cli.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

const struct cli_verb cli_verbs[] = {
	{ { "evidence", "show" },
	  "[--json] FILE",
	  "print what stands in a report, quote, certificate table, event log or evidence",
	  CLI_JSON,
	  "FILE",
	  false,
	  verb_evidence_show },
	{ { "version", NULL }, "", "print the version", 0, NULL, false, verb_version },
	{ { "help", NULL }, "[exit-codes]", "print help, or the table of exit statuses", 0, "TOPIC", true, verb_help },
};

const size_t cli_verb_count = ARRAY_LEN(cli_verbs);

static int take_json(struct cli_options *options, const char *value, struct err *err)
{
	(void)value;
	(void)err;
	options->json = true;
	return 0;
}

static const struct option {
	const char *name;
	unsigned bit;
	const char *value; /* what it takes, NULL for nothing */
	int (*take)(struct cli_options *options, const char *value, struct err *err);
	const char *text;
} options_table[] = {
	{ "--json", CLI_JSON, NULL, take_json, "print one JSON object, with every field whole" },
};

struct verb_name {
	char text[64];
};

static struct verb_name name_of(const struct cli_verb *verb)
{
	struct verb_name name;
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
	for (size_t i = 0; i < cli_verb_count; i++) {
		if (!cli_verbs[i].words[1] || strcmp(cli_verbs[i].words[0], argv[0]) != 0)
			continue;
		if (argc == 1)
			return err_set(err, ERR_USAGE, "'%s' wants one more word, '%s' for one; see 'sealpodctl help'",
				       argv[0], cli_verbs[i].words[1]);
		return err_set(err, ERR_USAGE, "no verb '%s %s'; see 'sealpodctl help'", argv[0], argv[1]);
	}
	return err_set(err, ERR_USAGE, "no verb '%s'; see 'sealpodctl help'", argv[0]);
}

int cli_find_verb(int argc, char **argv, const struct cli_verb **ret_verb, int *ret_words, struct err *err)
{
	if (argc < 1)
		return err_set(err, ERR_USAGE, "no verb; see 'sealpodctl help'");
	for (size_t i = 0; i < cli_verb_count; i++) {
		if (!begins_with(&cli_verbs[i], argc, argv))
			continue;
		*ret_verb = &cli_verbs[i];
		*ret_words = cli_verbs[i].words[1] ? 2 : 1;
		return 0;
	}
	return no_verb(argc, argv, err);
}

/* "--name" and "--name=value"; *ret_value is NULL where no '=' stands. */
static const struct option *find_option(const struct cli_verb *verb, const char *arg, const char **ret_value)
{
	const char *equals = strchr(arg, '=');
	size_t len = equals ? (size_t)(equals - arg) : strlen(arg);
	*ret_value = equals ? equals + 1 : NULL;
	for (size_t i = 0; i < ARRAY_LEN(options_table); i++)
		if ((verb->options & options_table[i].bit) && strlen(options_table[i].name) == len &&
		    strncmp(options_table[i].name, arg, len) == 0)
			return &options_table[i];
	return NULL;
}

static int take_option(const struct cli_verb *verb, int argc, char **argv, int *at, struct cli_options *options,
		       struct err *err)
{
	const char *value;
	const struct option *option = find_option(verb, argv[*at], &value);
	if (!option)
		return err_set(err, ERR_USAGE, "'%s' knows no option '%s'; see 'sealpodctl help'", name_of(verb).text,
			       argv[*at]);
	if (!option->value && value)
		return err_set(err, ERR_USAGE, "option '%s' takes no value", option->name);
	if (option->value && !value && ++*at < argc)
		value = argv[*at];
	if (option->value && (!value || !*value))
		return err_set(err, ERR_USAGE, "option '%s' wants a %s", option->name, option->value);
	if (option->take(options, value, err) < 0)
		return err_wrap(err, "option '%s'", option->name);
	return 0;
}

static int take_operand(const struct cli_verb *verb, const char *arg, struct cli_options *options, struct err *err)
{
	if (!verb->operand || options->operand)
		return err_set(err, ERR_USAGE, "'%s' takes no argument '%s'; see 'sealpodctl help'", name_of(verb).text,
			       arg);
	options->operand = arg;
	return 0;
}

int cli_parse(const struct cli_verb *verb, int argc, char **argv, struct cli_options *ret_options, struct err *err)
{
	struct cli_options options = { 0 };
	bool only_operands = false;
	for (int i = 0; i < argc; i++) {
		bool is_option = !only_operands && argv[i][0] == '-' && argv[i][1] != 0;
		if (is_option && strcmp(argv[i], "--") == 0)
			only_operands = true;
		else if (is_option ? take_option(verb, argc, argv, &i, &options, err) < 0
				   : take_operand(verb, argv[i], &options, err) < 0)
			return -1;
	}
	if (verb->operand && !verb->operand_optional && !options.operand)
		return err_set(err, ERR_USAGE, "'%s' wants a %s; see 'sealpodctl help'", name_of(verb).text,
			       verb->operand);
	*ret_options = options;
	return 0;
}

void cli_print_options(void)
{
	for (size_t i = 0; i < ARRAY_LEN(options_table); i++)
		(void)printf("  %-8s %-9s %s\n", options_table[i].name,
			     options_table[i].value ? options_table[i].value : "", options_table[i].text);
}
