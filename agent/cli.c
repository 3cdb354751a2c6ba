/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line. It comes from a unit file or a container's manifest; in a
 * confidential VM that may be the host's word, so nothing here can loosen what the
 * configuration says without saying so in the log.
 */
#include "agent/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config_fields.h"
#include "base/cleanup.h"

const struct cli_verb cli_verbs[] = {
	{ "run", "[options]", "attest, get the credential and become or supervise the SPIRE agent",
	  CLI_ATTESTING | CLI_MODE | CLI_AGENT, NULL, false, NULL, false, verb_run },
	{ "health", "[--margin DURATION] [DIRECTORY]",
	  "look whether the supervised agent serves and its credential is valid", CLI_VERBOSE | CLI_MARGIN, "DIRECTORY",
	  true, NULL, false, verb_health },
	{ "get", "[options] URI", "attest and write one KBS resource to standard output", CLI_ATTESTING, "URI", false,
	  NULL, false, verb_get },
	{ "unseal", "[options] [FILE]", "open a sealed secret out of a file or standard input", CLI_ATTESTING, "FILE",
	  true, NULL, false, verb_unseal },
	{ "doctor", "[options]", "look at all that 'run' needs, in its order, and say what is missing",
	  CLI_CONFIG | CLI_DEADLINE | CLI_TEE | CLI_VERBOSE | CLI_AGENT | CLI_DOCTOR, NULL, false, NULL, false,
	  verb_doctor },
	{ "install", "DIRECTORY", "copy this program into a directory, for an init container", CLI_VERBOSE, "DIRECTORY",
	  false, NULL, false, verb_install },
	{ "attest", "[options]", "gather evidence of this TEE and print it",
	  CLI_DEADLINE | CLI_TEE | CLI_VERBOSE | CLI_REPORT_DATA | CLI_FORMAT, NULL, false, NULL, false, verb_attest },
	{ "measure-initdata", "[FILE]", "extend PCR 8 of the vTPM by the init-data's digest, once, early in boot",
	  CLI_DEADLINE | CLI_VERBOSE, "FILE", true, NULL, false, verb_measure_initdata },
	{ "svid", "--directory DIR [options] [-- PROGRAM ...]",
	  "deliver SVIDs to files, keep them fresh, tell or run a program",
	  CLI_CONFIG_FILE | CLI_DEADLINE | CLI_VERBOSE | CLI_ONCE | CLI_CHECK, NULL, false, "svid", true, verb_svid },
	{ "validate-jwt", "[options] AUDIENCE",
	  "ask the agent whether the JWT-SVID on standard input is valid; print whose it is",
	  CLI_DEADLINE | CLI_VERBOSE | CLI_SOCKET, "AUDIENCE", false, NULL, false, verb_validate_jwt },
	{ "version", "", "print the version", 0, NULL, false, NULL, false, verb_version },
	{ "help", "[exit-codes | VERB]", "print help, of a verb too, or the table of exit statuses", 0, "TOPIC", true,
	  NULL, false, verb_help },
};

const size_t cli_verb_count = ARRAY_LEN(cli_verbs);

static int take_config(struct cli_options *options, const char *value, struct err *err)
{
	(void)err;
	options->unmeasured_config = value;
	return 0;
}

static int take_released_config(struct cli_options *options, const char *value, struct err *err)
{
	struct kbs_uri uri;
	options->config = value;
	return kbs_uri_parse(bytes_of_text(value), &uri, err);
}

static int take_source(struct cli_options *options, const char *value, struct err *err)
{
	enum source_kind kind;
	if (source_kind_by_name(bytes_of_text(value), &kind) < 0)
		return err_set(err, ERR_USAGE, "'%s' is unknown; use 'auto', 'kbs', 'aa', 'cdh' or 'rest'", value);
	options->source_given = true;
	options->source = (int)kind;
	return 0;
}

static int take_deadline(struct cli_options *options, const char *value, struct err *err)
{
	return config_parse_duration(bytes_of_text(value), &options->deadline_ms, err);
}

static int take_supervise(struct cli_options *options, const char *value, struct err *err)
{
	(void)value;
	(void)err;
	options->supervise = true;
	return 0;
}

static int take_exec(struct cli_options *options, const char *value, struct err *err)
{
	(void)value;
	(void)err;
	options->exec = true;
	return 0;
}

