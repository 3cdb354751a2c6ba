/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line: verbs as a table, options as a table a verb.
 */
#ifndef SEALPOD_AGENT_CLI_H
#define SEALPOD_AGENT_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define CLI_SETTINGS_MAX 64

/* Which options a verb knows. */
enum {
	CLI_CONFIG = 1,	     /* --config, --unmeasured-config or init-data; --source */
	CLI_CONFIG_FILE = 2, /* --unmeasured-config alone, which may be given */
	CLI_DEADLINE = 4,
	CLI_TEE = 8,
	CLI_VERBOSE = 16,
	CLI_ONCE = 32,
	CLI_CHECK = 64,
	CLI_REPORT_DATA = 128,
	CLI_FORMAT = 256,
	CLI_MODE = 512, /* --supervise, --exec */
	CLI_MARGIN = 1024,
	CLI_REPORT = 2048, /* --report, --termination-log */
	CLI_SOCKET = 8192,
	CLI_DOCTOR = 4096, /* --offline, --json, --attest */
	CLI_AGENT = 16384, /* --agent-path, --agent-uid */
	CLI_ATTESTING = CLI_CONFIG | CLI_DEADLINE | CLI_TEE | CLI_VERBOSE | CLI_REPORT,
};

struct cli_options {
	const char *unmeasured_config; /* path, NULL if not given */
	const char *config;	       /* a KBS resource, NULL if not given */
	bool source_given;
	int source;		     /* enum source_kind */
	int64_t deadline_ms;	     /* 0 if not given */
	const char *tee;	     /* forced TEE, NULL if not given */
	const char *report_data;     /* of attest: hexadecimal, NULL if not given */
	const char *format;	     /* of attest: NULL if not given */
	const char *report;	     /* path, NULL if not given */
	const char *termination_log; /* path, NULL: the usual one */
	bool verbose;
	bool help;		/* print the verb's help, and nothing else */
	const char *agent_path; /* what the agent must be, NULL if not given */
	bool agent_uid_given;
	uid_t agent_uid;     /* as whom it must run */
	bool supervise;	     /* of run */
	bool exec;	     /* of run */
	int64_t margin_ms;   /* of health; 0 if not given */
	bool offline;	     /* of doctor */
	bool json;	     /* of doctor */
	bool attest;	     /* of doctor */
	const char *socket;  /* of validate-jwt: NULL if not given */
	bool once;	     /* of svid */
	bool check;	     /* of svid */
	const char *operand; /* the verb's one argument, NULL if it takes none */
	/* Options that stand for keys of the verb's table in sealpod.toml, in their order. */
	struct cli_setting {
		const char *key;
		const char *value; /* NULL where the option takes none */
	} settings[CLI_SETTINGS_MAX];
	size_t setting_count;
	char **command; /* what follows '--', ended by NULL; NULL if nothing does */
};

struct cli_verb {
	const char *name;
	const char *synopsis; /* what follows the name */
	const char *text;     /* one line of help */
	unsigned options;     /* of the bits above */
	const char *operand;  /* name of its argument, NULL for none */
	bool operand_optional;
	/* A table of sealpod.toml: each of its keys is an option too, 'key_mode' as --key-mode. */
	const char *settings;
	bool takes_command; /* '-- PROGRAM ARGUMENT...' */
	int (*run)(const struct cli_options *options, struct err *err);
};

extern const struct cli_verb cli_verbs[];
extern const size_t cli_verb_count;

const struct cli_verb *cli_find_verb(const char *name);

/* argv[0] is the verb. ERR_USAGE with advice. */
int cli_parse(const struct cli_verb *verb, int argc, char **argv, struct cli_options *ret_options,
	      struct err *err) WARN_UNUSED;

/* Prints the options of a verb as help does; NULL: of all verbs. */
void cli_print_options(const struct cli_verb *verb);

/* Prints a verb's help: `sealpod VERB --help`. */
void help_print_verb(const struct cli_verb *verb);

/* The verbs. run() returns only on failure. */
int verb_run(const struct cli_options *options, struct err *err) WARN_UNUSED;
int verb_attest(const struct cli_options *options, struct err *err) WARN_UNUSED;
int verb_unseal(const struct cli_options *options, struct err *err) WARN_UNUSED;
int verb_doctor(const struct cli_options *options, struct err *err) WARN_UNUSED;
int verb_install(const struct cli_options *options, struct err *err) WARN_UNUSED;
int verb_measure_initdata(const struct cli_options *options, struct err *err) WARN_UNUSED;
int verb_get(const struct cli_options *options, struct err *err) WARN_UNUSED;
int verb_health(const struct cli_options *options, struct err *err) WARN_UNUSED;
int verb_svid(const struct cli_options *options, struct err *err) WARN_UNUSED;
int verb_validate_jwt(const struct cli_options *options, struct err *err) WARN_UNUSED;
int verb_version(const struct cli_options *options, struct err *err) WARN_UNUSED;
int verb_help(const struct cli_options *options, struct err *err) WARN_UNUSED;

#endif
