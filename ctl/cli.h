/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line of sealpodctl: verbs of one or two words as a table, options as a table.
 */
#ifndef SEALPOD_CTL_CLI_H
#define SEALPOD_CTL_CLI_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* Which options a verb knows. */
enum { CLI_JSON = 1 };

struct cli_options {
	bool json;
	const char *operand; /* the verb's one argument, NULL if none is given */
};

struct cli_verb {
	const char *words[2]; /* the second is NULL for a verb of one word */
	const char *synopsis; /* what follows them */
	const char *text;     /* one line of help */
	unsigned options;     /* of the bits above */
	const char *operand;  /* name of its argument, NULL for none */
	bool operand_optional;
	int (*run)(const struct cli_options *options, struct err *err);
};

extern const struct cli_verb cli_verbs[];
extern const size_t cli_verb_count;

/* The verb that argv begins with (argv[0] is its first word), and how many words it took. ERR_USAGE
 * with advice. */
int cli_find_verb(int argc, char **argv, const struct cli_verb **ret_verb, int *ret_words, struct err *err) WARN_UNUSED;

/* The arguments behind the verb. ERR_USAGE with advice. */
int cli_parse(const struct cli_verb *verb, int argc, char **argv, struct cli_options *ret_options,
	      struct err *err) WARN_UNUSED;

/* Prints the options as help does. */
void cli_print_options(void);

int verb_evidence_show(const struct cli_options *options, struct err *err) WARN_UNUSED;
int verb_version(const struct cli_options *options, struct err *err) WARN_UNUSED;
int verb_help(const struct cli_options *options, struct err *err) WARN_UNUSED;

#endif
