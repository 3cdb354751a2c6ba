/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads files that the operator names. The operator is trusted; what is in a file may be anybody's.
 */
#include "ctl/input.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

static int read_stdin(struct buf *out, struct err *err)
{
	uint8_t block[4096];
	for (;;) {
		ssize_t got = read(STDIN_FILENO, block, sizeof(block));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_set_errno(err, ERR_SYSTEM, errno, "standard input");
		if (got == 0)
			return 0;
		if (buf_append(out, bytes_of(block, (size_t)got), err) < 0)
			return err_wrap(err, "standard input");
	}
}

static int not_regular(const char *path, struct err *err)
{
	return err_set(err, ERR_CONFIG, "'%s' is not a regular file; '-' reads standard input", path);
}

int input_read(const char *path, struct buf *out, struct err *err)
{
	struct stat st;
	if (strcmp(path, "-") != 0 && stat(path, &st) == 0 && !S_ISREG(st.st_mode))
		return not_regular(path, err);
	int rc = strcmp(path, "-") == 0 ? read_stdin(out, err) : file_read(AT_FDCWD, path, out, err);
	if (rc < 0 && err && err->code == ERR_PROTOCOL)
		err->code = ERR_CONFIG;
	return rc;
}

static int open_input(const char *path, struct err *err)
{
	struct stat st;
	if (strcmp(path, "-") == 0)
		return STDIN_FILENO;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return err_set_errno(err, ERR_CONFIG, errno, "cannot read '%s'", path);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		(void)close(fd);
		return not_regular(path, err);
	}
	return fd;
}

int input_read_secret(const char *path, size_t max, struct secret *ret_secret, struct err *err)
{
	int fd = open_input(path, err);
	if (fd < 0)
		return -1;
	int rc = secret_read_fd(ret_secret, fd, max, err);
	if (fd != STDIN_FILENO)
		(void)close(fd);
	if (rc < 0 && err && err->code == ERR_PROTOCOL)
		err->code = ERR_CONFIG;
	return rc < 0 ? err_wrap(err, "'%s'", path) : 0;
}