static int take_agent_path(struct cli_options *options, const char *value, struct err *err)
{
	if (value[0] != '/')
		return err_set(err, ERR_USAGE, "'%s' is no absolute path", value);
	options->agent_path = value;
	return 0;
}

/* (uid_t)-1 means "leave it alone" to the kernel. */
static int take_agent_uid(struct cli_options *options, const char *value, struct err *err)
{
	char *end = NULL;
	unsigned long long uid = value[0] >= '0' && value[0] <= '9' ? strtoull(value, &end, 10) : UINT32_MAX;
	if (uid >= UINT32_MAX || *end)
		return err_set(err, ERR_USAGE, "'%s' is no user id", value);
	options->agent_uid_given = true;
	options->agent_uid = (uid_t)uid;
	return 0;
}

static int take_margin(struct cli_options *options, const char *value, struct err *err)
{
	return config_parse_duration(bytes_of_text(value), &options->margin_ms, err);
}

static int take_tee(struct cli_options *options, const char *value, struct err *err)
{
	(void)err;
	options->tee = value;
	return 0;
}

static int take_report_data(struct cli_options *options, const char *value, struct err *err)
{
	(void)err;
	options->report_data = value;
	return 0;
}

static int take_format(struct cli_options *options, const char *value, struct err *err)
{
	(void)err;
	options->format = value;
	return 0;
}

static int take_report(struct cli_options *options, const char *value, struct err *err)
{
	(void)err;
	options->report = value;
	return 0;
}

static int take_termination_log(struct cli_options *options, const char *value, struct err *err)
{
	(void)err;
	options->termination_log = value;
	return 0;
}

static int take_verbose(struct cli_options *options, const char *value, struct err *err)
{
	(void)value;
	(void)err;
	options->verbose = true;
	return 0;
}

static int take_offline(struct cli_options *options, const char *value, struct err *err)
{
	(void)value;
	(void)err;
	options->offline = true;
	return 0;
}

static int take_json(struct cli_options *options, const char *value, struct err *err)
{
	(void)value;
	(void)err;
	options->json = true;
	return 0;
}

static int take_attest(struct cli_options *options, const char *value, struct err *err)
{
	(void)value;
	(void)err;
	options->attest = true;
	return 0;
}

static int take_socket(struct cli_options *options, const char *value, struct err *err)
{
	(void)err;
	options->socket = value;
	return 0;
}

static int take_once(struct cli_options *options, const char *value, struct err *err)
{
	(void)value;
	(void)err;
	options->once = true;
	return 0;
}

static int take_check(struct cli_options *options, const char *value, struct err *err)
{
	(void)value;
	(void)err;
	options->check = true;
	return 0;
}

