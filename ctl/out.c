/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The directory of outputs. It holds every key of a deployment: must never lose one, nor let
 * others read it.
 */
#include "ctl/out.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"

#define NAME_SIZE 512

/* "kbs/policy.rego": the directory, opened, and the last component. */
struct place {
	int fd; /* to be closed, or -1 where it is the outputs' own */
	int dir;
	const char *name;
};

static void place_done(struct place *place)
{
	if (place->fd >= 0)
		(void)close(place->fd);
}

/* One directory further down; replaces the one that `place` holds. */
static int descend(struct place *place, const char *directory, bool make, struct err *err)
{
	if (make && mkdirat(place->dir, directory, 0700) < 0 && errno != EEXIST)
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot make the directory '%s'", directory);
	int fd = openat(place->dir, directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_set_errno(err, ERR_CONFIG, errno, "directory '%s'", directory);
	place_done(place);
	place->fd = place->dir = fd;
	return 0;
}

static int place_of(const struct out *out, const char *name, bool make, struct place *ret, struct err *err)
{
	char directory[NAME_SIZE];
	const char *slash;
	*ret = (struct place){ -1, out->fd, name };
	while ((slash = strchr(ret->name, '/')) != NULL) {
		(void)snprintf(directory, sizeof(directory), "%.*s", (int)(slash - ret->name), ret->name);
		if (descend(ret, directory, make, err) < 0)
			return -1;
		ret->name = slash + 1;
	}
	return 0;
}

int out_open(const char *path, struct out *ret_out, struct err *err)
{
	struct out out OWNED_OUT = OUT_INIT;
	struct stat status;
	out.path = path;
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return err_set_errno(err, ERR_CONFIG, errno, "cannot make the directory '%s'", path);
	out.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (out.fd < 0 || fstat(out.fd, &status) < 0)
		return err_set_errno(err, ERR_CONFIG, errno, "'%s'", path);
	if (status.st_mode & 077)
		return err_set(err, ERR_CONFIG, "'%s' is open to others (mode %04o); it holds keys: chmod 700 '%s'",
			       path, status.st_mode & 07777, path);
	if (flock(out.fd, LOCK_EX | LOCK_NB) < 0)
		return err_set(err, ERR_CONFIG, "'%s' is in use by another sealpodctl", path);
	*ret_out = out;
	out.fd = -1;
	return 0;
}

void out_close(struct out *out)
{
	if (out->fd >= 0)
		(void)close(out->fd);
	out->fd = -1;
	buf_done(&out->made);
}

static int replace(struct out *out, const char *name, struct bytes content, mode_t mode, struct err *err)
{
	struct place place CLEANUP(place_done) = { .fd = -1 };
	if (out->look_only)
		return err_set(err, ERR_CONFIG, "'%s/%s' is not what would be made now", out->path, name);
	if (place_of(out, name, true, &place, err) < 0 ||
	    file_replace(place.dir, place.name, content, mode, (struct file_owner){ geteuid(), getegid() }, err) < 0)
		return err_wrap(err, "'%s/%s'", out->path, name);
	out->written++;
	return 0;
}

static bool is_the_same(const struct out *out, const char *name, struct bytes content)
{
	struct buf old OWNED_BUF = BUF_INIT(OUT_FILE_MAX);
	return out_has(out, name) && out_read(out, name, &old, NULL) == 0 && old.len == content.len &&
	       (content.len == 0 || memcmp(old.data, content.data, content.len) == 0);
}

int out_keep(struct out *out, const char *name, struct err *err)
{
	return buf_printf(&out->made, err, "%s\n", name);
}

static int write_again(struct out *out, const char *name, struct bytes content, mode_t mode, struct err *err)
{
	if (out_keep(out, name, err) < 0)
		return -1;
	if (is_the_same(out, name, content)) {
		out->unchanged++;
		return 0;
	}
	return replace(out, name, content, mode, err);
}

int out_write(struct out *out, const char *name, struct bytes content, struct err *err)
{
	return write_again(out, name, content, 0644, err);
}

int out_write_private(struct out *out, const char *name, struct bytes content, struct err *err)
{
	if (out_has(out, name))
		return err_set(err, ERR_CONFIG, "'%s/%s' is there already; move it away if it is to be made anew",
			       out->path, name);
	return replace(out, name, content, 0600, err);
}

int out_replace_private(struct out *out, const char *name, struct bytes content, struct err *err)
{
	return write_again(out, name, content, 0600, err);
}

int out_move(struct out *out, const char *from, const char *to, struct err *err)
{
	struct place old CLEANUP(place_done) = { .fd = -1 };
	struct place new CLEANUP(place_done) = { .fd = -1 };
	if (place_of(out, from, false, &old, err) < 0 || place_of(out, to, true, &new, err) < 0)
		return err_wrap(err, "'%s/%s'", out->path, from);
	if (renameat(old.dir, old.name, new.dir, new.name) < 0)
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot move '%s/%s' to '%s'", out->path, from, to);
	out->written++;
	return 0;
}

int out_remove(struct out *out, const char *name, struct err *err)
{
	struct place place CLEANUP(place_done) = { .fd = -1 };
	if (!out_has(out, name))
		return 0;
	if (place_of(out, name, false, &place, err) < 0)
		return err_wrap(err, "'%s/%s'", out->path, name);
	if (unlinkat(place.dir, place.name, 0) < 0 && errno != ENOENT)
		return err_set_errno(err, ERR_SYSTEM, errno, "cannot remove '%s/%s'", out->path, name);
	return 0;
}

bool out_has(const struct out *out, const char *name)
{
	struct stat status;
	return fstatat(out->fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0;
}

int out_read(const struct out *out, const char *name, struct buf *ret, struct err *err)
{
	struct place place CLEANUP(place_done) = { .fd = -1 };
	if (place_of(out, name, false, &place, err) < 0 || file_read(place.dir, place.name, ret, err) < 0)
		return err_wrap(err, "'%s/%s'", out->path, name);
	return 0;
}

static void close_fd(const int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

static int read_secret(int dir, const char *name, struct secret *ret, struct err *err)
{
	CLEANUP(close_fd) int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat status;
	if (fd < 0 || fstat(fd, &status) < 0)
		return err_set_errno(err, ERR_CONFIG, errno, "cannot open it");
	if (!S_ISREG(status.st_mode) || status.st_size > SECRET_MAX)
		return err_set(err, ERR_CONFIG, "is no file of at most %u bytes", SECRET_MAX);
	if (status.st_mode & 077)
		return err_set(err, ERR_CONFIG, "is open to others (mode %04o); chmod 600 it", status.st_mode & 07777);
	return secret_read_fd(ret, fd, SECRET_MAX, err);
}

int out_read_private(const struct out *out, const char *name, struct secret *ret, struct err *err)
{
	struct place place CLEANUP(place_done) = { .fd = -1 };
	if (place_of(out, name, false, &place, err) < 0 || read_secret(place.dir, place.name, ret, err) < 0)
		return err_wrap(err, "'%s/%s'", out->path, name);
	return 0;
}

int out_read_secret_file(const char *path, struct secret *ret, struct err *err)
{
	if (read_secret(AT_FDCWD, path, ret, err) < 0)
		return err_wrap(err, "'%s'", path);
	return 0;
}
