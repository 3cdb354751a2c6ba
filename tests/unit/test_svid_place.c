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
static bool no_exchange; /* as on some file systems */

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);

long __wrap_syscall(long number, ...)
{
	long words[6];
	va_list args;
	va_start(args, number);
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		words[i] = va_arg(args, long);
	va_end(args);
	if (number == SYS_renameat2 && no_exchange) {
		errno = EINVAL;
		return -1;
	}
	return __real_syscall(number, words[0], words[1], words[2], words[3], words[4], words[5]);
}

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
	no_exchange = false;
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

static void open_after(struct svid_place *place, struct svid_files *held)
{
	struct err err = { 0 };
	if (svid_place_open(&settings, place, held, &err) < 0)
		fail_msg("%s", err.message);
}

static void open_place(struct svid_place *place)
{
	OWNED_SVID_FILES struct svid_files held = { .list = NULL };
	open_after(place, &held);
}

static void publish(struct svid_place *place, const struct svid_files *files)
{
	struct err err = { 0 };
	if (svid_place_publish(place, files, &err) < 0)
		fail_msg("%s", err.message);
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

/* A directory in the place of a link: all stays as it was, and can be done again. */
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
	assert_file("cert", 0644, "1");
	assert_int_equal(count("..svid-"), 1);
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
	assert_int_equal(count("..svid-"), 0);
	assert_file("cert", 0640, "2"); /* the one that was put in place before is taken back */
	assert_int_equal(rmdir(path), 0);
	publish(&place, &bad);
	assert_file("cert", 0644, "3");
	const struct svid_files none = { .list = NULL };
	publish(&place, &none);
	assert_absent("cert");
}

static void plain_files_without_exchange(void **state)
{
	(void)state;
	OWNED_SVID_PLACE struct svid_place place = SVID_PLACE_INIT;
	OWNED_SVID_FILES struct svid_files one = { .list = NULL };
	OWNED_SVID_FILES struct svid_files two = { .list = NULL };
	char path[512];
	no_exchange = true;
	settings.replace = SVID_REPLACE_FILES;
	add(&one, "cert", 0644, "1");
	add(&two, "new", 0644, "2");
	add(&two, "cert", 0644, "2");
	add(&two, "taken", 0644, "2");
	open_place(&place);
	publish(&place, &one);
	path_of("taken", path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(svid_place_publish(&place, &two, NULL), -1);
	assert_file("cert", 0644, "2"); /* which is said */
	assert_absent("new");
	assert_int_equal(rmdir(path), 0);
	publish(&place, &two);
	publish(&place, &one);
	assert_file("cert", 0644, "1");
	assert_absent("new");
	assert_absent("taken");
}

/* What lies in a directory that is nobody's now. */
static void leave(const char *path, const char *text)
{
	char full[512];
	path_of(path, full);
	int fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	(void)close(fd);
}

static void plain_files_of_a_run_that_was_killed(void **state)
{
	(void)state;
	OWNED_SVID_PLACE struct svid_place place = SVID_PLACE_INIT;
	OWNED_SVID_FILES struct svid_files one = { .list = NULL };
	char path[512];
	settings.replace = SVID_REPLACE_FILES;
	/* It had begun a generation, had claimed its files and put one of them in place. */
	path_of("..svid-0123456789abcdef", path);
	assert_int_equal(mkdir(path, 0700), 0);
	leave("..svid-0123456789abcdef/key", "half");
	leave("gone", "x");
	leave("theirs", "y");
	leave("..list", "x509 chain 0 1800000000 gone\nx509 key 0 1800000000 key\n");
	add(&one, "cert", 0644, "1");
	open_place(&place);
	assert_int_equal(count("..svid-"), 0);
	publish(&place, &one);
	assert_absent("gone");
	assert_file("theirs", 0600, "y");
	assert_file("..list", 0644, "x509 chain 0 - cert\n");
}

static void the_way_of_replacing_may_change(void **state)
{
	(void)state;
	OWNED_SVID_FILES struct svid_files one = { .list = NULL };
	OWNED_SVID_FILES struct svid_files two = { .list = NULL };
	char path[512];
	char link[512];
	add(&one, "cert", 0644, "1");
	add_secret(&one, "gone", 0600, "1");
	add(&two, "cert", 0644, "2");
	for (int i = 0; i < 4; i++) {
		OWNED_SVID_PLACE struct svid_place place = SVID_PLACE_INIT;
		OWNED_SVID_FILES struct svid_files held = { .list = NULL };
		settings.replace = i % 2 == 0 ? SVID_REPLACE_FILES : SVID_REPLACE_DIRECTORY;
		open_after(&place, &held);
		assert_int_equal(held.count, i == 0 ? 0 : 1);
		publish(&place, &one);
		publish(&place, &two);
		svid_place_tidy(&place, true);
		assert_file("cert", 0644, "2");
		assert_absent("gone");
		path_of("cert", path);
		bool is_link = readlink(path, link, sizeof(link)) > 0;
		assert_int_equal(is_link, settings.replace == SVID_REPLACE_DIRECTORY);
		assert_int_equal(count("..svid-"), is_link ? 1 : 0);
		assert_int_equal(count("..list"), is_link ? 0 : 1);
		assert_int_equal(count("..data"), is_link ? 1 : 0);
	}
}

static void earlier_files_are_read(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		OWNED_SVID_PLACE struct svid_place place = SVID_PLACE_INIT;
		OWNED_SVID_PLACE struct svid_place again = SVID_PLACE_INIT;
		OWNED_SVID_FILES struct svid_files files = { .list = NULL };
		OWNED_SVID_FILES struct svid_files held = { .list = NULL };
		settings.replace = i == 0 ? SVID_REPLACE_DIRECTORY : SVID_REPLACE_FILES;
		add(&files, "cert", 0644, "1");
		files.list[0].expires = 1800000000;
		add_secret(&files, "token", 0600, "t");
		files.list[1].source = SVID_TOKEN;
		add(&files, "empty", 0644, "");
		open_place(&place);
		publish(&place, &files);
		struct err err = { 0 };
		assert_int_equal(svid_place_open(&settings, &again, &held, &err), -1);
		assert_non_null(strstr(err.message, "another 'sealpod svid' keeps"));
		svid_place_close(&place);
		place = (struct svid_place)SVID_PLACE_INIT;
		open_after(&again, &held);
		assert_int_equal(held.count, 3);
		const struct svid_file *cert = svid_files_find(&held, "cert");
		assert_true(cert->expires == 1800000000 && cert->source == SVID_X509);
		assert_true(bytes_equal_text(svid_file_content(cert).pieces[0], "1"));
		const struct svid_file *token = svid_files_find(&held, "token");
		assert_true(token->expires == INT64_MAX && token->source == SVID_TOKEN);
	}
}