static const struct option {
	unsigned sets; /* CLI_… of the verbs that know it: one is enough */
	const char *name;
	const char *value; /* what it takes, NULL for nothing */
	int (*take)(struct cli_options *options, const char *value, struct err *err);
	const char *text;
} options_table[] = {
	{ CLI_CONFIG | CLI_CONFIG_FILE, "--unmeasured-config", "FILE", take_config,
	  "read sealpod.toml(5) from FILE, which nothing measures" },
	{ CLI_CONFIG, "--config", "URI", take_released_config,
	  "read sealpod.toml(5) from the KBS, through the guest's own components" },
	{ CLI_CONFIG, "--source", "KIND", take_source, "how to get secrets: 'auto', 'kbs', 'aa', 'cdh' or 'rest'" },
	{ CLI_DEADLINE, "--deadline", "DURATION", take_deadline,
	  "give up after this long ('90s', '5m'); default: the configuration's; 60s for svid --once, 10s for "
	  "validate-jwt" },
	{ CLI_MODE, "--supervise", NULL, take_supervise,
	  "run: stay, run the agent as a child, renew its credential; the default where it is minted" },
	{ CLI_MODE, "--exec", NULL, take_exec, "run: become the agent; no process of sealpod stays" },
	{ CLI_AGENT, "--agent-path", "FILE", take_agent_path,
	  "the agent must be this program; a configuration over plain REST needs it for any but " CONFIG_AGENT_PATH },
	{ CLI_AGENT, "--agent-uid", "UID", take_agent_uid,
	  "the agent must run as this user; over plain REST needed for any but sealpod's own" },
	{ CLI_MARGIN, "--margin", "DURATION", take_margin,
	  "health: how long the credential must still be valid; default: 10m" },
	{ CLI_TEE, "--tee", "NAME", take_tee,
	  "attest as this TEE ('snp', 'tdx', 'az-snp-vtpm', 'az-tdx-vtpm') instead of the one that is found; 'tpm', "
	  "which is none, is "
	  "taken by this option alone" },
	{ CLI_REPORT_DATA, "--report-data", "HEX", take_report_data,
	  "attest: what the evidence is bound to; at most 64 bytes" },
	{ CLI_FORMAT, "--format", "FORMAT", take_format,
	  "attest: 'text' for people, 'json' as the KBS takes it, 'raw' report or quote" },
	{ CLI_REPORT, "--report", "FILE", take_report, "write how it went into FILE, as JSON; a success too" },
	{ CLI_REPORT, "--termination-log", "FILE", take_termination_log,
	  "where a failure leaves its one line; default: /dev/termination-log" },
	{ CLI_VERBOSE, "--verbose", NULL, take_verbose, "say more on standard error" },
	{ CLI_DOCTOR, "--offline", NULL, take_offline, "doctor: send nothing out of the pod" },
	{ CLI_DOCTOR, "--json", NULL, take_json, "doctor: print JSON" },
	{ CLI_DOCTOR, "--attest", NULL, take_attest, "doctor: attest and fetch, too, which costs a hardware report" },
	{ CLI_SOCKET, "--socket", "ADDRESS", take_socket,
	  "validate-jwt: the Workload API; default: SPIFFE_ENDPOINT_SOCKET" },
	{ CLI_ONCE, "--once", NULL, take_once, "svid: deliver once and end" },
	{ CLI_CHECK, "--check", NULL, take_check, "svid: look whether what was delivered is there and valid" },
};

const struct cli_verb *cli_find_verb(const char *name)
{
	if (strcmp(name, "--version") == 0)
		name = "version";
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
		name = "help";
	for (size_t i = 0; i < cli_verb_count; i++)
		if (strcmp(cli_verbs[i].name, name) == 0)
			return &cli_verbs[i];
	return NULL;
}

/* "--name" and "--name=value"; *ret_value is NULL where no '=' stands. */
static const struct option *find_option(const struct cli_verb *verb, const char *arg, const char **ret_value)
{
	if (strcmp(arg, "-v") == 0)
		arg = "--verbose";
	const char *equals = strchr(arg, '=');
	size_t len = equals ? (size_t)(equals - arg) : strlen(arg);
	*ret_value = equals ? equals + 1 : NULL;
	for (size_t i = 0; i < ARRAY_LEN(options_table); i++)
		if ((options_table[i].sets & verb->options) && strlen(options_table[i].name) == len &&
		    strncmp(options_table[i].name, arg, len) == 0)
			return &options_table[i];
	return NULL;
}

/* "--key-mode" is the key 'key_mode' of the verb's table. */
static const struct config_field *find_setting(const struct cli_verb *verb, const char *arg)
{
	char key[64];
	size_t len = strcspn(arg, "=");
	if (!verb->settings || strncmp(arg, "--", 2) != 0 || len - 2 >= sizeof(key))
		return NULL;
	for (size_t i = 0; i < len - 2; i++)
		key[i] = arg[i + 2] == '-' ? '_' : arg[i + 2];
	return config_field_find(bytes_of_text(verb->settings), bytes_of(key, len - 2));
}

static int take_setting(const struct config_field *field, int argc, char **argv, int *at, struct cli_options *options,
			struct err *err)
{
	const char *equals = strchr(argv[*at], '=');
	const char *value = equals ? equals + 1 : NULL;
	int name_len = (int)strcspn(argv[*at], "=");
	const char *name = argv[*at];
	if (field->type == TOML_BOOL && value)
		return err_set(err, ERR_USAGE, "option '%.*s' takes no value", name_len, name);
	if (field->type != TOML_BOOL && !value && ++*at < argc)
		value = argv[*at];
	if (field->type != TOML_BOOL && (!value || !*value))
		return err_set(err, ERR_USAGE, "option '%.*s' wants a value", name_len, name);
	if (options->setting_count == CLI_SETTINGS_MAX)
		return err_set(err, ERR_USAGE, "more than %d settings on the command line", CLI_SETTINGS_MAX);
	options->settings[options->setting_count++] = (struct cli_setting){ field->key, value };
	return 0;
}

