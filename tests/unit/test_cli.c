/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent/cli: options, operands, and what a wrong command line is told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "agent/cli.h"
#include "base/cleanup.h"

static int parse(const char *verb, const char *const *args, struct cli_options *options, struct err *err)
{
	char *argv[12] = { (char *)(uintptr_t)verb };
	int argc = 1;
	for (; args[argc - 1]; argc++)
		argv[argc] = (char *)(uintptr_t)args[argc - 1];
	return cli_parse(cli_find_verb(verb), argc, argv, options, err);
}

#define ARGS(...) ((const char *const[]){ __VA_ARGS__ __VA_OPT__(, ) NULL })

static void options_are_taken_in_both_forms(void **state)
{
	(void)state;
	struct cli_options options;
	assert_int_equal(parse("run", ARGS("--unmeasured-config", "f", "--deadline=90s", "-v"), &options, NULL), 0);
	assert_string_equal(options.unmeasured_config, "f");
	assert_int_equal(options.deadline_ms, 90000);
	assert_true(options.verbose);
	assert_int_equal(parse("run", ARGS("--unmeasured-config=f=g"), &options, NULL), 0);
	assert_string_equal(options.unmeasured_config, "f=g");
	assert_int_equal(options.deadline_ms, 0);
	assert_false(options.verbose);
}

static void reports_and_the_doctor_have_their_options(void **state)
{
	(void)state;
	struct cli_options options;
	static const char *const reporting[] = { "run", "get", "unseal" };
	for (size_t i = 0; i < ARRAY_LEN(reporting); i++) {
		bool get = i == 1;
		assert_int_equal(parse(reporting[i],
				       ARGS("--report", "r", "--termination-log=t", get ? "kbs:///a/b/c" : NULL),
				       &options, NULL),
				 0);
		assert_string_equal(options.report, "r");
		assert_string_equal(options.termination_log, "t");
		assert_int_equal(parse(reporting[i], ARGS("--offline"), &options, NULL), -1);
	}
	assert_int_equal(parse("doctor", ARGS("--offline", "--json", "--unmeasured-config", "f"), &options, NULL), 0);
	assert_true(options.offline && options.json && !options.attest);
	assert_int_equal(parse("doctor", ARGS("--attest"), &options, NULL), 0);
	assert_true(options.attest && !options.offline);
	assert_int_equal(parse("doctor", ARGS("--report", "r"), &options, NULL), -1);
	assert_int_equal(parse("attest", ARGS("--report", "r"), &options, NULL), -1);
}

static void the_agent_is_named_for_a_start_and_for_the_doctor(void **state)
{
	(void)state;
	static const char *const verbs[] = { "run", "doctor" };
	struct cli_options options;
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		assert_int_equal(parse(verbs[i], ARGS("--agent-path=/a", "--agent-uid", "4294967294"), &options, NULL),
				 0);
		assert_string_equal(options.agent_path, "/a");
		assert_true(options.agent_uid_given);
		assert_int_equal(options.agent_uid, 4294967294u);
	}
	assert_int_equal(parse("run", ARGS("--agent-uid=0"), &options, NULL), 0);
	assert_true(options.agent_uid_given && options.agent_uid == 0 && !options.agent_path);
	assert_int_equal(parse("run", ARGS(), &options, NULL), 0);
	assert_false(options.agent_uid_given);
}

static void operands_are_taken(void **state)
{
	(void)state;
	struct cli_options options;
	assert_int_equal(parse("get", ARGS("kbs:///a/b/c", "--unmeasured-config", "f"), &options, NULL), 0);
	assert_string_equal(options.operand, "kbs:///a/b/c");
	assert_int_equal(parse("get", ARGS("--unmeasured-config", "f", "--", "-x"), &options, NULL), 0);
	assert_string_equal(options.operand, "-x");
	assert_int_equal(parse("help", ARGS("exit-codes"), &options, NULL), 0);
	assert_int_equal(parse("help", ARGS(), &options, NULL), 0);
	assert_null(options.operand);
}

