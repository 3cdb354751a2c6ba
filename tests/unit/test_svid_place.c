/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent/svid_place: generations appear, change and go as a whole.
 */
#include "support.h"

#include <dirent.h>

#include "agent/svid_place.h"
#include "base/cleanup.h"

static char root[256];
static struct svid_settings settings;

static void add(struct svid_files *files, const char *name, mode_t mode, const char *text)
{
	struct svid_file *file;
	assert_int_equal(svid_files_add(files, name, mode, &file, NULL), 0);
	assert_int_equal(buf_append_text(&file->text, text, NULL), 0);
}

static void add_secret(struct svid_files *files, const char *name, mode_t mode, const char *text)
{
	struct svid_file *file;
	assert_int_equal(svid_files_add(files, name, mode, &file, NULL), 0);
	assert_int_equal(secret_alloc(&file->secret, strlen(text), NULL), 0);
	assert_int_equal(secret_append(&file->secret, bytes_of_text(text), NULL), 0);
}

static void path_of(const char *name, char out[512])
{
	(void)snprintf(out, 512, "%s/%s", root, name);
}

static void assert_file(const char *name, mode_t mode, const char *text)
{
	char path[512];
	struct stat st;
	struct buf content OWNED_BUF = BUF_INIT(4096);
	path_of(name, path);
	assert_int_equal(file_read(AT_FDCWD, path, &content, NULL), 0);
	assert_string_equal(buf_text(&content), text);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, mode);
}

static void assert_absent(const char *name)
{
	char path[512];
	struct stat st;
	path_of(name, path);
	assert_int_equal(lstat(path, &st), -1);
}

/* Entries with that beginning. */
static unsigned count(const char *beginning)
{
	unsigned found = 0;
	DIR *dir = opendir(root);
	assert_non_null(dir);
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
		found += strncmp(entry->d_name, beginning, strlen(beginning)) == 0;
	(void)closedir(dir);
	return found;
}

static int begin(void **state)
{
	(void)state;
	assert_int_equal(secret_setup(NULL), 0);
	make_directory(root);
	settings = (struct svid_settings){ .directory = root, .allow_disk = true };
	return 0;
}

static int end(void **state)
{
	(void)state;
	char *parent = strdup(root);
	char *slash = strrchr(parent, '/');
	*slash = 0;
	int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(file_remove_tree(fd, slash + 1, NULL), 0);
	(void)close(fd);
	free(parent);
	return 0;
}

static void open_place(struct svid_place *place)
{
	struct err err = { 0 };
	if (svid_place_open(&settings, place, &err) < 0)
		fail_msg("%s", err.message);
}

static void publish(struct svid_place *place, const struct svid_files *files)
{
	struct err err = { 0 };
	if (svid_place_publish(place, files, &err) < 0)
		fail_msg("%s", err.message);
}

