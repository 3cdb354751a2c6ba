/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files by directory descriptor.
 *
 * Paths come from the configuration; what lies there may have been put by the
 * host or by another process. Must never follow a link in a directory that it
 * creates or clears, never leave a half-written file under its final name, and
 * never read without limit.
 */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/mount.h"

/* At one go; a sealed memory file has less. */
#define COPY_CHUNK (1024u * 1024u)

/* Names that would lead out of the directory, or back to it, are nobody's files. */
static int check_component(const char *name, struct err *err)
{
	if (name[0] == 0 || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return err_set(err, ERR_CONFIG, "'%s' is not the name of a file in a directory", name);
	return 0;
}

static int read_to_end(int fd, struct buf *out, struct err *err)
{
	uint8_t chunk[4096];
	for (;;) {
		ssize_t n = read(fd, chunk, sizeof(chunk));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set_errno(err, ERR_SYSTEM, errno, "cannot read");
		if (n == 0)
			return 0;
		if (buf_append(out, bytes_of(chunk, (size_t)n), err) < 0)
			return -1;
	}
}

int file_read(int dirfd, const char *path, struct buf *out, struct err *err)
{
	/* O_NONBLOCK: a FIFO in the file's place must not hang us. */
	int fd OWNED_FD = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return err_set_errno(err, ERR_CONFIG, errno, "cannot open '%s'", path);
	struct stat st;
	if (fstat(fd, &st) < 0)
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot examine '%s'", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_CONFIG, "'%s' is not a regular file", path);
	struct buf content OWNED_BUF = BUF_INIT(out->max);
	if (read_to_end(fd, &content, err) < 0) {
		if (err && err->code == ERR_PROTOCOL)
			err->code = ERR_CONFIG;
		return err_wrap(err, "'%s'", path);
	}
	buf_move(out, &content);
	return 0;
}

int file_write_fd(int fd, struct bytes data, struct err *err)
{
	while (data.len > 0) {
		ssize_t n = write(fd, data.data, data.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set_errno(err, ERR_SYSTEM, errno, "cannot write");
		data = bytes_of(data.data + n, data.len - (size_t)n);
	}
	return 0;
}

/* fchown() only where needed: without privilege even a chown to oneself can be refused. */
static int give_to(int fd, struct file_owner owner, struct err *err)
{
	if (owner.uid == geteuid() && owner.gid == getegid())
		return 0;
	if (fchown(fd, owner.uid, owner.gid) < 0)
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot give it to uid %u, gid %u", owner.uid, owner.gid);
	return 0;
}

/* What is to be written: bytes, or another file. */
struct content {
	struct bytes data;
	int from; /* -1: `data` */
};

static int copy_fd(int to, int from, struct err *err)
{
	off_t at = 0;
	ssize_t n;
	do {
		n = sendfile(to, from, &at, COPY_CHUNK);
	} while (n > 0 || (n < 0 && errno == EINTR));
	return n < 0 ? err_set_errno(err, ERR_SYSTEM, errno, "cannot copy") : 0;
}

static int write_new(int fd, const struct content *content, mode_t mode, struct file_owner owner, struct err *err)
{
	int rc = content->from < 0 ? file_write_fd(fd, content->data, err) : copy_fd(fd, content->from, err);
	if (rc < 0 || give_to(fd, owner, err) < 0)
		return -1;
	if (fchmod(fd, mode) < 0) /* the umask does not apply here */
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot set mode %04o", (unsigned)mode);
	return 0;
}

static void temporary_name(const char *name, char out[static 96])
{
	(void)snprintf(out, 96, ".%.64s.%08x", name, randombytes_random());
}

bool file_is_temporary(const char *name)
{
	size_t len = strlen(name);
	return len > 10 && name[0] == '.' && name[len - 9] == '.' && strspn(name + len - 8, "0123456789abcdef") == 8;
}

static int replace(int dirfd, const char *name, const struct content *content, mode_t mode, struct file_owner owner,
		   struct err *err)
{
	char temporary[96];
	if (check_component(name, err) < 0)
		return -1;
	temporary_name(name, temporary);
	int fd OWNED_FD = openat(dirfd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode & 0700);
	if (fd < 0)
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot create a file beside '%s'", name);
	if (write_new(fd, content, mode, owner, err) < 0) {
		(void)unlinkat(dirfd, temporary, 0);
		return err_wrap(err, "'%s'", name);
	}
	if (renameat(dirfd, temporary, dirfd, name) < 0) {
		int saved = errno;
		(void)unlinkat(dirfd, temporary, 0);
		return err_set_errno(err, ERR_SYSTEM, saved, "cannot put '%s' in place", name);
	}
	return 0;
}

int file_replace(int dirfd, const char *name, struct bytes data, mode_t mode, struct file_owner owner, struct err *err)
{
	const struct content content = { .data = data, .from = -1 };
	return replace(dirfd, name, &content, mode, owner, err);
}

int file_replace_from(int dirfd, const char *name, int from, mode_t mode, struct file_owner owner, struct err *err)
{
	const struct content content = { .from = from };
	return replace(dirfd, name, &content, mode, owner, err);
}

static const int dir_flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

/* The umask does not apply; but a directory that somebody put in the place of
 * the one just made must not get our mode. */
static int make_component(int parent, const char *name, mode_t mode, struct err *err)
{
	bool made = mkdirat(parent, name, 0700) == 0;
	if (!made && errno != EEXIST)
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot create directory '%s'", name);
	int fd OWNED_FD = openat(parent, name, dir_flags);
	struct stat st;
	if (fd < 0)
		return err_set_errno(err, ERR_CONFIG, errno, "cannot open directory '%s' (links are not followed)",
				     name);
	if (!made)
		return TAKE_FD(fd);
	if (fstat(fd, &st) < 0 || st.st_uid != geteuid())
		return err_set(err, ERR_SYSTEM, "directory '%s' was replaced while it was made", name);
	if (fchmod(fd, mode) < 0)
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot set mode %04o of directory '%s'", (unsigned)mode,
				     name);
	return TAKE_FD(fd);
}

static int open_component(int parent, const char *name, mode_t mode, struct err *err)
{
	int fd = openat(parent, name, dir_flags);
	if (fd >= 0)
		return fd;
	if (errno == ENOENT)
		return make_component(parent, name, mode, err);
	return err_set_errno(err, ERR_CONFIG, errno, "cannot open directory '%s' (links are not followed)", name);
}

static int check_path(const char *path, struct err *err)
{
	if (path[0] != '/')
		return err_set(err, ERR_CONFIG, "'%s' is not an absolute path", path);
	for (const char *at = path; *at; at += strcspn(at, "/")) {
		at += strspn(at, "/");
		size_t len = strcspn(at, "/");
		if ((len == 1 && at[0] == '.') || (len == 2 && at[0] == '.' && at[1] == '.'))
			return err_set(err, ERR_CONFIG, "'%s' has a '%.*s' component", path, (int)len, at);
	}
	return 0;
}

int file_open_dir(const char *path, mode_t mode, int *ret_fd, struct err *err)
{
	if (check_path(path, err) < 0)
		return -1;
	OWNED_MEM char *copy = strdup(path);
	int at OWNED_FD = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (!copy || at < 0)
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot open '/'");
	char *rest = copy;
	for (char *name = strtok_r(copy, "/", &rest); name; name = strtok_r(NULL, "/", &rest)) {
		int next = open_component(at, name, mode, err);
		if (next < 0)
			return err_wrap(err, "'%s'", path);
		(void)close(at);
		at = next;
	}
	*ret_fd = TAKE_FD(at);
	return 0;
}

static int remove_children(int fd, unsigned depth, struct err *err);

static int remove_one(int dirfd, const char *name, unsigned depth, struct err *err)
{
	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot remove '%s'", name);
	int fd OWNED_FD = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot open '%s' to remove it", name);
	if (!mount_is_same(dirfd, fd))
		return err_set(err, ERR_SYSTEM, "'%s' is another file system or mount: not removed", name);
	if (remove_children(fd, depth + 1, err) < 0)
		return -1;
	if (unlinkat(dirfd, name, AT_REMOVEDIR) < 0)
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot remove directory '%s'", name);
	return 0;
}

static void cleanup_dir(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}

static int remove_children(int fd, unsigned depth, struct err *err)
{
	if (depth > 16)
		return err_set(err, ERR_SYSTEM, "more than 16 directories deep: not removed");
	int again OWNED_FD = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	CLEANUP(cleanup_dir) DIR *dir = again < 0 ? NULL : fdopendir(again);
	if (!dir)
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot list a directory");
	(void)TAKE_FD(again); /* it is closed with `dir` */
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (remove_one(fd, entry->d_name, depth, err) < 0)
			return -1;
	}
	return 0;
}

int file_remove_tree(int dirfd, const char *name, struct err *err)
{
	if (check_component(name, err) < 0)
		return -1;
	return remove_one(dirfd, name, 0, err);
}

bool file_is_memory(int fd)
{
	struct statfs fs;
	if (fstatfs(fd, &fs) < 0)
		return false;
	return fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC;
}

int file_sealed_memfd(const char *name, struct bytes data, int *ret_fd, struct err *err)
{
	int fd OWNED_FD = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot create a memory file");
	if (file_write_fd(fd, data, err) < 0)
		return err_wrap(err, "memory file '%s'", name);
	if (fchmod(fd, 0400) < 0 || lseek(fd, 0, SEEK_SET) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot seal memory file '%s'", name);
	*ret_fd = TAKE_FD(fd);
	return 0;
}
