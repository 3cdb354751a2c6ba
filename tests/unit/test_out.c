/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl/out: modes, what is never overwritten, what is refused because others could read it.
 */
#include "vectors.h"

#include "ctl/out.h"

static char directory[256];

static mode_t mode_of(const char *name)
{
	char path[400];
	struct stat status;
	(void)snprintf(path, sizeof(path), "%s/%s", directory, name);
	assert_int_equal(stat(path, &status), 0);
	return status.st_mode & 07777;
}

static int make(void **state)
{
	(void)state;
	make_directory(directory);
	return 0;
}

static int remove_all(void **state)
{
	(void)state;
	char command[300];
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", directory);
	return system(command) == 0 ? 0 : -1;
}

static void private_files_are_written_once(void **state)
{
	(void)state;
	struct out out CLEANUP(out_close) = OUT_INIT;
	struct err err = { 0 };
	struct secret key CLEANUP(secret_done) = SECRET_INIT;
	assert_int_equal(out_open(directory, &out, &err), 0);
	assert_int_equal(out_write_private(&out, "a/key", bytes_of_text("k"), &err), 0);
	assert_int_equal(mode_of("a"), 0700);
	assert_int_equal(mode_of("a/key"), 0600);
	assert_int_equal(out_write_private(&out, "a/key", bytes_of_text("other"), &err), -1);
	assert_message_has(err, "is there already");
	assert_int_equal(out_read_private(&out, "a/key", &key, &err), 0);
	assert_true(bytes_equal_text(secret_bytes(&key), "k"));
}

static void public_files_change_only_if_they_differ(void **state)
{
	(void)state;
	struct out out CLEANUP(out_close) = OUT_INIT;
	struct err err = { 0 };
	OWNED_BUF struct buf text = BUF_INIT(64);
	assert_int_equal(out_open(directory, &out, &err), 0);
	assert_int_equal(out_write(&out, "p", bytes_of_text("1"), &err), 0);
	assert_int_equal(out_write(&out, "p", bytes_of_text("1"), &err), 0);
	assert_int_equal(out.written, 1);
	assert_int_equal(out.unchanged, 1);
	assert_int_equal(mode_of("p"), 0644);
	assert_int_equal(out_write(&out, "p", bytes_of_text("2"), &err), 0);
	assert_int_equal(out_read(&out, "p", &text, &err), 0);
	assert_string_equal(buf_text(&text), "2");
	assert_int_equal(out_read(&out, "none", &text, &err), -1);
	assert_int_equal(out_read(&out, "no/none", &text, &err), -1);
}

static void what_others_may_read_is_refused(void **state)
{
	(void)state;
	struct out out CLEANUP(out_close) = OUT_INIT;
	struct out second CLEANUP(out_close) = OUT_INIT;
	struct secret key CLEANUP(secret_done) = SECRET_INIT;
	struct err err = { 0 };
	assert_int_equal(out_open(directory, &out, &err), 0);
	assert_int_equal(out_write(&out, "public", bytes_of_text("1"), &err), 0);
	assert_int_equal(out_read_private(&out, "public", &key, &err), -1);
	assert_message_has(err, "chmod 600");
	assert_int_equal(out_open(directory, &second, &err), -1);
	assert_message_has(err, "is in use");
	out_close(&out);
	assert_int_equal(chmod(directory, 0755), 0);
	assert_int_equal(out_open(directory, &out, &err), -1);
	assert_message_has(err, "is open to others");
	assert_int_equal(out_open("/nowhere/at/all", &out, &err), -1);
	assert_message_has(err, "cannot make");
}

/* What is left of a run that was killed; what only looks like it is somebody's. */
static void only_left_overs_are_swept(void **state)
{
	(void)state;
	struct out out CLEANUP(out_close) = OUT_INIT;
	struct err err = { 0 };
	static const char *const left[] = { ".root.key.0123abcd", "a/b/.status.ffffffff" };
	static const char *const kept[] = { "root.key.0123abcd",      ".root.key", ".root.key.0123ABCD", "a/.0123abcd",
					    ".root.key.0123abcd.pem", "..0123abcd" };
	char path[400], target[400];
	assert_int_equal(out_open(directory, &out, &err), 0);
	for (size_t i = 0; i < ARRAY_LEN(left); i++)
		assert_int_equal(out_write_private(&out, left[i], bytes_of_text("half"), &err), 0);
	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		assert_int_equal(out_write_private(&out, kept[i], bytes_of_text("whole"), &err), 0);
	(void)snprintf(path, sizeof(path), "%s/.link.0123abcd", directory);
	(void)snprintf(target, sizeof(target), "%s/root.key.0123abcd", directory);
	assert_int_equal(symlink(target, path), 0);
	out_sweep(&out);
	for (size_t i = 0; i < ARRAY_LEN(left); i++)
		assert_false(out_has(&out, left[i]));
	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		assert_true(out_has(&out, kept[i]));
	assert_true(out_has(&out, ".link.0123abcd"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(private_files_are_written_once, make, remove_all),
		cmocka_unit_test_setup_teardown(public_files_change_only_if_they_differ, make, remove_all),
		cmocka_unit_test_setup_teardown(only_left_overs_are_swept, make, remove_all),
		cmocka_unit_test_setup_teardown(what_others_may_read_is_refused, make, remove_all),
	};
	struct err err = { 0 };
	if (secret_setup(&err) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
