/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent/status: what the supervisor says of itself, and how others read it.
 */
#include "support.h"

#include <sys/socket.h>
#include <sys/un.h>

#include "agent/status.h"
#include "base/cleanup.h"
#include "base/file.h"

static char dir[256];
static int dir_fd;

static int begin(void **state)
{
	(void)state;
	make_directory(dir);
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir_fd < 0 ? -1 : 0;
}

static int end(void **state)
{
	(void)state;
	(void)unlinkat(dir_fd, STATUS_FILE, 0);
	(void)unlinkat(dir_fd, "s", 0);
	cleanup_fd(&dir_fd);
	return rmdir(dir);
}

static void what_is_written_is_read(void **state)
{
	(void)state;
	const struct status status = { .socket = "/run/a \"b\"/api.sock",
				       .trouble = "network",
				       .credential_ends = 1800000000 };
	struct buf socket OWNED_BUF = BUF_INIT(256);
	struct err err = { 0 };
	struct stat st;
	int64_t ends;
	assert_int_equal(status_write(dir_fd, &status, &err), 0);
	assert_int_equal(fstatat(dir_fd, STATUS_FILE, &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(status_read(dir, &socket, &ends, &err), 0);
	assert_string_equal(buf_text(&socket), status.socket);
	assert_int_equal(ends, 1800000000);
}

static void what_makes_no_sense_is_temporary(void **state)
{
	(void)state;
	static const char *const texts[] = { "", "{", "{}", "{\"socket\":1,\"credential_ends\":2}",
					     "{\"socket\":\"/s\",\"credential_ends\":-1}" };
	struct file_owner self = { .uid = geteuid(), .gid = getegid() };
	for (size_t i = 0; i <= ARRAY_LEN(texts); i++) {
		struct buf socket OWNED_BUF = BUF_INIT(256);
		struct err err = { 0 };
		int64_t ends = 7;
		if (i > 0)
			assert_int_equal(
				file_replace(dir_fd, STATUS_FILE, bytes_of_text(texts[i - 1]), 0644, self, &err), 0);
		assert_int_equal(status_read(dir, &socket, &ends, &err), -1);
		assert_int_equal(err_exit_status(&err), EXIT_TEMPORARY);
		assert_int_equal(ends, 7);
	}
}

static void only_a_listener_counts(void **state)
{
	(void)state;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct err err = { 0 };
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%.90s/s", dir);
	assert_int_equal(status_connect(address.sun_path, &err), -1); /* nothing there */
	int fd OWNED_FD = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(status_connect(address.sun_path, &err), -1); /* left by one that ended */
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(status_connect(address.sun_path, &err), 0);
	assert_int_equal(status_connect("relative", &err), -1);
	char longer[200] = "/";
	memset(longer + 1, 'x', sizeof(longer) - 2);
	assert_int_equal(status_connect(longer, &err), -1);
	assert_int_equal(err_exit_status(&err), EXIT_TEMPORARY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_written_is_read, begin, end),
		cmocka_unit_test_setup_teardown(what_makes_no_sense_is_temporary, begin, end),
		cmocka_unit_test_setup_teardown(only_a_listener_counts, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