/* Where one of a source's files is not to be had, the others of that source are left alone. */
static void earlier_files_are_not_believed(void **state)
{
	(void)state;
	OWNED_SVID_PLACE struct svid_place place = SVID_PLACE_INIT;
	OWNED_SVID_FILES struct svid_files held = { .list = NULL };
	char path[512];
	settings.replace = SVID_REPLACE_FILES;
	leave("cert", "1");
	leave("token", "t");
	path_of("key", path);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	leave("..list", "x509 chain 0 1800000000 cert\nx509 key 0 - key\njwt token 0 - token\n");
	open_after(&place, &held);
	assert_int_equal(held.count, 1);
	assert_string_equal(held.list[0].name, "token");
	svid_place_close(&place);
	svid_files_done(&held);
	leave("..list", "x509 chain 0 - ../../etc/passwd\n");
	open_after(&place, &held);
	assert_int_equal(held.count + place.plain.count, 0);
}

static void disks_are_refused(void **state)
{
	(void)state;
	struct svid_place place = SVID_PLACE_INIT;
	struct svid_files held = { .list = NULL };
	struct err err = { 0 };
	int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool memory = file_is_memory(fd);
	(void)close(fd);
	if (memory)
		skip();
	settings.allow_disk = false;
	assert_int_equal(svid_place_open(&settings, &place, &held, &err), -1);
	assert_int_equal(err.code, ERR_CONFIG);
	assert_non_null(strstr(err.message, "would reach a disk"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(generations_follow_each_other, begin, end),
		cmocka_unit_test_setup_teardown(what_others_left_is_replaced_or_left, begin, end),
		cmocka_unit_test_setup_teardown(failures_can_be_mended, begin, end),
		cmocka_unit_test_setup_teardown(lost_directories_are_reported, begin, end),
		cmocka_unit_test_setup_teardown(plain_files_are_replaced, begin, end),
		cmocka_unit_test_setup_teardown(plain_files_without_exchange, begin, end),
		cmocka_unit_test_setup_teardown(plain_files_of_a_run_that_was_killed, begin, end),
		cmocka_unit_test_setup_teardown(the_way_of_replacing_may_change, begin, end),
		cmocka_unit_test_setup_teardown(earlier_files_are_read, begin, end),
		cmocka_unit_test_setup_teardown(earlier_files_are_not_believed, begin, end),
		cmocka_unit_test_setup_teardown(disks_are_refused, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