static int take_option(const struct cli_verb *verb, int argc, char **argv, int *at, struct cli_options *options,
		       struct err *err)
{
	const char *value;
	const struct option *option = find_option(verb, argv[*at], &value);
	const struct config_field *setting = option ? NULL : find_setting(verb, argv[*at]);
	if (setting)
		return take_setting(setting, argc, argv, at, options, err);
	if (!option)
		return err_set(err, ERR_USAGE, "'%s' knows no option '%s'; see 'sealpod %s --help'", verb->name,
			       argv[*at], verb->name);
	if (!option->value && value)
		return err_set(err, ERR_USAGE, "option '%s' takes no value", option->name);
	if (option->value && !value && ++*at < argc)
		value = argv[*at];
	if (option->value && (!value || !*value))
		return err_set(err, ERR_USAGE, "option '%s' wants a %s", option->name, option->value);
	if (option->take(options, value, err) < 0) {
		if (err)
			err->code = ERR_USAGE;
		return err_wrap(err, "option '%s'", option->name);
	}
	return 0;
}

static int take_operand(const struct cli_verb *verb, const char *arg, struct cli_options *options, struct err *err)
{
	if (!verb->operand || options->operand)
		return err_set(err, ERR_USAGE, "'%s' takes no argument '%s'; see 'sealpod %s --help'", verb->name, arg,
			       verb->name);
	options->operand = arg;
	return 0;
}

int cli_parse(const struct cli_verb *verb, int argc, char **argv, struct cli_options *ret_options, struct err *err)
{
	struct cli_options options = { 0 };
	bool only_operands = false;
	for (int i = 1; i < argc; i++) {
		bool is_option = !only_operands && argv[i][0] == '-' && argv[i][1] != 0;
		if (is_option && strcmp(argv[i], "--") == 0 && verb->takes_command) {
			options.command = argv + i + 1; /* argv ends with NULL */
			break;
		}
		if (is_option && (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)) {
			*ret_options = (struct cli_options){ .help = true };
			return 0;
		}
		if (is_option && strcmp(argv[i], "--") == 0)
			only_operands = true;
		else if (is_option ? take_option(verb, argc, argv, &i, &options, err) < 0
				   : take_operand(verb, argv[i], &options, err) < 0)
			return -1;
	}
	if (verb->operand && !verb->operand_optional && !options.operand)
		return err_set(err, ERR_USAGE, "'%s' wants a %s; see 'sealpod %s --help'", verb->name, verb->operand,
			       verb->name);
	if (options.command && !options.command[0])
		return err_set(err, ERR_USAGE, "'%s' wants a program behind '--'", verb->name);
	if (options.config && options.unmeasured_config)
		return err_set(err, ERR_USAGE, "'--config' and '--unmeasured-config' exclude each other");
	if (options.supervise && options.exec)
		return err_set(err, ERR_USAGE, "'--supervise' and '--exec' exclude each other");
	*ret_options = options;
	return 0;
}

static void print_option(const char *name, const char *value, const char *text)
{
	(void)printf("  %-19s %-9s %s\n", name, value ? value : "", text);
}

/* Keys as options: "  --key-mode TEXT". */
static void print_settings(const char *table)
{
	(void)printf("\nThe keys of [%s] in sealpod.toml(5), where they are explained:\n", table);
	for (size_t i = 0; i < config_field_count; i++) {
		const struct config_field *field = &config_fields[i];
		char name[64];
		size_t len = 0;
		if (strcmp(field->table, table) != 0)
			continue;
		for (const char *c = field->key; *c && len + 1 < sizeof(name); c++)
			name[len++] = *c == '_' ? '-' : *c;
		name[len] = 0;
		(void)printf("  --%s%s\n", name,
			     field->type == TOML_BOOL	   ? ""
			     : field->type == TOML_INTEGER ? " NUMBER"
			     : field->type == TOML_ARRAY   ? " TEXT (as often as needed)"
							   : " TEXT");
	}
}

void cli_print_options(const struct cli_verb *verb)
{
	for (size_t i = 0; i < ARRAY_LEN(options_table); i++)
		if (!verb || (options_table[i].sets & verb->options))
			print_option(options_table[i].name, options_table[i].value, options_table[i].text);
	print_option("--help", NULL, "print the help of a verb");
	if (verb && verb->settings)
		print_settings(verb->settings);
}
