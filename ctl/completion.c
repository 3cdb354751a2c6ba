/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `sealpodctl completion SHELL`: completion of verbs and options, out of the program's own tables.
 */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "ctl/verbs.h"

static void print_options(const struct cli_verb *verb, const char *separator)
{
	for (const struct cli_option *option = verb->options; option && option->name; option++)
		(void)printf("%s%s", option == verb->options ? "" : separator, option->name);
}

/* Is it the first verb with this first word? */
static bool is_first(size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (strcmp(cli_verbs[k]->words[0], cli_verbs[i]->words[0]) == 0)
			return false;
	return true;
}

static void print_first_words(void)
{
	for (size_t i = 0; cli_verbs[i]; i++)
		if (is_first(i))
			(void)printf("%s%s", i ? " " : "", cli_verbs[i]->words[0]);
}

static void print_second_words(const char *first)
{
	const char *separator = "";
	for (size_t i = 0; cli_verbs[i]; i++) {
		if (strcmp(cli_verbs[i]->words[0], first) != 0 || !cli_verbs[i]->words[1])
			continue;
		(void)printf("%s%s", separator, cli_verbs[i]->words[1]);
		separator = " ";
	}
}

/* Behind an option its values, or, with no words, what the shell itself completes: files. */
static void print_bash_values(const struct cli_verb *verb)
{
	(void)printf("\t\t\tcase \"$prev\" in\n");
	for (const struct cli_option *option = verb->options; option && option->name; option++)
		if (option->value)
			(void)printf("\t\t\t\t%s) words='%s' ;;\n", option->name, option->values ? option->values : "");
	/* Operands come where no option has been begun. */
	if (verb->operands)
		(void)printf("\t\t\t\t*) [[ $word == -* ]] || words='%s' ;;\n",
			     verb->operand_values ? verb->operand_values : "");
	(void)printf("\t\t\tesac\n");
}

static void print_bash_verb(const struct cli_verb *verb)
{
	(void)printf("\t\t'%s '*)\n\t\t\twords='", cli_verb_name(verb).text);
	print_options(verb, " ");
	(void)printf(" --help'\n");
	if (verb->options || verb->operands)
		print_bash_values(verb);
	(void)printf("\t\t\t;;\n");
}

/* bash and zsh alike: the words so far decide what may follow. */
static void print_bash_cases(void)
{
	for (size_t i = 0; cli_verbs[i]; i++) {
		if (cli_verbs[i]->words[1] && is_first(i)) {
			(void)printf("\t\t'%s ') words='", cli_verbs[i]->words[0]);
			print_second_words(cli_verbs[i]->words[0]);
			(void)printf("' ;;\n");
		}
		print_bash_verb(cli_verbs[i]);
	}
}

static void print_bash(void)
{
	(void)printf("# completion of sealpodctl for bash\n"
		     "_sealpodctl()\n{\n"
		     "\tlocal line words='' word=\"${COMP_WORDS[COMP_CWORD]}\" prev=\"${COMP_WORDS[COMP_CWORD-1]}\"\n"
		     /* bash takes the '=' of --name=value for a word */
		     "\t[[ $word == = ]] && { word=''; prev==; COMP_WORDS+=(''); ((COMP_CWORD++)); }\n"
		     "\t[[ $prev == = ]] && prev=\"${COMP_WORDS[COMP_CWORD-2]}\"\n"
		     "\tline=\"${COMP_WORDS[*]:1:COMP_CWORD-1} \"\n"
		     "\tcase \"$line\" in\n\t\t' ') words='");
	print_first_words();
	(void)printf("' ;;\n");
	print_bash_cases();
	(void)printf("\tesac\n"
		     "\tCOMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
		     "}\ncomplete -o default -F _sealpodctl sealpodctl\n");
}

static void print_zsh(void)
{
	(void)printf("#compdef sealpodctl\n# completion of sealpodctl for zsh, by way of bash's\n"
		     "autoload -U +X bashcompinit && bashcompinit\n");
	print_bash();
}

static void print_fish_verb(const struct cli_verb *verb)
{
	const char *word = verb->words[1] ? verb->words[1] : verb->words[0];
	for (const struct cli_option *option = verb->options; option && option->name; option++) {
		(void)printf("complete -c sealpodctl -n '__fish_seen_subcommand_from %s' -l %s", word,
			     option->name + 2);
		if (option->values)
			(void)printf(" -x -a '%s'", option->values);
		(void)printf("%s\n", option->value && !option->values ? " -r" : "");
	}
	if (verb->operand_values)
		(void)printf("complete -c sealpodctl -n '__fish_seen_subcommand_from %s' -f -a '%s'\n", word,
			     verb->operand_values);
}

static void print_fish(void)
{
	(void)printf("# completion of sealpodctl for fish\n");
	for (size_t i = 0; cli_verbs[i]; i++) {
		const struct cli_verb *verb = cli_verbs[i];
		if (is_first(i))
			(void)printf("complete -c sealpodctl -n __fish_use_subcommand -a %s -d '%s'\n", verb->words[0],
				     verb->words[1] ? "" : verb->text);
		if (verb->words[1])
			(void)printf("complete -c sealpodctl -n '__fish_seen_subcommand_from %s' -a %s -d '%s'\n",
				     verb->words[0], verb->words[1], verb->text);
		print_fish_verb(verb);
	}
}

static int run_completion(const struct cli_args *args, struct err *err)
{
	static const struct {
		const char *name;
		void (*print)(void);
	} shells[] = { { "bash", print_bash }, { "zsh", print_zsh }, { "fish", print_fish } };
	for (size_t i = 0; i < ARRAY_LEN(shells); i++) {
		if (strcmp(shells[i].name, cli_operand(args, 0)) != 0)
			continue;
		shells[i].print();
		return 0;
	}
	return err_set(err, ERR_USAGE, "'%s' is none of 'bash', 'zsh', 'fish'", cli_operand(args, 0));
}

const struct cli_verb verb_completion = {
	.words = { "completion" },
	.operands = "bash|zsh|fish",
	.operand_values = "bash zsh fish",
	.min_operands = 1,
	.max_operands = 1,
	.text = "print a shell's completion of this program",
	.run = run_completion,
};
