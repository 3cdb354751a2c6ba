/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl/cli, ctl/help and ctl/evidence: which command lines are taken, with which words the others are
 * refused, and the exit status of files that cannot be shown.
 */
#include "vectors.h"

#include "ctl/verbs.h"

#define WORDS_MAX 8

/* Splits at blanks; returns how many words there are. */
static int split(char *line, char *argv[WORDS_MAX])
{
	int argc = 0;
	for (char *word = strtok(line, " "); word && argc < WORDS_MAX; word = strtok(NULL, " "))
		argv[argc++] = word;
	return argc;
}

static int parse(const char *line, const struct cli_verb **ret_verb, struct cli_args *ret_args, struct err *err)
{
	static char copy[256];
	char *argv[WORDS_MAX];
	int words = 0;
	(void)snprintf(copy, sizeof(copy), "%s", line);
	int argc = split(copy, argv);
	if (cli_find_verb(argc, argv, ret_verb, &words, err) < 0)
		return -1;
	return cli_parse(*ret_verb, argc - words, argv + words, ret_args, err);
}

static void assert_refused(const char *line, const char *message)
{
	const struct cli_verb *verb = NULL;
	struct cli_args args = { 0 };
	struct err err = { 0 };
	assert_int_equal(parse(line, &verb, &args, &err), -1);
	assert_int_equal(err_exit_status(&err), EXIT_CONFIG);
	assert_string_equal(err.message, message);
}

static void assert_taken(const char *line, bool json, const char *operand)
{
	const struct cli_verb *verb = NULL;
	struct cli_args args = { 0 };
	struct err err = { 0 };
	if (parse(line, &verb, &args, &err) < 0)
		fail_msg("'%s': %s", line, err.message);
	assert_int_equal(args.given_count == 1 && cli_given(&args, "--json"), json);
	if (operand)
		assert_string_equal(cli_operand(&args, 0), operand);
	else
		assert_null(cli_operand(&args, 0));
}

static void takes_good_command_lines(void **state)
{
	(void)state;
	assert_taken("evidence show FILE", false, "FILE");
	assert_taken("evidence show --json FILE", true, "FILE");
	assert_taken("evidence show FILE --json", true, "FILE");
	assert_taken("evidence show -", false, "-");
	assert_taken("evidence show -- --json", false, "--json");
	assert_taken("version", false, NULL);
	assert_taken("--version", false, NULL);
	assert_taken("version --json", true, NULL);
	assert_taken("help exit-codes", false, "exit-codes");
	assert_taken("-h", false, NULL);
}

static void refuses_the_others_with_advice(void **state)
{
	(void)state;
	assert_refused("", "no verb; see 'sealpodctl help'");
	assert_refused("show", "no verb 'show'; see 'sealpodctl help'");
	assert_refused("evidence", "'evidence' wants one more word, 'show' for one; see 'sealpodctl help'");
	assert_refused("evidence shoe x", "no verb 'evidence shoe'; see 'sealpodctl help'");
	assert_refused("evidence show", "'evidence show' wants FILE; see 'sealpodctl help'");
	assert_refused("evidence show a b", "'evidence show' takes no argument 'b'; see 'sealpodctl help'");
	assert_refused("evidence show --xml a",
		       "'evidence show' knows no option '--xml'; see 'sealpodctl evidence show --help'");
	assert_refused("evidence show --json=1 a", "option '--json' takes no value");
	assert_refused("evidence show --json --json a", "option '--json' is given twice");
	assert_refused("completion --json", "'completion' knows no option '--json'; see 'sealpodctl completion --help'");
	assert_refused("version 2", "'version' takes no argument '2'; see 'sealpodctl help'");
}

/* Options with values, which the verbs bring in tables of their own. */
static void keeps_values_by_the_name_of_their_option(void **state)
{
	(void)state;
	static const struct cli_option options[] = {
		{ .name = "--out", .value = "DIRECTORY" },
		{ .name = "--id", .value = "ID", .repeats = true },
		{ .name = NULL },
	};
	static const struct cli_verb verb = { .words = { "x" }, .options = options };
	char out[] = "--out=d", id[] = "--id", first[] = "1", second[] = "--id=2";
	char *argv[] = { out, id, first, second };
	struct cli_args args = { 0 };
	struct err err = { 0 };
	assert_int_equal(cli_parse(&verb, 4, argv, &args, &err), 0);
	assert_string_equal(cli_value(&args, "--out", NULL), "d");
	assert_string_equal(cli_value_at(&args, "--id", 0), "1");
	assert_string_equal(cli_value_at(&args, "--id", 1), "2");
	assert_null(cli_value_at(&args, "--id", 2));
	assert_int_equal(cli_parse(&verb, 0, argv, &args, &err), 0);
	assert_string_equal(cli_value(&args, "--out", "."), ".");
	assert_int_equal(cli_parse(&verb, 2, argv, &args, &err), -1);
	assert_string_equal(err.message, "option '--id' wants a ID");
}

static void assert_not_shown(const char *path, const char *part)
{
	const struct cli_args args = { .verb = &verb_evidence_show, .operands = { path }, .operand_count = 1 };
	struct err err = { 0 };
	assert_int_equal(verb_evidence_show.run(&args, &err), -1);
	assert_int_equal(err_exit_status(&err), EXIT_CONFIG);
	assert_message_has(err, part);
}

static void put_file(const char *path, const void *data, size_t len)
{
	FILE *file CLEANUP(cleanup_file) = fopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, len, file), len);
}

static void ends_with_100_where_a_file_cannot_be_shown(void **state)
{
	(void)state;
	char directory[256];
	char path[300];
	OWNED_BUF struct buf report = vector_read("snp/turin-v5-report.bin");
	make_directory(directory);
	(void)snprintf(path, sizeof(path), "%s/file", directory);
	assert_not_shown(path, "No such file or directory");
	assert_not_shown(directory, directory);
	put_file(path, "", 0);
	assert_not_shown(path, "is empty");
	put_file(path, "#!/bin/sh\necho 'something quite different, of more bytes than a header has'\n", 75);
	assert_not_shown(path, "(75 bytes) is none of these: evidence of the TEE 'snp'");
	put_file(path, report.data, 1000);
	assert_not_shown(
		path,
		"which looks like SNP attestation report: an SNP report is 1184 bytes long, this is cut after 1000");
	assert_int_equal(unlink(path) | rmdir(directory), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_good_command_lines),
		cmocka_unit_test(refuses_the_others_with_advice),
		cmocka_unit_test(keeps_values_by_the_name_of_their_option),
		cmocka_unit_test(ends_with_100_where_a_file_cannot_be_shown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
