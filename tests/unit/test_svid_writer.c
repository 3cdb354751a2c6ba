/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent/svid_writer: a disk is waited for by a thread, memory by nobody.
 */
#include "support.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>

#include "agent/svid_writer.h"
#include "base/cleanup.h"

static char root[256];
static struct svid_place place;
static struct svid_writer writer;
static int gate = -1; /* fsync waits until it is readable; -1: not at all */
static bool no_threads;

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
	struct pollfd open = { .fd = gate, .events = POLLIN };
	if (gate >= 0)
		(void)poll(&open, 1, 30000);
	return __real_fsync(fd);
}

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
	return no_threads ? EAGAIN : __real_pthread_create(thread, attr, run, arg);
}

static int begin(void **state)
{
	(void)state;
	make_directory(root);
	gate = -1;
	no_threads = false;
	const struct svid_settings settings = { .directory = root, .allow_disk = true };
	OWNED_SVID_FILES struct svid_files held = { .list = NULL };
	assert_int_equal(svid_place_open(&settings, &place, &held, NULL), 0);
	place.in_memory = false; /* wherever the tests' directory is */
	return svid_writer_open(&place, &writer, NULL);
}

static int end(void **state)
{
	(void)state;
	svid_writer_close(&writer);
	svid_place_close(&place);
	char *slash = strrchr(root, '/');
	*slash = 0;
	int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(file_remove_tree(fd, slash + 1, NULL), 0);
	return close(fd);
}

static void publish(const char *text)
{
	struct svid_files files = { .list = NULL };
	struct svid_file *file;
	assert_int_equal(svid_files_add(&files, "file", 0600, &file, NULL), 0);
	assert_int_equal(buf_append_text(&file->text, text, NULL), 0);
	svid_writer_publish(&writer, &files);
	assert_null(files.list);
}

static void assert_file(const char *text)
{
	struct buf content OWNED_BUF = BUF_INIT(100);
	int dir OWNED_FD = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(file_read(dir, "file", &content, NULL), 0);
	assert_string_equal(buf_text(&content), text);
}

static void await_result(int wanted, struct err *err)
{
	struct pollfd ready = { .fd = writer.fd, .events = POLLIN };
	int rc = 1;
	if (writer.state == SVID_WRITER_BUSY)
		assert_int_equal(poll(&ready, 1, 30000), 1);
	assert_true(svid_writer_result(&writer, &rc, err));
	assert_int_equal(rc, wanted);
	assert_false(svid_writer_busy(&writer));
	assert_false(svid_writer_result(&writer, &rc, err));
}

static void memory_is_written_at_once(void **state)
{
	(void)state;
	struct err err = { 0 };
	svid_writer_close(&writer);
	place.in_memory = true;
	assert_int_equal(svid_writer_open(&place, &writer, NULL), 0);
	assert_int_equal(writer.fd, -1);
	publish("1");
	assert_file("1");
	await_result(0, &err);
}

static void disks_are_written_by_a_thread(void **state)
{
	(void)state;
	struct err err = { 0 };
	int rc;
	int opener OWNED_FD = eventfd(0, EFD_CLOEXEC);
	gate = opener;
	publish("1");
	assert_true(svid_writer_busy(&writer));
	assert_false(svid_writer_result(&writer, &rc, &err));
	const uint64_t one = 1;
	assert_int_equal(write(opener, &one, sizeof(one)), sizeof(one));
	await_result(0, &err);
	assert_file("1");
	gate = -1;
}

static void failures_come_back(void **state)
{
	(void)state;
	struct err err = { 0 };
	assert_int_equal(rmdir(root), 0);
	publish("1");
	await_result(-1, &err);
	assert_non_null(strstr(err.message, "cannot make a new directory"));
	assert_int_equal(mkdir(root, 0700), 0);
}

static void without_a_thread_it_is_done_all_the_same(void **state)
{
	(void)state;
	struct err err = { 0 };
	no_threads = true;
	publish("1");
	assert_file("1");
	await_result(0, &err);
}

/* What is tidied away is no result. */
static void tidying_is_no_delivery(void **state)
{
	(void)state;
	struct err err = { 0 };
	int rc;
	svid_writer_tidy(&writer);
	assert_false(svid_writer_busy(&writer));
	publish("1");
	await_result(0, &err);
	publish("2");
	await_result(0, &err);
	svid_writer_tidy(&writer);
	assert_false(svid_writer_busy(&writer)); /* it is not time yet */
	place.tidy_at = deadline_in(0);
	svid_writer_tidy(&writer);
	struct pollfd ready = { .fd = writer.fd, .events = POLLIN };
	assert_true(svid_writer_busy(&writer));
	assert_int_equal(poll(&ready, 1, 30000), 1);
	assert_false(svid_writer_result(&writer, &rc, &err));
	assert_false(svid_writer_busy(&writer));
	assert_int_equal(place.previous[0], 0);
	assert_file("2");
	no_threads = true;
	publish("3");
	await_result(0, &err);
	place.tidy_at = deadline_in(0);
	svid_writer_tidy(&writer);
	assert_false(svid_writer_busy(&writer));
	assert_int_equal(place.previous[0], 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(memory_is_written_at_once), TEST(disks_are_written_by_a_thread),
		TEST(failures_come_back),	 TEST(without_a_thread_it_is_done_all_the_same),
		TEST(tidying_is_no_delivery),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