static void wrong_lines_are_explained(void **state)
{
	(void)state;
	static const struct {
		const char *verb;
		const char *const args[6];
		const char *reason;
	} rows[] = {
		{ "run", { "--config", "kbs:///a/b/c", "--unmeasured-config", "f", NULL }, "exclude each other" },
		{ "run",
		  { "--config", "/etc/sealpod.toml", NULL },
		  "option '--config': '/etc/sealpod.toml' is not a KBS resource URI" },
		{ "run", { "--agent-path", "spire-agent", NULL }, "'spire-agent' is no absolute path" },
		{ "run", { "--agent-uid", "4294967295", NULL }, "option '--agent-uid': '4294967295' is no user id" },
		{ "run", { "--agent-uid", "18446744073709551617", NULL }, "is no user id" },
		{ "run", { "--agent-uid", "-1", NULL }, "'-1' is no user id" },
		{ "run", { "--agent-uid", "1x", NULL }, "'1x' is no user id" },
		{ "get", { "--agent-uid", "1", "kbs:///a/b/c", NULL }, "knows no option '--agent-uid'" },
		{ "run", { "--supervise", "--exec", NULL }, "exclude each other" },
		{ "get", { "--supervise", "kbs:///a/b/c", NULL }, "knows no option '--supervise'" },
		{ "health", { "--margin", "0s", NULL }, "option '--margin': '0s' is no duration" },
		{ "run", { "--source", "vault", NULL }, "option '--source': 'vault' is unknown" },
		{ "install", { NULL }, "'install' wants a DIRECTORY" },
		{ "run", { "--unmeasured-config", NULL }, "'--unmeasured-config' wants a FILE" },
		{ "run", { "--unmeasured-config=", NULL }, "'--unmeasured-config' wants a FILE" },
		{ "run", { "--unmeasured", "f", NULL }, "knows no option '--unmeasured'" },
		{ "run", { "--unmeasured-config", "f", "x", NULL }, "takes no argument 'x'" },
		{ "run", { "--unmeasured-config", "f", "--verbose=1", NULL }, "'--verbose' takes no value" },
		{ "run",
		  { "--unmeasured-config", "f", "--deadline", "soon", NULL },
		  "option '--deadline': 'soon' is no duration" },
		{ "get", { "--unmeasured-config", "f", NULL }, "'get' wants a URI" },
		{ "get", { "--unmeasured-config", "f", "a", "b", NULL }, "takes no argument 'b'" },
		{ "version", { "-v", NULL }, "knows no option '-v'" },
		{ "version", { "x", NULL }, "takes no argument 'x'" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct cli_options options = { .operand = "untouched" };
		struct err err = { 0 };
		assert_int_equal(parse(rows[i].verb, rows[i].args, &options, &err), -1);
		assert_int_equal(err.code, ERR_USAGE);
		if (!strstr(err.message, rows[i].reason))
			fail_msg("expected '%s' in '%s'", rows[i].reason, err.message);
		assert_string_equal(options.operand, "untouched");
	}
}

/* Whatever else stands there, unless it is a value, an operand or another program's. */
static void help_is_given_for_each_verb(void **state)
{
	(void)state;
	struct cli_options options;
	for (size_t i = 0; i < cli_verb_count; i++)
		for (int form = 0; form < 2; form++) {
			options = (struct cli_options){ .help = false };
			assert_int_equal(parse(cli_verbs[i].name, ARGS(form == 0 ? "--help" : "-h"), &options, NULL),
					 0);
			assert_true(options.help);
		}
	assert_int_equal(parse("get", ARGS("a", "--report", "f", "--help", "--wrong"), &options, NULL), 0);
	assert_true(options.help);
	assert_null(options.report);
	assert_int_equal(parse("run", ARGS("--report", "--help"), &options, NULL), 0);
	assert_false(options.help);
	assert_int_equal(parse("get", ARGS("--", "--help"), &options, NULL), 0);
	assert_false(options.help);
	assert_int_equal(parse("svid", ARGS("--", "program", "--help"), &options, NULL), 0);
	assert_false(options.help);
	assert_int_equal(parse("run", ARGS("--wrong", "--help"), &options, NULL), -1);
}

static void verbs_are_found_by_name(void **state)
{
	(void)state;
	assert_string_equal(cli_find_verb("--version")->name, "version");
	assert_string_equal(cli_find_verb("--help")->name, "help");
	assert_string_equal(cli_find_verb("-h")->name, "help");
	assert_null(cli_find_verb("Run"));
	assert_null(cli_find_verb(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_are_taken_in_both_forms),
		cmocka_unit_test(reports_and_the_doctor_have_their_options),
		cmocka_unit_test(the_agent_is_named_for_a_start_and_for_the_doctor),
		cmocka_unit_test(operands_are_taken),
		cmocka_unit_test(wrong_lines_are_explained),
		cmocka_unit_test(help_is_given_for_each_verb),
		cmocka_unit_test(verbs_are_found_by_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
