/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent/report and report_out: which errors the clock explains, and what the parent takes from a worker that may
 * not be trusted. (What a whole report says: the end-to-end tests.)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "agent/report_out.h"
#include "base/file.h"
#include "base/wipe.h"

static char dir[] = "/tmp/sealpod-report-XXXXXX";
static char path[64];

static void errors_of_time_are_explained(void **state)
{
	(void)state;
	static const struct {
		bool known;
		int64_t behind;
		enum err_code code;
		const char *type;
		const char *wanted;
	} rows[] = {
		{ true, 93, ERR_CLOCK, "", "this guest is 93 s behind the KBS: it failed" },
		{ true, -93, ERR_CREDENTIAL, "", "this guest is 93 s ahead of the KBS: it failed" },
		{ true, 0, ERR_CLOCK, "", "this guest's clock agrees with the KBS's: it failed" },
		{ true, 93, ERR_SERVER, "TokenVerifierError", "this guest is 93 s behind the KBS: it failed" },
		{ true, 29, ERR_CREDENTIAL, "", "it failed" },
		{ true, 93, ERR_DENIED, "PolicyDeny", "it failed" },
		{ false, 93, ERR_CLOCK, "", "it failed" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct report report = REPORT_INIT;
		struct err err = { 0 };
		report.kbs.clock_known = rows[i].known;
		report.kbs.clock_behind = rows[i].behind;
		(void)snprintf(report.kbs.problem.type, sizeof(report.kbs.problem.type), "%s", rows[i].type);
		(void)err_set(&err, rows[i].code, "it failed");
		report_explain_clock(&report, &err);
		assert_string_equal(err.message, rows[i].wanted);
		assert_int_equal(err.code, rows[i].code);
	}
}

static struct cli_options options(void)
{
	return (struct cli_options){ .report = path, .termination_log = "/nonexistent/log" };
}

/* What the report file says after a failure. */
static void finish(struct buf *text)
{
	struct cli_options given = options();
	struct err err = { 0 };
	(void)err_set(&err, ERR_DENIED, "no \xff\"\n");
	report_finish(cli_find_verb("run"), &given, &err);
	buf_done(text);
	if (file_read(AT_FDCWD, path, text, &err) < 0)
		fail_msg("%s", err.message);
}

static const struct json *facts_of(struct buf *text, struct json **doc)
{
	struct err err = { 0 };
	if (json_parse(buf_bytes(text), 1u << 20, doc, &err) < 0)
		fail_msg("%s\n%s", err.message, buf_text(text));
	const char *status;
	assert_int_equal(json_get_string(*doc, "status", &status, NULL), 0);
	assert_string_equal(status, "failed");
	const struct json *facts = json_member(*doc, "facts");
	assert_non_null(facts);
	return facts;
}

static void a_whole_report_is_taken(void **state)
{
	(void)state;
	struct report report = REPORT_INIT;
	struct cli_options given = options();
	struct err err = { 0 };
	OWNED_BUF struct buf text = BUF_INIT(1u << 20);
	OWNED_JSON struct json *doc = NULL;
	struct stat st;
	(void)err_set(&err, ERR_DENIED, "no");
	(void)snprintf(report.config, sizeof(report.config), "a place \x1b[31m");
	report_prepare();
	report_hand_over(&report, &given, &err);
	finish(&text);
	const struct json *facts = facts_of(&text, &doc);
	const char *place;
	assert_int_equal(json_get_string(facts, "configuration", &place, NULL), 0);
	assert_string_equal(place, "a place .[31m");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void without_a_worker_there_are_no_facts(void **state)
{
	(void)state;
	OWNED_BUF struct buf text = BUF_INIT(1u << 20);
	OWNED_JSON struct json *doc = NULL;
	report_prepare();
	finish(&text);
	assert_int_equal(json_type(facts_of(&text, &doc)), JSON_NULL);
}

/* Writes `size` bytes into each of this process's memory files for reports, as a worker could. */
static unsigned write_unasked(const char *content, size_t size, bool seal)
{
	DIR *all = opendir("/proc/self/fd");
	unsigned found = 0;
	assert_non_null(all);
	for (struct dirent *entry = readdir(all); entry; entry = readdir(all)) {
		char link[300];
		char target[300] = "";
		(void)snprintf(link, sizeof(link), "/proc/self/fd/%s", entry->d_name);
		if (readlink(link, target, sizeof(target) - 1) < 0 || !strstr(target, "sealpod-report"))
			continue;
		int fd = (int)strtol(entry->d_name, NULL, 10);
		found++;
		for (size_t at = 0; at < size; at += strlen(content))
			assert_int_equal(file_write_fd(fd, bytes_of_text(content), NULL), 0);
		if (seal)
			assert_int_equal(
				fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL), 0);
	}
	(void)closedir(all);
	return found;
}

static void what_can_change_or_is_too_large_is_not_taken(void **state)
{
	(void)state;
	OWNED_BUF struct buf text = BUF_INIT(1u << 20);
	OWNED_JSON struct json *open = NULL;
	OWNED_JSON struct json *large = NULL;
	report_prepare();
	assert_int_equal(write_unasked("{\"a\":1}", 1, false), 2);
	finish(&text);
	assert_int_equal(json_type(facts_of(&text, &open)), JSON_NULL);
	report_prepare();
	assert_int_equal(write_unasked("{\"a\":1,                  ", REPORT_JSON_MAX + 1, true), 2);
	finish(&text);
	assert_int_equal(json_type(facts_of(&text, &large)), JSON_NULL);
}

static void other_verbs_have_none(void **state)
{
	(void)state;
	struct cli_options given = options();
	struct err err = { 0 };
	(void)unlink(path);
	(void)err_set(&err, ERR_DENIED, "no");
	report_finish(cli_find_verb("help"), &given, &err);
	report_finish(NULL, &given, &err);
	assert_int_equal(access(path, F_OK), -1);
}

static void read_back(const char *from, struct buf *text)
{
	struct err err = { 0 };
	buf_done(text);
	if (file_read(AT_FDCWD, from, text, &err) < 0)
		fail_msg("%s", err.message);
}

static void expect_report(const char *status, bool renewal)
{
	OWNED_BUF struct buf text = BUF_INIT(1u << 20);
	OWNED_JSON struct json *doc = NULL;
	const char *found;
	bool of_renewal;
	read_back(path, &text);
	assert_int_equal(json_parse(buf_bytes(&text), 1u << 20, &doc, NULL), 0);
	assert_int_equal(json_get_string(doc, "status", &found, NULL), 0);
	assert_string_equal(found, status);
	assert_int_equal(json_get_bool(doc, "renewal", &of_renewal, NULL), 0);
	assert_int_equal(of_renewal, renewal);
}

static void expect_log(const char *log, const char *content)
{
	OWNED_BUF struct buf text = BUF_INIT(1024);
	read_back(log, &text);
	assert_string_equal(buf_text(&text), content);
}

/* What is said of a renewal that failed is taken back when one succeeds; what others wrote is left alone. */
static void the_last_renewal_counts(void **state)
{
	(void)state;
	char log[128];
	struct cli_options given = options();
	struct err err = { 0 };
	(void)snprintf(log, sizeof(log), "%s/log", dir);
	given.termination_log = log;
	int fd = open(log, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0 && write(fd, "others'", 7) == 7 && close(fd) == 0);
	(void)err_set(&err, ERR_DENIED, "with words of the KBS");
	report_finish(cli_find_verb("run"), &given, NULL);
	expect_report("ok", false);
	report_renewal(&given, NULL, false);
	expect_report("ok", true);
	expect_log(log, "others'");
	report_renewal(&given, &err, true);
	expect_report("failed", true);
	expect_log(log, "sealpod run: the credential is not renewed, denied: the KBS or its policy said no\n");
	report_renewal(&given, NULL, false);
	expect_report("ok", true);
	expect_log(log, "");
	assert_int_equal(unlink(log), 0);
}

static int make_dir(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	(void)snprintf(path, sizeof(path), "%s/report.json", dir);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	(void)unlink(path);
	return rmdir(dir);
}

int main(void)
{
	wipe_install();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(errors_of_time_are_explained),
		cmocka_unit_test(a_whole_report_is_taken),
		cmocka_unit_test(without_a_worker_there_are_no_facts),
		cmocka_unit_test(what_can_change_or_is_too_large_is_not_taken),
		cmocka_unit_test(other_verbs_have_none),
		cmocka_unit_test(the_last_renewal_counts),
	};
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
