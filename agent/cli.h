/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line: verbs as a table, options as a table a verb.
 */
#ifndef SEALPOD_AGENT_CLI_H
#define SEALPOD_AGENT_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct cli_options {
	const char *unmeasured_config; /* path, NULL if not given */
	int64_t deadline_ms;           /* 0 if not given */
	const char *tee;               /* forced TEE, NULL if not given */
	bool verbose;
	const char *operand;           /* the verb's one argument, NULL if it takes none */
};

struct cli_verb {
	const char *name;
	const char *synopsis; /* what follows the name */
	const char *text;     /* one line of help */
	bool takes_options;   /* the options of cli_options */
	const char *operand;  /* name of its argument, NULL for none */
	bool operand_optional;
	int (*run)(const struct cli_options *options, struct err *err);
};

extern const struct cli_verb cli_verbs[];
extern const size_t cli_verb_count;

const struct cli_verb *cli_find_verb(const char *name);

/* argv[0] is the verb. ERR_USAGE with advice. */
int cli_parse(const struct cli_verb *verb, int argc, char **argv, struct cli_options *ret_options,
	      struct err *err) WARN_UNUSED;

/* Prints the options as help does. */
void cli_print_options(void);

/* The verbs. run() returns only on failure. */
int verb_run(const struct cli_options *options, struct err *err) WARN_UNUSED;
int verb_get(const struct cli_options *options, struct err *err) WARN_UNUSED;
int verb_version(const struct cli_options *options, struct err *err) WARN_UNUSED;
int verb_help(const struct cli_options *options, struct err *err) WARN_UNUSED;

#endif
