/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line of sealpodctl: each verb (of one or two words) brings a table of its options
 * and says how many operands it takes; what was given is asked for by name. Help, completion and
 * the manual page's check come from the same tables.
 */
#ifndef SEALPOD_CTL_CLI_H
#define SEALPOD_CTL_CLI_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define CLI_GIVEN_MAX 64
#define CLI_OPERANDS_MAX 64

/* Exit status of a verb that compares and found a difference, which is no error. */
#define CLI_DIFFERS 2

/* The kinds of TEE, as a row's `values`. */
#define CLI_TEES "snp tdx az-snp-vtpm az-tdx-vtpm"

struct cli_option {
	const char *name;  /* with its dashes */
	const char *value; /* what it takes, NULL for nothing */
	const char *text;
	bool repeats;	    /* may be given several times */
	const char *values; /* those that it may be, blanks between them, for completion; NULL for others */
};

/* What was given; all text is argv's. */
struct cli_args {
	const struct cli_verb *verb;
	struct {
		const struct cli_option *option;
		const char *value;
	} given[CLI_GIVEN_MAX];
	size_t given_count;
	const char *operands[CLI_OPERANDS_MAX];
	size_t operand_count;
};

struct cli_verb {
	const char *words[2]; /* the second is NULL for a verb of one word */
	const char *operands; /* as the synopsis shows them, "FILE" or "[NAME...]"; NULL for none */
	size_t min_operands, max_operands;
	const char *text;		  /* one line of help */
	const struct cli_option *options; /* ends with a row whose name is NULL; NULL for none */
	const char *operand_values;	  /* as an option's */
	/* 0, or CLI_DIFFERS where the answer is that; -1 with err filled */
	int (*run)(const struct cli_args *args, struct err *err);
};

/* All verbs, in the order in which help shows them; ends with NULL. */
extern const struct cli_verb *const cli_verbs[];

/* The verb that argv begins with (argv[0] is its first word), and how many words it took. ERR_USAGE
 * with advice. */
int cli_find_verb(int argc, char **argv, const struct cli_verb **ret_verb, int *ret_words, struct err *err) WARN_UNUSED;

/* The arguments behind the verb. ERR_USAGE with advice. */
int cli_parse(const struct cli_verb *verb, int argc, char **argv, struct cli_args *ret_args,
	      struct err *err) WARN_UNUSED;

/* `name` must be an option of the verb. Was it given? */
bool cli_given(const struct cli_args *args, const char *name);

/* Its value, `fallback` where it was not given. */
const char *cli_value(const struct cli_args *args, const char *name, const char *fallback);

/* The i-th value of an option that repeats, NULL past the last. */
const char *cli_value_at(const struct cli_args *args, const char *name, size_t i);

/* The i-th operand, NULL past the last. */
const char *cli_operand(const struct cli_args *args, size_t i);

/* "kbs put" */
struct cli_name {
	char text[64];
};
struct cli_name cli_verb_name(const struct cli_verb *verb);

#endif