static void names_are_checked(void **state)
{
	(void)state;
	OWNED_SVID_FILES struct svid_files files = { .list = NULL };
	struct svid_file *file;
	static const char *const bad[] = { "", ".", "..", "..data", ".x", "a/b", "/a" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(svid_files_add(&files, bad[i], 0600, &file, NULL), -1);
	add(&files, "a", 0600, "");
	struct err err = { 0 };
	assert_int_equal(svid_files_add(&files, "a", 0600, &file, &err), -1);
	assert_non_null(strstr(err.message, "two files would be called 'a'"));
	for (int i = 0; i < 40; i++) {
		char name[16];
		(void)snprintf(name, sizeof(name), "n%d", i);
		add(&files, name, 0600, name);
	}
	assert_int_equal(files.count, 41);
	assert_string_equal(buf_text(&files.list[40].text), "n39");
}

static void generations_follow_each_other(void **state)
{
	(void)state;
	OWNED_SVID_PLACE struct svid_place place = SVID_PLACE_INIT;
	OWNED_SVID_FILES struct svid_files one = { .list = NULL };
	OWNED_SVID_FILES struct svid_files two = { .list = NULL };
	add(&one, "cert", 0644, "cert 1");
	add_secret(&one, "key", 0600, "key 1");
	add(&one, "gone", 0644, "x");
	add(&two, "cert", 0640, "cert 2");
	add_secret(&two, "key", 0640, "key 2");
	add(&two, "new", 0644, "y");
	open_place(&place);
	mode_t mask = umask(0);
	publish(&place, &one);
	assert_file("cert", 0644, "cert 1");
	assert_file("key", 0600, "key 1");
	assert_file("..data/key", 0600, "key 1");
	assert_int_equal(count("..svid-"), 1);
	(void)umask(0777);
	publish(&place, &two);
	(void)umask(mask);
	assert_file("cert", 0640, "cert 2");
	assert_file("key", 0640, "key 2");
	assert_file("new", 0644, "y");
	assert_absent("gone");
	assert_int_equal(count("..svid-"), 2);
	svid_place_tidy(&place, false);
	assert_int_equal(count("..svid-"), 2);
	svid_place_tidy(&place, true);
	assert_int_equal(count("..svid-"), 1);
	const struct svid_files none = { .list = NULL };
	publish(&place, &none);
	assert_int_equal(count("..svid-") + count("..data"), 0);
	assert_absent("cert");
	assert_absent("key");
	publish(&place, &none);
	publish(&place, &one);
	assert_file("gone", 0644, "x");
}

static void what_others_left_is_replaced_or_left(void **state)
{
	(void)state;
	OWNED_SVID_PLACE struct svid_place place = SVID_PLACE_INIT;
	OWNED_SVID_FILES struct svid_files files = { .list = NULL };
	char path[512];
	path_of("cert", path);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_true(fd >= 0 && write(fd, "old", 3) == 3);
	(void)close(fd);
	path_of("key", path);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	path_of("theirs", path);
	assert_int_equal(symlink("elsewhere", path), 0);
	path_of("..svid-0123456789abcdef", path);
	assert_int_equal(mkdir(path, 0700), 0);
	add(&files, "cert", 0644, "new");
	add_secret(&files, "key", 0600, "key");
	open_place(&place);
	assert_int_equal(count("..svid-"), 0); /* a run that was cut off left it */
	publish(&place, &files);
	assert_file("cert", 0644, "new");
	assert_file("key", 0600, "key");
	assert_int_equal(count("theirs"), 1);
}

/* A directory in the place of a link: the switch is done, the rest of it fails, and it can be done again. */
static void failures_can_be_mended(void **state)
{
	(void)state;
	OWNED_SVID_PLACE struct svid_place place = SVID_PLACE_INIT;
	OWNED_SVID_FILES struct svid_files one = { .list = NULL };
	OWNED_SVID_FILES struct svid_files two = { .list = NULL };
	char path[512];
	struct err err = { 0 };
	add(&one, "cert", 0644, "1");
	add(&two, "cert", 0644, "2");
	add(&two, "taken", 0644, "2");
	open_place(&place);
	publish(&place, &one);
	path_of("taken", path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(svid_place_publish(&place, &two, &err), -1);
	assert_non_null(strstr(err.message, "cannot put 'taken' in place"));
	assert_int_equal(rmdir(path), 0);
	publish(&place, &two);
	assert_file("taken", 0644, "2");
	svid_place_tidy(&place, true);
	assert_int_equal(count("..svid-"), 1);
}

/* The directory itself is gone: nothing can be made in it. */
static void lost_directories_are_reported(void **state)
{
	(void)state;
	OWNED_SVID_PLACE struct svid_place place = SVID_PLACE_INIT;
	OWNED_SVID_FILES struct svid_files one = { .list = NULL };
	struct err err = { 0 };
	add(&one, "cert", 0644, "1");
	open_place(&place);
	assert_int_equal(rmdir(root), 0);
	assert_int_equal(svid_place_publish(&place, &one, &err), -1);
	assert_int_equal(err.code, ERR_SYSTEM);
	assert_int_equal(mkdir(root, 0700), 0);
}

static void plain_files_are_replaced(void **state)
{
	(void)state;
	OWNED_SVID_PLACE struct svid_place place = SVID_PLACE_INIT;
	OWNED_SVID_FILES struct svid_files one = { .list = NULL };
	OWNED_SVID_FILES struct svid_files two = { .list = NULL };
	OWNED_SVID_FILES struct svid_files bad = { .list = NULL };
	char path[512];
	struct stat st;
	struct err err = { 0 };
	settings.replace = SVID_REPLACE_FILES;
	add(&one, "cert", 0644, "1");
	add_secret(&one, "key", 0600, "k1");
	add(&two, "cert", 0640, "2");
	add(&bad, "cert", 0644, "3");
	add(&bad, "taken", 0644, "3");
	open_place(&place);
	publish(&place, &one);
	assert_file("key", 0600, "k1");
	path_of("cert", path);
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	publish(&place, &two);
	assert_file("cert", 0640, "2");
	assert_absent("key");
	path_of("taken", path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(svid_place_publish(&place, &bad, &err), -1);
	assert_non_null(strstr(err.message, "cannot put 'taken' in place"));
	assert_int_equal(count(".cert") + count(".taken"), 0);
	const struct svid_files none = { .list = NULL };
	publish(&place, &none);
	assert_absent("cert");
}

static void disks_are_refused(void **state)
{
	(void)state;
	struct svid_place place = SVID_PLACE_INIT;
	struct err err = { 0 };
	int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool memory = file_is_memory(fd);
	(void)close(fd);
	if (memory)
		skip();
	settings.allow_disk = false;
	assert_int_equal(svid_place_open(&settings, &place, &err), -1);
	assert_int_equal(err.code, ERR_CONFIG);
	assert_non_null(strstr(err.message, "would reach a disk"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(names_are_checked, begin, end),
		cmocka_unit_test_setup_teardown(generations_follow_each_other, begin, end),
		cmocka_unit_test_setup_teardown(what_others_left_is_replaced_or_left, begin, end),
		cmocka_unit_test_setup_teardown(failures_can_be_mended, begin, end),
		cmocka_unit_test_setup_teardown(lost_directories_are_reported, begin, end),
		cmocka_unit_test_setup_teardown(plain_files_are_replaced, begin, end),
		cmocka_unit_test_setup_teardown(disks_are_refused, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
